"""HTTP/1.1 as it lies on the wire: heads parsed, bodies left alone and passed on in large pieces."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from integrations.simulators.demo.throttle import Throttle

PIECE = 256 << 10
_LONGEST_HEAD = 64 << 10

Send = Callable[[memoryview], None]
Count = Callable[[int], None]


class WireError(Exception):
    """The other side does not speak HTTP/1.1, or hung up in the middle."""


@dataclass(frozen=True, slots=True)
class Head:
    """Start line and headers; names in lower case."""

    start: tuple[str, str, str]  # "PUT", "/b/k", "HTTP/1.1" or "HTTP/1.1", "200", "OK"
    headers: dict[str, str]

    @property
    def closes(self) -> bool:
        """Whether the connection ends after this message."""
        old = "HTTP/1.0" in self.start
        return self.headers.get("connection", "close" if old else "keep-alive").lower() == "close"

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return self.headers.get("transfer-encoding", "").lower().endswith("chunked")

    @property
    def length(self) -> int | None:
        """The body's size where the head tells it."""
        text = self.headers.get("content-length")
        if text is not None and not text.isdecimal():
            raise WireError(f"Content-Length is {text!r}")
        return None if text is None else int(text)

    @property
    def status(self) -> int:
        """A response's status."""
        if not self.start[1].isdecimal():
            raise WireError(f"not a response: {' '.join(self.start)!r}")
        return int(self.start[1])


def parse(raw: bytes) -> Head:
    """Read a head that ends with an empty line."""
    first, *rest = raw.decode("latin-1").split("\r\n")
    start = first.split(" ", 2)
    if len(start) < 2 or not ("HTTP/1" in start[0] or "HTTP/1" in start[-1]):
        raise WireError(f"not HTTP/1.1: {first[:80]!r}")
    pairs = (line.split(":", 1) for line in rest if ":" in line)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    return Head((start[0], start[1], start[2] if len(start) > 2 else ""), headers)


class Stream:
    """A socket that is read head by head and body by body."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self._kept = bytearray()  # read, not yet asked for

    @property
    def has_kept(self) -> bool:
        """Whether there is something to read without the socket."""
        return bool(self._kept)

    def send(self, data: memoryview | bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def head(self) -> bytes:
        """Read up to an empty line; b"" when the other side has hung up before the first byte."""
        return self._until(b"\r\n\r\n")

    def line(self) -> bytes:
        """Read one line, its end included."""
        line = self._until(b"\r\n")
        if not line:
            raise WireError("hung up inside a body")
        return line

    def read_into(self, view: memoryview) -> int:
        """Read what is there, 0 at the end."""
        if not self._kept:
            return self.socket.recv_into(view)
        size = min(len(view), len(self._kept))
        view[:size] = self._kept[:size]
        del self._kept[:size]
        return size

    def _until(self, end: bytes) -> bytes:
        while (at := self._kept.find(end)) < 0:
            if len(self._kept) > _LONGEST_HEAD:
                raise WireError("a head without end")
            more = self.socket.recv(16 << 10)
            if not more and self._kept:
                raise WireError("hung up inside a head")
            if not more:
                return b""
            self._kept += more
        raw = bytes(self._kept[: at + len(end)])
        del self._kept[: at + len(end)]
        return raw


class Pump:
    """Passes bodies on, through the throttle, with one buffer for all of them."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._buffer = memoryview(bytearray(PIECE))

    def pass_body(self, head: Head, source: Stream, send: Send, count: Count) -> None:
        """Pass on what the head announces; count gets the bytes of content, without the framing of chunks."""
        if head.is_chunked:
            self._pass_chunks(source, send, count)
        elif (length := head.length) is not None:
            self._pass_bytes(length, source, send, count)

    def pass_rest(self, source: Stream, send: Send, count: Count) -> None:
        """Pass on all until the other side hangs up."""
        while self._pass_piece(PIECE, source, send, count):
            pass

    def _pass_bytes(self, length: int, source: Stream, send: Send, count: Count) -> None:
        while length:
            size = self._pass_piece(length, source, send, count)
            if not size:
                raise WireError("hung up inside a body")
            length -= size

    def _pass_piece(self, most: int, source: Stream, send: Send, count: Count) -> int:
        size = source.read_into(self._buffer[: self._throttle.piece(min(most, PIECE))])
        if size:
            self._throttle.take(size)
            count(size)  # before it is sent: whoever has an answer finds it counted
            send(self._buffer[:size])
        return size

    def _pass_chunks(self, source: Stream, send: Send, count: Count) -> None:
        while True:
            line = source.line()
            send(memoryview(line))
            size = int(line.split(b";")[0], 16)
            if not size:
                break
            self._pass_bytes(size, source, send, count)
            send(memoryview(source.line()))
        trailer = b""
        while trailer != b"\r\n":
            trailer = source.line()
            send(memoryview(trailer))
