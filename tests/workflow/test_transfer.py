"""Files on their way to targets: each byte once, through crashes, Stop and targets that fail."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from bot import plan
from bot.arena import Arena
from bot.checksum import crc64
from bot.errors import CloudyError, IntegrityError, MissingError, OperatorError, PermanentError, Stopped, TransientError
from bot.lane import Errand, Lane
from bot.meter import Moved
from bot.model import Bytes, Capabilities, Carried, Part, PartLimits, Segment, SourceFile, StoredFile
from bot.transfer import Sent, TransferSettings, send
from bot.verifying import verify
from tests.e2e.waiting import until
from tests.memory import Crash, CrashAt, MemoryJournal, MemoryShare, MemoryStore, Watch, unwatched

TID = "20261123T142233Z-7f3k9q"
PART, GRAIN = 1000, 100
MIB = 1 << 20
WHO = {"cloudy-transaction": TID}
CONTENT = {
    f"{TID}/vm01/vm01-flat.vmdk": random.Random(1).randbytes(5 * PART + 123),
    f"{TID}/vm01/vm01.nvram": random.Random(2).randbytes(PART),
    f"{TID}/vm01/vm01.vmx": b"displayName = vm01",
    f"{TID}/vm01/vmware.log": b"",
}
FILES = tuple(
    SourceFile(path=path, name=path.removeprefix(f"{TID}/"), key=f"{TID}/tintri/{path}", size=len(content))
    for path, content in CONTENT.items()
)
DISK = FILES[0]


class Run:
    """A share, targets and a journal, sent with as often as a test wants."""

    def __init__(self, *targets: MemoryStore, threads: int = 4) -> None:
        self.share = MemoryShare(CONTENT)
        self.targets = targets or (MemoryStore("s3"),)
        self.journal = MemoryJournal()
        self.threads = threads
        self.check: Callable[[], None] = lambda: None
        self.moved: list[Moved] = []

    def send(self, files: Sequence[SourceFile] = FILES, settings: TransferSettings | None = None) -> Sent:
        return send(
            files,
            share=self.share,
            targets=self.targets,
            journal=self.journal,
            settings=settings or self.settings(),
            check=self.check,
            on_progress=self.moved.append,
        )

    def settings(self) -> TransferSettings:
        arena = Arena(8, window=PART)
        return TransferSettings(threads=self.threads, grain=GRAIN, part_bytes=PART, arena=arena, metadata=WHO, tell_s=0)

    def watch(self, watch: Watch) -> None:
        self.share.watch = self.journal.watch = watch
        for target in self.targets:
            target.watch = watch


@pytest.fixture(autouse=True)
def no_thread_is_left() -> object:
    before = threading.active_count()
    yield
    until(lambda: threading.active_count() <= before, "no thread is left")


def expected(target: MemoryStore) -> None:
    """The target holds every file, byte for byte, and nothing else."""
    assert target.objects == {file.key: CONTENT[file.path] for file in FILES}
    assert target.uploads == {}
    assert all(metadata == WHO for metadata in target.metadata.values())


def test_every_file_arrives_in_every_target() -> None:
    run = Run(MemoryStore("s3"), MemoryStore("other"))
    sent = run.send()
    assert sent.failed == {}
    for target in run.targets:
        expected(target)
        assert sent.stored[target.name] == tuple(
            StoredFile(
                path=f"/tintri/{file.path}",
                name=file.name,
                key=file.key,
                size=file.size,
                crc64=crc64(CONTENT[file.path]),
                etag=target.etags[file.key],
            )
            for file in FILES
        )
    size = sum(file.size for file in FILES)
    each = Carried(sent=size)
    assert sent.moved == Bytes(read=size, sent=2 * size, targets={"other": each, "s3": each})
    assert run.share.open_readers == 0


def test_each_byte_is_read_once_whatever_the_number_of_targets() -> None:
    run = Run(MemoryStore("s3"), MemoryStore("other"), MemoryStore("third"))
    run.send()
    read = Counter((path, at) for path, offset, length in run.share.reads for at in range(offset, offset + length))
    assert set(read.values()) == {1}
    assert len(read) == sum(file.size for file in FILES)


def test_files_of_one_part_are_written_at_once() -> None:
    run = Run()
    run.send()
    at_once = {key for key, number in run.targets[0].sent if number == 0}
    assert at_once == {file.key for file in FILES[1:]}


def test_progress_grows_to_the_total() -> None:
    run = Run(MemoryStore("s3"), MemoryStore("other"))
    run.send()
    size = sum(file.size for file in FILES)
    moved = Bytes(read=size, sent=2 * size, targets={"other": Carried(sent=size), "s3": Carried(sent=size)})
    assert run.moved[-1] == Moved(bytes=moved, done=2 * size, total=2 * size)
    assert [moved.done for moved in run.moved] == sorted(moved.done for moved in run.moved)


def test_sending_again_does_nothing() -> None:
    run = Run()
    first = run.send()
    run.share.reads.clear()
    run.targets[0].sent.clear()
    second = run.send()
    assert second.stored == first.stored
    assert second.moved == Bytes()
    assert (run.share.reads, run.targets[0].sent) == ([], [])


def test_no_files_or_no_targets_is_nothing_to_do() -> None:
    assert Run().send([]) == Sent(stored={"s3": ()}, failed={}, moved=Bytes())


def count_of_calls() -> int:
    run, watch = Run(MemoryStore("s3"), MemoryStore("other"), threads=1), CrashAt(10_000)
    run.watch(watch)
    run.send()
    return len(watch.told)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_crash_at_any_moment_is_gone_on_from_without_sending_twice_what_was_recorded(threads: int) -> None:
    calls = count_of_calls()
    assert calls > 80
    for nth in range(calls):
        run = Run(MemoryStore("s3"), MemoryStore("other"), threads=threads)
        run.watch(CrashAt(nth))
        with pytest.raises(Crash):
            run.send()
        run.watch(unwatched)
        recorded = {(target, key, number) for (target, key), parts in run.journal.recorded.items() for number in parts}
        stored = set(run.journal.files)
        for target in run.targets:
            target.sent.clear()
        sent = run.send()
        assert sent.failed == {}, f"crash at {nth}"
        for target in run.targets:
            expected(target)
            again = {(target.name, key, number) for key, number in target.sent}
            assert not again & recorded, f"crash at {nth}"
            assert not {(target.name, key) for key, _ in target.sent} & stored, f"crash at {nth}"
        assert run.journal.promised == set()


def test_no_upload_exists_that_the_journal_does_not_know() -> None:
    for nth in range(count_of_calls()):
        run = Run(MemoryStore("s3"), MemoryStore("other"))
        run.watch(CrashAt(nth))
        with pytest.raises(Crash):
            run.send()
        for target in run.targets:
            open_uploads = {(target.name, key) for key, _ in target.uploads.values()}
            assert open_uploads <= run.journal.promised, f"crash at {nth}"


def crashed_after_parts(run: Run, parts: int) -> None:
    """Let it die once so many parts of the disk are recorded."""
    told = Counter[str]()

    def watch(call: str) -> None:
        told[call] += 1
        if told["journal.record done"] >= parts:
            raise Crash(call)

    run.threads = 1
    run.watch(watch)
    with pytest.raises(Crash):
        run.send()
    run.watch(unwatched)


def test_parts_that_the_store_lost_are_sent_again() -> None:
    run = Run()
    crashed_after_parts(run, 3)
    store = run.targets[0]
    ((_, parts),) = store.uploads.values()
    parts[1] = b"other bytes than recorded"
    del parts[2]
    store.sent.clear()
    run.send()
    expected(store)
    assert {number for key, number in store.sent if key == DISK.key} == {1, 2, 4, 5, 6}


def test_an_upload_that_the_store_gave_up_is_begun_anew() -> None:
    run = Run()
    crashed_after_parts(run, 3)
    run.targets[0].uploads.clear()
    run.send()
    expected(run.targets[0])


def test_an_upload_completed_just_before_the_crash_is_not_sent_again() -> None:
    run = Run()
    told: list[str] = []

    def watch(call: str) -> None:
        told.append(call)
        if "s3.complete_upload done" in told:
            raise Crash(call)

    run.watch(watch)
    with pytest.raises(Crash):
        run.send()
    run.watch(unwatched)
    run.targets[0].sent.clear()
    run.send()
    expected(run.targets[0])
    assert DISK.key not in {key for key, _ in run.targets[0].sent}


def test_parts_cut_otherwise_than_before_are_sent_again() -> None:
    run = Run()
    crashed_after_parts(run, 3)
    parts = run.journal.recorded["s3", DISK.key]
    parts[2] = replace(parts[2], offset=parts[2].offset + 1)
    run.targets[0].sent.clear()
    run.send()
    expected(run.targets[0])
    assert {number for key, number in run.targets[0].sent if key == DISK.key} == {2, 4, 5, 6}


def test_a_source_that_changed_between_two_tries_is_told() -> None:
    run = Run(MemoryStore("s3"), MemoryStore("other"))

    def fail(call: str) -> None:
        if call == "other.put_part":
            raise PermanentError("no room")

    run.watch(fail)
    assert set(run.send().failed) == {"other"}
    run.watch(unwatched)
    del run.journal.files["s3", DISK.key]
    run.targets[0].objects.clear()
    run.targets[0].begin_upload(DISK.key, metadata=WHO)
    upload = run.journal.uploads["s3", DISK.key] = run.targets[0].begin_upload(DISK.key, metadata=WHO)
    body = bytearray(CONTENT[DISK.path][:PART])
    etag = run.targets[0].put_part(upload, 1, body, crc64=crc64(body))
    assert run.journal.recorded["s3", DISK.key][1].etag == etag
    run.share.files[DISK.path] = b"x" * DISK.size
    with pytest.raises(IntegrityError, match=r"changed while it was sent"):
        run.send()


def test_a_file_of_another_size_than_listed_is_told() -> None:
    run = Run()
    run.share.files[DISK.path] += b"more"
    with pytest.raises(IntegrityError, match=r"5127 bytes.*5123"):
        run.send()
    assert run.share.open_readers == 0


def test_a_file_that_is_gone_ends_it() -> None:
    run = Run()
    del run.share.files[FILES[2].path]
    with pytest.raises(MissingError):
        run.send()
    assert run.share.open_readers == 0


@pytest.mark.parametrize("moments", range(12))
def test_stop_begins_nothing_new(moments: int) -> None:
    run = Run()
    asked = 0
    after: list[str] = []

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked > moments:
            run.watch(after.append)
            raise Stopped

    run.threads = 1
    run.check = check
    with pytest.raises(Stopped):
        run.send()
    assert not [call for call in after if call.split(".")[0] in ("s3", "share")]
    assert run.share.open_readers == 0


def test_stop_ends_all_threads_and_can_be_gone_on_from() -> None:
    run = Run(MemoryStore("s3"), MemoryStore("other"))
    run.check = lambda: _stop_if(len(run.journal.recorded.get(("s3", DISK.key), {})) >= 2)
    with pytest.raises(Stopped):
        run.send()
    run.check = lambda: None
    run.send()
    for target in run.targets:
        expected(target)


def _stop_if(true: bool) -> None:
    if true:
        raise Stopped


def test_stop_inside_a_targets_call_is_not_the_targets_failure() -> None:
    run = Run(MemoryStore("s3"), MemoryStore("other"))
    run.targets[0].watch = lambda call: _stop_if(call == "s3.put_part")
    with pytest.raises(Stopped):
        run.send()


@pytest.mark.parametrize("call", ["put", "begin_upload", "put_part", "complete_upload"])
@pytest.mark.parametrize("error", [TransientError("busy"), PermanentError("no room"), IntegrityError("BadDigest")])
def test_a_target_that_fails_is_given_up_while_the_others_go_on(call: str, error: CloudyError) -> None:
    good, bad = MemoryStore("good"), MemoryStore("bad")

    def fail(told: str) -> None:
        if told == f"bad.{call}":
            raise error

    bad.watch = fail
    run = Run(bad, good)
    sent = run.send()
    assert dict(sent.failed) == {"bad": error}
    assert set(sent.stored) == {"good"}
    expected(good)
    assert run.moved[-1].done == run.moved[-1].total == sum(file.size for file in FILES)
    bad.watch = unwatched
    assert run.send().failed == {}
    expected(bad)


def test_nothing_is_read_for_a_target_that_was_given_up() -> None:
    run = Run(MemoryStore("bad"), MemoryStore("good"), threads=1)

    def fail(told: str) -> None:
        if told == "bad.put_part":
            raise PermanentError("no room")

    run.watch(fail)
    run.send()
    run.share.reads.clear()
    run.send()
    assert {path for path, _, _ in run.share.reads} == {DISK.path}  # to see which parts are the same


def test_an_error_in_one_thread_ends_the_others() -> None:
    many = [SourceFile(path=f"{TID}/{n}", name=f"{n}", key=f"{TID}/{n}", size=1) for n in range(3000)]
    run = Run(threads=2)
    run.share.files = {file.path: b"x" for file in many[1:]}  # the first is gone
    failed = threading.Event()

    def wait(told: str) -> None:
        if told == "share.open" and not failed.is_set():
            failed.set()
        if told == "s3.put":
            failed.wait(60)

    run.watch(wait)
    with pytest.raises(MissingError):
        run.send(many)
    assert len(run.targets[0].objects) < len(many) - 1


def test_a_target_that_takes_no_object_of_that_size_is_given_up() -> None:
    small = MemoryStore("small", limits=PartLimits(smallest=1, largest_object=2000))
    run = Run(small, MemoryStore("good"))
    sent = run.send()
    assert isinstance(sent.failed["small"], OperatorError)
    expected(run.targets[1])
    assert small.objects == {}


def test_when_all_targets_fail_the_first_error_is_raised() -> None:
    run = Run(MemoryStore("s3"), MemoryStore("other"), threads=1)

    def fail(told: str) -> None:
        if told.endswith("begin_upload"):
            raise PermanentError(f"{told} refused")

    run.watch(fail)
    with pytest.raises(PermanentError, match=r"s3\.begin_upload refused"):
        run.send()


def test_an_error_of_the_journal_is_nobodys_failure_but_ends_it() -> None:
    run = Run(MemoryStore("s3"), MemoryStore("other"))

    def fail(told: str) -> None:
        if told == "journal.record":
            raise OperatorError("the database is busy")

    run.journal.watch = fail
    with pytest.raises(OperatorError, match="busy"):
        run.send()


@pytest.mark.parametrize("checks_crc", [True, False])
def test_verify_asks_the_store_anew(checks_crc: bool) -> None:
    store = MemoryStore("s3", checks_crc=checks_crc)
    run = Run(store)
    for file in run.send().stored["s3"]:
        verify(store, file, lambda: None)
    calls: list[str] = []
    store.watch = calls.append
    disk = run.journal.files["s3", DISK.key]
    verify(store, disk, lambda: None)
    assert ("s3.get" in calls) is not checks_crc
    flipped = bytearray(store.objects[DISK.key])
    flipped[2500] ^= 1
    store.objects[DISK.key] = bytes(flipped)
    with pytest.raises(IntegrityError, match=f"{crc64(flipped):016x}.*{disk.crc64:016x}"):
        verify(store, disk, lambda: None)


def test_verify_can_be_stopped() -> None:
    run = Run()
    (file, *_) = run.send().stored["s3"]
    with pytest.raises(Stopped):
        verify(run.targets[0], file, lambda: _stop_if(True))


class Poor(MemoryStore):
    """A store that copies no parts."""

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), copies_parts=False)


def even(parts: int) -> tuple[SourceFile, dict[str, bytes]]:
    """A file of so many whole parts: the last one is decided before the file is known to have ended."""
    content = random.Random(parts).randbytes(parts * PART)
    path = f"{TID}/vm01/even.vmdk"
    return SourceFile(path=path, name="vm01/even.vmdk", key=f"{TID}/tintri/{path}", size=len(content)), {path: content}


def test_a_file_of_whole_parts_is_made_also_when_they_are_there_before_its_end_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, content = even(4)
    end = Lane.end

    def late(lane: Lane) -> list[Errand]:
        until(lambda: len(lane._object._done) == 4, "all parts are there")
        return end(lane)

    monkeypatch.setattr(Lane, "end", late)
    run = Run(Poor("s3"))
    run.share.files.update(content)
    [stored] = run.send([file]).stored["s3"]
    assert run.targets[0].objects[stored.key] == content[file.path]
    assert run.targets[0].uploads == {}


def test_a_file_whose_parts_are_all_there_already_is_made() -> None:
    file, content = even(4)
    for _ in range(30):
        run = Run(Poor("s3"))
        run.share.files.update(content)

        def die(told: str) -> None:
            if told == "s3.complete_upload":
                raise Crash(told)

        run.watch(die)
        with pytest.raises(Crash):
            run.send([file])
        run.watch(unwatched)
        [stored] = run.send([file]).stored["s3"]
        assert run.targets[0].objects[stored.key] == content[file.path]


class Forgetful:
    """A plan that leaves the end of the file out."""

    def __init__(self, right: plan.Cutter) -> None:
        self._right = right

    def __getattr__(self, name: str) -> object:
        return getattr(self._right, name)

    def finish(self) -> Sequence[Part | Segment]:
        return self._right.finish()[:-1]


def test_parts_that_are_not_the_file_make_no_object(monkeypatch: pytest.MonkeyPatch) -> None:
    cutter = plan.cutter
    monkeypatch.setattr(plan, "cutter", lambda size, rules: Forgetful(cutter(size, rules)))
    run = Run()
    with pytest.raises(IntegrityError, match=r"5000 bytes .* 5123 with .*: a fault of Cloudy's"):
        run.send()
    assert DISK.key not in run.targets[0].objects


def test_what_was_not_made_though_nothing_failed_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lane, "carry_out", lambda *_: [])
    with pytest.raises(IntegrityError, match="fault of Cloudy's"):
        Run().send()


class Unprobed(MemoryStore):
    """Out of reach when it is probed."""

    def capabilities(self) -> Capabilities:
        raise TransientError("nobody answers", system=self.name, operation="probe")


def test_a_target_that_cannot_be_probed_keeps_the_others_from_nothing() -> None:
    run = Run(Unprobed("bad"), MemoryStore("good"))
    sent = run.send()
    assert set(sent.failed) == {"bad"}
    expected(run.targets[1])


def test_a_stop_while_there_is_no_memory_leaves_no_file_open() -> None:
    arena, run = Arena(1, window=PART), Run()
    held = arena.lease(lambda: None, 1)
    asked = threading.Event()

    def check() -> None:
        if asked.is_set():
            raise Stopped

    run.check = check
    threading.Timer(0.1, asked.set).start()
    with pytest.raises(Stopped):
        run.send(settings=replace(run.settings(), arena=arena))
    held.close()
    assert run.share.open_readers == 0
    assert not arena._leases
