"""Arithmetic of progress: nothing goes back, nothing is made up."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.speed import Pace, Track, forward, left_s, percent, progress_text

counts = st.integers(min_value=0, max_value=1 << 50)
totals = st.integers(min_value=0, max_value=1 << 50)
told = st.tuples(counts, totals).map(lambda pair: (min(pair), max(pair)))


def tracked(samples: list[tuple[float, int]]) -> Track:
    track = Track()
    for at, moved in samples:
        track = track.seen(at, moved)
    return track


@given(st.lists(told, max_size=20))
def test_the_percent_shown_never_goes_back_whatever_is_told(reports: list[tuple[int, int]]) -> None:
    shown, seen = (0, 0), [0]
    for report in reports:
        shown = forward(shown, report)
        seen.append(percent(*shown))
    assert seen == sorted(seen)
    assert all(0 <= each <= 100 for each in seen)


@given(told, told)
def test_what_is_further_is_shown_as_it_was_told(shown: tuple[int, int], report: tuple[int, int]) -> None:
    result = forward(shown, report)
    assert 0 <= result[0] <= result[1] or result == shown
    if report[1] and report[0] * max(1, shown[1]) >= shown[0] * report[1]:
        assert result == report


@given(told)
def test_a_hundred_percent_is_said_only_of_all(report: tuple[int, int]) -> None:
    assert (percent(*report) == 100) == (report[0] == report[1] > 0)


@given(told, st.none() | st.floats(min_value=-1e12, max_value=1e12))
def test_the_time_left_is_never_negative_and_absent_when_unknown(report: tuple[int, int], speed: float | None) -> None:
    left = left_s(*report, speed)
    assert left is None or left >= 0
    if speed is None or speed <= 0 or report[1] == 0:
        assert left is None


@given(st.lists(st.tuples(st.floats(min_value=0, max_value=1e6), st.integers(0, 1 << 40)), max_size=30))
def test_a_speed_is_never_negative_and_needs_time_between_two_samples(samples: list[tuple[float, int]]) -> None:
    speed = tracked(samples).speed
    assert speed is None or speed >= 0
    if len(samples) < 2:
        assert speed is None


def test_the_speed_is_that_of_the_last_ten_seconds() -> None:
    fast = [(float(second), second * 100) for second in range(60)]
    slow = [(60.0 + second, 5900 + second * 10) for second in range(30)]
    assert tracked(fast).speed == pytest.approx(100)
    assert tracked(fast + slow).speed == pytest.approx(10)


def test_reports_that_are_far_apart_still_give_a_speed() -> None:
    assert tracked([(0, 0), (40, 400), (80, 1200)]).speed == pytest.approx(20)


def test_after_a_restart_no_speed_is_told_until_something_has_moved() -> None:
    assert Track().seen(datetime(2026, 11, 25, tzinfo=UTC).timestamp(), 0).speed is None


@pytest.mark.parametrize("second", [(5.0, 200), (20.0, 50)])
def test_a_clock_or_a_count_that_goes_back_begins_anew(second: tuple[float, int]) -> None:
    assert tracked([(10.0, 100), second]).speed is None


MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("done", "total", "pace", "text"),
    [
        (412 * MIB, GIB, Pace(speed=38 * MIB), "40 % · 412 MiB of 1.0 GiB · 38 MiB/s · about 16 s left"),
        (412 * MIB, GIB, Pace(), "40 % · 412 MiB of 1.0 GiB"),
        (412 * MIB, GIB, Pace(speed=0.0), "40 % · 412 MiB of 1.0 GiB · 0 B/s"),
        (412 * MIB, GIB, Pace(speed=38 * MIB, is_waiting=True), "40 % · 412 MiB of 1.0 GiB · waiting"),
        (3, 7, Pace(speed=5.0), "42 %"),
        (0, 0, Pace(), ""),
        (0, 0, Pace(is_waiting=True), "waiting"),
    ],
)
def test_progress_is_told_as_far_as_it_is_known(done: int, total: int, pace: Pace, text: str) -> None:
    assert progress_text(done, total, pace) == text


def test_a_step_that_is_being_stopped_promises_no_end() -> None:
    assert progress_text(412 * MIB, GIB, Pace(speed=9.0), is_stopping=True) == "40 % · 412 MiB of 1.0 GiB · stopping"
