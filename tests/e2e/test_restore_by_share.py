"""VMs that are destroyed come back whole without any mount: by NFS and SMB, from S3 and Azure."""

import json
import secrets
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from integrations.simulators.kvm import BootDisk, LibvirtOnDemand, create_kvm, domain_xml
from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from tests import fileservers
from tests.azurite import azurite
from tests.contract.vmstore_simulator.caller import Caller
from tests.e2e.demo import LEFT_OUT, cloudy, environment, files_of
from tests.fileservers import FileServer
from tests.libvirt_world import require_libvirt
from tests.peers import weed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
MIB = 1 << 20
NAMES = ("vmstore", "vmstore2")


class World:
    """Two VMstores whose exports are directories of one file server, one target, a KVM host if asked, and Cloudy."""

    def __init__(
        self, folder: Path, server: FileServer, target: str, stack: ExitStack, *, has_host: bool = False
    ) -> None:
        self.folder = folder
        self.exports = {name: server.folder / name for name in NAMES}
        self.marker = secrets.token_hex(8)
        self.host = _host(stack) if has_host else None
        sample_vms.create_vm(self.exports["vmstore"], "vm01", 16 * MIB, 3 * MIB)
        self.simulators = {name: VmstoreSimulator(path, plain_disks=("raw",)) for name, path in self.exports.items()}
        sections, secret = _target(target, stack)
        for name, simulator in self.simulators.items():
            simulator.start()
            stack.callback(simulator.stop)
            sections.append(self._vmstore(name, server))
            secret |= {
                f"VMSTORES__{name.upper()}__PASSWORD": "secret",
                f"VMSTORES__{name.upper()}__SHARE_PASSWORD": server.password,
            }
        if self.host is not None:
            disk = create_kvm(self.exports["vmstore"], "kvm01", BootDisk(marker=self.marker), "raw")
            self.host.define("kvm01", domain_xml("kvm01", disk, "raw"))
            hypervisor = {"kind": "libvirt", "url": self.host.url, "domain_type": "qemu"}
            sections += [_section("hypervisors.kvm", **hypervisor), _section("drills", pattern=self.said)]
        (folder / "cloudy.toml").write_text("\n".join(sections))
        (folder / "secrets.env").write_text("".join(f"CLOUDY_{key}={value}\n" for key, value in secret.items()))

    @property
    def said(self) -> str:
        """What kvm01 says on its console when every byte is right, and no VM of another run: a regular expression."""
        return r"\s+".join(BootDisk(marker=self.marker).said)

    def _vmstore(self, name: str, server: FileServer) -> str:
        simulator = self.simulators[name]
        writable, readonly = (
            url.replace(f"/{share}", f"/{share}/{name}")
            for share, url in (("tintri", server.url), ("readonly", server.readonly))
        )
        return _section(
            f"vmstores.{name}",
            url=simulator.url,
            user="admin",
            ca=str(simulator.ca),
            share=readonly,
            cleanup_share=writable,
            **({"hypervisor": "kvm", "datastore": str(self.exports[name])} if self.host else {}),
        )

    def run(self, *words: str) -> Any:
        """A command, as a person gives it in the folder; gives what it told as JSON."""
        command = [*cloudy(), *words, "--json"]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False, env=environment()
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert fileservers.PASSWORD not in done.stdout + done.stderr
        return json.loads(done.stdout)

    def destroy(self, vm: str) -> dict[str, str]:
        """Delete a VM's files; gives the digests of those that a recovery point has."""
        folder = self.exports["vmstore"] / vm
        digests = files_of(folder)
        if self.host is not None:
            self.host.undefine(vm)
        shutil.rmtree(folder)
        return {name: digest for name, digest in digests.items() if not name.endswith(LEFT_OUT)}

    def listed(self, vmstore: str) -> list[str]:
        """Folders of the VMs that a VMstore lists."""
        caller = Caller(self.simulators[vmstore])
        assert caller.login().ok
        return [str(item["vmware"]["subdir"]) for item in caller.get("/vm", live="true")["items"]]


def _host(stack: ExitStack) -> LibvirtOnDemand:
    require_libvirt()
    host = LibvirtOnDemand(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cv-"))))
    stack.callback(host.stop)
    host.start()
    return host


def _target(kind: str, stack: ExitStack) -> tuple[list[str], dict[str, str]]:
    """Its section, and its secrets."""
    if kind == "azure":
        blobs = stack.enter_context(azurite())
        section = _section("targets.cloud", url=blobs.url("vms"), endpoint=blobs.endpoint)
        return [section], {"TARGETS__CLOUD__ACCOUNT_KEY": blobs.account.key}
    peer = replace(stack.enter_context(weed()), bucket=f"bucket-{uuid.uuid4().hex}")
    peer.client.create_bucket(Bucket=peer.bucket)
    section = _section("targets.cloud", url=peer.url("vms"), endpoint=peer.endpoint, region=peer.region)
    return [section], {
        "TARGETS__CLOUD__ACCESS_KEY": peer.access_key,
        "TARGETS__CLOUD__SECRET_KEY": peer.secret_key,
    }


def _section(name: str, **values: Any) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""])


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as one:
        yield one


def opened(folder: Path, share: str, target: str, stack: ExitStack, *, has_host: bool = False) -> World:
    make = {"nfs3": fileservers.nfs3, "nfs4": fileservers.nfs4, "smb": fileservers.smb}[share]
    return World(folder, stack.enter_context(fileservers.running(make)), target, stack, has_host=has_host)


def brought_back(world: World, vm: str, *options: str) -> None:
    """Protect it, destroy it, restore it to the other VMstore: each file as it was, and the VM is listed there."""
    protected = world.run("protect", vm, "--to", "cloud")["transactions"][0]
    assert (protected["state"], protected["left_behind"]) == ("succeeded", [])
    before = world.destroy(vm)
    assert vm not in world.listed("vmstore")
    world.run("restore", vm, "--to", "vmstore2", "--as", f"{vm}-restored", *options)
    assert files_of(world.exports["vmstore2"] / f"{vm}-restored") == before
    assert [path.name for path in world.exports["vmstore2"].iterdir()] == [f"{vm}-restored"]
    assert world.listed("vmstore2") == [f"{vm}-restored"]


def test_a_destroyed_vm_comes_back_by_nfs_from_s3_boots_and_says_the_marker_of_this_run(
    tmp_path: Path, stack: ExitStack
) -> None:
    world = opened(tmp_path, "nfs3", "s3", stack, has_host=True)
    brought_back(world, "kvm01", "--power-on")
    steps = {step["title"]: step["state"] for step in world.run("show", "last")["steps"]}
    assert steps["Prove alive"] == "complete", "only what was on the disk in this run is a sign of life there"


@pytest.mark.long
@pytest.mark.parametrize("target", ["s3", "azure"])
@pytest.mark.parametrize("share", ["nfs3", "nfs4", "smb"])
def test_a_destroyed_vm_comes_back_whole(tmp_path: Path, stack: ExitStack, share: str, target: str) -> None:
    brought_back(opened(tmp_path, share, target, stack), "vm01")
