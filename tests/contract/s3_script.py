"""A server that plays a script on each connection, to the byte: what no real server can be made to do when asked."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: 0\r\n\r\n'


def refusal(status: int, code: str, headers: str = "") -> bytes:
    """An answer as S3 refuses."""
    body = f"<Error><Code>{code}</Code><Message>said the store</Message></Error>".encode()
    head = f"HTTP/1.1 {status} No\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


@dataclass
class Call:
    """One connection, seen from the server."""

    line: socket.socket
    number: int  # from 1

    def head(self) -> str:
        """The next request up to its body; "": the client has hung up."""
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            if not (byte := self.line.recv(1)):
                return ""
            got += byte
        return got.decode()

    def body(self, size: int) -> bytes:
        """So much of the body."""
        got = bytearray()
        while len(got) < size:
            if not (more := self.line.recv(size - len(got))):
                break
            got += more
        return bytes(got)

    def request(self) -> tuple[str, bytes]:
        """A whole request."""
        head = self.head()
        return head, self.body(length(head)) if head else b""

    def say(self, answer: bytes) -> None:
        """Answer."""
        self.line.sendall(answer)

    def reset(self) -> None:
        """Break the connection as a crash does."""
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def length(head: str) -> int:
    """What the request says of its body."""
    return int(header(head, "content-length"))


def header(head: str, name: str) -> str:
    """One header of a request; "": it is not there."""
    found = [line for line in head.split("\r\n")[1:] if line.lower().startswith(f"{name}:")]
    assert len(found) < 2, found
    return found[0].partition(":")[2].strip() if found else ""


Script = Callable[[Call], None]


@dataclass
class Scripted:
    """The server."""

    port: int
    ca: str = ""
    calls: list[int] = field(default_factory=list)  # connections so far
    open: set[int] = field(default_factory=set)

    @property
    def options(self) -> dict[str, object]:
        """Settings of a target there."""
        scheme, ca = ("https", {"ca": self.ca}) if self.ca else ("http", {})
        keys = {"access_key": "key", "secret_key": "secret-never-shown", "region": "us-east-1"}
        return {"endpoint": f"{scheme}://127.0.0.1:{self.port}", **keys, **ca}


@contextmanager
def scripted(
    script: Script, folder: Path | None = None, tune: Callable[[Path, ssl.SSLContext], str] | None = None
) -> Iterator[Scripted]:
    """Serve; with a folder for its certificate: over TLS. tune: sets another one, or other rules; gives who signed."""
    context = None
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)  # a line keeps little on its way
        server = Scripted(listening.getsockname()[1])
        if folder is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.ca = (tune or _usual)(folder, context)
        threading.Thread(target=_serve, args=(listening, context, script, server), daemon=True).start()
        try:
            yield server
        finally:
            listening.shutdown(socket.SHUT_RDWR)


def _usual(folder: Path, context: ssl.SSLContext) -> str:
    pem, key = papers(folder)
    context.load_cert_chain(pem, key)
    return pem


def _serve(listening: socket.socket, context: ssl.SSLContext | None, script: Script, server: Scripted) -> None:
    with suppress(OSError):
        while True:
            line, _ = listening.accept()
            server.calls.append(len(server.calls) + 1)
            call = Call(line, len(server.calls))
            threading.Thread(target=_play, args=(call, context, script, server), daemon=True).start()


def _play(call: Call, context: ssl.SSLContext | None, script: Script, server: Scripted) -> None:
    server.open.add(call.number)
    with suppress(OSError):
        try:
            if context is not None:
                call.line = context.wrap_socket(call.line, server_side=True)
            script(call)
        finally:
            call.line.close()
            server.open.discard(call.number)


_USUAL = (x509.IPAddress(ip_address("127.0.0.1")),)


def papers(
    folder: Path, name: str = "store", others: Sequence[x509.GeneralName] = _USUAL, days: int = 1
) -> tuple[str, str]:
    """A certificate of 127.0.0.1 that signs itself, and its key; days: it is good so long, or over since then."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if others:
        made = made.add_extension(x509.SubjectAlternativeName(others), critical=False)
    signed = made.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.pem").write_bytes(signed.public_bytes(pem))
    (folder / f"{name}.key").write_bytes(plain)
    return str(folder / f"{name}.pem"), str(folder / f"{name}.key")
