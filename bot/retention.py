"""Which recovery points are kept, and by which rules. Pure.

One that is damaged, or about to be deleted by hand, takes nobody's place: the good ones are counted as if it were not
there. It is judged all the same as if it were good, so that nothing goes sooner for being doubted. What another
installation made, and what some wrong clock dated, takes nobody's place either, and stays.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bot import keeping
from bot.ids import begun_at
from bot.model import Hold, Keep, Reason, RecoveryPoint, Retention, Verdict

_CLOCKS_DIFFER = timedelta(days=1)  # by so much a VMstore's clock may be behind ours
Places = frozenset[tuple[str, str]]  # recovery points, by transaction id and target


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of recovery points beside what they are."""

    now: datetime
    holds: tuple[Hold, ...] = ()
    used: Places = frozenset()  # a transaction that is not over copies from them, reads them or makes them
    doubted: Places = frozenset()  # damaged, or about to go
    foreign: Places = frozenset()  # another installation made them


def judge(points: Iterable[RecoveryPoint], retention: Retention, facts: Facts) -> tuple[Verdict, ...]:
    """Of one VM in one target: what becomes of each, newest first, whatever the order they come in."""
    newest_first = sorted(points, key=_age, reverse=True)
    ours = [point for point in newest_first if not _is_apart(point, facts)]
    good = [point for point in ours if _place(point) not in facts.doubted]
    by_rules, if_all_were_good = _by_rules(good, retention), _by_rules(ours, retention)
    last = (good or ours)[:1]
    return tuple(
        Verdict(
            point=point,
            keeps=(
                *([Keep(reason=Reason.NEWEST)] if point in last else []),
                *by_rules.get(_place(point), if_all_were_good.get(_place(point), [])),
                *_by_age(point, retention, facts.now),
                *_by_facts(point, facts),
            ),
        )
        for point in newest_first
    )


def judge_all(
    points: Iterable[RecoveryPoint], retention: Callable[[RecoveryPoint], Retention], facts: Facts
) -> tuple[Verdict, ...]:
    """Of many VMs and targets; each VM in each target by the retention that its newest recovery point there has."""
    groups: dict[tuple[str, str], list[RecoveryPoint]] = {}
    for point in points:
        groups.setdefault((point.vm_uuid, point.target), []).append(point)
    return tuple(
        verdict for group in groups.values() for verdict in judge(group, retention(max(group, key=_age)), facts)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a change makes of recovery points. Those that neither keeps are in none of the first three."""

    goes: tuple[Verdict, ...] = ()  # kept before, and not after
    stays: tuple[Verdict, ...] = ()  # kept after; with its reasons then
    spared: tuple[Verdict, ...] = ()  # of those: not kept before
    due: tuple[Verdict, ...] = ()  # neither keeps them: they go in any case


def compare(before: Iterable[Verdict], after: Iterable[Verdict]) -> Effect:
    """Of the same recovery points, judged twice."""
    kept = {_place(verdict.point) for verdict in before if verdict.is_kept}
    stays, rest = list[Verdict](), list[Verdict]()
    for verdict in after:
        (stays if verdict.is_kept else rest).append(verdict)
    return Effect(
        goes=tuple(each for each in rest if _place(each.point) in kept),
        stays=tuple(stays),
        spared=tuple(each for each in stays if _place(each.point) not in kept),
        due=tuple(each for each in rest if _place(each.point) not in kept),
    )


def _age(point: RecoveryPoint) -> tuple[datetime, str]:
    return point.taken_at, point.transaction_id


def _is_apart(point: RecoveryPoint, facts: Facts) -> bool:
    return _place(point) in facts.foreign or _is_misdated(point, facts.now)


def _is_misdated(point: RecoveryPoint, now: datetime) -> bool:
    """Whether it is of a time to come, or older than the transaction that took it: one by the VMstore's clock."""
    asked_at = begun_at(point.transaction_id)
    return point.taken_at > now or (asked_at is not None and point.taken_at < asked_at - _CLOCKS_DIFFER)


def _place(point: RecoveryPoint) -> tuple[str, str]:
    return point.transaction_id, point.target


def _by_rules(newest_first: Sequence[RecoveryPoint], retention: Retention) -> dict[tuple[str, str], list[Keep]]:
    """By recovery point the rules that count."""
    if retention.is_everything:
        return {_place(point): [Keep(reason=Reason.EVERYTHING)] for point in newest_first}
    kept: dict[tuple[str, str], list[Keep]] = {}
    for number, point in enumerate(newest_first[: retention.last], start=1):
        kept.setdefault(_place(point), []).append(Keep(reason=Reason.LAST, detail=f"{number} of {retention.last}"))
    zone = ZoneInfo(retention.zone)
    local = [(point, point.taken_at.astimezone(zone)) for point in newest_first if retention.has_calendar]
    for reason, period in _PERIODS.items():
        for name, point in _newest_of_each(local, getattr(retention, reason.value), period):
            kept.setdefault(_place(point), []).append(Keep(reason=reason, detail=name))
    return kept


def _newest_of_each(
    newest_first: Sequence[tuple[RecoveryPoint, datetime]], wanted: int, period: Callable[[datetime], str]
) -> Iterable[tuple[str, RecoveryPoint]]:
    """The newest of each of so many periods that have any."""
    found: dict[str, RecoveryPoint] = {}
    for point, local in newest_first if wanted else ():
        name = period(local)
        if name not in found and len(found) == wanted:
            break
        found.setdefault(name, point)
    return found.items()


def _day(local: datetime) -> str:
    return f"{local:%Y-%m-%d}"


def _week(local: datetime) -> str:
    year, week, _day_of_week = local.isocalendar()
    return f"{year}-W{week:02}"


def _month(local: datetime) -> str:
    return f"{local:%Y-%m}"


def _year(local: datetime) -> str:
    return f"{local:%Y}"


_PERIODS = {Reason.DAILY: _day, Reason.WEEKLY: _week, Reason.MONTHLY: _month, Reason.YEARLY: _year}


def _by_age(point: RecoveryPoint, retention: Retention, now: datetime) -> Iterable[Keep]:
    if until := _until(point.taken_at, retention.minimum_age.total_seconds(), now):
        yield Keep(reason=Reason.YOUNG, detail=until)
    if point.keep_for == keeping.FOREVER:
        yield Keep(reason=Reason.WISH, detail=keeping.FOREVER)
    elif until := _until(point.taken_at, keeping.days(point.keep_for) * 86_400, now):
        yield Keep(reason=Reason.WISH, detail=until)


def _until(begin: datetime, seconds: float, now: datetime) -> str:
    """ "until 2026-11-28 10:00 UTC"; "" where that is over, or nothing."""
    if not seconds or (now - begin).total_seconds() >= seconds:
        return ""
    return _told(datetime.fromtimestamp(begin.timestamp() + seconds, UTC))


def _told(until: datetime) -> str:
    return f"until {until:%Y-%m-%d %H:%M} UTC"


def _by_facts(point: RecoveryPoint, facts: Facts) -> Iterable[Keep]:
    for hold in facts.holds:
        if hold.holds(point, facts.now):
            until = f" {_told(hold.until)}" if hold.until else ""
            yield Keep(reason=Reason.HOLD, detail=f"by {hold.by}{until}: {hold.reason}")
    if point.locked_until and point.locked_until > facts.now:
        yield Keep(reason=Reason.LOCKED, detail=_told(point.locked_until))
    if _place(point) in facts.used:
        yield Keep(reason=Reason.USED)
    if _place(point) in facts.foreign:
        yield Keep(reason=Reason.FOREIGN)
    if _is_misdated(point, facts.now):
        yield Keep(reason=Reason.MISDATED, detail=f"{point.taken_at:%Y-%m-%d %H:%M} UTC")
