"""The steps of each transaction, as they are shown."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlmodel import Session, col, select

from bot.errors import MissingError
from bot.model import Failure, Json, Step, StepState
from bot.ports import Clock
from bot.store.rows import StepRow


class Steps:
    """Steps by transaction and step id."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    def prepare(self, tx_id: str, steps: Sequence[tuple[str, str]]) -> None:
        """Make a pending step of each (id, title), in this order; those that are there stay as they are."""
        there = {step.id for step in self.of(tx_id)}
        self._session.add_all(
            StepRow(transaction_id=tx_id, id=step_id, title=title, position=position, state=StepState.PENDING.value)
            for position, (step_id, title) in enumerate(steps)
            if step_id not in there
        )
        self._session.flush()

    def begin(self, tx_id: str, step_id: str) -> Step:
        """Mark it running, one attempt more; the start of the first attempt and the progress are kept. MissingError."""
        row = self._row(tx_id, step_id)
        row.state = StepState.RUNNING.value
        row.attempt += 1
        row.started_at = row.started_at or self._clock.now()
        row.ended_at = None
        row.failure = None
        return self._save(row)

    def progress(self, tx_id: str, step_id: str, done: int, total: int) -> None:
        """Tell how far it is, in absolute numbers. MissingError."""
        row = self._row(tx_id, step_id)
        row.done, row.total = done, total
        self._save(row)

    def finish(
        self,
        tx_id: str,
        step_id: str,
        state: StepState,
        *,
        outputs: Json | None = None,
        failure: Failure | None = None,
    ) -> None:
        """Mark its end; told again in the same state, the first end counts. MissingError.

        A skipped step has no end, nor one that waits.
        """
        row = self._row(tx_id, step_id)
        if row.state != state.value or row.ended_at is None:
            row.ended_at = None if state in (StepState.SKIPPED, StepState.PENDING) else self._clock.now()
        row.state = state.value
        if outputs is not None:
            row.outputs = dict(outputs)
        row.failure = asdict(failure) if failure else None
        self._save(row)

    def of(self, tx_id: str) -> tuple[Step, ...]:
        """Give the steps by position."""
        rows = self._session.exec(
            select(StepRow).where(StepRow.transaction_id == tx_id).order_by(col(StepRow.position))
        )
        return tuple(_step(row) for row in rows)

    def _row(self, tx_id: str, step_id: str) -> StepRow:
        row = self._session.get(StepRow, (tx_id, step_id))
        if row is None:
            raise MissingError(f"Transaction {tx_id} has no step {step_id}.", system="database", operation="find step")
        return row

    def _save(self, row: StepRow) -> Step:
        self._session.add(row)
        self._session.flush()
        return _step(row)


def _step(row: StepRow) -> Step:
    return Step(
        id=row.id,
        title=row.title,
        position=row.position,
        state=StepState(row.state),
        attempt=row.attempt,
        started_at=row.started_at,
        ended_at=row.ended_at,
        done=row.done,
        total=row.total,
        outputs=row.outputs,
        failure=Failure(**row.failure) if row.failure else None,
    )
