"""The main job, end to end: the installed command, real protocols, a bot that is killed and stopped half-way."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from integrations.simulators.demo.azurite import find
from integrations.simulators.vmstore import sample_vms
from tests.e2e.demo import LEFT_OUT, STEPS, Demo, cloudy, environment, files_of, tasks_of
from tests.e2e.test_leash import is_alive
from tests.e2e.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PROTECT = """
alice> /protect vm01 to s3
wait step upload 60
world touch vm01 2%
wait done 120
expect "protected"
alice> /cloudy runs
expect "vm01"
"""
KILL_IN_UPLOAD = """
alice> /protect vm01 to s3
world slow s3 20MiB/s
wait step upload 60
restart kill
world slow s3 off
wait done 240
expect "protected"
"""
KILL_IN_CLONE = """
alice> /protect vm01 to s3
wait step clone 60
restart kill
wait done 240
expect "protected"
"""
STOP = """
alice> /protect vm01 to s3
world slow s3 20MiB/s
wait step {step} 60
alice> {act}
wait done 60
expect "Nothing is left behind"
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export as the demo's is before anything happened."""
    export = tmp_path_factory.mktemp("sample")
    sample_vms.create(export, ["vm01", "vm02", "web01"])
    return export


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    yield from play(tmp_path_factory.mktemp("protected") / "demo", PROTECT)


@pytest.fixture(scope="module", params=[KILL_IN_UPLOAD, KILL_IN_CLONE], ids=["killed in upload", "killed in clone"])
def resumed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    yield from play(tmp_path_factory.mktemp("resumed") / "demo", request.param)


@pytest.fixture(
    scope="module",
    params=[("clone", 'click "Stop"'), ("upload", "mention stop")],
    ids=["stopped in clone", "stopped in upload"],
)
def stopped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    step, act = request.param
    yield from play(tmp_path_factory.mktemp("stopped") / "demo", STOP.format(step=step, act=act))


def play(folder: Path, script: str) -> Iterator[Demo]:
    demo = Demo(folder, script)
    try:
        demo.wait(300)
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait()


def assert_protected(demo: Demo, sample: Path) -> None:
    """One recovery point with the VM's files at the time of the snapshot, and nothing else."""
    (transaction,) = demo.transactions()
    prefix = transaction["id"]
    assert transaction["state"] == "succeeded"
    objects = [key for key in demo.objects() if not key.startswith(f"{prefix}/blocks/")]
    assert f"{prefix}/manifest.json" in objects
    # A clone that was cut short is given up and made anew in a directory of its own.
    (directory,) = {PurePosixPath(key).parts[2] for key in objects if key != f"{prefix}/manifest.json"}
    assert directory in (prefix, f"{prefix}.2")
    expected = {
        f"{prefix}/tintri/{directory}/vm01/{name}": digest
        for name, digest in files_of(sample / "vm01").items()
        if not name.endswith(LEFT_OUT)
    }
    assert sorted(objects) == sorted([*expected, f"{prefix}/manifest.json"])
    assert {key: demo.digest(key) for key in expected} == expected
    assert_nothing_left(demo, sample)


def assert_nothing_left(demo: Demo, sample: Path, touched: str = "vm01/vm01-flat.vmdk") -> None:
    assert demo.snapshots() == []
    assert demo.unfinished_uploads() == []
    before = files_of(sample)
    after = {name: digest for name, digest in demo.export().items() if not name.startswith("kvm01/")}
    assert list(before) == list(after)
    assert {name for name in before if before[name] != after[name]} <= {touched}


def test_the_bucket_has_the_vms_files_as_they_were_at_the_snapshot(protected: Demo, sample: Path) -> None:
    assert_protected(protected, sample)


def test_ten_tasks_complete_in_order_in_one_plan_message(protected: Demo) -> None:
    (plan,) = protected.plans()
    states = protected.states(plan)
    assert [task["task_id"] for task in tasks_of(plan)] == STEPS
    assert len(states) > 3, "posted and edited at least three times"
    assert states[-1] == ["complete"] * 10
    complete = [[state == "complete" for state in one] for one in states]
    assert all(one == sorted(one, reverse=True) for one in complete), "none is complete before the one above it"
    assert [sum(one) for one in complete] == sorted(sum(one) for one in complete), "none is taken back"


def test_the_transaction_id_stands_in_every_milestone(protected: Demo) -> None:
    (transaction,) = protected.transactions()
    assert len(protected.thread()) >= 5
    assert all(transaction["id"] in text for text in protected.thread())
    assert transaction["id"] in protected.output


def test_the_proxy_has_counted_what_was_sent(protected: Demo) -> None:
    (transaction,) = protected.transactions()
    wire = json.loads((protected.data / "wire.json").read_text())
    moved = transaction["bytes"]
    assert moved["sent"] + moved["zero"] == moved["read"] > 1 << 30
    beside = 16 << 20  # the zero object, what probing sends, digests and manifest
    assert moved["sent"] <= wire["PUT"]["up"] <= moved["sent"] * 1.05 + beside


def test_a_killed_run_goes_on_by_itself_to_one_recovery_point(resumed: Demo, sample: Path) -> None:
    assert_protected(resumed, sample)


def test_a_killed_run_is_told_once(resumed: Demo) -> None:
    (plan,) = resumed.plans()
    assert resumed.states(plan)[-1] == ["complete"] * 10
    assert len(resumed.thread()) == len(set(resumed.thread())), "no milestone is doubled"


def test_a_stopped_run_leaves_nothing(stopped: Demo, sample: Path) -> None:
    (transaction,) = stopped.transactions()
    assert transaction["state"] == "stopped"
    assert stopped.objects() == []
    assert_nothing_left(stopped, sample)


def test_a_stopped_run_says_so_in_its_thread(stopped: Demo) -> None:
    assert "Stopped by alice" in stopped.thread()[-1]
    assert "Nothing is left behind" in stopped.thread()[-1]
    (plan,) = stopped.plans()
    assert "complete" in stopped.states(plan)[-1]


def test_a_killed_demo_takes_all_its_processes_along(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", "world users\n")
    demo.wait(120)
    children = demo.children
    assert len(children) == 3 + bool(find().command), "bot, watcher, S3 server, and Azurite where it is installed"
    demo.process.kill()
    demo.process.wait()
    until(lambda: not any(is_alive(child) for child in children), "all of them are gone")


def test_a_demo_that_is_asked_to_end_gives_the_scripts_status(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", "world users\n")
    demo.wait(120)
    children = demo.children
    assert demo.end() == 0
    assert not any(is_alive(child) for child in children)
    assert demo.output.splitlines()[-1] == "script: ok"


def test_a_demo_that_is_asked_to_end_within_its_script_says_where(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", "world users\n\nwait step upload 100\n")
    until(lambda: "users: alice" in demo.output, "the script runs", 120)
    assert demo.end() == 1
    assert demo.output.splitlines()[-1].startswith("script: line ")


def test_a_folder_holds_one_world_at_a_time(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", "world users\n")
    demo.wait(120)
    before = (demo.data / "world.json").read_bytes()
    second = subprocess.run(
        [*cloudy(), "demo", "--script", "script", "--data", "world"],
        check=False, capture_output=True, text=True, cwd=demo.folder, env=environment(), timeout=100,
    )  # fmt: skip
    assert second.returncode == 1
    assert second.stdout.splitlines()[-1].startswith("script: line 0: ")
    assert "world" in second.stdout
    assert (demo.data / "world.json").read_bytes() == before
    assert demo.end() == 0


def test_a_line_that_fails_is_told_last(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", 'world users\nexpect "nothing of the kind"\nworld help\n')
    until(lambda: demo.has_ended, "the script has ended", 120)
    assert demo.output.splitlines()[-1].startswith("script: line 2: ")
    assert "what can be written" not in demo.output, "no line after the failed one is played"
    assert demo.end() == 1


@pytest.mark.parametrize(
    "options",
    [["--script", "none"], ["--script", "script", "--data", "script"], ["--script", "script", "--json", "none/record"]],
    ids=["no script", "a folder that is a file", "no place for the record"],
)
def test_what_cannot_be_read_or_written_is_told_before_anything_starts(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "script").write_text("world users\n")
    done = subprocess.run(
        [*cloudy(), "demo", *options],
        check=False, capture_output=True, text=True, cwd=tmp_path, env=environment(), timeout=100,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("script: line 0: ")
    assert options[-1] in done.stdout
    assert "ready" not in done.stdout
    assert "Traceback" not in done.stderr
