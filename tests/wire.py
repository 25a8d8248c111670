"""A counter on the line before an object store of either kind: which parts went over it, and which it has kept waiting.

It changes no byte of a request, Host included, so that signatures still hold.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_PART = re.compile(r"[?&](partNumber=|comp=block(&|$))")  # of S3, and of Azure
_PROBE = ".cloudy/"
_COPY = ("x-amz-copy-source", "x-ms-copy-source")
_OF_THE_LINE = ("connection", "transfer-encoding", "content-length", "keep-alive", "date", "server")


@dataclass(kw_only=True, eq=False)
class Sending:
    """One request that brought a part's bytes, or wanted to."""

    part: str  # its path, which names upload and number
    length: int
    is_answered: bool = False
    is_held: bool = False


class Wire(ThreadingHTTPServer):
    """Passes everything on. After `hold_after` answered parts each further one is kept waiting for its answer."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, upstream: str, hold_after: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream)
        self.sendings: list[Sending] = []
        self._left = hold_after
        self._open = threading.Event()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def held(self) -> list[Sending]:
        """Those that are kept waiting, or were until the line was free."""
        return [each for each in self.sendings if each.is_held]

    @property
    def answered(self) -> list[Sending]:
        """Those that the store has taken."""
        return [each for each in self.sendings if each.is_answered]

    def free(self) -> None:
        """Keep nothing waiting any more; what has waited gets no answer."""
        self._open.set()

    def begin(self, part: str, length: int) -> Sending:
        """Note that a part comes."""
        sending = Sending(part=part, length=length)
        with self._lock:
            self._left -= 1
            sending.is_held = self._left < 0 and not self._open.is_set()
            self.sendings.append(sending)
        return sending

    def wait(self) -> None:
        """Until the line is free."""
        self._open.wait(120)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is killed hangs up."""


class _Handler(BaseHTTPRequestHandler):
    server: Wire
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        is_copy = any(name in self.headers for name in _COPY)
        is_part = (
            self.command == "PUT" and _PART.search(self.path) and not is_copy and length > 1
        )  # Azure's mark is one
        sending = self.server.begin(self.path, length) if is_part and _PROBE not in self.path else None
        if sending is not None and sending.is_held:
            self.rfile.read(length // 2)
            self.server.wait()
            self.close_connection = True
            return
        status = self._pass_on(self.rfile.read(length))
        if sending is not None:
            sending.is_answered = status < 300

    def _pass_on(self, body: bytes) -> int:
        onward = HTTPConnection(self.server.upstream.hostname or "", self.server.upstream.port, timeout=120)
        try:
            onward.request(self.command, self.path, body, dict(self.headers.items()))
            answer = onward.getresponse()
            content = answer.read()
            self._give(answer.status, answer.getheaders(), content, answer.getheader("Content-Length"))
            return answer.status
        finally:
            onward.close()

    def _give(self, status: int, headers: list[tuple[str, str]], content: bytes, length: str | None) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _OF_THE_LINE:
                self.send_header(name, value)
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815 - the server's names

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def wire(upstream: str, *, hold_after: int) -> Iterator[Wire]:
    """Start one before a store at that address."""
    with Wire(upstream, hold_after) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.free()
            with suppress(OSError):
                server.shutdown()
            thread.join()
