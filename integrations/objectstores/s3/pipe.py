"""One connection for bodies that are large: encrypted in memory and sent some 100 KiB at a time.

Python's own sockets over TLS make a call of the system for each record of 16 KiB; this costs a fifth to a third of
the processor less, and ends sooner. Nothing waits longer than the other side may be silent, however long all takes.

Of a long answer much is waited for at once, for a moment: to wake up for a few KiB costs as much as to decipher them.
"""

import fcntl
import io
import re
import select
import socket
import ssl
import struct
import termios
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from typing import Any, TypeVar
from urllib.parse import SplitResult

T = TypeVar("T")
Buffer = bytes | memoryview
ENCRYPTED = 112 << 10  # bytes at a time: less costs more calls, from 128 KiB on malloc asks the system for each
_CLEAR = 1 << 20
_TAKEN = 64 << 10
_MUCH, _ROOM = 256 << 10, 512 << 10  # of a long answer: what is waited for, and taken at most, at once
_NEAR = 32 << 10  # bytes that may be here and not counted: what came with the head, the beginning of a record
_MOMENT_S = 0.25
_INTERIM, _END = re.compile(rb"HTTP/1\.\d 1"), b"\r\n\r\n"
_STATUS, _FINAL = len(b"HTTP/1.1 1"), 200
_AT_END = (ssl.SSLZeroReturnError, ssl.SSLEOFError)


class Answered(Exception):  # noqa: N818 - no error: the caller reads what was said
    """The other side has answered, or hung up, before all was sent to it."""


class Pipe:
    """What http.client takes for a socket. Not for two threads at once."""

    def __init__(self, line: socket.socket, silence_s: float) -> None:
        """silence_s: how long the other side may neither take nor bring anything. TimeoutError: it was longer."""
        self.silence_s = silence_s
        self._line = line
        self._line.setblocking(False)
        self._taken = b""  # what came while something else was waited for
        self._has_ended = False
        self._readers, self._is_closed = 0, False
        self._owed = 0  # bytes of a long answer that are still to come
        self._least = 1  # bytes that the system wakes us for

    def expect(self, size: int) -> None:
        """So many bytes of an answer are to come, some of which may be here; 0: nobody knows."""
        self._owed = size

    def send(self, data: Buffer) -> None:
        """Send all of it. Answered: no more of it is wanted. OSError: the connection is broken."""
        view = memoryview(data)
        for at in range(0, len(view), _CLEAR):
            self._put(view[at : at + _CLEAR])

    sendall = send

    def recv_into(self, buffer: memoryview) -> int:
        """Take what comes, at least a byte; 0: there is no more."""
        if not self._taken:
            return self._take_into(buffer)
        size = min(len(self._taken), len(buffer))
        buffer[:size] = self._taken[:size]
        self._taken = self._taken[size:]
        return size

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Read it like a file; it stays open so long, since http.client closes it before it reads a last answer."""
        self._readers += 1
        return _Reader(_Taken(self))

    def give_back(self, data: bytes) -> None:
        """What a reader took and did not need: nobody asked for it yet."""
        self._taken = data + self._taken

    def is_open(self) -> bool:
        """Whether the other side, which was asked nothing, has neither hung up nor said anything."""
        try:
            self._look()
        except OSError:
            return False
        return not self._taken and not self._has_ended

    def close(self) -> None:
        """Hang up, when nobody reads any more."""
        self._is_closed = True
        if not self._readers:
            self._line.close()

    def let_go(self) -> None:
        """A reader reads no more."""
        self._readers -= 1
        if self._is_closed and not self._readers:
            self._line.close()

    def _take_into(self, buffer: memoryview) -> int:
        got = self._receive_into(buffer)
        self._owed -= got
        return got

    def _receive_into(self, buffer: memoryview) -> int:
        self._await_much()
        while not self._has_ended:
            try:
                return self._line.recv_into(buffer)
            except BlockingIOError:
                self._wait(select.POLLIN)
        return 0

    def _await_much(self) -> None:
        """Not long: on a slow line, or where less comes than was expected, whatever there is will do."""
        much = min(_MUCH, self._owed - _NEAR)
        if much > _NEAR and not self._has_ended:
            self._wake_for(much)
            self._poll(select.POLLIN, _MOMENT_S)

    def _wake_for(self, least: int) -> None:
        if least != self._least:
            self._line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)
            self._least = least

    def _take(self, size: int) -> bytes:
        if self._has_ended:
            return b""
        while True:
            try:
                return self._line.recv(max(size, _TAKEN))
            except BlockingIOError:
                self._wait(select.POLLIN)

    def _put(self, data: Buffer) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._line.send(view) :]
            except BlockingIOError:
                if self._wait(select.POLLIN | select.POLLOUT) & select.POLLIN and not self._is_silent():
                    raise Answered from None

    def _is_silent(self) -> bool:
        """Whether what has come says nothing to the caller; an interim answer does not, nor the beginning of one."""
        self._look()
        while (interim := _INTERIM.match(self._taken)) and (end := self._taken.find(_END)) >= 0:
            self._taken = self._taken[end + len(_END) :]
        is_begun = len(self._taken) < _STATUS or (interim is not None and len(self._taken) < _TAKEN)
        return is_begun and not self._has_ended

    def _look(self) -> None:
        """Take what has come, without waiting."""
        with suppress(BlockingIOError):
            more = self._line.recv(_TAKEN)
            self._taken += more
            self._has_ended = not more

    def _wait(self, events: int) -> int:
        """Wait for it. What the system has taken from us and not yet brought over is on its way, too."""
        self._wake_for(1)
        left = self._on_its_way()
        while not (found := self._poll(events, self.silence_s)):
            before, left = left, self._on_its_way()
            if left >= before:
                raise TimeoutError(f"nothing came or went for {self.silence_s:g} s")
        return found

    def _on_its_way(self) -> int:
        return int(struct.unpack("i", fcntl.ioctl(self._line, termios.TIOCOUTQ, bytes(4)))[0])

    def _poll(self, events: int, seconds: float) -> int:
        poll = select.poll()
        poll.register(self._line, events)
        return sum(event for _, event in poll.poll(seconds * 1000))


class TlsPipe(Pipe):
    """The same, encrypted."""

    def __init__(self, line: socket.socket, silence_s: float, context: ssl.SSLContext, host: str) -> None:
        """ssl.SSLError: the other side is not trusted."""
        super().__init__(line, silence_s)
        self._coming, self._going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._room = bytearray()  # for what comes where much does
        self._tls = context.wrap_bio(self._coming, self._going, server_hostname=host)
        self._through(self._tls.do_handshake)

    def send(self, data: Buffer) -> None:
        """See the pipe."""
        view, tls, going, line = memoryview(data), self._tls, self._going, self._line
        for at in range(0, len(view), ENCRYPTED):
            piece = view[at : at + ENCRYPTED]
            try:
                tls.write(piece)
            except ssl.SSLWantReadError:  # the other side wants to agree on something anew
                self._through(partial(tls.write, piece))
            secret = going.read()
            try:
                sent = line.send(secret)
            except BlockingIOError:
                sent = 0
            if sent < len(secret):
                self._put(memoryview(secret)[sent:])

    sendall = send

    def _take(self, size: int) -> bytes:
        try:
            return b"" if self._has_ended else self._through(lambda: self._tls.read(size))
        except _AT_END:
            self._has_ended = True
            return b""

    def _take_into(self, buffer: memoryview) -> int:
        """All that is here already, since each record alone would cost more than the deciphering of it."""
        read, size, done = self._tls.read, len(buffer), 0
        self._room = self._room or bytearray(_ROOM)
        try:
            while done < size and not self._has_ended:
                try:
                    got = int(read(size - done, buffer[done:]))
                except ssl.SSLWantReadError:
                    if done and self._owed <= _NEAR:
                        break
                    self._flush()
                    with memoryview(self._room) as room:
                        self._feed(room[: self._receive_into(room)])
                else:
                    done += got
                    self._owed -= got
                    self._has_ended = not got
        except _AT_END:
            self._has_ended = True
        return done

    def _look(self) -> None:
        """What comes may be for TLS alone: new keys, tickets. What came before may not be deciphered yet."""
        try:
            with suppress(BlockingIOError):
                self._feed(self._line.recv(_TAKEN))
            while more := self._tls.read(_TAKEN):
                self._taken += more
            self._has_ended = True
        except ssl.SSLWantReadError:
            return
        except _AT_END:
            self._has_ended = True

    def _through(self, step: Callable[[], T]) -> T:
        """Do a step of TLS, which may need what the other side says first."""
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._flush()
                self._feed(super()._take(_TAKEN))
            except ssl.SSLError:
                self._flush_if_wanted()
                raise
            else:
                self._flush()
                return done

    def _feed(self, data: Buffer) -> None:
        if data:
            self._coming.write(data)
        else:
            self._coming.write_eof()

    def _flush(self) -> None:
        if data := self._going.read():
            self._put(data)

    def _flush_if_wanted(self) -> None:
        """Tell the other side why it is not trusted."""
        try:
            self._flush()
        except (OSError, Answered):
            return


class _Reader(io.BufferedReader):
    """Whatever it holds beyond what was asked of it is still there when it is closed."""

    raw: "_Taken"

    def close(self) -> None:
        if not self.closed:
            self.raw.pause()
            self.raw.pipe.give_back(self.peek())
        super().close()


class _Taken(io.RawIOBase):
    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self._is_paused = False

    def pause(self) -> None:
        """Give nothing more."""
        self._is_paused = True

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.pipe.let_go()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._is_paused:
            return 0
        with memoryview(buffer) as view:
            return self.pipe.recv_into(view.cast("B"))


class Answer(HTTPResponse):
    """The last answer: what a server says before that it is still at work is none, whatever its status."""

    def begin(self) -> None:
        """See HTTPResponse, which passes over 100 alone."""
        super().begin()
        while self.status < _FINAL:
            unread: Any = None
            self.headers = self.msg = unread
            super().begin()


class Line(HTTPConnection):
    """Requests and answers over a pipe."""

    response_class = Answer

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext | None, *, connect_s: float, silence_s: float
    ) -> None:
        """context: None where nothing is encrypted."""
        super().__init__(host, port)
        self.default_port = 443 if context else 80
        self._context = context
        self._connect_s = connect_s
        self._silence_s = silence_s

    def connect(self) -> None:
        """Open it, and know the other side. OSError: also ssl.SSLError, TimeoutError."""
        line = socket.create_connection((self.host, self.port), self._connect_s)
        try:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock: Any = self._pipe_over(line)
        except BaseException:
            line.close()
            raise
        self.sock.silence_s = self._silence_s

    def _pipe_over(self, line: socket.socket) -> Pipe:
        if self._context is None:
            return Pipe(line, self._connect_s)
        return TlsPipe(line, self._connect_s, self._context, self.host)

    def leads_to(self, place: SplitResult) -> bool:
        """Whether a request to that URL may take it."""
        is_encrypted = place.scheme == "https"
        return (self.host, self.port, self._context is not None) == (
            place.hostname,
            place.port or (443 if is_encrypted else 80),
            is_encrypted,
        )

    def is_open(self) -> bool:
        """See the pipe."""
        return bool(self.sock.is_open())

    def expect(self, size: int) -> None:
        """See the pipe."""
        if self.sock is not None:  # the last answer of a connection has it by itself
            self.sock.expect(size)

    def put(self, stretch: memoryview) -> None:
        """See the pipe's `send`."""
        self.sock.send(stretch)
