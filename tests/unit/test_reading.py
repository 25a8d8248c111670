"""One pass over a file: in order, once, within bounds, and nothing is left when it ends early."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.arena import Arena, Lease
from bot.errors import IntegrityError, Stopped, TransientError
from bot.grains import MIB, grain_of
from bot.model import SourceFile
from bot.reading import AHEAD, Window, pieces_of, windows
from tests.memory import MemoryReader, MemoryShare

T = TypeVar("T")
GRAIN, WINDOW = 256 << 10, MIB


def go_on() -> None:
    """Nobody asked for Stop."""


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


def leased(most: int) -> Lease:
    return Arena(most, WINDOW).lease(go_on, most)


def file_of(content: bytes) -> SourceFile:
    return SourceFile(path="vm/disk", name="disk", key="tx/vm/disk", size=len(content))


def content_of(size: int) -> bytes:
    return bytes(at % 251 for at in range(997)) * (size // 997 + 1)


def reader_of(content: bytes) -> MemoryReader:
    return MemoryReader(MemoryShare({"vm/disk": content}), "vm/disk")


@settings(max_examples=25, deadline=None)
@given(size=st.integers(0, 9 * WINDOW), room=st.integers(1, 6))
def test_every_byte_comes_once_in_order_with_its_grains(size: int, room: int) -> None:
    content, seen = content_of(size)[:size], bytearray()
    reader, lease = reader_of(content), leased(room)
    with ThreadPoolExecutor(3) as pool:
        for window in windows(reader, file_of(content), grains=[GRAIN], lease=lease, threads=pool, check=go_on):
            assert window.offset == len(seen)
            with window.bytes_of(window.offset, window.length) as view:
                seen += view
            pieces = [bytearray(content[at : at + GRAIN]) for at in range(window.offset, window.end, GRAIN)]
            assert window.grains == {GRAIN: [grain_of(memoryview(piece)) for piece in pieces]}
            window.release()
    assert seen == content
    assert sum(length for _, _, length in reader._share.reads) == size


def test_who_holds_a_window_keeps_its_bytes_and_the_arena_bounds_how_many_there_are(
    threads: ThreadPoolExecutor,
) -> None:
    content = content_of(8 * WINDOW)[: 8 * WINDOW]
    lease = leased(3)
    reading = windows(reader_of(content), file_of(content), grains=[GRAIN], lease=lease, threads=threads, check=go_on)
    first = next(reading)
    first.hold()
    first.release()
    for window in reading:
        with first.bytes_of(0, WINDOW) as view:
            assert view == content[:WINDOW]
        window.release()
    first.release()
    assert [lease.take_now() is not None for _ in range(4)] == [True, True, True, False]


def test_a_stretch_of_two_windows_is_found_in_both(threads: ThreadPoolExecutor) -> None:
    content = content_of(2 * WINDOW)[: 2 * WINDOW]
    lease = leased(2)
    both = list(
        windows(reader_of(content), file_of(content), grains=[GRAIN], lease=lease, threads=threads, check=go_on)
    )
    offset, length = WINDOW - 10, 30
    with pieces_of(both, offset, length) as pieces:
        assert len(pieces) == length
        assert bytes(pieces) == content[offset : offset + length]
        assert all(isinstance(piece.obj, bytearray) for piece in pieces)
    with pytest.raises(ValueError, match="released"):
        next(iter(pieces))[:1]


def test_a_stop_is_heard_while_there_is_no_room(threads: ThreadPoolExecutor) -> None:
    asked = threading.Event()

    def check() -> None:
        if asked.is_set():
            raise Stopped

    content = content_of(3 * WINDOW)[: 3 * WINDOW]
    reading = windows(
        reader_of(content), file_of(content), grains=[GRAIN], lease=leased(1), threads=threads, check=check
    )
    held: list[Window] = [next(reading)]
    threading.Timer(0.05, asked.set).start()
    with pytest.raises(Stopped):
        held.append(next(reading))


def test_an_end_before_the_end_leaves_nothing(threads: ThreadPoolExecutor) -> None:
    content = content_of(8 * WINDOW)[: 8 * WINDOW]
    lease = leased(AHEAD + 1)
    reading = windows(reader_of(content), file_of(content), grains=[GRAIN], lease=lease, threads=threads, check=go_on)
    next(reading).release()
    reading.close()
    assert [lease.take_now() is not None for _ in range(AHEAD + 2)] == [True] * (AHEAD + 1) + [False]


class Failing(MemoryReader):
    """Fails in the third MiB, and writes into the buffer later all the same."""

    def read_into(self, offset: int, buffer: memoryview) -> None:
        if offset >= 2 * MIB:
            raise TransientError("the mount hangs", system="share", operation="read")
        super().read_into(offset, buffer)


def test_a_buffer_of_a_failed_read_is_never_used_again(threads: ThreadPoolExecutor) -> None:
    content = content_of(4 * WINDOW)[: 4 * WINDOW]
    lease, seen = leased(2), []
    failing = Failing(MemoryShare({"vm/disk": content}), "vm/disk")
    reading = windows(failing, file_of(content), grains=[GRAIN], lease=lease, threads=threads, check=go_on)
    for _ in range(2):
        window = next(reading)
        seen.append(window.offset)
        window.release()
    with pytest.raises(TransientError):
        next(reading)
    assert seen == [0, WINDOW]
    assert [lease.take_now() is not None for _ in range(3)] == [True, True, False]


class Hanging(MemoryReader):
    """A read of the second window hangs, and goes well when it is tried again; the first may still write."""

    def read_steps(
        self, offset: int, buffer: memoryview, step: int, look: Callable[[memoryview], T], on_hang: Callable[[], None]
    ) -> list[T]:
        if offset == WINDOW:
            on_hang()
        return super().read_steps(offset, buffer, step, look, on_hang)


def test_a_buffer_that_a_read_may_still_write_into_serves_its_window_and_no_other(threads: ThreadPoolExecutor) -> None:
    content = content_of(3 * WINDOW)[: 3 * WINDOW]
    lease = leased(1)
    hanging, seen = Hanging(MemoryShare({"vm/disk": content}), "vm/disk"), list[object]()
    for window in windows(hanging, file_of(content), grains=[GRAIN], lease=lease, threads=threads, check=go_on):
        with window.bytes_of(window.offset, window.length) as view:
            assert view == content[window.offset : window.end]
            seen.append(view.obj)
        window.release()
    assert seen[0] is seen[1]
    assert seen[1] is not seen[2]


def test_a_file_of_another_length_is_told_before_anything_is_read(threads: ThreadPoolExecutor) -> None:
    with pytest.raises(IntegrityError, match="something else writes"):
        next(
            windows(reader_of(b"abc"), file_of(b"abcd"), grains=[GRAIN], lease=leased(1), threads=threads, check=go_on)
        )
