"""Runs one step of one transaction: its action, its rows, its audit, its place in the story.

What a step came to is a return value, never an exception, so that the engine keeps it and the walk branches on it.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from bot import ending, holding, immutable, insist, narrator, resting
from bot.actions import ACTIONS, Context
from bot.errors import CloudyError, ConfigError, MissingError, Paused, PermanentError, Stopped, TransientError
from bot.failures import failure_of
from bot.guard import Guard
from bot.journal import DatabaseCatalogue, DatabaseIndex, DatabaseJournal, DatabaseLedger
from bot.keeper import DatabaseKeeper
from bot.limits import Limits
from bot.model import AuditEvent, Failure, Json, Step, StepState, Transaction
from bot.mover import DatabaseMover
from bot.ports import Clock, Hypervisor, ObjectStore, Share, Systems, VMstore
from bot.progress import Progress
from bot.retry import LONG_CALLS, retrying
from bot.store import Database, Unit
from bot.throttle import heedful
from bot.watchdog import Watchdog
from bot.workflow import StepSpec

log = logging.getLogger(__name__)
T = TypeVar("T")

NOT_REPEATABLE = ("clone_files", "sync_vm")  # bot/actions look before they ask again
_OUTCOMES = {
    StepState.COMPLETE: "ok",
    StepState.STOPPED: "stopped",
    StepState.FAILED: "failed",
    StepState.PENDING: "paused",
}


class Runner:
    """Everything that a step needs, kept for the life of the process."""

    def __init__(
        self,
        db: Database,
        systems: Systems,
        clock: Clock,
        limits: Limits,
        *,
        installation: str,
        version: str,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """on_end: called when a run has ended, and holds no memory any more."""
        self._db = db
        self._systems = systems
        self._clock = clock
        self._installation = installation
        self._version = version
        self._limits = limits
        self._on_end = on_end
        self._sessions: dict[tuple[str, str], VMstore] = {}
        self._sessions_lock = threading.Lock()
        self._watchdogs = {name: Watchdog() for name in systems.vmstore_names}
        self.draining = threading.Event()

    def run(self, transaction_id: str, spec: StepSpec, inputs: Json) -> Json:
        """Run a step and keep what it came to. {"outcome": "ok|stopped|failed|paused", "outputs": {...}}."""
        guard = Guard(self._db, self._clock, transaction_id, self.draining, heeds_stop=not spec.always)
        guard.park_if_draining()
        begun = self._write(lambda unit: self._begin(unit, transaction_id, spec))
        if begun is None:
            return {"outcome": "stopped", "outputs": {}}
        transaction, step = begun
        progress = Progress(self._db, self._clock, transaction, step)
        context = self._context(transaction, step, guard, progress, long=() if spec.always else LONG_CALLS)
        state, outputs, failure = self._act(context, spec, inputs)
        progress.close()
        guard.park_if_draining()
        self._write(lambda unit: self._finish(unit, transaction_id, step, state, outputs, failure))
        return {"outcome": _OUTCOMES[state], "outputs": outputs}

    def _begin(self, unit: Unit, transaction_id: str, spec: StepSpec) -> tuple[Transaction, Step] | None:
        """None: it was ended before its turn came, or nobody knows of it, so nothing of it may run."""
        try:
            transaction = unit.transactions.get(transaction_id)
        except MissingError:
            log.warning(
                "a run that Cloudy's database does not know; was an older copy put back? `cloudy orphans` lists what"
                " the run left",
                extra={"action": "unknown_run", "transaction": transaction_id},
            )
            return None
        if transaction.state.is_final:
            return None
        step = unit.steps.begin(transaction_id, spec.id)
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
        except Paused as pause:
            return StepState.PENDING, pause.kept, None
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

    def hold(self, transaction_id: str, run: str, step_id: str) -> Json:
        """Keep what was made for a Retry, if that can help; the session ends all the same. Repeating is safe."""
        now, hold = self._clock.now(), self._limits.hold
        held = self._write(lambda unit: holding.begin(unit, transaction_id, run, step_id, now=now, hold=hold))
        if held:
            self._close_sessions(transaction_id)
            self._on_end()
        return {"held": held}

    def pause(self, transaction_id: str, run: str) -> Json:
        """Queue it again until its targets may be sent to; what was made is kept. Repeating is safe."""
        state = self._write(lambda unit: resting.pause(unit, transaction_id, run))
        self._close_sessions(transaction_id)
        self._on_end()
        return {"state": state.value}

    def end(self, transaction_id: str, verdict: str) -> Json:
        """Decide how the transaction ended, by what stands in the targets, and tell it. Repeating is safe."""
        now = self._clock.now()
        try:
            state = self._write(lambda unit: ending.close(unit, transaction_id, now, verdict=verdict))
        except MissingError:
            return {"state": "unknown"}  # `_begin` has said so
        self._close_sessions(transaction_id)
        self._on_end()
        return {"state": state.value}

    def _audit(self, unit: Unit, transaction: Transaction, step: Step, event: str, body: Json) -> None:
        key = f"{transaction.id}:{step.id}:{step.attempt}:{event}"
        body = {"step": step.id, "attempt": step.attempt, "event": event} | body
        unit.audit.append(AuditEvent.of(transaction, key=key, action="step", body=body))

    def _write(self, work: Callable[[Unit], T]) -> T:
        """One unit of work. A busy database is waited for: a step's end must not be lost to it."""
        return insist.write(self._db, work, self._clock)

    def _context(
        self, transaction: Transaction, step: Step, guard: Guard, progress: Progress, *, long: Collection[str]
    ) -> Context:
        """long: the calls of a target that an outage of minutes is waited out for; none while cleaning up."""
        db, systems, tid = self._db, self._systems, transaction.id

        return Context(
            transaction=transaction,
            before=step.outputs,
            attempt=step.attempt,
            installation=self._installation,
            version=self._version,
            clock=self._clock,
            open_vmstore=lambda name: retrying(systems.open_vmstore(name), guard.pause),
            session=lambda name: self._session(tid, name, guard),
            end_session=lambda name: self._end_session(tid, name),
            share=lambda name: self._watched(systems.share(name), name, guard),
            cleanup_share=lambda name: self._watched_one(systems.cleanup_share(name), name, guard),
            restore_share=lambda name: self._watched_one(systems.restore_share(name), name, guard),
            keeps=systems.keep_snapshots,
            restore_address=systems.restore_address,
            restore_setting=systems.restore_setting,
            hypervisor=lambda name: self._hypervisor(name, guard),
            hypervisor_address=systems.hypervisor_address,
            target=partial(self._patient_target, transaction, guard, progress, long),
            ledger=DatabaseLedger(db, self._clock, tid),
            catalogue=DatabaseCatalogue(db, self._clock, tid),
            keeper=DatabaseKeeper(db, self._clock, self._limits.slas),
            mover=lambda name: DatabaseMover(db, self._clock, self._limits.slas, systems.target(name), tid),
            journal=DatabaseJournal(db, self._clock, tid),
            index=DatabaseIndex(db, self._clock, tid),
            transfer_settings=lambda targets: self._limits.transfer_settings(transaction.vmstore, targets),
            check=guard.check,
            may_send=self._may_send,
            pause=guard.pause,
            progress=progress.report,
            moved=progress.moved,
            leave_behind=lambda left: self._leave_behind(tid, left),
        )

    def _may_send(self, targets: Sequence[str]) -> None:
        now = self._clock.now()
        opens = self._systems.may_send(targets, now)
        if opens is None:
            raise ConfigError([resting.never(targets)])
        if opens > now:
            raise Paused

    def _patient_target(
        self, transaction: Transaction, guard: Guard, progress: Progress, long: Collection[str], name: str
    ) -> ObjectStore:
        store = heedful(self._target(transaction, name), guard.check)
        on_wait = partial(self._tell_waiting, transaction.id, progress)
        return retrying(store, guard.pause, long=long, on_wait=on_wait)

    def _target(self, transaction: Transaction, name: str) -> ObjectStore:
        """PermanentError: by the configuration it is elsewhere than what was approved."""
        store = self._systems.target(name)
        approved = transaction.addresses.get(name, store.address)
        if store.address != approved:
            raise PermanentError(
                f"Target {name} is {store.address} by now, and the approval was for {approved}."
                " Put it back in cloudy.toml, or ask again for what you need.",
                system=name,
                operation="open target",
            )
        lock = immutable.planned(transaction)
        return store.locking(lock) if lock else store

    def _hypervisor(self, vmstore: str, guard: Guard) -> Hypervisor | None:
        found = self._systems.hypervisor_of(vmstore)
        return None if found is None else retrying(found, guard.pause)

    def _watched_one(self, share: Share | None, vmstore: str, guard: Guard) -> Share | None:
        return None if share is None else self._watched(share, vmstore, guard)

    def _watched(self, share: Share, vmstore: str, guard: Guard) -> Share:
        return retrying(self._watchdogs[vmstore].watch(share, guard.check), guard.pause)

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

    def _close_sessions(self, transaction_id: str) -> None:
        """Log out what no step logged out; the transaction has ended, so a refusal changes nothing."""
        with self._sessions_lock:
            left = [key for key in self._sessions if key[0] == transaction_id]
        for _id, name in left:
            try:
                self._end_session(transaction_id, name)
            except CloudyError as error:
                log.warning("log-out failed; the session will expire", extra={"system": name, "error": error.message})

    def _tell_waiting(self, transaction_id: str, progress: Progress, error: TransientError) -> None:
        """Say in the thread why it stands still, and on the plan that it does."""
        progress.waiting()

        def tell(unit: Unit) -> None:
            narrator.tell_waiting(unit, unit.transactions.get(transaction_id), error.message, self._clock.now())

        self._write(tell)

    def _leave_behind(self, transaction_id: str, left: Sequence[str]) -> None:
        def note(unit: Unit) -> None:
            unit.transactions.update(transaction_id, left_behind=tuple(left))

        self._write(note)
