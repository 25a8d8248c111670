"""One stretch of a file: what of it lies on the share already; the rest comes from the target, checked at once."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TypeVar

from bot.arrivals import Arrivals
from bot.checksum import crc64
from bot.digests import Digests
from bot.errors import IntegrityError, PermanentError, TransientError
from bot.grains import MIB, grains_of, is_zero, zero_grain
from bot.landing import Landing
from bot.model import ObjectInfo
from bot.nearby import Older
from bot.ports import ObjectStore, Reader
from bot.ranges import Stretch, stretches

_FORGED = (
    "Its CRC-64 is right and its BLAKE3 is not, so one of the two was written to look like the other."
    " If you know that the object is good, remove {digests} and restore again: then the CRC-64 alone decides."
)

T = TypeVar("T")
Go = Callable[[], None]


class Room:
    """Memory for one stretch; lost once a read into it hangs, since that may write into it at any time."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.is_lost = False

    def lose(self) -> None:
        """Use it for nothing any more."""
        self.is_lost = True


class Hung(Exception):  # noqa: N818 - no failure: the stretch is settled in other memory, and nothing read there
    """The room is lost."""


class Settling:
    """What all stretches of one file share. Several threads, each with a stretch of its own."""

    def __init__(
        self,
        source: ObjectStore,
        landing: Landing,
        info: ObjectInfo,
        known: Digests | None,
        arrivals: Arrivals,
        *,
        gap: int,
    ) -> None:
        """known: what each grain has to be; None: nothing is known but the CRC of the whole."""
        self._source = source
        self._landing = landing
        self._info = info
        self._known = known
        self._arrivals = arrivals
        self._gap = gap
        self._older = Older()
        self._here: Reader | None = None

    @contextmanager
    def comparing(self, older: str, bounded: Callable[[Reader], Reader]) -> Iterator[None]:
        """Read what lies on the share meanwhile: the file itself, and an older copy of it; "": there is none."""
        landing = self._landing
        with ExitStack() as opened:
            if landing.is_resumed or landing.is_in_place:
                self._here = bounded(opened.enter_context(landing.reading()))
            if older and self._known is not None:
                with suppress(PermanentError, TransientError):  # it is a help, and nothing more
                    self._older.reader = bounded(opened.enter_context(landing.reading(older)))
            yield

    def zero(self, size: int) -> None:
        """Zeros lie between stretches, and are there."""
        self._arrivals.zero(size)

    def is_settled(self, stretch: Stretch) -> bool:
        """Whether this process has done it before."""
        is_fresh = self._landing.is_fresh(stretch)
        if is_fresh:
            self._arrivals.there(stretch.length)
        return is_fresh

    def settle(self, stretch: Stretch, room: Room, go_on: Go, *, may_read: bool = True) -> None:
        """Have it on the share. go_on is called before each call outside, and may raise.

        Hung: a read of the share did; then once more in another room, without any.
        """
        if self._known is None:
            self._settle_unknown(stretch, room, go_on, may_read=may_read)
        else:
            self._settle_known(self._known, stretch, room, go_on, may_read=may_read)
        self._arrivals.there(stretch.length)

    def _settle_unknown(self, stretch: Stretch, room: Room, go_on: Go, *, may_read: bool) -> None:
        landing, is_over = self._landing, self._here is not None
        if self._here is not None and may_read:
            go_on()
            value, is_over = self._look(self._here, stretch, room)
            if value is not None and value == landing.kept(stretch):
                self._arrivals.local(stretch.length)
                landing.checked(stretch, value)
                return
        self._fetch(stretch, room.view, go_on)
        value = crc64(room.view)
        self._write(stretch.offset, room.view, go_on, all_of_it=is_over)
        landing.done(stretch, value)

    def _look(self, reader: Reader, stretch: Stretch, room: Room) -> tuple[int | None, bool]:
        """Its CRC, None where it cannot be read; and whether there may be anything but zeros."""
        value, is_data = 0, False

        def look(piece: memoryview) -> None:
            nonlocal value, is_data
            value, is_data = crc64(piece, value), is_data or not is_zero(piece)

        if self._seen(reader, stretch.offset, room, room.view, MIB, look) is None:
            return None, True
        return value, is_data

    def _seen(
        self, reader: Reader, offset: int, room: Room, view: memoryview, step: int, see: Callable[[memoryview], T]
    ) -> list[T] | None:
        """Look at what lies on the share; None: it cannot be read, and so it is of no help."""
        try:
            seen = reader.read_steps(offset, view, step, see, room.lose)
        except (IntegrityError, PermanentError):
            return None
        if room.is_lost:
            raise Hung
        return seen

    def _settle_known(self, known: Digests, stretch: Stretch, room: Room, go_on: Go, *, may_read: bool) -> None:
        landing, positions = self._landing, stretch.positions(known.grain)
        is_kept = landing.kept(stretch) is not None
        is_over = is_kept or landing.is_in_place  # what lies there is not zeros for sure
        there: set[int] = set()
        if may_read:
            look = self._there_before if is_kept else self._there_in_older
            there = look(known, stretch, room, go_on)
        if not is_over:
            self._write_runs(known, there, stretch, room, go_on)
        missing = [at for at in positions if at not in there and (is_over or not zeros_of(known, at))]
        for run in self._runs(known, [at for at in missing if not zeros_of(known, at)], gap=self._gap):
            with _part(room.view, stretch, run) as piece:
                self._fetch(run, piece, go_on)
                self._check(known, run, piece)
                self._write(run.offset, piece, go_on, all_of_it=is_over)
        if is_over:
            self._write_zeros(known, [at for at in missing if zeros_of(known, at)], stretch, room, go_on)
        value = known.crc64(positions.start, len(positions))
        if is_kept and not missing:
            landing.checked(stretch, value)
        else:
            landing.done(stretch, value)

    def _write_runs(self, known: Digests, positions: Iterable[int], stretch: Stretch, room: Room, go_on: Go) -> None:
        """What an older copy has."""
        for run in self._runs(known, positions, gap=0):
            with _part(room.view, stretch, run) as piece:
                self._write(run.offset, piece, go_on, all_of_it=False)

    def _there_before(self, known: Digests, stretch: Stretch, room: Room, go_on: Go) -> set[int]:
        if self._here is None:
            return set()
        go_on()
        there = self._there(self._here, known, stretch, room)
        self._arrivals.local(sum(known.length(at) for at in there))
        return there

    def _there_in_older(self, known: Digests, stretch: Stretch, room: Room, go_on: Go) -> set[int]:
        """One that cannot be read is looked at no more."""
        reader = self._older.reader
        if reader is None:
            return set()
        go_on()
        try:
            there = self._there(reader, known, stretch, room)
        except (Hung, TransientError) as error:
            self._older.let_go()
            if isinstance(error, Hung):
                raise
            return set()
        found = sum(known.length(at) for at in there if not zeros_of(known, at))
        self._older.seen(stretch.length, found)
        self._arrivals.older(found)
        return there

    def _there(self, reader: Reader, known: Digests, stretch: Stretch, room: Room) -> set[int]:
        """Positions of the grains that the reader has just so."""
        length = min(stretch.end, reader.size) - stretch.offset
        if length <= 0:
            return set()
        step = known.grain * max(1, MIB // known.grain)
        with room.view[:length] as piece:
            steps = self._seen(reader, stretch.offset, room, piece, step, lambda one: grains_of(one, known.grain))
        seen = (grain for each in steps or () for grain in each)
        return {at for at, grain in enumerate(seen, stretch.positions(known.grain).start) if known.is_same(at, grain)}

    def _runs(self, known: Digests, positions: Iterable[int], *, gap: int) -> Iterator[Stretch]:
        size = self._landing.file.size
        return stretches(sorted(positions), grain=known.grain, size=size, window=size or 1, gap=gap)

    def _fetch(self, stretch: Stretch, view: memoryview, go_on: Go) -> None:
        go_on()
        self._source.get_into(self._landing.file.key, stretch.offset, view, etag=self._info.etag)
        self._arrivals.fetched(stretch.length)

    def _check(self, known: Digests, stretch: Stretch, view: memoryview) -> None:
        for position, grain in enumerate(grains_of(view, known.grain), stretch.positions(known.grain).start):
            if known.is_same(position, grain) and grain.crc64 == known.crc64(position, 1):
                continue
            file, first = self._landing.file, position * known.grain
            why = f" {_FORGED.format(digests=file.digests)}" if grain.crc64 == known.crc64(position, 1) else ""
            raise IntegrityError(
                f"{file.key} in target {self._source.name} was damaged or replaced: bytes {first} to "
                f"{first + grain.length - 1} are not those that were stored. {file.name} is not restored.{why}"
            )

    def _write(self, offset: int, view: memoryview, go_on: Go, *, all_of_it: bool) -> None:
        go_on()
        self._landing.write(offset, view, all_of_it=all_of_it)

    def _write_zeros(self, known: Digests, positions: Iterable[int], stretch: Stretch, room: Room, go_on: Go) -> None:
        """Where something else lies in the place of zeros."""
        for run in self._runs(known, positions, gap=0):
            with _part(room.view, stretch, run) as piece:
                piece[:] = bytes(len(piece))
                self._write(run.offset, piece, go_on, all_of_it=True)


def zeros_of(known: Digests, position: int) -> bool:
    """Whether a grain has to be zeros."""
    return known.digest(position) == zero_grain(known.length(position)).digest


def _part(view: memoryview, stretch: Stretch, run: Stretch) -> memoryview:
    begin = run.offset - stretch.offset
    return view[begin : begin + run.length]
