"""Which recovery points move to a tier: against an oracle that looks at the days to come, and rule by rule."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model import Hold, RecoveryPoint, Retention, Tier, Tiering, Turn
from bot.retention import Facts, judge
from bot.tiering import Rules, least, turns
from tests.unit.test_retention import NOW, facts_of, point, point_lists, retentions
from tests.unit.tiers_by_hand import by_hand

EVERYTHING = Retention()
DAY = timedelta(days=1)
BOTH = Tiering(cold_after=30 * DAY, archive_after=180 * DAY)
CLASSES = {Tier.COLD: "GLACIER_IR", Tier.ARCHIVE: "GLACIER"}
DEEP = {Tier.COLD: "GLACIER_IR", Tier.ARCHIVE: "DEEP_ARCHIVE"}


def found(
    points: Sequence[RecoveryPoint],
    tiering: Tiering = BOTH,
    retention: Retention = EVERYTHING,
    facts: Facts | None = None,
    classes: dict[Tier, str] = CLASSES,
) -> list[Turn]:
    known = facts or Facts(now=NOW)
    rules = Rules(tiering={"u1": tiering}, classes={"s3": classes}, retention=lambda _point: retention)
    return list(turns(judge(points, retention, known), rules, known))


def moved(turned: Sequence[Turn]) -> dict[str, str]:
    return {each.point.transaction_id: each.tier.value for each in turned if not each.stays}


def of_age(*days: float) -> list[RecoveryPoint]:
    return [point(NOW - timedelta(days=age), number) for number, age in enumerate(days)]


def stays(turned: Sequence[Turn]) -> list[str]:
    return [each.stays for each in turned]


def test_each_goes_where_its_age_says_and_the_newest_never() -> None:
    points = of_age(10, 29.9, 30, 90, 180, 900)
    assert list(moved(found(points)).values()) == ["cold", "cold", "archive", "archive"]
    assert moved(found(of_age(900))) == {}
    assert stays(found(of_age(900))) == ["the newest good one"]


def test_the_newest_good_one_stays_also_behind_a_newer_one_that_is_damaged() -> None:
    points = of_age(200, 300, 400)
    known = Facts(now=NOW, doubted=frozenset({(points[0].transaction_id, "s3")}))
    assert moved(found(points, facts=known)) == {points[2].transaction_id: "archive"}
    assert stays(found(points, facts=known))[:2] == ["it is damaged, or about to be removed", "the newest good one"]


def test_nothing_comes_back_from_a_tier_and_what_lies_there_stays() -> None:
    points = of_age(1, 200, 200, 200, 40)
    points = [
        replace(each, tier=tier)
        for each, tier in zip(points, (None, Tier.COLD, Tier.ARCHIVE, None, Tier.ARCHIVE), strict=True)
    ]
    both = {points[1].transaction_id: "archive", points[3].transaction_id: "archive"}
    assert moved(found(points, classes=DEEP)) == both
    only_cold = Tiering(cold_after=30 * DAY)
    assert moved(found(points, only_cold)) == {points[3].transaction_id: "cold"}


def test_without_an_age_in_its_sla_or_classes_in_its_target_nothing_of_a_vm_moves() -> None:
    points = of_age(1, 400)
    assert found(points, Tiering()) == []
    other = [replace(each, target="nas") for each in points]
    assert found(other) == []
    theirs = [replace(each, vm_uuid="u2") for each in points]
    assert found(theirs) == []


def test_what_is_locked_used_foreign_misdated_or_to_go_stays_and_a_hold_keeps_nothing_from_moving() -> None:
    points = of_age(1, 200, 201, 202, 203, 204)
    points[1] = replace(points[1], locked_until=NOW + DAY)
    points[5] = replace(points[5], taken_at=NOW - 205 * DAY, transaction_id="20261126T095000Z-7f3k9q")
    known = Facts(
        now=NOW,
        used=frozenset({(points[2].transaction_id, "s3")}),
        foreign=frozenset({(points[3].transaction_id, "s3")}),
        holds=(Hold(id="h", reason="audit", by="dave", at=NOW, vm_uuid="u1", vm="vm01"),),
    )
    assert moved(found(points, facts=known)) == {points[4].transaction_id: "archive"}
    told = stays(found(points, facts=known))
    assert told[:3] == ["locked until 2026-11-27 10:00 UTC", "in use", "another installation's"]
    assert told[4].startswith("dated by a wrong clock")
    without = replace(known, holds=())
    assert stays(found(points, retention=Retention(last=1), facts=without))[3] == "retention removes it"


@pytest.mark.parametrize(
    ("minimum_age", "wish", "tier", "why"),
    [
        (119, "", "", "retention removes it on 2026-12-25, and GLACIER_IR is paid for 90 days at least"),
        (200, "", "cold", ""),
        (100, "P180D", "cold", ""),
        (100, "P179D", "", "retention removes it on 2027-02-23, and GLACIER_IR is paid for 90 days at least"),
        (100, "forever", "cold", ""),
    ],
)
def test_what_retention_removes_before_the_class_is_paid_off_stays(
    minimum_age: int, wish: str, tier: str, why: str
) -> None:
    points = [point(NOW), replace(point(NOW - 90 * DAY, 1), keep_for=wish)]
    turned = found(points, Tiering(cold_after=30 * DAY), Retention(minimum_age=minimum_age * DAY))
    assert (moved(turned).get(points[1].transaction_id, ""), turned[0].stays) == (tier, why)


def test_a_hold_with_an_end_is_counted_with_the_rules_that_end_and_a_rule_that_counts_has_none() -> None:
    points = of_age(0, 90)
    old = Retention(minimum_age=DAY)
    hold = Hold(id="h", reason="audit", by="dave", at=NOW, vm_uuid="u1", vm="vm01", until=NOW + 89 * DAY)
    assert moved(found(points, retention=old, facts=Facts(now=NOW, holds=(hold,)))) == {}
    longer = replace(hold, until=NOW + 90 * DAY)
    assert len(moved(found(points, retention=old, facts=Facts(now=NOW, holds=(longer,))))) == 1
    assert len(moved(found(points, retention=Retention(last=2)))) == 1


def test_what_goes_to_the_archive_before_cold_is_paid_off_waits_for_that() -> None:
    points = of_age(0, 90, 91)
    turned = found(points)
    assert moved(turned) == {points[1].transaction_id: "cold"}
    assert turned[1].stays == "it goes to the archive on 2027-02-23, and GLACIER_IR is paid for 90 days at least"


def test_what_is_too_late_for_the_archive_may_still_be_cold() -> None:
    points = of_age(0, 200)
    for kept, tier in ((300, "archive"), (289, "")):
        turned = found(points, retention=Retention(minimum_age=kept * DAY))
        assert moved(turned).get(points[1].transaction_id, "") == tier
    assert moved(found(points, retention=Retention(minimum_age=300 * DAY), classes=DEEP)) == {
        points[1].transaction_id: "cold"
    }


def test_what_costs_more_to_read_out_of_its_cold_class_than_the_archive_saves_stays_cold() -> None:
    """A copy in S3 reads: 0.03 USD a GB out of GLACIER_IR, and GLACIER saves 0.0004 a month."""
    points = of_age(1, 200, 300)
    points[1] = replace(points[1], tier=Tier.COLD)
    turned = found(points)
    assert moved(turned) == {points[2].transaction_id: "archive"}
    assert turned[0].stays == "reading it out of GLACIER_IR costs what GLACIER saves in 6 years"


def test_a_class_that_nobody_told_us_of_is_paid_for_no_longer_than_it_is_used() -> None:
    assert least("Cold") == 90 * DAY
    assert least("GLACIER_OF_TOMORROW") == timedelta(0)


_ages = st.sampled_from([None, 7 * DAY, 30 * DAY, 180 * DAY])
_classes = st.sampled_from(
    [
        CLASSES,
        DEEP,
        {Tier.COLD: "Cool", Tier.ARCHIVE: "Archive"},
        {Tier.COLD: "STANDARD_IA", Tier.ARCHIVE: "DEEP_ARCHIVE"},
    ]
)


@settings(max_examples=80, deadline=None)
@given(
    points=point_lists(most=8),
    retention=st.one_of(
        retentions, st.sampled_from([10, 60, 100, 200, 400]).map(lambda days: Retention(minimum_age=days * DAY))
    ),
    cold=_ages,
    archive=_ages,
    classes=_classes,
    seed=st.integers(0, 10**6),
)
def test_any_set_of_recovery_points_is_moved_as_the_oracle_moves_it(
    points: list[RecoveryPoint],
    retention: Retention,
    cold: timedelta | None,
    archive: timedelta | None,
    classes: dict[Tier, str],
    seed: int,
) -> None:
    dice = random.Random(seed)
    points = [replace(each, tier=dice.choice([None, None, Tier.COLD, Tier.ARCHIVE])) for each in points]
    known = facts_of(points, seed)
    ends = (None, NOW + 10 * DAY, NOW + 95 * DAY)
    known = replace(known, holds=tuple(replace(hold, until=dice.choice(ends)) for hold in known.holds))
    tiering = Tiering(cold_after=cold, archive_after=archive)
    paid = {tier.value: least(name) for tier, name in classes.items()}
    turned = found(points, tiering, retention, known, classes)
    assert moved(turned) == by_hand(points, retention, tiering, paid, known, is_dear=classes == CLASSES)
    assert moved(turned) == moved(found(dice.sample(points, len(points)), tiering, retention, known, classes))


def test_a_year_of_days_moves_each_once_to_each_tier_and_pays_nothing_for_leaving_early() -> None:
    """Day after day, with what moved yesterday."""
    have: list[RecoveryPoint] = []
    since: dict[str, tuple[str, int]] = {}
    for day in range(0, 500, 5):
        now = NOW + day * DAY
        have.append(point(now, day))
        for each in found(have, facts=Facts(now=now), classes=DEEP):
            name, tier = each.point.transaction_id, each.tier
            if each.stays:
                continue
            before, on = since.get(name, ("", -999))
            assert before != tier.value
            assert day - on >= (90 if before else 0)
            since[name] = (tier.value, day)
            have = [replace(one, tier=tier) if one.transaction_id == name else one for one in have]
    assert [one.tier for one in have[::20]] == [Tier.ARCHIVE, Tier.ARCHIVE, Tier.ARCHIVE, Tier.ARCHIVE, Tier.COLD]
