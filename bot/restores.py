"""A restore, as a person asks for it: one local unit of work, no other system."""

import secrets
from collections.abc import Callable

from bot import choosing
from bot.choosing import Chosen
from bot.configured import Configured
from bot.errors import RequesterError, UsageError
from bot.ids import transaction_id
from bot.model import Actor, Json, Place, RestoreRequest, State, Transaction
from bot.policy import About, Operation
from bot.ports import Clock
from bot.purposes import purpose_of
from bot.recorder import Recorder, demand, demand_reason, record
from bot.rights import Rights
from bot.store import Database, Unit
from bot.ways import SNAPSHOT, WAYS


class Restores(Recorder):
    """The part of the service that `/restore` is."""

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
        self.rules = configured.drills  # of the sign of life, where the VM is to be started
        self._vmstores = vmstores
        self._targets = targets

    def restore(
        self, request: RestoreRequest, actor: Actor, *, request_key: str, place: Place | None = None
    ) -> Transaction:
        """Record it; the same request key again gives the one that it gave before.

        NotFound, AmbiguousName, UsageError: which recovery point, VMstore or target? NotAllowed. BusyError: nothing was
        recorded.
        """
        with self._recording(actor, f"restore {request.what}", request_key) as (unit, _):
            if before := unit.transactions.asked_by(request_key):
                return before
            demand("VMstore", request.vmstore, self._vmstores)
            demand("target", request.target, self._targets)
            _check(request)
            chosen = choosing.choose(unit, request, self._clock.now())
            _check_confirmed(unit, request, chosen)
            about = About(
                vm=chosen.vm,
                names=(request.confirmed,) if request.confirmed else (),
                vmstore=request.vmstore or chosen.vmstore,
                also=(chosen.vmstore,) if chosen.vmstore else (),
                targets=chosen.targets,
                channel=place.channel if place else "",
                command="restore",
            )
            operation = Operation.RESTORE_OVER if request.is_over_original else Operation.RESTORE
            terms = self._rights.demand(unit, actor, operation, about, key=request_key).terms
            demand_reason(terms, request.reason, "/restore … because <reason>")
            asked = self._transaction(request, chosen, actor, request_key, place)
            kept = record(unit, asked, _told(request, chosen))
        self._wake()
        return kept

    def again(self, ended: Transaction, actor: Actor, *, request_key: str, place: Place) -> Transaction:
        """Ask for the same as one that has ended without success. RequesterError: that was over the original."""
        asked = ended.request
        if asked.get("is_over"):
            said = purpose_of(ended).again(ended, ended.targets)
            raise RequesterError(f"This overwrites {ended.vm} as it is now, so its name is to be typed again: {said}")
        request = RestoreRequest(
            what=str(asked["point"]),
            vmstore=str(asked.get("to", "")),
            name=str(asked.get("as", "")),
            target=str(asked.get("from", "")),
            is_on=bool(asked.get("is_on")),
            via=str(asked.get("via", "")),
            reason=ended.note,
        )
        return self.restore(request, actor, request_key=request_key, place=place)

    def _transaction(
        self, request: RestoreRequest, chosen: Chosen, actor: Actor, request_key: str, place: Place | None
    ) -> Transaction:
        now = self._clock.now()
        asked: Json = {
            "point": chosen.point,
            "to": request.vmstore,
            "as": request.name,
            "from": request.target,
            "is_on": request.is_on,
        } | _said(request)
        if request.is_on:
            asked |= {"pattern": self.rules.pattern_for(chosen.vm), "alive_s": self.rules.alive_s}
        return Transaction(
            id=transaction_id(now, secrets.randbits(30)),
            workflow="restore",
            vm=chosen.vm,
            targets=chosen.targets,
            actor=actor,
            state=State.PLANNING,
            created_at=now,
            request_key=request_key,
            note=request.reason,
            place=place or Place(),
            plan={
                "request": asked,
                "made_on": request.vmstore or chosen.vmstore,
                "source": chosen.vmstore,
                "taken_at": chosen.taken_at.isoformat(),
                "passed": list(chosen.passed),
            },
        )


def _said(request: RestoreRequest) -> Json:
    """What came later than requests did: only where it was said, so that one from before is the same one still."""
    said: Json = {
        "is_over": request.is_over_original,
        "confirmed": request.confirmed,
        "is_off_allowed": request.is_off_allowed,
        "via": request.via,
    }
    return {name: value for name, value in said.items() if value}


def _check(request: RestoreRequest) -> None:
    """UsageError: it contradicts itself."""
    if request.via not in ("", *WAYS):
        raise UsageError(f"“via {request.via}” is no way: say via {' or via '.join(WAYS)}.")
    if request.via == SNAPSHOT and request.target:
        raise UsageError("“via snapshot” fetches nothing from a target: leave it out, or “from”.")
    if request.is_over_original and request.name:
        raise UsageError("Over the original it keeps its name: leave “as” out.")
    if not request.is_over_original and (request.confirmed or request.is_off_allowed):
        raise UsageError("“confirm” and “power off” belong to “over original”: without it the original is not touched.")


def _check_confirmed(unit: Unit, request: RestoreRequest, chosen: Chosen) -> None:
    """UsageError: the name was not typed. RequesterError: it was another one, and not what it is called by now."""
    if not request.is_over_original:
        return
    names = choosing.names_of(unit, chosen.vm_uuid, chosen.vm)
    if not request.confirmed:
        raise UsageError(
            f"This overwrites {names[0]} as it is now. If that is meant, type its name: over original confirm"
            f" {names[0]} (at the command line --confirm)."
        )
    if request.confirmed not in names:
        raise RequesterError(f"“{request.confirmed}” was typed, and the VM is called {names[0]}. Nothing was begun.")


def _told(request: RestoreRequest, chosen: Chosen) -> Json:
    told: Json = {
        "vm": chosen.vm,
        "point": chosen.point,
        "targets": list(chosen.targets),
        "to": request.vmstore,
        "as": request.name,
        "over_original": request.is_over_original,
        "via": request.via,
        "why": request.reason,
    }
    return {name: value for name, value in told.items() if value}
