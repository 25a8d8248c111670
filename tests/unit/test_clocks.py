"""Two clocks: how far they are apart, as far as that can be told, and by which of them is judged."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clocks import MOST_APART, agreed, ahead, said
from bot.errors import PermanentError
from tests.memory import MemoryStore
from tests.workflow.stored import NOON

S = timedelta(seconds=1)


@dataclass
class Still:
    """A clock that stands."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps")


def test_what_lies_within_the_time_of_the_asking_and_the_second_that_is_told_is_no_difference() -> None:
    assert not ahead(NOON, NOON, NOON)
    assert not ahead(NOON, NOON + 2 * S, NOON + 3 * S)
    assert not ahead(NOON + 0.9 * S, NOON, NOON + S)
    assert ahead(NOON, NOON + 5 * S, NOON + 2 * S) == -3 * S
    assert ahead(NOON, NOON - 5 * S, NOON + 2 * S) == 4 * S


@given(
    off=st.timedeltas(min_value=timedelta(days=-9999), max_value=timedelta(days=9999)),
    took=st.timedeltas(min_value=timedelta(0), max_value=timedelta(minutes=2)),
    part=st.floats(min_value=0, max_value=1),
)
def test_a_difference_is_told_up_to_the_second_and_the_time_that_the_asking_took(
    off: timedelta, took: timedelta, part: float
) -> None:
    told = (NOON - off + took * part).replace(microsecond=0)
    found = ahead(NOON, told, NOON + took)
    assert abs(found - off) <= took + S
    assert abs(found) <= abs(off)


def test_a_difference_is_told_in_the_unit_of_its_size() -> None:
    assert said(timedelta(0)) == "as the store's"
    assert said(-12 * S) == "12 s behind the store's"
    assert said(timedelta(hours=2)) == "2 h 0 min ahead of the store's"
    assert said(timedelta(days=3650)) == "3,650 days ahead of the store's"


def test_the_earlier_clock_counts_where_they_agree() -> None:
    store = MemoryStore("s3")
    store.now = lambda: NOON
    assert agreed(Still(NOON + MOST_APART), store) == NOON + S
    assert agreed(Still(NOON - MOST_APART), store) == NOON - MOST_APART


def test_what_was_made_within_the_second_that_the_store_tells_is_not_of_a_time_to_come() -> None:
    store, made = MemoryStore("s3"), NOON + 0.4 * S
    store.now = lambda: NOON
    assert agreed(Still(NOON + 0.5 * S), store) > made


@pytest.mark.parametrize(("off", "way"), [(timedelta(days=3650), "ahead of"), (timedelta(days=-3650), "behind")])
def test_clocks_that_are_too_far_apart_agree_on_nothing(off: timedelta, way: str) -> None:
    store = MemoryStore("s3")
    store.now = lambda: NOON
    with pytest.raises(PermanentError, match=rf"3,650 days {way} the store's \(s3 tells 2026-11-23 12:00:00 UTC\)"):
        agreed(Still(NOON + off), store)
