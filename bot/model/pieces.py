"""What is to be sent, where it lies."""

from collections.abc import Iterable, Iterator
from types import TracebackType


class Pieces:
    """Stretches of memory in a row, sent from where they lie, since copying costs.

    They must neither change nor be used for anything else before they are released; what was released cannot be read.
    """

    def __init__(self, views: Iterable[memoryview]) -> None:
        self._views = tuple(views)
        self._size = sum(view.nbytes for view in self._views)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[memoryview]:
        return iter(self._views)

    def __bytes__(self) -> bytes:
        return b"".join(self._views)

    def release(self) -> None:
        """Need them no more. Repeating is safe."""
        for view in self._views:
            view.release()

    def __enter__(self) -> "Pieces":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


Content = bytes | bytearray | Pieces
