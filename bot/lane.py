"""One file on its way to one target: what each window of it is there, which parts follow, and how they get there.

bot/transfer.py owns the threads. Windows come from one thread, in order; errands are carried out by several.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from bot import digests
from bot.assembly import Assembly
from bot.checksum import crc64, to_hex
from bot.comparison import Comparison
from bot.desk import CopyFailed, Desk
from bot.errors import CloudyError, IntegrityError
from bot.lenient import is_there, was_put
from bot.losses import Loss, Losses
from bot.model import (
    CopySource,
    ObjectInfo,
    Part,
    PartSource,
    Run,
    RunState,
    Segment,
    SourceFile,
    StoredFile,
)
from bot.plan import Cutter
from bot.ports import ObjectStore
from bot.reading import Window, pieces_of
from bot.samples import sampled
from bot.seen import Sights
from bot.segments import Segments

T = TypeVar("T")
_END = Part(number=0, offset=0, length=0)  # stands for "make the object"
_WORTH_DIGESTS = 1 << 20  # a smaller file is sent again sooner than looked up

log = logging.getLogger(__name__)


def is_worth_digests(file: SourceFile, target: ObjectStore) -> bool:
    """Whether a file may be copied from one day, and so be compared with."""
    return file.size >= max(_WORTH_DIGESTS, target.limits.smallest_source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How a file is to get to one target."""

    cut: Cutter
    grain: int  # by which it is compared
    kept: int  # by which the next run is to compare: that of its digests
    is_small: bool  # of one window and one part at most
    comparison: Comparison  # with what there is already
    losses: Losses  # what went wrong before


class Lane:
    """One file, one target. Small ones are written at once, others part by part in an upload."""

    def __init__(self, target: ObjectStore, file: SourceFile, number: int, *, route: Route, desk: Desk) -> None:
        """number: the file's position in the manifest."""
        self.target = target
        self.file = file
        self.stored: StoredFile | None = None
        self.is_lost = False  # something of it could not be copied: it is to be sent once more
        self.number = number
        self._cut = route.cut
        self._comparison = route.comparison
        self._small: list[Part] | None = [] if route.is_small else None  # its parts, all known before the first is sent
        self._desk = desk
        self._windows: deque[Window] = deque()  # whose bytes may still be needed
        self._losses, turn = route.losses, route.losses.turn
        self._object = Assembly(target, file.key, desk, path=file.path)
        name = f"{number}-{turn}" if turn else str(number)  # a late copy of the turn before must not meet it
        self._segments = Segments(target, desk, transaction=file.key.partition("/")[0], file=name, path=file.path)
        self._grain, self._kept = route.grain, route.kept
        self._is_at_once = False
        self._count = 0  # parts of the object so far

    @property
    def grains(self) -> tuple[int, ...]:
        """Sizes of the grains that it has to be shown, in bytes."""
        return self._grain, self._kept

    @property
    def needs(self) -> int:
        """So many bytes of the file must fit into memory."""
        return self._cut.needs

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be sent."""
        return self.stored is not None or self.is_lost

    def begin(self) -> None:
        """Find what the target has already, open an upload where one is needed for sure."""
        self.stored = self._desk.journal.is_stored(self.target.name, self.file.key)
        if self.stored is not None:
            return
        if self._losses.begun < self._losses.turn:  # nothing that was copied into it is to be taken for sent
            self._object.give_up()
            self._desk.journal.turned(self.target.name, self.file.key, self._losses.turn)
        if self._small is None:
            self._resume()

    def see(self, window: Window) -> list["Errand"]:
        """The next window; gives what can be sent now. Its bytes are held as long as they may be needed."""
        window.hold()
        self._windows.append(window)
        return self._errands([item for run in self._runs(window) for item in self._cut.feed(run)])

    def end(self) -> list["Errand"]:
        """The file has ended; gives the rest of what is to be sent."""
        last = self._cut.finish()
        if self._small is None:
            return self._closed(self._errands(last))
        parts, self._small = [*self._small, *_parts(last)], None
        if all(part.source is PartSource.UPLOAD for part in parts):
            self._is_at_once = True
            whole_file = Part(number=1, offset=0, length=self.file.size)
            return [Errand(self, whole_file, self._held(whole_file))]
        self._resume()
        return self._closed(self._errands(parts)) if self.stored is None else []

    def _closed(self, errands: list["Errand"]) -> list["Errand"]:
        """All parts are known now. If they are all there already, no errand of theirs makes the object."""
        return [*errands, Errand(self, _END, ())] if self._object.close(self._count) else errands

    def drop(self) -> None:
        """No window is to come: hold none any more, and nothing to compare with. Repeating is safe."""
        self._comparison.close()
        while self._windows:
            self._windows.popleft().release()

    def carry_out(self, part: Part, windows: Sequence[Window], seen: Sights) -> list["Errand"]:
        """Get one part there; the last one makes the object. Gives what is to be done after it.

        What raises is the target's failure, or everybody's.
        """
        if self.is_over:
            return []
        if part is _END:
            self._complete(seen)
            return []
        value = seen[self._grain].crc64(part.offset, part.length)
        if self._is_at_once:
            with pieces_of(windows, part.offset, part.length) as body:
                self._keep(partial(self._object.put_at_once, body, value), value, seen)
            self._desk.meter.arrived(self.target.name, part)
            return []
        try:
            return self._carried_out(part, windows, value, seen)
        except CopyFailed as why:
            self._lose(why)
            return []

    def _carried_out(self, part: Part, windows: Sequence[Window], value: int, seen: Sights) -> list["Errand"]:
        if part.segment and part.source is not PartSource.SEGMENT:
            self._send(self._segments.of(part.segment), part, windows, value)
            whole = self._segments.whole(part.segment)
            return [Errand(self, whole, ())] if whole else []
        if part.source is PartSource.SEGMENT:
            self._join(part, value)
        else:
            self._send(self._object, part, windows, value)
        if self._object.is_whole():
            self._complete(seen)
        return []

    def _lose(self, why: CopyFailed) -> None:
        """Keep it first of all, so that a run that goes on after a pause or a crash avoids it from the start."""
        self.is_lost = True
        turn, words = self._losses.turn, str(why)
        loss = Loss(turn=turn, source=why.source, key=why.key, words=words, is_damaged=why.is_damaged)
        self._desk.journal.lost(self.target.name, self.file.key, loss)
        facts = {"action": "lost", "target": self.target.name, "object": self.file.key, "error": words}
        log.warning("not copied, the file is sent once more", extra=facts)
        if self._losses.is_last:
            self._desk.ask(self.target, partial(_fail, why))

    def _runs(self, window: Window) -> Iterator[Run]:
        """What stretches of the window are: changed, in a base, or zero."""
        first, grains, now = window.offset // self._grain, window.grains[self._grain], Run(0, RunState.CHANGED)
        places = self._comparison.places(first, grains)
        for position, grain in enumerate(grains, start=first):
            base, offset = places.get(position, (None, 0))
            is_zero = grain.is_zero and self._losses.copies_zeros
            state = RunState.ZERO if is_zero else RunState.UNCHANGED if base else RunState.CHANGED
            if now.length and (state, base) == now[1:3] and (base is None or offset == now.offset + now.length):
                now = now._replace(length=now.length + grain.length)
                continue
            if now.length:
                yield now
            now = Run(grain.length, state, base, offset)
        if now.length:
            yield now

    def _errands(self, items: Sequence[Part | Segment]) -> list["Errand"]:
        if self._small is not None:
            self._small += _parts(items)
            return []
        parts = [part for item in items if (part := self._needed(item)) is not None]
        errands = [Errand(self, part, self._held(part)) for part in parts]  # nothing is asked while windows are held
        while self._windows and self._windows[0].end <= self._cut.settled:
            self._windows.popleft().release()
        return errands

    def _needed(self, item: Part | Segment) -> Part | None:
        """The part that is to be carried out now, if any; uploads of segments are opened here."""
        if isinstance(item, Segment):
            self._count = item.number
            return self._segments.close(item)
        if item.segment:
            return item if self._segments.begin(item, self._object.former(self._count + 1)) else None
        self._count = item.number
        return item

    def _held(self, part: Part) -> tuple[Window, ...]:
        if part.source is not PartSource.UPLOAD:
            return ()
        end = part.offset + part.length
        found = tuple(each for each in self._windows if each.offset < end and each.end > part.offset)
        for window in found:
            window.hold()
        return found

    def _send(self, assembly: Assembly, part: Part, windows: Sequence[Window], value: int) -> None:
        if assembly.is_there(part, value):
            self._desk.meter.found(self.target.name, part.length)
            return
        if part.source is PartSource.UPLOAD:
            with pieces_of(windows, part.offset, part.length) as body:
                assembly.put(part, body, value)
        elif part.source is PartSource.ZERO:
            self._desk.zeros(self.target, part.length, lambda source: assembly.copy(part, source, value))
        else:
            assembly.copy(part, self._source(part), value)
        self._desk.meter.arrived(self.target.name, part)

    def _join(self, part: Part, value: int) -> None:
        """A segment becomes a part of the object; its bytes were counted when they came."""
        if self._object.is_there(part, value):
            self._desk.meter.found(self.target.name, part.length)
            return
        self._object.copy(part, self._segments.source(part), value)
        self._segments.remove(part.segment)

    def _source(self, part: Part) -> CopySource:
        etag, version = self._comparison.copied_from(part.base)
        return CopySource(key=part.base, offset=part.base_offset, length=part.length, etag=etag, version_id=version)

    def _resume(self) -> None:
        """Go on where a crash was, or begin. The object may have been made just before it."""
        self._object.begin(self.file.size)
        made, key = self._object.made, self._digests_key
        if made is not None:
            has_digests = bool(key) and self._desk.ask(self.target, partial(is_there, self.target, key))
            self._note(made, self._object.crc64, key if has_digests else "")

    def _complete(self, seen: Sights) -> None:
        """IntegrityError: the parts are not what was read, whatever each of them is by itself."""
        value, made = seen[self._grain].crc64(0, self.file.size), self._object
        if (made.size, made.crc64) != (self.file.size, value):
            raise IntegrityError(
                f"The parts of {self.file.path} in target {self.target.name} are {made.size} bytes with the CRC-64 "
                f"{to_hex(made.crc64)}; {self.file.size} with {to_hex(value)} were read: a fault of Cloudy's. "
                "No recovery point is made of it; ask again, and report this."
            )
        self._keep(self._object.make, self._object.crc64, seen)

    def _keep(self, make: Callable[[], ObjectInfo], value: int, seen: Sights) -> None:
        """The digests go first: an object that is known as stored has them."""
        key = self._digests_key
        if key:
            kept = seen[self._kept].digests(self.file.key, self._comparison.changes)
            self._desk.journal.sampled(self.target.name, self.file.key, kept.grain, sampled(kept))
            body = digests.encode(kept)
            put = partial(self.target.put, key, body, crc64=crc64(body), metadata=self._desk.metadata)
            key = key if self._desk.ask(self.target, partial(was_put, put, self.target, key, crc64(body))) else ""
        self._note(make(), value, key)

    def _note(self, info: ObjectInfo, value: int, digests_key: str) -> None:
        self.stored = self._desk.note(self.target, self.file, info, value, digests_key)

    @property
    def _digests_key(self) -> str:
        worth = is_worth_digests(self.file, self.target)
        return digests.key(self.file.key.partition("/")[0], self.number) if worth else ""


@dataclass(frozen=True, slots=True)
class Errand:
    """One part to be got to its target; holds the windows that it needs until `drop`."""

    lane: Lane
    part: Part
    windows: tuple[Window, ...]

    def carry_out(self, seen: Sights) -> list["Errand"]:
        """See the lane."""
        return self.lane.carry_out(self.part, self.windows, seen)

    def drop(self) -> None:
        """Hold nothing any more; once."""
        for window in self.windows:
            window.release()


def _parts(items: Sequence[Part | Segment]) -> list[Part]:
    """All of a file that is so small that there are no segments."""
    return [item for item in items if isinstance(item, Part)]


def _fail(why: CopyFailed) -> None:
    """Nothing is left to be tried: it is the target's failure."""
    cause = why.__cause__
    raise cause if isinstance(cause, CloudyError) else IntegrityError(str(why))
