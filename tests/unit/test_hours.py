"""Hours of the week: when they are on, when they are on next, and what is allowed meanwhile."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.hours import Hours, Span, Timetable, next_of_all, parse

BERLIN, ZULU = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def hours(*texts: str, zone: ZoneInfo = ZULU) -> Hours:
    return Hours(tuple(map(parse, texts)), zone)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """Of the week that begins with MONDAY."""
    return MONDAY + timedelta(days=day, hours=hour, minutes=minute)


def test_a_span_that_goes_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    nights = hours("mon-fri 20:00-06:00")
    assert nights.are_on(at(0, 20))
    assert nights.are_on(at(5, 5, 59))  # the end of Friday's night
    assert not nights.are_on(at(0, 5))  # Sunday has none
    assert not nights.are_on(at(5, 6))
    assert not nights.are_on(at(5, 21))


def test_a_whole_day_can_be_said() -> None:
    for text in ("sat,sun 00:00-24:00", "sat-sun 00:00-00:00"):
        week = [day for day in range(7) if hours(text).are_on(at(day, 12))]
        assert week == [5, 6]


def test_days_may_go_over_the_end_of_the_week() -> None:
    assert parse("sat-mon 00:00-24:00").days == {5, 6, 0}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("20-06", "like 20:00-06:00"),
        ("mo-fr 20:00-06:00", "'mo-fr' is no day of the week"),
        ("25:00-06:00", "25:00 is no time"),
        ("20:60-06:00", "20:60 is no time"),
        ("24:00-06:00", "write 00:00"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse(text)


def test_the_next_time_is_told_in_utc() -> None:
    night = hours("20:00-06:00", zone=BERLIN)
    assert night.next(at(0, 12)) == at(0, 19)
    assert night.next(at(0, 22)) == at(0, 22)
    assert hours("sun 08:00-09:00").next(at(0, 0)) == at(6, 8)
    assert hours("mon 08:00-09:00").next(at(0, 10)) == at(7, 8)


def test_clocks_that_are_set_change_when_it_is_on() -> None:
    """2026-03-29 02:00 becomes 03:00 in Berlin, 2026-10-25 03:00 becomes 02:00."""
    night = hours("20:00-06:00", zone=BERLIN)
    assert night.next(datetime(2026, 3, 28, 12, tzinfo=UTC)) == datetime(2026, 3, 28, 19, tzinfo=UTC)
    assert night.next(datetime(2026, 3, 29, 12, tzinfo=UTC)) == datetime(2026, 3, 29, 18, tzinfo=UTC)
    gone = hours("02:15-02:45", zone=BERLIN)
    assert gone.next(datetime(2026, 3, 28, 12, tzinfo=UTC)) == datetime(2026, 3, 30, 0, 15, tzinfo=UTC)
    assert gone.next(datetime(2026, 10, 25, 0, 50, tzinfo=UTC)) == datetime(2026, 10, 25, 1, 15, tzinfo=UTC)


def test_a_span_that_begins_in_the_hour_left_out_begins_when_the_clocks_are_set() -> None:
    """Lord Howe leaves out half an hour, Santiago that after midnight."""
    begins = hours("02:30-06:00", zone=BERLIN).next(datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert begins == datetime(2026, 3, 29, 1, tzinfo=UTC)
    begins = hours("02:15-06:00", zone=ZoneInfo("Australia/Lord_Howe")).next(datetime(2026, 10, 3, 12, tzinfo=UTC))
    assert begins == datetime(2026, 10, 3, 15, 30, tzinfo=UTC)
    begins = hours("sun 00:15-06:00", zone=ZoneInfo("America/Santiago")).next(datetime(2026, 9, 5, 12, tzinfo=UTC))
    assert begins == datetime(2026, 9, 6, 4, tzinfo=UTC)


spans = st.builds(
    Span, st.frozensets(st.integers(0, 6), min_size=1), st.integers(0, 47).map(lambda n: n * 30),
    st.integers(1, 48).map(lambda n: n * 30),
)  # fmt: skip
weeks = st.builds(
    Hours, st.lists(spans, min_size=1, max_size=3).map(tuple), st.sampled_from([BERLIN, ZULU, ZoneInfo("Asia/Kolkata")])
)
moments = st.integers(0, 365 * 48).map(lambda halves: MONDAY + timedelta(minutes=30 * halves))


@given(week=weeks, moment=moments)
def test_the_next_time_is_the_first_one_of_all(week: Hours, moment: datetime) -> None:
    slow = next(
        (each for each in (moment + timedelta(minutes=30 * n) for n in range(9 * 48)) if week.are_on(each)), None
    )
    found = week.next(moment)
    assert slow is not None
    assert found is not None
    assert found == slow


@given(several=st.lists(weeks, max_size=3), moment=moments)
def test_the_next_time_of_all_is_one_of_each(several: list[Hours], moment: datetime) -> None:
    found = next_of_all(several, moment)
    if found is not None:
        assert found >= moment
        assert all(week.are_on(found) for week in several)
    later = (moment + timedelta(minutes=30 * n) for n in range(7 * 48))
    is_there = any(all(week.are_on(each) for week in several) for each in later)
    assert found is not None or not is_there


def test_hours_that_have_no_time_in_common_are_told() -> None:
    assert next_of_all([hours("20:00-22:00"), hours("08:00-10:00")], MONDAY) is None
    assert next_of_all([hours("20:00-06:00"), hours("sat 00:00-24:00")], MONDAY) == at(5, 0)
    assert next_of_all([], MONDAY) == MONDAY


def test_of_a_timetable_the_first_entry_that_is_on_counts() -> None:
    table = Timetable(((hours("mon-fri 08:00-18:00"), 50), (None, 200)))
    assert [table.rate(at(0, 12)), table.rate(at(0, 19)), table.rate(at(6, 12))] == [50, 200, 200]
    assert Timetable(((hours("08:00-18:00"), 50),)).rate(at(0, 19)) is None
    assert (table.least, Timetable(()).least) == (50, None)
