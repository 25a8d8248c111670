"""Runs one step of one transaction: its action, its rows, its audit, its place in the story.

What a step came to is a return value, never an exception, so that the engine keeps it and the walk branches on it.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from bot import narrator
from bot.actions import ACTIONS, Context
from bot.errors import BusyError, CloudyError, Stopped
from bot.failures import failure_of
from bot.guard import Guard
from bot.journal import DatabaseCatalogue, DatabaseJournal, DatabaseLedger
from bot.model import AuditEvent, Failure, Json, State, Step, StepState, Transaction
from bot.ports import Clock, Share, Systems, VMstore
from bot.progress import Progress
from bot.retry import retrying
from bot.store import Database, Unit
from bot.transfer import TransferSettings
from bot.workflow import StepSpec

log = logging.getLogger(__name__)
T = TypeVar("T")
TransferSettingsFor = Callable[[str, Sequence[str]], TransferSettings]

NOT_REPEATABLE = ("clone_files",)  # bot/actions/vmstore.py looks before it asks again
_OUTCOMES = {StepState.COMPLETE: "ok", StepState.STOPPED: "stopped", StepState.FAILED: "failed"}


class Runner:
    """Everything that a step needs, kept for the life of the process."""

    def __init__(
        self,
        db: Database,
        systems: Systems,
        clock: Clock,
        *,
        installation: str,
        version: str,
        transfer_settings: TransferSettingsFor,
    ) -> None:
        self._db = db
        self._systems = systems
        self._clock = clock
        self._installation = installation
        self._version = version
        self._transfer_settings = transfer_settings
        self._sessions: dict[tuple[str, str], VMstore] = {}
        self._sessions_lock = threading.Lock()
        self.draining = threading.Event()

    def run(self, transaction_id: str, spec: StepSpec, inputs: Json) -> Json:
        """Run a step and keep what it came to. {"outcome": "ok|stopped|failed", "outputs": {...}}."""
        transaction, step = self._write(lambda unit: self._begin(unit, transaction_id, spec))
        guard = Guard(self._db, self._clock, transaction_id, self.draining, heeds_stop=not spec.always)
        progress = Progress(self._db, self._clock, transaction, spec.id)
        context = self._context(transaction, step.attempt, guard, progress)
        state, outputs, failure = self._act(context, spec, inputs)
        progress.close()
        guard.park_if_draining()
        self._write(lambda unit: self._finish(unit, transaction_id, step, state, outputs, failure))
        return {"outcome": _OUTCOMES[state], "outputs": outputs}

    def _begin(self, unit: Unit, transaction_id: str, spec: StepSpec) -> tuple[Transaction, Step]:
        step = unit.steps.begin(transaction_id, spec.id)
        transaction = unit.transactions.get(transaction_id)
        narrator.retell(unit, transaction_id)
        self._audit(unit, transaction, step, "begun", {})
        return transaction, step

    def _act(self, context: Context, spec: StepSpec, inputs: Json) -> tuple[StepState, Json, Failure | None]:
        try:
            if context.attempt == 1:
                context.check()
            return StepState.COMPLETE, ACTIONS[spec.action].run(context, inputs), None
        except Stopped:
            return StepState.STOPPED, {}, None
        except CloudyError as error:
            return StepState.FAILED, {}, failure_of(error, spec, context.transaction)
        except Exception as error:  # a bug must end one run with words, not the worker
            reference = uuid.uuid4().hex[:8]
            log.exception("step failed unexpectedly", extra={"action": "bug", "reference": reference})
            words = CloudyError(f"Unexpected {type(error).__name__}; details are in the log under {reference}.")
            return StepState.FAILED, {}, failure_of(words, spec, context.transaction)

    def _finish(
        self,
        unit: Unit,
        transaction_id: str,
        step: Step,
        state: StepState,
        outputs: Json,
        failure: Failure | None,
    ) -> None:
        unit.steps.finish(transaction_id, step.id, state, outputs=outputs, failure=failure)
        transaction = unit.transactions.get(transaction_id)
        done = replace(step, state=state, outputs=outputs, failure=failure)
        narrator.tell_step(unit, transaction, done)
        narrator.retell(unit, transaction_id)
        body: Json = {"state": state.value} | ({"why": failure.what} if failure else {})
        self._audit(unit, transaction, step, state.value, body)

    def end(self, transaction_id: str, verdict: str) -> Json:
        """Decide how the transaction ended, by what stands in the targets, and tell it. Repeating is safe."""
        return self._write(lambda unit: self._end(unit, transaction_id, verdict))

    def _end(self, unit: Unit, transaction_id: str, verdict: str) -> Json:
        transaction = unit.transactions.get(transaction_id)
        for step in unit.steps.of(transaction_id):
            if step.state is StepState.PENDING:
                unit.steps.finish(transaction_id, step.id, StepState.SKIPPED)
        protected = [t for t in transaction.targets if unit.points.get(transaction_id, t)]
        state = _ending(protected, transaction.targets, verdict)
        failure = _first_failure(unit.steps.of(transaction_id), state)
        unit.transactions.update(
            transaction_id,
            state=state,
            ended_at=transaction.ended_at or self._clock.now(),
            plan=transaction.plan | {"protected_in": protected},
            failure=failure,
        )
        narrator.tell_end(unit, transaction_id)
        body: Json = {"state": state.value, "protected_in": protected, "left_behind": list(transaction.left_behind)}
        unit.audit.append(
            AuditEvent(
                key=f"{transaction_id}:end",
                action="outcome",
                actor=transaction.actor,
                transaction_id=transaction_id,
                body=body | ({"why": failure.what} if failure else {}),
            )
        )
        return {"state": state.value}

    def _audit(self, unit: Unit, transaction: Transaction, step: Step, event: str, body: Json) -> None:
        unit.audit.append(
            AuditEvent(
                key=f"{transaction.id}:{step.id}:{step.attempt}:{event}",
                action="step",
                actor=transaction.actor,
                transaction_id=transaction.id,
                body={"step": step.id, "attempt": step.attempt, "event": event} | body,
            )
        )

    def _write(self, work: Callable[[Unit], T]) -> T:
        """One unit of work. A busy database is waited for: a step's end must not be lost to it."""
        while True:
            try:
                with self._db.unit() as unit:
                    return work(unit)
            except BusyError:
                log.warning("database busy, trying again", extra={"action": "database_busy"})
                self._clock.sleep(1.0)

    def _context(self, transaction: Transaction, attempt: int, guard: Guard, progress: Progress) -> Context:
        db, tid = self._db, transaction.id
        systems = self._systems

        def cleanup_share(name: str) -> Share | None:
            share = systems.cleanup_share(name)
            return None if share is None else retrying(share, guard.pause)

        return Context(
            transaction=transaction,
            attempt=attempt,
            installation=self._installation,
            version=self._version,
            clock=self._clock,
            open_vmstore=lambda name: retrying(systems.open_vmstore(name), guard.pause),
            session=lambda name: self._session(tid, name, guard),
            end_session=lambda name: self._end_session(tid, name),
            share=lambda name: retrying(systems.share(name), guard.pause),
            cleanup_share=cleanup_share,
            target=lambda name: retrying(systems.target(name), guard.pause),
            ledger=DatabaseLedger(db, tid),
            catalogue=DatabaseCatalogue(db, tid),
            journal=DatabaseJournal(db, tid),
            transfer_settings=lambda targets: self._transfer_settings(transaction.vmstore, targets),
            check=guard.check,
            pause=guard.pause,
            progress=progress.report,
            moved=progress.moved,
            leave_behind=lambda left: self._leave_behind(tid, left),
        )

    def _session(self, transaction_id: str, name: str, guard: Guard) -> VMstore:
        key = (transaction_id, name)
        with self._sessions_lock:
            session = self._sessions.get(key)
        if session is None:
            session = self._systems.open_vmstore(name)
            retrying(session, guard.pause).login()
            with self._sessions_lock:
                self._sessions[key] = session
        return retrying(session, guard.pause, once=NOT_REPEATABLE)

    def _end_session(self, transaction_id: str, name: str) -> None:
        with self._sessions_lock:
            session = self._sessions.pop((transaction_id, name), None)
        if session is not None:
            session.logout()

    def _leave_behind(self, transaction_id: str, left: Sequence[str]) -> None:
        def note(unit: Unit) -> None:
            unit.transactions.update(transaction_id, left_behind=tuple(left))

        self._write(note)


def _ending(protected: Sequence[str], targets: Sequence[str], verdict: str) -> State:
    if protected:
        return State.SUCCEEDED if len(protected) == len(targets) else State.PARTIAL
    return State.STOPPED if verdict == "stopped" else State.FAILED


def _first_failure(steps: Sequence[Step], state: State) -> Failure | None:
    if state in (State.SUCCEEDED, State.STOPPED):
        return None
    failed = next((step.failure for step in steps if step.failure is not None), None)
    if failed is not None:
        return failed
    losses = {name: why for step in steps for name, why in step.outputs.get("failed", {}).items()}
    if losses:
        return Failure(what="; ".join(f"{name}: {why}" for name, why in losses.items()), step="Upload")
    return Failure(what="No recovery point was made: the workflow has no step that makes one.", step="Verify")
