"""What an approval binds, whose word counts once, and whether the plan still is the one that was approved. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot.model import Approval, ApprovalState, Choice, Decision, Json

TOLERANCE = 0.25  # by which share an estimate may move between decision and start
_LATER = frozenset({"addresses"})  # of what is decided: came with a later version than approvals did
REMIND_APART = timedelta(hours=1)  # later reminders
REMIND_AT = 0.75  # of its life, when somebody is reminded


def plan_hash(decided: Json) -> str:
    """SHA-256 of what is decided, as hex; the order of names is no matter."""
    return hashlib.sha256(json.dumps(decided, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def reminder(created_at: datetime, lives: timedelta) -> datetime:
    """When to remind of one that nobody decides."""
    return created_at + lives * REMIND_AT


def again(approval: Approval, now: datetime) -> datetime | None:
    """When to remind once more: each time half of what is left has gone, an hour apart; None: its end comes first."""
    next_at = now + max((approval.expires_at - now) / 2, REMIND_APART)
    return next_at if next_at < approval.expires_at else None


def refusal(approval: Approval, actor_id: str, choice: Choice, now: datetime) -> str:
    """Why this click does nothing, by how the approval stands; "": it may count, if the policy lets it."""
    ended = _ENDED.get(approval.state)
    if ended is not None:
        return ended(approval)
    if now >= approval.expires_at:
        return _expired(approval)
    if choice is Choice.APPROVE and any(actor.id == actor_id for actor in approval.approvers):
        missing = approval.needed - len(approval.approvers)
        return f"You have approved this already; it waits for {missing} more."
    return ""


def decided(approval: Approval, decision: Decision) -> Approval:
    """The approval after a word that counts: one veto ends it, enough approvals let it go on."""
    others = tuple(each for each in approval.decisions if each.actor.id != decision.actor.id)
    now = replace(approval, decisions=(*others, decision))
    if decision.choice is Choice.VETO:
        return replace(now, state=ApprovalState.VETOED)
    if len(now.approvers) < max(1, now.needed):
        return now
    good_until = decision.at + timedelta(seconds=approval.good_for_s)
    return replace(now, state=ApprovalState.APPROVED, good_until=good_until)


def changed(approval: Approval, decided_now: Json, estimates_now: Json) -> str:
    """What is not as it was approved any more; "": all is, estimates within their tolerance.

    Of what an earlier version did not name yet nothing is known, so one that waits outlives the upgrade.
    """
    decided_now = {name: it for name, it in decided_now.items() if name in approval.decided or name not in _LATER}
    if plan_hash(decided_now) != approval.plan_hash:
        names = sorted(approval.decided.keys() | decided_now.keys())
        moved = [name for name in names if approval.decided.get(name) != decided_now.get(name)]
        return f"what was approved has changed: {', '.join(name.replace('_', ' ') for name in moved)}"
    grown = [name for name in approval.estimates if _moved(approval.estimates, estimates_now, name)]
    if grown:
        said = (
            f"{name.replace('_', ' ')} from {approval.estimates[name]} to {estimates_now.get(name)}" for name in grown
        )
        return f"an estimate moved by more than {TOLERANCE:.0%}: {', '.join(said)}"
    return ""


def _moved(before: Mapping[str, object], after: Mapping[str, object], name: str) -> bool:
    old, new = before[name], after.get(name)
    if not isinstance(old, int | float) or not isinstance(new, int | float):
        return False
    return abs(new - old) > TOLERANCE * abs(old)


def names(approval: Approval) -> str:
    """Who approved, for people."""
    return " and ".join(actor.name for actor in approval.approvers) or "nobody"


def _executed(approval: Approval) -> str:
    return f"This was approved by {names(approval)} and is already executed, once. Nothing more happens."


def _approved(approval: Approval) -> str:
    by = names(approval)
    return f"This was approved by {by}: it is already executed, or is about to be, once. Nothing more happens."


def ending(approval: Approval) -> str:
    """Who vetoed it, or why it ended without a decision, for people."""
    if approval.state is ApprovalState.VETOED:
        return next((each.actor.name for each in approval.decisions if each.choice is Choice.VETO), "somebody")
    if approval.state is ApprovalState.CANCELLED:
        return approval.why or "it was withdrawn"
    return approval.why or f"nobody decided until {approval.expires_at:%Y-%m-%d %H:%M} UTC"


def _vetoed(approval: Approval) -> str:
    return f"This was vetoed by {ending(approval)} already; nothing was done. Whoever still wants it asks again."


def _expired(approval: Approval) -> str:
    return f"This request has expired: {ending(approval)}. Nothing was done; whoever still wants it asks again."


def _cancelled(approval: Approval) -> str:
    return f"This does not wait for a decision any more: {ending(approval)}."


_ENDED = {
    ApprovalState.EXECUTED: _executed,
    ApprovalState.APPROVED: _approved,
    ApprovalState.VETOED: _vetoed,
    ApprovalState.EXPIRED: _expired,
    ApprovalState.CANCELLED: _cancelled,
}
