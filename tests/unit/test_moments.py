"""When each VM of a fire starts: spread over the window, the same each time it is asked, never in a blackout."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from bot import hours
from bot.moments import NamedBlackout, offset, placed
from bot.recurrence import Blackout, parse

AT = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)  # a Thursday
NONE = timedelta()
EVERY = parse("every day at 02:00", "UTC")


def blackout(text: str = "08:00-18:00", *, delays: bool = True, zone: str = "UTC", name: str = "day") -> NamedBlackout:
    return NamedBlackout(name=name, blackout=Blackout(hours.parse(text), delays), zone=zone)


def test_a_thousand_vms_are_spread_evenly_over_the_window() -> None:
    window = timedelta(hours=2)
    moments = [offset(f"s/{vm}/2026-11-26", window) for vm in range(1000)]
    assert all(NONE <= each < window for each in moments)
    quarters = [sum(each // (window / 4) == quarter for each in moments) for quarter in range(4)]
    assert min(quarters) > 200


def test_the_same_vm_of_the_same_fire_has_the_same_moment_and_without_a_window_none() -> None:
    assert offset("s/vm01/x", timedelta(hours=1)) == offset("s/vm01/x", timedelta(hours=1))
    assert offset("s/vm01/x", None) == NONE


def test_what_falls_into_no_blackout_stays() -> None:
    assert placed(AT, EVERY, [blackout("20:00-06:00")], NONE) == AT


def test_a_start_in_a_blackout_is_delayed_to_its_end_and_spread_again() -> None:
    shift = timedelta(minutes=7)
    assert placed(AT, EVERY, [blackout()], NONE) == datetime(2026, 11, 26, 18, tzinfo=UTC)
    assert placed(AT, EVERY, [blackout()], shift) == datetime(2026, 11, 26, 18, 7, tzinfo=UTC)


def test_a_blackout_that_skips_is_given_instead() -> None:
    skips = blackout(delays=False, name="freeze")
    assert placed(AT, EVERY, [skips], NONE) == skips


def test_one_that_is_delayed_into_another_that_skips_is_skipped() -> None:
    evening = blackout("18:00-20:00", delays=False, name="evening")
    assert placed(AT, EVERY, [blackout(), evening], NONE) == evening


def test_blackouts_that_follow_each_other_are_all_waited_for() -> None:
    assert placed(AT, EVERY, [blackout(), blackout("18:00-20:00")], NONE) == datetime(2026, 11, 26, 20, tzinfo=UTC)


def test_a_blackout_is_by_the_clocks_of_its_place() -> None:
    found = placed(AT, EVERY, [blackout(zone="America/New_York", text="04:00-05:00")], NONE)
    assert found == datetime(2026, 11, 26, 5, tzinfo=ZoneInfo("America/New_York"))


def test_the_phrases_own_blackout_counts_for_moments_within_the_window() -> None:
    recurrence = parse("every day at 07:00 within 4h not between 08:00 and 18:00", "UTC")
    assert placed(AT, recurrence, [], NONE) == datetime(2026, 11, 26, 18, tzinfo=UTC)


@given(st.integers(0, 14 * 24 * 60), st.integers(0, 300), st.sampled_from(["08:00-18:00", "mon-fri 20:00-06:00"]))
def test_no_moment_is_ever_in_a_blackout_nor_before_its_time(minute: int, shift: int, text: str) -> None:
    at, rest = AT + timedelta(minutes=minute), blackout(text)
    found = placed(at, EVERY, [rest], timedelta(minutes=shift))
    assert isinstance(found, datetime)
    assert found >= at
    assert rest.blackout.end(found, ZoneInfo("UTC")) is None
