"""Writing to a share that hangs: given up in time, and what is written too late is what was to be written there."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bot import watchdog
from bot.errors import DeniedError, PermanentError, Stopped, TransientError
from bot.ports import Share, Writer
from bot.retry import Patience, retrying
from bot.watchdog import Watchdog
from tests.e2e.waiting import answered, until
from tests.memory import MemoryReader, MemoryShare, MemoryWriter


class Frozen(MemoryShare):
    """Hangs in everything that writes until it thaws."""

    timeout_s = 0.05

    def __init__(self) -> None:
        super().__init__({"vm01/a": b"abcdef"})
        self.thaw = threading.Event()
        self.ended = threading.Semaphore(0)

    def create(self, path: str, size: int) -> Writer:
        made = super().create(path, size)
        made.close()
        return _Hanging(self, path, size)

    def rename(self, path: str, new: str) -> None:
        self.thaw.wait()
        super().rename(path, new)

    def free(self) -> int | None:
        self.thaw.wait()
        return super().free()


class _Hanging(MemoryWriter):
    def __init__(self, share: Frozen, path: str, size: int) -> None:
        super().__init__(share, path, size)
        self.of = share

    def write_from(self, offset: int, buffer: memoryview) -> None:
        self.of.thaw.wait()
        super().write_from(offset, buffer)
        self.of.ended.release()

    def flush(self) -> None:
        self.of.thaw.wait()
        super().flush()


@pytest.fixture
def share() -> Iterator[Frozen]:
    made = Frozen()
    yield made
    made.thaw.set()


def go_on() -> None:
    """Nobody asked for Stop."""


def created(watched: Share, path: str, size: int) -> Writer:
    """A file that was made in time, however busy the machine is."""
    return answered(lambda: watched.create(path, size))


def test_each_call_that_writes_is_given_up_in_time(share: Frozen) -> None:
    watched = Watchdog().watch(share, go_on)
    writer = created(watched, "vm01/b", 3)
    for work in (
        lambda: writer.write_from(0, memoryview(b"abc")),
        writer.flush,
        lambda: watched.rename("vm01/a", "vm01/c"),
        watched.free,
    ):
        with pytest.raises(TransientError, match=r"did not (write|rename|measure) /tintri.* within 0.05 s"):
            work()


def test_what_is_written_too_late_is_right_though_the_caller_has_released_its_view(share: Frozen) -> None:
    writer = created(Watchdog().watch(share, go_on), "vm01/b", 3)
    with memoryview(bytearray(b"abc")) as view, pytest.raises(TransientError):
        writer.write_from(0, view)
    share.thaw.set()
    assert share.ended.acquire(timeout=60)
    assert share.files["vm01/b"] == b"abc"


def test_much_is_written_in_steps_and_nothing_more_once_it_is_given_up(
    share: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "WRITTEN", 4)
    writer = created(Watchdog().watch(share, go_on), "vm01/b", 10)
    with memoryview(bytearray(b"abcdefghij")) as view, pytest.raises(TransientError):
        writer.write_from(0, view)
    share.thaw.set()
    assert share.ended.acquire(timeout=60)
    assert not share.ended.acquire(timeout=0.1)
    assert share.files["vm01/b"][:5] == b"abcd\0"
    share.timeout_s = 60.0
    again = Watchdog().watch(share, go_on).create("vm01/c", 11)
    again.write_from(1, memoryview(b"abcdefghij"))
    assert share.files["vm01/c"] == b"\0abcdefghij"


def test_a_file_that_is_opened_too_late_for_writing_is_closed_again(share: Frozen) -> None:
    def late(path: str, size: int) -> Writer:
        share.thaw.wait()
        return _Hanging(share, path, size)

    share.create = late  # type: ignore[method-assign]
    with pytest.raises(TransientError):
        Watchdog().watch(share, go_on).create("vm01/a", 6)
    share.thaw.set()
    until(lambda: share.open_writers == 0, "the file is closed")


def test_a_file_that_hangs_when_it_is_closed_is_left_in_time_and_closed_when_it_goes_on(
    share: Frozen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hanging(close: Callable[[Any], None]) -> Callable[[Any], None]:
        def hang(opened: object) -> None:
            share.thaw.wait()
            close(opened)

        return hang

    for kind in (MemoryReader, MemoryWriter):
        monkeypatch.setattr(kind, "close", hanging(kind.close))
    watched = Watchdog().watch(share, go_on)
    monkeypatch.setattr(share, "create", lambda path, size: MemoryWriter(share, path, size))
    reader, writer = answered(lambda: watched.open("vm01/a")), created(watched, "vm01/a", 6)
    reader.close()
    writer.close()
    assert (share.open_readers, share.open_writers) == (1, 1)
    share.thaw.set()
    until(lambda: (share.open_readers, share.open_writers) == (0, 0), "the files are closed")


def test_a_stop_is_heard_while_closing_hangs(share: Frozen, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def stop() -> None:
        if asked.is_set():
            raise Stopped

    monkeypatch.setattr(MemoryReader, "close", lambda _: share.thaw.wait())
    monkeypatch.setattr(watchdog, "LOOK_S", 0.01)
    share.timeout_s = 60.0
    reader = Watchdog().watch(share, stop).open("vm01/a")
    asked.set()
    with pytest.raises(Stopped):
        reader.close()


def test_a_file_is_closed_however_many_calls_hang_before(share: Frozen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "MOST", 1)
    watched = Watchdog().watch(share, go_on)
    reader = answered(lambda: watched.open("vm01/a"))
    with pytest.raises(TransientError):
        watched.free()
    reader.close()
    assert share.open_readers == 1
    share.thaw.set()
    until(lambda: share.open_readers == 0, "the file is closed")


def test_a_writer_is_tried_again_like_a_share_is(share: Frozen) -> None:
    share.thaw.set()
    share.timeout_s = 60.0
    failures = [TransientError("busy"), TransientError("busy")]

    def fail(call: str) -> None:
        if call == "share.write_from" and failures:
            raise failures.pop()

    share.watch = fail
    tried = retrying(Watchdog().watch(share, go_on), lambda _seconds: None, Patience())
    writer = tried.create("vm01/b", 3)
    writer.write_from(0, memoryview(b"abc"))
    writer.flush()
    writer.close()
    assert share.files["vm01/b"] == b"abc"
    assert share.open_writers == 0


def test_the_share_in_memory_can_be_read_only_and_full() -> None:
    closed = MemoryShare({"a": b"x"}, writable=False)
    for work in (lambda: closed.create("b", 1), lambda: closed.rename("a", "b"), lambda: closed.make_directory("c")):
        with pytest.raises(DeniedError):
            work()
    small = MemoryShare({"a": b"x"})
    small.room = 4
    assert small.free() == 3
    writer = small.create("b", 10)
    with pytest.raises(PermanentError, match="no room"):
        writer.write_from(0, memoryview(b"b"))
