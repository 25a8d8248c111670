"""SIGKILL in the middle of an upload: what the store has taken is not sent again, as the line before it has counted."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import integrations
from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from tests import azurite, peers
from tests.azurite import AzurePeer
from tests.e2e.waiting import until
from tests.peers import S3Peer
from tests.wire import Wire, wire

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

THREADS, PART_MIB, TAKEN = 2, 5, 7
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(integrations.__file__).parents[1])}
Peer = S3Peer | AzurePeer


@dataclass(frozen=True, kw_only=True)
class World:
    """A VMstore with vm01, and one target behind a line that stops after a few parts."""

    folder: Path
    peer: Peer
    line: Wire

    def start(self) -> subprocess.Popen[bytes]:
        """Protect vm01, in a process of its own."""
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "bot", "protect", "vm01", "--to", "cloud"],
                cwd=self.folder,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """What the processes wrote."""
        return (self.folder / "log").read_text()

    def runs(self) -> list[Any]:
        """As `cloudy runs` tells them, newest first."""
        words = [sys.executable, "-m", "bot", "runs", "--json"]
        done = subprocess.run(words, cwd=self.folder, env=ENVIRONMENT, capture_output=True, check=True)
        found: list[Any] = json.loads(done.stdout)["transactions"]
        return found


@pytest.fixture(params=[peers.weed, pytest.param(azurite.azurite, marks=pytest.mark.long)], ids=["s3", "azure"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    start: Callable[[], Any] = request.param
    with start() as peer, wire(peer.endpoint, hold_after=TAKEN) as line, vmstore(tmp_path) as simulator:
        (tmp_path / "cloudy.toml").write_text(
            f"""
            [vmstores.vmstore]
            url = "{simulator.url}"
            user = "admin"
            ca = "{simulator.ca}"
            share = "path:export"
            cleanup_share = "path:export"
            [targets.cloud]
            url = "{peer.url("vms")}"
            threads = {THREADS}
            part_mib = {PART_MIB}
            """
        )
        settings = {**peer.options, "endpoint": line.url}
        secrets = {f"TARGETS__CLOUD__{name.upper()}": value for name, value in settings.items()}
        secrets["VMSTORES__VMSTORE__PASSWORD"] = "secret"
        (tmp_path / "secrets.env").write_text("".join(f"CLOUDY_{name}={value}\n" for name, value in secrets.items()))
        yield World(folder=tmp_path, peer=peer, line=line)


@contextmanager
def vmstore(folder: Path) -> Iterator[VmstoreSimulator]:
    (folder / "export").mkdir()
    sample_vms.create(folder / "export", ["vm01"])
    simulator = VmstoreSimulator(folder / "export", clone_seconds=0.2)
    simulator.start()
    yield simulator
    simulator.stop()


def read(peer: Peer, key: str) -> bytes:
    """What a foreign client gets."""
    if isinstance(peer, AzurePeer):
        return bytes(peer.client.download_blob(key).readall())
    return bytes(peer.client.get_object(Bucket=peer.bucket, Key=key)["Body"].read())


def test_at_most_the_parts_in_flight_are_sent_again(world: World) -> None:
    killed, line = world.start(), world.line
    until(lambda: len(line.held) == THREADS or killed.poll() is not None, "every thread waits for an answer", 90)
    assert killed.poll() is None, world.log
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before, in_flight = {each.part for each in line.answered}, {each.part for each in line.held}
    assert len(before) == TAKEN
    assert len(in_flight) == THREADS
    count = len(line.sendings)
    line.free()

    assert world.start().wait(180) == 0, world.log
    assert [run["state"] for run in world.runs()] == ["refused", "succeeded"], "the one that was killed went on"
    after = [each.part for each in line.sendings[count:]]
    assert not before & set(after), "what the store has taken is not sent again"
    assert in_flight <= set(after)
    assert len(after) == len(set(after))
    again = sum(each.length for each in line.sendings[count:] if each.part in in_flight)
    assert again <= THREADS * PART_MIB << 20

    transaction = world.runs()[1]["id"]
    held = read(world.peer, f"vms/{transaction}/tintri/{transaction}/vm01/vm01-flat.vmdk")
    disk = (world.folder / "export/vm01/vm01-flat.vmdk").read_bytes()
    assert hashlib.sha256(held).digest() == hashlib.sha256(disk).digest()
