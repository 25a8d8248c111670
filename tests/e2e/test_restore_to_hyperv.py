"""A Hyper-V VM is protected, destroyed, restored and started: the VHDX that came back boots in QEMU.

The host is the stand-in of integrations/simulators/hyperv, which starts nothing itself: what it is told to start is
booted by QEMU, and its heartbeat is there only if the console says the marker that was on the disk in this run.
"""

import json
import secrets
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from integrations.simulators.hyperv import Card, Drive, Host, Machine, PsrpServer
from integrations.simulators.kvm import BootDisk
from integrations.simulators.vmstore import VmstoreSimulator, tls
from tests.e2e.demo import cloudy, environment, files_of
from tests.hyperv_world import PASSWORD, USER, booted, tool, vhdx
from tests.peers import weed

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
NAMES = ("vmstore", "vmstore2")


class World:
    """Two VMstores, a Hyper-V host that sees both as shares, a bucket, and Cloudy."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.marker = secrets.token_hex(8)
        self.said: list[str] = []
        self.exports = {name: folder / name for name in NAMES}
        for export in self.exports.values():
            (export / "other").mkdir(parents=True)  # an empty one looks as if it were not mounted
        self.host = Host({f"\\\\{name}\\share": path for name, path in self.exports.items()}, guest=self._starts)
        ca, certificate, key = tls.ensure(folder, "hyperv")
        server = PsrpServer(self.host, user=USER, password=PASSWORD, certificate=(certificate, key))
        server.start()
        stack.callback(server.close)
        self._make("hv01")
        sections = [_section("hypervisors.hv1", kind="hyperv", url=server.url, user=USER, auth="ntlm", ca=str(ca))]
        self.simulators = {name: VmstoreSimulator(path, plain_disks=("vhdx",)) for name, path in self.exports.items()}
        secret = {"HYPERVISORS__HV1__PASSWORD": PASSWORD}
        for name, simulator in self.simulators.items():
            simulator.start()
            stack.callback(simulator.stop)
            way = f"path:{self.exports[name]}"
            login = {"url": simulator.url, "user": "admin", "ca": str(simulator.ca)}
            shares = {"share": way, "cleanup_share": way, "hypervisor": "hv1", "datastore": f"\\\\{name}\\share"}
            sections.append(_section(f"vmstores.{name}", **login, **shares))
            secret[f"VMSTORES__{name.upper()}__PASSWORD"] = "secret"
        sections.append(self._target(stack, secret))
        (folder / "cloudy.toml").write_text("\n".join(sections))
        (folder / "secrets.env").write_text("".join(f"CLOUDY_{key}={value}\n" for key, value in secret.items()))

    def run(self, *words: str) -> Any:
        command = [*cloudy(), *words, "--json"]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False, env=environment()
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        return json.loads(done.stdout)

    def destroy(self, name: str) -> dict[str, str]:
        folder = self.exports["vmstore"] / name
        digests = files_of(folder)
        self.host.forget(self.host.named(name))
        shutil.rmtree(folder)
        return digests

    def _make(self, name: str) -> None:
        folder = self.exports["vmstore"] / name
        folder.mkdir()
        raw = folder / f"{name}.raw"
        BootDisk(marker=self.marker).write(raw)
        vhdx(raw, folder / f"{name}.vhdx")
        raw.unlink()
        machine = Machine(
            name=name, path=f"\\\\vmstore\\share\\{name}", startup=64 << 20, cards=[Card(switch="Production")]
        )
        machine.drives = [Drive("IDE", 0, 0, f"\\\\vmstore\\share\\{name}\\{name}.vhdx")]
        self.host.keep(machine)

    def _starts(self, disks: Sequence[Path]) -> str:
        self.said += [booted(disk) for disk in disks]
        return "OkApplicationsUnknown" if any(f"MARKER {self.marker}" in said for said in self.said) else "NoContact"

    def _target(self, stack: ExitStack, secret: dict[str, str]) -> str:
        peer = replace(stack.enter_context(weed()), bucket=f"bucket-{uuid.uuid4().hex}")
        peer.client.create_bucket(Bucket=peer.bucket)
        secret |= {"TARGETS__CLOUD__ACCESS_KEY": peer.access_key, "TARGETS__CLOUD__SECRET_KEY": peer.secret_key}
        return _section("targets.cloud", url=peer.url("vms"), endpoint=peer.endpoint, region=peer.region)


def _section(name: str, **values: Any) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    tool("qemu-img")
    with ExitStack() as stack:
        yield World(tmp_path, stack)


def test_a_destroyed_vm_comes_back_on_the_other_vmstore_and_its_disk_boots(world: World) -> None:
    world.run("protect", "hv01", "--to", "cloud")
    before = world.destroy("hv01")
    world.run("restore", "hv01", "--to", "vmstore2", "--as", "hv01-restored", "--power-on")
    restored = files_of(world.exports["vmstore2"] / "hv01-restored")
    assert {name: digest for name, digest in restored.items() if name.endswith(".vhdx")} == {
        name: digest for name, digest in before.items() if name.endswith(".vhdx")
    }
    machine = world.host.named("hv01-restored")
    assert [drive.path for drive in machine.drives] == ["\\\\vmstore2\\share\\hv01-restored\\hv01.vhdx"]
    assert [card.switch for card in machine.cards] == [""]
    assert [said for said in world.said if f"MARKER {world.marker}" in said and "READY" in said]
    steps = {step["id"]: step["state"] for step in world.run("show", "last")["steps"]}
    assert (steps["start"], steps["alive"]) == ("complete", "complete")
