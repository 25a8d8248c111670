"""Many small files: several on their way at once, in the order of the list, in memory that they share."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from bot.arena import Arena
from bot.bundles import AHEAD, bundles
from bot.clock import SystemClock
from bot.comparison import Comparison
from bot.errors import IntegrityError, PermanentError, Stopped, TransientError
from bot.journal import DatabaseJournal
from bot.model import ResourceKind, SourceFile, StoredFile, Upload
from bot.ports import ObjectStore
from bot.store import Database
from bot.transfer import Sent, TransferSettings, send
from tests.memory import Crash, MemoryJournal, MemoryShare, MemoryStore, Watch, unwatched
from tests.workflow.stored import ID, asked, kept, opened
from tests.workflow.test_transfer import no_thread_is_left

__all__ = ["no_thread_is_left"]

PART = 1000
CONTENT = {f"x/{number:02}": bytes([number]) * number for number in range(60)}
FILES = tuple(SourceFile(path=path, name=path, key=f"t/{path}", size=len(CONTENT[path])) for path in CONTENT)
LARGE = SourceFile(path="x/disk", name="x/disk", key="t/x/disk", size=3 * PART)


class Run:
    """Many small files, sent as often as a test wants."""

    def __init__(self, *targets: MemoryStore, threads: int = 4, window: int = PART) -> None:
        self.share = MemoryShare({**CONTENT, LARGE.path: b"d" * LARGE.size})
        self.targets = targets or (MemoryStore("s3"),)
        self.journal = MemoryJournal()
        self.arena = Arena(8, window=window)
        self.threads = threads
        self.check: Callable[[], None] = lambda: None

    def send(self, *files: SourceFile, compare: Callable[..., Comparison] | None = None) -> Sent:
        settings = TransferSettings(
            threads=self.threads, grain=100, part_bytes=PART, arena=self.arena, compare=compare or _compared
        )
        return send(
            files or FILES,
            share=self.share,
            targets=self.targets,
            journal=self.journal,
            settings=settings,
            check=self.check,
            on_progress=lambda _moved: None,
        )

    def watch(self, watch: Watch) -> None:
        self.share.watch = self.journal.watch = watch
        for target in self.targets:
            target.watch = watch


def _compared(*_: object) -> Comparison:
    return Comparison()


def whole(target: MemoryStore) -> bool:
    return target.objects == {file.key: CONTENT[file.path] for file in FILES} and target.uploads == {}


@pytest.mark.parametrize(
    ("sizes", "together"),
    [
        ([], []),
        ([0, 0], [[0, 0]]),
        ([5, 5, 5], [[5, 5], [5]]),
        ([50, 0, 3, 50, 50, 10, 0, 1], [[50], [0, 3], [50], [50], [10, 0], [1]]),
        ([11, 0], [[11], [0]]),
    ],
)
def test_only_small_ones_that_follow_each_other_lie_together(sizes: list[int], together: list[list[int]]) -> None:
    files = [SourceFile(path=f"{at}", name=f"{at}", key=f"{at}", size=size) for at, size in enumerate(sizes)]
    found = list(bundles(enumerate(files), lambda file: file.size <= 10, 10))
    assert [[file.size for _, file in each] for each in found] == together
    assert [number for each in found for number, _ in each] == list(range(len(sizes)))


@pytest.mark.parametrize("call", ["s3.put", "share.open", "journal.stored"])
def test_as_many_as_threads_are_on_their_way_at_once(call: str) -> None:
    run, met = Run(threads=3), threading.Barrier(3)

    def meet(told: str) -> None:
        if told == call and not met.broken:
            met.wait(60)

    run.watch(meet)
    run.send()
    assert whole(run.targets[0])


def test_they_begin_in_the_order_of_the_list_and_are_told_in_it() -> None:
    run = Run(threads=1)
    sent = run.send(*FILES[:20], LARGE, *FILES[20:])
    put = list(dict.fromkeys(key for key, _ in run.targets[0].sent))
    assert put == [file.key for file in (*FILES[:20], LARGE, *FILES[20:])]
    assert [stored.key for stored in sent.stored["s3"]] == put


def test_each_is_read_once_for_all_targets() -> None:
    run = Run(MemoryStore("s3"), MemoryStore("other"))
    run.send()
    assert all(whole(target) for target in run.targets)
    assert Counter(path for path, _, _ in run.share.reads) == Counter(path for path in CONTENT if CONTENT[path])


def test_they_share_a_window_and_take_no_more_than_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    run, taken = Run(window=500), list[int]()
    take = Arena.take_now

    def watched(arena: Arena, lease: object) -> bytearray | None:
        found = take(arena, lease)  # type: ignore[arg-type]
        taken.extend([] if found is None else [len(found)])
        return found

    monkeypatch.setattr(Arena, "take_now", watched)
    run.send()
    assert whole(run.targets[0])
    assert max(taken) <= 500
    assert sum(taken) == sum(file.size for file in FILES)
    assert len(taken) <= 5
    assert not run.arena._leases


def test_they_get_through_when_there_is_but_one_window() -> None:
    run = Run(window=500)
    run.arena = Arena(1, window=500)
    run.send()
    assert whole(run.targets[0])


def test_few_windows_are_taken_however_many_there_are() -> None:
    run, most = Run(window=60), list[int]()
    run.arena = Arena(100, window=60)

    def watch(told: str) -> None:
        if told == "s3.put":
            most.append(len(run.arena._leases))

    run.watch(watch)
    run.send()
    assert whole(run.targets[0])
    assert max(most) <= AHEAD


def test_nothing_is_looked_up_for_them() -> None:
    run, told = Run(), list[str]()

    def compare(_target: ObjectStore, file: SourceFile, _avoided: frozenset[str]) -> Comparison:
        told.append(file.path)
        return Comparison()

    calls: list[str] = []
    run.watch(calls.append)
    run.send(compare=compare)
    assert told == []
    assert {call for call in calls if call.startswith("s3.") and "done" not in call} == {"s3.put"}


def test_a_target_that_fails_at_one_of_them_gives_only_itself_up() -> None:
    good, bad = MemoryStore("good"), MemoryStore("bad")
    told: list[str] = []

    def fail(call: str) -> None:
        if call == "bad.put":
            told.append(call)
            if len(told) == 7:
                raise PermanentError("no room", system="bad")

    bad.watch = fail
    run = Run(bad, good)
    sent = run.send()
    assert set(sent.failed) == {"bad"}
    assert whole(good)
    run.share.reads.clear()
    bad.watch = unwatched
    before = len([key for name, key in run.journal.files if name == "bad"])
    assert 0 < before < len(FILES)
    assert run.send().failed == {}
    assert whole(bad)
    assert len(run.share.reads) <= len(FILES) - before


def test_once_all_targets_have_failed_nothing_more_is_read() -> None:
    run = Run(threads=1)

    def fail(call: str) -> None:
        if call == "s3.put":
            raise PermanentError("no room", system="s3")

    run.watch(fail)
    with pytest.raises(PermanentError, match="no room"):
        run.send()
    assert len(run.share.reads) <= 2


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("call", ["s3.put done", "journal.stored", "journal.stored done"])
def test_a_death_between_the_put_and_its_record_sends_only_those_under_way_again(call: str, threads: int) -> None:
    run, told = Run(threads=threads), list[str]()
    lock = threading.Lock()

    def die(each: str) -> None:
        with lock:
            told.append(each)
            if told.count(call) >= 20:  # from then on nobody does anything
                raise Crash(each)

    run.watch(die)
    with pytest.raises(Crash):
        run.send()
    run.watch(unwatched)
    known, put = {key for _, key in run.journal.files}, {key for key, _ in run.targets[0].sent}
    assert 20 - threads <= len(known) <= 20
    assert known <= put
    run.targets[0].sent.clear()
    run.send()
    again = [key for key, _ in run.targets[0].sent]
    assert whole(run.targets[0])
    assert Counter(again) == Counter(file.key for file in FILES if file.key not in known)
    assert len(set(again) & put) <= threads


def test_stop_ends_them_and_gives_the_memory_back() -> None:
    run = Run()

    def stop() -> None:
        if len(run.journal.files) >= 10:
            raise Stopped

    run.check = stop
    with pytest.raises(Stopped):
        run.send()
    assert len(run.journal.files) < 10 + run.threads
    assert run.share.open_readers == 0
    assert not run.arena._leases
    run.check = lambda: None
    run.send()
    assert whole(run.targets[0])


def test_one_that_is_not_as_long_as_it_was_ends_it() -> None:
    run = Run()
    run.share.files["x/17"] += b"more"
    with pytest.raises(IntegrityError, match=r"x/17 has 21 bytes, but had 17 when it was listed"):
        run.send()
    assert run.share.open_readers == 0
    assert not run.arena._leases


def test_memory_into_which_a_read_may_still_write_is_not_used_again() -> None:
    run = Run(window=sum(file.size for file in FILES))

    def hang(_call: str) -> None:
        raise TransientError("the mount hangs")

    run.share.watch = lambda call: hang(call) if call == "share.read_into" else None
    with pytest.raises(TransientError, match="hangs"):
        run.send()
    assert not run.arena._leases
    assert not run.arena._free or run.share.open_readers == 0


def test_an_upload_that_was_begun_for_one_before_is_aborted() -> None:
    run, file = Run(), FILES[30]
    run.journal.opening("s3", file.key, "s3://bucket")
    run.journal.opened("s3", file.key, run.targets[0].begin_upload(file.key, metadata={}))
    run.send()
    assert whole(run.targets[0])
    assert run.journal.promised == set()


# --- the journal in the database ---


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with opened(tmp_path) as db:
        kept(db, asked())
        yield db


def stored(number: int) -> StoredFile:
    file = FILES[number]
    return StoredFile(path=file.path, name=file.name, key=file.key, size=file.size, crc64=1, etag="e")


def test_what_is_stored_is_read_once_however_many_files_are_asked_for(db: Database) -> None:
    DatabaseJournal(db, SystemClock(), ID).stored("s3", stored(3))
    asked_for: list[str] = []
    event.listen(db._reader, "before_cursor_execute", lambda *given: asked_for.append(given[2]))
    journal = DatabaseJournal(db, SystemClock(), ID)
    found = [journal.is_stored("s3", file.key) for file in FILES]
    assert [each for each in found if each is not None] == [stored(3)]
    assert not any(journal.may_be_open("s3", file.key) for file in FILES)
    assert len([each for each in asked_for if each.startswith("SELECT")]) == 2


def test_what_is_stored_or_promised_meanwhile_is_known_at_once(db: Database) -> None:
    journal, key = DatabaseJournal(db, SystemClock(), ID), FILES[5].key
    assert journal.is_stored("s3", key) is None
    assert not journal.may_be_open("s3", key)
    journal.opening("s3", key, "s3://bucket")
    assert journal.may_be_open("s3", key)
    assert not journal.may_be_open("other", key)
    journal.opened("s3", key, Upload(key=key, upload_id="1"))
    journal.stored("s3", stored(5))
    assert journal.is_stored("s3", key) == stored(5)
    assert not journal.may_be_open("s3", key)
    with db.read() as unit:
        assert unit.ledger.get(ID, ResourceKind.UPLOAD, "s3", key) is None


@pytest.mark.parametrize("end", ["settled", "removed"])
def test_a_promise_that_has_ended_is_none(db: Database, end: str) -> None:
    journal = DatabaseJournal(db, SystemClock(), ID)
    journal.opening("s3", "k", "s3://bucket")
    assert DatabaseJournal(db, SystemClock(), ID).may_be_open("s3", "k")
    assert journal.may_be_open("s3", "k")
    getattr(journal, end)("s3", "k")
    assert not journal.may_be_open("s3", "k")
    assert not DatabaseJournal(db, SystemClock(), ID).may_be_open("s3", "k")
