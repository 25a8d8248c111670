"""Bytes pass no faster than they may, whoever sends them; a wait for them hears Stop."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import Stopped, TransientError
from bot.stopping import HEARD_S
from bot.throttle import BURST_S, Ration, Throttle, heeding

MIB = 1 << 20


class OwnClock:
    """Time that passes when somebody sleeps, and tells how long they slept at once."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 26, 12, tzinfo=UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += timedelta(seconds=seconds)


@given(
    rate=st.integers(1, 1 << 40),
    pieces=st.lists(st.tuples(st.floats(0, 100), st.integers(1, 8 * MIB)), min_size=1, max_size=60),
)
def test_in_no_stretch_of_time_more_passes_than_the_rate_and_one_burst(
    rate: int, pieces: list[tuple[float, int]]
) -> None:
    ration, at = Ration(0.0), 0.0
    passed: list[tuple[float, int]] = []  # when, and how many
    for gap, size in pieces:
        at += gap
        passed.append((at + ration.take(at, size, rate), size))
    assert [when for when, _ in passed] == sorted(when for when, _ in passed)  # each in its turn
    for first in range(len(passed)):
        total = 0
        for when, size in passed[first:]:
            total += size
            # A piece may have begun to be saved for before the stretch began: so the first one is not counted.
            allowed = rate * (when - passed[first][0]) + rate * BURST_S + passed[first][1]
            assert total <= allowed * (1 + 1e-9) + rate * 1e-6


@given(sizes=st.lists(st.integers(1, MIB), min_size=1, max_size=50), rate=st.integers(1000, 1 << 30))
def test_from_the_beginning_no_more_passes_than_the_rate_and_one_burst(sizes: list[int], rate: int) -> None:
    ration, total = Ration(0.0), 0
    for size in sizes:
        total += size
        wait_s = ration.take(0.0, size, rate)
        assert total <= (rate * wait_s + rate * BURST_S) * (1 + 1e-9)


def test_what_was_not_used_is_not_saved_up_and_a_clock_set_back_gives_nothing() -> None:
    ration = Ration(0.0)
    assert ration.take(1000.0, 25, 100.0) == 0
    assert ration.take(1000.0, 100, 100.0) == 1.0
    assert ration.take(500.0, 100, 100.0) == 2.0


def test_no_time_is_lost_between_pieces() -> None:
    clock = OwnClock()
    throttle = Throttle(lambda _: MIB, clock)
    begun = clock.now()
    for _ in range(40):
        throttle(256 << 10)
    assert (clock.now() - begun).total_seconds() == pytest.approx(10 - BURST_S)
    assert max(clock.slept) <= HEARD_S


def test_the_rate_is_that_of_the_hour_and_without_one_nothing_waits() -> None:
    clock = OwnClock()
    rates: dict[int, int | None] = {12: 100, 13: 1000}
    throttle = Throttle(lambda at: rates.get(at.hour), clock)
    throttle(125)
    assert sum(clock.slept) == pytest.approx(1)
    clock.at += timedelta(hours=1)
    throttle(1250)
    assert sum(clock.slept) == pytest.approx(2)
    clock.at += timedelta(hours=1)
    throttle(1 << 40)
    assert sum(clock.slept) == pytest.approx(2)


def test_what_passed_at_a_high_rate_is_not_waited_for_at_a_low_one() -> None:
    ration = Ration(0.0)
    assert ration.take(0.0, 1_250_000, 1_000_000) == pytest.approx(1)
    assert ration.take(0.0, 100, 100) == pytest.approx(2)


@pytest.mark.parametrize(("later", "slept_s"), [(None, 10), (1000, 100), (10, 1000)])
def test_a_wait_ends_sooner_where_the_rate_rises_meanwhile(later: int | None, slept_s: float) -> None:
    clock = OwnClock()
    begun = clock.at
    throttle = Throttle(lambda at: 100 if at - begun < timedelta(seconds=10) else later, clock)
    throttle(25 + 100 * 1000 if later != 1000 else 25 + 100 * 910)
    assert sum(clock.slept) == pytest.approx(slept_s)
    if later is None:
        throttle(1 << 40)
        assert sum(clock.slept) == pytest.approx(slept_s)


def test_all_threads_share_it() -> None:
    clock, lock = OwnClock(), threading.Lock()
    given_s: list[float] = []
    throttle = Throttle(lambda _: 1000, clock)
    clock.sleep = lambda seconds: None  # type: ignore[method-assign] # time stands still: what they wait adds up
    ration = throttle._ration
    take: Callable[[float, int, float], float] = ration.take

    def noting(at: float, size: int, rate: float) -> float:
        with lock:
            given_s.append(take(at, size, rate))
        return given_s[-1]

    ration.take = noting  # type: ignore[method-assign]
    threads = [threading.Thread(target=throttle, args=(1000,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given_s) == [pytest.approx(each + 1 - BURST_S) for each in range(8)]


def test_stop_is_heard_while_it_is_waited_and_comes_out_whatever_a_library_makes_of_it() -> None:
    clock = OwnClock()
    throttle = Throttle(lambda _: 1, clock)

    def stop_after_a_second() -> None:
        if sum(clock.slept) >= 1:
            raise Stopped

    def library() -> None:
        try:
            throttle(1000)
        except Exception as error:
            raise TransientError("the connection broke") from error

    with pytest.raises(Stopped), heeding(stop_after_a_second):
        library()
    assert sum(clock.slept) == 1


def test_what_is_raised_for_other_reasons_passes_as_it_is() -> None:
    with pytest.raises(TransientError), heeding(lambda: None):
        raise TransientError("503")
