"""Parts of one length, for stores that want them so or copy nothing, and for objects near a store's largest. Pure."""

from collections.abc import Sequence

from bot.cutting.writer import NOTHING, Stretch
from bot.model import Part, PartSource, Run, RunState


class Equal:
    """Each part is copied if all of it can be copied at once, else uploaded."""

    def __init__(self, size: int, length: int, *, smallest_source: int, copies: bool) -> None:
        self._size = size
        self._length = length
        self._smallest_source = smallest_source
        self._copies = copies
        self._at = 0  # where the part under way begins
        self._got = 0  # bytes of it
        self._whole: Stretch | None = NOTHING  # what it could be copied from so far
        self._number = 1

    @property
    def needs(self) -> int:
        """So many bytes of the file must fit into memory at least: the part under way, and one that is sent."""
        return 2 * self._length

    @property
    def settled(self) -> int:
        """No part to come uploads bytes before this offset."""
        return self._at

    def feed(self, run: Run) -> Sequence[Part]:
        """The parts that are complete by this."""
        found: list[Part] = []
        while run.length:
            room = min(self._length - self._got, run.length)
            self._add(run._replace(length=room))
            if self._got == self._length:
                found.append(self._part())
            run = run._replace(length=run.length - room, offset=run.offset + room)
        return found

    def finish(self) -> Sequence[Part]:
        """The last part. ValueError: the runs were not as long as the file."""
        if self._at + self._got != self._size:
            raise ValueError(f"Runs of {self._at + self._got} bytes were given for a file of {self._size} bytes.")
        return [self._part()] if self._got else []

    def _add(self, run: Run) -> None:
        whole = self._whole
        self._got += run.length
        self._whole = None
        if whole is None or not self._can_copy(run):
            return
        source = PartSource.ZERO if run.state is RunState.ZERO else PartSource.COPY
        if not whole.length:
            self._whole = Stretch(source, run.base, run.offset, run.length)
        elif whole.source is source and (source is PartSource.ZERO or _goes_on(whole, run)):
            self._whole = whole.head(whole.length + run.length)

    def _can_copy(self, run: Run) -> bool:
        if not self._copies or run.state is RunState.CHANGED:
            return False
        if run.state is RunState.ZERO:
            return True
        base = run.base
        return base is not None and base.size >= self._smallest_source and run.offset + run.length <= base.size

    def _part(self) -> Part:
        whole = self._whole
        base = whole.base if whole else None
        part = Part(
            number=self._number,
            offset=self._at,
            length=self._got,
            source=whole.source if whole else PartSource.UPLOAD,
            base=base.key if base else "",
            base_offset=whole.offset if whole and base else 0,
        )
        self._number += 1
        self._at += self._got
        self._got, self._whole = 0, NOTHING
        return part


def _goes_on(whole: Stretch, run: Run) -> bool:
    return whole.base == run.base and whole.offset + whole.length == run.offset
