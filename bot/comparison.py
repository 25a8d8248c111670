"""What a file is compared with in one target, grain by grain: objects that may hold the same bytes. Pure.

Mostly there is one, of the VM's own last recovery point. A VM that has none is compared with those of its origin and
of other clones of it, and with whatever object is found to hold one of its grains.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bot.digests import Digests
from bot.grains import DIGEST_BYTES, Changes, Grain
from bot.model import Base, ObjectInfo

FOUND = 4  # objects that were found, at one time
ROOM = 32 << 20  # bytes of the digests of all, where there is more than one
SEARCHES = 16  # objects that are found for one file by its grains; each costs a request and the time to read it


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True, eq=False)
class Candidate:
    """An object of an earlier recovery point, with the digests of its grains."""

    base: Base
    grain: int  # bytes
    marks: bytes | bytearray = field(repr=False)  # DIGEST_BYTES for each grain
    etag: str
    version_id: str = ""
    changes: Changes | None = None  # since the one before it

    @classmethod
    def of(cls, digests: Digests, info: ObjectInfo) -> "Candidate":
        """The object that the store tells of now, and what its digests say of it."""
        base = Base(key=digests.key, size=digests.size)
        return cls(
            base=base,
            grain=digests.grain,
            marks=digests.strong(),
            etag=info.etag,
            version_id=info.version_id,
            changes=digests.changes,
        )

    def has(self, position: int, grain: Grain) -> bool:
        """Whether it has just these bytes there, by its digests."""
        at = position * DIGEST_BYTES
        return (
            position >= 0
            and self.marks[at : at + DIGEST_BYTES] == grain.digest
            and min(self.grain, self.base.size - position * self.grain) == grain.length
        )


class Alignment(NamedTuple):
    """An object, and how many grains further on it has what the file has."""

    candidate: Candidate
    shift: int = 0

    def hits(self, wanted: Mapping[int, Grain]) -> list[int]:
        """The positions of those that it has."""
        has, shift = self.candidate.has, self.shift
        return [position for position, grain in wanted.items() if has(position + shift, grain)]


# Positions and grains that nothing known has -> an object that has one of them; None: none is found.
Search = Callable[[Mapping[int, Grain]], Alignment | None]


class Comparison:
    """One file in one target. Asked by one thread, in the file's order; what is copied from is known to the end."""

    def __init__(self, candidates: Sequence[Candidate] = (), search: Search | None = None, grain: int = 0) -> None:
        """grain: of what the search is likely to find, where there is nothing to begin with."""
        self._aligned = [Alignment(candidate) for candidate in candidates]  # the one that fitted last comes first
        self._given = tuple(self._aligned)
        self._search = search
        self._searches = 0
        self._known = {candidate.base.key: (candidate.etag, candidate.version_id) for candidate in candidates}
        self.grain = candidates[0].grain if candidates else grain  # all are compared by it; 0: any will do
        self.last = _last(candidates[0]) if candidates else None  # what the last run of the disk showed
        self._changed, self._runs, self._end = 0, 0, -1  # bytes, stretches, and where the last of them ends

    @property
    def changes(self) -> Changes | None:
        """How the file differs from what it began with, as far as it was shown; None: it began with nothing."""
        return Changes(grain=self.grain, changed=self._changed, runs=self._runs) if self.last else None

    def places(self, first: int, grains: Sequence[Grain]) -> dict[int, tuple[Base, int]]:
        """Where grains in a row lie, the first of them at that position: by position the object and the byte there.

        Zeros, and what no object has, are left out. Neighbours are looked for in the same object, since stretches that
        are too short cannot be copied.
        """
        wanted = {position: grain for position, grain in enumerate(grains, start=first) if not grain.is_zero}
        found: dict[int, tuple[Base, int]] = {}
        while wanted:
            aligned, hits = self._best(wanted)
            if aligned is None:
                break
            for position in hits:
                found[position] = aligned.candidate.base, (position + aligned.shift) * aligned.candidate.grain
                del wanted[position]
            self._aligned = [aligned, *(each for each in self._aligned if each is not aligned)]
        for position, grain in wanted.items():
            self._runs += position != self._end
            self._changed, self._end = self._changed + grain.length, position + 1
        return found

    def copied_from(self, key: str) -> tuple[str, str]:
        """Etag and version of an object that a place was given of."""
        return self._known[key]

    def close(self) -> None:
        """The file has ended: the digests are needed no more."""
        self._aligned, self._given, self._search = [], (), None

    def _best(self, wanted: Mapping[int, Grain]) -> tuple[Alignment | None, list[int]]:
        """What has the most of them, and which; the one that fitted last, among equals."""
        best, most = None, list[int]()
        for aligned in self._aligned:
            if len(hits := aligned.hits(wanted)) > len(most):
                best, most = aligned, hits
                if len(hits) == len(wanted):
                    break
        if best is None and (best := self._searched(wanted)) is not None:
            most = best.hits(wanted)
        return (best, most) if most else (None, [])

    def _searched(self, wanted: Mapping[int, Grain]) -> Alignment | None:
        if self._search is None or self._searches >= SEARCHES:
            return None
        aligned = self._search(wanted)
        if aligned is None:
            return None
        self._searches += 1
        self._known[aligned.candidate.base.key] = aligned.candidate.etag, aligned.candidate.version_id
        self._aligned = [aligned, *self._aligned]
        self._make_room()
        return aligned

    def _make_room(self) -> None:
        """Let go of those that were found and have not fitted for longest. One may stand there with several shifts."""
        found = [each for each in self._aligned if each not in self._given]
        while len(found) > 1 and (len(found) > FOUND or bytes_of(each.candidate for each in self._aligned) > ROOM):
            del self._aligned[self._aligned.index(found.pop())]


def _last(candidate: Candidate) -> Changes:
    """What was seen by another grain says nothing of this one."""
    told = candidate.changes
    return told if told is not None and told.grain == candidate.grain else Changes(grain=candidate.grain)


def bytes_of(candidates: Iterable[Candidate]) -> int:
    """What their digests take, each counted once."""
    return sum({id(candidate): len(candidate.marks) for candidate in candidates}.values())
