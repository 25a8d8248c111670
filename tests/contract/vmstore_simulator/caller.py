"""Plain requests to a VMstore, and what tests look for in its answers."""

import time
from collections.abc import Callable
from typing import Any

import requests

from integrations.simulators.vmstore import VmstoreSimulator

MIB = 1 << 20
PASSWORD = "secret"
FS = "C218198C-9CE4-E5FD-00B3-EE96D2B3270F"


class Caller:
    """A session's worth of plain requests; `cookie` is sent by hand, as Tintri's own clients do."""

    def __init__(self, simulator: VmstoreSimulator) -> None:
        self.url = simulator.url
        self.verify = str(simulator.ca) if simulator.ca else True
        self.cookie = ""
        self.session = requests.Session()
        self.session.trust_env = False

    def call(self, method: str, path: str, body: Any = None, /, **query: Any) -> requests.Response:
        headers = {"cookie": f"JSESSIONID={self.cookie}"} if self.cookie else {}
        self.session.cookies.clear()
        return self.session.request(
            method, self.url + path, json=body, params=query, headers=headers, verify=self.verify, timeout=60
        )

    def get(self, path: str, /, **query: Any) -> Any:
        answer = self.call("GET", f"/api/v310{path}", **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def login(self, password: str = PASSWORD) -> requests.Response:
        answer = self.call("POST", "/api/v310/session/login", {"username": "admin", "password": password})
        self.cookie = answer.cookies.get("JSESSIONID") or ""
        return answer

    def vm_id(self, name: str) -> str:
        items = self.get("/vm", name=name, live="true")["items"]
        assert items[0]["vmware"]["name"] == name
        return str(items[0]["uuid"]["uuid"])

    def snapshot(self, vm: str, label: str = "label") -> str:
        answer = self.call("POST", "/api/v310/snapshot", [spec(vm, snapshotName=label)])
        assert answer.status_code == 200, answer.text
        return str(answer.json()[0])

    def clone(self, snapshot: str, directory: str) -> str:
        answer = self.call("POST", "/api/v310/vm", clone_spec(snapshot, directory))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["uuid"]["uuid"])

    def wait(self, task: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def is_done() -> bool:
            found.update(self.get(f"/task/{task}"))
            return bool(found["jobDone"])

        until(is_done)
        return found


def spec(vm: str, **more: Any) -> dict[str, Any]:
    return {"sourceVmTintriUUID": vm, "consistency": "CRASH_CONSISTENT", "snapshotName": "label", **more}


def clone_spec(snapshot: str, directory: str) -> dict[str, Any]:
    kind = "com.tintri.api.rest.v310.dto.domain.beans.vm.VirtualMachineCloneSpec"
    restore = {"typeId": f"{kind}$RestoreInfo", "directoryName": directory}
    return {"typeId": kind, "snapshotId": snapshot, "restoreInfo": restore}


def until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


def error_of(answer: requests.Response) -> tuple[int, str, str]:
    body = answer.json()
    assert all(isinstance(body[key], str) and body[key] for key in ("code", "message", "causeDetails"))
    return answer.status_code, body["code"], body["causeDetails"]
