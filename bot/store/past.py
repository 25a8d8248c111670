"""Runs that ended well, as estimates see them: what they moved, and how long each step took."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session, col, select

from bot.codec import decode
from bot.model import Past, Requests, State, StepState
from bot.store.rows import StepRow, TransactionRow
from bot.store.transactions import bytes_of


class PastRuns:
    """Reads only; newest first."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of_vm(self, vm_uuid: str, limit: int = 20) -> tuple[Past, ...]:
        """Give the protections of a VM."""
        return self._read([col(TransactionRow.vm_uuid) == vm_uuid], limit)

    def to(self, targets: Sequence[str], limit: int = 50) -> tuple[Past, ...]:
        """Give those among the newest protections of any VM that went to these targets."""
        return tuple(past for past in self._read([], limit) if set(past.targets) == set(targets))

    def _read(self, where: Sequence[Any], limit: int) -> tuple[Past, ...]:
        ended = (TransactionRow.workflow == "protect", TransactionRow.state == State.SUCCEEDED.value)
        rows = self._session.execute(
            select(*_COLUMNS).where(*ended, *where).order_by(col(TransactionRow.number).desc()).limit(limit)
        ).all()
        seconds = self._seconds([row.id for row in rows])
        found = (_past(row, seconds.get(row.id, {})) for row in rows)
        return tuple(past for past in found if past is not None)

    def _seconds(self, ids: Sequence[str]) -> dict[str, dict[str, float]]:
        steps = self._session.execute(
            select(col(StepRow.transaction_id), col(StepRow.id), col(StepRow.started_at), col(StepRow.ended_at)).where(
                col(StepRow.transaction_id).in_(ids), StepRow.state == StepState.COMPLETE.value
            )
        )
        found: dict[str, dict[str, float]] = {}
        for step in steps:
            if step.started_at and step.ended_at:
                took = (step.ended_at - step.started_at).total_seconds()
                found.setdefault(step.transaction_id, {})[step.id] = max(0.0, took)
        return found


_COLUMNS: tuple[Any, ...] = (
    col(TransactionRow.id),
    col(TransactionRow.vm_uuid),
    col(TransactionRow.targets),
    col(TransactionRow.plan),
    col(TransactionRow.bytes),
)


def _past(row: Any, seconds: Mapping[str, float]) -> Past | None:
    """None: this version cannot read it; an estimate does without."""
    try:
        return Past(
            vm_uuid=row.vm_uuid,
            targets=tuple(row.targets),
            bytes=bytes_of(row.bytes),
            size=int(row.plan.get("provisioned_bytes") or 0),
            bases=frozenset(name for name, point in (row.plan.get("bases") or {}).items() if point),
            requests={name: decode(Requests, each) for name, each in (row.plan.get("requests") or {}).items()},
            seconds=seconds,
        )
    except (ValueError, TypeError, AttributeError):  # pydantic's ValidationError is a ValueError
        return None
