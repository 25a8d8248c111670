"""Snapshots and clones of single files, as OpenStack's drivers ask for them."""

from typing import Any

import pytest

from integrations.simulators.vmstore import VmstoreSimulator
from tests.contract.vmstore_simulator.caller import Caller, error_of

BEANS = "com.tintri.api.rest.v310.dto.domain.beans.cinder"
VOLUME = bytes(range(256)) * 64


@pytest.fixture
def volume(simulator: VmstoreSimulator) -> None:
    (simulator.export / "cinder").mkdir()
    (simulator.export / "cinder" / "volume-1").write_bytes(VOLUME)


def take(caller: Caller, **more: Any) -> str:
    spec = {
        "typeId": f"{BEANS}.CinderSnapshotSpec",
        "file": "cinder/volume-1",
        "vmName": "volume-1",
        "description": "snapshot-1",
        "vmTintriUuid": "6d9e-volume",
        "instanceId": "6d9e-volume",
        "snapshotCreator": "VMstore Cinder driver",
        "deletionPolicy": "DELETE_ON_ZERO_CLONE_REFERENCES",
    }
    answer = caller.call("POST", "/api/v310/cinder/snapshot", spec | more)
    assert answer.status_code == 200, answer.text
    return str(answer.json()[0])


def clone(caller: Caller, snapshot: str, destinations: object) -> Any:
    body = {
        "typeId": f"{BEANS}.CinderCloneSpec",
        "tintriSnapshotUuid": snapshot,
        "destinationPaths": destinations,
    }
    return caller.call("POST", "/api/v310/cinder/clone", body)


@pytest.mark.usefixtures("volume")
def test_a_file_is_frozen_and_cloned_into_a_folder_under_its_own_name(
    simulator: VmstoreSimulator, caller: Caller
) -> None:
    uuid = take(caller)
    (simulator.export / "cinder" / "volume-1").write_bytes(b"written later")
    assert clone(caller, uuid, "/cinder/clone-1").status_code in (200, 204)
    assert clone(caller, uuid, ["cinder/clone-2"]).status_code in (200, 204)
    for name in ("clone-1", "clone-2"):
        folder = simulator.export / "cinder" / name
        assert [path.name for path in folder.iterdir()] == ["volume-1"]
        assert (folder / "volume-1").read_bytes() == VOLUME


@pytest.mark.usefixtures("volume")
def test_a_files_snapshot_is_listed_by_the_label_that_stands_for_its_vm(caller: Caller) -> None:
    uuid = take(caller)
    (found,) = caller.get("/snapshot", vmUuid="6d9e-volume")["items"]
    assert (found["uuid"]["uuid"], found["vmUuid"]["uuid"]) == (uuid, "6d9e-volume")
    assert (found["type"], found["description"]) == ("CINDER_GENERATED_SNAPSHOT", "snapshot-1")
    assert found["deletionPolicy"] == "DELETE_ON_ZERO_CLONE_REFERENCES"
    assert caller.get("/snapshot", type="USER_GENERATED_SNAPSHOT")["items"] == []


@pytest.mark.usefixtures("volume")
def test_a_files_snapshot_stays_while_its_clone_is_there(simulator: VmstoreSimulator, caller: Caller) -> None:
    uuid = take(caller)
    clone(caller, uuid, "cinder/clone-1")
    status, _, cause = error_of(caller.call("DELETE", f"/api/v310/snapshot/{uuid}"))
    assert (status, "live VM is still present" in cause) == (500, True)
    (simulator.export / "cinder" / "clone-1" / "volume-1").unlink()
    (simulator.export / "cinder" / "clone-1").rmdir()
    assert caller.call("DELETE", f"/api/v310/snapshot/{uuid}").status_code == 200


@pytest.mark.usefixtures("volume")
def test_what_cannot_be_is_refused(caller: Caller) -> None:
    def refused(path: str, body: object) -> tuple[int, str]:
        return error_of(caller.call("POST", f"/api/v310/cinder/{path}", body))[:2]

    assert refused("snapshot", {"file": "cinder/volume-9"}) == (404, "ERR-API-8001")
    assert refused("snapshot", {"file": "../secret"})[0] == 400
    assert refused("snapshot", {"file": "cinder/volume-1", "deletionPolicy": "NEVER"}) == (400, "ERR-API-3105")
    assert refused("snapshot", None) == (400, "ERR-API-0020")
    assert refused("clone", {"tintriSnapshotUuid": "x", "destinationPaths": "y"}) == (404, "ERR-API-3214")
    uuid = take(caller)
    assert error_of(clone(caller, uuid, "cinder"))[:2] == (500, "ERR-API-3206")


def test_a_host_refresh_is_taken(caller: Caller) -> None:
    body = {"typeId": f"{BEANS}.OpenStackHostRefreshSpec", "hostname": "node", "volumeFilePath": "cinder/volume-1"}
    assert caller.call("POST", "/api/v310/cinder/host/refresh", body).status_code in (200, 204)
