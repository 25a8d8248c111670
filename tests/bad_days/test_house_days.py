"""Bad days of our own house: the databases, their disk, the key, the configuration, the port."""

import json
import re
import shutil
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from bot.main import janitor_for
from bot.model import Json, ProtectRequest
from bot.walk import walk
from tests.bad_days.conftest import BadDay
from tests.bad_days.processes import Disk, Processes, held, no_file_may_grow, small_disk
from tests.bad_days.world import World
from tests.e2e.waiting import until
from tests.peers import S3Peer
from tests.workflow.house import ALICE, OPS

pytestmark = pytest.mark.slow
AREA = "Own house"


@pytest.fixture
def house(tmp_path: Path, bucket_server: S3Peer) -> Iterator[Processes]:
    made = Processes(tmp_path, bucket_server)
    yield made
    made.close()


@pytest.fixture
def disk(house: Processes) -> Iterator[Disk]:
    """The house's databases lie on a disk of 24 MiB."""
    try:
        with small_disk(house.data, 24) as small:
            yield small
            house.end(signal.SIGKILL)
    except PermissionError as error:
        pytest.skip(f"no disk can be mounted here: {error}")


def nothing_doubled(house: Processes) -> bool:
    """No message stands twice, and each is of its own."""
    said = [text for text in house.conversation() if "Snapshot taken" in text or "is protected" in text]
    return len(said) == len(set(said))


def _said(stderr: str) -> str:
    """What is meant for people; the log's lines stand between."""
    return "\n".join(line for line in stderr.splitlines() if not line.startswith("{"))


# --- the database is busy or cannot be written ---


def test_the_database_is_held_by_another_program(house: Processes, bad_day: BadDay) -> None:
    house.simulator.options.clone_seconds = 1.0
    house.serve()
    house.command("/protect web01 to s3")
    house.until_cloning()
    with held(house.data / "cloudy.db"):
        refused = house.command("/protect vm02 to s3")
        done = house.run("protect", "vm02", "--to", "s3")
    assert "busy" in refused
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    [run] = house.until_ended()
    assert run["state"] == "succeeded"
    house.thread_says("web01 is protected")
    asked = [row for row in house.audit() if row["source"] != "schedule"]  # those are noted at its start
    assert {row["transaction"] for row in asked} == {run["id"]}
    bad_day.row(area=AREA, day="database held by another program", message=refused, cure=_said(done.stderr))


def test_the_disk_of_the_databases_is_full_in_the_middle_of_a_run(
    house: Processes, disk: Disk, bad_day: BadDay
) -> None:
    house.simulator.options.clone_seconds = 2.0
    house.serve()
    house.command("/protect web01 to s3")
    house.until_cloning()
    disk.fill()
    refused = house.command("/protect vm02 to s3")
    done = house.run("protect", "vm02", "--to", "s3")
    until(lambda: "database unusable" in house.logged, "the log says that the run waits", 60)
    assert "full" in refused
    assert "full" in done.stderr
    assert house.run("runs").returncode == 0
    assert house.points() == []
    disk.make_room()
    [run] = house.until_ended()
    assert (run["state"], run["left_behind"]) == ("succeeded", [])
    house.thread_says("web01 is protected")
    assert nothing_doubled(house)
    assert (house.points(), house.left()) == ([run["id"]], [])
    assert house.run("audit", "verify").returncode == 0
    bad_day.row(
        area=AREA,
        day="disk of the databases full in the middle of a run",
        message=refused,
        cure="make room: the run waits meanwhile, and goes on by itself",
    )


def test_the_disk_of_the_databases_fails_in_the_middle_of_a_run(house: Processes, bad_day: BadDay) -> None:
    house.simulator.options.clone_seconds = 2.0
    house.serve()
    house.command("/protect web01 to s3")
    house.until_cloning()
    assert house.bot is not None
    with no_file_may_grow(house.bot.pid):
        refused = house.command("/protect vm02 to s3")
    assert "disk I/O error" in refused
    [run] = house.until_ended()
    assert (run["state"], house.left()) == ("succeeded", [])
    assert nothing_doubled(house)
    assert house.run("audit", "verify").returncode == 0
    bad_day.row(area=AREA, day="disk of the databases fails for a while", message=refused)


def test_the_disk_of_the_databases_is_full_at_the_start(house: Processes, disk: Disk, bad_day: BadDay) -> None:
    disk.fill()
    done = house.run("serve")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "full" in done.stderr
    disk.make_room()
    assert house.run("protect", "web01", "--to", "s3").returncode == 0
    bad_day.row(area=AREA, day="disk of the databases full at the start", message=_said(done.stderr))


def test_the_disk_of_the_databases_is_read_only(house: Processes, disk: Disk, bad_day: BadDay) -> None:
    assert house.run("protect", "web01", "--to", "s3").returncode == 0
    disk.remount("ro")
    begun, asked = house.run("serve"), house.run("runs")
    assert (begun.returncode, "Traceback" in begun.stderr + asked.stderr) == (1, False)
    assert "read" in begun.stderr.lower()
    disk.remount("rw")
    assert house.run("protect", "vm02", "--to", "s3").returncode == 0
    assert house.run("audit", "verify").returncode == 0
    bad_day.row(area=AREA, day="databases on a read-only disk", message=_said(begun.stderr))


# --- the database is damaged, of another version, lost, of another time ---


def test_the_database_is_damaged(house: Processes, bad_day: BadDay) -> None:
    assert house.run("protect", "web01", "--to", "s3").returncode == 0
    copy = house.folder / "copy.db"
    shutil.copy(house.data / "cloudy.db", copy)
    (house.data / "cloudy.db").write_bytes(b"not a database at all " * 1000)
    begun, asked = house.run("serve"), house.run("runs")
    for done in (begun, asked):
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
        assert "put a copy in its place" in done.stderr
    shutil.copy(copy, house.data / "cloudy.db")
    assert house.run("protect", "vm02", "--to", "s3").returncode == 0
    assert house.run("audit", "verify").returncode == 0
    bad_day.row(area=AREA, day="database damaged", message=_said(begun.stderr))


def test_the_engines_database_is_damaged(house: Processes, bad_day: BadDay) -> None:
    assert house.run("protect", "web01", "--to", "s3").returncode == 0
    for file in house.data.glob("engine.db*"):
        file.write_bytes(b"not a database at all " * 1000)
    done = house.run("serve")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert "away, then start Cloudy again" in done.stderr
    for file in house.data.glob("engine.db*"):
        file.unlink()
    assert house.run("protect", "vm02", "--to", "s3").returncode == 0
    bad_day.row(area=AREA, day="engine's database damaged", message=_said(done.stderr))


def test_the_database_was_written_by_a_newer_cloudy(house: Processes, bad_day: BadDay) -> None:
    assert house.run("protect", "web01", "--to", "s3").returncode == 0
    with closing(sqlite3.connect(house.data / "cloudy.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    begun, asked = house.run("serve"), house.run("runs")
    for done in (begun, asked):
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
        assert "newer Cloudy" in done.stderr
    bad_day.row(area=AREA, day="database of a newer version", message=_said(begun.stderr))


def test_the_engines_database_is_lost_in_the_middle_of_a_run(house: Processes, bad_day: BadDay) -> None:
    house.simulator.options.clone_seconds = 2.0
    house.serve()
    house.command("/protect web01 to s3")
    house.until_cloning()
    house.end(signal.SIGKILL)
    for file in house.data.glob("engine.db*"):
        file.unlink()
    house.serve()
    receipt = house.thread_says("web01 is protected")
    [run] = house.until_ended()
    assert (run["state"], house.points(), house.left()) == ("succeeded", [run["id"]], [])
    assert len(house.asked("POST", "/snapshot")) == 1
    bad_day.row(area=AREA, day="engine's database lost in the middle of a run", message=_verdict(receipt))


def test_the_engines_database_is_an_older_copy(house: Processes, bad_day: BadDay) -> None:
    assert house.run("protect", "web01", "--to", "s3").returncode == 0
    copy = house.folder / "copy.db"
    _copy(house.data / "engine.db", copy)
    house.simulator.options.clone_seconds = 2.0
    house.serve()
    house.command("/protect vm02 to s3")
    until(lambda: len(house.asked("POST", "/vm")) == 2, "a second clone is asked for", 60)
    house.end(signal.SIGKILL)
    _put_back(copy, house.data / "engine.db")
    house.serve()
    receipt = house.thread_says("vm02 is protected")
    assert {run["state"] for run in house.until_ended(2)} == {"succeeded"}
    assert (len(house.points()), house.left()) == (2, [])
    bad_day.row(area=AREA, day="engine's database an older copy", message=_verdict(receipt))


def test_the_database_is_an_older_copy_of_a_time_when_a_run_was_under_way(house: Processes, bad_day: BadDay) -> None:
    house.simulator.options.clone_seconds = 1.0
    house.serve()
    house.command("/protect web01 to s3")
    house.until_cloning()
    copy = house.folder / "copy.db"
    _copy(house.data / "cloudy.db", copy)
    house.thread_says("web01 is protected")
    house.end()
    _put_back(copy, house.data / "cloudy.db")
    house.serve()
    [run] = house.until_ended()
    assert (run["state"], house.points()) == ("failed", [run["id"]])
    receipt = house.thread_says("of different times")
    assert "manifest.json" in receipt
    shown = house.run("show", "last").stdout
    assert "manifest.json" in shown
    assert house.audit()[-1]["body"]["state"] == "failed"
    bad_day.row(area=AREA, day="database an older copy, of a run under way", message=receipt, left="")


def test_the_database_is_an_older_copy_that_does_not_know_a_run(house: Processes, bad_day: BadDay) -> None:
    assert house.run("protect", "vm02", "--to", "s3").returncode == 0
    copy = house.folder / "copy.db"
    _copy(house.data / "cloudy.db", copy)
    house.simulator.options.clone_seconds = 2.0
    house.serve()
    house.command("/protect web01 to s3")
    until(lambda: len(house.asked("POST", "/vm")) == 2, "a second clone is asked for", 60)
    house.end(signal.SIGKILL)
    _put_back(copy, house.data / "cloudy.db")
    house.simulator.options.clone_seconds = 0.2
    house.serve()
    house.command("/protect web01 to s3")
    house.thread_says("web01 is protected")
    assert [run["state"] for run in house.until_ended(2)] == ["succeeded", "succeeded"]
    assert house.run("audit", "verify").returncode == 0
    assert "Traceback" not in house.logged
    bad_day.row(
        area=AREA,
        day="database an older copy that does not know a run under way",
        message=_logged(house.logged, "unknown_run"),
        left=", ".join(house.left()),
        cure="`cloudy orphans` lists it, `cloudy orphans --remove` removes it",
    )


def _verdict(text: str) -> str:
    """What any message of a run that ended well says, be it root, plan or receipt; each puts other marks around it."""
    found = re.search(r"\w+ is protected in \w+", text)
    assert found
    return found[0]


def _logged(text: str, words: str) -> str:
    """The message of the log's line that holds the words."""
    line = next(line for line in text.splitlines() if words in line and line.startswith("{"))
    return str(json.loads(line)["message"])


def _copy(path: Path, copy: Path) -> None:
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as destination:
        source.backup(destination)


def _put_back(copy: Path, path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        if not file.name.endswith(".lock"):
            file.unlink()
    shutil.copy(copy, path)


def test_the_engine_gives_a_run_up(world: World, bad_day: BadDay) -> None:
    request = ProtectRequest(vms=("web01",), targets=("s3",))
    [asked] = world.service.protect(request, ALICE, request_key="given-up", place=OPS)
    world.dispatch()
    walk_until(world, asked.id, ("check", "connect", "find", "snapshot", "clone"))
    world.engine.given_up.add(asked.id)
    world.dispatch()
    told = world.told(asked.id)
    assert told.transaction.state == "failed"
    for said in (told.receipt, told.cli, str(told.audit[-1].body)):
        assert "gave this run up" in said
    assert {line.split()[0] for line in told.transaction.left_behind} == {"snapshot", "clone"}
    assert all("cloudy orphans --remove" in line for line in told.transaction.left_behind)
    janitor_for(world.settings, world.db, ALICE).clear_ledger()
    assert world.left() == []
    left = ", ".join(told.transaction.left_behind)
    bad_day.row(area=AREA, day="the engine gives a run up", message=told.receipt, left=left, cure=told.cli)


def walk_until(world: World, transaction_id: str, steps: Sequence[str]) -> None:
    """Run these steps, then let the walk die as the engine would let it."""
    argument = world.engine._arguments[transaction_id]

    def keep(name: str, work: Callable[[], Json]) -> Json:
        if name not in steps:
            raise InterruptedError(name)
        return work()

    with pytest.raises(InterruptedError):
        walk(argument, world.process(), keep)


# --- the key, the configuration, the port, a second bot ---


def test_the_audits_key_is_lost(house: Processes, bad_day: BadDay) -> None:
    assert house.run("protect", "web01", "--to", "s3").returncode == 0
    key = house.folder / "audit.key"
    key.rename(house.folder / "kept.key")
    judged = house.run("audit", "verify")
    assert judged.returncode == 2
    done = house.run("protect", "vm02", "--to", "s3")
    assert done.returncode == 0
    assert "audit.key" in done.stderr
    assert not key.exists()
    (house.folder / "kept.key").rename(key)
    found = house.run("audit", "verify")
    assert (found.returncode, "without the audit's key" in found.stdout) == (1, True)
    bad_day.row(area=AREA, day="audit key lost", message=_logged(done.stderr, "audit.key"), cure=judged.stdout)


def test_the_configuration_has_ten_mistakes(house: Processes, bad_day: BadDay) -> None:
    (house.folder / "cloudy.toml").write_text(
        """
        [database]
        paht = "cloudy.db"
        [slack]
        bot_token = "xoxb-secret-in-the-wrong-place"
        [vmstores.Array]
        url = "vmstore.example.com"
        user = 7
        share = "path:export"
        cleanup = "perhaps"
        parallel = 0
        [targets.s3]
        region = "eu-central-1"
        part_mib = "many"
        [target.s4]
        url = "s3://bucket"
        """
    )
    (house.folder / "secrets.env").write_text("CLOUDY_VMSTORES__OTHER__PASSWORD=x\nCLOUDY_SLAK__APP_TOKEN=y\n")
    done = house.run("config", "check")
    assert done.returncode == 1
    assert done.stderr.count("\n- ") >= 10
    assert "xoxb" not in done.stderr
    assert "Traceback" not in done.stderr
    bad_day.row(area=AREA, day="ten mistakes in the configuration", message=_said(done.stderr))


def test_the_port_is_taken(house: Processes, bad_day: BadDay) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        done = house.run("serve", "--http", "--port", port)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "port" in done.stderr
    message = _said(done.stderr).replace(port, "<port>")
    bad_day.row(area=AREA, day="port of serve --http taken", message=message)


def test_a_second_bot_is_started_on_the_same_database(house: Processes, bad_day: BadDay) -> None:
    house.serve()
    done = house.run("serve")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "Another Cloudy" in done.stderr
    bad_day.row(area=AREA, day="a second bot on the same database", message=_said(done.stderr))
