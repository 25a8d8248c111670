"""One file <-> one object per target, part by part: each byte is read once, hashed once and sent to every target.

Retries are not here (bot/retry.py), nor is what to clean up: the journal is told before anything is made.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from threading import Event, Lock
from typing import TypeVar

from bot import plan
from bot.arena import MOST, Arena
from bot.checksum import crc64, to_hex
from bot.desk import Desk, Journal
from bot.errors import CloudyError, IntegrityError, OperatorError, Stopped
from bot.grains import grain_bytes
from bot.lane import Former, Job, Lane, Way
from bot.meter import Meter, Moved
from bot.model import Bytes, SourceFile, StoredFile
from bot.ports import ObjectStore, Share
from bot.reading import Window, windows
from bot.seen import Seen
from bot.senders import Senders
from bot.slots import Slots
from bot.zeros import Zeros

__all__ = ["Journal", "Moved", "Sent", "TransferSettings", "send", "verify"]

T = TypeVar("T")
READERS, COPIES = 2, 16  # threads of one transfer: that read ahead, and that wait for copies made by the store
LOOK_AHEAD = 32 << 20  # bytes that the planner may leave undecided; a dozen of the smallest parts at least
ALONE = 16  # windows of a transfer that shares no memory
_READ_BACK = 8 << 20  # bytes a request


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSettings:
    """How to send."""

    threads: int = 4
    grain: int = 0  # bytes in which changes are looked for; 0: by the file's size and the targets
    part_bytes: int = 16 << 20  # more for files that would need too many parts
    arena: Arena | None = None  # the memory of all transfers; None: of its own
    bases: Mapping[str, Mapping[str, Former]] = field(default_factory=dict)  # by target, and by the file's name there
    metadata: Mapping[str, str] = field(default_factory=dict)  # of every object
    slots: Mapping[str, Slots] = field(default_factory=dict)  # by target, shared by all transfers; none: no limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of it. Every target is in `stored`, with all files in their order, or in `failed`."""

    stored: Mapping[str, tuple[StoredFile, ...]]
    failed: Mapping[str, CloudyError]
    moved: Bytes  # by this call
    lost: tuple[str, ...] = ()  # what could not be copied from and was sent in full, in words, with the target


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
    transfer = _Transfer(share, journal, settings, check, Meter(on_progress))
    return transfer.run(files, targets)


def verify(
    store: ObjectStore,
    file: StoredFile,
    check: Callable[[], None],
    on_read: Callable[[int], None] = lambda _size: None,
) -> None:
    """Ask the store anew whether it has the bytes that were read from the VMstore.

    Where the store does not check CRCs itself, what it tells is no proof: then all is read back. check is called before
    each request and may raise Stopped; on_read after each piece, with its size. IntegrityError: size or CRC differ.
    MissingError: no such object.
    """
    check()
    info = store.head(file.key)
    if info.size != file.size:
        raise IntegrityError(f"{_place(store, file)} has {info.size} bytes, but {file.size} bytes were read and sent.")
    told = info.crc64 if store.capabilities().checks_crc else None
    found = told if told is not None else _read_back(store, file, check, on_read)
    if found != file.crc64:
        raise IntegrityError(
            f"{_place(store, file)} has CRC-64 {to_hex(found)}, but what was read and sent has {to_hex(file.crc64)}. "
            "The object was damaged or changed; it must not be used."
        )


def _read_back(store: ObjectStore, file: StoredFile, check: Callable[[], None], on_read: Callable[[int], None]) -> int:
    value = 0
    for offset in range(0, file.size, _READ_BACK):
        check()
        length = min(_READ_BACK, file.size - offset)
        piece = store.get(file.key, offset, length)
        if len(piece) != length:
            raise IntegrityError(f"{_place(store, file)} ends at byte {offset + len(piece)} when it is read back.")
        value = crc64(piece, value)
        on_read(length)
    return value


def _place(store: ObjectStore, file: StoredFile) -> str:
    return f"{file.key} in target {store.name}"


class _GivenUp(Exception):  # noqa: N818 - never leaves this module
    """This target is out, the others go on."""


class _Halted(Exception):  # noqa: N818 - never leaves this module
    """Another thread has ended the transfer."""


class _Transfer:
    """One call of `send`: files are read one after the other, and their parts sent by threads as they are decided."""

    def __init__(
        self, share: Share, journal: Journal, settings: TransferSettings, check: Callable[[], None], meter: Meter
    ) -> None:
        self._share = share
        self._settings = settings
        self._arena = settings.arena or Arena(ALONE)
        self._check = check
        self._meter = meter
        self._targets: Sequence[ObjectStore] = ()
        self._lanes: list[Lane] = []
        self._failed: dict[str, CloudyError] = {}
        self._lost: tuple[str, ...] = ()
        self._first: BaseException | None = None  # what ended the transfer
        self._halt = Event()
        self._state = Lock()
        zeros = Zeros(journal, self._ask, settings.metadata)
        self._desk = Desk(
            export=share.export,
            journal=journal,
            ask=self._ask,
            metadata=settings.metadata,
            zeros=zeros.source,
            meter=meter,
        )

    def run(self, files: Sequence[SourceFile], targets: Sequence[ObjectStore]) -> Sent:
        """Send them all; every thread has ended when this returns or raises."""
        self._targets = targets
        self._meter.expect([target.name for target in targets], sum(file.size for file in files))
        self._refuse_too_large(files)
        with suppress(_Halted):
            self._send_all(files)
        if self._first is not None:
            raise self._first
        stored = {target.name: self._stored_in(target, files) for target in self._alive()}
        return Sent(stored=stored, failed=dict(self._failed), moved=self._meter.moved, lost=self._lost)

    def _send_all(self, files: Sequence[SourceFile]) -> None:
        """First with what the targets have; what they turn out not to have is read and sent again, in full."""
        with self._threads() as (readers, senders):
            for number, file in enumerate(files):
                self._send_file(number, file, self._alive(), readers, senders)
            senders.wait()
            lost = [lane for lane in self._lanes if lane.lost]
            self._lost = tuple(dict.fromkeys(f"{lane.target.name}: {lane.lost}" for lane in lost))
            for lane in lost:
                if not self._is_given_up(lane.target):
                    self._send_file(lane.number, lane.file, [lane.target], readers, senders, in_full=True)
            senders.wait()

    @contextmanager
    def _threads(self) -> Iterator[tuple[Executor, Senders]]:
        threads = self._settings.threads
        with (
            ThreadPoolExecutor(READERS, thread_name_prefix="read") as readers,
            ThreadPoolExecutor(threads, thread_name_prefix="transfer") as senders,
            ThreadPoolExecutor(COPIES, thread_name_prefix="copy") as copiers,
        ):
            try:
                yield readers, Senders(senders, copiers, self._work)
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

    def _send_file(
        self, number: int, file: SourceFile, targets: Sequence[ObjectStore], readers: Executor, senders: Senders,
        *, in_full: bool = False,
    ) -> None:  # fmt: skip
        lanes = [lane for target in targets if (lane := self._lane(number, file, target, in_full)) is not None]
        if not lanes:
            return
        self._go_on()
        grain, least = self._grain(file), self._least(file)
        arena = self._arena if least <= MOST else Arena(least, self._arena.window)  # so that it keeps nobody waiting
        lease = arena.lease(self._go_on, least, -(-max(file.size, 1) // grain) * grain)
        seen, reader = Seen(file.size, grain), None
        try:
            reader = self._share.open(file.path)
            reading = windows(reader, file, grain=seen.grain, lease=lease, threads=readers, check=self._go_on)
            with closing(reading):
                for window in reading:
                    try:
                        self._meter.read(window.length)
                        seen.add(window.grains)
                        for lane in lanes:
                            senders.submit(self._seen_by(lane, window), seen)
                    finally:
                        window.release()
            for lane in lanes:
                senders.submit(self._ended(lane), seen)
        finally:
            for lane in lanes:
                lane.drop()
            lease.close()
            if reader is not None:
                reader.close()

    def _lane(self, number: int, file: SourceFile, target: ObjectStore, in_full: bool) -> Lane | None:
        """None: the target has it already, or is given up."""
        try:
            lane = Lane(target, file, number, way=self._way(file, target, in_full), desk=self._desk)
            with self._state:
                self._lanes = [each for each in self._lanes if (each.file, each.target) != (file, target)] + [lane]
            if in_full:
                lane.give_up_upload()  # nothing that was copied into it is to be taken for sent
            lane.begin()
        except _GivenUp:
            return None
        if lane.stored is not None:
            self._meter.found(target.name, file.size)
            return None
        return lane

    def _way(self, file: SourceFile, target: ObjectStore, in_full: bool) -> Way:
        settings, grain = self._settings, self._grain(file)
        able = self._ask(target, target.capabilities)
        able = replace(able, copies_parts=False) if in_full else able
        former = None if in_full else self._former(file, target)
        rules = replace(
            plan.CutRules.of(target.limits, able, granule=grain),
            upload=settings.part_bytes,
            window=LOOK_AHEAD,
            segments=False,
        )
        return Way(
            cut=plan.cutter(file.size, rules),
            grain=grain,
            is_small=file.size <= min(self._arena.window, settings.part_bytes),
            former=former if former is not None and former.digests.grain == grain else None,
        )

    def _least(self, file: SourceFile) -> int:
        """Windows without which a file could stand still: what may be undecided, two uploads of it, two to read on."""
        window, targets = self._arena.window, self._targets
        undecided = max(LOOK_AHEAD, *(12 * target.limits.smallest for target in targets))
        uploads = (plan.part_length(file.size, target.limits, wanted=self._settings.part_bytes) for target in targets)
        needed = -(-(undecided + 2 * max(uploads)) // window) + 2
        return max(1, min(needed, -(-file.size // window)))

    def _former(self, file: SourceFile, target: ObjectStore) -> Former | None:
        return self._settings.bases.get(target.name, {}).get(file.name)

    def _grain(self, file: SourceFile) -> int:
        """That of a base, so that it can be compared; of two that differ, one target is sent in full this time."""
        for former in (self._former(file, target) for target in self._targets):
            if former is not None:
                return former.digests.grain
        finest = min(target.limits.smallest for target in self._targets)
        return self._settings.grain or grain_bytes(file.size, finest)

    def _seen_by(self, lane: Lane, window: Window) -> list[Job]:
        if lane.is_over or self._is_given_up(lane.target):
            lane.drop()
            return []
        return lane.see(window)

    def _ended(self, lane: Lane) -> list[Job]:
        if lane.is_over or self._is_given_up(lane.target):
            return []
        try:
            return lane.end()
        except _GivenUp:
            return []

    def _work(self, job: Job, seen: Seen) -> None:
        """Do one part. Whatever ends it ends the others too, and is raised by `run`."""
        try:
            target = job.lane.target
            if self._halt.is_set() or self._is_given_up(target):
                return
            with self._slot_of(target):
                self._go_on()  # it may have been long until there was room
                job.lane.carry_out(job.part, job.windows, seen)
        except (_Halted, _GivenUp):
            return
        except BaseException as error:  # noqa: BLE001 - `run` raises it
            self._end(error)
        finally:
            job.drop()

    @contextmanager
    def _slot_of(self, target: ObjectStore) -> Iterator[None]:
        slots = self._settings.slots.get(target.name)
        with slots.taken(self._go_on) if slots else nullcontext():
            yield

    def _end(self, error: BaseException) -> None:
        with self._state:
            self._first = self._first or error
        self._halt.set()

    def _ask(self, target: ObjectStore, call: Callable[[], T]) -> T:
        """Make one call to a target; an error of it gives the target up. Only here, so that no other error does."""
        self._go_on()
        if self._is_given_up(target):
            raise _GivenUp
        try:
            return call()
        except Stopped:
            raise
        except CloudyError as error:
            self._give_up(target, error)
            raise _GivenUp from error

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
        found = {
            lane.file.key: lane.stored for lane in self._lanes if lane.target is target and lane.stored is not None
        }
        if missing := [file.path for file in files if file.key not in found]:
            raise IntegrityError(
                f"{missing[0]} is not in target {target.name}, though nothing has failed: a fault of Cloudy's. "
                "No recovery point is made of it; ask again, and report this."
            )
        return tuple(found[file.key] for file in files)
