"""`cloudy ...` without Slack, as a person runs it: real processes, a VMstore simulator and an S3 server."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from tests.peers import S3Peer, moto

CLOUDY = str(Path(sys.executable).parent / "cloudy")

pytestmark = pytest.mark.slow


class World:
    """A VMstore, a bucket and a folder with cloudy.toml; no bot runs."""

    def __init__(self, folder: Path, simulator: VmstoreSimulator, peer: S3Peer) -> None:
        self.folder = folder
        self.simulator = simulator
        self.peer = peer

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [CLOUDY, *arguments], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CLOUDY, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)

    def objects(self) -> list[str]:
        found = self.peer.client.list_objects_v2(Bucket=self.peer.bucket).get("Contents", [])
        return [each["Key"] for each in found]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    export = tmp_path / "export"
    export.mkdir()
    sample_vms.create(export, ["web01", "vm02"])
    simulator = VmstoreSimulator(export, clone_seconds=1.0)
    with moto() as shared:
        peer = replace(shared, bucket=f"bucket-{uuid.uuid4().hex}")  # moto's buckets outlive its servers
        peer.client.create_bucket(Bucket=peer.bucket)
        url = simulator.start()
        (tmp_path / "cloudy.toml").write_text(
            f"""
            [vmstores.vmstore]
            url = "{url}"
            user = "admin"
            ca = "{simulator.ca}"
            share = "path:export"
            cleanup_share = "path:export"
            [targets.s3]
            url = "s3://{peer.bucket}"
            endpoint = "{peer.endpoint}"
            region = "{peer.region}"
            path_style = true
            """
        )
        (tmp_path / "secrets.env").write_text(
            "CLOUDY_VMSTORES__VMSTORE__PASSWORD=secret\n"
            f"CLOUDY_TARGETS__S3__ACCESS_KEY={peer.access_key}\nCLOUDY_TARGETS__S3__SECRET_KEY={peer.secret_key}\n"
        )
        yield World(tmp_path, simulator, peer)
        simulator.stop()


def test_protect_runs_without_slack_and_everything_can_be_read_afterwards(world: World) -> None:
    done = world.run("protect", "web01", "--to", "s3", "--json")
    assert done.returncode == 0, done.stderr
    [transaction] = json.loads(done.stdout)["transactions"]
    assert transaction["state"] == "succeeded"
    assert {"id", "workflow", "vm", "targets", "state", "started", "ended", "bytes"} <= set(transaction)
    assert world.json("runs")["transactions"][0]["id"] == transaction["id"]
    shown = world.json("show", "last")
    assert [step["state"] for step in shown["steps"]] == ["complete"] * 10
    plain = {key for key in world.objects() if not key.startswith((f"{transaction['id']}/blocks/", ".cloudy/zero/"))}
    assert {file["key"] for file in shown["files"]} | {f"{transaction['id']}/manifest.json"} == plain
    for file in shown["files"]:
        body = world.peer.client.get_object(Bucket=world.peer.bucket, Key=file["key"])["Body"].read()
        assert body == (world.folder / "export/web01" / Path(file["key"]).name).read_bytes()
    assert world.run("audit", "verify").returncode == 0
    assert world.json("audit", "show", transaction["id"])["audit"][-1]["body"]["state"] == "succeeded"


def test_a_protect_asks_the_vmstore_in_this_order_and_for_nothing_else(world: World) -> None:
    assert world.run("protect", "web01", "--to", "s3").returncode == 0
    asked = [f"{row['method']} {shape(row['path'])}" for row in world.simulator.requests]
    session = ["POST /session/login", "GET /session/logout"]
    planning = ["GET /api/info", session[0], "GET /vm", "GET /virtualDisk", session[1]]
    space = "GET /datastore/default/systemProperty/com.tintri.space.usedPercentDisableSnapshotsThreshold"
    planning += [session[0], "GET /datastore/default/statsSummary", space, "GET /snapshot", session[1]]
    find = ["GET /vm/ID", "GET /virtualDisk"]
    snapshot = ["GET /snapshot", "POST /snapshot", "GET /snapshot/ID"]
    clone = ["POST /vm", "GET /task/ID"]
    cleanup = ["GET /snapshot", "DELETE /snapshot/ID"]
    run = ["GET /api/info", session[0], *find, *snapshot, *clone, *clone[1:], *cleanup, session[1]]
    assert once(asked) == once(planning + run)


def test_the_other_layout_and_a_vmstore_that_keeps_snapshots_of_living_clones_change_nothing(world: World) -> None:
    world.simulator.options.layout = "direct"
    world.simulator.options.refuse_snapshot_delete_while_clone = True
    done = world.run("protect", "web01", "--to", "s3", "--json")
    assert done.returncode == 0, done.stderr
    [transaction] = json.loads(done.stdout)["transactions"]
    assert transaction["left_behind"] == []
    assert f"{transaction['id']}/tintri/{transaction['id']}/web01.vmx" in world.objects()


def shape(path: str) -> str:
    short = path.removeprefix("/api/v310")
    return re.sub(r"^/(vm|snapshot|task)/.+", r"/\1/ID", short)


def once(calls: list[str]) -> list[str]:
    """Calls with repeats in a row folded: a task is polled as often as it takes."""
    return [call for i, call in enumerate(calls) if i == 0 or calls[i - 1] != call]


def test_an_unknown_vm_target_or_transaction_ends_with_status_1_and_words(world: World) -> None:
    unknown = world.run("protect", "web1", "--to", "s3")
    assert unknown.returncode == 1
    assert "Did you mean web01" in unknown.stdout
    target = world.run("protect", "web01", "--to", "azure")
    assert target.returncode == 1
    assert "The targets are: s3" in target.stderr
    assert world.run("show", "zzzz").returncode == 1
    assert world.objects() == []


def test_a_killed_protect_goes_on_when_somebody_asks_again(world: World) -> None:
    world.simulator.options.clone_seconds = 5.0  # longer than a busy machine needs to kill
    first = world.start("protect", "vm02", "--to", "s3", "--json")
    until_a_clone_is_asked_for(world)
    world.simulator.options.clone_seconds = 1.0
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    again = world.run("protect", "vm02", "--to", "s3", "--json")
    assert again.returncode == 0, again.stderr
    runs = world.json("runs")["transactions"]
    assert [run["state"] for run in runs] == ["refused", "succeeded"]
    assert {key.split("/")[0] for key in world.objects()} == {runs[1]["id"]}
    assert sorted(path.name for path in (world.folder / "export").iterdir()) == ["vm02", "web01"]
    assert world.run("audit", "verify").returncode == 0


def test_two_processes_at_once_work_on_one_database(world: World) -> None:
    running = [world.start("protect", vm, "--to", "s3", "--json") for vm in ("web01", "vm02")]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    assert {run["state"] for run in world.json("runs")["transactions"]} == {"succeeded"}


def until_a_clone_is_asked_for(world: World) -> None:
    deadline = time.monotonic() + 60
    while not [row for row in world.simulator.requests if row["method"] == "POST" and row["path"].endswith("/vm")]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_who_follows_works_on_when_the_process_that_worked_has_ended(world: World) -> None:
    world.simulator.options.clone_seconds = 3.0
    first = world.start("protect", "web01", "--to", "s3")
    until_a_clone_is_asked_for(world)
    second = world.start("protect", "vm02", "--to", "s3")
    assert first.wait(timeout=120) == 0
    assert second.wait(timeout=120) == 0
    assert {run["state"] for run in world.json("runs")["transactions"]} == {"succeeded"}


def test_reading_commands_say_when_there_is_no_database_yet(world: World) -> None:
    done = world.run("runs")
    assert done.returncode == 1
    assert "cloudy" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (world.folder / "cloudy.db").exists()


def test_mistakes_of_the_configuration_are_told_all_at_once(world: World) -> None:
    (world.folder / "cloudy.toml").write_text('[vmstores.a]\nurll = "x"\n[targets.s3]\nurl = 3\n')
    done = world.run("config", "check")
    assert done.returncode == 1
    assert done.stderr.count("\n- ") >= 3
