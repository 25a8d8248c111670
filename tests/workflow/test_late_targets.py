"""A target that does not answer at the start keeps the others waiting for a moment only, and gets its files later."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from bot import lane, starts
from bot.comparison import Comparison
from bot.errors import IntegrityError, PermanentError, Stopped, TransientError
from bot.model import SourceFile
from tests.memory import Crash, CrashAt, MemoryStore, Watch, unwatched
from tests.unit.test_comparison import candidate
from tests.workflow.test_transfer import CONTENT, DISK, FILES, GRAIN, Run, expected, no_thread_is_left

__all__ = ["no_thread_is_left"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "PATIENCE_S", 0.0)


class Late:
    """Holds the first call of a kind until it is let go."""

    def __init__(self, *calls: str) -> None:
        self.calls = calls
        self.go = threading.Event()

    def __call__(self, told: str) -> None:
        if told in self.calls:
            assert self.go.wait(60)


def arrived(store: MemoryStore, files: Sequence[SourceFile] = FILES) -> None:
    """The files are there, and what Cloudy keeps beside them."""
    assert all(store.objects[file.key] == CONTENT[file.path] for file in files)


def done_with(store: MemoryStore, then: Callable[[], None]) -> Watch:
    """Calls once the store has everything."""

    def watch(_told: str) -> None:
        if len(store.objects) == len(FILES):
            then()

    return watch


def test_the_others_go_on_and_it_is_served_when_it_answers() -> None:
    good, late = MemoryStore("good"), MemoryStore("late")
    run, wait = Run(good, late), Late("late.begin_upload")
    late.watch = wait
    good.watch = run.journal.watch = done_with(good, wait.go.set)
    sent = run.send()
    assert sent.failed == {}
    expected(good)
    expected(late)
    total = sum(file.size for file in FILES)
    assert run.moved[-1].done == run.moved[-1].total == 2 * total


def test_one_that_is_dead_costs_the_others_nothing() -> None:
    good, dead = MemoryStore("good"), MemoryStore("dead")
    run, wait = Run(good, dead), Late("dead.begin_upload")

    def watch(told: str) -> None:
        wait(told)
        if told == "dead.begin_upload":
            raise TransientError("nobody answers", system="dead")

    dead.watch = watch
    good.watch = run.journal.watch = done_with(good, wait.go.set)
    sent = run.send()
    assert set(sent.failed) == {"dead"}
    expected(good)


def test_each_byte_is_read_once_more_for_the_late_one_at_most() -> None:
    good, late = MemoryStore("good"), MemoryStore("late")
    run, wait = Run(good, late), Late("late.begin_upload")
    late.watch = wait
    good.watch = run.journal.watch = done_with(good, wait.go.set)
    run.send()
    read = sum(length for _, _, length in run.share.reads)
    assert read <= 2 * sum(file.size for file in FILES)
    assert run.share.open_readers == 0


def test_stop_is_heard_while_it_does_not_answer() -> None:
    good, late = MemoryStore("good"), MemoryStore("late")
    run, wait = Run(good, late), Late("late.begin_upload")
    late.watch = wait

    def check() -> None:
        if len(good.objects) == len(FILES):
            wait.go.set()
            raise Stopped

    run.check = check
    with pytest.raises(Stopped):
        run.send()


def test_what_it_is_compared_with_is_read_of_all_targets_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "PATIENCE_S", 60.0)
    monkeypatch.setattr(lane, "_WORTH_DIGESTS", 1)
    meeting, run, met = threading.Barrier(3, timeout=60), Run(*(MemoryStore(name) for name in "abc")), list[str]()

    def compare(target: object, file: SourceFile, avoided: frozenset[str]) -> object:
        meeting.wait()
        met.append(file.key)
        return settings.compare(target, file, avoided)  # type: ignore[arg-type]

    settings = run.settings()
    run.send(settings=replace(settings, compare=compare))  # type: ignore[arg-type]
    assert Counter(met) == dict.fromkeys([file.key for file in FILES if file.size], 3)
    for target in run.targets:
        arrived(target)


def test_what_a_file_is_compared_with_is_read_when_its_turn_comes_and_dropped_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lane, "_WORTH_DIGESTS", 1)
    run, told, given = Run(MemoryStore("s3")), list[str](), list[Comparison]()

    def compare(_target: object, file: SourceFile, _avoided: frozenset[str]) -> Comparison:
        told.append(f"compare {file.path}")
        assert not any(each._aligned for each in given)
        given.append(Comparison([candidate(b"other" * file.size, grain=GRAIN)]))
        return given[-1]

    run.share.watch = told.append
    compared = [file for file in FILES if file.size]
    run.send(compared, replace(run.settings(), compare=compare))
    arrived(run.targets[0], compared)
    turns = [each for each in told if each.startswith("compare") or each == "share.open"]
    assert turns == [each for file in compared for each in (f"compare {file.path}", "share.open")]


def test_a_crash_at_any_moment_is_gone_on_from() -> None:
    for nth in range(0, 200, 7):
        run = Run(MemoryStore("s3"), MemoryStore("other"), threads=2)
        run.watch(CrashAt(nth))
        with suppress(Crash):
            run.send()
        run.watch(unwatched)
        assert run.send().failed == {}
        for target in run.targets:
            expected(target)
        assert run.journal.promised == set()


def test_a_target_that_fails_late_is_given_up_alone() -> None:
    good, late = MemoryStore("good"), MemoryStore("late")
    run, wait = Run(good, late), Late("late.begin_upload")

    def watch(told: str) -> None:
        wait(told)
        if told == "late.complete_upload":
            raise PermanentError("no room", system="late")

    late.watch = watch
    good.watch = run.journal.watch = done_with(good, wait.go.set)
    assert set(run.send().failed) == {"late"}
    assert {file.key: CONTENT[file.path] for file in FILES} == good.objects


def test_a_late_target_that_got_other_bytes_than_the_others_is_told() -> None:
    """The clone changes between the two reads, and keeps its length."""
    good, late = MemoryStore("good"), MemoryStore("late")
    run, wait = Run(good, late), Late("late.begin_upload")
    late.watch = wait

    def change() -> None:
        run.share.files[DISK.path] = flipped(CONTENT[DISK.path])
        wait.go.set()

    good.watch = run.journal.watch = done_with(good, change)
    with pytest.raises(IntegrityError, match=r"flat\.vmdk changed while it was sent"):
        run.send()
    assert DISK.key not in late.objects


def test_a_target_that_gets_its_files_after_a_restart_gets_what_the_others_have() -> None:
    good, other = MemoryStore("good"), MemoryStore("other")
    run = Run(good, other)

    def fail(told: str) -> None:
        if told == "other.begin_upload":
            raise TransientError("nobody answers", system="other")

    other.watch = fail
    assert set(run.send().failed) == {"other"}
    other.watch = unwatched
    run.share.files[DISK.path] = flipped(CONTENT[DISK.path])
    with pytest.raises(IntegrityError, match="changed while it was sent"):
        run.send()
    assert DISK.key not in other.objects


def test_a_small_file_that_changes_between_two_targets_is_told() -> None:
    good, other = MemoryStore("good"), MemoryStore("other")
    run = Run(good, other)

    def fail(told: str) -> None:
        if told == "other.put":
            raise TransientError("nobody answers", system="other")

    other.watch = fail
    assert set(run.send().failed) == {"other"}
    other.watch = unwatched
    run.share.files[FILES[1].path] = flipped(CONTENT[FILES[1].path])
    with pytest.raises(IntegrityError, match="changed while it was sent"):
        run.send()


def flipped(body: bytes) -> bytes:
    return bytes([body[0] ^ 1]) + body[1:]
