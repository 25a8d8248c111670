"""Sessions and the outermost rules of the API."""

import re
from pathlib import Path

import pytest

from integrations.simulators.vmstore import VmstoreSimulator
from tests.contract.vmstore_simulator.caller import Caller, error_of


def test_info_needs_no_login_and_tells_product_and_versions(simulator: VmstoreSimulator) -> None:
    info = Caller(simulator).call("GET", "/api/info").json()
    assert (info["productName"], info["preferredVersion"]) == ("Tintri VMstore", "v310.191")
    assert "v310.21" in info["supportedVersionSet"]


def test_login_gives_the_role_and_a_session_cookie(simulator: VmstoreSimulator) -> None:
    answer = Caller(simulator).login()
    assert (answer.status_code, answer.json()) == (200, "ADMIN")
    assert re.match(r"JSESSIONID=[0-9A-F]{32};.*Path=/", answer.headers["Set-Cookie"])


def test_a_wrong_password_is_refused_with_403(simulator: VmstoreSimulator) -> None:
    status, _, cause = error_of(Caller(simulator).login(password="wrong"))
    assert (status, "Authentication failed" in cause) == (403, True)


@pytest.mark.parametrize("path", ["/vm", "/vm/x", "/snapshot", "/task", "/appliance/default", "/nonsense"])
def test_without_a_session_everything_else_is_401(simulator: VmstoreSimulator, path: str) -> None:
    caller = Caller(simulator)
    caller.session.auth = ("admin", "secret")  # Basic is ignored
    assert error_of(caller.call("GET", f"/api/v310{path}"))[:2] == (401, "ERR-API-0104")


def test_logout_is_204_by_get_and_post_with_and_without_a_session(simulator: VmstoreSimulator, caller: Caller) -> None:
    assert Caller(simulator).call("POST", "/api/v310/session/logout").status_code == 204
    assert caller.call("GET", "/api/v310/session/logout", offset=0, limit=2000).status_code == 204
    assert caller.call("GET", "/api/v310/vm").status_code == 401


def test_sessions_are_many_and_can_expire(simulator: VmstoreSimulator, caller: Caller) -> None:
    other = Caller(simulator)
    other.login()
    assert len(caller.get("/session/active")) == 2
    simulator.expire_sessions()
    assert caller.call("GET", "/api/v310/vm").status_code == other.call("GET", "/api/v310/vm").status_code == 401
    simulator.options.session_seconds = 0
    caller.login()
    assert caller.call("GET", "/api/v310/vm").status_code == 401


def test_an_unknown_path_is_404_and_a_wrong_method_405(caller: Caller) -> None:
    assert error_of(caller.call("GET", "/api/v310/nonsense"))[0] == 404
    assert error_of(caller.call("DELETE", "/api/v310/vm/x"))[0] == 405


def test_https_is_verified_with_the_simulators_own_ca(tmp_path: Path) -> None:
    simulator = VmstoreSimulator(tmp_path / "export")
    assert simulator.start().startswith("https://127.0.0.1:")
    try:
        caller = Caller(simulator)
        assert caller.login().status_code == 200
        assert caller.get("/vm")["items"] == []
        assert simulator.ca
        first = simulator.ca.read_bytes()
    finally:
        simulator.stop()
    simulator.start()
    try:
        assert simulator.ca.read_bytes() == first
        assert Caller(simulator).login().status_code == 200
    finally:
        simulator.stop()
