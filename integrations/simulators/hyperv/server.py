"""The host's web server: POST /wsman over TLS or plain, one thread a connection."""

import socket
import ssl
import threading
import time
import uuid
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pypsrp.encryption import WinRMEncryption

from integrations.simulators.hyperv import envelopes
from integrations.simulators.hyperv.faults import Cut, Faults
from integrations.simulators.hyperv.host import Host
from integrations.simulators.hyperv.logins import Login, Logins
from integrations.simulators.hyperv.shells import Shell

_LARGEST = 1 << 20
_IDLE_S = 60.0
_BOUNDARY = "Encrypted Boundary"


class PsrpServer:
    """One, on loopback. Stopping it ends all connections; starting it again is a host without runspaces."""

    def __init__(
        self,
        host: Host,
        *,
        user: str,
        password: str,
        certificate: tuple[Path, Path] | None = None,
        clients: Path | None = None,
    ) -> None:
        """certificate: PEM files of certificate and key; without them it speaks plain HTTP, with encrypted messages.

        clients: certificates of an authority whose clients are let in by a certificate of their own.
        """
        self.host = host
        self.faults = Faults()
        self._logins = Logins(user, password)
        self._tls = _tls(certificate, clients) if certificate else None
        self.shells: dict[str, Shell] = {}
        self.seen: list[str] = []  # actions, in order
        self.kinds: set[str] = set()  # content types of what came
        self._server: _Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Where a client finds it."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}/wsman"

    def start(self) -> None:
        """Listen; on the same port as before."""
        self.shells.clear()
        self._server = _Server(("127.0.0.1", self._port), self, self._tls)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """End it, with all connections; repeating is safe."""
        self.faults.thaw()
        if self._server is not None:
            self._server.shutdown()
            self._server.end_all()
            self._server.server_close()
            self._server = None

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        self._logins.close()

    def login(self) -> Login:
        """For a new connection."""
        return Login(self._logins, is_encrypted=self._tls is not None)

    def answer(self, text: bytes) -> tuple[int, bytes]:
        """(status, envelope). Cut."""
        try:
            request = envelopes.parse(text)
        except (envelopes.NotUnderstood, ValueError) as error:
            return 500, envelopes.fault(None, envelopes.BAD_REQUEST, str(error))
        self.seen.append(request.action)
        if request.action == "Create":
            return 200, self._create(request)
        shell = self.shells.get(request.shell_id.upper())
        if shell is None:
            reason = f"The shell {request.shell_id} was not found on the server."
            return 500, envelopes.fault(request, envelopes.NO_SHELL, reason)
        return self._ask(shell, request)

    def _create(self, request: envelopes.Request) -> bytes:
        shell_id = str(uuid.uuid4()).upper()
        shell = self.shells[shell_id] = Shell(self.host, self.faults)
        shell.take(request.data("creationXml"))
        return envelopes.created(request, shell_id)

    def _ask(self, shell: Shell, request: envelopes.Request) -> tuple[int, bytes]:
        command_id = request.command_id
        if request.action == "Receive":
            found = shell.given(command_id, request.timeout_s)
            if found is None:
                return 500, envelopes.fault(request, envelopes.TIMED_OUT, "The operation has timed out.")
            return 200, envelopes.received(request, found[0], is_done=found[1])
        if request.action == "Command":
            shell.take(request.data("Arguments"), command_id)
            return 200, envelopes.begun(request)
        if request.action == "Send":
            shell.take(request.data("Stream"), command_id)
        elif request.action == "Signal" and command_id is not None:
            shell.drop(command_id)
        elif request.action == "Delete":
            self.shells.pop(request.shell_id.upper(), None)
        else:
            return 500, envelopes.fault(request, envelopes.BAD_REQUEST, f"No {request.action} here.")
        return 200, envelopes.empty(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], owner: PsrpServer, tls: ssl.SSLContext | None) -> None:
        self.owner = owner
        self._tls = tls
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """The handshake is the connection's own thread's: whoever does not finish it holds nobody up."""
        line, address = super().get_request()
        line.settimeout(_IDLE_S)
        if self._tls is not None:
            line = self._tls.wrap_socket(line, server_side=True, do_handshake_on_connect=False)
        self._open.add(line)
        return line, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections end in any way: nobody needs to be told."""

    def end_all(self) -> None:
        for line in list(self._open):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16  # head and body leave together
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._login = self.server.owner.login()

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""

    def do_POST(self) -> None:
        owner = self.server.owner
        owner.faults.hold()
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _LARGEST))
        if body:
            owner.kinds.add((self.headers.get("Content-Type") or "").partition(";")[0])
        time.sleep(owner.faults.slow_s)
        if owner.faults.status:
            self._send(owner.faults.status, b"")
            return
        challenge = () if self._is_certified() else self._login.ask(self.headers.get("Authorization") or "")
        if challenge:
            self._send(401, b"", *(("WWW-Authenticate", each) for each in challenge))
            return
        if self.path != "/wsman":
            self._send(404, b"")
            return
        self._answer(body)

    def _answer(self, body: bytes) -> None:
        owner, seal = self.server.owner, self._login.seal
        if not body:
            self._send(200, b"")
            return
        try:
            status, envelope = owner.answer(_opened(seal, body) if seal else body)
        except Cut:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        owner.faults.hold()
        if seal is None:
            self._send(status, envelope, ("Content-Type", "application/soap+xml;charset=UTF-8"))
            return
        kind, sealed = seal.wrap_message(envelope)
        self._send(status, sealed, ("Content-Type", f'{kind};protocol="{seal.protocol}";boundary="{_BOUNDARY}"'))

    def _is_certified(self) -> bool:
        return isinstance(self.connection, ssl.SSLSocket) and bool(self.connection.getpeercert())

    def _send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        if self._login.last:
            self.send_header("WWW-Authenticate", self._login.last)
            self._login.last = ""
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _opened(seal: WinRMEncryption, body: bytes) -> bytes:
    opened: bytes = seal.unwrap_message(body, _BOUNDARY)
    return opened


def _tls(certificate: tuple[Path, Path], clients: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
