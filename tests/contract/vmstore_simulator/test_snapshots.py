"""Snapshots: frozen, listed, deleted."""

import filecmp
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from tests.contract.vmstore_simulator.caller import FS, MIB, Caller, error_of, spec


def test_a_snapshot_is_frozen_while_the_live_disk_changes(simulator: VmstoreSimulator, caller: Caller) -> None:
    live = simulator.export / "vm01" / "vm01-flat.vmdk"
    before = live.read_bytes()
    snapshot = caller.snapshot(caller.vm_id("vm01"))
    assert sample_vms.touch(simulator.export, "vm01", 50, MIB) == 4 * MIB
    assert live.read_bytes() != before
    assert caller.wait(caller.clone(snapshot, "out"))["state"] == "SUCCESS"
    cloned = simulator.export / "out" / "vm01"
    assert (cloned / "vm01-flat.vmdk").read_bytes() == before
    assert (cloned / "vm01-flat.vmdk").stat().st_blocks * 512 < len(before)  # still sparse
    same = [path.name for path in live.parent.iterdir() if path.name != live.name]
    assert filecmp.cmpfiles(live.parent, cloned, same, shallow=False)[0] == same
    assert {".lck", ".log", ".nvram", ".vmdk", ".vmx", ".vswp"} == {Path(name).suffix for name in same}


def test_specs_come_as_list_or_object_with_numbers_as_text_zero_or_null(caller: Caller) -> None:
    vm = caller.vm_id("vm01")
    for body in (
        spec(vm, retentionMinutes="60", unknown=1),
        [spec(vm, retentionMinutes=0, replicaRetentionMinutes=None)],
        [spec(vm, retentionMinutes=-1, snapshotName=None)],
    ):
        answer = caller.call("POST", "/api/v310/snapshot", body)
        assert (answer.status_code, len(answer.json())) == (200, 1)
    items = caller.get("/snapshot", vmUuid=vm)["items"]
    assert [item["description"] for item in items] == ["label", "label", ""]
    assert items[0]["expirationTime"] - items[0]["createTime"] == 3_600_000
    assert re.fullmatch(rf"{FS}-SST-[0-9A-F]{{16}}", items[0]["uuid"]["uuid"])
    assert caller.get(f"/vm/{vm}")["snapshot"]["latest"]["uuid"] == items[-1]["uuid"]


@pytest.mark.parametrize(
    "change",
    [
        {"sourceVmTintriUUID": f"{FS}-VIM-00000000000000FF"},
        {"retentionMinutes": 59},
        {"retentionMinutes": "soon"},
        {"consistency": "APP_CONSISTENT"},
    ],
)
def test_a_wrong_snapshot_request_is_refused(caller: Caller, change: dict[str, Any]) -> None:
    body = [{**spec(caller.vm_id("vm01")), **change}]
    assert error_of(caller.call("POST", "/api/v310/snapshot", body))[:2] == (400, "ERR-API-3105")
    assert caller.get("/snapshot")["items"] == []


def test_a_vm_has_at_most_128_snapshots(tmp_path: Path) -> None:
    simulator = VmstoreSimulator(tmp_path / "export", http=True, vms=1)
    simulator.start()
    try:
        caller = Caller(simulator)
        caller.login()
        vm = caller.get("/vm")["items"][0]["uuid"]["uuid"]
        answer = caller.call("POST", "/api/v310/snapshot", [spec(vm)] * 128)
        assert len(set(answer.json())) == 128
        assert error_of(caller.call("POST", "/api/v310/snapshot", [spec(vm)]))[:2] == (500, "ERR-API-3106")
    finally:
        simulator.stop()


def test_snapshots_are_found_by_vm_and_by_what_their_name_contains(caller: Caller) -> None:
    one, two = caller.vm_id("vm01"), caller.vm_id("vm011")
    first, second = caller.snapshot(one, "run-1 here"), caller.snapshot(two, "run-2")
    found = caller.get("/snapshot", contain="run-1")["items"]
    assert [item["uuid"]["uuid"] for item in found] == [first]
    assert [item["uuid"]["uuid"] for item in caller.get("/snapshot", vmUuid=two)["items"]] == [second]
    assert caller.get(f"/snapshot/{first}")["vmName"] == "vm01"


def test_deleting_answers_one_sentence_and_then_404(caller: Caller) -> None:
    snapshot = caller.snapshot(caller.vm_id("vm01"))
    answer = caller.call("DELETE", f"/api/v310/snapshot/{snapshot}")
    assert answer.status_code == 200
    assert answer.json() == [f"Successfully deleted snapshot (ID={snapshot}) of VM vm01."]
    status, code, cause = error_of(caller.call("DELETE", f"/api/v310/snapshot/{snapshot}"))
    assert (status, code, "Failed to lookup" in cause) == (404, "ERR-API-8001", True)


def test_by_switch_a_snapshot_cannot_be_deleted_while_its_clone_is_there(
    simulator: VmstoreSimulator, caller: Caller
) -> None:
    simulator.options.refuse_snapshot_delete_while_clone = True
    snapshot = caller.snapshot(caller.vm_id("vm01"))
    caller.wait(caller.clone(snapshot, "out"))
    assert caller.get(f"/snapshot/{snapshot}")["cloneReferenceCount"] == 1
    _, code, cause = error_of(caller.call("DELETE", f"/api/v310/snapshot/{snapshot}"))
    assert (code, "live VM is still present" in cause) == ("ERR-API-3107", True)
    shutil.rmtree(simulator.export / "out")
    assert caller.call("DELETE", f"/api/v310/snapshot/{snapshot}").status_code == 200
