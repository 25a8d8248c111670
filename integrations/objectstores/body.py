"""A body that goes out in pieces, without being copied."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate

from bot.model import Content, Pieces

Pace = Callable[[int], None]  # waits until so many bytes may go out; what it raises ends the request
_PIECE = 256 << 10


def at_once(_size: int) -> None:
    """No limit."""


def views_of(content: Content) -> Iterator[memoryview]:
    """Where it lies."""
    return iter(content if isinstance(content, Pieces) else (memoryview(content),))


class Body:
    """Content that looks like a file. Whatever size is asked for, a read gives one piece.

    A time-out of a socket bounds a whole `sendall`, so one of 16 MiB would fail on every slow line; a piece does not.
    Pieces of the usual 16 KiB would cost more CPU (measured).
    """

    def __init__(self, content: Content, pace: Pace = at_once) -> None:
        self._views = tuple(views_of(content))
        # Cut when they are read: a piece of its own would stay valid when the content's memory is another's already.
        self._cuts = [(view, at) for view in self._views for at in range(0, len(view), _PIECE)]
        *self._starts, self._size = accumulate((min(_PIECE, len(view) - at) for view, at in self._cuts), initial=0)
        self._at = 0
        self._pace = pace

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[memoryview]:
        """Without it requests, below Azure's SDK, would take this for a form."""
        while piece := self.read(_PIECE):
            yield piece

    def stretches(self) -> Iterator[memoryview]:
        """All of it, for who can send much at once: as it lies, but in pieces where it must go at a pace."""
        return iter(self._views if self._pace is at_once else self)

    def read(self, size: int = -1) -> memoryview:
        """Give the next piece, or all that is left where no size is asked for."""
        if self._at >= self._size:
            return memoryview(b"")
        number = bisect_right(self._starts, self._at) - 1
        view, at = self._cuts[number]
        piece = view[at + self._at - self._starts[number] : at + _PIECE]
        if size < 0 and number + 1 < len(self._cuts):
            piece = memoryview(b"".join([piece, *(view[at : at + _PIECE] for view, at in self._cuts[number + 1 :])]))
        self._at += len(piece)
        self._pace(len(piece))
        return piece

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, as in a file."""
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at
