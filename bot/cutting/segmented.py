"""Files that could need more parts than an object may have, on stores where temporary objects can be parts. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from bot.cutting.stream import Stream
from bot.cutting.writer import Lengths, Writer
from bot.model import Part, PartSource, Run, Segment


class Segmented:
    """Parts of the object itself as long as the number of parts allows it, then segments of the longest part's length.

    A segment costs no byte more, only requests: its temporary object is begun, completed, copied and removed.
    A segment that would be one copy only is a part of the object itself.
    """

    def __init__(
        self,
        size: int,
        lengths: Lengths,
        inner: Lengths,
        *,
        longest: int,
        most: int,
        smallest_source: int,
        look_ahead: int,
    ) -> None:
        self._size = size
        self._lengths, self._inner = lengths, inner  # of the object's own parts, of those of segments
        self._longest = longest
        self._most = most
        self._smallest_source = smallest_source
        self._look_ahead = look_ahead
        self._fed = 0
        self._check = 64 * lengths.floor  # so often, in bytes, it is asked whether the parts will do
        self._segment = 0  # the segment under way
        self._segments = 0  # so many there are with it
        self._begin = 0  # where it begins
        self._number = 1  # of the object's next part
        self._alike: list[Part] = []  # the segment's first parts, as long as they could be one copy
        self._is_mixed = True  # they cannot, or no segment is under way
        self._writer = Writer(lengths)
        self._edge = min(size, self._check)
        self._stream = self._new_stream(lengths, size)
        if not self._will_do():
            self._next_segment()

    @property
    def needs(self) -> int:
        """So many bytes of the file must fit into memory at least, as of a stream."""
        return self._stream.needs

    @property
    def settled(self) -> int:
        """No part to come uploads bytes before this offset."""
        return self._stream.settled

    def feed(self, run: Run) -> Sequence[Part | Segment]:
        """The parts that are decided by this."""
        if self._fed + run.length < self._edge:
            self._fed += run.length
            parts = self._stream.feed(run)
            return self._sifted(parts) if parts and self._segment else parts
        found: list[Part | Segment] = []
        while self._fed + run.length >= self._edge and self._fed < self._size:
            room = self._edge - self._fed
            found += self._within(run._replace(length=room))
            found += self._at_edge()
            run = run._replace(length=run.length - room, offset=run.offset + room)
        if run.length:
            found += self._within(run)
        return found

    def finish(self) -> Sequence[Part | Segment]:
        """The rest."""
        return self._end_segment() if self._segment else self._stream.finish()

    def _within(self, run: Run) -> Sequence[Part | Segment]:
        self._fed += run.length
        return self._sifted(self._stream.feed(run))

    def _at_edge(self) -> Sequence[Part | Segment]:
        if self._fed == self._size:
            return ()
        if self._segment:
            found = self._end_segment()
            self._next_segment()
            return found
        if self._will_do():
            self._edge = min(self._size, self._fed + self._check)
            return ()
        parts = self._stream.finish(last=False)
        self._number = self._writer.number
        self._next_segment()
        return parts

    def _will_do(self) -> bool:
        """Whether the parts suffice if all until the next check needs as many as it can, and then segments come."""
        after = -(-(self._size - self._fed) // self._longest)
        self._stream.catch_up()
        return self._stream.spent + self._check // self._lengths.floor + 4 + after + 2 <= self._most

    def _next_segment(self) -> None:
        rest = self._size - self._fed
        self._begin, self._edge = self._fed, min(self._size, self._fed + self._longest)
        is_tail = rest < 2 * self._smallest_source  # too short to be copied from
        self._segment = 0 if is_tail else self._segments + 1
        number = self._number if is_tail else 1
        self._writer = Writer(self._inner, start=self._fed, number=number, segment=self._segment)
        self._alike, self._is_mixed = [], is_tail
        self._stream = self._new_stream(self._inner, self._edge)

    def _end_segment(self) -> Sequence[Part | Segment]:
        found = self._sifted(self._stream.finish())
        length = self._fed - self._begin
        number, self._number = self._number, self._number + 1
        if not self._is_mixed:
            return [replace(self._alike[0], number=number, length=length, segment=0)]
        self._segments = self._segment
        return [*found, Segment(segment=self._segment, number=number, offset=self._begin, length=length)]

    def _sifted(self, parts: Sequence[Part]) -> Sequence[Part]:
        """Nothing, as long as all of the segment could be one copy; then all that was held back."""
        if self._is_mixed:
            return parts
        for part in parts:
            self._is_mixed = self._is_mixed or not _continues(self._alike[-1] if self._alike else None, part)
            self._alike.append(part)
        return self._alike if self._is_mixed else ()

    def _new_stream(self, lengths: Lengths, end: int) -> Stream:
        return Stream(
            lengths, self._writer, end=end, smallest_source=self._smallest_source, look_ahead=self._look_ahead
        )


def _continues(before: Part | None, part: Part) -> bool:
    if part.source is PartSource.UPLOAD:
        return False
    if before is None:
        return True
    if (before.source, before.base) != (part.source, part.base):
        return False
    return part.source is PartSource.ZERO or before.base_offset + before.length == part.base_offset
