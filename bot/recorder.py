"""What every request has: one local unit of work, done once for one key, with its refusal in the audit."""

from collections.abc import Iterator
from contextlib import contextmanager

from bot.errors import RequesterError
from bot.model import Actor, AuditEvent, Transaction
from bot.store import Database

WAIT_S = 1.5  # a listener has 3 s to answer; the database gets half of it


class Recorder:
    """The part of the service that all its requests share."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def is_new(self, request_key: str) -> bool:
        """Whether this delivery has not been answered yet; asking notes it, so the answer is yes once. BusyError."""
        with self._db.unit(wait_s=WAIT_S) as unit:
            return unit.deliveries.claim(request_key)

    @contextmanager
    def _keeping_refusals(self, actor: Actor, text: str, request_key: str) -> Iterator[list[Transaction]]:
        """Audit what is refused inside; it may append the transaction that it is about."""
        about: list[Transaction] = []
        try:
            yield about
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
