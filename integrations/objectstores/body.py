"""A body that goes out in pieces, without being copied."""

from collections.abc import Callable, Iterator

Pace = Callable[[int], None]  # waits until so many bytes may go out; what it raises ends the request
_PIECE = 256 << 10


def at_once(_size: int) -> None:
    """No limit."""


class Body:
    """A buffer that looks like a file. Whatever size is asked for, a read gives one piece.

    A time-out of a socket bounds a whole `sendall`, so one of 16 MiB would fail on every slow line; a piece does not.
    Pieces of the usual 16 KiB would cost more CPU (measured).
    """

    def __init__(self, buffer: bytes | bytearray, pace: Pace = at_once) -> None:
        self._view = memoryview(buffer)
        self._at = 0
        self._pace = pace

    def __len__(self) -> int:
        return len(self._view)

    def __iter__(self) -> Iterator[memoryview]:
        """Without it requests, below Azure's SDK, would take this for a form."""
        return iter(lambda: self.read(_PIECE), memoryview(b""))

    def read(self, size: int = -1) -> memoryview:
        """Give the next piece, or all that is left where no size is asked for."""
        end = len(self._view) if size < 0 else self._at + _PIECE
        piece = self._view[self._at : end]
        self._at += len(piece)
        if piece:
            self._pace(len(piece))
        return piece

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, as in a file."""
        self._at = offset + (0, self._at, len(self._view))[whence]
        return self._at
