"""What every request has: one local unit of work, done once for one key, with its refusal in the audit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from bot.errors import NotFound, RequesterError, UsageError
from bot.model import Actor, AuditEvent, Json, Transaction
from bot.policy import Terms
from bot.ports import Clock
from bot.rights import Rights
from bot.store import Database, Unit

WAIT_S = 1.5  # a listener has 3 s to answer; the database gets half of it


class Recorder:
    """The part of the service that all its requests share."""

    def __init__(self, db: Database, clock: Clock, rights: Rights, *, wake: Callable[[], None]) -> None:
        """wake: called after something was recorded that a dispatcher in this process should look at."""
        self._db = db
        self._clock = clock
        self._rights = rights
        self._wake = wake

    def now(self) -> datetime:
        """What time it is, for whoever asks."""
        return self._clock.now()

    def is_new(self, request_key: str) -> bool:
        """Whether this delivery has not been answered yet; asking notes it, so the answer is yes once. BusyError."""
        with self._db.unit(wait_s=WAIT_S) as unit:
            return unit.deliveries.claim(request_key)

    @contextmanager
    def _recording(self, actor: Actor, text: str, request_key: str) -> Iterator[tuple[Unit, list[Transaction]]]:
        """One unit of work. What is refused in it is audited: as about the transaction that is put into the list."""
        about: list[Transaction] = []
        try:
            with self._db.unit(wait_s=WAIT_S) as unit:
                yield unit, about
        except RequesterError as error:
            about_id = about[0].id if about else ""
            self.audit_refused(actor, text, error.message, request_key=request_key, transaction_id=about_id)
            raise

    def audit_refused(self, actor: Actor, text: str, why: str, *, request_key: str, transaction_id: str = "") -> None:
        """Keep a command that was refused before it became a request; the same request key is kept once."""
        with self._db.unit(wait_s=WAIT_S) as unit:
            unit.audit.append(
                AuditEvent(
                    key=f"{request_key}:refused",
                    action="refused",
                    actor=actor,
                    transaction_id=transaction_id,
                    body={"text": text[:500], "why": why[:500]},
                )
            )


def record(unit: Unit, asked: Transaction, body: Json) -> Transaction:
    """Keep what was asked for, with its audit row; the same request key again: the one that is there.

    body: of that row, besides the command.
    """
    kept = unit.transactions.insert(asked)
    unit.audit.append(command(kept, body))
    return kept


def demand_reason(terms: Terms, reason: str, usage: str) -> None:
    """UsageError: the policy asks for a reason, and there is none."""
    if terms.reason_required and not reason:
        raise UsageError("The policy wants to know why.", usage)


def demand(what: str, name: str, known: tuple[str, ...]) -> None:
    """NotFound: nothing of that name is configured; "" is not asked for."""
    if name and name not in known:
        raise NotFound(f"There is no {what} called {name}. There are: {', '.join(known)}.", known)


def command(kept: Transaction, body: Json) -> AuditEvent:
    """The audit row of a request; body: besides the command."""
    key = f"{kept.request_key}:{kept.id}"
    return AuditEvent.of(kept, key=key, action="command", body={"command": kept.workflow} | body)
