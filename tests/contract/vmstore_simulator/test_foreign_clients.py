"""The requests of clients that others wrote against real appliances, replayed as they send them: bodies and headers."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from integrations.simulators.vmstore import VmstoreSimulator
from tests.contract.vmstore_simulator.caller import until

CREDENTIALS = "com.tintri.api.rest.vcommon.dto.rbac.RestApiCredentials"
CLONE = "com.tintri.api.rest.v310.dto.domain.beans.vm.VirtualMachineCloneSpec"
SNAPSHOT = "com.tintri.api.rest.v310.dto.domain.beans.snapshot.SnapshotSpec"
CINDER = "com.tintri.api.rest.v310.dto.domain.beans.cinder"
JSON = {"content-type": "application/json"}
Send = Callable[..., requests.Response]


@pytest.fixture
def send(simulator: VmstoreSimulator) -> Send:
    """One request, and no cookie but one that is given in a header: these clients keep no jar."""

    def send(method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            data = None if body is None else body if isinstance(body, str) else json.dumps(body)
            return session.request(method, f"{simulator.url}/api{path}", data=data, headers=headers or JSON, timeout=20)

    return send


def login(send: Send, client: str = "Tintri-PythonSDK-1.0", **more: Any) -> dict[str, str]:
    body = {"username": "admin", "password": "secret", "typeId": CREDENTIALS, **more}
    answer = send("POST", "/v310/session/login", body, {**JSON, "Tintri-Api-Client": client})
    assert answer.status_code == 200
    return {**JSON, "cookie": "JSESSIONID=" + answer.cookies["JSESSIONID"]}


def ended(send: Send, headers: dict[str, str], task: dict[str, Any]) -> dict[str, Any]:
    """SDK and SMP poll the task under its raw id, with `@` and colons, until its state is final."""
    found: dict[str, Any] = {}

    def is_final() -> bool:
        found.update(send("GET", f"/v310/task/{task['uuid']['uuid']}", None, headers).json())
        return found["state"] in ("SUCCESS", "FAILED", "CANCELLED")

    until(is_final)
    return found


def test_the_python_sdk_pages_through_vms_and_logs_out_without_its_cookie(send: Send) -> None:
    assert send("GET", "/info").json()["productName"] == "Tintri VMstore"
    headers = login(send)
    query, names = "limit=1", []
    for _ in range(5):
        page = send("GET", f"/v310/vm?{query}", None, headers).json()
        assert page["typeId"] == "com.tintri.api.rest.v310.dto.Page"
        names += [vm["vmware"]["name"] for vm in page["items"]]
        if "next" not in page:
            break
        pairs = dict(pair.split("=") for pair in page["next"].split("&"))
        query = "&".join(f"{name}={value}" for name, value in pairs.items())
    assert sorted(names) == ["vm01", "vm011"]
    assert send("GET", "/v310/session/logout").status_code == 204
    assert send("GET", "/v310/vm", None, headers).status_code == 200


def test_the_python_sdk_logs_in_again_after_a_401_with_the_three_members(
    simulator: VmstoreSimulator, send: Send
) -> None:
    headers = login(send)
    simulator.expire_sessions()
    answer = send("GET", "/v310/vm", None, headers)
    error = answer.json()
    assert (answer.status_code, error["code"]) == (401, "ERR-API-0104")
    assert error["message"]
    assert error["causeDetails"]
    assert send("GET", "/v310/vm", None, login(send)).status_code == 200


def test_the_python_sdks_clone_finds_its_place_and_makes_a_vm(send: Send) -> None:
    headers = login(send)
    vm = send("GET", "/v310/vm?name=vm01&live=true", None, headers).json()["items"][0]
    resources = send("GET", "/v310/datastore/default/hostResources", None, headers).json()
    manager = vm["vmware"]["vcenterName"]
    (host,) = [one for one in resources if one["hostname"] == manager and one["type"] == "COMPUTE_RESOURCE"]
    body = {
        "typeId": CLONE,
        "consistency": "CRASH_CONSISTENT",
        "count": "1",
        "vmId": vm["uuid"]["uuid"],
        "snapshotId": None,
        "remoteCopyInfo": None,
        "restoreInfo": None,
        "vmware": {
            "typeId": f"{CLONE}$VMwareCloneInfo",
            "cloneVmName": "sdk-clone",
            "vCenterName": manager,
            "datastoreName": "default",
            "hostClusterMoref": host["id"],
            "folderMorefValue": None,
        },
    }
    assert ended(send, headers, send("POST", "/v310/vm", body, headers).json())["state"] == "SUCCESS"
    (clone,) = send("GET", "/v310/vm?name=sdk-clone", None, headers).json()["items"]
    (origin,) = clone["snapshot"]["cloneFromSnapshots"]
    taken = send("GET", f"/v310/snapshot/{origin['snapshotTintriUUID']}", None, headers).json()
    assert (origin["vmName"], taken["type"]) == ("vm01", "AUTO_GENERATED_CLONING_SNAPSHOT")


def test_the_samples_log_in_with_nulls_and_find_the_oldest_snapshot(send: Send) -> None:
    headers = login(send, newPassword=None, roles=None)
    vms = send("GET", "/v310/vm?isDeleted=True&limit=25", None, headers).json()
    assert (vms["page"], vms["pageTotal"], vms["absoluteTotal"]) == (1, 1, 2)
    vm = vms["items"][0]["uuid"]["uuid"]
    for name in ("first", "second"):
        spec = {
            "typeId": SNAPSHOT,
            "consistency": "CRASH_CONSISTENT",
            "retentionMinutes": 0,
            "replicaRetentionMinutes": 0,
            "snapshotName": name,
            "sourceVmTintriUUID": vm,
        }
        assert len(send("POST", "/v310/snapshot", [spec], headers).json()) == 1
    query = f"queryType=TOP_DOCS_BY_TIME&limit=1&vmUuid={vm}"
    (oldest,) = send("GET", f"/v310/snapshot?{query}", None, headers).json()["items"]
    assert oldest["description"] == "first"
    newest = query.replace("TIME&", "LATEST_TIME&")
    assert send("GET", f"/v310/snapshot?{newest}", None, headers).json()["items"][0]["description"] == "second"


def test_the_examples_read_hardware_and_capacity(send: Send) -> None:
    headers = login(send)
    (appliance,) = send("GET", "/v310/appliance", None, headers).json()
    assert all(appliance[name] for name in ("components", "controllers", "disks", "configIps"))
    stat = send("GET", "/v310/datastore/default/statsRealtime", None, headers).json()["items"][0]["sortedStats"][0]
    assert stat["spaceTotalGiB"] > stat["spaceUsedGiB"] > 0
    change = {
        "typeId": "com.tintri.api.rest.v310.dto.MultipleSelectionRequest",
        "ids": [vm["uuid"]["uuid"] for vm in send("GET", "/v310/vm", None, headers).json()["items"]],
        "newValue": {
            "typeId": "com.tintri.api.rest.v310.dto.domain.beans.vm.VirtualMachineQoSConfig",
            "minNormalizedIops": 100,
            "maxNormalizedIops": 1000,
        },
        "propertyNames": ["minNormalizedIops", "maxNormalizedIops"],
    }
    assert send("PUT", "/v310/vm/qosConfig", change, headers).status_code in (200, 204)
    for vm in send("GET", "/v310/vm", None, headers).json()["items"]:
        assert (vm["qosConfig"]["minNormalizedIops"], vm["qosConfig"]["maxNormalizedIops"]) == (100, 1000)


def test_uws_sends_one_specification_a_null_body_and_strays_in_its_queries(send: Send) -> None:
    headers = login(send)
    vm = send("GET", "/v310/vm?offset=0&limit=2000&name=vm01", None, headers).json()["items"][0]["uuid"]["uuid"]
    spec = {
        "typeId": SNAPSHOT,
        "consistency": "CRASH_CONSISTENT",
        "retentionMinutes": -1,
        "snapshotName": "by UWS",
        "sourceVmTintriUUID": vm,
        "type": "USER_GENERATED_SNAPSHOT",
    }
    (uuid,) = send("POST", "/v310/snapshot", spec, headers).json()
    answer = send("DELETE", f"/v310/snapshot/{uuid}", "null", headers)
    assert answer.status_code == 200
    assert answer.json() == [f"Successfully deleted snapshot (ID={uuid}) of VM vm01."]
    assert send("GET", "/v310/session/logout?offset=0&limit=2000", "null", headers).status_code == 204
    assert send("GET", "/v310/vm", None, headers).status_code == 401


def test_cloudbolt_snapshots_with_numbers_as_text_and_expects_one_vm_of_a_name(
    simulator: VmstoreSimulator, send: Send
) -> None:
    simulator.options.name_match = "exact"
    headers = login(send)
    (vm,) = send("GET", "/v310/vm?name=vm01", None, headers).json()["items"]
    spec = {
        "typeId": SNAPSHOT,
        "consistency": "CRASH_CONSISTENT",
        "retentionMinutes": "60",
        "snapshotName": "cb",
        "sourceVmTintriUUID": vm["uuid"]["uuid"],
    }
    (snapshot,) = send("POST", "/v310/snapshot", spec, headers).json()
    body = {
        "typeId": CLONE,
        "count": 1,
        "snapshotId": snapshot,
        "vmware": {
            "typeId": f"{CLONE}$VMwareCloneInfo",
            "cloneVmName": "cb-clone",
            "vCenterName": vm["vmware"]["vcenterName"],
            "datastoreName": vm["vmware"]["storageContainers"][0],
        },
    }
    assert ended(send, headers, send("POST", "/v310/vm", body, headers).json())["state"] == "SUCCESS"
    assert len(send("GET", "/v310/vm?name=cb-clone", None, headers).json()["items"]) == 1


def test_cinders_first_driver_snapshots_a_volume_under_its_own_ids(simulator: VmstoreSimulator, send: Send) -> None:
    volume = simulator.export / "cinder" / "volume-7f"
    volume.parent.mkdir()
    volume.write_bytes(b"volume" * 1000)
    headers = login(send, "Tintri-Cinder-Driver-2.2.0.1")
    body = {
        "typeId": f"{CINDER}.CinderSnapshotSpec",
        "file": "cinder/volume-7f",
        "vmName": "volume-7f",
        "description": "snapshot-1",
        "vmTintriUuid": "7f",
        "instanceId": "7f",
        "snapshotCreator": "Cinder",
        "deletionPolicy": "DELETE_ON_ZERO_CLONE_REFERENCES",
    }
    (uuid,) = send("POST", "/v310/cinder/snapshot", body, headers).json()
    until_query = "since=2020-01-01T00:00:00.000&until=2100-01-01T00:00:00.000&vmUuid=7f"
    (found,) = send("GET", f"/v310/snapshot?{until_query}", None, headers).json()["items"]
    assert found["uuid"]["uuid"] == uuid
    clone = {
        "typeId": f"{CINDER}.CinderCloneSpec",
        "tintriSnapshotUuid": uuid,
        "destinationPaths": ["/cinder/clone-8a"],
    }
    assert send("POST", "/v310/cinder/clone", clone, headers).status_code in (200, 204)
    made = simulator.export / "cinder" / "clone-8a"
    (made / "volume-7f").rename(simulator.export / "cinder" / "volume-8a")
    made.rmdir()
    assert (simulator.export / "cinder" / "volume-8a").read_bytes() == b"volume" * 1000


def test_cinders_second_driver_logs_in_late_moves_clones_out_and_waits_for_them(
    simulator: VmstoreSimulator, send: Send
) -> None:
    volumes = simulator.export / "cinder"
    volumes.mkdir()
    (volumes / "volume-1").write_bytes(b"one")
    basic = {**JSON, "Authorization": "Basic YWRtaW46d3Jvbmc=", "Tintri-Api-Client": "Tintri-Cinder-Driver-3.0.3"}
    first = send("GET", "/v310/appliance/default", None, basic)
    assert (first.status_code, first.json()["code"]) == (401, "ERR-API-0104")
    headers = basic | login(send, "Tintri-Cinder-Driver-3.0.3")
    assert send("GET", "/v310/appliance/default", None, headers).json()[0]["uuid"]["uuid"]
    refresh = {"typeId": f"{CINDER}.OpenStackHostRefreshSpec", "hostname": "node", "volumeFilePath": "cinder/volume-1"}
    assert send("POST", "/v310/cinder/host/refresh", refresh, headers).status_code in (200, 204)
    spec = {"file": "cinder/volume-1", "vmName": "volume-1", "description": "d", "vmTintriUuid": "u", "instanceId": "i"}
    (uuid,) = send("POST", "/v310/cinder/snapshot", {**spec, "deletionPolicy": None}, headers).json()
    clone = {"typeId": f"{CINDER}.CinderCloneSpec", "tintriSnapshotUuid": uuid, "destinationPaths": "cinder/tmp"}
    assert send("POST", "/v310/cinder/clone", clone, headers).status_code in (200, 204)
    (volumes / "tmp" / "volume-1").rename(volumes / "volume-2")
    (volumes / "tmp").rmdir()
    refused = send("DELETE", f"/v310/snapshot/{uuid}", None, headers)
    assert (refused.status_code, "live VM is still present" in refused.json()["causeDetails"]) == (500, True)
    assert all("description" in one for one in send("GET", "/v310/snapshot", None, headers).json()["items"])
    simulator.stop()
    simulator.start()
    headers = basic | login(send)
    assert send("DELETE", f"/v310/snapshot/{uuid}", None, headers).status_code == 500
    (volumes / "volume-2").unlink()
    assert send("DELETE", f"/v310/snapshot/{uuid}", None, headers).status_code == 200
    gone = send("DELETE", f"/v310/snapshot/{uuid}", None, headers)
    assert (gone.status_code, "Failed to lookup" in gone.json()["causeDetails"]) == (404, True)


def test_powershells_backup_restores_to_a_directory_and_reads_disks(simulator: VmstoreSimulator, send: Send) -> None:
    headers = login(send)
    vm = send("GET", "/v310/vm?name=vm01&live=True", None, headers).json()["items"][0]["uuid"]["uuid"]
    (uuid,) = send("POST", "/v310/snapshot", [{"sourceVmTintriUUID": vm, "snapshotName": None}], headers).json()
    (disk,) = send("GET", f"/v310/snapshot/{uuid}/disks", None, headers).json()
    assert (disk["name"], disk["path"]) == ("scsi0:0", "vm01/vm01.vmdk")
    restore = {"typeId": f"{CLONE}$RestoreInfo", "directoryName": "backup-1", "retainTintriUuid": False}
    body = {"typeId": CLONE, "snapshotId": uuid, "restoreInfo": restore}
    assert ended(send, headers, send("POST", "/v310/vm", body, headers).json())["state"] == "SUCCESS"
    assert (simulator.export / "backup-1" / "vm01" / "vm01.vmx").is_file()


def test_who_accepts_anything_gets_json_of_a_known_length(send: Send) -> None:
    answer = send("GET", "/info", None, {**JSON, "Accept": "*/*"})
    assert answer.headers["content-type"].startswith("application/json")
    assert int(answer.headers["content-length"]) == len(answer.content)
