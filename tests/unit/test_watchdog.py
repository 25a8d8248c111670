"""A share that hangs ends in time, hears Stop at once, and what comes too late harms nothing."""

import threading
from collections.abc import Callable, Iterator

import pytest

from bot import watchdog
from bot.errors import IntegrityError, Stopped, TransientError
from bot.ports import Reader
from bot.retry import retrying
from bot.watchdog import Watchdog
from tests.e2e.waiting import answered, until
from tests.memory import MemoryReader, MemoryShare


class Frozen(MemoryShare):
    """Hangs in reads and listings until it thaws."""

    timeout_s = 0.05

    def __init__(self) -> None:
        super().__init__({"vm01/a": b"abcdef"})
        self.thaw = threading.Event()
        self.frozen = True
        self.ended = threading.Semaphore(0)

    def hang(self) -> None:
        if self.frozen:
            self.thaw.wait()

    def exists(self, path: str) -> bool:
        self.hang()
        return super().exists(path)

    def open(self, path: str) -> Reader:
        self.hang()
        reader = _Hanging(self, path)
        self.ended.release()
        return reader


class _Hanging(MemoryReader):
    def __init__(self, share: Frozen, path: str) -> None:
        super().__init__(share, path)
        self.of = share

    def read_into(self, offset: int, buffer: memoryview) -> None:
        self.of.hang()
        super().read_into(offset, buffer)
        self.of.ended.release()


@pytest.fixture
def share() -> Iterator[Frozen]:
    made = Frozen()
    yield made
    made.thaw.set()


def go_on() -> None:
    """Nobody asked for Stop."""


def opened(share: Frozen, check: Callable[[], None] = go_on) -> Reader:
    """A file that was opened in time, however busy the machine is; what comes after has the share's own time-out."""
    share.frozen = False
    watched = Watchdog().watch(share, check)
    return answered(lambda: watched.open("vm01/a"))


def test_a_call_that_hangs_is_given_up_in_time_and_says_where(share: Frozen) -> None:
    with pytest.raises(TransientError, match=r"did not look for /tintri/vm01 within 0.05 s: the mount hangs"):
        Watchdog().watch(share, go_on).exists("vm01")


def test_a_stop_is_heard_while_a_call_hangs(share: Frozen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOOK_S", 0.01)
    share.timeout_s = 600.0

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        Watchdog().watch(share, stop).exists("vm01")


def test_what_is_read_too_late_is_written_nowhere(share: Frozen) -> None:
    reader = opened(share)
    assert share.ended.acquire(timeout=60)
    share.frozen = True
    body = bytearray(b"------")
    with pytest.raises(TransientError):
        reader.read_into(0, memoryview(body))
    share.thaw.set()
    assert share.ended.acquire(timeout=60)
    assert body == b"------"


def test_a_file_that_is_opened_too_late_is_closed_again(share: Frozen) -> None:
    with pytest.raises(TransientError):
        Watchdog().watch(share, go_on).open("vm01/a")
    share.thaw.set()
    assert share.ended.acquire(timeout=60)
    until(lambda: share.open_readers == 0, "it is closed")


def test_more_calls_that_hang_than_there_are_threads_still_end_in_time(
    share: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "MOST", 2)
    before, watched = set(threading.enumerate()), Watchdog().watch(share, go_on)
    for _ in range(5):
        with pytest.raises(TransientError):
            watched.exists("vm01")
    assert len(set(threading.enumerate()) - before) <= 2
    share.thaw.set()
    share.timeout_s = 60.0
    assert Watchdog().watch(share, go_on).exists("vm01/a")


def test_a_share_that_answers_is_read_as_it_is(share: Frozen) -> None:
    share.frozen = False
    share.timeout_s = 60.0
    reader = Watchdog().watch(share, go_on).open("vm01/a")
    body = bytearray(3)
    for offset, expected in ((0, b"abc"), (3, b"def"), (1, b"bcd")):
        reader.read_into(offset, memoryview(body))
        assert body == expected
    with pytest.raises(IntegrityError):
        reader.read_into(5, memoryview(body))
    reader.close()
    assert share.open_readers == 0


def test_calls_one_after_the_other_need_one_thread(share: Frozen) -> None:
    share.frozen = False
    share.timeout_s = 60.0
    before, watched = set(threading.enumerate()), Watchdog().watch(share, go_on)
    for _ in range(500):
        watched.exists("vm01/a")
    assert len(set(threading.enumerate()) - before) == 1


def test_a_thread_that_nobody_needs_ends_and_the_next_call_gets_another(
    share: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "IDLE_S", 0.01)
    share.frozen = False
    share.timeout_s = 60.0
    before, watched = set(threading.enumerate()), Watchdog().watch(share, go_on)
    for _ in range(200):  # also just when one is about to end
        assert watched.exists("vm01/a")
        threading.Event().wait(0.01)
    until(lambda: not set(threading.enumerate()) - before, "the threads ended")
    assert watched.exists("vm01/a")


def test_no_more_memory_is_kept_than_one_piece() -> None:
    dog = Watchdog()
    for length in range(1, 6):
        dog.spare(bytearray(length))
    kept = dog.memory(5)
    dog.spare(kept)
    assert dog.memory(5) is kept
    last = [dog.memory(length) for length in range(1, 6)]
    for body in last:
        dog.spare(body)
    assert not any(dog.memory(length) is body for length, body in enumerate(last[:-1], 1))


def sum_of(piece: memoryview) -> int:
    return sum(piece)


def test_steps_are_read_in_one_call_of_a_thread_into_the_buffer_itself(share: Frozen) -> None:
    share.frozen, share.timeout_s, seen = False, 60.0, set[str]()
    reader, body, lost = Watchdog().watch(share, go_on).open("vm01/a"), bytearray(6), threading.Event()

    def look(piece: memoryview) -> bytes:
        seen.add(threading.current_thread().name)
        assert isinstance(piece.obj, bytearray)
        return bytes(piece)

    assert reader.read_steps(0, memoryview(body), 4, look, lost.set) == [b"abcd", b"ef"]
    assert body == b"abcdef"
    assert (len(seen), lost.is_set()) == (1, False)
    assert threading.current_thread().name not in seen


def test_a_step_that_hangs_is_given_up_in_time_and_its_memory_is_lost(share: Frozen) -> None:
    reader, lost = opened(share), threading.Event()
    share.frozen = True
    with pytest.raises(TransientError, match=r"did not read /tintri/vm01/a within 0.05 s: the mount hangs"):
        reader.read_steps(0, memoryview(bytearray(6)), 2, sum_of, lost.set)
    assert lost.is_set()


def test_a_read_of_steps_that_was_given_up_reads_no_further(share: Frozen) -> None:
    share.timeout_s = 0.5
    reader = opened(share)
    assert share.ended.acquire(timeout=60)
    share.frozen, body, looked = True, bytearray(b"------"), list[int]()

    def look(piece: memoryview) -> None:
        looked.append(len(piece))

    with pytest.raises(TransientError):
        reader.read_steps(0, memoryview(body), 2, look, lambda: None)
    share.thaw.set()
    assert share.ended.acquire(timeout=60)
    until(lambda: not share.ended.acquire(blocking=False), "it ended")
    assert body == b"ab----"
    assert looked == []


def test_steps_that_come_slowly_are_waited_for_however_long_all_take(share: Frozen) -> None:
    share.timeout_s, pause = 2.0, threading.Event()
    reader = opened(share)

    def look(piece: memoryview) -> bytes:
        pause.wait(0.4)
        return bytes(piece)

    assert len(reader.read_steps(0, memoryview(bytearray(6)), 1, look, lambda: None)) == 6


def test_a_stop_is_heard_in_the_middle_of_steps(share: Frozen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOOK_S", 0.01)
    share.frozen, share.timeout_s, asked, lost = False, 600.0, threading.Event(), threading.Event()

    def check() -> None:
        if asked.is_set():
            raise Stopped

    reader = Watchdog().watch(share, check).open("vm01/a")

    def look(_piece: memoryview) -> None:
        asked.set()
        share.thaw.wait()

    with pytest.raises(Stopped):
        reader.read_steps(0, memoryview(bytearray(6)), 2, look, lost.set)
    assert lost.is_set()


def test_a_retry_reads_into_the_same_memory_while_the_first_read_still_hangs(share: Frozen) -> None:
    share.frozen = False
    watched = retrying(Watchdog().watch(share, go_on), lambda _s: share.thaw.set())
    reader, body, lost = watched.open("vm01/a"), bytearray(6), threading.Event()
    share.frozen = True
    assert reader.read_steps(0, memoryview(body), 3, bytes, lost.set) == [b"abc", b"def"]
    assert lost.is_set()
