"""The wire under the Tintri client: statuses, time-outs, addresses, TLS."""

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.errors import (
    ConfigError,
    DeniedError,
    MissingError,
    PermanentError,
    RemoteError,
    TransientError,
)
from integrations.http import Answer, refusal
from integrations.vmstores.tintri import TintriVMstore
from tests.contract.tintri_peer import (
    INFO,
    PASSWORD,
    Call,
    Peer,
    Reply,
    client,
    error,
    everything,
)


@pytest.fixture
def peer() -> Iterator[Peer]:
    one = Peer()
    yield one
    one.stop()


# --- errors and the wire ---


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "ERR-API-4003", PermanentError),
        (403, "ERR-API-6010", DeniedError),
        (404, "ERR-API-8001", MissingError),
        (429, "", TransientError),
        (500, "ERR-API-9026", TransientError),
        (501, "ERR-API-2001", PermanentError),
        (503, "ERR-API-9013", TransientError),
    ],
)
def test_statuses_become_errors_with_the_vmstores_code(
    peer: Peer, status: int, code: str, kind: type[RemoteError]
) -> None:
    peer.on("GET", "/vm", (status, error(code, "Because."), {"Retry-After": "12"}))
    with pytest.raises(kind) as caught:
        list(client(peer).list_vms())
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert "Because." in caught.value.message


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "12"}, 12.0),
        ({"Retry-After": "Mon, 23 Nov 2026 14:23:03 GMT", "Date": "Mon, 23 Nov 2026 14:22:33 GMT"}, 30.0),
        ({"Retry-After": "Mon, 23 Nov 2026 14:22:33 GMT", "Date": "Mon, 23 Nov 2026 14:23:03 GMT"}, 0.0),
        ({"Retry-After": "Mon, 23 Nov 2026 14:22:33 GMT"}, None),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_is_asked_for_is_kept(headers: dict[str, str], wait_s: float | None) -> None:
    failure = refusal(Answer(503, headers, b""), "Not now.", system="vmstore", operation="list VMs")
    assert isinstance(failure, TransientError)
    assert failure.wait_s == wait_s


def test_a_redirect_is_not_followed(peer: Peer) -> None:
    peer.on("POST", "/session/login", (302, b"", {"Location": "http://127.0.0.1:1/elsewhere"}))
    with pytest.raises(PermanentError, match=r"points to http://127.0.0.1:1/elsewhere: correct `url`"):
        client(peer).login()


@pytest.mark.parametrize("reply", [(200, b"<html>"), (200, b""), (200, 5), (200, {"items": 5})])
def test_an_answer_that_is_no_list_is_an_error(peer: Peer, reply: Reply) -> None:
    peer.on("GET", "/vm", reply)
    with pytest.raises(PermanentError, match="not a list"):
        list(client(peer).list_vms())


def test_a_server_that_does_not_answer_is_given_up(peer: Peer) -> None:
    def hang(_: Call) -> Reply:
        peer.released.wait(30)
        return 200, INFO

    peer.routes["GET", "/api/info"] = hang
    with pytest.raises(TransientError, match="did not answer in time") as caught:
        client(peer, timeout_s=0.2).info()
    assert "to say what it is" in caught.value.message


@contextmanager
def raw_server(reply: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server for one connection that writes whatever it likes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):  # the client may have given up
                connection.recv(4096)
                reply(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join()


def test_a_server_that_sends_a_byte_now_and_then_is_given_up_too() -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            connection.sendall(b" ")
            threading.Event().wait(0.02)

    with raw_server(drip) as url, pytest.raises(TransientError, match="did not answer in time"):
        TintriVMstore("vmstore", url=url, user="u", password="p", timeout_s=0.1).info()


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"what?\r\n\r\n"],
)
def test_an_answer_that_breaks_off_is_transient(said: bytes) -> None:
    with (
        raw_server(lambda connection: connection.sendall(said)) as url,
        pytest.raises(TransientError, match="vmstore could not be asked"),
    ):
        TintriVMstore("vmstore", url=url, user="u", password="p", timeout_s=5).info()


def test_a_server_that_is_not_there_is_transient_and_says_so(peer: Peer) -> None:
    url = peer.url
    peer.stop()
    with pytest.raises(TransientError, match=r"refuses the connection; is it running"):
        client(peer, url=url).info()


def test_a_login_that_breaks_off_tells_no_password(peer: Peer) -> None:
    peer.stop()
    with pytest.raises(TransientError) as caught:
        client(peer).login()
    assert PASSWORD not in everything(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("url", ["vmstore", "ftp://vmstore", "https://", "https://vmstore:99999", ""])
def test_an_address_that_is_none_is_a_mistake_in_the_configuration(url: str) -> None:
    with pytest.raises(ConfigError, match="url"):
        TintriVMstore("vmstore", url=url, user="u", password="p")


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        TintriVMstore("vmstore", url="https://u:hunter22@vmstore", user="u", password="p")
    assert "hunter22" not in str(caught.value)


# --- TLS ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def tls_peer(certificate: tuple[Path, Path]) -> Iterator[Peer]:
    one = Peer(certificate)
    yield one
    one.stop()


def test_a_self_signed_certificate_is_refused_without_ca_and_says_what_to_do(tls_peer: Peer) -> None:
    with pytest.raises(PermanentError, match=r"certificate of https.*was not accepted.*self.signed.*set `ca`"):
        client(tls_peer).info()


def test_a_self_signed_certificate_is_accepted_as_its_own_ca(
    tls_peer: Peer, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert client(tls_peer, ca=certificate[0]).info().product == "Tintri VMstore"


def test_a_ca_file_that_is_not_there_or_is_none_is_named(tls_peer: Peer, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"the CA file .*gone\.pem is not there"):
        client(tls_peer, ca=tmp_path / "gone.pem").info()
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(PermanentError, match=r"bad\.pem"):
        client(tls_peer, ca=tmp_path / "bad.pem").info()


def test_https_to_a_server_without_tls_says_so(peer: Peer) -> None:
    with pytest.raises(PermanentError, match="does not speak TLS"):
        client(peer, url=peer.url.replace("http:", "https:")).info()
