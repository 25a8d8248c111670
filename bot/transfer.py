"""One file <-> one object per target, part by part: each byte is read once, hashed once and sent to every target.

Retries are not here (bot/retry.py), nor is what to clean up: the journal is told before anything is made.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TypeVar

from bot import plan
from bot.checksum import crc64, to_hex
from bot.errors import CloudyError, IntegrityError, OperatorError, Stopped
from bot.model import Bytes, Part, SourceFile, StoredFile
from bot.outgoing import Buffers, Copy, Journal, Outgoing
from bot.ports import ObjectStore, Share
from bot.slots import Slots

__all__ = ["Journal", "Moved", "Sent", "TransferSettings", "send", "verify"]

T = TypeVar("T")
_READ_BACK = 8 << 20  # bytes a request


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSettings:
    """How to send. Memory taken is at most the larger of memory_bytes and threads * part_bytes, or one part's."""

    threads: int = 4
    part_bytes: int = 16 << 20  # more for files that would need too many parts
    memory_bytes: int = 256 << 20  # with larger parts, fewer are sent at once
    metadata: Mapping[str, str] = field(default_factory=dict)  # of every object
    slots: Mapping[str, Slots] = field(default_factory=dict)  # by target, shared by all transfers; none: no limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How far it is, in bytes; absolute, so that telling it twice is harmless."""

    read: int  # from the share, by this call
    sent: int  # to all targets, by this call
    done: int  # of `total`, what lies in the targets, also from before
    total: int  # of all files, times the targets that are not given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of it. Every target is in `stored`, with all files in their order, or in `failed`."""

    stored: Mapping[str, tuple[StoredFile, ...]]
    failed: Mapping[str, CloudyError]
    moved: Bytes  # by this call


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
    transfer = _Transfer(share, journal, settings, check, _Tally(on_progress))
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
    """One call of `send`: threads that draw parts from one row of jobs, until it is empty or one of them fails."""

    def __init__(
        self, share: Share, journal: Journal, settings: TransferSettings, check: Callable[[], None], tally: "_Tally"
    ) -> None:
        self._share = share
        self._journal = journal
        self._settings = settings
        self._check = check
        self._tally = tally
        self._targets: Sequence[ObjectStore] = ()
        self._files: list[Outgoing] = []
        self._failed: dict[str, CloudyError] = {}
        self._first: BaseException | None = None  # what ended the transfer
        self._buffers = Buffers(
            room=max(settings.memory_bytes, settings.threads * settings.part_bytes), most=settings.threads
        )
        self._halt = Event()
        self._state = Lock()
        self._drawing = Lock()
        self._jobs: Iterator[tuple[Outgoing, Part]] = iter(())

    def run(self, files: Sequence[SourceFile], targets: Sequence[ObjectStore]) -> Sent:
        """Send them all; every thread has ended when this returns or raises."""
        self._targets = targets
        self._tally.expect([target.name for target in targets], sum(file.size for file in files))
        self._refuse_too_large(files)
        self._jobs = self._draw(files)
        try:
            with ThreadPoolExecutor(self._settings.threads, thread_name_prefix="transfer") as pool:
                try:
                    wait([pool.submit(self._work) for _ in range(self._settings.threads)])
                finally:
                    self._halt.set()  # also when this thread is interrupted while it waits
        finally:
            for outgoing in self._files:
                outgoing.close()
        if self._first is not None:
            raise self._first
        stored = {target.name: self._stored_in(target) for target in self._alive()}
        return Sent(stored=stored, failed=dict(self._failed), moved=self._tally.moved)

    def _refuse_too_large(self, files: Sequence[SourceFile]) -> None:
        for target in self._targets:
            try:
                for file in files:
                    plan.parts(file.size, target.limits, wanted=self._settings.part_bytes)
            except OperatorError as error:
                self._give_up(target, error)

    def _draw(self, files: Sequence[SourceFile]) -> Iterator[tuple[Outgoing, Part]]:
        """Give every part that some target lacks; a file's uploads are opened when its first part is drawn."""
        targets = self._alive()
        if not targets:
            return
        limits = plan.common(tuple(target.limits for target in targets))
        for file in files:
            pieces = plan.parts(file.size, limits, wanted=self._settings.part_bytes)
            outgoing = Outgoing(self._share, file, pieces)
            self._files.append(outgoing)
            for target in targets:
                self._prepare(outgoing, target, file, pieces)
            for part in outgoing.missing():
                yield outgoing, part

    def _prepare(self, outgoing: Outgoing, target: ObjectStore, file: SourceFile, pieces: tuple[Part, ...]) -> None:
        copy = Copy(
            target,
            file,
            pieces,
            full_path=f"{self._share.export}/{file.path}",
            journal=self._journal,
            metadata=self._settings.metadata,
            ask=self._ask,
        )
        outgoing.copies.append(copy)
        try:
            self._tally.add(target.name, done=copy.prepare())
        except _GivenUp:
            return

    def _work(self) -> None:
        """Do parts in one thread. Whatever ends it ends the others too, and is raised by `run`."""
        try:
            while (job := self._next()) is not None:
                self._send(*job)
        except _Halted:
            return
        except BaseException as error:
            with self._state:
                self._first = self._first or error
            self._halt.set()
            raise

    def _next(self) -> tuple[Outgoing, Part] | None:
        with self._drawing:
            self._go_on()
            return next(self._jobs, None)

    def _send(self, outgoing: Outgoing, part: Part) -> None:
        copies = [copy for copy in outgoing.copies if copy.needs(part) and not self._is_given_up(copy.target)]
        if copies:
            with self._slots_of(copies), self._buffers.of(part.length) as body:
                self._go_on()  # it may have been long until there was room
                value = outgoing.read(part, body)
                self._tally.add(read=part.length)
                for copy in copies:
                    self._send_to(copy, part, body, value)
        outgoing.part_over()

    @contextmanager
    def _slots_of(self, copies: Sequence[Copy]) -> Iterator[None]:
        """Hold a slot of every target, taken by name, so that two transfers never wait for each other."""
        with ExitStack() as held:
            for name in sorted({copy.target.name for copy in copies} & self._settings.slots.keys()):
                held.enter_context(self._settings.slots[name].taken(self._go_on))
            yield

    def _send_to(self, copy: Copy, part: Part, body: bytearray, value: int) -> None:
        try:
            copy.send(part, body, value)
        except _GivenUp:
            return
        self._tally.add(copy.target.name, sent=part.length, done=part.length)

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
        self._tally.give_up(target.name)
        if not self._alive():
            raise first

    def _is_given_up(self, target: ObjectStore) -> bool:
        with self._state:
            return target.name in self._failed

    def _alive(self) -> list[ObjectStore]:
        return [target for target in self._targets if not self._is_given_up(target)]

    def _stored_in(self, target: ObjectStore) -> tuple[StoredFile, ...]:
        copies = [copy for outgoing in self._files for copy in outgoing.copies if copy.target is target]
        return tuple(copy.stored for copy in copies if copy.stored is not None)


class _Tally:
    """Counts bytes over all threads and tells of them, one at a time."""

    def __init__(self, on_progress: Callable[[Moved], None]) -> None:
        self._on_progress = on_progress
        self._read = 0
        self._sent = 0
        self._each = 0
        self._done: dict[str, int] = {}  # by target that is not given up
        self._lock = Lock()

    @property
    def moved(self) -> Bytes:
        """What this call moved."""
        return Bytes(read=self._read, sent=self._sent)

    def expect(self, targets: Sequence[str], size: int) -> None:
        """Know what there is to do for each target."""
        self._each = size
        self._done = dict.fromkeys(targets, 0)

    def add(self, target: str = "", *, read: int = 0, sent: int = 0, done: int = 0) -> None:
        """Count, and tell."""
        with self._lock:
            self._read += read
            self._sent += sent
            if target in self._done:
                self._done[target] += done
            self._on_progress(
                Moved(
                    read=self._read,
                    sent=self._sent,
                    done=sum(self._done.values()),
                    total=self._each * len(self._done),
                )
            )

    def give_up(self, target: str) -> None:
        """Count the target no more."""
        with self._lock:
            self._done.pop(target, None)
