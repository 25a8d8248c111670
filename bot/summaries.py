"""Digests, read from the local database: of everything, or of what is one person's. No other system is asked."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from bot import digest, digest_vms, firetold, petitions, remembered, sla, story
from bot.digest_vms import House
from bot.model import (
    Act,
    Actor,
    Chapter,
    Concern,
    ConcernKind,
    Digest,
    DigestLine,
    NextFires,
    Page,
    Schedule,
    ScheduleState,
    Slas,
    Span,
    Standing,
    State,
    Stored,
    Topic,
    Transaction,
)
from bot.ports import Clock
from bot.prices import GIB, Prices
from bot.store import Database, Unit

ENDS_SOON = timedelta(days=21)
OWNS_FOR = timedelta(days=90)  # who asked for a protection in that time is told of what became of it
Read = TypeVar("Read")
_OLD = timedelta(hours=3)  # of a look at a VMstore, of which there are several an hour
_MOST_GONE, _LONGEST = 3, 40  # VMs that are named, and characters of each name
_RUNS = {Topic.FAILED: "/cloudy runs", Topic.HELD: "/cloudy status", Topic.APPROVAL: "/cloudy status"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What digests need of the configuration."""

    targets: tuple[str, ...]
    vmstores: tuple[str, ...] = ()
    drillable: frozenset[str] = frozenset()  # VMstores whose VMs a hypervisor can start
    prices: Prices = field(default_factory=lambda: Prices({}))


class Summaries:
    """Reads only."""

    def __init__(self, db: Database, clock: Clock, known: Known, slas: Callable[[], Slas]) -> None:
        """slas: what is promised for which VMs."""
        self._db = db
        self._clock = clock
        self.known = known
        self._slas = slas
        self.fires: NextFires | None = None  # the next of each schedule; None: it is not known which there are

    def read(self, reads: Callable[[Unit], Read]) -> Read:
        """Read in a unit of its own."""
        with self._db.read() as unit:
            return reads(unit)

    def digest(self, span: Span, owner: str = "") -> Digest:
        """How everything stands; owner: a Slack user id, of whose things alone it is to be."""
        with self._db.read() as unit:
            return self.within(unit, span, owner)

    def within(self, unit: Unit, span: Span, owner: str = "") -> Digest:
        """The same as a part of another's unit."""
        until = self._clock.now()
        since = until - span.length
        house = House(
            now=until,
            targets=self.known.targets,
            drillable=self.known.drillable,
            snoozed=frozenset((kind, id) for kind in ConcernKind for id in unit.concerns.snoozed(kind, until)),
        )
        own = unit.counts.owned_uuids(owner) if owner else None
        of_vms = digest_vms.of_vms(self._standings(unit, until, own), house)
        runs = _of_runs(unit, since, until, owner, house)
        house_wide = () if owner else _of_house(unit, until, house, self.known)
        chapters = digest.bounded((*of_vms.chapters, *runs, *_of_schedules(unit, owner, house), *house_wide))
        read, sent = unit.counts.moved(since, until, owner)
        stored = tuple(self._stored(unit, each, until, owner) for each in unit.counts.stored(owner))
        return Digest(
            span=span,
            since=since,
            until=until,
            owner=owner,
            tally=of_vms.tally,
            rpo=of_vms.rpo,
            oldest_proof=of_vms.oldest_proof,
            unproven=of_vms.unproven,
            ran=unit.counts.ran(since, until, owner),
            read=read,
            sent=sent,
            drilled=unit.counts.drilled(since, until, owner),
            stored=stored,
            chapters=_finished(unit, chapters, self.known.targets),
            troubles=(
                *_unasked(unit, self.known.vmstores, until),
                *self._gone(unit, since, own),
                *(() if owner else _abandoned(stored, self.known.targets)),
            ),
        )

    def owners(self, unit: Unit) -> tuple[Actor, ...]:
        """Who has anything that a personal digest could tell of: by protections, by schedules, or assigned."""
        asked = {each.id: each for each in unit.counts.owners(self._clock.now() - OWNS_FOR)}
        plans = {each.owner.id: each.owner for each in unit.schedules.list() if each.owner.source == "slack"}
        given = {id: Actor(id=id, name=id, source="slack") for id in unit.concerns.assignees()}
        return tuple({**given, **plans, **asked}.values())

    def _standings(self, unit: Unit, now: datetime, uuids: frozenset[str] | None) -> Iterator[Standing]:
        slas = self._slas()
        facts = unit.standings.facts({target for each in slas.all for target in each.targets}, uuids)
        fires = self.fires([each.vm for each in facts], now) if self.fires else None
        return sla.stand_all(slas, facts, now, fires)

    def _gone(self, unit: Unit, since: datetime, uuids: frozenset[str] | None) -> Iterator[str]:
        """VMs of which nobody would hear any more: deleted, or hidden from Cloudy."""
        slas = self._slas()
        gone = [
            vm.name
            for vm in unit.inventory.gone_since(since)
            if (uuids is None or vm.uuid in uuids) and not sla.fit(slas, vm).sla.is_exempt
        ]
        if gone:
            what = "1 VM is" if len(gone) == 1 else f"{len(gone):,} VMs are"
            more = f" and {len(gone) - _MOST_GONE:,} more" if len(gone) > _MOST_GONE else ""
            names = ", ".join(f"{name[:_LONGEST]}…" if len(name) > _LONGEST else name for name in gone[:_MOST_GONE])
            yield f"{what} no longer on any VMstore, as far as it shows them: {names}{more}."

    def _stored(self, unit: Unit, stored: Stored, until: datetime, owner: str) -> Stored:
        price = self.known.prices.of(stored.target)
        if price is not None and price.storage is not None:
            month = stored.size / GIB * price.storage
            stored = replace(stored, month=month, currency=price.currency)
        if owner:
            return stored
        name = f"{remembered.STORED}{stored.target}"
        measures = unit.measures.since(name, (until - digest.AHEAD).date())
        today = (*(each for each in measures if each[0] != until.date()), (until.date(), stored.size))
        days, foreseen = digest.forecast(today, until.date())
        stored = replace(stored, days=days, foreseen=foreseen)
        if foreseen is not None and price is not None and price.storage is not None:
            stored = replace(stored, foreseen_month=foreseen / GIB * price.storage)
        return stored


# --- runs ---


def _of_runs(unit: Unit, since: datetime, until: datetime, owner: str, house: House) -> Iterator[Chapter]:
    snoozed = [id for kind, id in house.snoozed if kind is ConcernKind.RUN]
    limit = digest.MOST_LINES
    every = unit.counts.failed(since, until, owner, limit=0).total
    failed = unit.counts.failed(since, until, owner, without=snoozed, limit=limit)
    yield _runs(unit, Topic.FAILED, failed, _failed_line, snoozed=every - failed.total)
    yield _of_approvals(unit, owner)
    held = unit.counts.waiting([State.HELD], owner, limit=limit)
    yield _runs(unit, Topic.HELD, held, _held_line)


def _of_approvals(unit: Unit, owner: str) -> Chapter:
    """What one fire of a schedule has started, and waits, is one line."""
    state, limit = State.AWAITING_APPROVAL, digest.MOST_LINES
    fires = unit.counts.waiting_together(state, owner)
    waits = unit.counts.waiting([state], owner, without=[id for ids in fires for id in ids], limit=limit)
    chapter = _runs(unit, Topic.APPROVAL, waits, _approval_line)
    of_fires = (digest.line_of(_joint_line(unit, ids)) for ids in fires[:limit])
    return replace(chapter, total=chapter.total + len(fires), lines=(*of_fires, *chapter.lines)[:limit])


def _runs(
    unit: Unit, topic: Topic, found: Page[str], line: Callable[[Unit, Transaction], DigestLine], snoozed: int = 0
) -> Chapter:
    lines = tuple(digest.line_of(line(unit, unit.transactions.get(id))) for id in found.rows)
    return Chapter(topic=topic, total=found.total, lines=lines, snoozed=snoozed, more=_RUNS[topic])


def _failed_line(_unit: Unit, transaction: Transaction) -> DigestLine:
    why = transaction.failure.what if transaction.failure else transaction.state.value
    ended = f"{digest.when(transaction.ended_at)}: " if transaction.ended_at else ""
    line = _run_line(transaction, f"{ended}{why}", Act.RETRY)
    if transaction.state is not State.REFUSED:
        return line
    if transaction.workflow != "protect":  # nothing of it was begun, so there is nothing to go on with
        return replace(line, act=Act.DETAILS)
    return replace(line, act=Act.PROTECT, vm=transaction.vm, targets=transaction.targets)


def _held_line(_unit: Unit, transaction: Transaction) -> DigestLine:
    until = f"held until {digest.when(transaction.held_until)}: " if transaction.held_until else ""
    why = transaction.failure.what if transaction.failure else "a step failed"
    return replace(_run_line(transaction, f"{until}{why}", Act.RETRY), may_snooze=False)


def _approval_line(unit: Unit, transaction: Transaction) -> DigestLine:
    approval = unit.approvals.newest(transaction.id)
    words = petitions.line(approval) if approval else "waits for a decision"
    asked = f"asked by {transaction.actor.name}; {words[0].lower()}{words[1:]}"
    return replace(_run_line(transaction, asked, Act.DETAILS), may_snooze=False)


def _joint_line(unit: Unit, ids: Sequence[str]) -> DigestLine:
    first = unit.transactions.get(ids[0])
    schedule = unit.schedules.get(first.schedule)
    title = f"{firetold.asked(schedule)}: {len(ids)} plans of schedule {schedule.id}"
    return replace(_approval_line(unit, first), title=title)


def _run_line(transaction: Transaction, words: str, act: Act) -> DigestLine:
    title = f"{story.asked(transaction)} ({transaction.id})"
    return DigestLine(kind=ConcernKind.RUN, id=transaction.id, title=title, words=words, act=act)


# --- schedules ---


def _of_schedules(unit: Unit, owner: str, house: House) -> Iterator[Chapter]:
    every = unit.schedules.list()
    stopped = [each for each in every if each.state is ScheduleState.SUSPENDED and owner in ("", each.owner.id)]
    lines = [_schedule_line(each) for each in stopped]
    yield _unsnoozed(Topic.SCHEDULE, lines, house, more="/cloudy schedules")


def _schedule_line(schedule: Schedule) -> DigestLine:
    asked = schedule.asked
    what = f"{asked.workflow} {', '.join(asked.vms[:3])}" + ("…" if len(asked.vms) > 3 else "")
    since = f"since {digest.when(schedule.since)}" if schedule.since else "suspended"
    return DigestLine(
        kind=ConcernKind.SCHEDULE,
        id=schedule.id,
        title=f"{schedule.id}: {what} {asked.recurrence}",
        words=f"{since}, of {schedule.owner.name}: {schedule.why}",
        act=Act.RESUME,
    )


# --- the house ---


def _of_house(unit: Unit, now: datetime, house: House, known: Known) -> Iterator[Chapter]:
    yield _unsnoozed(Topic.EXPIRY, list(_expiries(unit, now)), house)
    yield _unsnoozed(Topic.SYSTEM, list(_systems(unit, known)), house)
    left = remembered.orphans(unit)
    if left and left[0]:
        number, _size, at = left
        line = DigestLine(
            kind=ConcernKind.ORPHANS,
            id="all",
            title="what was left behind",
            words=f"seen {digest.when(at)}; `cloudy orphans` lists and removes it",
        )
        chapter = _unsnoozed(Topic.ORPHANS, [line], house)
        yield replace(chapter, total=number) if chapter.total else chapter


def _expiries(unit: Unit, now: datetime) -> Iterator[DigestLine]:
    soon = [(each.ends, each) for each in remembered.expiries(unit) if each.ends and each.ends - now < ENDS_SOON]
    for ends, expiry in sorted(soon, key=lambda pair: (pair[0], pair[1].name)):
        words = f"ends {digest.when(ends)}" if ends > now else f"ended {digest.when(ends)}"
        yield DigestLine(kind=ConcernKind.EXPIRY, id=expiry.name, title=expiry.what, words=words)


def _systems(unit: Unit, known: Known) -> Iterator[DigestLine]:
    fared = {each.name: each for each in unit.health.lately() if each.is_well is False}
    for name in (*known.vmstores, *known.targets):
        if (each := fared.get(name)) and each.failed_at:
            words = f"failed {digest.when(each.failed_at)}: {each.why}"
            yield DigestLine(kind=ConcernKind.SYSTEM, id=name, title=name, words=words)


def _unsnoozed(topic: Topic, lines: Sequence[DigestLine], house: House, more: str = "") -> Chapter:
    told = [digest.line_of(line) for line in lines if (line.kind, line.id) not in house.snoozed]
    shown = tuple(told[: digest.MOST_LINES])
    return Chapter(topic=topic, total=len(told), lines=shown, snoozed=len(lines) - len(told), more=more)


# --- what only the lines that are shown need ---


def _finished(unit: Unit, chapters: Sequence[Chapter], targets: Sequence[str]) -> tuple[Chapter, ...]:
    """With who takes care of what, and of VMs that lie somewhere, where they can be protected to again."""
    lines = [line for chapter in chapters for line in chapter.lines]
    concerns: list[Concern] = []
    for kind in ConcernKind:
        concerns += unit.concerns.of(kind, [line.id for line in lines if line.kind is kind]).values()
    lie = unit.counts.targets_of([line.id for line in lines if line.act is Act.CHOOSE])

    def placed(line: DigestLine) -> DigestLine:
        known = tuple(name for name in lie.get(line.id, ()) if name in targets)
        return replace(line, act=Act.PROTECT, targets=known) if line.act is Act.CHOOSE and known else line

    people = {each.assigned: unit.audit.person(each.assigned) for each in concerns if each.assigned}
    names = {user: known[1] if known else user for user, known in people.items()}
    concerns = [replace(each, assigned=names.get(each.assigned, "")) for each in concerns]
    told = (replace(each, lines=tuple(map(placed, each.lines))) for each in chapters)
    return digest_vms.assigned(told, concerns)


def _abandoned(stored: Sequence[Stored], targets: Sequence[str]) -> Iterator[str]:
    """Recovery points that nothing can be restored from as things are."""
    for each in stored:
        if each.target not in targets:
            lie = "1 recovery point lies" if each.points == 1 else f"{each.points:,} recovery points lie"
            yield f"{each.target} is not in cloudy.toml, and {lie} there"


def _unasked(unit: Unit, vmstores: Sequence[str], now: datetime) -> tuple[str, ...]:
    """Which VMstores may have other VMs by now than are known."""
    looks = {look.vmstore: look for look in unit.inventory.looks()}
    unlisted = [name for name in vmstores if name not in looks]
    silent = [
        f"{look.vmstore} could not be asked for its VMs"
        f" since {digest.when(look.well_at) if look.well_at else 'the start'}: {look.error}"
        for look in looks.values()
        if look.error and look.vmstore in vmstores
    ]
    old = [
        f"{look.vmstore} was not asked for its VMs since {digest.when(look.at)}"
        for look in looks.values()
        if not look.error and look.vmstore in vmstores and now - look.at > _OLD
    ]
    return (*(f"{name} was not asked for its VMs yet" for name in unlisted), *silent, *old)
