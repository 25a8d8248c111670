"""Retention, as a person sees and changes it: each method is one local unit of work and asks no other system."""

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from bot import adopting, groups, previewing, retained, rounds
from bot.configured import Configured
from bot.errors import AmbiguousName, NotFound, TooMany, UsageError
from bot.ids import short_id
from bot.model import (
    CLOUDY,
    Actor,
    AuditEvent,
    Hold,
    InForce,
    Json,
    Place,
    Preview,
    PreviewRequest,
    RecoveryPoint,
    Retention,
    RetentionLine,
    RetentionTable,
    SeenVm,
    Sla,
    Slas,
    Transaction,
)
from bot.policy import About, Operation
from bot.ports import Clock
from bot.recorder import Recorder, demand_reason
from bot.retained import TIER
from bot.retention_planning import is_shorter
from bot.retention_text import USAGE, said
from bot.rights import Rights
from bot.store import Database, Unit

log = logging.getLogger(__name__)

COMMAND = "retention"
_FEW = 100  # VMs that are asked for one by one
SET_USAGE = f"/retention set {USAGE} for <sla> [because <reason>]"
HOLD_USAGE = "/retention hold <vm, or transaction id of a recovery point> [until 2027-01-31] because <reason>"
RELEASE_USAGE = "/retention release <vm, transaction id of a recovery point, or id of a hold> [because <reason>]"


class Retaining(Recorder):
    """The part of the service that `/retention` is."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        rights: Rights,
        *,
        slas: Callable[[], Slas],
        targets: tuple[str, ...],
        configured: Configured,
        wake: Callable[[], None],
    ) -> None:
        super().__init__(db, clock, rights, wake=wake)
        self.prices = configured.prices
        self.classes = configured.classes
        self.place = Place(channel=configured.schedules.admin_channel)  # of what nobody in the chat has asked for
        self._slas = slas
        self._targets = targets

    def adopt(self) -> tuple[Transaction, ...]:
        """At the start: what the configuration says comes into force, or waits for an approval. Repeating is safe."""
        with self._db.unit() as unit:
            asked = adopting.adopt(unit, self._slas(), self._clock.now(), self.place)
        if not self.place.channel:
            log.warning(
                "no slack.admin_channel: rounds of retention, and what cloudy.toml asks to be approved, are told"
                " nowhere by themselves; /summary, /schedules and `cloudy runs` have them",
                extra={"action": "admin_channel"},
            )
        self._wake()
        return asked

    def table(self) -> RetentionTable:
        """What is in force by SLA, and all holds."""
        slas, now = self._slas(), self._clock.now()
        with self._db.read() as unit:
            force, before = unit.retentions.in_force(), unit.retentions.retained()
            have = retained.slas_by_vm(unit, slas, now)
            waiting = {
                str(each.request.get("sla")): each.id
                for each in unit.transactions.active()
                if each.workflow == adopting.WORKFLOW
            }
            holds = unit.holds.active(now)
        lines = []
        for sla in slas.all:
            known = force.get(sla.name) or InForce(
                sla=sla.name, retention=Retention(), since=now, by="", text=said(sla.retention)
            )
            mine = [adopting.was(before, uuid) for uuid, its in have.items() if its.name == sla.name]
            like = sum(each == known.retention for each in mine)
            line = RetentionLine(force=known, vms=like, behind=len(mine) - like, waits=waiting.get(sla.name, ""))
            lines.append(line)
        return RetentionTable(lines=tuple(lines), holds=holds)

    def preview(self, request: PreviewRequest, *, most: int = 0) -> Preview:
        """What would go, stay and cost. NotFound: no such SLA, VM or group.

        most: recovery points that are looked at; TooMany: there are more. 0: any number.
        """
        slas, now = self._slas(), self._clock.now()
        with self._db.read() as unit:
            sla, uuids = _subject(unit, slas, request.subject, now)
            count = unit.points.count(uuids)
            if most and count > most:
                raise TooMany(f"{count:,} recovery points are too many to look at at once.")
            points = _points(unit, uuids)
            known = retained.facts(unit, now)
            before = unit.retentions.retained()
            tiers = retained.tier_rules(unit, slas, self.classes, now)
        return previewing.preview(request, sla, points, before, known, self.prices, tiers)

    def set(
        self,
        sla_name: str,
        rules: Retention,
        actor: Actor,
        *,
        request_key: str,
        place: Place | None = None,
        reason: str = "",
    ) -> Transaction | InForce:
        """Bring rules into force for an SLA: at once where nothing could ever be kept less, else by approval.

        NotFound: no such SLA. NotAllowed. UsageError: which SLA, or why? The same request key again: the same.
        """
        text = said(rules)
        with self._recording(actor, f"retention set {text} for {sla_name}", request_key) as (unit, _):
            if before := unit.transactions.asked_by(request_key):
                return before
            slas, now, where = self._slas(), self._clock.now(), place or Place()
            sla = _sla(slas, sla_name)
            about = About(channel=where.channel, command=COMMAND)
            terms = self._rights.demand(unit, actor, Operation.SHORTEN_RETENTION, about, key=request_key).terms
            have = retained.slas_by_vm(unit, slas, now)
            adopting.adopt(unit, slas, now, self.place, have)
            mine = [uuid for uuid, its in have.items() if its.name == sla.name]
            if not is_shorter(rules, _olds(unit, mine, sla)):
                adopting.decide(unit, mine, sla, rules, actor, now)
                return unit.retentions.in_force()[sla.name]
            demand_reason(terms, reason, SET_USAGE)
            request: Json = {"sla": sla.name, "rules": text}
            asked = adopting.propose(unit, request, actor, now=now, request_key=request_key, place=where, note=reason)
        self._wake()
        return asked

    def hold(
        self,
        what: str,
        reason: str,
        actor: Actor,
        *,
        request_key: str,
        until: datetime | None = None,
        channel: str = "",
    ) -> Hold:
        """Keep a VM's recovery points, those to come too, or one recovery point; the same request key again: the same.

        NotFound, AmbiguousName: which one? UsageError: why, or until when? NotAllowed.
        """
        with self._recording(actor, f"retention hold {what}", request_key) as (unit, _):
            now = self._clock.now()
            if not reason:
                raise UsageError("Say why it is held: whoever finds the hold wants to know.", HOLD_USAGE)
            if until is not None and until <= now:
                raise UsageError("That day is over. Say a day to come, or no day.", HOLD_USAGE)
            named = _named(unit, what, now)
            about = About(vm=named.vm, channel=channel, command=COMMAND)
            self._rights.demand(unit, actor, Operation.PROTECT, about, key=request_key)
            kept = _drawn(unit, replace(named, reason=reason, by=actor.name, at=now, until=until), request_key)
            body: Json = {"event": "held", "hold": kept.id, "vm": kept.vm, "point": kept.point, "reason": reason}
            body |= {"until": until.isoformat()} if until else {}
            unit.audit.append(AuditEvent(key=f"hold:{kept.id}:held", action="hold", actor=actor, body=body))
        return kept

    def release(
        self, what: str, actor: Actor, *, request_key: str, place: Place | None = None, reason: str = ""
    ) -> Transaction:
        """Ask for the end of a hold, by its id or by what it holds; the same request key again: the same.

        NotFound: nothing of it is held. AmbiguousName: by several. UsageError: why? NotAllowed.
        """
        with self._recording(actor, f"retention release {what}", request_key) as (unit, _):
            if before := unit.transactions.asked_by(request_key):
                return before
            now, where = self._clock.now(), place or Place()
            hold = _held(unit, what, now)
            about = About(vm=hold.vm, channel=where.channel, command=COMMAND)
            terms = self._rights.demand(unit, actor, Operation.SHORTEN_RETENTION, about, key=request_key).terms
            demand_reason(terms, reason, RELEASE_USAGE)
            request: Json = {"release": hold.id, "vm": hold.vm, "of": hold.point or hold.vm}
            asked = adopting.propose(unit, request, actor, now=now, request_key=request_key, place=where, note=reason)
        self._wake()
        return asked

    def begin_rounds(self, unit: Unit, now: datetime, *, key: Callable[[str], str]) -> tuple[Transaction, ...]:
        """As each day, inside the unit of the fire: what the configuration and the VMs are by now, then the rounds.

        key: target -> request key.
        """
        adopting.adopt(unit, self._slas(), now, self.place)
        begun = rounds.begin(unit, self._targets, CLOUDY, now, key=key, place=self.place)
        rules = retained.tier_rules(unit, self._slas(), self.classes, now)
        moves = rounds.begin_moves(
            unit, rules, self._targets, CLOUDY, now, key=lambda target: key(f"{TIER}:{target}"), place=self.place
        )
        return (*begun, *moves)

    def expire(
        self, actor: Actor, *, request_key: str, place: Place | None = None, targets: Collection[str] | None = None
    ) -> tuple[Transaction, ...]:
        """Begin a round in each of these targets now; None: in all. NotAllowed. The same key: the same rounds."""
        with self._recording(actor, "expire", request_key) as (unit, _):
            wanted = tuple(name for name in self._targets if targets is None or name in targets)
            self._rights.demand(unit, actor, Operation.EXPIRE, About(targets=wanted), key=request_key)
            now, where = self._clock.now(), place or Place()
            adopting.adopt(unit, self._slas(), now, self.place)
            begun = rounds.begin(unit, wanted, actor, now, key=lambda target: f"{request_key}:{target}", place=where)
        self._wake()
        return begun

    def tier(
        self, actor: Actor, *, request_key: str, place: Place | None = None, targets: Collection[str] | None = None
    ) -> tuple[Transaction, ...]:
        """Likewise: what has grown old enough moves to its tier. NotAllowed. The same key: the same rounds."""
        with self._recording(actor, TIER, request_key) as (unit, _):
            wanted = tuple(name for name in self._targets if targets is None or name in targets)
            self._rights.demand(unit, actor, Operation.EXPIRE, About(targets=wanted), key=request_key)
            now, where = self._clock.now(), place or Place()
            adopting.adopt(unit, self._slas(), now, self.place)
            rules = retained.tier_rules(unit, self._slas(), self.classes, now)
            begun = rounds.begin_moves(
                unit, rules, wanted, actor, now, key=lambda target: f"{request_key}:{target}", place=where
            )
        self._wake()
        return begun


def _sla(slas: Slas, name: str) -> Sla:
    names = [each.name for each in slas.all]
    if not name and not slas.listed:
        return slas.last
    if not name:
        raise UsageError(f"Say for which SLA: {', '.join(names)}.", SET_USAGE)
    found = slas.named(name)
    if found is None:
        raise NotFound(f"There is no SLA called {name}. The SLAs are: {', '.join(names)}.", names)
    return found


def _olds(unit: Unit, vms: Iterable[str], sla: Sla) -> Iterable[Retention]:
    before = unit.retentions.retained()
    yield unit.retentions.in_force()[sla.name].retention
    yield from {adopting.was(before, uuid) for uuid in vms}


def _subject(unit: Unit, slas: Slas, text: str, now: datetime) -> tuple[str, Collection[str] | None]:
    """The SLA that it is, and the uuids of its VMs; None: all VMs. NotFound."""
    if not text:
        return "", None
    if slas.named(text):
        found = retained.slas_by_vm(unit, slas, now)
        return text, [uuid for uuid, sla in found.items() if sla.name == text]
    names = dict(unit.points.vms())
    known = unit.inventory.of(names)
    vms = [known.get(uuid) or SeenVm(uuid=uuid, name=name, vmstore="", seen_at=now) for uuid, name in names.items()]
    chosen = groups.chosen(vms, (text,), slas.groups)
    if not chosen:
        raise NotFound(f"No SLA is called {text}, and no VM of that name has a recovery point.", ())
    return "", [vm.uuid for vm in chosen]


def _points(unit: Unit, uuids: Collection[str] | None) -> Sequence[RecoveryPoint]:
    if uuids is None:
        return unit.points.all()
    if len(uuids) > _FEW:
        wanted = frozenset(uuids)
        return [point for point in unit.points.all() if point.vm_uuid in wanted]
    return [point for uuid in uuids for point in unit.points.of_vm(uuid)]


def _named(unit: Unit, what: str, now: datetime) -> Hold:
    """What is to be held, by the name of a VM or the id of a recovery point."""
    vms = {vm.uuid: vm.name for vm in unit.inventory.named(what)}
    vms |= {point.vm_uuid: point.vm_name for point in unit.points.named(what)}
    if len(vms) > 1:
        raise AmbiguousName(f"{len(vms)} VMs are called {what}. Name it by its uuid: {', '.join(vms)}", list(vms))
    for uuid, name in vms.items():
        return Hold(id="", vm_uuid=uuid, vm=name, reason="", by="", at=now)
    found = {point.transaction_id: point for point in (unit.points.containing(what) if len(what) > 3 else ())}
    if len(found) > 1:
        raise AmbiguousName(f"“{what}” fits several recovery points; give more of the id.", [*found][:10])
    for id, point in found.items():
        return Hold(id="", point=id, vm=point.vm_name, reason="", by="", at=now)
    raise NotFound(f"There is no VM called {what}, and no recovery point of that id.", unit.inventory.near(what))


def _drawn(unit: Unit, hold: Hold, request_key: str) -> Hold:
    """Keep it under an id that the request makes; where another hold has that one already, under the next."""
    turn = 0
    while True:
        digest = hashlib.sha256(f"{request_key}{turn or ''}".encode()).digest()
        kept = unit.holds.put(replace(hold, id=short_id(int.from_bytes(digest[:4], "big"))))
        if (kept.vm_uuid, kept.point, kept.by, kept.reason) == (hold.vm_uuid, hold.point, hold.by, hold.reason):
            return kept
        turn += 1


def _held(unit: Unit, what: str, now: datetime) -> Hold:
    active = unit.holds.active(now)
    found = [each for each in active if each.id == what]
    if not found:
        named = _named(unit, what, now)
        found = [each for each in active if (each.vm_uuid, each.point) == (named.vm_uuid, named.point)]
    if not found:
        raise NotFound(f"Nothing holds {what}.", [each.id for each in active][:10])
    if len(found) > 1:
        ids = [f"{each.id} ({each.reason})" for each in found]
        raise AmbiguousName(f"{what} is held {len(found)} times. Say which: {', '.join(ids)}", ids)
    return found[0]
