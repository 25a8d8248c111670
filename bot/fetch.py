"""Objects -> files on a share: the transfer backwards. Zeros are not fetched, and nothing has its name unchecked.

Retries are not here (bot/retry.py), nor is what to clean up: whatever it makes lies in one directory, which the caller
has promised to remove.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Lock

from bot.arena import Arena, Lease
from bot.arrivals import Arrivals, Arrived
from bot.digests import Digests
from bot.errors import CloudyError
from bot.landing import Landing, Record, Unsafe
from bot.model import ObjectInfo, StoredFile
from bot.placing import directories, safe_places
from bot.ports import ObjectStore, Reader, Share
from bot.ranges import Stretch, stretches
from bot.reads import Reads
from bot.recall import look, recall
from bot.settling import Hung, Room, Settling, zeros_of
from bot.throttle import heeding

__all__ = ["Arrived", "FetchSettings", "Fetched", "Record", "fetch"]

ALONE = 16  # windows of a restore that shares no memory
TRIES = 3  # rounds in which nothing became safe, because the share has lost it


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """How to fetch."""

    threads: int = 4
    window: int = 16 << 20  # bytes of a request at most
    gap: int = 256 << 10  # zeros that are fetched along sooner than one more request is made
    arena: Arena | None = None  # the memory of all transfers; None: of its own
    older: Mapping[str, str] = field(default_factory=dict)  # file's name -> path of an older copy on the share
    is_in_place: bool = False  # files that have those names are overwritten; else nothing ever is
    is_for_windows: bool = True  # whether Windows reads the files, and names are to be such as it takes
    reads: Reads | None = None  # the VMstore's limits, shared by all transfers; None: none


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What became of it."""

    places: Mapping[str, str]  # file's name -> its path on the share
    moved: Arrived
    notes: tuple[str, ...] = ()  # files that had to be fetched in full, and why, in words


def fetch(  # noqa: PLR0913 - all but the files are named
    files: Sequence[StoredFile],
    *,
    source: ObjectStore,
    share: Share,
    directory: str,
    journal: Record,
    settings: FetchSettings,
    check: Callable[[], None],
    on_progress: Callable[[Arrived], None],
) -> Fetched:
    """Fetch the files of a recovery point into a directory of a share, by their names; each gets its name when whole.

    check is called before each call outside and may raise Stopped: then nothing new begins, and Stopped is raised once
    all threads have ended. Both callbacks are called from several threads, on_progress by one at a time.
    IntegrityError: an object is gone or is not what the manifest says, or a name is no safe place; ChangedError: it was
    replaced meanwhile. ArchivedError: one has to be brought back first; nothing was fetched. PermanentError: something
    of another's has a file's name, or there is no room.
    Repeat: safe; what is whole stays, what was safe on the share is read there and checked, and not fetched again.
    """
    return _Fetch(source, share, directory, journal, settings, check).run(files, on_progress)


class _Halted(Exception):  # noqa: N818 - never leaves this module
    """Another thread has ended the round."""


class _Fetch:
    """One call of `fetch`: one file after the other, and several stretches of it at a time."""

    def __init__(
        self,
        source: ObjectStore,
        share: Share,
        directory: str,
        journal: Record,
        settings: FetchSettings,
        check: Callable[[], None],
    ) -> None:
        self._source = source
        self._share = share
        self._directory = directory
        self._journal = journal
        self._settings = settings
        self._arena = settings.arena or Arena(ALONE)
        self._window = min(settings.window, self._arena.window)
        self._check = check
        self._notes: list[str] = []

    def run(self, files: Sequence[StoredFile], on_progress: Callable[[Arrived], None]) -> Fetched:
        """Fetch them all; every thread has ended when this returns or raises."""
        names = safe_places([file.name for file in files], is_for_windows=self._settings.is_for_windows)
        infos = [self._looked_at(file) for file in files]
        arrivals = Arrivals(on_progress, sum(file.size for file in files))
        self._make_directories(names)
        places = {name: f"{self._directory}/{name}" if self._directory else name for name in names}
        for file, info in zip(files, infos, strict=True):
            arrivals.begin(file.size)
            self._land(file, info, places[file.name], arrivals)
        return Fetched(places=places, moved=arrivals.moved, notes=tuple(self._notes))

    def _looked_at(self, file: StoredFile) -> ObjectInfo:
        """All of them first, so that no hour is lost on a recovery point that is not whole."""
        self._check()
        return look(self._source, file)

    def _make_directories(self, names: Sequence[str]) -> None:
        for below in ("", *directories(names)):
            self._check()
            if place := "/".join(filter(None, (self._directory, below))):
                self._share.make_directory(place)

    def _land(self, file: StoredFile, info: ObjectInfo, place: str, arrivals: Arrivals) -> None:
        landing = Landing(
            file,
            place,
            self._share,
            self._journal,
            source=self._source.name,
            check=self._check,
            is_in_place=self._settings.is_in_place,
        )
        self._check()
        try:
            if landing.begin():
                arrivals.local(file.size)
                arrivals.there(file.size)
                return
            self._check()
            known, why = recall(self._source, file, self._window)
            self._notes += [why] if why else []
            self._check()
            landing.open(is_known=known is not None)
            self._fill(landing, info, known, arrivals)
        finally:
            with suppress(CloudyError):  # whatever ended it is told
                landing.close()

    def _fill(self, landing: Landing, info: ObjectInfo, known: Digests | None, arrivals: Arrivals) -> None:
        tries, safe = 0, landing.safe
        while True:
            try:
                arrivals.again()
                with self._settling(landing, info, known, arrivals) as settling:
                    self._round(landing, settling, known)
                self._check()
                landing.finish(is_known=known is not None)
            except Unsafe as error:
                tries, safe = tries + 1 if landing.safe == safe else 1, landing.safe
                if tries == TRIES:
                    raise error.__cause__ or error from None
                landing.reopen()
            else:
                return

    @contextmanager
    def _settling(
        self, landing: Landing, info: ObjectInfo, known: Digests | None, arrivals: Arrivals
    ) -> Iterator[Settling]:
        settings = self._settings
        older = landing.place if landing.is_in_place else settings.older.get(landing.file.name, "")
        settling = Settling(self._source, landing, info, known, arrivals, gap=settings.gap)
        with settling.comparing(older, self._bounded):
            yield settling

    def _bounded(self, reader: Reader) -> Reader:
        reads = self._settings.reads
        return reader if reads is None else reads.of(reader, self._check)

    def _round(self, landing: Landing, settling: Settling, known: Digests | None) -> None:
        """All that is not safe yet; several threads take one stretch after the other."""
        size = landing.file.size
        lease = self._arena.lease(self._check, 1, self._arena.window if size >= self._window else max(1, size))
        turns = _Turns(self._plan(landing, known), size, settling.zero)
        work = _Work(settling, turns, lease, self._check)
        try:
            with ThreadPoolExecutor(self._settings.threads, thread_name_prefix="fetch") as threads:
                try:
                    for future in [threads.submit(work.run) for _ in range(self._settings.threads)]:
                        future.result()
                finally:
                    work.halt.set()  # nothing new begins, also when this thread is interrupted while it waits
        finally:
            lease.close()
        if work.first is not None:
            raise work.first

    def _plan(self, landing: Landing, known: Digests | None) -> Iterator[Stretch]:
        file, window = landing.file, self._window
        if known is None:
            return stretches(range(-(-file.size // window)), grain=window, size=file.size, window=window)
        grains = range(len(known))
        wanted = grains if landing.is_in_place else (at for at in grains if not zeros_of(known, at))
        return stretches(wanted, grain=known.grain, size=file.size, window=window, gap=self._settings.gap)


class _Turns:
    """The stretches of a file, in order, each for one thread; what lies between them is zeros."""

    def __init__(self, plan: Iterator[Stretch], size: int, zero: Callable[[int], None]) -> None:
        self._plan = plan
        self._size = size
        self._zero = zero
        self._end = 0
        self._lock = Lock()

    def next(self) -> Stretch | None:
        """None: there are no more."""
        with self._lock:
            found = next(self._plan, None)
            zeros = (found.offset if found else self._size) - self._end
            self._end = found.end if found else self._size
        if zeros > 0:
            self._zero(zeros)
        return found


class _Work:
    """One round over a file."""

    def __init__(self, settling: Settling, turns: _Turns, lease: Lease, check: Callable[[], None]) -> None:
        self.first: BaseException | None = None  # what ended it
        self.halt = Event()
        self._settling = settling
        self._turns = turns
        self._lease = lease
        self._check = check
        self._lock = Lock()

    def run(self) -> None:
        """Take one stretch after the other. Whatever ends it ends the others too."""
        try:
            with heeding(self._go_on):
                while (stretch := self._turns.next()) is not None:
                    self._go_on()
                    self._settle(stretch)
        except _Halted:
            return
        except BaseException as error:  # noqa: BLE001 - `_round` raises it
            with self._lock:
                self.first = self.first or error
            self.halt.set()

    def _settle(self, stretch: Stretch) -> None:
        if self._settling.is_settled(stretch):
            return
        try:
            self._settle_in_room(stretch, may_read=True)
        except Hung:
            self._settle_in_room(stretch, may_read=False)

    def _settle_in_room(self, stretch: Stretch, *, may_read: bool) -> None:
        memory = self._lease.take(self._go_on)
        room = Room(memoryview(memory)[: stretch.length])
        try:
            with room.view:
                self._settling.settle(stretch, room, self._go_on, may_read=may_read)
        except BaseException:
            room.lose()  # a write that was given up may still read what lies there
            raise
        finally:
            self._lease.give(None if room.is_lost else memory)

    def _go_on(self) -> None:
        if self.halt.is_set():
            raise _Halted
        self._check()
