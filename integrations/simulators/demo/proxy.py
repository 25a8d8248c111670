"""A proxy before the S3 server that counts what passes, slows it down and fails requests on demand.

It changes no byte of a request, Host included, so that signatures still hold. One thread and one buffer a connection:
bodies go through in large pieces without any work on their bytes.
"""

import select
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress

from integrations.simulators.demo.httpwire import Head, Pump, Stream, WireError, parse
from integrations.simulators.demo.throttle import Throttle
from integrations.simulators.demo.wire import Counts

_WRITE_EVERY_S = 0.5
_CODES = {403: "AccessDenied", 404: "NoSuchKey", 500: "InternalError", 503: "SlowDown"}  # as S3 names them


class Faults:
    """Answers that the proxy gives itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._status = 0
        self._left = 0

    def plan(self, status: int, count: int) -> None:
        """Answer the next count requests with status; 0 ends it."""
        with self._lock:
            self._status, self._left = status, count

    def take(self) -> int | None:
        """Give the status for this request, None to pass it on."""
        with self._lock:
            if not self._left:
                return None
            self._left -= 1
            return self._status


class S3Proxy:
    """The proxy itself; upstream is (host, port)."""

    def __init__(self, upstream: tuple[str, int], *, counts: Counts | None = None, port: int = 0) -> None:
        self.counts = counts or Counts()
        self.faults = Faults()
        self.throttle = Throttle()
        self.upstream = upstream
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", port), self)

    @property
    def url(self) -> str:
        """Where clients go."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Serve in threads of its own."""
        for work in (self._serve, self._write_counts):
            threading.Thread(target=work, name="s3-proxy", daemon=True).start()

    def stop(self) -> None:
        """End all connections and write the counts a last time."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        self.counts.write()

    def slow(self, bytes_per_s: float | None) -> None:
        """Limit both directions together, at once; None takes the limit away."""
        self.throttle.limit(bytes_per_s)

    def fail(self, status: int, count: int) -> None:
        """Answer the next count requests with status instead of passing them on."""
        self.faults.plan(status, count)

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def _write_counts(self) -> None:
        while not self._stopping.wait(_WRITE_EVERY_S):
            self.counts.write()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], proxy: S3Proxy) -> None:
        self._proxy = proxy
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, socketserver.BaseRequestHandler)

    def finish_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:  # noqa: ARG002
        """Carry one connection to its end; either side may hang up at any time."""
        if not isinstance(request, socket.socket):
            return
        with self._lock:
            self._open.add(request)
        try:
            with suppress(OSError, WireError, ValueError):
                _Connection(self._proxy, request).carry()
        finally:
            with self._lock:
                self._open.discard(request)

    def hang_up(self) -> None:
        """End the connections that are open."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Connection:
    """A client's connection and the one to the server that belongs to it."""

    def __init__(self, proxy: S3Proxy, connection: socket.socket) -> None:
        self._proxy = proxy
        self._client = Stream(connection)
        self._server: Stream | None = None
        self._pump = Pump(proxy.throttle)

    def carry(self) -> None:
        """Carry request after request until one side wants no more."""
        try:
            while self._has_request() and (raw := self._client.head()):
                if not self._answer(raw, parse(raw)):
                    return
        finally:
            if self._server is not None:
                self._server.socket.close()

    def _has_request(self) -> bool:
        """Wait for the client; a server that hangs up meanwhile ends this as it would have ended the client's."""
        if self._client.has_kept:
            return True
        sockets = [self._client.socket] + ([self._server.socket] if self._server else [])
        ready, _, _ = select.select(sockets, [], [])
        return self._client.socket in ready

    def _answer(self, raw: bytes, request: Head) -> bool:
        """Answer one request; whether the connection goes on."""
        self._proxy.counts.add(request.start[0], "requests", 1)
        if (status := self._proxy.faults.take()) is not None:
            return self._refuse(request, status, "The demo was asked to fail this request.")
        try:
            server = self._connect()
        except OSError as error:
            self._refuse(request, 503, f"The S3 server behind the proxy does not answer: {error}")
            return False
        server.send(raw)
        return self._exchange(request, server)

    def _connect(self) -> Stream:
        if self._server is None:
            self._server = Stream(socket.create_connection(self._proxy.upstream, timeout=10))
            self._server.socket.settimeout(None)
        return self._server

    def _exchange(self, request: Head, server: Stream) -> bool:
        if request.headers.get("expect", "").lower() == "100-continue":
            early = self._pass_head(server)
            if early.status != 100:  # refused before the body, which then never comes
                self._pass_answer(request, early, server)
                return False
        took_all = self._pass_request_body(request, server)
        answer = self._pass_head(server)
        while 100 <= answer.status < 200:
            answer = self._pass_head(server)
        self._pass_answer(request, answer, server)
        return took_all and not request.closes and not answer.closes

    def _pass_request_body(self, request: Head, server: Stream) -> bool:
        """Pass the body on; whether the server took all of it.

        A server that has answered early and hung up gets no more, but the client is heard to the end, else it would
        see a reset instead of the answer.
        """
        took_all = True

        def send(data: memoryview) -> None:
            nonlocal took_all
            if took_all:
                try:
                    server.send(data)
                except OSError:
                    took_all = False

        self._pump.pass_body(request, self._client, send, self._counter(request, "up"))
        return took_all

    def _pass_head(self, server: Stream) -> Head:
        raw = server.head()
        if not raw:
            raise WireError("the server hung up without an answer")
        self._client.send(raw)
        return parse(raw)

    def _pass_answer(self, request: Head, answer: Head, server: Stream) -> None:
        if request.start[0] == "HEAD" or answer.status in (204, 304):
            return
        count = self._counter(request, "down")
        if answer.is_chunked or answer.length is not None:
            self._pump.pass_body(answer, server, self._client.send, count)
        else:
            self._pump.pass_rest(server, self._client.send, count)

    def _refuse(self, request: Head, status: int, why: str) -> bool:
        expects = "expect" in request.headers
        if not expects:
            self._pump.pass_body(request, self._client, lambda _: None, self._counter(request, "up"))
        code = _CODES.get(status, "InternalError")
        body = f"<Error><Code>{code}</Code><Message>{why}</Message></Error>".encode()
        head = f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
        head += "Connection: close\r\n\r\n" if expects else "\r\n"
        self._client.send(head.encode() + (b"" if request.start[0] == "HEAD" else body))
        return not expects and not request.closes

    def _counter(self, request: Head, field: str) -> Callable[[int], None]:
        return lambda size: self._proxy.counts.add(request.start[0], field, size)
