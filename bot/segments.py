"""Temporary objects of a file that has more parts than an object may have: each is made of parts, and becomes one part.

They lie at .cloudy/segment/<transaction>/<position of the file>/<segment>, and are removed as soon as they were copied.
"""

from functools import partial

from bot.assembly import Assembly
from bot.desk import CopyFailed, Desk
from bot.ids import segment_key
from bot.lenient import was_erased
from bot.model import CopySource, Part, PartDone, PartSource, Segment
from bot.ports import ObjectStore


class _Open:
    """One segment that is being made."""

    def __init__(self, assembly: Assembly | None, begin: int) -> None:
        self.assembly = assembly  # None: the object has it already
        self.begin = begin
        self.count = 0  # parts so far
        self.part: Part | None = None  # what it is in the object; known at its end


class Segments:
    """Those of one file in one target. Begun and closed by one thread, in order; the rest comes from several."""

    def __init__(self, target: ObjectStore, desk: Desk, *, transaction: str, file: str, path: str) -> None:
        """file: what tells the files of the transaction from each other. path: the file's, for people."""
        self._target = target
        self._desk = desk
        self._root = (transaction, file)
        self._path = path
        self._open: dict[int, _Open] = {}

    def begin(self, part: Part, former: PartDone | None) -> bool:
        """Whether a part of a segment is needed; with the first one its upload is opened.

        former: what the object has where the segment is to go. CopyFailed is never raised here.
        """
        segment = self._open.get(part.segment)
        if segment is None:
            is_there = former is not None and (former.source, former.offset) == (PartSource.SEGMENT, part.offset)
            segment = _Open(None if is_there else self._assembly(part.segment), part.offset)
            self._open[part.segment] = segment
        segment.count = part.number
        return segment.assembly is not None

    def close(self, segment: Segment) -> Part | None:
        """All parts of it are known now; gives the part that it becomes, if they are there already."""
        found = self._open[segment.segment]
        found.part = Part(
            number=segment.number,
            offset=segment.offset,
            length=segment.length,
            source=PartSource.SEGMENT,
            segment=segment.segment,
        )
        return found.part if found.assembly is None or found.assembly.close(found.count) else None

    def of(self, number: int) -> Assembly:
        """Where parts of it go. CopyFailed: it is no more in the making."""
        found = self._open.get(number)
        if found is None or found.assembly is None:
            words = f"segment {number} of {self._path} is not what it was before a crash."
            raise CopyFailed(words, PartSource.SEGMENT, segment_key(*self._root, number))
        return found.assembly

    def whole(self, number: int) -> Part | None:
        """The part that it becomes, once all parts of it are there; told once."""
        found = self._open.get(number)  # None: another thread saw that it is whole, and it was copied and removed since
        assembly = found.assembly if found else None
        return found.part if found and assembly and assembly.is_whole() else None

    def source(self, part: Part) -> CopySource:
        """Make the temporary object, to be copied as that part."""
        info = self.of(part.segment).make()
        return CopySource(key=info.key, offset=0, length=part.length, etag=info.etag)

    def remove(self, number: int) -> None:
        """It was copied. What cannot be removed now is left to the clean-up."""
        key = self.of(number).key
        del self._open[number]
        if self._desk.ask(self._target, partial(was_erased, self._target, key)):
            self._desk.journal.removed(self._target.name, key)

    def _assembly(self, number: int) -> Assembly:
        key = segment_key(*self._root, number)
        self._desk.journal.temporary(self._target.name, key, self._target.url)
        assembly = Assembly(self._target, key, self._desk, path=self._path)
        assembly.begin()
        return assembly
