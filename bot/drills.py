"""A drill, as a person asks for it, or as its turn has come: one local unit of work, no other system."""

import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from bot import choosing, durations, recorder, sla
from bot.choosing import Chosen
from bot.configured import Configured
from bot.errors import RequesterError
from bot.ids import transaction_id
from bot.model import (
    Actor,
    DrillRequest,
    Json,
    Place,
    RestoreRequest,
    SeenVm,
    Sla,
    Slas,
    State,
    Transaction,
)
from bot.model.sla import DEFAULT
from bot.policy import About, Operation
from bot.ports import Clock
from bot.recorder import Recorder, demand
from bot.rights import Rights
from bot.rota import Candidate, due
from bot.store import Database, Unit

WORKFLOW = "drill"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_MOST_LATELY = 1000  # drills that are looked through for when they were begun


class Drills(Recorder):
    """The part of the service that `/drill` is."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        rights: Rights,
        *,
        vmstores: tuple[str, ...],
        targets: tuple[str, ...],
        configured: Configured,
        wake: Callable[[], None],
    ) -> None:
        super().__init__(db, clock, rights, wake=wake)
        self.rules = configured.drills
        self.slas = configured.slas  # None: as the rules say of every VM
        self._vmstores = vmstores
        self._targets = targets

    def drill(
        self, request: DrillRequest, actor: Actor, *, request_key: str, place: Place | None = None
    ) -> Transaction:
        """Record it; the same request key again gives the one that it gave before.

        NotFound, AmbiguousName, UsageError: which recovery point, VMstore or target? RequesterError: there is none to
        be drilled, or of `next`: nobody's turn has come. NotAllowed. BusyError: nothing was recorded.
        """
        with self._recording(actor, f"drill {request.what or 'next'}", request_key) as (unit, _):
            channel = place.channel if place else ""
            kept = self.record(unit, request, actor, request_key=request_key, place=place, channel=channel)
        self._wake()
        return kept

    def record(
        self,
        unit: Unit,
        request: DrillRequest,
        actor: Actor,
        *,
        request_key: str,
        place: Place | None = None,
        channel: str = "",
    ) -> Transaction:
        """The same as a part of another's unit, which wakes nobody; errors as of `drill`.

        channel: where it is asked, if that matters.
        """
        if before := unit.transactions.asked_by(request_key):
            return before
        demand("VMstore", request.vmstore, self._vmstores)
        demand("target", request.target, self._targets)
        chosen = self._chosen(unit, request) if request.what else self._next(unit, request)
        about = About(
            vm=chosen.vm,
            vmstore=request.vmstore or chosen.vmstore,
            targets=chosen.targets,
            channel=channel,
            command=WORKFLOW,
        )
        self._rights.demand(unit, actor, Operation.DRILL, about, key=request_key)
        asked = self._transaction(request, chosen, actor, request_key, place)
        return recorder.record(unit, asked, _told(asked, chosen))

    def again(self, ended: Transaction, actor: Actor, *, request_key: str, place: Place) -> Transaction:
        """Ask for the same as one that has ended without success."""
        asked = ended.request
        request = DrillRequest(
            what=str(asked["point"]), vmstore=str(asked.get("to", "")), target=str(asked.get("from", ""))
        )
        return self.drill(request, actor, request_key=request_key, place=place)

    def due(self) -> tuple[Candidate, ...]:
        """Whose turn it is now, in order."""
        with self._db.read() as unit:
            return self._due(unit)

    def _slas(self) -> Slas:
        return self.slas or Slas(last=Sla(name=DEFAULT, drill_every=self.rules.every))

    def _chosen(self, unit: Unit, request: DrillRequest) -> Chosen:
        wanted = RestoreRequest(what=request.what, vmstore=request.vmstore, target=request.target)
        return choosing.choose(unit, wanted, self._clock.now())

    def _next(self, unit: Unit, request: DrillRequest) -> Chosen:
        """The first whose turn it is and of whom there is a recovery point to drill. RequesterError: nobody's."""
        why: RequesterError | None = None
        for candidate in self._due(unit):
            asked = DrillRequest(what=candidate.vm_uuid, vmstore=request.vmstore, target=request.target)
            try:
                return self._chosen(unit, asked)
            except RequesterError as error:
                why = why or error
        rules, begun = self.rules, self._lately(unit)
        if why is not None:
            raise why
        if len(begun) >= rules.a_day:
            raise RequesterError(f"{len(begun)} drills were begun so in the last 24 hours, and a_day is {rules.a_day}.")
        raise RequesterError(
            f"Nobody's turn has come: every VM that has a recovery point was proven in"
            f" {_span(self._slas())}, is being drilled, or was tried within a day."
        )

    def _due(self, unit: Unit) -> tuple[Candidate, ...]:
        running = {str(each.plan.get("vm_uuid", "")) for each in unit.transactions.active() if _is_drill(each)}
        return due(
            _candidates(unit, self._slas()),
            now=self._clock.now(),
            rules=self.rules,
            running=running,
            begun=self._lately(unit),
        )

    def _lately(self, unit: Unit) -> list[datetime]:
        """When drills were begun whose turn had come, in the last day."""
        since = self._clock.now() - timedelta(days=1)
        drills = unit.transactions.list(workflows=(WORKFLOW,), limit=_MOST_LATELY)
        return [each.created_at for each in drills if each.plan.get("was_due") and each.created_at > since]

    def _transaction(
        self, request: DrillRequest, chosen: Chosen, actor: Actor, request_key: str, place: Place | None
    ) -> Transaction:
        now = self._clock.now()
        made = transaction_id(now, secrets.randbits(30))
        asked: Json = {
            "point": chosen.point,
            "to": request.vmstore,
            "from": request.target,
            "pattern": self.rules.pattern_for(chosen.vm),
            "alive_s": self.rules.alive_s,
        }
        plan: Json = {
            "request": asked,
            "made_on": request.vmstore or chosen.vmstore,
            "taken_at": chosen.taken_at.isoformat(),
            "vm_uuid": chosen.vm_uuid,
            "passed": list(chosen.passed),
        }
        return Transaction(
            id=made,
            workflow=WORKFLOW,
            vm=chosen.vm,
            targets=chosen.targets,
            actor=actor,
            state=State.PLANNING,
            created_at=now,
            request_key=request_key,
            place=place or Place(),
            plan=plan | ({} if request.what else {"was_due": True}),
        )


def _span(slas: Slas) -> str:
    every = slas.last.drill_every
    return "the time that its SLA asks for" if slas.listed or every is None else f"the last {durations.said(every)}"


def _every(unit: Unit, slas: Slas) -> Callable[[str, str], timedelta | None]:
    """How old the newest proof of a VM may be, by uuid and the name that it had last; None: any age."""
    if not slas.listed:
        return lambda _uuid, _name: slas.last.drill_every
    seen = unit.inventory.of([uuid for uuid, _ in unit.points.vms()])

    def every(uuid: str, name: str) -> timedelta | None:
        vm = seen.get(uuid) or SeenVm(uuid=uuid, name=name, vmstore="", seen_at=_LONG_AGO)
        found = sla.fit(slas, vm).sla
        return None if found.is_exempt else found.drill_every

    return every


def _is_drill(transaction: Transaction) -> bool:
    return transaction.workflow == WORKFLOW


def _candidates(unit: Unit, slas: Slas) -> Iterator[Candidate]:
    """What could not be planned, or was stopped, was tried as well, though there is no proof of it.

    VMs whose SLA asks for no drills are left out.
    """
    proven, tried, asked = unit.proofs.drilled(good=True), unit.proofs.drilled(good=False), unit.transactions.drilled()
    every = _every(unit, slas)
    for uuid, name in unit.points.vms():
        span = every(uuid, name)
        if span is None:
            continue
        times = [at for at in (tried.get(uuid), asked.get(uuid)) if at is not None]
        yield Candidate(
            vm_uuid=uuid, vm=name, proven_at=proven.get(uuid), tried_at=max(times, default=None), every=span
        )


def _told(asked: Transaction, chosen: Chosen) -> Json:
    told: Json = {
        "vm": chosen.vm,
        "point": chosen.point,
        "targets": list(chosen.targets),
        "to": asked.request["to"],
        "was_due": "yes" if asked.plan.get("was_due") else "",
    }
    return {name: value for name, value in told.items() if value}
