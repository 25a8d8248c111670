"""What becomes of times that are past: the rules of catching up, and that each time gets one verdict."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catchup import ON_TIME, Rules, judge
from bot.model import CatchUp, FireState

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
THREE = [NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - HOUR]
STARTED, CAUGHT_UP, MISSED = FireState.STARTED, FireState.CAUGHT_UP, FireState.MISSED


def states(times: list[datetime], rules: Rules, *, is_whole: bool = True) -> list[FireState]:
    return [each.state for each in judge(times, NOW, rules, is_whole=is_whole)]


@pytest.mark.parametrize(
    ("catch_up", "states_"),
    [
        (CatchUp.ALL, [CAUGHT_UP] * 3),
        (CatchUp.LATEST, [MISSED, MISSED, CAUGHT_UP]),
        (CatchUp.NONE, [MISSED] * 3),
    ],
)
def test_each_policy_catches_up_with_what_it_says(catch_up: CatchUp, states_: list[FireState]) -> None:
    assert states(THREE, Rules(catch_up=catch_up)) == states_


@pytest.mark.parametrize("catch_up", list(CatchUp))
def test_a_time_that_is_looked_at_soon_is_started_whatever_the_policy(catch_up: CatchUp) -> None:
    assert states([NOW - ON_TIME], Rules(catch_up=catch_up)) == [STARTED]


def test_where_the_newest_is_on_time_it_is_the_latest_and_the_others_are_missed() -> None:
    assert states([*THREE, NOW], Rules()) == [MISSED, MISSED, MISSED, STARTED]


def test_what_is_later_than_its_grace_is_missed_and_says_so() -> None:
    judged = judge(THREE, NOW, Rules(catch_up=CatchUp.ALL, grace=2 * HOUR))
    assert [each.state for each in judged] == [MISSED, CAUGHT_UP, CAUGHT_UP]
    assert judged[0].why == "later than its grace of 2h"


def test_where_later_ones_are_past_too_the_last_of_a_page_is_not_the_latest() -> None:
    assert states(THREE, Rules(), is_whole=False) == [MISSED] * 3


@given(
    st.lists(st.integers(0, 10_000), max_size=20, unique=True),
    st.sampled_from(CatchUp),
    st.none() | st.integers(1, 10_000),
)
def test_every_time_gets_one_verdict_in_its_order(ages: list[int], catch_up: CatchUp, grace: int | None) -> None:
    times = sorted(NOW - timedelta(minutes=age) for age in ages)
    rules = Rules(catch_up=catch_up, grace=timedelta(minutes=grace) if grace else None)
    judged = judge(times, NOW, rules)
    assert [each.at for each in judged] == times
    assert all((each.state is MISSED) == bool(each.why) for each in judged)
    if catch_up is CatchUp.LATEST:
        assert sum(each.state is not MISSED for each in judged) <= 1
