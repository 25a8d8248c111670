"""VMs of plain KVM: files that no manager knows, and that a rule of the appliance makes a VM."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.simulators.vmstore import VmstoreSimulator
from tests.contract.vmstore_simulator.caller import FS, MIB, Caller, error_of


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[VmstoreSimulator]:
    made = VmstoreSimulator(tmp_path / "export", http=True, clone_seconds=0.1, fs_uuid=FS, plain_disks=("raw", "qcow2"))
    write(made.export / "kvm01" / "kvm01.raw")
    made.start()
    yield made
    made.stop()


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"boot" * (MIB // 4))


def names(caller: Caller, **query: str) -> list[str]:
    return [item["vmware"]["name"] for item in caller.get("/vm", live="true", **query)["items"]]


def test_a_folder_with_a_disk_and_no_vmx_is_a_vm_that_no_manager_knows(caller: Caller) -> None:
    (vm,) = caller.get("/vm", hypervisorType="OTHERFILE")["items"]
    told = vm["vmware"]
    assert (told["name"], told["hypervisorType"], told["subdir"]) == ("kvm01", "OTHERFILE", "kvm01")
    assert (told["vcenterName"], told["host"], told["isPowered"]) == ("", "", None)
    assert told["supportedSnapshotConsistencyTypes"] == ["CRASH_CONSISTENT"]
    (disk,) = caller.get("/virtualDisk", vmUuid=vm["uuid"]["uuid"])["items"]
    assert (disk["path"], disk["isDiskDrive"]) == ("kvm01/kvm01.raw", True)
    assert names(caller, hypervisorType="VMWARE") == []
    assert caller.get("/vm/filter")["hypervisorTypes"] == ["OTHERFILE"]


def test_the_rule_is_the_appliances_and_can_be_taken_back(caller: Caller) -> None:
    assert caller.get("/appliance/default/csiProperties")["fileExtensions"] == ["raw", "qcow2"]
    caller.call("PUT", "/api/v310/appliance/default/csiProperties", ruled(isEnabled=False))
    assert names(caller) == []
    caller.call("PUT", "/api/v310/appliance/default/csiProperties", ruled(isEnabled=True, directoryNames=["x"]))
    assert names(caller) == []


def ruled(**new: object) -> dict[str, object]:
    return {"objectsWithNewValues": [new], "propertiesToBeUpdated": sorted(new)}


def test_files_that_come_back_under_the_name_are_another_vm(simulator: VmstoreSimulator, caller: Caller) -> None:
    before = caller.vm_id("kvm01")
    caller.snapshot(before)
    (simulator.export / "kvm01" / "kvm01.raw").rename(simulator.export / "kept")  # its inode is not given again
    shutil.rmtree(simulator.export / "kvm01")
    assert names(caller) == []
    write(simulator.export / "kvm01" / "kvm01.raw")
    assert names(caller) == ["kvm01"]
    assert caller.get(f"/vm/{before}")["isLive"] is False


def test_a_directory_clone_of_it_has_its_files_and_is_no_vm(simulator: VmstoreSimulator, caller: Caller) -> None:
    snapshot = caller.snapshot(caller.vm_id("kvm01"))
    assert caller.wait(caller.clone(snapshot, "out"))["state"] == "SUCCESS"
    clone, original = (simulator.export / each / "kvm01" / "kvm01.raw" for each in ("out", "."))
    assert clone.read_bytes() == original.read_bytes()
    assert names(caller) == ["kvm01"]
    assert caller.get("/snapshot")["items"][0]["hypervisorType"] == "OTHERFILE"


def test_a_person_clones_it_and_the_clone_is_a_vm_without_a_vmx(simulator: VmstoreSimulator, caller: Caller) -> None:
    simulator.clone("kvm01", "kvm02")
    assert sorted(names(caller)) == ["kvm01", "kvm02"]
    assert [path.name for path in (simulator.export / "kvm02").iterdir()] == ["kvm01.raw"]


def test_its_snapshot_is_crash_consistent_or_none(caller: Caller) -> None:
    spec = {"sourceVmTintriUUID": caller.vm_id("kvm01"), "consistency": "VM_CONSISTENT"}
    assert error_of(caller.call("POST", "/api/v310/snapshot", [spec]))[:2] == (400, "ERR-API-3105")


def test_sync_vm_puts_a_disk_back_that_is_one_file(simulator: VmstoreSimulator, caller: Caller) -> None:
    vm = caller.vm_id("kvm01")
    snapshot = caller.snapshot(vm)
    disk = simulator.export / "kvm01" / "kvm01.raw"
    was = disk.read_bytes()
    for kind in ("FULL_VM", "VDISK"):
        disk.write_bytes(b"lost")
        spec = {"snapshotTintriUuid": snapshot, "targetVmTintriUuids": [vm], "type": kind, "async": False}
        assert caller.call("POST", "/api/v310/vm/sync", spec).json()["state"] == "SUCCESS"
        assert disk.read_bytes() == was
    spec = {"snapshotTintriUuid": snapshot, "targetVmTintriUuids": [vm], "type": "FILE_RESTORE"}
    assert error_of(caller.call("POST", "/api/v310/vm/sync", spec))[1] == "ERR-API-3701"
