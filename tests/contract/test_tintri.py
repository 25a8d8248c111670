"""VMs, snapshots, clones: the Tintri client against answers that a well-behaved VMstore seldom gives."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.errors import AmbiguousName, MissingError, NotFound, PermanentError, TransientError
from bot.model import TaskState
from tests.contract.tintri_peer import (
    Call,
    Peer,
    Reply,
    client,
    error,
    page,
    snapshot,
    vm,
)


@pytest.fixture
def peer() -> Iterator[Peer]:
    one = Peer()
    yield one
    one.stop()


# --- VMs ---


def test_pages_are_followed_by_the_query_that_the_vmstore_gives(peer: Peer) -> None:
    peer.on(
        "GET", "/vm", page([vm("1", "a")], "offset=1&limit=1&live=true"), page([vm("2", "b")], "?offset=2"), page([])
    )
    assert [one.name for one in client(peer).list_vms()] == ["a", "b"]
    assert [call.query for call in peer.calls[1:]] == ["live=true&limit=500", "offset=1&limit=1&live=true", "offset=2"]


def test_pages_that_go_round_in_circles_are_an_error(peer: Peer) -> None:
    peer.on("GET", "/vm", page([vm("1", "a")], "offset=1"))
    with pytest.raises(PermanentError, match="again and again"):
        list(client(peer).list_vms())


def test_no_entities_found_is_an_empty_list(peer: Peer) -> None:
    peer.on("GET", "/vm", (400, error("ERR-API-0201", "No entities found")))
    assert list(client(peer).list_vms()) == []


def test_vms_that_are_not_live_are_left_out_even_if_the_filter_is_ignored(peer: Peer) -> None:
    peer.on("GET", "/vm", page([vm("1", "vm01", isLive=False), vm("2", "vm01"), vm("3", "vm01", isDeleted=True)]))
    peer.on("GET", "/virtualDisk", page([]))
    assert client(peer).find_vm("vm01").uuid == "2"


def test_a_name_is_compared_exactly(peer: Peer) -> None:
    peer.on("GET", "/vm", page([vm("1", "vm010"), vm("2", "VM01"), vm("3", "vm01")]))
    peer.on("GET", "/virtualDisk", page([]))
    assert client(peer).find_vm("vm01").uuid == "3"


def test_a_name_that_the_filter_does_not_find_is_looked_for_in_the_whole_list(peer: Peer) -> None:
    peer.on("GET", "/vm", lambda call: page([] if "name=" in call.query else [vm("1", "vm 01&x")]))
    peer.on("GET", "/virtualDisk", page([]))
    assert client(peer).find_vm("vm 01&x").uuid == "1"


def test_a_quick_look_asks_the_filter_alone(peer: Peer) -> None:
    peer.on("GET", "/vm", page([]))
    with pytest.raises(NotFound) as caught:
        client(peer).find_vm("vm01", is_quick=True)
    assert caught.value.suggestions == ()
    assert peer.asked().count("GET /vm") == 1


def test_an_unknown_name_brings_the_near_ones(peer: Peer) -> None:
    peer.on("GET", "/vm", page([vm("1", "VM01"), vm("2", "vm02"), vm("3", "database")]))
    with pytest.raises(NotFound, match="no live VM called vm01 on vmstore") as caught:
        client(peer).find_vm("vm01")
    assert caught.value.suggestions == ("VM01", "vm02")


def test_a_name_of_several_brings_a_line_for_each(peer: Peer) -> None:
    peer.on("GET", "/vm", page([vm("1", "vm01"), vm("2", "vm01")]))
    with pytest.raises(AmbiguousName) as caught:
        client(peer).find_vm("vm01")
    assert [line.split(", ")[:3] for line in caught.value.candidates] == [
        ["vm01", "1", "host esx-1"],
        ["vm01", "2", "host esx-2"],
    ]


def test_disks_come_in_bus_order_with_paths_below_the_export(peer: Peer) -> None:
    def disk(name: str, path: str, vm_uuid: str = "V1", **more: Any) -> dict[str, Any]:
        return {"uuid": {"uuid": name}, "name": name, "path": path, "vmUuid": {"uuid": vm_uuid}, **more}

    peer.on("GET", "/vm/V1", (200, vm("V1", "vm01")))
    peer.on(
        "GET",
        "/virtualDisk",
        page(
            [
                disk("scsi0:10", "/tintri/vm01/c.vmdk", isDiskDrive=True),
                disk("scsi0:2", "tintri/vm01/b.vmdk"),
                disk("scsi0:0", "/vm01/a.vmdk"),
                disk("swap", "vm01/x.vswp", isDiskDrive=False),
                disk("scsi0:1", "vm02/d.vmdk", vm_uuid="V2"),
            ]
        ),
    )
    found = client(peer).get_vm("V1")
    assert [one.path for one in found.disks] == ["vm01/a.vmdk", "vm01/b.vmdk", "vm01/c.vmdk"]
    assert peer.calls[-1].query == "vmUuid=V1&limit=500"


def test_the_facts_of_a_vm_are_read(peer: Peer) -> None:
    item = vm("V1", "vm01", stat={"sortedStats": [{"spaceUsedGiB": 0.5, "spaceProvisionedGiB": 2}]})
    item["vmware"] |= {
        "hypervisorType": "HYPERV",
        "subdir": "sub",
        "supportedSnapshotConsistencyTypes": ["CRASH_CONSISTENT", "VM_CONSISTENT", "APP_CONSISTENT"],
    }
    peer.on("GET", "/vm", page([item]))
    (found,) = client(peer).list_vms()
    assert (found.hypervisor, found.subdir, found.vmstore) == ("HYPERV", "sub", "vmstore")
    assert (found.used_bytes, found.provisioned_bytes) == (1 << 29, 2 << 30)
    assert found.consistencies == ("crash", "vm")
    assert found.origin == ""


@pytest.mark.parametrize(
    ("told", "origin"),
    [
        ([{"vmName": "template", "snapshotTintriUUID": "S1"}, {"vmName": "other"}], "template"),
        ([], ""),
        (None, ""),
        ([{"vmName": None}], ""),
        ("nonsense", ""),
    ],
)
def test_what_a_vm_was_cloned_from_is_read(peer: Peer, told: object, origin: str) -> None:
    peer.on("GET", "/vm", page([vm("V1", "vm01", snapshot={"cloneFromSnapshots": told})]))
    (found,) = client(peer).list_vms()
    assert found.origin == origin


def test_a_vm_that_is_gone_or_not_live_is_missing(peer: Peer) -> None:
    peer.on("GET", "/vm/V1", (200, vm("V1", "vm01", isLive=False)))
    for uuid in ("V1", "V2"):
        with pytest.raises(MissingError):
            client(peer).get_vm(uuid)


def test_disk_paths_on_smb_are_made_like_those_on_nfs(peer: Peer) -> None:
    peer.on("GET", "/vm", page([vm("1", "vm01")]))
    peer.on("GET", "/virtualDisk", page([{"name": "scsi0:0", "path": r"\\vmstore-data\share\vm01\disk.vhdx"}]))
    assert [disk.path for disk in client(peer).find_vm("vm01").disks] == ["vm01/disk.vhdx"]


# --- snapshots ---


def take(peer: Peer, **changes: Any) -> Any:
    asked = {"consistency": "crash", "note": "by Cloudy", "retention_minutes": 0, **changes}
    return client(peer).create_snapshot("V1", "T1", **asked)


def test_a_snapshot_is_looked_for_created_and_read_back(peer: Peer) -> None:
    peer.on("GET", "/snapshot", page([snapshot("S0", "T10 other"), snapshot("S1", "T1 x", vm_uuid="V2")]))
    peer.on("POST", "/snapshot", (200, ["S9"]))
    peer.on("GET", "/snapshot/S9", (200, snapshot("S9", "T1 by Cloudy")))
    made = take(peer, consistency="vm")
    assert peer.asked()[1:] == ["GET /snapshot", "POST /snapshot", "GET /snapshot/S9"]
    assert peer.calls[2].body == [
        {
            "typeId": "com.tintri.api.rest.v310.dto.domain.beans.snapshot.SnapshotSpec",
            "sourceVmTintriUUID": "V1",
            "consistency": "VM_CONSISTENT",
            "snapshotName": "T1 by Cloudy",
            "retentionMinutes": -1,
        }
    ]
    assert made.consistency == "crash"  # what was really got
    assert made.taken_at == datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


def test_a_snapshot_of_that_label_is_found_and_not_made_twice(peer: Peer) -> None:
    peer.on("GET", "/snapshot", page([snapshot("S2", "T1 by Cloudy"), snapshot("S1", "T1 by Cloudy", createTime=5)]))
    assert take(peer).uuid == "S1"
    assert "POST /snapshot" not in peer.asked()


def test_a_lost_answer_to_a_creation_is_found_by_asking_again(peer: Peer) -> None:
    made: list[Any] = []
    peer.on("GET", "/snapshot", lambda _: page(made))

    def lose(_: Call) -> Reply:
        made.append(snapshot("S1", "T1 by Cloudy"))
        return 504, b"gateway"

    peer.on("POST", "/snapshot", lose)
    with pytest.raises(TransientError):
        take(peer)
    assert take(peer).uuid == "S1"
    assert peer.asked().count("POST /snapshot") == 1


@pytest.mark.parametrize(("asked", "sent"), [(0, -1), (-1, -1), (1, 60), (60, 60), (4320, 4320)])
def test_retention_keeps_to_what_the_vmstore_allows(peer: Peer, asked: int, sent: int) -> None:
    peer.on("GET", "/snapshot", page([]))
    peer.on("POST", "/snapshot", (200, ["S9"]))
    peer.on("GET", "/snapshot/S9", (200, snapshot("S9", "T1")))
    take(peer, retention_minutes=asked)
    assert peer.calls[2].body[0]["retentionMinutes"] == sent


def test_a_busy_inventory_is_transient_with_its_code(peer: Peer) -> None:
    peer.on("GET", "/snapshot", (503, error("ERR-API-9013", "Busy"), {"Retry-After": "7"}))
    with pytest.raises(TransientError) as caught:
        client(peer).find_snapshots("T1")
    assert caught.value.code == "ERR-API-9013"


def test_snapshots_are_found_by_the_whole_label(peer: Peer) -> None:
    peer.on(
        "GET",
        "/snapshot",
        page(
            [
                snapshot("1", "T1"),
                snapshot("2", "T1 x"),
                snapshot("3", "T12"),
                snapshot("4", "a T1"),
                snapshot("5", "T1", isDeleted=True),
            ]
        ),
    )
    assert [one.uuid for one in client(peer).find_snapshots("T1")] == ["1", "2"]


@pytest.mark.parametrize(
    "reply",
    [
        (200, ["Successfully deleted snapshot (ID=S1) of VM vm01."]),
        (404, error("ERR-API-8001")),
        (404, b""),
        (400, error("ERR-API-8001")),
        (500, error("ERR-API-3107", "Delete failed", "Failed to lookup snapshot")),
    ],
)
def test_a_snapshot_that_is_gone_is_deleted(peer: Peer, reply: Reply) -> None:
    peer.on("DELETE", "/snapshot/S1", reply)
    client(peer).delete_snapshot("S1")


@pytest.mark.parametrize("status", [400, 500])
def test_a_snapshot_whose_clone_is_there_is_for_later(peer: Peer, status: int) -> None:
    peer.on("DELETE", "/snapshot/S1", (status, error("ERR-API-3107", "No", "live VM is still present")))
    with pytest.raises(TransientError, match=r"while a clone of it is there.*ERR-API-3107"):
        client(peer).delete_snapshot("S1")


# --- clones and tasks ---


def test_a_copy_out_clone_is_asked_for_by_directory(peer: Peer) -> None:
    peer.on("POST", "/vm", (200, {"uuid": {"uuid": "cloneVM@07-01-18:43:03.653"}, "state": "RUNNING"}))
    assert client(peer).clone_files("S1", "T1") == "cloneVM@07-01-18:43:03.653"
    kind = "com.tintri.api.rest.v310.dto.domain.beans.vm.VirtualMachineCloneSpec"
    assert peer.calls[-1].body == {
        "typeId": kind,
        "snapshotId": "S1",
        "restoreInfo": {"typeId": f"{kind}$RestoreInfo", "directoryName": "T1"},
    }


def test_a_refused_clone_keeps_the_vmstores_own_words(peer: Peer) -> None:
    peer.on("POST", "/vm", (400, error("ERR-API-3205", "Invalid clone request", "not a replica")))
    with pytest.raises(PermanentError, match="ERR-API-3205: Invalid clone request; not a replica") as caught:
        client(peer).clone_files("S1", "T1")
    assert (caught.value.system, caught.value.operation) == ("vmstore", "clone a snapshot")


def test_a_task_is_asked_for_with_its_id_percent_encoded(peer: Peer) -> None:
    peer.on("GET", "/task/cloneVM%4007-01-18%3A43%3A03.653", (200, {"uuid": {"uuid": "t"}, "state": "SUCCESS"}))
    assert client(peer).task("cloneVM@07-01-18:43:03.653").state is TaskState.SUCCEEDED


@pytest.mark.parametrize(
    ("body", "state", "message"),
    [
        ({"state": "QUEUED"}, TaskState.QUEUED, ""),
        ({"state": "RUNNING", "progressDescription": "Cloning"}, TaskState.RUNNING, "Cloning"),
        ({"state": "CANCEL_PENDING"}, TaskState.RUNNING, ""),
        ({"state": "CANCELLED"}, TaskState.CANCELLED, ""),
        (
            {"state": "FAILED", "error": error("ERR-API-3213", "Broke", "why")},
            TaskState.FAILED,
            "ERR-API-3213: Broke; why",
        ),
        ({"state": "FAILED", "error": None}, TaskState.FAILED, "ended as FAILED without a reason"),
        ({"state": "NEW_WORD"}, TaskState.RUNNING, ""),
        ({"state": "NEW_WORD", "jobDone": True}, TaskState.FAILED, "ended as NEW_WORD without a reason"),
    ],
)
def test_task_states_are_translated(peer: Peer, body: dict[str, Any], state: TaskState, message: str) -> None:
    peer.on("GET", "/task/t", (200, {"uuid": {"uuid": "t"}, **body}))
    task = client(peer).task("t")
    assert (task.state, task.message) == (state, message)


def test_a_task_that_is_not_known_is_missing(peer: Peer) -> None:
    with pytest.raises(MissingError, match="ERR-API-8001"):
        client(peer).task("gone")


def test_only_clone_tasks_that_go_on_are_open(peer: Peer) -> None:
    def task(uuid: str, kind: str, state: str) -> dict[str, Any]:
        return {"uuid": {"uuid": uuid}, "type": kind, "state": state}

    tasks = [task("1", "CLONE", "RUNNING"), task("2", "CLONE", "SUCCESS"), task("3", "SNAPSHOT", "RUNNING")]
    peer.on("GET", "/task", page([*tasks, task("cloneVM@4", "REMOTE_COPY", "QUEUED")]))
    assert [one.id for one in client(peer).open_clone_tasks()] == ["1", "cloneVM@4"]


# --- putting a VM back ---

_SYNC = "com.tintri.api.rest.v310.dto.domain.beans.vm.VirtualMachineSyncSpec"


def test_a_whole_vm_is_put_back_by_syncvm_without_a_snapshot_of_the_vmstores_own(peer: Peer) -> None:
    peer.on("GET", "/snapshot/S1", (200, snapshot("S1", "T1")))
    peer.on("POST", "/vm/sync", (200, {"uuid": {"uuid": "syncVM@1"}, "state": "RUNNING"}))
    assert client(peer).sync_vm("V1", "S1") == "syncVM@1"
    assert peer.calls[-1].body == {
        "typeId": _SYNC,
        "type": "FULL_VM",
        "targetVmTintriUuids": ["V1"],
        "snapshotTintriUuid": "S1",
        "async": True,
        "takeSnapshotSpec": {"takeSnapshot": False},
    }


def test_disks_are_put_back_alone_by_their_names_and_the_vm_is_not_started_by_that(peer: Peer) -> None:
    peer.on("GET", "/snapshot/S1", (200, snapshot("S1", "T1")))
    peer.on("POST", "/vm/sync", (200, [{"uuid": {"uuid": "syncVM@1"}}]))
    assert client(peer).sync_vm("V1", "S1", [("scsi0:1", "scsi0:2")]) == "syncVM@1"
    body = peer.calls[-1].body
    assert (body["type"], body["sourceDisks"], body["destDisks"]) == ("VDISK", ["scsi0:1"], ["scsi0:2"])
    assert body["isSkipReboot"] is True


def test_a_vm_is_not_put_back_to_a_snapshot_that_is_not_there(peer: Peer) -> None:
    with pytest.raises(MissingError):
        client(peer).sync_vm("V1", "S1")
    assert "POST /vm/sync" not in peer.asked()


def test_a_syncvm_that_fails_keeps_the_vmstores_own_words_and_is_sent_once(peer: Peer) -> None:
    peer.on("GET", "/snapshot/S1", (200, snapshot("S1", "T1")))
    peer.on("POST", "/vm/sync", (500, error("ERR-API-3701", "Failed SyncVM", "no live VM")))
    with pytest.raises(TransientError, match="ERR-API-3701: Failed SyncVM; no live VM"):
        client(peer).sync_vm("V1", "S1")
    assert peer.asked().count("POST /vm/sync") == 1


def test_only_syncvm_tasks_that_go_on_are_open(peer: Peer) -> None:
    tasks = [("1", "SYNC_VM", "RUNNING"), ("2", "SYNC_VM", "FAILED"), ("3", "CLONE", "RUNNING"), ("syncVM@4", "", "")]
    found = [{"uuid": {"uuid": uuid}, "type": kind, "state": state} for uuid, kind, state in tasks]
    peer.on("GET", "/task", page(found))
    assert [one.id for one in client(peer).open_sync_tasks()] == ["1", "syncVM@4"]
