"""What files are compared with: objects of earlier recovery points, by their manifests and digests in the target.

Nothing here is trusted further than to choose what is copied: the store's checksum of what it copied is compared with
what was read, and whatever is wrong with a base means that more is sent.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Protocol
from weakref import WeakValueDictionary

from bot import manifest
from bot.comparison import ROOM, Alignment, Candidate, Comparison, Search, bytes_of
from bot.errors import CloudyError, IntegrityError, MissingError, Stopped
from bot.grains import LARGEST, Grain
from bot.model import Sample, SourceFile, StoredFile
from bot.ports import ObjectStore
from bot.recall import look, read_digests
from bot.samples import is_chosen, mark

GIVEN = 3  # objects that a file is compared with from the beginning
_EARLY = 64  # grains that may be the beginning of another object; later only the samples that lie further on count
_MOST_ALIKE = 2  # files of one recovery point that have another name, but the size

log = logging.getLogger(__name__)


class Index(Protocol):
    """Which objects of a target hold a grain. Called from several threads."""

    def grain(self, target: str, size: int) -> int | None:
        """The grain of the newest object of that size; 0: there is none. None: nothing of that target is known."""

    def find(self, target: str, marks: Sequence[int]) -> Sequence[Sample]:
        """Where grains with these marks (bot/samples.py) lie; the best object first."""

    def pin(self, target: str, point: str) -> bool:
        """Note that it is copied from, so that nobody deletes it meanwhile; False: somebody is about to."""

    def unpin(self, target: str, point: str) -> None:
        """It turned out not to be copied from. Repeating is safe."""


class Bases:
    """What the files of one transaction are compared with. One thread asks for each target."""

    def __init__(self, points: Mapping[str, Sequence[str]], index: Index | None = None) -> None:
        """points: by target the recovery points that are likely to hold the same; the likeliest first."""
        self._points = points
        self._index = index
        self._kept: dict[tuple[str, str], tuple[StoredFile, ...]] = {}  # files with digests, by target and point
        self._used = {(target, point) for target, each in points.items() for point in each}  # these stay pinned

    def compare(self, target: ObjectStore, file: SourceFile, avoided: Collection[str]) -> Comparison:
        """What one file is compared with, but for objects of these keys. What cannot be used is left out, and logged.

        Raises Stopped only: without any base everything is sent.
        """
        if file.size < target.limits.smallest:
            return Comparison()
        candidates: list[Candidate] = []
        for candidate in self._candidates(target, file, avoided):
            fits = not candidates or candidate.grain == candidates[0].grain
            if fits and (not candidates or bytes_of([*candidates, candidate]) <= ROOM):
                candidates.append(candidate)
            if len(candidates) == GIVEN:
                break
        grain = self._index.grain(target.name, file.size) if self._index else None
        if grain is not None and grain > LARGEST:
            grain = 0  # of an object that is none to compare with either
        search = None if grain is None else self._search(target, avoided, candidates)
        return Comparison(candidates, search, grain or 0)

    def _candidates(self, target: ObjectStore, file: SourceFile, avoided: Collection[str]) -> Iterator[Candidate]:
        """Those that can be used, the likeliest first; one is read when it is asked for."""
        for point in self._points.get(target.name, ()):
            for stored in _alike(file, self._files(target, point)):
                candidate = None if stored.key in avoided else self._candidate(target, point, stored)
                if candidate is not None:
                    yield candidate

    def _files(self, target: ObjectStore, point: str) -> tuple[StoredFile, ...]:
        place = target.name, point
        if place not in self._kept:
            try:
                read = manifest.decode(target.get(manifest.key(point)))
                self._kept[place] = tuple(stored for stored in read.files if stored.digests)
            except Stopped:
                raise
            except CloudyError as error:
                _unused(target, point, manifest.key(point), error)
                self._kept[place] = ()
        return self._kept[place]

    def _candidate(self, target: ObjectStore, point: str, stored: StoredFile) -> Candidate | None:
        try:
            return _read(target, stored)
        except Stopped:
            raise
        except CloudyError as error:
            _unused(target, point, stored.key, error)
            return None

    def _search(self, target: ObjectStore, avoided: Collection[str], candidates: Sequence[Candidate]) -> Search | None:
        index = self._index
        if index is None:
            return None
        known = WeakValueDictionary({candidate.base.key: candidate for candidate in candidates})
        useless, asked = set(avoided), set[int]()

        def look(sample: Sample, position: int, wanted: Mapping[int, Grain]) -> Alignment | None:
            candidate = known.get(sample.file.key) or self._candidate(target, sample.point, sample.file)
            if candidate is None:
                return None
            known[candidate.base.key] = candidate
            aligned = Alignment(candidate, sample.position - position)
            return aligned if aligned.hits(wanted) else None

        def search(wanted: Mapping[int, Grain]) -> Alignment | None:
            asked.update(islice(wanted, max(0, _EARLY - len(asked))))
            worth = (position for position in wanted if position in asked or is_chosen(wanted[position].digest))
            positions = {mark(wanted[position].digest): position for position in worth}
            for sample in index.find(target.name, list(positions)) if positions else ():
                if sample.file.key in useless:
                    continue
                with self._pinned(index, target, sample.point) as is_pinned:
                    aligned = look(sample, positions[sample.mark], wanted) if is_pinned else None
                    if aligned is not None:
                        self._used.add((target.name, sample.point))
                        return aligned
                useless.add(sample.file.key)
            return None

        return search

    @contextmanager
    def _pinned(self, index: Index, target: ObjectStore, point: str) -> Iterator[bool]:
        """Whether it can be looked at; if it is not used by the end, it may be deleted again."""
        place = target.name, point
        is_pinned = place in self._used or index.pin(*place)
        try:
            yield is_pinned
        finally:
            if is_pinned and place not in self._used:
                index.unpin(*place)


def _alike(file: SourceFile, files: Sequence[StoredFile]) -> Iterator[StoredFile]:
    """The file of that name; in another VM's recovery point, where names are others, those of that size."""
    named = [stored for stored in files if stored.name == file.name]
    yield from named or [stored for stored in files if stored.size == file.size][:_MOST_ALIKE]


def _read(target: ObjectStore, stored: StoredFile) -> Candidate:
    info = look(target, stored)
    read = read_digests(target, stored)
    if read.grain > LARGEST:
        raise IntegrityError(f"{stored.digests} has grains of {read.grain} bytes, which would want too much memory.")
    if info.size < target.limits.smallest_source:
        raise MissingError(f"{stored.key} is too small to be copied from.")
    return Candidate.of(read, info)


def _unused(target: ObjectStore, point: str, key: str, error: CloudyError) -> None:
    facts = {"action": "base", "target": target.name, "transaction": point, "object": key, "error": error.message}
    log.warning("not used as a base, more is sent", extra=facts)
