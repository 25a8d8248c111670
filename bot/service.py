"""What a person can ask for: the only door for handlers, the command line and schedules.

Each method is one local unit of work: it records and returns, and asks no other system.
"""

import re
import secrets
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from bot import asking, jointly, keeping, narrator, overview, suggestions, summing
from bot.accounting import Accounts
from bot.again import Again, wanted
from bot.approvals import Approvals
from bot.concerns import Concerns
from bot.configured import Configured
from bot.drills import Drills
from bot.errors import NotAllowed, NotFound, RequesterError
from bot.firing import Firer
from bot.handouts import Handouts
from bot.ids import transaction_id
from bot.model import (
    Actor,
    Approval,
    AuditEvent,
    Choice,
    Json,
    Place,
    ProtectRequest,
    Slas,
    State,
    Step,
    StoredFile,
    Transaction,
)
from bot.openquestions import OpenQuestions
from bot.opinions import Opinion, Question, opinions
from bot.policy import COMMANDS, About, Operation, Policy
from bot.ports import Clock
from bot.purposes import purpose_of
from bot.questions import Questions
from bot.recorder import Recorder, record
from bot.recoverable import Recoverable
from bot.restores import Restores
from bot.retained import EXPIRE
from bot.retaining import Retaining
from bot.rights import Rights, about_transaction, stop_of
from bot.schedules import Schedules
from bot.startable import expiring, startables
from bot.status import Status, standing
from bot.store import Database, Unit
from bot.suggestions import VmChoice
from bot.summaries import Known, Summaries
from bot.sweeps import Sweeps
from bot.together import Together
from bot.upcoming import Upcoming
from bot.upkeep import Upkeep

MOST_VMS = 50  # in one request
_SLACK_USER = re.compile("[UW][A-Z0-9]{2,40}")


class Service(Recorder):
    """Holds names, not adapters."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        vmstores: tuple[str, ...],
        targets: tuple[str, ...],
        policy: Policy | None = None,
        configured: Configured | None = None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """policy, configured: None: the default ones; wake: see Recorder."""
        own, rights = configured or Configured(), Rights(policy or Policy(), clock)
        super().__init__(db, clock, rights, wake=wake)
        self._vmstores = vmstores
        self._targets = targets
        self._approvals = Approvals(rights, clock)
        self._status = Together(partial(standing, db, clock, vmstores, targets))
        self.again = Again(db, clock, rights, wake=wake, anew=self._anew)
        self.restores = Restores(db, clock, rights, vmstores=vmstores, targets=targets, configured=own, wake=wake)
        self.recoverable = Recoverable(db, vmstores=vmstores, targets=targets)
        self.drills = Drills(db, clock, rights, vmstores=vmstores, targets=targets, configured=own, wake=wake)
        known = Known(targets=targets, vmstores=vmstores, drillable=own.drillable, prices=own.prices)
        self.summaries = Summaries(db, clock, known, self._slas)
        self.retaining = Retaining(db, clock, rights, slas=self._slas, targets=targets, configured=own, wake=wake)
        tells = {summing.WORKFLOW: summing.startable(self.summaries, self._admin_channel)}
        keeps = {EXPIRE: expiring(self.retaining)}
        accounts = Accounts(Firer(rights, startables(self.drills) | tells | keeps, own.schedules, targets))
        self.schedules = Schedules(db, clock, rights, accounts, targets=targets, wake=wake)
        fires = Upcoming(db, accounts.firer)
        self.summaries.fires = fires  # late: a summary tells of schedules, and is started by one
        self.questions = Questions(db, clock, slas=own.slas, fires=fires)
        upkeep = Upkeep(db, clock, rights, wake=wake)
        self.verify, self.delete = upkeep.verify, upkeep.delete
        self.handouts = Handouts(db)
        self.sweeps = Sweeps(db, clock, rights, wake=wake)
        self.concerns = Concerns(db, clock, rights, wake=wake)
        self.open_questions = OpenQuestions(db, clock)

    def _slas(self) -> Slas:
        return self.questions.slas

    def _admin_channel(self) -> str:
        return self.schedules.accounts.firer.rules.admin_channel

    @property
    def target_names(self) -> tuple[str, ...]:
        """The configured targets."""
        return self._targets

    def protect(
        self, request: ProtectRequest, actor: Actor, *, request_key: str, place: Place | None = None
    ) -> tuple[Transaction, ...]:
        """Record one transaction per VM; the same request key again gives those that it gave before.

        NotFound: an unknown target, with the targets there are. NotAllowed. BusyError: nothing was recorded.
        """
        with self._recording(actor, _said(request), request_key) as (unit, _):
            self._check(request)
            request = replace(request, targets=tuple(dict.fromkeys(request.targets)))
            self._demand_protect(unit, request, actor, request_key, place or Place())
            kept = tuple(
                record(unit, self._transaction(vm, request, actor, f"{request_key}:{i}", place), _told(vm, request))
                for i, vm in enumerate(request.vms)
            )
        self._wake()
        return kept

    def _demand_protect(
        self, unit: Unit, request: ProtectRequest, actor: Actor, request_key: str, place: Place
    ) -> None:
        for i, vm in enumerate(request.vms):
            about = About(vm=vm, targets=request.targets, channel=place.channel, command="protect")
            self._rights.demand(unit, actor, Operation.PROTECT, about, key=f"{request_key}:{i}")

    def _check(self, request: ProtectRequest) -> None:
        keeping.check(consistency=request.consistency, keep_for=request.keep_for, note=request.note)
        if len(request.vms) > MOST_VMS:
            raise RequesterError(f"{len(request.vms)} VMs in one request; at most {MOST_VMS} at once.")
        unknown = [name for name in request.targets if name not in self._targets]
        if unknown:
            raise NotFound(
                f"There is no target called {unknown[0]}. The targets are: {', '.join(self._targets)}.", self._targets
            )

    def _transaction(
        self, vm: str, request: ProtectRequest, actor: Actor, request_key: str, place: Place | None
    ) -> Transaction:
        now = self._clock.now()
        return Transaction(
            id=transaction_id(now, secrets.randbits(30)),
            workflow="protect",
            vm=vm,
            targets=request.targets,
            actor=actor,
            state=State.PLANNING,
            created_at=now,
            request_key=request_key,
            consistency=request.consistency,
            note=request.note,
            keep_for=request.keep_for,
            place=place or Place(),
        )

    def stop(self, text: str, actor: Actor, *, request_key: str, channel: str = "") -> Transaction:
        """Ask a transaction to stop; the same request key again: the one that it stopped, whatever "last" is by now.

        channel: where it was asked. NotFound, AmbiguousName, UsageError: which one? NotAllowed. RequesterError: too
        late.
        """
        with self._recording(actor, f"stop {text}", request_key) as (unit, about):
            before = _stopped_before(unit, request_key)
            about.append(before or asking.meant(unit, text))
            stopped = before or self._stop(unit, about[0], actor, request_key, channel)
        self._wake()
        return stopped

    def stop_thread(self, channel: str, thread_ts: str, actor: Actor, *, request_key: str) -> Transaction:
        """Ask the transaction whose thread this is to stop. NotFound: the thread is none of ours."""
        with self._recording(actor, "stop", request_key) as (unit, about):
            if before := _stopped_before(unit, request_key):
                return before
            about.append(asking.of_thread(unit, channel, thread_ts, "stop"))
            stopped = self._stop(unit, about[0], actor, request_key, channel)
        self._wake()
        return stopped

    def _stop(self, unit: Unit, transaction: Transaction, actor: Actor, request_key: str, channel: str) -> Transaction:
        about = about_transaction(transaction, channel=channel, command="stop")
        self._rights.demand(unit, actor, stop_of(transaction, actor), about, key=request_key)
        by_points = purpose_of(transaction).is_judged_by_points
        if by_points and transaction.state in (State.SUCCEEDED, State.PARTIAL):
            raise RequesterError(f"Already protected: {transaction.id} has ended and its recovery point exists.")
        if transaction.state.is_final:
            raise RequesterError(f"{transaction.id} has ended already: {transaction.state}.")
        if by_points and any(unit.points.get(transaction.id, target) for target in transaction.targets):
            raise RequesterError(f"Already protected: the recovery point of {transaction.id} exists.")
        stopped = unit.transactions.ask_stop(transaction.id, actor.name)
        if transaction.state is State.HELD:
            narrator.tell_held(unit, stopped.id)
        if transaction.state is State.RUNNING:
            narrator.tell_stopping(unit, stopped)
            narrator.retell(unit, stopped.id)
        unit.audit.append(
            AuditEvent(key=f"{request_key}:stop", action="stop", actor=actor, transaction_id=transaction.id)
        )
        return stopped

    def decide(self, token: str, choice: Choice, actor: Actor, *, request_key: str) -> Approval:
        """One person's word on the approval that a button names; the same request key again: the same word.

        NotFound, NotAllowed, RequesterError: why it does not count; that is in the audit too.
        """
        with self._recording(actor, f"{choice} {token[:6]}…", request_key) as (unit, about):
            if known := unit.approvals.by_token(token):
                about.append(unit.transactions.get(known.transaction_id))
            decided = self._approvals.decide(unit, token, choice, actor, request_key)
        self._wake()
        return decided

    def decide_all(self, token: str, choice: Choice, actor: Actor, *, request_key: str) -> tuple[Approval, ...]:
        """The same of a button that may stand for several plans: those on which the word counts, each by itself."""
        if not jointly.is_joint(token):
            return (self.decide(token, choice, actor, request_key=request_key),)
        with self._recording(actor, f"{choice} {token[:60]}…", request_key) as (unit, _):
            decided = self._approvals.decide_all(unit, token, choice, actor, request_key)
        self._wake()
        return decided

    def cards_waiting(self, actor: Actor) -> tuple[Json, ...]:
        """The cards of what waits for a word of this person, oldest first; what one fire asks for stands on one."""
        waiting = self.approvals_waiting(actor)
        with self._db.read() as unit:
            return jointly.cards(unit, waiting)

    def approvals_waiting(self, actor: Actor) -> tuple[tuple[Approval, Transaction], ...]:
        """What waits for a word of this person, oldest first."""
        with self._db.read() as unit:
            return self._approvals.waiting_for(unit, actor)

    def _anew(self, ended: Transaction, actor: Actor, request_key: str, place: Place) -> Transaction:
        if ended.workflow == "verify":
            deep = bool(ended.request.get("is_deep"))
            return self.verify(ended.id, actor, request_key=request_key, place=place, deep=deep)
        if ended.workflow == "drill":
            return self.drills.again(ended, actor, request_key=request_key, place=place)
        if ended.workflow == "restore":
            return self.restores.again(ended, actor, request_key=request_key, place=place)
        return self.protect(wanted(ended), actor, request_key=request_key, place=place)[0]

    def in_thread(self, channel: str, thread_ts: str, command: str) -> str:
        """The id of the transaction whose thread this is. NotFound names the command that takes an id."""
        with self._db.read() as unit:
            return asking.of_thread(unit, channel, thread_ts, command).id

    def audit_of(self, text: str) -> asking.Audited:
        """The audit rows of one transaction, and whether they are unchanged. NotFound, AmbiguousName, UsageError."""
        with self._db.read() as unit:
            return asking.audited(unit, asking.meant(unit, text))

    def runs(self, limit: int = 20) -> tuple[Transaction, ...]:
        """The newest transactions."""
        with self._db.read() as unit:
            return unit.transactions.list(limit=limit)

    def show(self, text: str) -> tuple[Transaction, tuple[Step, ...], tuple[StoredFile, ...]]:
        """One transaction whole. NotFound, AmbiguousName, UsageError."""
        with self._db.read() as unit:
            transaction = asking.meant(unit, text)
            files = [file for target in transaction.targets for file in unit.files.of(transaction.id, target)]
            return transaction, unit.steps.of(transaction.id), tuple(files)

    def demand_reading(self, command: str, actor: Actor, channel: str) -> None:
        """Go on only if the actor may use this command there, where it only reads. NotAllowed."""
        if self._rights.policy == Policy() or COMMANDS.get(command, Operation.READ) is not Operation.READ:
            return
        with self._db.read() as unit:
            about = About(channel=channel, command=command)
            verdict = self._rights.judge(unit, actor, Operation.READ, about)
        if not verdict.allowed:
            raise NotAllowed(" ".join(verdict.why), verdict.who)

    def barred(self, command: str, actor: Actor, channel: str) -> NotAllowed | None:
        """Why the actor may not use this command there at all; None: at least on some VM."""
        with self._db.read() as unit:
            if command in self._rights.commands_of(unit, actor, channel):
                return None
            about = About(channel=channel, command=command)
            verdict = self._rights.judge(unit, actor, COMMANDS.get(command, Operation.READ), about)
            return NotAllowed(" ".join(verdict.why), verdict.who)

    def commands_of(self, actor: Actor, channel: str) -> frozenset[str]:
        """The commands that the actor may use there, at least on some VM."""
        with self._db.read() as unit:
            return self._rights.commands_of(unit, actor, channel)

    def person(self, text: str) -> Actor:
        """The user of Slack of this id or name; "cli": whoever is at the command line. NotFound: never seen."""
        if text == "cli":
            return Actor(id=text, name=text, source=text)
        with self._db.read() as unit:
            known = unit.audit.person(text)
        if known is None and not _SLACK_USER.fullmatch(text):
            raise NotFound(f"Nobody called {text} has asked Cloudy for anything yet. Give the id from their profile.")
        name = known[1] if known else text
        return Actor(id=known[0] if known else text, name=name, source="slack")

    def keep_group(self, group: str, users: Collection[str]) -> None:
        """Note who is in a user group of Slack now."""
        with self._db.unit() as unit:
            unit.members.keep(group, users)

    def keep_groups(self, groups: Collection[str]) -> None:
        """Forget the members of all other groups."""
        with self._db.unit() as unit:
            unit.members.keep_only(groups)

    def opinions_on(self, question: Question, actor: Actor) -> tuple[Opinion, ...]:
        """Whether the actor may, and why. NotFound, AmbiguousName, UsageError: which transaction?"""
        with self._db.read() as unit:
            meant: Transaction | None = None
            if question.command in ("verify", "delete") and question.id:
                meant, point = asking.point_meant(unit, question.id)
                question = replace(question, id="", vms=(point.vm,), targets=point.targets)
            elif question.id:
                meant = asking.meant(unit, question.id)
            return opinions(unit, self._rights, actor, question, meant)

    def status(self) -> Status:
        """What runs now and what ran last."""
        return self._status()

    def show_message(
        self, channel: str, ts: str, thread: str = ""
    ) -> tuple[Transaction, tuple[Step, ...], tuple[StoredFile, ...]]:
        """The transaction that a message tells of, or in whose thread it stands. NotFound: it is none's."""
        with self._db.read() as unit:
            found = unit.outbox.by_ts(channel, ts) or (unit.outbox.by_ts(channel, thread) if thread else None)
            known = unit.transactions.find(found.key.partition(":")[0]) if found else None
        if known is None:
            raise NotFound("This message belongs to no transaction of Cloudy's.")
        return self.show(known.id)

    def shared_overview(self, view: overview.View) -> overview.Shared:
        """What a start page tells everybody who looks at this part of the list of VMs."""
        systems = overview.Systems(vmstores=self._vmstores, targets=self._targets)
        with self._db.read() as unit:
            return overview.shared(unit, view, systems, by=self.questions.yardstick())

    def running(self, actor: Actor) -> tuple[overview.Running, ...]:
        """The actor's transactions that have not ended, oldest first."""
        with self._db.read() as unit:
            return overview.running(unit, actor, self._clock.now())

    def suggest_vms(self, text: str, limit: int = 100) -> tuple[VmChoice, ...]:
        """VMs that may be meant by what somebody types, best first; see bot.suggestions."""
        with self._db.read() as unit:
            return suggestions.suggest(unit, text, limit)

    def vm_typed(self, value: str) -> str:
        """What one would type to mean the VM of a choice. NotFound: it is not there any more."""
        with self._db.read() as unit:
            return suggestions.typed(unit, value)


def _told(vm: str, request: ProtectRequest) -> Json:
    wishes = {"consistency": request.consistency, "note": request.note, "keep_for": request.keep_for}
    said = {name: value for name, value in wishes.items() if value}
    return {"vm": vm, "targets": list(request.targets), **said}


def _said(request: ProtectRequest) -> str:
    return f"protect {', '.join(request.vms)} to {', '.join(request.targets)}"


def _stopped_before(unit: Unit, request_key: str) -> Transaction | None:
    known = unit.audit.transaction_of(f"{request_key}:stop")
    return unit.transactions.get(known) if known else None
