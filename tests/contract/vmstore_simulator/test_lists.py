"""Filters, orders and pages of the lists."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from tests.contract.vmstore_simulator.caller import FS, MIB, Caller, error_of


def names(caller: Caller, **query: Any) -> list[str]:
    return [item["vmware"]["name"] for item in caller.get("/vm", **query)["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"live": "true"}, ["vm01", "vm011"]),
        ({"live": "False"}, ["history"]),
        ({"types": "HISTORICAL"}, ["history"]),
        ({"types": "LIVE,HISTORICAL"}, ["history", "vm01", "vm011"]),
        ({"powered": "TRUE"}, ["vm01", "vm011"]),
        ({"deleted": "true"}, []),
        ({"isDeleted": "True"}, ["history", "vm01", "vm011"]),  # no filter at all
        ({"template": "BOTH"}, ["history", "vm01", "vm011"]),
        ({"template": "true"}, []),
        ({"subdir": "vm01"}, ["vm01"]),
        ({"host": "esxi01.example", "vcenterName": "vcenter.example", "live": "true"}, ["vm01", "vm011"]),
        ({"vcenterNames": "other"}, []),
        ({"hypervisorType": "HYPERV,RHEV"}, []),
        ({"hypervisorPathPrefixes": "vcenter.example > Data", "live": "true"}, ["vm01", "vm011"]),
        ({"storageContainer": "vmstore", "datastores": "vmstore", "live": "true"}, ["vm01", "vm011"]),
        ({"lastSnapshotDate": "2020-01-01T00:00:00.000"}, ["history"]),
        ({"lastSnapshotDate": "2100-01-01T00:00:00.000+00:00"}, []),
        ({"useDefaultSchedule": "false"}, []),
        ({"snapshotScheduleType": "HOURLY", "live": "true"}, ["vm01", "vm011"]),
        ({"maxNormalizedIops": "100:1000"}, []),
        ({"maxNormalizedIops": ":0", "live": "true"}, ["vm01", "vm011"]),
        ({"totalIops": "0:0"}, ["history"]),
        ({"spaceProvisionedGiB": "0.01:"}, ["vm01"]),
        ({"numPods": "0:0", "live": "true"}, ["vm01", "vm011"]),
        ({"locked": "true"}, []),
        ({"replicationHasIssue": "true"}, []),
        ({"tagName": "gold"}, []),
    ],
)
def test_vms_are_filtered(
    simulator: VmstoreSimulator, caller: Caller, query: dict[str, str], expected: list[str]
) -> None:
    sample_vms.create_vm(simulator.export, "history", MIB, 4096)
    caller.snapshot(caller.vm_id("history"))
    shutil.rmtree(simulator.export / "history")
    assert sorted(names(caller, **query)) == expected


def test_vms_are_sorted_by_any_property_that_they_show(caller: Caller) -> None:
    assert names(caller, sortedBy="name", sortOrder="DESC") == ["vm011", "vm01"]
    assert names(caller, sortedBy="vmware.name") == ["vm01", "vm011"]
    assert names(caller, sortedBy="spaceProvisionedGiB") == ["vm011", "vm01"]
    assert names(caller, sortedBy="spaceProvisionedGiB", sortOrder="DESC") == ["vm01", "vm011"]
    assert names(caller, sortedBy="nonsense") == names(caller)


def test_an_offset_may_be_a_position_or_a_name(caller: Caller) -> None:
    page = caller.get("/vm", sortedBy="name", offset="name:vm011")
    assert ([item["vmware"]["name"] for item in page["items"]], page["offsetMatchFound"]) == (["vm011"], True)
    assert caller.get("/vm", sortedBy="name", offset="name:vm0")["offsetMatchFound"] is False
    assert names(caller, sortedBy="name", offset="position:1") == ["vm011"]
    assert names(caller, sortedBy="name", page=2, limit=1) == ["vm011"]


def test_repeated_parameters_are_a_list(caller: Caller) -> None:
    ids = [caller.vm_id("vm01"), caller.vm_id("vm011")]
    assert len(caller.get("/vm", uuid=ids)["items"]) == 2
    assert len(caller.get("/vm", uuid=",".join(ids))["items"]) == 2


@pytest.mark.parametrize(
    "query", [{"live": "perhaps"}, {"lastSnapshotDate": "yesterday"}, {"totalIops": "few"}, {"limit": "-1"}]
)
def test_a_value_that_a_filter_cannot_have_is_refused(caller: Caller, query: dict[str, str]) -> None:
    assert error_of(caller.call("GET", "/api/v310/vm", **query))[:2] == (400, "ERR-API-4003")


def test_snapshots_are_filtered_and_sorted(simulator: VmstoreSimulator, caller: Caller) -> None:
    one, two = caller.vm_id("vm01"), caller.vm_id("vm011")
    first, second = caller.snapshot(one, "b"), caller.snapshot(two, "a")
    caller.wait(caller.clone(first, "out"))

    def found(**query: Any) -> list[str]:
        return [item["uuid"]["uuid"] for item in caller.get("/snapshot", **query)["items"]]

    assert found() == [first, second]
    assert found(queryType="TOP_DOCS_BY_TIME", limit=1) == [first]
    assert found(sortedBy="createTime", sortOrder="DESC") == [second, first]
    assert found(sortedBy="description") == [second, first]
    assert found(hasClone="Yes") == [first]
    assert found(hasClone="No") == [second]
    assert found(hasClone="Both", contain="VM01", location="local", consistency="CRASH_CONSISTENT") == [first, second]
    assert found(type="SCHEDULED_SNAPSHOT") == found(replica="Yes") == found(orphaned="true") == []
    assert found(fromDate="2020-01-01T00:00:00.000") == [first, second]
    assert found(toDate="2020-01-01T00:00:00.000Z") == found(since="2100-01-01T00:00:00") == []
    assert found(instanceId=caller.get(f"/vm/{one}")["vmware"]["instanceUuids"][0]) == [first]
    assert found(fromVmstore="elsewhere") == []
    shutil.rmtree(simulator.export / "out")
    assert found(hasClone="Yes") == []


def test_disks_are_filtered(caller: Caller) -> None:
    def paths(**query: Any) -> list[str]:
        return [item["path"] for item in caller.get("/virtualDisk", **query)["items"]]

    assert paths(isDiskDrive="true") == ["vm01/vm01.vmdk", "vm011/vm011.vmdk"]
    assert paths(vmName="vm011", isDiskDrive="True") == paths(displayName="vm011.vmdk") == ["vm011/vm011.vmdk"]
    assert paths(path="vm01/vm01.vmdk") == ["vm01/vm01.vmdk"]
    assert paths(autoAligned="true") == []
    assert paths(isDiskDrive="true", sortedBy="path", sortOrder="DESC") == ["vm011/vm011.vmdk", "vm01/vm01.vmdk"]


def test_two_simulators_side_by_side_share_nothing(tmp_path: Path) -> None:
    stores = [VmstoreSimulator(tmp_path / name, name=name, http=True, fs_uuid=fs, vms=1) for name, fs in (
        ("one", FS), ("two", FS.replace("C", "A")))]  # fmt: skip
    try:
        callers = []
        for store in stores:
            store.start()
            callers.append(Caller(store))
            callers[-1].login()
        ids = [caller.get("/vm")["items"][0]["uuid"]["uuid"] for caller in callers]
        assert [one[:8] for one in ids] == ["C218198C", "A218198A"]
        assert callers[1].call("GET", f"/api/v310/vm/{ids[0]}").status_code == 404
        callers[1].cookie = callers[0].cookie
        assert callers[1].call("GET", "/api/v310/vm").status_code == 401
        assert len({store.url for store in stores} | {store.control for store in stores}) == 4
    finally:
        for store in stores:
            store.stop()
