"""The way under a line of libvirt's, so that it can be cut: libvirt has no call that ends another one that hangs.

The way is a socket, or an `ssh` that libvirt has started. Linux tells both below /proc/self; where nothing is found
there, a call that hangs ends by keep-alive messages, or when the other side ends it.
"""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_SELF = Path("/proc/self")
_PORTS = {"qemu": 16514, "qemu+tls": 16514, "qemu+libssh": 22, "qemu+libssh2": 22}
_Part = tuple[str, int]  # ("socket", inode) or ("program", process id)


class Way:
    """The way of one line: made before libvirt dials, so that what comes after it is known by where it leads."""

    def __init__(self, url: str) -> None:
        """It resolves the host's name, which takes as long as it takes libvirt."""
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._path = "".join(parse_qs(parts.query).get("socket", []))
        port = _PORTS.get(parts.scheme, 0)
        self._addresses = _resolved(self._host, parts.port or port) if self._host and port else frozenset()
        self._others = frozenset(self._there())
        self._own: frozenset[_Part] | None = None

    def settle(self) -> None:
        """The line stands: what leads there from now on belongs to other lines."""
        self._own = frozenset(self._there()) - self._others

    def cut(self) -> None:
        """End it, so that what waits for an answer fails; repeating is safe."""
        for part, number in self._there().items():
            if part in self._own if self._own is not None else part not in self._others:
                _end(part, number)

    def _there(self) -> dict[_Part, int]:
        """All that leads to the host by now, with the number of the file or the process."""
        found = {part: number for part, number, peer in _sockets() if self._is_met(peer)}
        return found | {("program", each): each for each in _children() if self._host and _asks(each, self._host)}

    def _is_met(self, peer: object) -> bool:
        if isinstance(peer, str):  # of a daemon on this machine
            return not self._host and bool(peer) and (peer == self._path or peer.endswith("-sock"))
        return isinstance(peer, tuple) and peer[:2] in self._addresses


def _resolved(host: str, port: int) -> frozenset[tuple[str, int]]:
    with suppress(OSError, UnicodeError):
        return frozenset((str(each[4][0]), port) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return frozenset()


def _sockets() -> Iterator[tuple[_Part, int, object]]:
    """Each connected socket of this process: (part, number, the other end's address)."""
    for file in _listed(_SELF / "fd"):
        with suppress(OSError, ValueError):
            number = int(file.name)
            inode = os.fstat(number).st_ino
            if str(file.readlink()) == f"socket:[{inode}]":
                with closing(socket.socket(fileno=os.dup(number))) as line:
                    yield ("socket", inode), number, line.getpeername()


def _children() -> Iterator[int]:
    for task in _listed(_SELF / "task"):
        with suppress(OSError):
            yield from map(int, (task / "children").read_text().split())


def _asks(process: int, host: str) -> bool:
    with suppress(OSError):
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        return host.encode() in (word.lower() for word in words)
    return False


def _listed(folder: Path) -> list[Path]:
    with suppress(OSError):
        return list(folder.iterdir())
    return []


def _end(part: _Part, number: int) -> None:
    kind, inode = part
    with suppress(OSError):
        if kind == "program":
            os.kill(number, signal.SIGTERM)
            return
        with closing(socket.socket(fileno=os.dup(number))) as line:
            if os.fstat(line.fileno()).st_ino == inode:  # else the number is another's by now
                line.shutdown(socket.SHUT_RDWR)
