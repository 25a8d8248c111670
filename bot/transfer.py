"""One file <-> one object per target, part by part: each byte is read once, hashed once and sent to every target.

Retries are not here (bot/retry.py), nor is what to clean up: the journal is told before anything is made.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Lock
from typing import TypeVar

from bot import losses, plan
from bot.arena import Arena
from bot.bundles import Bundles, Numbered, bundles
from bot.comparison import Comparison
from bot.desk import Desk, GivenUp, Journal
from bot.errors import CloudyError, IntegrityError, OperatorError, Stopped
from bot.lane import Errand, Lane, is_worth_digests
from bot.meter import TELL_S, Meter, Moved
from bot.model import Bytes, SourceFile, StoredFile
from bot.passes import Passes
from bot.ports import ObjectStore, Reader, Share
from bot.reading import windows
from bot.reads import Reads
from bot.routes import Compare, Routes
from bot.seen import Seen, Sights
from bot.senders import Senders
from bot.starts import Starts
from bot.throttle import heeding
from bot.zeros import Zeros

__all__ = ["Journal", "Moved", "Sent", "TransferSettings", "send"]

T = TypeVar("T")
READERS = 2  # threads of one transfer that read ahead
LOOK_AHEAD = 32 << 20  # bytes that the planner may leave undecided; or nine of the smallest parts, where those are more
ALONE = 16  # windows of a transfer that shares no memory


def _nothing(_target: ObjectStore, _file: SourceFile, _avoided: frozenset[str]) -> Comparison:
    return Comparison()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSettings:
    """How to send."""

    threads: int = 4
    grain: int = 0  # bytes in which changes are looked for; 0: by the file's size and the targets
    part_bytes: int = 16 << 20  # more for files that would need too many parts
    arena: Arena | None = None  # the memory of all transfers; None: of its own
    compare: Compare = _nothing
    metadata: Mapping[str, str] = field(default_factory=dict)  # of every object
    copies: int = 16  # threads that wait for copies made by the store
    tell_s: float = TELL_S  # how often progress is told; 0: at each step
    reads: Reads | None = None  # the VMstore's limits, shared by all transfers; None: none


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of it. Every target is in `stored`, with all files in their order, or in `failed`."""

    stored: Mapping[str, tuple[StoredFile, ...]]
    failed: Mapping[str, CloudyError]
    moved: Bytes  # by this call
    lost: tuple[str, ...] = ()  # what could not be copied, so that more was sent: in words, with the target


def send(
    files: Sequence[SourceFile],
    *,
    share: Share,
    targets: Sequence[ObjectStore],
    journal: Journal,
    settings: TransferSettings,
    check: Callable[[], None],
    on_progress: Callable[[Moved], None],
) -> Sent:
    """Send files of a share to every target, several parts at a time.

    check is called before each call outside and may raise Stopped: then nothing new begins, and Stopped is raised once
    all threads have ended. Both callbacks are called from several threads, on_progress by one at a time.
    A target that fails is given up while the others go on; its uploads stay open for the next try.
    Raises the first error where all targets fail; IntegrityError: a file is not what it was when it was listed.
    Repeat: safe; what the journal and the target agree on is neither read nor sent again.
    """
    return _Transfer(share, targets, journal, settings, check, Meter(on_progress, settings.tell_s)).run(files)


class _Halted(Exception):  # noqa: N818 - never leaves this module
    """Another thread has ended the transfer."""


class _Transfer:
    """One call of `send`: files are read one after the other, and their parts sent by threads as they are decided."""

    def __init__(
        self,
        share: Share,
        targets: Sequence[ObjectStore],
        journal: Journal,
        settings: TransferSettings,
        check: Callable[[], None],
        meter: Meter,
    ) -> None:
        self._share = share
        self._targets = targets
        self._settings = settings
        self._arena = settings.arena or Arena(ALONE)
        self._check = check
        self._meter = meter
        self._lanes: dict[tuple[str, str], Lane] = {}  # by target and file: the last one
        self._failed: dict[str, CloudyError] = {}
        self._first: BaseException | None = None  # what ended the transfer
        self._halt = Event()
        self._state = Lock()
        self._desk = self._new_desk(journal)
        self._routes = Routes(
            self._desk,
            settings.compare,
            window=self._arena.window,
            grain=settings.grain,
            part_bytes=settings.part_bytes,
            look_ahead=LOOK_AHEAD,
        )
        self._bundles = Bundles(
            self._desk,
            self._arena,
            opened=self._opened,
            check=self._go_on,
            is_out=self._is_given_up,
            carefully=self._carefully,
        )

    def _new_desk(self, journal: Journal) -> Desk:
        return Desk(
            export=self._share.export,
            journal=journal,
            ask=self._ask,
            metadata=self._settings.metadata,
            zeros=Zeros(journal, self._ask, self._settings.metadata).copied,
            meter=self._meter,
            agree=Passes(journal, [target.name for target in self._targets]).agree,
        )

    def run(self, files: Sequence[SourceFile]) -> Sent:
        """Send them all; every thread has ended when this returns or raises."""
        self._meter.expect([target.name for target in self._targets], sum(file.size for file in files))
        self._refuse_too_large(files)
        with closing(self._meter), suppress(_Halted):
            self._send_all(files)
        if self._first is not None:
            raise self._first
        stored = {target.name: self._stored_in(target, files) for target in self._alive()}
        return Sent(stored=stored, failed=dict(self._failed), moved=self._meter.moved, lost=self._lost())

    def _send_all(self, files: Sequence[SourceFile]) -> None:
        """First with what the targets have; what they turn out not to have is avoided, and the file sent once more."""
        with self._threads() as (readers, senders, openers):
            starts = Starts(self._lane, openers, self._go_on)
            for numbered in bundles(enumerate(files), self._is_small, self._arena.window):
                number, file = numbered[0]
                if self._is_small(file):
                    self._send_small(numbered, starts, senders)
                else:
                    self._send_file(file, starts.lanes(number, file, self._alive()), readers, senders)
            for lane in starts.late():
                self._send_file(lane.file, [lane], readers, senders)
            senders.wait()
            for _ in range(1, losses.TURNS):
                lost = [each for each in self._lanes.values() if each.is_lost and not self._is_given_up(each.target)]
                for lane in lost:
                    again = starts.lanes(lane.number, lane.file, [lane.target])
                    self._send_file(lane.file, again, readers, senders)
                senders.wait()

    def _lost(self) -> tuple[str, ...]:
        names = [target.name for target in self._targets]
        return tuple(words for name in names for words in losses.told(name, self._desk.journal.losses(name)))

    @contextmanager
    def _threads(self) -> Iterator[tuple[Executor, Senders, Executor]]:
        threads = self._settings.threads
        with (
            ThreadPoolExecutor(READERS, thread_name_prefix="read") as readers,
            ThreadPoolExecutor(threads, thread_name_prefix="transfer") as senders,
            ThreadPoolExecutor(self._settings.copies, thread_name_prefix="copy") as copiers,
            ThreadPoolExecutor(max(1, len(self._targets)), thread_name_prefix="open") as openers,
        ):
            try:
                yield readers, Senders(senders, copiers, self._work, most=2 * self._settings.copies), openers
            except _Halted:
                raise
            except BaseException as error:
                self._end(error)
                raise _Halted from error
            finally:
                self._halt.set()  # nothing new begins, also when this thread is interrupted while it waits

    def _refuse_too_large(self, files: Sequence[SourceFile]) -> None:
        for target in self._targets:
            try:
                for file in files:
                    plan.parts(file.size, target.limits, wanted=self._settings.part_bytes)
            except OperatorError as error:
                self._give_up(target, error)

    def _is_small(self, file: SourceFile) -> bool:
        """Whether it is put at once and compared with nothing, wherever it goes."""
        is_one = file.size <= min(self._arena.window, self._settings.part_bytes)
        return is_one and not any(is_worth_digests(file, target) for target in self._targets)

    def _send_small(self, numbered: Sequence[Numbered], starts: Starts, senders: Senders) -> None:
        self._go_on()
        targets = [(file, starts.not_late(number, file, self._alive())) for number, file in numbered]
        self._bundles.begin(targets, senders, self._settings.threads)

    def _send_file(self, file: SourceFile, lanes: Sequence[Lane], readers: Executor, senders: Senders) -> None:
        if not lanes:
            return
        self._go_on()
        grains = sorted({grain for lane in lanes for grain in lane.grains})
        least = self._least(file, lanes)
        arena = self._arena if least <= self._arena.most else Arena(least, self._arena.window)  # keeps nobody waiting
        lease = arena.lease(self._go_on, least, -(-max(file.size, 1) // grains[-1]) * grains[-1])
        seen, reader = {grain: Seen(file.size, grain) for grain in grains}, None
        try:
            reader = self._opened(file)
            reading = windows(reader, file, grains=grains, lease=lease, threads=readers, check=self._go_on)
            with closing(reading):
                for window in reading:
                    try:
                        self._meter.read(window.length)
                        for grain in grains:
                            seen[grain].add(window.grains[grain])
                        for lane in lanes:
                            senders.submit(self._errands(lane, partial(lane.see, window)), seen)
                    finally:
                        window.release()
                    senders.keep_pace(lanes, self._go_on)
            self._desk.agree(file, seen[grains[0]].crc64(0, file.size))
            for lane in lanes:
                senders.submit(self._errands(lane, lane.end), seen)
        finally:
            for lane in lanes:
                lane.drop()
            lease.close()
            if reader is not None:
                reader.close()

    def _lane(self, number: int, file: SourceFile, target: ObjectStore) -> Lane | None:
        """None: the target has it already, or is given up."""
        try:
            lane = Lane(target, file, number, route=self._routes.of(file, target), desk=self._desk)
            with self._state:
                self._lanes[target.name, file.key] = lane
            lane.begin()
        except GivenUp:
            return None
        if lane.stored is not None:
            self._meter.found(target.name, file.size)
            return None
        return lane

    def _least(self, file: SourceFile, lanes: Sequence[Lane]) -> int:
        """Windows without which a file could stand still, and two to read on."""
        window = self._arena.window
        needed = -(-max(lane.needs for lane in lanes) // window) + 2
        return max(1, min(needed, -(-file.size // window)))

    def _errands(self, lane: Lane, tell: Callable[[], list[Errand]]) -> list[Errand]:
        """What follows from what the lane is told; nothing where it goes on no more."""
        if not lane.is_over and not self._is_given_up(lane.target):
            with suppress(GivenUp):  # while an upload was opened
                return tell()
        lane.drop()
        return []

    def _work(self, errand: Errand, seen: Sights) -> list[Errand]:
        """Do one part; gives what follows."""
        after: list[Errand] = []

        def work() -> None:
            if not self._is_given_up(errand.lane.target):
                after.extend(errand.carry_out(seen))

        try:
            self._carefully(work)
        finally:
            errand.drop()
        return after

    def _carefully(self, work: Callable[[], None]) -> None:
        """Do a piece of work, unless all has ended. What ends it ends the others too, and is raised by `run`."""
        try:
            if not self._halt.is_set():
                with heeding(self._go_on):
                    work()
        except (_Halted, GivenUp):
            return
        except BaseException as error:  # noqa: BLE001 - `run` raises it
            self._end(error)

    def _opened(self, file: SourceFile) -> Reader:
        self._go_on()
        reader, reads = self._share.open(file.path), self._settings.reads
        return reads.of(reader, self._go_on) if reads else reader

    def _end(self, error: BaseException) -> None:
        with self._state:
            self._first = self._first or error
        self._halt.set()

    def _ask(self, target: ObjectStore, call: Callable[[], T]) -> T:
        """Make one call to a target; an error of it gives the target up. Only here, so that no other error does."""
        self._go_on()
        if self._is_given_up(target):
            raise GivenUp
        try:
            return call()
        except Stopped:
            raise
        except CloudyError as error:
            self._give_up(target, error)
            raise GivenUp from error

    def _go_on(self) -> None:
        if self._halt.is_set():
            raise _Halted
        self._check()

    def _give_up(self, target: ObjectStore, error: CloudyError) -> None:
        with self._state:
            self._failed.setdefault(target.name, error)
            first = next(iter(self._failed.values()))
        self._meter.give_up(target.name)
        if not self._alive():
            raise first

    def _is_given_up(self, target: ObjectStore) -> bool:
        with self._state:
            return target.name in self._failed

    def _alive(self) -> list[ObjectStore]:
        return [target for target in self._targets if not self._is_given_up(target)]

    def _stored_in(self, target: ObjectStore, files: Sequence[SourceFile]) -> tuple[StoredFile, ...]:
        """All files, in their order. IntegrityError: one is not there, though nothing had failed."""
        found = [self._desk.journal.is_stored(target.name, file.key) for file in files]
        if missing := [file.path for file, stored in zip(files, found, strict=True) if stored is None]:
            raise IntegrityError(
                f"{missing[0]} is not in target {target.name}, though nothing has failed: a fault of Cloudy's. "
                "No recovery point is made of it; ask again, and report this."
            )
        return tuple(stored for stored in found if stored is not None)
