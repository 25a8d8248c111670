"""Which recovery points of one VM in one target stay, found in another way than Cloudy finds it: by brute force."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from bot.model import RecoveryPoint, Retention
from bot.retention import Facts

_RULES = ("daily", "weekly", "monthly", "yearly")


def brute_force(points: Sequence[RecoveryPoint], retention: Retention, facts: Facts) -> set[str]:
    """Asks of each recovery point and each rule: how many stand in its way?

    What is of another installation, or of a day that cannot be, stands in nobody's way, and stays.
    """
    if sum(retention.counts().values()) == 0 and retention.minimum_age == timedelta(0):
        return {each.transaction_id for each in points}
    foreign = {name for name, _target in facts.foreign}
    ours = [each for each in points if each.transaction_id not in foreign and not _is_misdated(each, facts.now)]
    apart = {each.transaction_id for each in points} - {each.transaction_id for each in ours}
    return apart | _of_ours(ours, retention, facts)


def _of_ours(points: Sequence[RecoveryPoint], retention: Retention, facts: Facts) -> set[str]:
    doubted = {name for name, _target in facts.doubted}
    good = [each for each in points if each.transaction_id not in doubted]
    stay = {each.transaction_id for each in points if _is_outside_of_rules(each, retention, facts)}
    for each in points:
        is_good = each.transaction_id not in doubted
        is_last = (is_good or not good) and not any(_is_newer(other, each) for other in good or points)
        if is_last or _stays_among(each, good if is_good else points, retention):
            stay.add(each.transaction_id)
    return stay


def _is_newer(one: RecoveryPoint, than: RecoveryPoint) -> bool:
    return (one.taken_at, one.transaction_id) > (than.taken_at, than.transaction_id)


def _is_misdated(point: RecoveryPoint, now: datetime) -> bool:
    """To come, or a day and more older than its transaction, whose id begins with its time."""
    begun = _begun(point.transaction_id)
    return point.taken_at > now or (begun is not None and begun - point.taken_at > timedelta(days=1))


@lru_cache(maxsize=100_000)
def _begun(name: str) -> datetime | None:
    found = re.fullmatch(r"(\d{8}T\d{6})Z-[0-9a-z]{6}", name)
    return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC) if found else None


def _stays_among(each: RecoveryPoint, others: Sequence[RecoveryPoint], retention: Retention) -> bool:
    newer = [other for other in others if _is_newer(other, each)]
    if len(newer) < retention.last:
        return True
    for rule in _RULES:
        wanted = getattr(retention, rule)
        theirs = {_period(rule, other.taken_at, retention.zone) for other in newer} if wanted else set()
        if _period(rule, each.taken_at, retention.zone) not in theirs and len(theirs) < wanted:
            return True
    return False


def _period(rule: str, at: datetime, zone: str) -> tuple[int, ...]:
    """The day, the week's Monday, the month or the year, by the clocks of the zone."""
    local = _local(at, zone)
    if rule == "daily":
        return (local.toordinal(),)
    if rule == "weekly":
        return (local.toordinal() - local.weekday(),)
    return (local.year, local.month) if rule == "monthly" else (local.year,)


@lru_cache(maxsize=100_000)
def _local(at: datetime, zone: str) -> date:
    return at.astimezone(ZoneInfo(zone)).date()


def _is_outside_of_rules(each: RecoveryPoint, retention: Retention, facts: Facts) -> bool:
    ends = [each.locked_until or facts.now]
    ends += [each.taken_at + retention.minimum_age] if retention.minimum_age else []
    ends += [each.taken_at + _wish(each.keep_for)] if each.keep_for not in ("", "forever") else []
    if max(ends) > facts.now or each.keep_for == "forever":
        return True
    holds = [hold for hold in facts.holds if hold.until is None or hold.until > facts.now]
    if each.vm_uuid in {hold.vm_uuid for hold in holds}:
        return True
    return each.transaction_id in {hold.point for hold in holds} | {name for name, _target in facts.used}


def _wish(kept_for: str) -> timedelta:
    return timedelta(days=int(kept_for.strip("PD")))
