"""Which ranges of an object are asked for: neighbouring grains together, and small gaps along with them. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Stretch(NamedTuple):
    """Bytes of a file in a row."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """Where the next byte lies."""
        return self.offset + self.length

    def positions(self, grain: int) -> range:
        """Of the grains that it touches."""
        return range(self.offset // grain, -(-self.end // grain))


def stretches(wanted: Iterable[int], *, grain: int, size: int, window: int, gap: int = 0) -> Iterator[Stretch]:
    """Cover the wanted grains of a file of that size; each stretch begins and ends with one of them.

    wanted: positions, in order. window: bytes of a stretch at most; one grain at least is in each. gap: so many bytes
    that nobody wants are taken along sooner than a request more is made.
    """
    begin = end = 0
    for position in wanted:
        at, until = position * grain, min((position + 1) * grain, size)
        if end > begin and (at - end > gap or until - begin > window):
            yield Stretch(begin, end - begin)
            begin = at
        elif end == begin:
            begin = at
        end = until
    if end > begin:
        yield Stretch(begin, end - begin)
