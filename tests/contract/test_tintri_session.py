"""What a VMstore is, and the session on it: the Tintri client against answers of every kind."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bot.errors import (
    DeniedError,
    PermanentError,
    TransientError,
)
from tests.contract.tintri_peer import (
    INFO,
    Peer,
    Reply,
    client,
    error,
    everything,
    expired,
    page,
    vm,
)


@pytest.fixture
def peer() -> Iterator[Peer]:
    one = Peer()
    yield one
    one.stop()


# --- what it is ---


def test_it_says_what_it_is_without_login(peer: Peer) -> None:
    found = client(peer).info()
    assert (found.product, found.api_version) == ("Tintri VMstore", "v310.191")
    assert peer.asked() == ["GET /api/info"]


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({**INFO, "productName": "Tintri Global Center"}, "Global Center, which manages VMstores"),
        ({**INFO, "productName": "Espresso Machine"}, "not a VMstore"),
        ({"hello": "world"}, "not a VMstore"),
        ([], "not a VMstore"),
        ({**INFO, "preferredVersion": "v310.20", "supportedVersionSet": ["v310.1"]}, r"v310\.1, v310\.20.*Upgrade"),
        ({**INFO, "preferredVersion": "v400.1", "supportedVersionSet": None}, r"v400\.1"),
        ({**INFO, "preferredVersion": "newest", "supportedVersionSet": []}, "API none"),
    ],
)
def test_what_is_no_vmstore_of_a_known_api_is_refused_in_words(peer: Peer, info: Any, words: str) -> None:
    peer.routes["GET", "/api/info"] = lambda _: (200, info)
    with pytest.raises(PermanentError, match=words):
        client(peer).info()


def test_another_web_server_is_no_vmstore(peer: Peer) -> None:
    peer.routes["GET", "/api/info"] = lambda _: (404, b"<html>nginx</html>")
    with pytest.raises(PermanentError, match="not a VMstore"):
        client(peer).info()


def test_a_newer_family_beside_v310_is_fine(peer: Peer) -> None:
    info = {**INFO, "preferredVersion": "v311.5", "supportedVersionSet": ["v310.200", "v311.5"]}
    peer.routes["GET", "/api/info"] = lambda _: (200, info)
    assert client(peer).info().api_version == "v310.200"


# --- the session ---


def test_a_wrong_password_is_denied_and_told_nowhere(peer: Peer) -> None:
    vmstore = client(peer, password="hunter22")
    with pytest.raises(DeniedError, match=r"refused the login of user 'admin'.*ERR-API-0124.*Check") as caught:
        vmstore.login()
    assert caught.value.code == "ERR-API-0124"
    assert "hunter22" not in everything(caught.value)
    assert "hunter22" not in repr(vmstore) + repr(vmstore._http)


@pytest.mark.parametrize("reply", [(401, error("ERR-API-0104")), (500, error("x", "Authentication failed"))])
def test_every_kind_of_refused_login_is_denied(peer: Peer, reply: Reply) -> None:
    peer.on("POST", "/session/login", reply)
    with pytest.raises(DeniedError):
        client(peer).login()


def test_a_login_without_session_is_refused(peer: Peer) -> None:
    peer.on("POST", "/session/login", (200, "ADMIN"))
    with pytest.raises(PermanentError, match="gave no session"):
        client(peer).login()


def test_an_expired_session_is_renewed_once_and_the_call_repeated(peer: Peer) -> None:
    peer.on("GET", "/vm", lambda call: page([vm("V1", "vm01")]) if call.cookie == "JSESSIONID=S2" else expired())
    vmstore = client(peer)
    vmstore.login()
    assert [one.name for one in vmstore.list_vms()] == ["vm01"]
    assert peer.asked() == ["POST /session/login", "GET /vm", "POST /session/login", "GET /vm"]


def test_a_session_that_stays_refused_is_denied_and_not_renewed_for_ever(peer: Peer) -> None:
    peer.on("GET", "/vm", expired())
    vmstore = client(peer)
    vmstore.login()
    with pytest.raises(DeniedError, match="ERR-API-0104"):
        list(vmstore.list_vms())
    assert peer.logins == 2


def test_an_expired_session_is_known_by_its_code_too(peer: Peer) -> None:
    peer.on("GET", "/vm", (400, error("ERR-API-0104")), page([]))
    assert list(client(peer).list_vms()) == []
    assert peer.logins == 2


def test_many_threads_renew_an_expired_session_once(peer: Peer) -> None:
    peer.on("GET", "/vm", lambda call: page([]) if call.cookie == "JSESSIONID=S2" else expired())
    vmstore = client(peer)
    vmstore.login()
    threads = [threading.Thread(target=lambda: list(vmstore.list_vms())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert peer.logins == 2


def test_a_clone_request_is_not_sent_again_after_an_expired_session(peer: Peer) -> None:
    peer.on("POST", "/vm", expired(), (200, {"uuid": {"uuid": "cloneVM@1"}}))
    vmstore = client(peer)
    vmstore.login()
    with pytest.raises(TransientError, match="nothing was done"):
        vmstore.clone_files("S1", "20261123T142233Z-7f3k9q")
    assert peer.asked().count("POST /vm") == 1
    assert vmstore.clone_files("S1", "20261123T142233Z-7f3k9q") == "cloneVM@1"
    assert peer.logins == 2


def test_logging_out_forgets_the_session_and_may_be_repeated(peer: Peer) -> None:
    peer.on("GET", "/session/logout", (204, b""))
    vmstore = client(peer)
    vmstore.login()
    vmstore.logout()
    vmstore.logout()
    assert peer.asked() == ["POST /session/login", "GET /session/logout"]
    assert peer.calls[-1].cookie == "JSESSIONID=S1"


def test_logging_out_of_an_expired_session_is_fine(peer: Peer) -> None:
    peer.on("GET", "/session/logout", expired())
    vmstore = client(peer)
    vmstore.login()
    vmstore.logout()
    assert peer.logins == 1
