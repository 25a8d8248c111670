"""A restore, as a person asks for it: one local unit of work, no other system."""

import secrets
from collections.abc import Callable

from bot import choosing
from bot.choosing import Chosen
from bot.errors import NotFound
from bot.ids import transaction_id
from bot.model import Actor, AuditEvent, Json, Place, RestoreRequest, State, Transaction
from bot.policy import About, Operation
from bot.ports import Clock
from bot.recorder import WAIT_S, Recorder
from bot.rights import Rights
from bot.store import Database, Unit


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
        wake: Callable[[], None],
    ) -> None:
        super().__init__(db)
        self._clock = clock
        self._rights = rights
        self._vmstores = vmstores
        self._targets = targets
        self._wake = wake

    def restore(
        self, request: RestoreRequest, actor: Actor, *, request_key: str, place: Place | None = None
    ) -> Transaction:
        """Record it; the same request key again gives the one that it gave before.

        NotFound, AmbiguousName, UsageError: which recovery point, VMstore or target? NotAllowed. BusyError: nothing was
        recorded.
        """
        refusals = self._keeping_refusals(actor, f"restore {request.what}", request_key)
        with refusals, self._db.unit(wait_s=WAIT_S) as unit:
            if before := unit.transactions.asked_by(request_key):
                return before
            _demand("VMstore", request.vmstore, self._vmstores)
            _demand("target", request.target, self._targets)
            chosen = choosing.choose(unit, request, self._clock.now())
            about = About(
                vm=chosen.vm,
                vmstore=request.vmstore or chosen.vmstore,
                also=(chosen.vmstore,) if chosen.vmstore else (),
                targets=chosen.targets,
                channel=place.channel if place else "",
                command="restore",
            )
            self._rights.demand(unit, actor, Operation.RESTORE, about, key=request_key)
            kept = unit.transactions.insert(self._transaction(request, chosen, actor, request_key, place))
            _audit(unit, request, kept, chosen, request_key)
        self._wake()
        return kept

    def again(self, ended: Transaction, actor: Actor, *, request_key: str, place: Place) -> Transaction:
        """Ask for the same as one that has ended without success."""
        asked = ended.request
        request = RestoreRequest(
            what=str(asked["point"]),
            vmstore=str(asked.get("to", "")),
            name=str(asked.get("as", "")),
            target=str(asked.get("from", "")),
            is_on=bool(asked.get("is_on")),
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
        }
        return Transaction(
            id=transaction_id(now, secrets.randbits(30)),
            workflow="restore",
            vm=chosen.vm,
            targets=chosen.targets,
            actor=actor,
            state=State.PLANNING,
            created_at=now,
            request_key=request_key,
            place=place or Place(),
            plan={
                "request": asked,
                "made_on": request.vmstore or chosen.vmstore,
                "source": chosen.vmstore,
                "taken_at": chosen.taken_at.isoformat(),
                "passed": list(chosen.passed),
            },
        )


def _demand(what: str, name: str, known: tuple[str, ...]) -> None:
    if name and name not in known:
        raise NotFound(f"There is no {what} called {name}. There are: {', '.join(known)}.", known)


def _audit(unit: Unit, request: RestoreRequest, kept: Transaction, chosen: Chosen, request_key: str) -> None:
    body: Json = {
        "command": "restore",
        "vm": chosen.vm,
        "point": chosen.point,
        "targets": list(chosen.targets),
        "to": request.vmstore,
        "as": request.name,
    }
    unit.audit.append(
        AuditEvent(
            key=f"{request_key}:{kept.id}",
            action="command",
            actor=kept.actor,
            transaction_id=kept.id,
            body={name: value for name, value in body.items() if value},
        )
    )
