"""Which recovery points move to a tier, found in another way than Cloudy finds it: by looking at the days to come."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.model import RecoveryPoint, Retention, Tiering
from bot.retention import Facts
from tests.unit.keeps import brute_force

_INSTANT = timedelta(microseconds=1)


def by_hand(
    points: Sequence[RecoveryPoint],
    retention: Retention,
    tiering: Tiering,
    paid: Mapping[str, timedelta],
    facts: Facts,
    *,
    is_dear: bool,
) -> dict[str, str]:
    """Of one VM in one target, by id: to which tier each moves now.

    paid: how long at least, by tier; is_dear: from cold to the archive costs more than that saves.
    If nothing came any more, would it still be there on the last day that is paid?
    """
    apart = {name for name, _target in facts.used | facts.doubted | facts.foreign} | _newest(points, facts)
    stays = brute_force(points, retention, facts)
    found = {}
    for each in points:
        is_locked = each.locked_until is not None and each.locked_until > facts.now
        if each.transaction_id in stays - apart and not is_locked:
            found[each.transaction_id] = _tier(each, _Days(points, retention, facts), tiering, paid)
    cold = {each.transaction_id for each in points if each.tier == "cold"} if is_dear else set()
    return {name: tier for name, tier in found.items() if tier and name not in cold}


class _Days:
    def __init__(self, points: Sequence[RecoveryPoint], retention: Retention, facts: Facts) -> None:
        self._points, self._retention, self.facts = points, retention, facts

    def has(self, point: RecoveryPoint, before: datetime) -> bool:
        """Whether it is there until then."""
        then = replace(self.facts, now=before - _INSTANT, used=frozenset())
        return point.transaction_id in brute_force(self._points, self._retention, then)


def _newest(points: Sequence[RecoveryPoint], facts: Facts) -> set[str]:
    foreign, doubted = ({name for name, _target in places} for places in (facts.foreign, facts.doubted))
    ours = [each for each in points if each.transaction_id not in foreign]
    good = [each for each in ours if each.transaction_id not in doubted]
    return {max(good or ours, key=lambda each: (each.taken_at, each.transaction_id)).transaction_id} if ours else set()


def _tier(point: RecoveryPoint, days: _Days, tiering: Tiering, paid: Mapping[str, timedelta]) -> str:
    now, archive_at, cold_at = days.facts.now, None, None
    if tiering.archive_after is not None and point.tier != "archive":
        archive_at = max(now, point.taken_at + tiering.archive_after)
    if tiering.cold_after is not None and point.tier is None:
        cold_at = max(now, point.taken_at + tiering.cold_after)
    will_be_archived = archive_at is not None and days.has(point, archive_at + paid["archive"])
    if archive_at == now and will_be_archived:
        return "archive"
    if cold_at != now or not days.has(point, now + paid["cold"]):
        return ""
    is_soon = archive_at is not None and now < archive_at < now + paid["cold"]
    return "" if is_soon and will_be_archived else "cold"
