"""An HTTP server before a bucket that passes everything on, except what it was told to spoil."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Answer = tuple[int, str, str]  # status, code, what the store says


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str  # with the query

    @property
    def is_part(self) -> bool:
        return self.method == "PUT" and "partNumber=" in self.path

    @property
    def is_write(self) -> bool:
        return self.method in ("PUT", "POST")

    @property
    def is_probe(self) -> bool:
        return ".cloudy/probe-" in self.path


Wanted = Callable[[Asked], bool]


@dataclass
class _Rule:
    wanted: Wanted
    left: int
    answer: Answer | None  # None: the connection is cut before an answer
    then: Callable[[], None]


@dataclass
class TroubledS3:
    """Rules are looked at in their order; the first that wants a request spoils it."""

    upstream: str
    seen: list[Asked] = field(default_factory=list)
    _rules: list[_Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def refuse(
        self,
        wanted: Wanted,
        answer: Answer,
        times: int = 1_000_000,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Answer with an error of S3's form."""
        self._rules.append(_Rule(wanted, times, answer, then))

    def cut(self, wanted: Wanted, times: int = 1_000_000, then: Callable[[], None] = lambda: None) -> None:
        """Hang up in the middle of the request's body, as a line that fails does."""
        self._rules.append(_Rule(wanted, times, None, then))

    def take(self, asked: Asked) -> _Rule | None:
        """The rule that this request meets."""
        with self._lock:
            self.seen.append(asked)
            rule = next((rule for rule in self._rules if rule.left and rule.wanted(asked)), None)
            if rule is not None:
                rule.left -= 1
        if rule is not None:
            rule.then()
        return rule

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, troubled: TroubledS3) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.troubled = troubled
        self.peer = urlsplit(troubled.upstream)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        rule = self.server.troubled.take(Asked(method=self.command, path=self.path))
        if rule is not None and rule.answer is None:
            self.rfile.read(min(length, 1000))
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        body = self.rfile.read(length)
        if rule is not None and rule.answer is not None:
            self._refuse(*rule.answer)
        else:
            self._pass_on(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815 - the server's names

    def _refuse(self, status: int, code: str, said: str) -> None:
        text = f"<Error><Code>{code}</Code><Message>{said}</Message></Error>".encode()
        self._answer(status, [("Content-Type", "application/xml")], text)

    def _pass_on(self, body: bytes) -> None:
        peer = self.server.peer
        onward = HTTPConnection(peer.hostname or "", peer.port or 80, timeout=30)
        try:
            onward.request(self.command, self.path, body, dict(self.headers.items()))
            answer = onward.getresponse()
            content = answer.read()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self._answer(answer.status, kept, content, length)
        finally:
            onward.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, length: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


_HOP = ("connection", "transfer-encoding", "content-length", "keep-alive", "date", "server")
