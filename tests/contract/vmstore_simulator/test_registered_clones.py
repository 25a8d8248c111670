"""Clones that a hypervisor knows, and SyncVM."""

import shutil
from typing import Any

import pytest

from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from integrations.vmstores.tintri import TintriVMstore
from tests.contract.vmstore_simulator.caller import MIB, Caller, error_of

MANAGER = "vcenter.example"
SYNC = "com.tintri.api.rest.v310.dto.domain.beans.vm.VirtualMachineSyncSpec"


def ask(caller: Caller, name: str, manager: str = MANAGER, **more: Any) -> dict[str, Any]:
    body = {"vmware": {"cloneVmName": name, "vCenterName": manager, "datastoreName": "default"}, **more}
    answer = caller.call("POST", "/api/v310/vm", body)
    assert answer.status_code == 200, answer.text
    return caller.wait(str(answer.json()["uuid"]["uuid"]))


def live_names(caller: Caller) -> list[str]:
    return sorted(item["vmware"]["name"] for item in caller.get("/vm", live="true")["items"])


def sync(caller: Caller, vm: str, snapshot: str, **more: Any) -> dict[str, Any]:
    body = {"typeId": SYNC, "targetVmTintriUuids": [vm], "snapshotTintriUuid": snapshot, **more}
    answer = caller.call("POST", "/api/v310/vm/sync", body)
    assert answer.status_code == 200, answer.text
    return caller.wait(str(answer.json()["uuid"]["uuid"]))


def test_several_clones_are_vms_of_their_own(simulator: VmstoreSimulator, caller: Caller) -> None:
    snapshot = caller.snapshot(caller.vm_id("vm01"))
    task = ask(caller, "copy", snapshotId=snapshot, count="3")
    assert (task["type"], task["state"]) == ("CLONE", "SUCCESS")
    assert live_names(caller) == ["copy-1", "copy-2", "copy-3", "vm01", "vm011"]
    clones = caller.get("/vm", cloneFrom=snapshot)["items"]
    assert [one["vmware"]["name"] for one in clones] == ["copy-1", "copy-2", "copy-3"]
    assert len({one["vmware"]["instanceUuids"][0] for one in clones}) == 3
    assert clones[0]["snapshot"]["cloneFromSnapshots"][0]["snapshotTintriUUID"] == snapshot
    assert caller.get(f"/snapshot/{snapshot}")["cloneReferenceCount"] == 3
    original = (simulator.export / "vm01" / "vm01-flat.vmdk").read_bytes()
    assert (simulator.export / "copy-3" / "vm01-flat.vmdk").read_bytes() == original
    shutil.rmtree(simulator.export / "copy-2")
    assert live_names(caller) == ["copy-1", "copy-3", "vm01", "vm011"]
    assert caller.get(f"/snapshot/{snapshot}")["cloneReferenceCount"] == 2


def test_a_live_vm_is_cloned_by_a_snapshot_that_goes_with_its_last_clone(
    simulator: VmstoreSimulator, caller: Caller
) -> None:
    assert ask(caller, "copy", vmId=caller.vm_id("vm01"))["state"] == "SUCCESS"
    (snapshot,) = caller.get("/snapshot")["items"]
    assert (snapshot["type"], snapshot["cloneReferenceCount"]) == ("AUTO_GENERATED_CLONING_SNAPSHOT", 1)
    assert "copy" in live_names(caller)
    shutil.rmtree(simulator.export / "copy")
    caller.get("/vm")
    assert caller.get("/snapshot")["items"] == []


def test_a_clone_that_no_manager_takes_is_files_only(simulator: VmstoreSimulator, caller: Caller) -> None:
    assert ask(caller, "copy", "nobody", vmId=caller.vm_id("vm01"))["state"] == "SUCCESS"
    assert live_names(caller) == ["vm01", "vm011"]
    assert (simulator.export / "copy" / "vm01.vmx").is_file()


def test_a_vm_that_is_gone_comes_back_with_its_instance_uuid(simulator: VmstoreSimulator, caller: Caller) -> None:
    vm = caller.vm_id("vm01")
    uuid = caller.get(f"/vm/{vm}")["vmware"]["instanceUuids"]
    snapshot = caller.snapshot(vm)
    body = {"vmware": {"cloneVmName": "back", "vCenterName": MANAGER}, "preserveInstanceUuid": "true"}
    answer = caller.call("POST", "/api/v310/vm", {**body, "snapshotId": snapshot})
    assert error_of(answer)[:2] == (400, "ERR-API-3205")
    shutil.rmtree(simulator.export / "vm01")
    ask(caller, "back", snapshotId=snapshot, preserveInstanceUuid=True)
    assert caller.get(f"/vm/{caller.vm_id('back')}")["vmware"]["instanceUuids"] == uuid


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"count": 0}, "ERR-API-3205"),
        ({"count": 501}, "ERR-API-3205"),
        ({"count": "many"}, "ERR-API-3205"),
        ({"vmware": {"vCenterName": MANAGER}}, "ERR-API-3205"),
        ({"vmware": {"cloneVmName": "vm01", "vCenterName": MANAGER}}, "ERR-API-3205"),
        ({"vmware": None, "xenServer": {"cloneVmName": "x", "xenServerName": "none"}}, "ERR-API-3205"),
        ({"snapshotId": "x"}, "ERR-API-3214"),
        ({"remoteCopyInfo": {"replicationPathId": "x", "directoryName": "y"}}, "ERR-API-3003"),
    ],
)
def test_wrong_requests_are_refused(caller: Caller, change: dict[str, Any], code: str) -> None:
    body = {"snapshotId": caller.snapshot(caller.vm_id("vm01")), "vmware": {"cloneVmName": "c", "vCenterName": MANAGER}}
    assert error_of(caller.call("POST", "/api/v310/vm", {**body, **change}))[1] == code


def test_a_generated_vm_can_be_cloned_too(tmp_path: Any) -> None:
    simulator = VmstoreSimulator(tmp_path / "export", http=True, vms=1, clone_seconds=0)
    simulator.start()
    try:
        caller = Caller(simulator)
        caller.login()
        vm = caller.get("/vm")["items"][0]
        ask(caller, "copy", vmId=vm["uuid"]["uuid"])
        copy = caller.get(f"/vm/{caller.vm_id('copy')}")
        assert copy["vmware"]["numberCpu"] == vm["vmware"]["numberCpu"]
    finally:
        simulator.stop()


def test_syncvm_puts_the_files_back_after_a_safety_snapshot(simulator: VmstoreSimulator, caller: Caller) -> None:
    vm, disk = caller.vm_id("vm01"), simulator.export / "vm01" / "vm01-flat.vmdk"
    before, inode = disk.read_bytes(), disk.stat().st_ino
    snapshot = caller.snapshot(vm)
    sample_vms.touch(simulator.export, "vm01", 50, MIB)
    changed = disk.read_bytes()
    (simulator.export / "vm01" / "later.txt").write_text("came later")
    task = sync(caller, vm, snapshot, type="FULL_VM")
    assert (task["type"], task["state"]) == ("SYNC_VM", "SUCCESS")
    assert (disk.read_bytes(), disk.stat().st_ino) == (before, inode)
    assert disk.stat().st_blocks * 512 < len(before)
    assert not (simulator.export / "vm01" / "later.txt").exists()
    assert caller.vm_id("vm01") == vm
    safety = caller.get("/snapshot", contain="Before SyncVM")["items"]
    sync(caller, vm, safety[0]["uuid"]["uuid"], takeSnapshotSpec={"takeSnapshot": "false"}, isAsync=False)
    assert disk.read_bytes() == changed
    assert len(caller.get("/snapshot")["items"]) == 2


def test_syncvm_rolls_single_disks_also_of_another_vm(simulator: VmstoreSimulator, caller: Caller) -> None:
    snapshot = caller.snapshot(caller.vm_id("vm01"))
    target = caller.vm_id("vm011")
    disks = {"sourceDisks": ["scsi0:0"], "destDisks": ["scsi0:0"]}
    assert sync(caller, target, snapshot, type="VDISK", **disks)["state"] == "SUCCESS"
    source = (simulator.export / "vm01" / "vm01-flat.vmdk").read_bytes()
    assert (simulator.export / "vm011" / "vm011-flat.vmdk").read_bytes() == source
    descriptor = (simulator.export / "vm011" / "vm011.vmdk").read_text()
    assert f'RW {len(source) // 512} VMFS "vm011-flat.vmdk"' in descriptor
    body = {"targetVmTintriUuids": target, "snapshotTintriUuid": snapshot, "type": "VDISK", "sourceDisks": ["scsi9:9"]}
    assert error_of(caller.call("POST", "/api/v310/vm/sync", body))[:2] == (500, "ERR-API-3701")


def test_syncvm_attaches_disks_for_single_files_and_detaches_them(simulator: VmstoreSimulator, caller: Caller) -> None:
    vm = caller.vm_id("vm01")
    snapshot = caller.snapshot(vm)
    assert sync(caller, vm, snapshot, type="FILE_RESTORE")["state"] == "SUCCESS"
    assert caller.get(f"/vm/{vm}")["hasSyncVmFileLevelRestoreDisk"] is True
    disks = caller.get("/virtualDisk", vmUuid=vm, isDiskDrive="true")["items"]
    assert [disk["name"] for disk in disks] == ["scsi0:0", "scsi0:1"]
    attached = simulator.export / str(disks[1]["path"])
    assert attached.with_name("vm01-flat.vmdk").stat().st_size == 8 * MIB
    assert caller.call("PUT", "/api/v310/vm/deleteSyncDisks", [vm]).status_code == 204
    assert caller.get(f"/vm/{vm}")["hasSyncVmFileLevelRestoreDisk"] is False
    assert not attached.exists()


def test_syncvm_needs_a_live_vm_and_can_fail(simulator: VmstoreSimulator, caller: Caller) -> None:
    vm = caller.vm_id("vm01")
    snapshot = caller.snapshot(vm)
    simulator.order("task-fails")
    task = sync(caller, vm, snapshot)
    assert (task["state"], task["error"]["code"]) == ("FAILED", "ERR-API-3701")
    shutil.rmtree(simulator.export / "vm01")
    body = {"targetVmTintriUuids": [vm], "snapshotTintriUuid": snapshot}
    assert error_of(caller.call("POST", "/api/v310/vm/sync", body))[:2] == (500, "ERR-API-3701")


def test_a_person_clones_a_vm_and_the_client_tells_what_of(simulator: VmstoreSimulator, caller: Caller) -> None:
    simulator.clone("vm01", "web02")
    assert live_names(caller) == ["vm01", "vm011", "web02"]
    client = TintriVMstore(
        "vmstore", url=simulator.url, user=simulator.options.user, password=simulator.options.password
    )
    client.login()
    assert (client.find_vm("web02").origin, client.find_vm("vm01").origin) == ("vm01", "")
    with pytest.raises(LookupError, match="there is no VM vm9"):
        simulator.clone("vm9", "web03")
    with pytest.raises(LookupError, match="exists already"):
        simulator.clone("vm01", "web02")
