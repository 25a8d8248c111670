"""In the process that holds the worker lock: plans what was asked for and hands it to the engine."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot import ending, holding, narrator, resting
from bot.approvals import Approvals, Stand
from bot.engine import Engine, Standing, run_id
from bot.errors import BusyError, CloudyError, DatabaseError
from bot.failures import refusal_of
from bot.insist import insist
from bot.model import AuditEvent, Failure, Json, State, StepState, Transaction
from bot.planner import Joined, Planned, Planner, Refused
from bot.policy import Policy
from bot.ports import Clock
from bot.purposes import purpose_of
from bot.reminders import Reminders
from bot.rights import Rights
from bot.store import Database, Unit

log = logging.getLogger(__name__)

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
LOOK_S = 0.25
AFTER_FAULT_S = 5.0
ASK_AGAIN = timedelta(seconds=10)  # how old the engine's word on a run that it has may be; asking costs like a status
OUTAGE = timedelta(seconds=10)  # between two looks of what is approved at a system that does not answer
FORGET_EVERY = timedelta(days=1)
KEPT_BY_THE_ENGINE = timedelta(days=7)
PLANNERS = 4  # a VMstore that hangs must not keep the others from being planned

GIVEN_UP = Failure(
    what="Cloudy's engine gave this run up; the log says why.",
    step="Engine",
    kind="EngineFailure",
    next="Look at the log and at the disk that holds Cloudy's databases, then ask again.",
)
NOBODY_APPROVES = Failure(
    what="This needs an approval, and there is nobody who could give it, or too few.",
    step="Approval",
    kind="NotApproved",
    next="Name approvers in cloudy.toml (policy.roles), then ask again.",
)
OTHER_TIMES = Failure(
    what="Cloudy's databases are of different times: the engine's says that this run is over, Cloudy's own does not"
    " know how it ended.",
    step="Engine",
    kind="EngineFailure",
    next="Whether a recovery point exists is told by the target: by manifest.json under the transaction's id. If there"
    " is none, ask again.",
)


class Dispatcher:
    """Moves transactions from planning to queued to running; each move is one unit, so a crash between loses none."""

    def __init__(
        self, db: Database, planner: Planner, engine: Engine, clock: Clock, policy: Policy | None = None
    ) -> None:
        """policy: None: the default one."""
        self._db = db
        self._planner = planner
        self._engine = engine
        self._clock = clock
        self._rights = Rights(policy or Policy(), clock)
        self._approvals = Approvals(self._rights, clock)
        self._reminders = Reminders(db, clock)
        self._pool = ThreadPoolExecutor(PLANNERS, thread_name_prefix="plan")
        self._being_planned: set[str] = set()
        self._rest: dict[str, datetime] = {}  # approved, but a system is out: not planned again before
        self._kept: dict[str, datetime] = {}  # runs that the engine has, and when it last said so
        self._forgets_at = clock.now()
        self._lock = threading.Lock()
        self.wake = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Look every quarter of a second, at once when woken, until told to stop."""
        while not stop.is_set():
            self.wake.clear()
            self.wake.wait(LOOK_S if self._looked() else AFTER_FAULT_S)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _looked(self) -> bool:
        try:
            self._forget()
            self._reminders.tend_questions()
            return self.tick()
        except BusyError:
            log.warning("database busy, looking again", extra={"action": "database_busy"})
            return True
        except DatabaseError as error:
            log.warning("database unusable, looking again", extra={"action": "database", "error": error.message})
            return False
        except Exception:  # whatever it is: without this thread nothing would begin any more, and nobody would know
            log.exception("the look at the transactions failed", extra={"action": "dispatch"})
            return False

    def tick(self) -> bool:
        """One look at everything that is not ended. False: one could not be moved; the others were."""
        with self._db.read() as unit:
            active = unit.transactions.active(at=self._clock.now())
        living = {run_id(each.id, each.run) for each in active}
        self._kept = {run: at for run, at in self._kept.items() if run in living}
        with self._lock:
            self._rest = {known.id: self._rest[known.id] for known in active if known.id in self._rest}
        well = True
        for transaction in active:
            try:
                self._move(transaction)
            except BusyError:
                log.warning("database busy, looking again", extra={"action": "database_busy"})
            except DatabaseError as error:
                log.warning("not moved", extra={"action": "database", "error": error.message})
                well = False
            except Exception:  # one that cannot be moved must not keep the others from it
                log.exception("not moved", extra={"action": "dispatch", "transaction": transaction.id})
                well = False
        return well

    def _forget(self) -> None:
        """Once a day let the engine forget what ended a week ago, a hundred runs at each look."""
        now = self._clock.now()
        if now >= self._forgets_at and not self._engine.forget(now - KEPT_BY_THE_ENGINE):
            self._forgets_at = now + FORGET_EVERY

    def _move(self, transaction: Transaction) -> None:
        if transaction.stop_asked_by and self._stopped_before_it_began(transaction):
            return
        if transaction.state is State.PLANNING:
            self._plan_soon(transaction)
        elif transaction.state is State.AWAITING_APPROVAL:
            self._tend(transaction)
        elif transaction.state is State.QUEUED:
            self._start(transaction)
        elif transaction.state is State.RUNNING:
            self._hand_over(transaction)
        elif transaction.state is State.HELD:
            self._end_hold(transaction)

    def _stopped_before_it_began(self, transaction: Transaction) -> bool:
        """Whether it could be ended at once: while it is planned, and while it waits, also in the engine's queue."""
        with self._db.unit() as unit:
            state = unit.transactions.get(transaction.id).state
            if state is State.PLANNING:
                self._close(unit, transaction, State.STOPPED, Failure(what="Stopped before it began.", step="Plan"))
                return True
            if any(step.state is not StepState.PENDING for step in unit.steps.of(transaction.id)):
                return False
            ending.close(unit, transaction.id, self._clock.now(), verdict="stopped")
            return True

    def _plan_soon(self, transaction: Transaction) -> None:
        with self._lock:
            if transaction.id in self._being_planned or self._clock.now() < self._rest.get(transaction.id, _LONG_AGO):
                return
            self._being_planned.add(transaction.id)
        self._pool.submit(self._plan, transaction)

    def _plan(self, transaction: Transaction) -> None:
        found = self._found(transaction)
        try:
            insist(lambda: self._keep_plan(transaction, found), self._clock)
        except Exception:  # a full disk, say: it stays in planning and is planned again
            log.exception("plan not kept", extra={"action": "dispatch", "transaction": transaction.id})
            self._clock.sleep(AFTER_FAULT_S)
        finally:
            with self._lock:
                self._being_planned.discard(transaction.id)
        self.wake.set()

    def _found(self, transaction: Transaction) -> Planned | Joined | Refused:
        try:
            return self._planner.plan(transaction)
        except CloudyError as error:
            return Refused(refusal_of(error, transaction))
        except Exception:  # a bug must end one request with words, not the planner
            log.exception("planning failed unexpectedly", extra={"action": "bug", "transaction": transaction.id})
            return Refused(Failure(what="Planning failed unexpectedly; details are in the log.", step="Plan"))

    def _keep_plan(self, transaction: Transaction, found: Planned | Joined | Refused) -> None:
        with self._db.unit() as unit:
            if unit.transactions.get(transaction.id).state is State.PLANNING:
                self._settle(unit, transaction, found)

    def _settle(self, unit: Unit, transaction: Transaction, found: Planned | Joined | Refused) -> None:
        if unit.transactions.stop_asked(transaction.id):
            self._close(unit, transaction, State.STOPPED, Failure(what="Stopped before it began.", step="Plan"))
        elif isinstance(found, Planned):
            self._queue(unit, transaction, found)
        elif isinstance(found, Joined):
            words = _joined(found, purpose_of(transaction).being)
            unit.transactions.update(transaction.id, plan=transaction.plan | {"joined": found.transaction_id})
            self._close(unit, transaction, State.REFUSED, Failure(what=words, step="Plan", kind="Joined"))
        elif ends := self._approvals.outlast(unit, transaction, found.failure):
            self._close(unit, transaction, State.REFUSED, ends)
        else:
            with self._lock:
                self._rest[transaction.id] = self._clock.now() + OUTAGE

    def _queue(self, unit: Unit, transaction: Transaction, planned: Planned) -> None:
        facts = transaction.plan | planned.facts
        as_planned = replace(transaction, vm=planned.vm, vmstore=planned.vmstore, frozen=planned.frozen, plan=facts)
        if lost := self._rights.lost(unit, as_planned):  # judged before by what was typed
            self._close(unit, transaction, State.REFUSED, lost)
            return
        for other in unit.transactions.active():
            is_another = other.frozen and other.id != transaction.id  # after an approval it is planned again
            if is_another and other.vm_uuid == planned.vm_uuid and _serves(other, transaction):
                self._settle(unit, transaction, Joined(vm=planned.vm, transaction_id=other.id))
                return
        stand = self._approvals.settle(unit, as_planned, planned.decided, planned.estimates)
        if stand is Stand.NOBODY:
            self._close(unit, transaction, State.REFUSED, NOBODY_APPROVES)
            return
        if unit.approvals.newest(transaction.id):
            facts = facts | {"addresses": planned.decided.get("addresses", {})}
        unit.transactions.update(
            transaction.id,
            state=State.QUEUED if stand is Stand.GO else State.AWAITING_APPROVAL,
            vm=planned.vm,
            vm_uuid=planned.vm_uuid,
            vmstore=planned.vmstore,
            frozen=planned.frozen,
            plan=facts,
        )
        unit.steps.prepare(transaction.id, [(s["id"], s["title"]) for s in planned.frozen["step"]])
        narrator.retell(unit, transaction.id)
        _audit(unit, transaction, "planned", facts | {"vm": planned.vm, "vm_uuid": planned.vm_uuid})

    def _tend(self, transaction: Transaction) -> None:
        """What waits for a decision: by the clock."""
        with self._db.read() as unit:
            if not self._approvals.is_due(unit, transaction):
                return
        with self._db.unit() as unit:
            if unit.transactions.get(transaction.id).state is State.AWAITING_APPROVAL:
                self._approvals.tend(unit, transaction)

    def _close(self, unit: Unit, transaction: Transaction, state: State, failure: Failure) -> None:
        if unit.approvals.newest(transaction.id):  # it has a thread by now
            verdict = "stopped" if state is State.STOPPED else "refused"
            ending.close(unit, transaction.id, self._clock.now(), verdict=verdict, failure=failure)
            return
        unit.transactions.update(transaction.id, state=state, failure=failure, ended_at=self._clock.now())
        narrator.answer_privately(unit, transaction, "\n".join(filter(None, (failure.what, failure.next))))
        _audit(unit, transaction, state.value, {"why": failure.what})

    def _start(self, transaction: Transaction) -> None:
        """Queued to running, unless its VM is busy; whoever asked must still have the right to it.

        Back to planning, where a target has another address by now than what was approved.
        """
        if resting.is_looked_at_later(transaction, self._clock.now()):
            return
        has_moved = not transaction.run and self._planner.has_moved(transaction)
        if not has_moved and self._rests(transaction):
            return
        with self._db.unit() as unit:
            if has_moved:
                unit.transactions.update(transaction.id, state=State.PLANNING)
                return
            if not unit.transactions.claim(transaction.id):
                return
            if lost := self._lost(unit, transaction):
                ending.close(unit, transaction.id, self._clock.now(), verdict="refused", failure=lost)
                return
            narrator.retell(unit, transaction.id)
        self._hand_over(transaction)

    def _rests(self, transaction: Transaction) -> bool:
        """Whether it waits for the hours of its targets. Its approval is used up now: it waits under it."""
        until = None if transaction.stop_asked_by else self._planner.waits_until(transaction, self._clock.now())
        if until is None:
            return False
        with self._db.read() as unit:
            if not resting.is_to_send(unit, transaction):
                return False
        if transaction.rests_until == until:
            return True
        with self._db.unit() as unit:
            known = unit.transactions.get(transaction.id)
            if known.state is not State.QUEUED or known.stop_asked_by:
                return False
            if lost := self._lost(unit, known):
                ending.close(unit, known.id, self._clock.now(), verdict="refused", failure=lost)
                return True
            resting.begin(unit, known, until)
        return True

    def _lost(self, unit: Unit, transaction: Transaction) -> Failure | None:
        """Why it may not start by now; an approval is used up by its first start, and a Retry belongs to that."""
        lost = self._rights.lost(unit, transaction)
        return lost or (None if transaction.run else self._approvals.begin(unit, transaction))

    def _end_hold(self, transaction: Transaction) -> None:
        """Once its time is over, or somebody asked for it: remove what was kept, in a run of its own."""
        if not holding.is_over(transaction, self._clock.now()):
            self._reminders.tend(transaction)
            return
        with self._db.unit() as unit:
            ended = holding.end(unit, transaction.id, self._clock.now())
        if ended is not None:
            self._hand_over(ended)

    def _hand_over(self, transaction: Transaction) -> None:
        """Give a running transaction to the engine; one that it has already is left alone."""
        now = self._clock.now()
        asked = self._kept.get(run_id(transaction.id, transaction.run))
        if asked is not None and abs(now - asked) < ASK_AGAIN:  # in absolute terms, since the clock may be set back
            return
        standing = self._engine.standing(transaction.id, transaction.run)
        if standing is Standing.KEPT:
            self._kept[run_id(transaction.id, transaction.run)] = now
        if standing is Standing.GIVEN_UP:
            self._end_lost(transaction, GIVEN_UP)
        if standing is Standing.OVER:
            self._end_lost(transaction, OTHER_TIMES)
        if standing is not Standing.UNKNOWN:
            return
        request: Json = {
            "vm": transaction.vm,
            "vm_uuid": transaction.vm_uuid,
            "vmstore": transaction.vmstore,
            "targets": list(transaction.targets),
            "consistency": transaction.consistency,
            **transaction.request,
            **transaction.settled,
        }
        with self._db.read() as unit:
            resume = holding.resume(unit, transaction)
        self._engine.enqueue(transaction.id, transaction.vmstore, transaction.frozen, request, resume)

    def _end_lost(self, transaction: Transaction, why: Failure) -> None:
        """The engine will not end it: say so, and what the ledger says is left. One that has gone on stays as it is."""
        with self._db.unit() as unit:
            known = unit.transactions.get(transaction.id)
            if (known.state, known.run) != (transaction.state, transaction.run):
                return
            ending.close(unit, transaction.id, self._clock.now(), verdict="failed", failure=why)


def _serves(other: Transaction, asked: Transaction) -> bool:
    """Whether what runs or waits for the same VM gives all that is asked for; a run that is being stopped does not."""
    return (
        (other.workflow, other.request) == (asked.workflow, asked.request)
        and set(asked.targets) <= set(other.targets)
        and asked.consistency in ("crash", other.consistency)
        and asked.keep_for in ("", other.keep_for)
        and not other.stop_asked_by
        and other.state is not State.HELD
    )


def _joined(found: Joined, being: str) -> str:
    if found.vm:
        return f"{found.vm} is already being {being} by {found.transaction_id}: follow it there."
    return f"{found.transaction_id} does the same, and has not ended: follow it there."


def _audit(unit: Unit, transaction: Transaction, event: str, body: Json) -> None:
    key = f"{transaction.id}:plan:{event}"
    unit.audit.append(AuditEvent.of(transaction, key=key, action="plan", body={"event": event} | body))
