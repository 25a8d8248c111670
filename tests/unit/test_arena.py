"""Memory for many files at once: each goes on with what it was promised, and together they stay within bounds."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.arena import Arena
from bot.errors import Stopped


def go_on() -> None:
    """Nobody asked for Stop."""


def test_a_file_may_have_what_nobody_was_promised_and_no_more() -> None:
    arena = Arena(5, 10)
    one, other = arena.lease(go_on, 2), arena.lease(go_on, 2)
    assert [one.take_now() is not None for _ in range(4)] == [True, True, True, False]
    assert [other.take_now() is not None for _ in range(3)] == [True, True, False]


def test_more_files_than_can_be_promised_wait_for_each_other() -> None:
    arena, begun = Arena(4, 10), []

    def read(number: int) -> None:
        lease = arena.lease(go_on, 2)
        begun.append(number)
        buffers = [lease.take(go_on) for _ in range(2)]
        for buffer in buffers:
            lease.give(buffer)
        lease.close()

    with ThreadPoolExecutor(8) as people:
        list(people.map(read, range(100)))
    assert sorted(begun) == list(range(100))
    assert not arena._leases
    assert len({id(buffer) for buffer in arena._free}) == len(arena._free) <= 4


def test_a_closed_lease_counts_only_what_it_still_holds() -> None:
    arena = Arena(4, 10)
    one = arena.lease(go_on, 3)
    buffer = one.take(go_on)
    one.close()
    other = arena.lease(go_on, 3)
    assert [other.take_now() is not None for _ in range(4)] == [True, True, True, False]
    one.give(buffer)
    assert other.take_now() is not None


def test_a_short_file_gets_a_short_window_and_little_stays_while_nothing_is_read() -> None:
    arena = Arena(8, 10)
    short, long = arena.lease(go_on, 1, 3), arena.lease(go_on, 5, 300)
    buffers = [long.take(go_on) for _ in range(5)]
    assert (len(short.take(go_on)), len(buffers[0])) == (3, 10)
    short.give(bytearray(3))
    short.close()
    for buffer in buffers:
        long.give(buffer)
    assert len(arena._free) == 5
    long.close()
    assert len(arena._free) == 2


@pytest.mark.parametrize("what", ["lease", "take"])
def test_a_stop_is_heard_while_there_is_no_room(what: str) -> None:
    arena, asked = Arena(1, 10), threading.Event()

    def check() -> None:
        if asked.is_set():
            raise Stopped

    lease = arena.lease(go_on, 1)
    lease.take(go_on)
    threading.Timer(0.05, asked.set).start()
    with pytest.raises(Stopped):
        arena.lease(check, 1) if what == "lease" else lease.take(check)
