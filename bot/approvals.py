"""Approvals as they are asked for, decided, ended and executed: each in the unit of work that it is called in."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from bot import approving, ending, jointly, narrator, petitions, story
from bot.errors import BusyError, DatabaseError, NotAllowed, NotFound, RequesterError, TransientError
from bot.model import (
    Actor,
    Approval,
    ApprovalState,
    AuditEvent,
    Choice,
    Decision,
    Failure,
    Json,
    Message,
    State,
    Transaction,
)
from bot.policy import Need, Terms, Verdict
from bot.ports import Clock
from bot.rights import Rights, about_transaction, operation_of
from bot.store import Unit

_OUTAGES = frozenset(kind.__name__ for kind in (TransientError, BusyError, DatabaseError))
MOST_ASKED = 20  # approvers who get a message of their own
SCHEDULED_WAITS = timedelta(hours=1)  # for a system that is out, when nobody sits there who could ask again


class Stand(StrEnum):
    """What a plan may do now."""

    GO = "go"
    WAIT = "wait"
    NOBODY = "nobody"  # could ever decide


@dataclass(frozen=True, slots=True)
class Approvals:
    """The rules of bot/policy.py, applied to plans."""

    rights: Rights
    clock: Clock

    def settle(self, unit: Unit, transaction: Transaction, decided: Json, estimates: Json) -> Stand:
        """Whether what was planned may go on. If it has to wait, its approval is asked for, once.

        An approval that does not fit what is planned now is cancelled, with words, and a fresh one is asked for.
        """
        terms = self._terms(unit, transaction)
        if terms.need is Need.NOTHING:
            return Stand.GO
        known = unit.approvals.newest(transaction.id)
        if known is not None and known.state is ApprovalState.APPROVED:
            why = approving.changed(known, decided, estimates) or self._lacking(unit, transaction, known, terms)
            if not why:
                return Stand.GO
            self._void(unit, transaction, known, why)
        if terms.need is Need.APPROVAL and not self._could_be_decided(transaction, terms):
            return Stand.NOBODY
        self._ask(unit, transaction, terms, decided, estimates)
        return Stand.WAIT

    def outlast(self, unit: Unit, transaction: Transaction, failure: Failure) -> Failure | None:
        """Why it ends, after it could not be planned; None: an outage is waited out.

        What is approved waits as long as its approval is good, what a schedule asked for an hour.
        """
        if transaction.schedule and failure.kind in _OUTAGES:
            begun = transaction.not_before or transaction.created_at
            if begun <= self.clock.now() < begun + SCHEDULED_WAITS:
                return None
        known = unit.approvals.newest(transaction.id)
        if (
            failure.kind not in _OUTAGES
            or known is None
            or known.state is not ApprovalState.APPROVED
            or known.good_until is None
        ):
            return failure
        until = f"until {known.good_until:%Y-%m-%d %H:%M} UTC"
        if self.clock.now() < known.good_until:
            text = f"{failure.what} It stays approved, and is tried again {until}."
            narrator.tell_first(unit, transaction, f"outage:{known.number}", text)
            return None
        why = f"Approved by {approving.names(known)}, and not started {until}: {failure.what}"
        self._expire(unit, known, why)
        return replace(failure, what=why, step="Approval")

    def begin(self, unit: Unit, transaction: Transaction) -> Failure | None:
        """At its start: the approval is executed, once. Gives why it may not start any more."""
        known = unit.approvals.newest(transaction.id)
        if known is None:
            if self._terms(unit, transaction).need is Need.NOTHING:
                return None
            return _failure("The policy asks for an approval by now, and nobody gave one.")
        if known.state is ApprovalState.EXECUTED:
            return None  # a Retry goes on with what was begun under it
        terms = self._terms(unit, transaction)
        if known.state is ApprovalState.APPROVED and (why := self._lacking(unit, transaction, known, terms)):
            return _failure(f"{why[0].upper()}{why[1:]}.")
        if known.state is ApprovalState.APPROVED and known.good_until and self.clock.now() < known.good_until:
            self._keep(unit, replace(known, state=ApprovalState.EXECUTED), "executed", {"by": approving.names(known)})
            return None
        if known.state is ApprovalState.APPROVED:
            known = self._expire(
                unit, known, f"it was approved, and not started until {known.good_until:%Y-%m-%d %H:%M} UTC"
            )
        return _failure(approving.refusal(known, "", Choice.APPROVE, self.clock.now()))

    def decide(self, unit: Unit, token: str, choice: Choice, actor: Actor, key: str) -> Approval:
        """One person's click. RequesterError, NotFound: why it does nothing.

        key: of the click; the same one again is the same click.
        """
        known = unit.approvals.by_token(token)
        if known is None:
            raise NotFound("This button belongs to no approval that Cloudy knows of. Ask again for what you need.")
        if unit.audit.transaction_of(f"{key}:decision"):
            return known  # the same click, delivered twice
        decided = self._word(unit, known, choice, actor, key)
        jointly.retell(unit, unit.transactions.get(known.transaction_id), decided)
        return decided

    def decide_all(self, unit: Unit, token: str, choice: Choice, actor: Actor, key: str) -> tuple[Approval, ...]:
        """One person's click on the card of a fire: a word on each plan that it showed; gives those on which it counts.

        RequesterError, NotFound: why it counts on none. key: of the click; the same one again is the same click.
        """
        sheet = jointly.shown(unit, token)
        keys = {each.id: f"{key}:{each.transaction_id}" for each in sheet.approvals}
        heard = [each for each in sheet.approvals if unit.audit.transaction_of(f"{keys[each.id]}:decision")]
        if heard:
            return tuple(heard)  # the same click, delivered twice
        counted, why = [], RequesterError("This card shows no plan.")
        for each in sheet.approvals:
            try:
                counted.append(self._word(unit, each, choice, actor, keys[each.id]))
            except RequesterError as error:
                why = error
        if not counted:
            raise why
        jointly.retell(unit, unit.transactions.get(counted[0].transaction_id), counted[0])
        return tuple(counted)

    def _word(self, unit: Unit, known: Approval, choice: Choice, actor: Actor, key: str) -> Approval:
        if why := approving.refusal(known, actor.id, choice, self.clock.now()):
            raise RequesterError(why)
        transaction = unit.transactions.get(known.transaction_id)
        self._demand_word(unit, known, transaction, actor)
        decided = approving.decided(known, Decision(actor=actor, choice=choice, at=self.clock.now()))
        body: Json = {"choice": choice.value, "approval": known.id, "plan_hash": known.plan_hash}
        unit.audit.append(
            AuditEvent(
                key=f"{key}:decision",
                action="decision",
                actor=actor,
                transaction_id=known.transaction_id,
                body=body | {"state": decided.state.value},
            )
        )
        unit.approvals.put(decided)
        self._follow(unit, transaction, decided, actor)
        return decided

    def is_due(self, unit: Unit, transaction: Transaction) -> bool:
        """Whether `tend` has something to do."""
        known, now = unit.approvals.newest(transaction.id), self.clock.now()
        if known is None:
            return False
        return now >= known.expires_at or bool(known.remind_at and now >= known.remind_at)

    def tend(self, unit: Unit, transaction: Transaction) -> None:
        """By the clock: end it when its time is over, remind before. Call it often."""
        known = unit.approvals.newest(transaction.id)
        now = self.clock.now()
        if known is None or known.state is not ApprovalState.PENDING:
            return
        if now >= known.expires_at:
            why = f"nobody decided until {known.expires_at:%Y-%m-%d %H:%M} UTC"
            self._expire(unit, known, why)
            self._close(unit, transaction, f"Expired: {why}. Nothing was done.")
        elif known.remind_at and now >= known.remind_at:
            unit.approvals.put(replace(known, remind_at=approving.again(known, now)))
            self._remind(unit, transaction, known)

    def waiting_for(self, unit: Unit, actor: Actor) -> tuple[tuple[Approval, Transaction], ...]:
        """Pending approvals on which the actor's word would count, oldest first."""
        found: list[tuple[Approval, Transaction]] = []
        for approval in unit.approvals.open():
            transaction = unit.transactions.get(approval.transaction_id)
            is_open = not approving.refusal(approval, actor.id, Choice.APPROVE, self.clock.now())
            if is_open and not self._objection(unit, approval, transaction, actor):
                found.append((approval, transaction))
        return tuple(found)

    # --- asking ---

    def _terms(self, unit: Unit, transaction: Transaction) -> Terms:
        about = about_transaction(transaction)
        return self.rights.judge(unit, transaction.actor, operation_of(transaction), about).terms

    def _could_be_decided(self, transaction: Transaction, terms: Terms) -> bool:
        """Whether there are people enough; else it would wait in vain. How many a group has may not be known yet."""
        policy = self.rights.policy
        users = [user for user in policy.approvers() if terms.requester_counts or user != transaction.actor.id]
        return bool(policy.approver_groups) or len(users) >= terms.approvers

    def _lacking(self, unit: Unit, transaction: Transaction, approval: Approval, terms: Terms) -> str:
        """Why what was approved is not enough for the policy as it is by now; "": it is."""
        if terms.need is not Need.APPROVAL:
            return ""
        words = [self._may_approve(unit, approval, transaction, actor) for actor in approval.approvers]
        if sum(each.allowed for each in words) >= terms.approvers:
            return ""
        number = "1 approval" if terms.approvers == 1 else f"{terms.approvers} approvals"
        return f"the policy asks for {number} by now, by people who still may"

    def _ask(self, unit: Unit, transaction: Transaction, terms: Terms, decided: Json, estimates: Json) -> None:
        before, now = unit.approvals.newest(transaction.id), self.clock.now()
        number = before.number + 1 if before else 1
        asked = Approval(
            id=f"{transaction.id}:{number}",
            transaction_id=transaction.id,
            number=number,
            operation=operation_of(transaction).value,
            state=ApprovalState.PENDING,
            token=secrets.token_urlsafe(24),
            decided=decided,
            estimates=estimates,
            plan_hash=approving.plan_hash(decided),
            requester=transaction.actor,
            reason=transaction.note,
            needed=terms.approvers if terms.need is Need.APPROVAL else 0,
            created_at=now,
            expires_at=now + terms.lives,
            good_for_s=int(terms.good_for.total_seconds()),
            remind_at=approving.reminder(now, terms.lives),
        )
        body: Json = {"state": "pending", "decided": decided, "estimates": estimates, "needed": asked.needed}
        body |= {"why": asked.reason} if asked.reason else {}
        users = () if asked.is_confirmation else self._asked(unit, transaction, terms)
        if before is None and jointly.fire_of(unit, transaction):
            self._keep(unit, asked, "approval", body)
            sheet = jointly.sheet_of(unit, transaction, asked)
            assert sheet is not None  # noqa: S101 - its fire has a card
            jointly.tell(unit, sheet, transaction, users)
        else:
            transaction = _with_thread(unit, transaction)
            self._keep(unit, asked, "approval", body)
            for user in users:
                key = narrator.copy_key(asked, user)
                unit.outbox.put(Message(key=key, channel=user, view=_card(transaction, asked)))

    def _asked(self, unit: Unit, transaction: Transaction, terms: Terms) -> Sequence[str]:
        """Who gets a message of their own."""
        policy = self.rights.policy
        members = (user for group in policy.approver_groups for user in unit.members.users_of(group))
        users = dict.fromkeys((*policy.approvers(), *members))
        return [user for user in users if terms.requester_counts or user != transaction.actor.id][:MOST_ASKED]

    # --- deciding ---

    def _objection(self, unit: Unit, approval: Approval, transaction: Transaction, actor: Actor) -> str:
        """Why this person's word does not count; "": it does."""
        if approval.is_confirmation:
            return "" if actor.id == approval.requester.id else f"Only {approval.requester.name} can confirm this."
        verdict = self._may_approve(unit, approval, transaction, actor)
        return "" if verdict.allowed else " ".join(verdict.why)

    def _may_approve(self, unit: Unit, approval: Approval, transaction: Transaction, actor: Actor) -> Verdict:
        return self.rights.policy.may_approve(
            actor,
            self.rights.groups_of(unit, actor),
            operation_of(transaction),
            about_transaction(transaction),
            requester=approval.requester,
        )

    def _demand_word(self, unit: Unit, approval: Approval, transaction: Transaction, actor: Actor) -> None:
        if why := self._objection(unit, approval, transaction, actor):
            raise NotAllowed(why)

    def _follow(self, unit: Unit, transaction: Transaction, approval: Approval, actor: Actor) -> None:
        if approval.state is ApprovalState.VETOED:
            self._close(unit, transaction, f"Vetoed by {actor.name}. Nothing was done.")
        elif approval.state is ApprovalState.APPROVED:
            unit.transactions.update(transaction.id, state=State.PLANNING)  # its facts are looked at again
            narrator.tell(unit, transaction, f"approved:{approval.number}", _approved(approval))
        narrator.retell(unit, transaction.id)
        narrator.tell_approval(unit, transaction, approval)

    def _close(self, unit: Unit, transaction: Transaction, what: str) -> None:
        ending.close(unit, transaction.id, self.clock.now(), verdict="refused", failure=_failure(what))

    def _expire(self, unit: Unit, approval: Approval, why: str) -> Approval:
        ended = replace(approval, state=ApprovalState.EXPIRED, why=why)
        self._keep(unit, ended, "approval", {"state": "expired", "why": why})
        return ended

    def _void(self, unit: Unit, transaction: Transaction, approval: Approval, why: str) -> None:
        ended = replace(approval, state=ApprovalState.CANCELLED, why=why)
        self._keep(unit, ended, "approval", {"state": "cancelled", "why": why})
        transaction = _with_thread(unit, transaction)
        text = f"The approval by {approving.names(approval)} is void: {why}. The plan as it is now waits for a new one."
        narrator.tell(unit, transaction, f"void:{approval.number}", text, level="warning")

    # --- telling ---

    def _keep(self, unit: Unit, approval: Approval, action: str, body: Json) -> None:
        """Keep it, with a row in the audit and all copies of its card as they should be."""
        unit.approvals.put(approval)
        unit.audit.append(
            AuditEvent(
                key=f"approval:{approval.id}:{approval.state}",
                action=action,
                actor=approval.requester,
                transaction_id=approval.transaction_id,
                body={"approval": approval.id, "plan_hash": approval.plan_hash} | body,
            )
        )
        transaction = unit.transactions.get(approval.transaction_id)
        narrator.tell_approval(unit, transaction, approval)
        if approval.state is not ApprovalState.PENDING:
            jointly.retell(unit, transaction, approval)

    def _remind(self, unit: Unit, transaction: Transaction, approval: Approval) -> None:
        if sheet := jointly.sheet_of(unit, transaction, approval):
            jointly.remind(unit, sheet, transaction, self.clock.now())
            return
        text = f"Still waiting: {petitions.line(approval)}."
        first = approving.reminder(approval.created_at, approval.expires_at - approval.created_at)
        later = "" if approval.remind_at == first else f":{approval.remind_at:%d%H%M}"  # each one is said anew
        name = f"reminder:{approval.number}{later}"
        narrator.tell(unit, transaction, name, text, level="warning")
        words = f"{text} {story.title(transaction)}, asked by {approval.requester.name} ({transaction.id})."
        copies = narrator.copy_key(approval, "")
        for key in unit.outbox.keys_under(copies):
            copy = unit.outbox.get(key)
            if copy is not None:
                own = f"{transaction.id}:{name}:{key.removeprefix(copies)}"
                unit.outbox.put(Message(key=own, channel=copy.channel, thread_key=key, view=story.notice(words)))


def _with_thread(unit: Unit, transaction: Transaction) -> Transaction:
    """One of a fire of many has none of its own; what is to be decided alone needs a card where people see it."""
    schedule = unit.schedules.find(transaction.schedule) if transaction.schedule else None
    if schedule is None or transaction.place.channel:
        return transaction
    unit.transactions.update(transaction.id, place=schedule.place)
    return replace(transaction, place=schedule.place)


def _card(transaction: Transaction, approval: Approval) -> Json:
    return petitions.card(story.title(transaction), approval)


def _approved(approval: Approval) -> str:
    if approval.is_confirmation:
        return f"Confirmed by {approval.requester.name}: plan {approval.plan_hash[:12]}."
    return f"Approved by {approving.names(approval)}: plan {approval.plan_hash[:12]}."


def _failure(what: str) -> Failure:
    return Failure(what=what, step="Approval", kind="NotApproved")
