"""Which recovery points are kept: against an oracle that counts differently, and what must hold for any of them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.model import Hold, Reason, RecoveryPoint, Retention
from bot.retention import Facts, judge, judge_all
from tests.unit.keeps import brute_force

NOW = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)
LAST_ONE = Retention(last=1)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia")


def point(at: datetime, number: int = 0, **more: object) -> RecoveryPoint:
    facts: dict[str, object] = {"target": "s3", "vm_uuid": "u1", "vm_name": "vm01", "consistency": "crash", "size": 1}
    facts |= {"transaction_id": f"{at:%Y%m%dT%H%M%SZ}-{number:06}", "manifest_key": "m", "taken_at": at}
    return RecoveryPoint(**(facts | more))  # type: ignore[arg-type]


def daily(days: int, *, per_day: int = 1) -> list[RecoveryPoint]:
    return [point(NOW - timedelta(hours=24 * n / per_day), n) for n in range(days * per_day)]


def kept(points: Sequence[RecoveryPoint], retention: Retention, facts: Facts | None = None) -> set[str]:
    verdicts = judge(points, retention, facts or Facts(now=NOW))
    return {verdict.point.transaction_id for verdict in verdicts if verdict.is_kept}


def test_the_rules_of_grandfather_father_and_son_each_give_their_reasons() -> None:
    points = daily(800)
    verdicts = judge(points, Retention(last=2, daily=3, weekly=2, monthly=2, yearly=2), Facts(now=NOW))
    told = {
        f"{verdict.point.taken_at:%Y-%m-%d}": [f"{keep.reason} {keep.detail}".strip() for keep in verdict.keeps]
        for verdict in verdicts
        if verdict.is_kept
    }
    assert told == {
        "2026-11-26": [
            "newest",
            "last 1 of 2",
            "daily 2026-11-26",
            "weekly 2026-W48",
            "monthly 2026-11",
            "yearly 2026",
        ],
        "2026-11-25": ["last 2 of 2", "daily 2026-11-25"],
        "2026-11-24": ["daily 2026-11-24"],
        "2026-11-22": ["weekly 2026-W47"],
        "2026-10-31": ["monthly 2026-10"],
        "2025-12-31": ["yearly 2025"],
    }


def test_a_week_belongs_to_the_year_of_its_thursday() -> None:
    points = [point(datetime(2027, 1, day, tzinfo=UTC)) for day in (1, 3, 4)]
    then = Facts(now=datetime(2027, 2, 1, tzinfo=UTC))
    verdicts = judge(points, Retention(weekly=2), then)
    told = [verdict.keeps[-1].detail for verdict in verdicts if verdict.is_kept]
    assert told == ["2027-W01", "2026-W53"]
    assert kept(points, Retention(weekly=2), then) == {points[1].transaction_id, points[2].transaction_id}


@pytest.mark.parametrize(
    ("zone", "at", "day"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, 23, 30, tzinfo=UTC), "2026-03-29"),  # the night that has no 2:30
        ("Europe/Berlin", datetime(2026, 10, 24, 22, 30, tzinfo=UTC), "2026-10-25"),  # the day of 25 hours
        ("Europe/Berlin", datetime(2026, 10, 25, 22, 59, tzinfo=UTC), "2026-10-25"),
        ("Europe/Berlin", datetime(2026, 10, 25, 23, 0, tzinfo=UTC), "2026-10-26"),
        ("America/New_York", datetime(2026, 11, 2, 4, 59, tzinfo=UTC), "2026-11-01"),
    ],
)
def test_a_day_is_that_of_the_zone_also_where_it_has_23_or_25_hours(zone: str, at: datetime, day: str) -> None:
    (verdict,) = judge([point(at)], Retention(daily=1, zone=zone), Facts(now=NOW))
    assert verdict.keeps[-1].detail == day


def test_without_rules_everything_is_kept() -> None:
    assert len(kept(daily(50), Retention())) == 50


def test_only_a_minimum_age_keeps_what_is_younger_and_the_newest() -> None:
    old = [point(NOW - timedelta(days=n), n) for n in (3, 4, 5)]
    assert kept(old, Retention(minimum_age=timedelta(days=2))) == {old[0].transaction_id}
    edge = [point(NOW, 1), point(NOW - timedelta(days=2), 2), point(NOW - timedelta(days=2, seconds=-1), 3)]
    assert kept(edge, Retention(minimum_age=timedelta(days=2))) == {edge[0].transaction_id, edge[2].transaction_id}


def test_a_damaged_one_takes_no_good_ones_place_and_goes_no_sooner_for_it() -> None:
    points = daily(6)
    doubted = frozenset({(points[0].transaction_id, "s3")})
    found = kept(points, Retention(last=2), Facts(now=NOW, doubted=doubted))
    assert found == {each.transaction_id for each in points[:3]}


def test_where_none_is_good_the_newest_stays() -> None:
    points = daily(3)
    doubted = frozenset((each.transaction_id, "s3") for each in points)
    facts = Facts(now=NOW, doubted=doubted)
    assert kept(points, Retention(minimum_age=timedelta(seconds=1)), facts) == {points[0].transaction_id}


def test_what_is_held_locked_used_or_wished_stays_and_says_so() -> None:
    points = daily(9)
    points[3] = replace(points[3], locked_until=NOW + timedelta(days=1))
    points[4] = replace(points[4], locked_until=NOW)
    points[5] = replace(points[5], keep_for="P30D")
    points[6] = replace(points[6], keep_for="forever")
    points[7] = replace(points[7], keep_for="P7D")
    facts = Facts(
        now=NOW,
        holds=(
            Hold(id="h", reason="audit", by="dave", at=NOW, point=points[1].transaction_id),
            Hold(id="i", reason="over", by="dave", at=NOW, point=points[8].transaction_id, until=NOW),
        ),
        used=frozenset({(points[2].transaction_id, "s3"), (points[8].transaction_id, "other")}),
    )
    verdicts = judge(points, Retention(last=1), facts)
    assert [[keep.reason for keep in verdict.keeps] for verdict in verdicts] == [
        [Reason.NEWEST, Reason.LAST],
        [Reason.HOLD],
        [Reason.USED],
        [Reason.LOCKED],
        [],
        [Reason.WISH],
        [Reason.WISH],
        [],
        [],
    ]
    assert verdicts[1].keeps[0].detail == "by dave: audit"
    assert verdicts[3].keeps[0].detail == "until 2026-11-27 10:00 UTC"


def test_a_hold_on_a_vm_holds_all_of_it_until_its_end() -> None:
    points = daily(4)
    hold = Hold(id="h", reason="audit", by="dave", at=NOW, vm_uuid="u1", vm="vm01", until=NOW + timedelta(seconds=1))
    assert len(kept(points, Retention(last=1), Facts(now=NOW, holds=(hold,)))) == 4
    later = Facts(now=NOW + timedelta(seconds=1), holds=(hold,))
    assert len(kept(points, Retention(last=1), later)) == 1


def test_each_vm_in_each_target_is_judged_for_itself() -> None:
    mine = daily(3)
    points = [*mine, *(replace(each, target="other") for each in mine), *(replace(each, vm_uuid="u2") for each in mine)]
    verdicts = judge_all(points, lambda _point: Retention(last=1), Facts(now=NOW))
    assert len(verdicts) == 9
    assert [verdict.point.target for verdict in verdicts if verdict.is_kept] == ["s3", "other", "s3"]


def test_what_another_installation_made_never_goes_and_takes_no_place_of_ours() -> None:
    points = daily(6)
    foreign = frozenset((each.transaction_id, "s3") for each in (points[0], points[4]))
    verdicts = judge(points, Retention(last=2), Facts(now=NOW, foreign=foreign))
    assert [[keep.reason for keep in verdict.keeps] for verdict in verdicts] == [
        [Reason.FOREIGN],
        [Reason.NEWEST, Reason.LAST],
        [Reason.LAST],
        [],
        [Reason.FOREIGN],
        [],
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        point(NOW + timedelta(days=365), 9),
        replace(point(NOW), taken_at=datetime(2000, 1, 1, tzinfo=UTC), transaction_id="20261126T095000Z-7f3k9q"),
    ],
)
def test_one_that_a_wrong_clock_dated_stays_and_takes_no_place(wrong: RecoveryPoint) -> None:
    """A clock that is ahead would push out all to come; by one that is behind the newest would be the oldest."""
    points = [wrong, *daily(4)]
    verdicts = {each.point: [keep.reason for keep in each.keeps] for each in judge(points, LAST_ONE, Facts(now=NOW))}
    assert verdicts[wrong] == [Reason.MISDATED]
    assert verdicts[points[1]][:2] == [Reason.NEWEST, Reason.LAST]
    assert [bool(verdicts[each]) for each in points] == [True, True, False, False, False]
    alone = judge([wrong], LAST_ONE, Facts(now=NOW))
    assert [keep.reason for keep in alone[0].keeps] == [Reason.MISDATED]


def test_clocks_that_differ_by_some_hours_date_as_the_vmstores_does() -> None:
    behind = replace(point(NOW), taken_at=NOW - timedelta(hours=5), transaction_id="20261126T095000Z-7f3k9q")
    (verdict,) = judge([behind], LAST_ONE, Facts(now=NOW))
    assert Reason.MISDATED not in {keep.reason for keep in verdict.keeps}


# What follows knows nothing of how bot/retention.py counts.

_moments = st.one_of(
    st.integers(0, 40 * 24).map(lambda hours: NOW - timedelta(hours=hours)),
    st.integers(0, 3 * 365 * 24 * 60).map(lambda minutes: NOW - timedelta(minutes=minutes)),
    st.integers(0, 96).map(lambda quarters: datetime(2026, 10, 25, tzinfo=UTC) + timedelta(minutes=15 * quarters)),
    st.integers(0, 96).map(lambda quarters: datetime(2026, 3, 29, tzinfo=UTC) + timedelta(minutes=15 * quarters)),
    st.sampled_from([datetime(2024, 12, 30, 12, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)]),
)
_wishes = st.sampled_from(["", "", "", "P30D", "P365D", "forever"])
_locks = st.sampled_from([None, None, None, NOW, NOW + timedelta(days=3)])


@st.composite
def point_lists(draw: st.DrawFn, most: int = 18) -> list[RecoveryPoint]:
    moments = draw(st.lists(_moments, max_size=most))
    return [point(at, number, keep_for=draw(_wishes), locked_until=draw(_locks)) for number, at in enumerate(moments)]


_counts = st.integers(0, 5)
retentions = st.builds(
    Retention,
    last=_counts,
    daily=_counts,
    weekly=_counts,
    monthly=_counts,
    yearly=st.integers(0, 3),
    minimum_age=st.sampled_from([timedelta(0), timedelta(0), timedelta(hours=1), timedelta(days=2)]),
    zone=st.sampled_from(ZONES),
)


def facts_of(points: Sequence[RecoveryPoint], seed: int) -> Facts:
    dice = random.Random(seed)
    pick: Callable[[float], frozenset[tuple[str, str]]] = lambda share: frozenset(  # noqa: E731
        (each.transaction_id, "s3") for each in points if dice.random() < share
    )
    held = [each.transaction_id for each in points if dice.random() < 0.05]
    holds = tuple(Hold(id=each, reason="audit", by="dave", at=NOW, point=each) for each in held)
    return Facts(now=NOW, holds=holds, used=pick(0.05), doubted=pick(0.2))


@settings(max_examples=120, deadline=None)
@given(points=point_lists(), retention=retentions, seed=st.integers(0, 10**6))
def test_any_set_of_recovery_points_is_judged_as_the_oracle_judges_it(
    points: list[RecoveryPoint], retention: Retention, seed: int
) -> None:
    facts = facts_of(points, seed)
    assert kept(points, retention, facts) == brute_force(points, retention, facts)


@settings(max_examples=50, deadline=None)
@given(points=point_lists(), retention=retentions, seed=st.integers(0, 10**6))
def test_the_order_in_which_they_come_does_not_matter_and_the_newest_good_one_always_stays(
    points: list[RecoveryPoint], retention: Retention, seed: int
) -> None:
    facts = facts_of(points, seed)
    mixed = random.Random(seed).sample(points, len(points))
    assert judge(points, retention, facts) == judge(mixed, retention, facts)
    good = [each for each in points if (each.transaction_id, "s3") not in facts.doubted]
    if good:
        newest = max(good, key=lambda each: (each.taken_at, each.transaction_id))
        assert newest.transaction_id in kept(points, retention, facts)


@settings(max_examples=80, deadline=None)
@given(points=point_lists(), one=retentions, other=retentions, seed=st.integers(0, 10**6), is_wider=st.booleans())
@example(points=daily(3), one=Retention(), other=Retention(last=1), seed=0, is_wider=False)
def test_what_covers_another_keeps_all_that_the_other_keeps(
    points: list[RecoveryPoint], one: Retention, other: Retention, seed: int, is_wider: bool
) -> None:
    if is_wider and not one.is_everything:
        more: dict[str, Any] = {name: max(count, other.counts()[name]) for name, count in one.counts().items()}
        one = replace(one, zone=other.zone, minimum_age=max(one.minimum_age, other.minimum_age), **more)
    facts = facts_of(points, seed)
    if one.covers(other):
        assert kept(points, one, facts) >= kept(points, other, facts)
    if other.covers(one):
        assert kept(points, other, facts) >= kept(points, one, facts)


@pytest.mark.parametrize("rule", ["daily", "weekly", "monthly", "yearly"])
def test_what_does_not_cover_would_somewhere_keep_less(rule: str) -> None:
    spans = {"daily": 1, "weekly": 7, "monthly": 31, "yearly": 366}
    two: dict[str, Any] = {rule: 2}
    three: dict[str, Any] = {rule: 3}
    shorter = replace(Retention(last=1, daily=1, weekly=1, monthly=1, yearly=1), **two)
    longer = replace(shorter, **three)
    assert longer.covers(shorter)
    assert not shorter.covers(longer)
    points = [point(NOW - timedelta(days=spans[rule] * n), n) for n in range(3)]
    assert kept(points, longer) > kept(points, shorter)


def test_days_of_another_zone_are_other_days() -> None:
    berlin, apia = Retention(daily=3, zone="Europe/Berlin"), Retention(daily=3, zone="Pacific/Apia")
    assert not berlin.covers(apia)
    assert Retention(last=3, zone="Pacific/Apia").covers(Retention(last=2))
    assert Retention().covers(apia)
    assert not berlin.covers(Retention())


@settings(max_examples=50, deadline=None)
@given(points=point_lists(), retention=retentions, seed=st.integers(0, 10**6), at=_moments)
def test_one_more_pushes_out_of_each_rule_at_most_one_and_only_by_standing_before_it(
    points: list[RecoveryPoint], retention: Retention, seed: int, at: datetime
) -> None:
    facts = facts_of(points, seed)
    added = point(at, 999_999)
    before, after = kept(points, retention, facts), kept([*points, added], retention, facts)
    lost = before - after
    assert len(lost) <= 6  # one for each rule that counts, and the one that was the newest
    newer = {each.transaction_id for each in points if each.taken_at > added.taken_at}
    assert not lost & newer


@settings(max_examples=30, deadline=None)
@given(points=point_lists(), retention=retentions, gone=st.integers(0, 10**6))
def test_what_went_does_not_change_what_stays(points: list[RecoveryPoint], retention: Retention, gone: int) -> None:
    """A round that ends half way, or takes only the first 500, leads to the same end."""
    facts = Facts(now=NOW)
    stays = kept(points, retention, facts)
    dice = random.Random(gone)
    rest = [each for each in points if each.transaction_id in stays or dice.random() < 0.5]
    assert kept(rest, retention, facts) == stays


def test_a_year_of_days_ends_as_it_should_when_each_day_is_expired_by_itself() -> None:
    """Day after day: what was removed yesterday is never missed today."""
    retention = Retention(last=3, daily=7, weekly=4, monthly=6, yearly=2, zone="Europe/Berlin")
    have: list[RecoveryPoint] = []
    every: list[RecoveryPoint] = []
    for day in range(500):
        now = NOW + timedelta(days=day)
        every.append(point(now, day))
        have.append(every[-1])
        stays = kept(have, retention, Facts(now=now))
        have = [each for each in have if each.transaction_id in stays]
        if day % 50 == 49:
            assert stays == kept(every, retention, Facts(now=now))
    assert date(2027, 12, 31) in {each.taken_at.date() for each in have}
