"""Which recovery points have grown old enough for a tier, and which stay where they are all the same. Pure.

Nothing moves that saves nothing: a class is paid for so many days at least, so what leaves it sooner stays.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot import keeping
from bot.model import Reason, RecoveryPoint, Retention, Tier, Tiering, Turn, Verdict
from bot.retention import Facts
from bot.retention_text import why

SMALLEST = 128 << 10  # bytes of an object; each is paid for as so many at least in most classes
# Days that an object is paid for at least. S3: "Using Amazon S3 storage classes"; Azure: "Access tiers for blob data".
_LEAST_DAYS: Mapping[str, int] = {
    "STANDARD_IA": 30,
    "ONEZONE_IA": 30,
    "GLACIER_IR": 90,
    "GLACIER": 90,
    "DEEP_ARCHIVE": 180,
    "COOL": 30,
    "COLD": 90,
    "ARCHIVE": 180,
}
# A move in S3 is a copy, which reads: AWS's price page, us-east-1, as of 2026-11, has 0.03 USD a GB for what is read
# out of GLACIER_IR, and GLACIER saves 0.0004 a month. Azure reads nothing when it sets a tier.
_DEAR = {("GLACIER_IR", "GLACIER"): "6 years"}
_STAYS = (Reason.NEWEST, Reason.USED, Reason.LOCKED, Reason.FOREIGN, Reason.MISDATED)
_DATED = frozenset({Reason.YOUNG, Reason.WISH, Reason.HOLD})  # reasons to keep one that have an end
_DOUBTED = "it is damaged, or about to be removed"

_WAITS = (None, Tier.COLD, Tier.ARCHIVE)  # the longer, the further behind

Classes = Mapping[Tier, str]  # the store's word for each tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What decides, beside what recovery points are."""

    tiering: Mapping[str, Tiering]  # by the VM's uuid; of one that is not here nothing moves
    classes: Mapping[str, Classes]  # by target; likewise
    retention: Callable[[RecoveryPoint], Retention]  # in force


def turns(verdicts: Iterable[Verdict], rules: Rules, known: Facts) -> Iterator[Turn]:
    """Of recovery points that were judged by what is in force; in their order."""
    for verdict in verdicts:
        if found := _turn(verdict, rules, known):
            yield found


def is_old_enough(point: RecoveryPoint, rules: Rules, now: datetime) -> bool:
    """Whether its age alone asks for a tier that it does not lie in."""
    return bool(_wanted(point, rules, now))


def least(storage_class: str) -> timedelta:
    """How long an object of that class is paid for at least."""
    return timedelta(days=_LEAST_DAYS.get(storage_class.upper(), 0))


def soonest(tiers: Iterable[Tier | None]) -> Tier | None:
    """Of the tiers that one recovery point lies in, in several targets, the one that it is read from soonest."""
    return min(tiers, key=_WAITS.index)


def goes_at(verdict: Verdict, retention: Retention, known: Facts) -> datetime | None:
    """When nothing will keep it any more, as far as that is known today; None: that depends on what comes."""
    point = verdict.point
    if {keep.reason for keep in verdict.keeps} - _DATED or point.keep_for == keeping.FOREVER:
        return None
    ends = [hold.until for hold in known.holds if hold.holds(point, known.now)]
    if None in ends:
        return None
    wished = timedelta(days=keeping.days(point.keep_for))
    last = max(known.now, point.taken_at + retention.minimum_age, point.taken_at + wished)
    return max([last, *(end for end in ends if end)])


def stays_text(turned: Iterable[Turn]) -> str:
    """Why others that are old enough stay: "the newest good one 3, in use 1"; "" where there is none."""
    reasons = Counter(turn.stays.partition(" until ")[0].partition(" on ")[0] for turn in turned if turn.stays)
    return ", ".join(f"{reason} {number:,}" for reason, number in sorted(reasons.items()))


def _turn(verdict: Verdict, rules: Rules, known: Facts) -> Turn | None:
    point, wanted = verdict.point, _wanted(verdict.point, rules, known.now)
    if not wanted:
        return None
    if stays := _stays(verdict, known):
        return Turn(point=point, tier=wanted[0], stays=stays)
    lost = {tier: _costs_more(verdict, tier, rules, known) for tier in wanted}
    worth = [tier for tier in wanted if not lost[tier]]
    return Turn(point=point, tier=worth[0]) if worth else Turn(point=point, tier=wanted[0], stays=lost[wanted[0]])


def _wanted(point: RecoveryPoint, rules: Rules, now: datetime) -> tuple[Tier, ...]:
    """The tiers that it is old enough for and that are cheaper than where it lies; the cheapest first."""
    tiering = rules.tiering.get(point.vm_uuid)
    if tiering is None or point.target not in rules.classes or point.tier is Tier.ARCHIVE:
        return ()
    age = now - point.taken_at
    after = {Tier.ARCHIVE: tiering.archive_after, Tier.COLD: None if point.tier else tiering.cold_after}
    return tuple(tier for tier, old in after.items() if old is not None and age >= old)


def _stays(verdict: Verdict, known: Facts) -> str:
    """Why it is not to be touched, whatever it would save."""
    if not verdict.is_kept:
        return "retention removes it"
    if (verdict.point.transaction_id, verdict.point.target) in known.doubted:
        return _DOUBTED
    return ", ".join(why(keep) for keep in verdict.keeps if keep.reason in _STAYS)


def _costs_more(verdict: Verdict, tier: Tier, rules: Rules, known: Facts) -> str:
    """Why to move it there would save nothing, in words."""
    point, classes = verdict.point, rules.classes[verdict.point.target]
    paid_until = known.now + least(classes[tier])
    paid = f"{classes[tier]} is paid for {least(classes[tier]).days} days at least"
    goes = goes_at(verdict, rules.retention(point), known)
    if goes is not None and goes < paid_until:
        return f"retention removes it on {goes:%Y-%m-%d}, and {paid}"
    later = rules.tiering[point.vm_uuid].archive_after
    if point.tier is Tier.COLD and (years := _DEAR.get((classes[Tier.COLD], classes[tier]))):
        return f"reading it out of {classes[Tier.COLD]} costs what {classes[tier]} saves in {years}"
    if tier is Tier.ARCHIVE or later is None:
        return ""
    moves = point.taken_at + later
    is_worth = goes is None or goes >= moves + least(classes[Tier.ARCHIVE])
    if known.now < moves < paid_until and is_worth:
        return f"it goes to the archive on {moves:%Y-%m-%d}, and {paid}"
    return ""
