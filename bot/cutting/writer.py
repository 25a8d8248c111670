"""Cuts stretches to upload or to copy into numbered parts as soon as their ends are certain. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bot.model import Base, Part, PartSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long parts are, in bytes. What is longer than a top can be cut, so no top is under 2 floors - 1."""

    floor: int  # no part but the last is shorter
    upload: int  # uploads are cut so
    copy: int  # copies are cut so
    upload_top: int  # a rest of an upload up to here is not cut any more
    copy_top: int  # nor a rest of a copy

    def uploads(self, length: int) -> int:
        """Into how many parts an upload of that length is cut, at most."""
        if length <= self.upload_top:
            return 1
        return 1 - (self.upload_top - length) // self.upload


class Stretch(NamedTuple):
    """A stretch that the store can copy."""

    source: PartSource
    base: Base | None
    offset: int  # in the base
    length: int

    def head(self, length: int) -> "Stretch":
        """Its first bytes."""
        return Stretch(self.source, self.base, self.offset, length)

    def without(self, length: int) -> "Stretch":
        """What remains when its first bytes are taken away."""
        return Stretch(self.source, self.base, self.offset + length, self.length - length)


NOTHING = Stretch(PartSource.ZERO, None, 0, 0)


class Writer:
    """Takes what was decided, in the file's order, and gives parts. The same stretches give the same parts, however
    they are handed over."""

    def __init__(self, lengths: Lengths, *, start: int = 0, number: int = 1, segment: int = 0) -> None:
        self._lengths = lengths
        self._upload_sure = max(lengths.upload_top + 1, lengths.upload + lengths.floor)
        self._copy_sure = max(lengths.copy_top + 1, lengths.copy + lengths.floor)
        self._segment = segment
        self._at = start  # all before it is parts
        self._copy = NOTHING
        self._ready: list[Part] = []
        self.number = number  # of the next part
        self.open = 0  # bytes at the end that are to be uploaded and not yet a part

    @property
    def settled(self) -> int:
        """Where the bytes that are still to be uploaded begin."""
        return self._at + self._copy.length

    @property
    def upload_mark(self) -> int:
        """So many more bytes to upload, and a part is certain."""
        return self._upload_sure - self.open

    @property
    def copy_mark(self) -> int:
        """So many more bytes to copy, and a part is certain."""
        return self._copy_sure - self._copy.length

    def take(self) -> list[Part]:
        """The parts that are ready and were not taken before."""
        ready, self._ready = self._ready, []
        return ready

    def upload(self, length: int) -> None:
        """The next bytes are sent."""
        if length == 0:
            return
        if self._copy.length:
            self._end_copy(self._lengths.floor)
        self.open += length
        while self.open >= self._upload_sure:
            self._upload(self._lengths.upload)

    def copy(self, stretch: Stretch) -> None:
        """The next bytes are copied by the store."""
        if stretch.length == 0:
            return
        if self.open:
            self._end_upload(self._lengths.floor, self._lengths.upload_top)
        held = self._copy
        if held.length and not _continues(held, stretch):
            self._end_copy(self._lengths.floor)
        self._copy = stretch if not self._copy.length else held.head(held.length + stretch.length)
        while self._copy.length >= self._copy_sure:
            self._cut_copy(self._lengths.copy)

    def close(self, *, last: bool) -> None:
        """Nothing more comes; last: the file's end, where a part may be as short as it likes."""
        least = 1 if last else self._lengths.floor
        self._end_upload(least, self._lengths.upload if last else self._lengths.upload_top)
        self._end_copy(least)

    def _end_upload(self, least: int, top: int) -> None:
        for length in _pieces(self.open, self._lengths.upload, top, least):
            self._upload(length)

    def _end_copy(self, least: int) -> None:
        for length in _pieces(self._copy.length, self._lengths.copy, self._lengths.copy_top, least):
            self._cut_copy(length)

    def _upload(self, length: int) -> None:
        self.open -= length
        self._emit(length, NOTHING, PartSource.UPLOAD)

    def _cut_copy(self, length: int) -> None:
        stretch, self._copy = self._copy, self._copy.without(length)
        self._emit(length, stretch, stretch.source)

    def _emit(self, length: int, stretch: Stretch, source: PartSource) -> None:
        base = stretch.base
        self._ready.append(
            Part(
                number=self.number,
                offset=self._at,
                length=length,
                source=source,
                base=base.key if base else "",
                base_offset=stretch.offset if base else 0,
                segment=self._segment,
            )
        )
        self.number += 1
        self._at += length


def _continues(first: Stretch, second: Stretch) -> bool:
    if first.source is not second.source or first.base != second.base:
        return False
    return first.base is None or first.offset + first.length == second.offset


def _pieces(length: int, step: int, top: int, least: int) -> Iterator[int]:
    while length > top:
        piece = min(step, length - least)
        yield piece
        length -= piece
    if length:
        yield length
