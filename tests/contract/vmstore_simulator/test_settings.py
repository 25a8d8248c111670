"""What clients set is read back: QoS, schedules, replication, groups, locks, alerts, users; and statistics."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.simulators.vmstore import VmstoreSimulator
from tests.contract.vmstore_simulator.caller import Caller, error_of

STORE, BOX = "/api/v310/datastore/default", "/api/v310/appliance/default"


def put(caller: Caller, path: str, body: Any, method: str = "PUT") -> Any:
    answer = caller.call(method, path if path.startswith("/api") else f"/api/v310{path}", body)
    assert answer.status_code in (200, 204), answer.text
    return answer.json() if answer.status_code == 200 else None


def refused(caller: Caller, method: str, path: str, body: Any = None) -> tuple[int, str]:
    return error_of(caller.call(method, f"/api/v310{path}", body))[:2]


def request(*names: str, **value: Any) -> dict[str, Any]:
    return {"typeId": "x.Request", "objectsWithNewValues": [value], "propertiesToBeUpdated": list(names)}


def test_qos_is_read_back_and_holds_the_load_down(caller: Caller) -> None:
    vm = caller.vm_id("vm01")
    new = request("maxNormalizedIops", maxNormalizedIops="2", minNormalizedIops=1)
    put(caller, f"/vm/{vm}/qosConfig", new)
    qos = caller.get(f"/vm/{vm}")["qosConfig"]
    assert (qos["minNormalizedIops"], qos["maxNormalizedIops"], qos["effectiveMaxNormalizedIops"]) == (0, 2, 2)
    stat = caller.get(f"/vm/{vm}")["stat"]["sortedStats"][0]
    assert stat["operationsTotalIops"] == 2
    assert stat["latencyThrottleMs"] > 0
    assert caller.get("/datastore/default/qosInfo")["vmsWithMaxNormalizedIopsCount"] == 1
    assert refused(caller, "PUT", f"/vm/{vm}/qosConfig", {"minNormalizedIops": 9}) == (400, "ERR-API-3109")
    assert refused(caller, "PUT", f"/vm/{vm}/qosConfig", {"maxNormalizedIops": "much"}) == (400, "ERR-API-3109")


def test_qos_of_a_vm_that_is_not_live_is_refused(simulator: VmstoreSimulator, caller: Caller) -> None:
    vm = caller.vm_id("vm01")
    caller.snapshot(vm)
    shutil.rmtree(simulator.export / "vm01")
    assert refused(caller, "PUT", f"/vm/{vm}/qosConfig", {"maxNormalizedIops": 10}) == (400, "ERR-API-3110")
    many = {"ids": [vm], "newValue": {"maxNormalizedIops": 10}, "propertyNames": []}
    assert refused(caller, "PUT", "/vm/qosConfig", many) == (400, "ERR-API-3110")


def test_snapshot_schedules_are_added_changed_removed_and_set_back(caller: Caller) -> None:
    vm = caller.vm_id("vm01")

    def schedules() -> dict[str, Any]:
        return {one["name"]: one for one in caller.get(f"/vm/{vm}")["snapshot"]["schedules"]}

    assert list(schedules()) == ["Hourly", "Daily", "Weekly", "Monthly", "Quarterly"]
    own = {"name": "Noon", "type": "CUSTOM", "cronExpressions": ["0 0 12 * * ?"], "retentionSourceMinutes": "120"}
    put(caller, f"/vm/{vm}/snapshotSchedule", own, "POST")
    put(caller, f"/vm/{vm}/snapshotSchedule", [{"name": "Noon", "retentionSourceMinutes": 240}])
    put(caller, f"/vm/{vm}/snapshotSchedule/Hourly", None, "DELETE")
    assert list(schedules()) == ["Daily", "Weekly", "Monthly", "Quarterly", "Noon"]
    assert schedules()["Noon"]["retentionSourceMinutes"] == 240
    assert [one["uuid"]["uuid"] for one in caller.get("/vm", useDefaultSchedule="false")["items"]] == [vm]
    assert refused(caller, "POST", f"/vm/{vm}/snapshotSchedule", {"type": "YEARLY"})[0] == 400
    assert refused(caller, "DELETE", f"/vm/{vm}/snapshotSchedule/Hourly") == (404, "ERR-API-8001")
    put(caller, "/vm/updateScheduleToDefault", [vm])
    put(caller, f"{STORE}/schedulesDefault", [{"name": "Daily", "retentionSourceMinutes": 600}])
    assert schedules()["Daily"]["retentionSourceMinutes"] == 600
    assert caller.get("/datastore/default/schedulesDistinct")[1]["retentionSourceMinutes"] == 600


def test_replication_paths_and_what_vms_send_over_them(caller: Caller) -> None:
    vm = caller.vm_id("vm01")
    body = {"destinationIp": "192.0.2.1", "destinationPassphrase": "shh", "displayName": "DR"}
    path = put(caller, f"{STORE}/replicationPath", body, "POST")
    assert "shh" not in repr(caller.get("/datastore/default/replicationPath"))
    assert refused(caller, "GET", "/datastore/other/replicationPath") == (501, "ERR-API-2001")
    put(caller, f"/vm/{vm}/replicationConfigs", [{"path": {"id": path["id"]}, "alertThresholdMinutes": 60}])
    (config,) = caller.get(f"/vm/{vm}")["replication"]["configs"]
    assert (config["path"]["displayName"], config["alertThresholdMinutes"]) == ("DR", 60)
    assert [one["uuid"]["uuid"] for one in caller.get("/vm", replLinkIds=path["id"])["items"]] == [vm]
    put(caller, f"{STORE}/replicationPath", request(id=path["id"], displayName="Elsewhere"))
    assert caller.get("/datastore/default/replicationPath")[0]["displayName"] == "Elsewhere"
    unknown = [{"path": {"id": "x"}}]
    assert refused(caller, "PUT", f"/vm/{vm}/replicationConfigs", unknown) == (400, "ERR-API-3111")
    put(caller, f"{STORE}/replicationPath/{path['id']}", None, "DELETE")
    assert caller.get(f"/vm/{vm}")["replication"]["configs"] == []


def test_a_locked_snapshot_stays_until_an_escalated_user_unlocks_it(caller: Caller) -> None:
    vm = caller.vm_id("vm01")
    snapshot = caller.snapshot(vm)
    lock = {"snapshotTintriUuid": snapshot, "lockDurationMinutes": "-1"}
    assert refused(caller, "POST", f"/snapshot/{snapshot}/lock", lock) == (400, "ERR-API-9909")
    put(caller, f"{BOX}/dataProtectionConfig", {"lockSnapshotEnabled": True})
    put(caller, f"/snapshot/{snapshot}/lock", lock, "POST")
    assert caller.get(f"/snapshot/{snapshot}")["locked"] is True
    assert caller.get(f"/vm/{vm}")["snapshot"]["locked"] is True
    assert len(caller.get("/snapshot", locked="true")["items"]) == len(caller.get("/vm", locked="true")["items"]) == 1
    assert refused(caller, "DELETE", f"/snapshot/{snapshot}") == (500, "ERR-API-3107")
    assert refused(caller, "POST", f"/snapshot/{snapshot}/unlock", lock) == (400, "ERR-API-9911")
    put(caller, f"{BOX}/escalateDPAPrivileges", None)
    put(caller, f"/snapshot/{snapshot}/unlock", lock, "POST")
    put(caller, f"/snapshot/{snapshot}", None, "DELETE")


def test_service_groups_have_members_and_put_qos_on_them(caller: Caller) -> None:
    vm = caller.vm_id("vm01")
    answer = caller.call("POST", "/api/v310/servicegroup", {"name": "gold", "description": "d"})
    group = str(answer.json())
    put(caller, f"/servicegroup/{group}/members/static", {"objectIdsAdded": [vm], "objectIdsRemoved": []})
    (shown,) = caller.get("/servicegroup")["items"]
    assert (shown["name"], shown["memberCount"]) == ("gold", 1)
    assert [one["vmware"]["name"] for one in caller.get("/vm", serviceGroupId=group)["items"]] == ["vm01"]
    assert [one["vmware"]["name"] for one in caller.get("/vm", serviceGroupName="gold")["items"]] == ["vm01"]
    put(caller, f"/servicegroup/{group}/qosConfig", {"maxNormalizedIops": 50})
    put(caller, f"/servicegroup/{group}/qos", None, "POST")
    assert caller.get(f"/vm/{vm}")["qosConfig"]["maxNormalizedIops"] == 50
    put(caller, "/servicegroup", request("description", uuid={"uuid": group}, description="other", name="no"))
    assert caller.get(f"/servicegroup/{group}")["description"] == "other"
    put(caller, f"/servicegroup/{group}", None, "DELETE")
    assert caller.get(f"/vm/{vm}")["serviceGroup"] is None


def test_alerts_are_counted_filtered_and_marked(caller: Caller) -> None:
    (notice,) = caller.get("/alert", severity="NOTICE", state="NEW", message="STARTED")["items"]
    assert caller.get("/appliance/default/alertCounts")["numInboxNotices"] == 1
    put(caller, "/alert/markRead", {"ids": [notice["uuid"]["uuid"]]})
    assert caller.get("/alert", states="ACKNOWLEDGED,ARCHIVED")["filteredTotal"] == 1
    put(caller, "/alert", request("state", uuid=notice["uuid"], state="ARCHIVED"))
    assert caller.get("/appliance/default/alertCounts")["numArchivedNotices"] == 1
    assert caller.get("/alert/paginated", state="NEW")["items"] == []


def test_users_are_made_log_in_and_are_held_to_their_roles(simulator: VmstoreSimulator, caller: Caller) -> None:
    body = {"name": "reader", "password": "pw", "roleNames": ["ReadOnlyRole"]}
    user = caller.call("POST", "/api/v310/userAccount", body).json()
    assert (
        "pw"
        not in repr(simulator.requests[-1]) + (simulator.export.with_name("export.state") / "state.json").read_text()
    )
    reader = Caller(simulator)

    def login(password: str) -> requests.Response:
        answer = reader.call("POST", "/api/v310/session/login", {"username": "reader", "password": password})
        reader.cookie = answer.cookies.get("JSESSIONID") or ""
        return answer

    assert login("pw").json() == "READ_ONLY"
    vm = reader.vm_id("vm01")
    spec = [{"sourceVmTintriUUID": vm}]
    assert refused(reader, "POST", "/snapshot", spec) == (403, "ERR-API-6010")
    assert [one["name"] for one in caller.get("/userAccount")] == ["admin", "reader"]
    assert {"ADMIN", "READ_ONLY"} <= {role["roleName"] for role in caller.get("/role")}
    put(caller, f"/userAccount/{user}/resetPassword", {"newPassword": "other"})
    assert (login("pw").status_code, login("other").status_code) == (403, 200)
    put(caller, "/userAccount", request("roleNames", uuid={"uuid": user}, roleNames=["ADMIN"]))
    assert reader.call("POST", "/api/v310/snapshot", spec).status_code == 200
    put(caller, f"/userAccount/{user}", None, "DELETE")
    assert login("other").status_code == 403
    assert reader.call("GET", "/api/v310/vm").status_code == 401


def test_sessions_are_shown_and_ended_by_others(simulator: VmstoreSimulator, caller: Caller) -> None:
    other = Caller(simulator)
    other.login()
    current = other.get("/session/current")
    assert (current["userName"], current["roles"]) == ("admin", ["ADMIN"])
    put(caller, f"/session/{current['id']}/invalidate", None, "POST")
    assert other.call("GET", "/api/v310/vm").status_code == 401
    assert refused(caller, "POST", f"/session/{current['id']}/invalidate") == (404, "ERR-API-8001")


def test_statistics_agree_with_each_other(caller: Caller) -> None:
    vms = caller.get("/vm")["items"]
    until = vms[0]["stat"]["sortedStats"][0]["timeEnd"][:23]
    window = {"since": "2026-01-01T00:00:00.000", "until": "2026-01-01T01:00:00.000"}
    total = caller.get("/datastore/default/statsHistoric", **window)["items"][0]["sortedStats"]
    each = [caller.get(f"/vm/{vm['uuid']['uuid']}/statsHistoric", **window)["items"][0]["sortedStats"] for vm in vms]
    assert len(total) == len(each[0]) == 6
    assert total[0]["timeEnd"] > total[-1]["timeEnd"]
    for place, whole in enumerate(total):
        assert whole["operationsTotalIops"] == pytest.approx(
            sum(one[place]["operationsTotalIops"] for one in each), abs=0.01
        )
    realtime = caller.get("/datastore/default/statsRealtime", until=until)["items"][0]["sortedStats"]
    assert (len(realtime), realtime[0]["intervalSeconds"], realtime[0]["vmsCount"]) == (360, 10, 2)
    assert caller.get("/datastore/default/statsSummary")["spaceTotalGiB"] == realtime[0]["spaceTotalGiB"]
    assert refused(caller, "GET", "/datastore/default/statsHistoric?since=2027-01-01&until=2026-01-01")[0] == 400


def test_a_full_datastore_takes_no_snapshot(simulator: VmstoreSimulator, caller: Caller) -> None:
    simulator.options.space_used_percent = 99
    stat = caller.get("/datastore/default/statsSummary")
    assert stat["spaceUsedGiB"] / stat["spaceTotalGiB"] == pytest.approx(0.99)
    body = [{"sourceVmTintriUUID": caller.vm_id("vm01")}]
    assert refused(caller, "POST", "/snapshot", body) == (500, "ERR-API-3106")
    name = "com.tintri.space.usedPercentDisableSnapshotsThreshold"
    put(caller, f"{STORE}/systemProperty/{name}", {"value": "99.5"})
    assert caller.get(f"/datastore/default/systemProperty/{name}")["custom"] is True
    assert caller.call("POST", "/api/v310/snapshot", body).status_code == 200


def test_directories_are_made_and_files_looked_at(simulator: VmstoreSimulator, caller: Caller) -> None:
    kind = "com.tintri.api.rest.v310.dto.domain.beans.filesystem.FileSystemInfo"
    put(caller, f"{STORE}/directory", {"typeId": kind, "isDir": "true", "path": "abc"}, "POST")
    assert (simulator.export / "abc").is_dir()
    again = {"isDir": True, "path": "/tintri/abc"}
    assert refused(caller, "POST", "/datastore/default/directory", again) == (500, "ERR-API-9708")
    info = caller.get("/appliance/default/fileDirInfo/vm01/vm01-flat.vmdk")
    assert (info["isDir"], info["sizeInBytes"]) == (False, 8 << 20)
    assert caller.get("/appliance/default/fileDirInfo/tintri/abc")["isDir"] is True
    for path in ("vm01/none", "..%2F..%2Fetc%2Fpasswd"):
        assert refused(caller, "GET", f"/appliance/default/fileDirInfo/{path}") == (404, "ERR-API-8001")


@pytest.mark.parametrize(
    "path",
    [
        "/appliance/default/operationalStatus",
        "/appliance/default/failedComponents",
        "/appliance/default/csiProperties",
        "/appliance/default/customizationInfo",
        "/appliance/default/configIps",
        "/datastore",
        "/datastore/default/hypervisorDatastore",
        "/datastore/default/hypervisorManagerConfig",
        "/datastore/default/replicationConfig",
        "/datastore/default/replicationInfo",
        "/datastore/default/nfsaccess",
        "/datastore/default/fileShare",
        "/datastore/default/smbSettings",
        "/datastore/default/systemProperty",
        "/computeResource",
        "/license",
        "/vm/filter",
        "/session/active/tintricenter",
        "/alert/notificationPolicy",
        "/role/external",
    ],
)
def test_the_rest_answers(caller: Caller, path: str) -> None:
    assert isinstance(caller.get(path), dict | list)


def test_shares_access_and_managers_are_read_back(caller: Caller) -> None:
    share = put(caller, f"{STORE}/fileShare", {"name": "hv", "comment": "c"}, "POST")
    assert share["path"] == r"\\vmstore\hv"
    put(caller, f"{STORE}/fileShare/hv", request("comment", comment="other"))
    assert caller.get("/datastore/default/fileShare/hv")["comment"] == "other"
    put(caller, f"{STORE}/fileShare/hv", None, "DELETE")
    put(caller, f"{STORE}/nfsaccess", request(isEnabled=True, configs=[]))
    assert caller.get("/datastore/default/nfsaccess")["isEnabled"] is True
    manager = {"host": "hv01", "hypervisorType": "HYPERV", "username": "u", "password": "shh"}
    put(caller, f"{STORE}/hypervisorManagerConfig", manager, "POST")
    shown = caller.get("/datastore/default/hypervisorManagerConfig")
    assert ([one["host"] for one in shown], "shh" in repr(shown)) == (["vcenter.example", "hv01"], False)


def test_calls_that_a_version_did_not_have_are_not_there(simulator: VmstoreSimulator, caller: Caller) -> None:
    simulator.options.api_version = "v310.64"
    assert refused(caller, "GET", "/appliance/default/fileDirInfo/vm01")[0] == 404
    assert refused(caller, "POST", "/datastore/default/directory", {"path": "x"})[0] == 404
    assert refused(caller, "POST", "/snapshot/x/lock", {})[0] == 404
    assert caller.call("GET", "/api/v310/session/current").status_code == 200


def test_what_was_set_outlives_a_restart(simulator: VmstoreSimulator, caller: Caller, tmp_path: Path) -> None:
    vm = caller.vm_id("vm01")
    put(caller, f"/vm/{vm}/qosConfig", {"maxNormalizedIops": 7})
    put(caller, f"{BOX}/customizationInfo", {"applianceName": "renamed"})
    simulator.stop()
    simulator.start()
    again = Caller(simulator)
    again.login()
    assert again.get(f"/vm/{vm}")["qosConfig"]["maxNormalizedIops"] == 7
    assert again.get("/appliance")[0]["customizationInfo"]["applianceName"] == "renamed"
