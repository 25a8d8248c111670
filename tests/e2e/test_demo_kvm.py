"""kvm01 is protected, destroyed, restored and booted: its console says the marker that was on its disk in this run."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.simulators.demo.kvmplace import KvmPlace
from integrations.simulators.demo.player import Player
from integrations.simulators.demo.script import ScriptError
from integrations.simulators.demo.transcript import Transcript
from integrations.simulators.demo.world import World
from integrations.simulators.kvm import BootDisk, LibvirtOnDemand, create_kvm
from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from tests.e2e.demo import Demo, files_of
from tests.e2e.test_demo import play
from tests.libvirt_world import require_libvirt

MIB = 1 << 20
BOOTED = """
alice> /protect kvm01 to s3
wait done 120
expect "kvm01 is protected in s3"
alice> /drill kvm01
wait done 120
expect "is proven"
alice> /verify last deep
wait done 60
expect "The recovery point of kvm01 is good in s3"
alice> /recovery-points kvm01
world destroy kvm01
alice> /restore kvm01 to vmstore2 as kvm01-restored power on
wait done 120
expect "kvm01 is restored to vmstore2 as kvm01-restored"
alice> /restore vm02 to vmstore2
wait done 20
"""


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    require_libvirt()
    yield from play(tmp_path_factory.mktemp("kvm") / "demo", BOOTED)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_destroyed_vm_boots_on_the_other_vmstore_and_its_console_says_the_marker_of_this_run(booted: Demo) -> None:
    marker = booted.world["kvm"]["marker"]
    _drilled, lives = [text for text in booted.thread() if "It lives" in text]
    assert "by its console" in lives
    assert f"MARKER {marker}" in lives
    assert "READY" in lives
    assert not (booted.data / booted.world["vmstores"]["vmstore"]["export"] / "kvm01").exists()
    assert "kvm01-restored" in [vm["vmware"]["name"] for vm in booted.vms("vmstore2")]
    (key,) = [key for key in booted.objects() if key.endswith("/kvm01.raw")]
    restored = files_of(booted.data / booted.world["vmstores"]["vmstore2"]["export"] / "kvm01-restored")
    assert restored == {"kvm01.raw": booted.digest(key)}
    run = booted.transactions()[0]
    assert (run["workflow"], run["state"]) == ("restore", "succeeded")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_drill_proves_the_recovery_point_by_its_console_and_leaves_nothing(booted: Demo) -> None:
    marker = booted.world["kvm"]["marker"]
    (drill,) = [run for run in booted.transactions() if run["workflow"] == "drill"]
    assert drill["state"] == "succeeded"
    assert "It lives, by its console" in booted.output
    assert f"MARKER {marker}" in booted.output
    (point,) = booted.cli("recovery-points", "kvm01", "--json")["recovery_points"]
    assert point["proven"]["transaction"] == drill["id"]
    assert point["proven"]["sign"] == "console"
    assert 0 < point["proven"]["rto_s"] < 120
    assert point["verified"]["how"] == "read back"
    for vmstore in booted.world["vmstores"].values():
        assert not list((booted.data / vmstore["export"]).glob(".cloudy-*"))
    assert not [vm for name in booted.world["vmstores"] for vm in booted.vms(name) if "drill" in vm["vmware"]["name"]]


# --- without libvirt ---


def test_a_world_without_libvirt_has_the_vm_and_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LibvirtOnDemand, "missing", staticmethod(lambda: ["libvirtd"]))
    place = KvmPlace(tmp_path)
    place.start(tmp_path / "export")
    try:
        assert place.host is None
        assert (tmp_path / "export" / "kvm01" / "kvm01.raw").is_file()
        assert "libvirtd" in place.missing
        assert "apt-get install libvirt-daemon-system" in place.cure
        assert place.told()["url"] == ""
        place.forget("kvm01")
    finally:
        place.stop()


def test_each_world_has_a_marker_of_its_own_and_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LibvirtOnDemand, "missing", staticmethod(lambda: ["libvirtd"]))
    one, again, other = KvmPlace(tmp_path / "one"), KvmPlace(tmp_path / "one"), KvmPlace(tmp_path / "other")
    for place, folder in ((one, "one"), (again, "one"), (other, "other")):
        (tmp_path / folder).mkdir(exist_ok=True)
        place.start(tmp_path / folder / "export")
    assert one.marker == again.marker != other.marker
    disk = (tmp_path / "one" / "export" / "kvm01" / "kvm01.raw").read_bytes()
    assert one.marker.encode() in disk[:1024]


def test_a_vm_that_was_destroyed_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LibvirtOnDemand, "missing", staticmethod(lambda: ["libvirtd"]))
    KvmPlace(tmp_path).start(tmp_path / "export")
    shutil.rmtree(tmp_path / "export" / "kvm01")
    KvmPlace(tmp_path).start(tmp_path / "export")
    assert not (tmp_path / "export" / "kvm01").exists()


# --- libvirt on demand ---


def test_a_vm_is_forgotten_before_anybody_has_started_libvirt(tmp_path: Path) -> None:
    host = LibvirtOnDemand(tmp_path / "kvm")
    host.define("kvm01", "<domain/>")
    assert host.knows("kvm01")
    host.start()
    host.undefine("kvm01")
    host.undefine("kvm01")
    assert not host.knows("kvm01")
    host.stop()
    host.stop()


def test_a_folder_whose_sockets_could_not_be_dialled_is_known() -> None:
    assert LibvirtOnDemand.fits(Path("/tmp/world/kvm"))
    assert not LibvirtOnDemand.fits(Path("/tmp") / ("x" * 90))


def test_deleting_a_vm_takes_its_files_and_a_vm_that_is_not_there_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    export = tmp_path / "export"
    world.vmstores["vmstore"] = VmstoreSimulator(export)
    create_kvm(export, "kvm01", BootDisk(marker="m"), "raw")
    sample_vms.create(export, ["web01"])
    said: list[str] = []
    player = Player(world, Transcript(said.append))
    assert world.vms == {"vmstore": ("kvm01", "web01")}
    with pytest.raises(ScriptError, match="kvm01 boots from its disk"):
        player.touch("kvm01", 2, MIB)
    player.destroy("kvm01")
    player.destroy("web01")
    assert list(export.iterdir()) == []
    with pytest.raises(ScriptError, match="there is no VM kvm01"):
        player.destroy("kvm01")


def test_nothing_is_started_until_somebody_dials(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("libvirt's daemon is started by root")
    host = LibvirtOnDemand(tmp_path / "kvm")
    host.start()
    assert sorted(path.name for path in host.folder.iterdir()) == ["dial"]
    host.stop()
    assert list(host.folder.iterdir()) == []
