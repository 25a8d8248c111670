"""Files that have more parts than an object may have go through temporary objects, and nothing of them stays."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from bot import transfer, zeros
from bot.arena import Arena
from bot.checksum import crc64
from bot.errors import CloudyError, DeniedError, IntegrityError, MissingError, TransientError
from bot.lane import Lane
from bot.meter import Meter
from bot.model import (
    Bytes,
    Capabilities,
    Carried,
    CopySource,
    Part,
    PartCopied,
    PartLimits,
    PartSource,
    SourceFile,
    Upload,
)
from bot.senders import Senders
from bot.transfer import Sent, TransferSettings, send
from bot.undoing import abort, erase
from tests.memory import Crash, CrashAt, MemoryJournal, MemoryShare, MemoryStore, Watch, unwatched

TID = "20261123T142233Z-7f3k9q"
PATH = f"{TID}/vm01/vm01-flat.vmdk"
GRAIN, PART = 100, 200
LIMITS = PartLimits(smallest=100, largest=700, most=8, largest_object=5600, smallest_source=101, copy_wanted=200)
CONTENT = random.Random(1).randbytes(2000) + bytes(900) + random.Random(2).randbytes(2150)
TEMPORARY = ".cloudy/segment/"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "LOOK_AHEAD", 500)
    monkeypatch.setattr(zeros, "SIZES", (1000, 4000, 16000))


class Run:
    """One disk that needs segments, sent as often as a test wants."""

    def __init__(self, store: MemoryStore | None = None, content: bytes = CONTENT, threads: int = 3) -> None:
        self.store = store or MemoryStore("s3", limits=LIMITS)
        self.content = content
        self.file = SourceFile(path=PATH, name="vm01/vm01-flat.vmdk", key=f"{TID}/tintri/{PATH}", size=len(content))
        self.share = MemoryShare({PATH: content})
        self.journal = MemoryJournal()
        self.threads = threads

    def send(self) -> Sent:
        settings = TransferSettings(threads=self.threads, grain=GRAIN, part_bytes=PART, arena=Arena(40, window=PART))
        return send(
            [self.file],
            share=self.share,
            targets=[self.store],
            journal=self.journal,
            settings=settings,
            check=lambda: None,
            on_progress=lambda _: None,
        )

    def watch(self, watch: Watch) -> None:
        self.store.watch = self.journal.watch = self.share.watch = watch

    def clean_up(self) -> None:
        """What the step of that name does with what the journal had promised."""
        for _, key in sorted(self.journal.promised):
            abort(self.store, key)
        for _, key in sorted(self.journal.objects):
            erase(self.store, key)

    def is_right(self) -> None:
        assert self.store.objects[self.file.key] == self.content
        assert not self.store.uploads
        assert not [key for key in self.store.objects if key.startswith(TEMPORARY)]

    def joined(self) -> list[str]:
        """Temporary objects that became a part, as often as they did."""
        return [source.key for _, _, source in self.store.copied if source.key.startswith(TEMPORARY)]


def test_a_disk_of_too_many_parts_arrives_through_temporary_objects_and_none_stays() -> None:
    run = Run()
    sent = run.send()
    run.is_right()
    assert sent.stored["s3"][0].crc64 == crc64(CONTENT)
    assert not run.journal.promised
    assert not run.journal.objects
    joined = run.joined()
    assert len(joined) == len(set(joined)) > 4
    assert joined[0].startswith(f"{TEMPORARY}{TID}/0/")
    each = Carried(sent=len(CONTENT) - sent.moved.zero, zero=sent.moved.zero)
    assert sent.moved == Bytes(read=len(CONTENT), sent=each.sent, zero=each.zero, targets={"s3": each})


def test_what_is_to_be_removed_is_promised_before_it_is_made() -> None:
    run, told = Run(), list[tuple[str, frozenset[str]]]()

    def watch(call: str) -> None:
        if call == "s3.begin_upload":
            told.append((call, frozenset(key for _, key in run.journal.objects)))

    run.watch(watch)
    run.send()
    promised = [keys for _, keys in told]
    assert len(promised) > 4
    assert all(len(keys) >= 1 for keys in promised[1:])


def count_of_calls() -> int:
    run, watch = Run(threads=1), CrashAt(100_000)
    run.watch(watch)
    run.send()
    return len(watch.told)


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_crash_at_any_moment_is_gone_on_from_and_nothing_recorded_is_made_again(threads: int, every: int) -> None:
    calls = count_of_calls()
    assert calls > 150
    for nth in range(threads, calls, every):
        run = Run(threads=threads)
        run.watch(CrashAt(nth))
        with pytest.raises(Crash):
            run.send()
        run.watch(unwatched)
        known = run.journal.promised | run.journal.objects
        assert {key for key, _ in run.store.uploads.values()} <= {key for _, key in known}, f"crash at {nth}"
        left = {key for key in run.store.objects if key.startswith(TEMPORARY)}
        assert left <= {key for _, key in run.journal.objects}, f"crash at {nth}"
        recorded = {(key, number) for (_, key), parts in run.journal.recorded.items() for number in parts}
        run.store.sent.clear()
        run.store.copied.clear()
        run.send()
        again = {*run.store.sent, *((key, number) for key, number, _ in run.store.copied)}
        assert not again & recorded, f"crash at {nth}"
        run.clean_up()
        run.is_right()


def test_what_a_crash_left_is_removed_by_the_clean_up() -> None:
    for nth in range(0, count_of_calls(), 3):
        run = Run()
        run.watch(CrashAt(nth))
        with pytest.raises(Crash):
            run.send()
        run.watch(unwatched)
        run.clean_up()
        assert not run.store.uploads
        assert not [key for key in run.store.objects if key.startswith(TEMPORARY)]


def test_a_segment_that_was_made_and_not_yet_copied_is_not_made_again() -> None:
    run = Run(threads=1)
    told = Counter[str]()

    def watch(call: str) -> None:
        told[call] += 1
        if call == "s3.complete_upload done" and told[call] == 2:
            raise Crash(call)

    run.watch(watch)
    with pytest.raises(Crash):
        run.send()
    made = [key for key in run.store.objects if key.startswith(TEMPORARY)]
    run.watch(unwatched)
    assert made
    run.store.sent.clear()
    run.send()
    assert not {key for key, _ in run.store.sent} & set(made)
    run.clean_up()
    run.is_right()


def test_a_thread_that_asks_whether_a_segment_is_whole_may_come_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held between the last part that it brought and the question; meanwhile the segment is joined and removed."""
    run, joined, held = Run(threads=3), threading.Event(), list[Part]()
    arrived, removed = Meter.arrived, run.journal.removed

    def slow(meter: Meter, target: str, part: Part) -> None:
        arrived(meter, target, part)
        if part.segment == 1 and part.number == 1 and not held:
            held.append(part)
            assert joined.wait(60)

    def remove(target: str, key: str) -> None:
        removed(target, key)
        if key.endswith("/1"):
            joined.set()

    monkeypatch.setattr(Meter, "arrived", slow)
    monkeypatch.setattr(run.journal, "removed", remove)
    assert run.send().lost == ()
    assert held
    run.is_right()


class Refusing(MemoryStore):
    """Makes no part of a temporary object."""

    wrong: Callable[[bytes], bytes] | None = None
    refuses = 1 << 30  # so often

    def copy_part(self, upload: Upload, number: int, source: CopySource, *, crc64: int) -> PartCopied:
        if source.key.startswith(TEMPORARY) and self.refuses:
            self.refuses -= 1
            if self.wrong is None:
                raise DeniedError("the key may not be used to read")
            self.copying = self.wrong
        try:
            return super().copy_part(upload, number, source, crc64=crc64)
        finally:
            self.copying = bytes


def flipped(body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1])


@pytest.mark.parametrize("wrong", [None, flipped])
def test_a_segment_that_cannot_become_a_part_is_sent_once_more(wrong: Callable[[bytes], bytes] | None) -> None:
    store = Refusing("s3", limits=LIMITS)
    store.refuses, store.wrong = 1, wrong
    run = Run(store)
    sent = run.send()
    assert sent.lost
    assert sent.moved.sent > len(CONTENT) - 900  # all but the zeros, and what the first turn had sent
    run.clean_up()
    run.is_right()


@pytest.mark.parametrize("wrong", [None, flipped])
def test_a_segment_that_is_lost_once_costs_no_zeros(wrong: Callable[[bytes], bytes] | None) -> None:
    """What it is compared with stays as it was: only what lies there is begun anew."""
    store = Refusing("s3", limits=replace(LIMITS, most=110, largest_object=77_000))
    store.refuses, store.wrong = 1, wrong
    data = [random.Random(number).randbytes(100) for number in range(60)]
    run = Run(store, content=b"".join(each + bytes(900) for each in data))
    sent = run.send()
    run.clean_up()
    run.is_right()
    [told] = sent.lost
    assert TEMPORARY in told
    assert "so is what it belongs to" not in told
    assert sent.moved.sent < 2 * 60 * 100 + 500
    assert {key.split("/")[3] for key in run.joined()} == {"0-1"} | ({"0"} if wrong else set())


def test_where_the_store_copies_slowly_few_temporary_objects_stand_at_once() -> None:
    """Nothing is copied as long as the share is read; when the reader waits for that, copies go on."""
    store = MemoryStore("s3", limits=replace(LIMITS, most=110, largest_object=77_000))
    content = b"".join(random.Random(number).randbytes(100) + bytes(300) for number in range(150))
    run, waits, most = Run(store, content=content), threading.Event(), 0

    def watch(call: str) -> None:
        nonlocal most
        if call == "s3.copy_part":
            assert waits.wait(60)
        opened = {key for key, _ in list(store.uploads.values()) if key.startswith(TEMPORARY)}
        most = max(most, len(opened | {key for key in list(store.objects) if key.startswith(TEMPORARY)}))

    store.watch = watch
    keep_pace = Senders.keep_pace

    def waiting(senders: Senders, lanes: Sequence[Lane], check: Callable[[], None]) -> None:
        def told() -> None:
            waits.set()
            check()

        keep_pace(senders, lanes, told)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Senders, "keep_pace", waiting)
        run.send()
    store.watch = unwatched
    run.is_right()
    assert len(run.joined()) > 60
    assert most < 40


@pytest.mark.parametrize(("wrong", "error"), [(None, DeniedError), (flipped, IntegrityError)])
def test_a_store_that_never_makes_a_part_of_a_segment_fails_with_its_own_words(
    wrong: Callable[[bytes], bytes] | None, error: type[CloudyError]
) -> None:
    store = Refusing("s3", limits=LIMITS)
    store.wrong = wrong
    run = Run(store)
    with pytest.raises(error):
        run.send()
    run.clean_up()
    assert run.file.key not in store.objects
    assert not [key for key in store.objects if key.startswith(TEMPORARY)]
    assert not store.uploads


def test_what_cannot_be_removed_at_once_is_left_to_the_clean_up() -> None:
    run = Run()

    def watch(call: str) -> None:
        if call == "s3.delete":
            raise TransientError("busy")

    run.store.watch = watch
    run.send()
    assert run.journal.objects
    run.store.watch = unwatched
    run.clean_up()
    run.is_right()


def test_a_temporary_object_that_somebody_removed_is_made_again() -> None:
    run = Run()
    removed: list[str] = []

    def watch(call: str) -> None:
        if call == "s3.complete_upload done" and not removed:
            removed.extend(key for key in list(run.store.objects) if key.startswith(TEMPORARY))
            for key in removed:
                del run.store.objects[key]

    run.store.watch = watch
    sent = run.send()
    assert removed
    assert sent.lost
    run.clean_up()
    run.is_right()


def test_a_full_sending_goes_into_a_fresh_upload_and_forgets_the_parts_of_the_one_before() -> None:
    store = Refusing("s3", limits=LIMITS)
    store.refuses = 1
    run = Run(store, threads=1)
    uploads: list[str] = []
    begin = store.begin_upload

    def begun(key: str, **more: object) -> Upload:
        upload = begin(key, metadata={})
        uploads.extend([upload.upload_id] if key == run.file.key else [])
        return upload

    store.begin_upload = begun  # type: ignore[method-assign]
    run.send()
    assert len(uploads) == len(set(uploads)) == 2
    parts = run.journal.recorded["s3", run.file.key]
    assert sorted(parts) == list(range(1, len(parts) + 1))
    assert sum(part.length for part in parts.values()) == len(CONTENT)
    run.clean_up()
    run.is_right()


class LocksAll(MemoryStore):
    """Whatever is written there is locked."""

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), locks_all=True)


def test_nothing_temporary_is_made_where_it_could_not_be_removed() -> None:
    store = LocksAll("s3", limits=LIMITS)
    run = Run(store)
    run.send()
    run.is_right()
    assert not run.joined()


def test_an_upload_that_was_begun_just_before_a_crash_does_not_outlive_a_file_that_is_put_at_once() -> None:
    store = MemoryStore("s3", limits=replace(LIMITS, smallest=10))
    run = Run(store, content=b"x" * 150)
    run.journal.opening("s3", run.file.key, store.url)
    store.begin_upload(run.file.key, metadata={})  # and dies before it has told the id
    run.send()
    run.is_right()


def test_a_segment_whose_plan_is_another_after_a_crash_is_sent_anew() -> None:
    """The store says that it has a part where now a segment of another length would go."""
    run = Run(threads=1)
    told = Counter[str]()

    def watch(call: str) -> None:
        told[call] += 1
        if call == "s3.complete_upload done" and told[call] == 3:
            raise Crash(call)

    run.watch(watch)
    with pytest.raises(Crash):
        run.send()
    run.watch(unwatched)
    parts = run.journal.recorded["s3", run.file.key]
    number = max(number for number, part in parts.items() if part.source is PartSource.SEGMENT)
    parts[number] = replace(parts[number], length=parts[number].length - 1)
    _, there = run.store.uploads[run.journal.uploads["s3", run.file.key].upload_id]
    there[number] = there[number][:-1]
    parts[number] = replace(parts[number], etag=f"{crc64(there[number]):016x}")
    sent = run.send()
    assert sent.lost
    run.clean_up()
    run.is_right()


def test_a_share_that_fails_in_the_middle_leaves_only_what_is_promised() -> None:
    run = Run()
    told = Counter[str]()

    def watch(call: str) -> None:
        told[call] += 1
        if call == "share.read_into" and told[call] == 20:
            raise MissingError("the clone is gone")

    run.share.watch = watch
    with pytest.raises(MissingError):
        run.send()
    run.clean_up()
    assert not run.store.uploads
    assert not [key for key in run.store.objects if key.startswith(TEMPORARY)]
