"""Faults on order: by the control endpoint on its own port, and by the Python API."""

import threading
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.simulators.vmstore import VmstoreSimulator, orders
from tests.contract.vmstore_simulator.caller import Caller, error_of, spec


def control(simulator: VmstoreSimulator, verb: str, where: str, /, **body: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(verb, simulator.control + where, json=body or None, timeout=60)


def order(simulator: VmstoreSimulator, **body: Any) -> None:
    answer = control(simulator, "POST", "/faults", **body)
    assert answer.status_code == 200, answer.text


def test_any_call_fails_as_often_as_ordered_with_status_and_code(simulator: VmstoreSimulator, caller: Caller) -> None:
    fault = {"method": "GET", "path": "/api/v310/vm", "status": 503, "code": "ERR-API-9026", "message": "No."}
    order(simulator, **fault, cause="Because.", times=2, skip=1)
    assert caller.call("GET", "/api/v310/vm").status_code == 200
    for _ in range(2):
        assert error_of(caller.call("GET", "/api/v310/vm")) == (503, "ERR-API-9026", "Because.")
    assert caller.call("GET", "/api/v310/vm").status_code == 200


def test_an_answer_breaks_off_in_the_middle_of_its_body(simulator: VmstoreSimulator, caller: Caller) -> None:
    order(simulator, name="vm=drop")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        caller.call("GET", "/api/v310/vm")
    assert caller.call("GET", "/api/v310/vm").status_code == 200


def test_an_answer_is_lost_though_the_work_was_done(simulator: VmstoreSimulator, caller: Caller) -> None:
    vm = caller.vm_id("vm01")
    order(simulator, name="snapshot=lost")
    with pytest.raises(requests.exceptions.ConnectionError):
        caller.call("POST", "/api/v310/snapshot", [spec(vm)])
    assert len(caller.get("/snapshot")["items"]) == 1
    order(simulator, method="POST", path="/api/v310/snapshot", drop="answer")
    with pytest.raises(requests.exceptions.ConnectionError):
        caller.call("POST", "/api/v310/snapshot", [spec(vm)])
    assert len(caller.get("/snapshot")["items"]) == 1


def test_a_broken_connection_is_one_also_by_https(tmp_path: Any) -> None:
    simulator = VmstoreSimulator(tmp_path / "export")
    simulator.start()
    try:
        caller = Caller(simulator)
        caller.login()
        for effect in ("drop", "lost"):
            order(simulator, name=f"vm={effect}")
            with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
                caller.call("GET", "/api/v310/vm")
        assert caller.call("GET", "/api/v310/vm").status_code == 200
    finally:
        simulator.stop()


def test_a_session_ends_in_the_middle(simulator: VmstoreSimulator, caller: Caller) -> None:
    order(simulator, name="task=session")
    assert caller.call("GET", "/api/v310/vm").status_code == 200
    assert error_of(caller.call("GET", "/api/v310/task"))[:2] == (401, "ERR-API-0104")
    caller.login()
    assert control(simulator, "POST", "/sessions/expire").status_code == 200
    assert caller.call("GET", "/api/v310/vm").status_code == 401


@pytest.mark.parametrize(
    ("name", "method", "path", "expected"),
    [
        ("password", "POST", "/session/login", (403, "ERR-API-0124")),
        ("snapshot-limit", "POST", "/snapshot", (500, "ERR-API-3106")),
        ("space", "POST", "/snapshot", (500, "ERR-API-3106")),
        ("busy", "GET", "/snapshot", (503, "ERR-API-9013")),
        ("snapshot", "POST", "/snapshot", (500, "ERR-API-0007")),
        ("clone=503/ERR-API-3206", "POST", "/vm", (503, "ERR-API-3206")),
        ("delete-refused", "DELETE", "/snapshot/x", (500, "ERR-API-3107")),
    ],
)
def test_faults_have_names(
    simulator: VmstoreSimulator, caller: Caller, name: str, method: str, path: str, expected: tuple[int, str]
) -> None:
    simulator.order(name)
    body = {"username": "admin", "password": "secret"} if path.endswith("login") else None
    assert error_of(caller.call(method, f"/api/v310{path}", body))[:2] == expected


def test_a_task_never_ends_until_it_is_cancelled(simulator: VmstoreSimulator, caller: Caller) -> None:
    order(simulator, name="task-hangs")
    task = caller.clone(caller.snapshot(caller.vm_id("vm01")), "out")
    assert caller.get(f"/task/{task}")["isCancelable"] is True
    assert caller.call("DELETE", f"/api/v310/task/{task}").status_code == 204
    assert caller.wait(task)["state"] == "CANCELLED"
    assert error_of(caller.call("DELETE", f"/api/v310/task/{task}"))[0] == 400


def test_a_clones_largest_file_is_cut_short_or_missing_though_its_task_ends_well(
    simulator: VmstoreSimulator, caller: Caller
) -> None:
    snapshot = caller.snapshot(caller.vm_id("vm01"))
    for name, directory in (("task-truncated", "one"), ("task-missing", "two"), ("nothing", "three")):
        order(simulator, name=name)
        assert caller.wait(caller.clone(snapshot, directory))["state"] == "SUCCESS"
    whole = (simulator.export / "three" / "vm01" / "vm01-flat.vmdk").stat().st_size
    assert (simulator.export / "one" / "vm01" / "vm01-flat.vmdk").stat().st_size == whole // 2
    assert not (simulator.export / "two" / "vm01" / "vm01-flat.vmdk").exists()


def test_a_failed_task_raises_an_alert(simulator: VmstoreSimulator, caller: Caller) -> None:
    order(simulator, name="task-fails")
    task = caller.clone(caller.snapshot(caller.vm_id("vm01")), "out")
    assert caller.wait(task)["error"]["code"] == "ERR-API-3213"
    (alert,) = caller.get("/alert", severity="ALERT")["items"]
    assert task in alert["message"]


def test_switches_are_turned_from_outside_and_put_back(simulator: VmstoreSimulator, caller: Caller) -> None:
    shown = control(simulator, "PATCH", "/options", layout="direct", snapshot_limit=1, latency_seconds=0.01).json()
    assert (shown["layout"], shown["snapshot_limit"]) == ("direct", 1)
    vm = caller.vm_id("vm01")
    snapshot = caller.snapshot(vm)
    assert error_of(caller.call("POST", "/api/v310/snapshot", [spec(vm)]))[:2] == (500, "ERR-API-3106")
    caller.wait(caller.clone(snapshot, "out"))
    assert (simulator.export / "out" / "vm01.vmx").is_file()
    control(simulator, "DELETE", "/faults")
    assert (simulator.options.layout, simulator.options.snapshot_limit) == ("nested", 128)
    order(simulator, name="old")
    assert caller.call("GET", "/api/info").json()["preferredVersion"] == "v310.1"
    assert caller.call("POST", "/api/v310/vm/sync", {}).status_code in (404, 405)


def test_what_makes_no_sense_is_refused_and_changes_nothing(simulator: VmstoreSimulator) -> None:
    for method, path, body in (
        ("POST", "/faults", {"name": "nonsense"}),
        ("POST", "/faults", {"name": "snapshot=299"}),
        ("POST", "/faults", {"name": "snapshot", "times": 0}),
        ("POST", "/faults", {"methode": "GET"}),
        ("POST", "/faults", {"status": "500"}),
        ("PATCH", "/options", {"layout": "sideways"}),
        ("PATCH", "/options", {"port": 1}),
        ("PATCH", "/options", {"nonsense": 1}),
    ):
        answer = control(simulator, method, path, **body)
        assert (answer.status_code, bool(answer.json()["error"])) == (400, True), body
    assert control(simulator, "GET", "/faults").json() == {"calls": [], "tasks": []}


def test_the_endpoint_tells_what_it_offers_and_what_was_asked_but_no_password(
    simulator: VmstoreSimulator, caller: Caller
) -> None:
    told = control(simulator, "GET", "/").json()
    assert told["options"]["port"] == int(simulator.url.rpartition(":")[2])
    assert {"snapshot-limit", "task-hangs", "layout"} <= set(told["faults"])
    caller.get("/vm")
    asked = control(simulator, "GET", "/requests")
    assert [row["path"] for row in asked.json()] == ["/api/v310/session/login", "/api/v310/vm"]
    assert "secret" not in asked.text + str(told)


def test_every_fault_that_has_a_name_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "vmstore-simulator.md").read_text()
    names = [name for row in orders.listing() for name in row.split("|")]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_a_hanging_call_holds_up_no_other(simulator: VmstoreSimulator, caller: Caller) -> None:
    order(simulator, name="vm=hang")
    failures: list[str] = []

    def ask() -> None:
        try:
            Caller(simulator).call("GET", "/api/v310/vm")
        except requests.RequestException as error:
            failures.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    assert caller.call("GET", "/api/v310/snapshot").status_code == 200
    simulator.stop()
    thread.join(60)
    assert failures
