"""Recurrences: against a clock that is looked at minute by minute; their text; what is refused, and how."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import UsageError
from bot.recurrence import EXAMPLES, Recurrence, nearest, parse

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")
Minutes = Callable[[datetime], bool]


def _daily(local: datetime) -> bool:
    return (local.hour, local.minute) == (2, 30)


def _last_sunday(local: datetime) -> bool:
    return (
        local.weekday() == 6
        and (local + timedelta(days=7)).month != local.month
        and (local.hour, local.minute) == (2, 0)
    )


KINDS: dict[str, tuple[Minutes, bool]] = {  # what the clock shows when it fires, and whether it does so in each hour
    "every day at 02:30": (_daily, False),
    "every 4 hours": (lambda local: local.hour % 4 == 0 and local.minute == 0, False),
    "every hour": (lambda local: local.minute == 0, True),
    "every 15 minutes": (lambda local: local.minute % 15 == 0, True),
    "every 90 minutes": (lambda local: (local.hour * 60 + local.minute) % 90 == 0, False),
    "weekends at 01:45": (lambda local: local.weekday() > 4 and (local.hour, local.minute) == (1, 45), False),
    "on the last sunday at 02:00": (_last_sunday, False),
    "on the first sunday at 02:15": (
        lambda local: local.weekday() == 6 and local.day < 8 and (local.hour, local.minute) == (2, 15),
        False,
    ),
    "cron 10,40 1-3 * * sun": (
        lambda local: local.weekday() == 6 and local.hour in (1, 2, 3) and local.minute in (10, 40),
        False,
    ),
    "every hour not between 01:30 and 03:30": (
        lambda local: local.minute == 0 and not 90 <= local.hour * 60 + local.minute < 210,
        True,
    ),
    "every 3 days at 02:00 from 2026-03-01": (
        lambda local: (local.date() - date(2026, 3, 1)).days % 3 == 0 and (local.hour, local.minute) == (2, 0),
        False,
    ),
}
NIGHTS = [  # days on which clocks are set in one zone or another, and one on which none is
    datetime(2026, 3, 28, tzinfo=UTC),
    datetime(2026, 10, 24, tzinfo=UTC),
    datetime(2026, 10, 31, tzinfo=UTC),
    datetime(2026, 10, 3, tzinfo=UTC),
    datetime(2026, 4, 4, tzinfo=UTC),
    datetime(2026, 3, 7, tzinfo=UTC),
    datetime(2026, 7, 4, tzinfo=UTC),
]


def _oracle(matches: Minutes, hourly: bool, zone: ZoneInfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """Looks at the clock each minute; knows nothing of folds: what it showed it remembers, what it left out it sees."""
    at, seen = after - timedelta(hours=3), set[datetime]()
    before = at.astimezone(zone).replace(tzinfo=None)
    while at < until:
        at += timedelta(minutes=1)
        shown = at.astimezone(zone).replace(tzinfo=None, fold=0)
        left_out = [before + timedelta(minutes=n) for n in range(1, max(1, (shown - before) // timedelta(minutes=1)))]
        come = [each for each in (*left_out, shown) if matches(each) and (hourly or each not in seen)]
        seen.update((*left_out, shown))
        before = shown
        if at > after and come:
            yield at


@pytest.mark.parametrize(
    ("phrase", "zone"),
    [
        (phrase, zone)
        for phrase in KINDS
        for zone in ZONES
        if "not between" not in phrase or zone != "Australia/Lord_Howe"  # a test of its own, below
    ],
)
def test_it_fires_when_a_clock_that_is_looked_at_each_minute_says_so(phrase: str, zone: str) -> None:
    matches, hourly = KINDS[phrase]
    for night in NIGHTS:
        until = night + timedelta(days=2)
        expected = list(_oracle(matches, hourly, ZoneInfo(zone), night, until))
        assert list(parse(phrase, zone).between(night, until)) == expected, night


_CLOCK = st.builds(lambda hour, minute: f"{hour:02}:{minute:02}", st.integers(0, 23), st.integers(0, 59))
_WEEKDAYS = st.lists(
    st.sampled_from(("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")),
    min_size=1,
    max_size=7,
).map(" and ".join)
_DAYS = st.one_of(
    st.just("every day"),
    st.integers(1, 40).map(lambda n: f"every {n} days"),
    st.sampled_from(("weekdays", "weekends", "monthly", "every quarter", "yearly", "on the last day of the month")),
    _WEEKDAYS.map(lambda days: f"every {days}"),
    st.builds(lambda n, days: f"every {n} weeks on {days}", st.integers(1, 9), _WEEKDAYS),
    st.builds(lambda n: f"on the {n}th of the month", st.integers(4, 20)),
    st.builds(
        lambda nth, day: f"on the {nth} {day}",
        st.sampled_from(("first", "second", "third", "fourth", "fifth", "last")),
        st.sampled_from(("monday", "sunday", "weekday", "day")),
    ),
    st.sampled_from(("yearly on 29 february", "on the 31st of january and march", "on the last friday of june")),
)
_TIMED = st.builds(
    lambda days, times: f"{days} at {' and '.join(times)}", _DAYS, st.lists(_CLOCK, min_size=1, max_size=4)
)
_FREQUENT = st.one_of(
    st.sampled_from((1, 5, 15, 40, 60, 90, 240, 300, 2160, 2880)).map(lambda n: f"every {n} minutes"),
    st.sampled_from((1, 2, 3, 4, 5, 7, 12, 24, 36, 48)).map(lambda n: f"every {n} hours"),
    st.builds(lambda n, days: f"every {n} hours on {days}", st.sampled_from((1, 2, 6)), _WEEKDAYS),
)
_CRON = st.builds(
    lambda minute, hour, day, weekday: f"cron {minute} {hour} {day} * {weekday}",
    st.sampled_from(("0", "*/20", "5,35", "10-12")),
    st.sampled_from(("*", "2", "1-3", "*/6")),
    st.sampled_from(("*", "1", "*/9", "10-20")),
    st.sampled_from(("*", "0", "1-5", "sun,wed", "7")),
)
_BLACKOUT = st.builds(
    lambda begins, hours, days, later: f" not between {begins:02}:15 and {(begins + hours) % 24:02}:15{days}{later}",
    st.integers(0, 23),
    st.integers(1, 12),
    st.sampled_from(("", " on weekdays", " on monday and sunday")),
    st.sampled_from(("", " but after it")),
)
PHRASES = st.builds(
    "{}{} {}{}{}".format,
    st.one_of(_TIMED, _FREQUENT, _CRON),
    st.sampled_from(("", " within 2h", " within 45m")),
    st.sampled_from(ZONES),
    st.one_of(st.just(""), st.just(""), _BLACKOUT),
    st.sampled_from(("", "", " from 2026-03-05", " from 2026-02-01 until 2026-11-20")),
)
_MOMENTS = st.integers(0, 365 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


def _understood(phrase: str) -> Recurrence | None:
    """None: a blackout leaves nothing of it, which is refused."""
    try:
        return parse(phrase)
    except UsageError as error:
        if "would never come" not in error.message:
            raise
        return None


@settings(max_examples=100, deadline=None)
@given(PHRASES)
def test_its_text_reads_the_same_again(phrase: str) -> None:
    recurrence = _understood(phrase)
    if recurrence is not None:
        assert parse(str(recurrence), "Asia/Tokyo") == recurrence
        assert str(parse(str(recurrence))) == str(recurrence)


@settings(max_examples=100, deadline=None)
@given(PHRASES, st.lists(_MOMENTS, min_size=3, max_size=3).map(sorted))
def test_what_comes_in_two_parts_of_a_time_is_what_comes_in_the_whole(phrase: str, moments: list[datetime]) -> None:
    recurrence = _understood(phrase)
    if recurrence is None:
        return
    a, b, c = (
        moments[0],
        min(moments[1], moments[0] + timedelta(days=3)),
        min(moments[2], moments[0] + timedelta(days=6)),
    )
    whole = list(recurrence.between(a, max(b, c)))
    assert whole == [*recurrence.between(a, b), *recurrence.between(b, max(b, c))]
    assert all(a < at <= max(b, c) for at in whole)
    assert whole == sorted(set(whole))
    assert whole[:1] == ([] if (first := recurrence.next(a)) is None or first > max(b, c) else [first])


@settings(max_examples=100, deadline=None)
@given(PHRASES, _MOMENTS)
def test_nothing_fires_while_a_blackout_of_it_is_on(phrase: str, moment: datetime) -> None:
    recurrence = _understood(phrase)
    if recurrence is not None:
        zone = ZoneInfo(recurrence.zone)
        for at in islice(recurrence.after(moment), 20):
            assert not any(blackout.end(at, zone) for blackout in recurrence.blackouts)
            assert recurrence.open_from(at) == at


@given(st.text(max_size=60))
def test_whatever_is_typed_is_understood_or_refused_and_nothing_else(text: str) -> None:
    with suppress(UsageError):
        parse(text)


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_is_understood(example: str) -> None:
    assert parse(example, "Europe/Berlin").next(datetime(2026, 11, 26, tzinfo=UTC)) is not None


@pytest.mark.parametrize(
    ("phrase", "why", "near"),
    [
        ("every dya at 02:00", "“every dya at 02:00”", "every day at 02:00"),
        ("every day at 2", "“at 2”", "every day at 02:00"),
        ("evry 4 hours", "“evry 4 hours”", "every 4 hours"),
        ("each full moon at 23:00", "“each full moon at 23:00”", ""),
        ("weekdays at 25:00", "“at 25:00”", "weekdays at 22:30"),
        ("weekdays at 22:30 Europe/Berln", "Did you mean Europe/Berlin?", "weekdays at 22:30 Europe/Berlin"),
        ("weekdays at 22:30 new_york", "Did you mean America/New_York?", "weekdays at 22:30 America/New_York"),
        ("on the last fridy at 23:00", "fridy", "on the last friday at 23:00"),
        ("cron 0 25 * * *", "out of range", "cron 0 2 * * 1-5"),
        ("cron 0 2 * *", "“cron 0 2 * *”", "cron 0 2 * * 1-5"),
        ("cron h 2 * * 1-5", "“cron h", "cron 0 2 * * 1-5"),
        ("every 4 hours at 02:00", "no time of the day", ""),
        ("every day on monday at 01:00", "do not go together", ""),
        ("monthly on friday", "first", ""),
        ("every 5 months", "every 2, 3, 4, 6", "every 6 months"),
        ("every 0 hours", "no time", ""),
        ("", "does not say when", ""),
        ("UTC", "does not say when", ""),
        ("on 31 december and 30 june at noon", "different months", ""),
        ("every day at 02:00 Europe/Berlin Asia/Tokyo", "“Asia/Tokyo”", ""),
        ("every day at 02:00 within 3 days", "“within 3 days”", "every day at 02:00 within 2h"),
        ("every day at 02:00 from 2026-12-01 until 2026-11-01", "before it begins", ""),
    ],
)
def test_what_is_not_understood_is_told_with_the_nearest_that_is(phrase: str, why: str, near: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(phrase)
    assert why in raised.value.message
    assert raised.value.message.endswith(near)
    assert nearest(phrase) in raised.value.message


@pytest.mark.parametrize(
    ("phrase", "near"),
    [
        ("every night", "every day at 02:00"),
        ("every morning", "every day at 06:00"),
        ("every night at 2", "every day at 02:00"),
        ("once a day", "every day"),
        ("@daily", "daily"),
        ("twice a day", "every 12 hours"),
        ("3 times a day", "every 8 hours"),
        ("every half hour", "every 30 minutes"),
        ("every 30 seconds", "every minute"),
        ("mon-fri at 22:00", "weekdays at 22:00"),
        ("monday to wednesday at 22:00", "monday, tuesday and wednesday at 22:00"),
        (
            "every day except sunday at 02:00",
            "every monday, tuesday, wednesday, thursday, friday and saturday at 02:00",
        ),
        ("every second monday at 06:00", "every 2 weeks on monday at 06:00"),
        ("every weekday at 22.30", "every weekday at 22:30"),
        ("every weekday at 2230", "every weekday at 22:30"),
        ("every weekday at 22:30 berlin", "every weekday at 22:30 Europe/Berlin"),
        ("every weekday at 22:30 CEST", "every weekday at 22:30 Europe/Berlin"),
        ("every weekday at 22:30 please", "every weekday at 22:30"),
        ("every hour not between 8 and 18", "every hour not between 08:00 and 18:00"),
        ("hourly at :15", "cron 15 * * * *"),
        ("end of month", "on the last day of the month"),
        ("tomorrow at 02:00", "every day at 02:00"),
        ("every year on christmas", "every year"),
    ],
)
def test_what_people_write_in_other_words_is_told_in_those_that_are_understood(phrase: str, near: str) -> None:
    assert nearest(phrase) == near
    parse(near)
    with pytest.raises(UsageError):
        parse(phrase)


@pytest.mark.parametrize(
    ("phrase", "means"),
    [
        ("every second day at 02:00", "every 2 days at 02:00 UTC"),
        ("every 3rd day at 02:00", "every 3 days at 02:00 UTC"),
        ("every third week on sunday", "every 3 weeks on sunday at 00:00 UTC"),
        ("every second hour", "every 2 hours UTC"),
        ("every second day of the month", "on the 2nd of the month at 00:00 UTC"),
        ("every 2nd tuesday of the month", "on the second tuesday of the month at 00:00 UTC"),
        ("every first monday", "on the first monday of the month at 00:00 UTC"),
        ("every last friday", "on the last friday of the month at 00:00 UTC"),
    ],
)
def test_every_second_day_is_every_two_days_and_not_once_a_month(phrase: str, means: str) -> None:
    assert str(parse(phrase)) == means


@pytest.mark.parametrize(
    "phrase",
    [
        "on the 30th of february",
        "yearly on 31 april at 02:00",
        "cron 0 0 30 2 *",
        "cron 0 0 31 4,6 *",
        "daily at 12:00 not between 08:00 and 18:00",
        "every minute not between 00:00 and 24:00",
        "every minute not between 00:00 and 24:00 but after it",
        "weekends at noon not between 00:00 and 24:00 on weekends",
        "every 2 weeks on monday from 2026-12-01 until 2026-12-04",
    ],
)
def test_times_that_can_never_come_are_refused(phrase: str) -> None:
    with pytest.raises(UsageError, match=r"There is no|would never come"):
        parse(phrase)


def test_a_time_that_the_clocks_leave_out_and_one_at_their_end_are_one_fire() -> None:
    found = parse("every day at 02:10, 02:50 and 03:00", "Europe/Berlin").between(
        datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC)
    )
    assert list(found) == [datetime(2026, 3, 29, 1, tzinfo=UTC)]


def test_a_day_that_a_place_leaves_out_fires_at_the_beginning_of_the_next() -> None:
    """Samoa went over the date line: there was no 30 December 2011."""
    found = parse("every day at 14:00", "Pacific/Apia").between(
        datetime(2011, 12, 29, tzinfo=UTC), datetime(2011, 12, 31, 12, tzinfo=UTC)
    )
    assert [at.astimezone(ZoneInfo("Pacific/Apia")).strftime("%d %H:%M") for at in found] == [
        "29 14:00",
        "31 00:00",
        "31 14:00",
    ]


def test_what_is_postponed_comes_once_at_the_end_and_across_blackouts_that_touch() -> None:
    recurrence = parse("every hour not between 08:00 and 12:00 but after it not between 12:00 and 18:30 but after it")
    found = list(recurrence.between(datetime(2026, 11, 26, 6, 30, tzinfo=UTC), datetime(2026, 11, 26, 20, tzinfo=UTC)))
    assert [f"{at:%H:%M}" for at in found] == ["07:00", "18:30", "19:00", "20:00"]
    assert recurrence.open_from(datetime(2026, 11, 26, 9, tzinfo=UTC)) == datetime(2026, 11, 26, 18, 30, tzinfo=UTC)


def test_a_blackout_over_the_night_in_which_clocks_are_set_ends_when_they_show_its_end() -> None:
    recurrence = parse("every day at 01:00 not between 00:30 and 02:30 but after it", "Europe/Berlin")
    spring = recurrence.next(datetime(2026, 3, 28, 12, tzinfo=UTC))
    autumn = recurrence.next(datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert (spring, autumn) == (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC))


def test_where_clocks_jump_into_a_blackout_nothing_fires() -> None:
    recurrence = parse("every hour not between 01:30 and 03:30", "Australia/Lord_Howe")
    night = [
        f"{at.astimezone(ZoneInfo(recurrence.zone)):%H:%M}"
        for at in recurrence.between(datetime(2026, 10, 3, 14, tzinfo=UTC), datetime(2026, 10, 3, 18, tzinfo=UTC))
    ]
    assert night == ["01:00", "04:00", "05:00"]


@pytest.mark.parametrize(
    ("phrase", "now", "first", "comes"),
    [
        ("every 2 weeks on monday at 06:00", "2026-11-26 10:00", "2026-11-30", "2026-11-30 06:00"),
        ("every 2 weeks on monday at 06:00", "2026-11-30 05:00", "2026-11-30", "2026-11-30 06:00"),
        ("every 2 weeks on monday at 06:00", "2026-11-30 07:00", "2026-12-07", "2026-12-07 06:00"),
        ("every 3 days at 02:00", "2026-11-26 10:00", "2026-11-27", "2026-11-27 02:00"),
        ("every 3 days at 22:00", "2026-11-26 10:00", "2026-11-26", "2026-11-26 22:00"),
        ("every day at 02:00", "2026-11-26 10:00", "", "2026-11-27 02:00"),
        ("every 3 days at 02:00 from 2026-11-01", "2026-11-26 10:00", "2026-11-01", "2026-11-28 02:00"),
    ],
)
def test_what_counts_weeks_or_days_is_counted_from_the_day_it_can_first_come(
    phrase: str, now: str, first: str, comes: str
) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    begun = parse(phrase).begun(moment)
    assert str(begun.first or "") == first
    assert begun.next(moment) == datetime.fromisoformat(comes).replace(tzinfo=UTC)
    assert parse(str(begun)) == begun


def test_a_time_zone_may_be_written_in_any_case() -> None:
    assert parse("daily at 02:00 europe/berlin") == parse("daily at 02:00 Europe/Berlin")
    assert parse("daily at 02:00", "Etc/UTC").zone == "UTC"
    assert parse("daily at 02:00 utc") == parse("daily at 02:00 GMT") == parse("daily at 02:00 UTC")


def test_it_ends() -> None:
    recurrence = parse("every day at 02:00 until 2026-12-01")
    assert recurrence.next(datetime(2026, 12, 1, 2, tzinfo=UTC)) is None
    assert recurrence.next(datetime(2026, 12, 1, 1, 59, tzinfo=UTC)) == datetime(2026, 12, 1, 2, tzinfo=UTC)


def test_moments_of_any_zone_may_be_asked_for() -> None:
    tokyo = datetime(2026, 11, 26, 11, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert parse("every day at 02:00").next(tokyo - timedelta(microseconds=1)) == datetime(2026, 11, 26, 2, tzinfo=UTC)
    assert parse("every day at 02:00").next(tokyo) == datetime(2026, 11, 27, 2, tzinfo=UTC)
