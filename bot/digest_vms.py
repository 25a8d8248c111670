"""What a digest tells of VMs, by how each stands: of all of them the counts, of the worst some lines. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import nsmallest

from bot import digest, durations
from bot.model import (
    Act,
    Chapter,
    Concern,
    ConcernKind,
    DigestLine,
    InTarget,
    Protection,
    Standing,
    Tally,
    Topic,
    Trouble,
)
from bot.words import size_text

# The worst trouble of each kind of concern is the one that is told of a VM.
_TOPICS = {
    Trouble.FAILING: (ConcernKind.RPO, Topic.FAILING),
    Trouble.LATE: (ConcernKind.RPO, Topic.LATE),
    Trouble.UNPROTECTED: (ConcernKind.RPO, Topic.UNPROTECTED),
    Trouble.WILL_BE_LATE: (ConcernKind.RPO, Topic.SOON),
    Trouble.UNSCHEDULED: (ConcernKind.COVER, Topic.UNSCHEDULED),
    Trouble.NEVER_PROVEN: (ConcernKind.PROOF, Topic.UNPROVEN),
    Trouble.PROOF_OLD: (ConcernKind.PROOF, Topic.UNPROVEN),
    Trouble.GROWING: (ConcernKind.GROWTH, Topic.GROWTH),
}
# What is told of a VM instead, if there is such a concern, too.
_WORSE = {ConcernKind.COVER: ConcernKind.RPO}
_MORE = {
    Topic.LATE: "/cloudy vms late",
    Topic.UNPROTECTED: "/cloudy vms unprotected",
}
_FOR_EVER = timedelta(days=99_999)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What is known beside how each VM stands."""

    now: datetime
    targets: tuple[str, ...]  # all that are configured
    drillable: frozenset[str] = frozenset()  # VMstores whose VMs can be drilled
    snoozed: frozenset[tuple[ConcernKind, str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfVms:
    """What came of it."""

    tally: Tally
    rpo: str = ""  # in words, where all have the same
    oldest_proof: timedelta | None = None
    unproven: int = 0
    chapters: tuple[Chapter, ...] = ()


@dataclass(slots=True)
class _Found:
    """The VMs of one topic."""

    kind: ConcernKind
    snoozed: int = 0
    standings: list[Standing] = field(default_factory=list)


def of_vms(standings: Iterable[Standing], house: House) -> OfVms:
    """Count them, and say of the worst what is wrong; exempt ones are left out."""
    stood = Counter[Protection]()
    rpos: set[timedelta] = set()
    proofs: list[datetime] = []
    found: dict[Topic, _Found] = {}
    unproven = 0
    for standing in standings:
        if standing.sla.is_exempt:
            continue
        stood[standing.protection] += 1
        rpos.add(standing.sla.rpo)
        proofs += [standing.proven_at] if standing.proven_at else []
        unproven += standing.newest is not None and standing.proven_at is None
        _sort(standing, house.snoozed, found)
    return OfVms(
        tally=Tally(protected=stood[Protection.PROTECTED], late=stood[Protection.LATE], never=stood[Protection.NEVER]),
        rpo=durations.said(rpos.pop()) if len(rpos) == 1 else "",
        oldest_proof=house.now - min(proofs) if proofs else None,
        unproven=unproven,
        chapters=tuple(_chapter(topic, each, house) for topic, each in found.items()),
    )


def assigned(chapters: Iterable[Chapter], concerns: Collection[Concern]) -> tuple[Chapter, ...]:
    """Who takes care of what, on the lines."""
    whose = {f"{each.kind}:{each.id}": each.assigned for each in concerns if each.assigned}
    return tuple(
        replace(chapter, lines=tuple(replace(line, assigned=whose.get(line.concern, "")) for line in chapter.lines))
        for chapter in chapters
    )


def _sort(standing: Standing, snoozed: frozenset[tuple[ConcernKind, str]], found: dict[Topic, _Found]) -> None:
    told: set[ConcernKind] = set()
    for trouble, (kind, topic) in _TOPICS.items():
        if trouble in standing.troubles and not told & {kind, _WORSE.get(kind)}:
            told.add(kind)
            place = found.setdefault(topic, _Found(kind))
            if (kind, standing.vm.uuid) in snoozed:
                place.snoozed += 1
            else:
                place.standings.append(standing)


def _chapter(topic: Topic, found: _Found, house: House) -> Chapter:
    worst = nsmallest(digest.MOST_LINES, found.standings, key=lambda each: _badness(topic, each))
    return Chapter(
        topic=topic,
        total=len(found.standings),
        lines=tuple(digest.line_of(_line(topic, found.kind, each, house)) for each in worst),
        snoozed=found.snoozed,
        more=_MORE.get(topic, "/cloudy vms"),
    )


def _badness(topic: Topic, standing: Standing) -> tuple[timedelta, str, str]:
    """The smaller, the worse."""
    rank = timedelta()
    if topic in (Topic.LATE, Topic.FAILING):
        late = standing.late_by
        rank = -_FOR_EVER if late is None and standing.protection is not Protection.PROTECTED else -(late or rank)
    elif topic is Topic.SOON:
        place = _tightest(standing)
        rank = place.due - _EPOCH if place and place.due else rank
    return rank, standing.vm.name.casefold(), standing.vm.uuid


def _line(topic: Topic, kind: ConcernKind, standing: Standing, house: House) -> DigestLine:
    vm = standing.vm
    act, targets = _act(topic, standing, house)
    return DigestLine(
        kind=kind,
        id=vm.uuid,
        title=f"{vm.name} on {vm.vmstore}",
        words=_words(topic, standing, house.now),
        act=act,
        vm=f"{vm.vmstore}/{vm.uuid}",
        targets=targets,
    )


def _act(topic: Topic, standing: Standing, house: House) -> tuple[Act | None, tuple[str, ...]]:
    """What helps: a drill, or a protect to where it is promised or lies already; else a form asks where to."""
    if topic is Topic.UNPROVEN:
        return (Act.DRILL if standing.vm.vmstore in house.drillable else None), ()
    if topic is Topic.GROWTH:
        return None, ()
    promised = tuple(place.target for place in standing.targets if place.target)
    promised = promised or (house.targets if len(house.targets) == 1 else ())
    known = tuple(each for each in promised if each in house.targets)
    if topic is Topic.UNSCHEDULED:
        return Act.SCHEDULE, known
    return (Act.PROTECT, known) if known else (Act.CHOOSE, ())


def _words(topic: Topic, standing: Standing, now: datetime) -> str:
    if topic is Topic.GROWTH and standing.growth:
        return f"sent {size_text(standing.growth.sent)}, usually {size_text(standing.growth.usual)}"
    if topic is Topic.UNPROVEN:
        return f"proven {digest.when(standing.proven_at)}" if standing.proven_at else "never proven by a drill"
    if topic is Topic.SOON:
        return _soon(standing, now)
    newest = f"newest recovery point {digest.when(standing.newest)}" if standing.newest else "no recovery point"
    if topic is Topic.FAILING:
        runs = max((place.failed for place in standing.targets), default=0)
        return f"the last {runs} protections failed; {newest}"
    if topic is Topic.LATE:
        late = standing.late_by
        where = [place.target for place in standing.targets if place.is_late and place.target]
        by = f"late by {digest.age(late)}" if late else "never there"
        return f"{by}{f' in {_and(where)}' if where else ''}; {newest}"
    return newest


def _soon(standing: Standing, now: datetime) -> str:
    place = _tightest(standing)
    if place is None or place.due is None:
        return ""
    ready = f"; the next run ends about {digest.when(place.ready_by)}" if place.ready_by else ""
    return f"late in {digest.age(place.due - now)}{ready}"


def _tightest(standing: Standing) -> InTarget | None:
    """The promised target that is late first."""
    dues = [(place.due, place) for place in standing.targets if place.due]
    return min(dues, key=lambda pair: pair[0])[1] if dues else None


def _and(names: Collection[str]) -> str:
    return " and ".join(names)
