"""What people see of an approval: the plan that they decide on, and how it stands. Pure; all text is raw."""

from collections.abc import Sequence

from bot import approving
from bot.model import Approval, ApprovalState, Json
from bot.words import size_text

_LONGEST, _ROOM = 380, 60  # characters of a fact; of them for the words around a list
_SIZES = frozenset({"bytes", "bytes_to_send", "bytes_removed"})
_LABELS = {
    "vm": "VM",
    "vm_uuid": "VM's uuid",
    "vmstore": "VMstore",
    "point": "Recovery point",
    "taken_at": "Taken at",
    "targets": "Targets",
    "addresses": "Where",
    "removes": "Removes all under",
    "keep_for": "Keep for",
    "last_of_vm": "Mind",
    "base": "Copies what did not change since",
    "last_time": "Last time",
    "expected": "Estimate",
    "why": "Why from there",
    "bytes_to_send": "Bytes to send at most",
    "price": "Price",
    "minutes": "Minutes",
    "sla": "SLA",
    "VMs": "VMs",
    "old": "Until now",
    "new": "From then on",
    "recovery_points": "Digest of what goes",
}
_BUTTONS = ["approve", "veto"]
_ENDINGS = {
    ApprovalState.VETOED: "Vetoed by",
    ApprovalState.EXPIRED: "Expired:",
    ApprovalState.CANCELLED: "Not waiting any more:",
}


def facts(approval: Approval) -> list[list[str]]:
    """The plan for people: what is decided, then the estimates, then who asked and why."""
    decided = {name: value for name, value in approval.decided.items() if name not in ("operation", "vm_uuid")}
    known = {**decided, **approval.estimates}
    if known.get("recovery_points") == "none":  # a change that removes nothing yet
        known = {name: value for name, value in known.items() if name not in ("recovery_points", "bytes_removed")}
    asked = [["Asked by", approval.requester.name], ["Because", approval.reason]]
    plan = [["Plan", f"{approval.plan_hash[:12]} (what is approved is exactly this)"]]
    return [fact for fact in (*told(known), *asked, *plan) if fact[1]]


def told(values: Json) -> list[list[str]]:
    """Facts of a plan, each with its label."""
    return [[label(name), _said(name, value)] for name, value in values.items()]


def line(approval: Approval) -> str:
    """How it stands, in one line."""
    until = f"until {approval.expires_at:%Y-%m-%d %H:%M} UTC"
    if approval.state is ApprovalState.PENDING and approval.is_confirmation:
        return f"Waiting for {approval.requester.name} to confirm it, {until}"
    if approval.state is ApprovalState.PENDING:
        so_far = f" ({approving.names(approval)} approved)" if approval.approvers else ""
        missing = approval.needed - len(approval.approvers)
        people = "1 approval" if missing == 1 else f"{missing} approvals"
        return f"Waiting for {people}{so_far}, {until}"
    if approval.state is ApprovalState.APPROVED:
        return f"Approved by {approving.names(approval)}"
    if approval.state is ApprovalState.EXECUTED:
        return f"Approved by {approving.names(approval)}, and begun"
    return f"{_ENDINGS[approval.state]} {approving.ending(approval)}; nothing was done"


def on_root(root: Json, approval: Approval) -> Json:
    """The root message of a transaction that waits: the card of its approval."""
    return root | {
        "line": line(approval),
        "facts": facts(approval),
        "buttons": [*_buttons(approval), "stop", "details"],
        "token": approval.token,
    }


def card(title: str, approval: Approval) -> Json:
    """The copy that an approver gets; without buttons once it is decided."""
    return {
        "kind": "approval",
        "transaction": approval.transaction_id,
        "title": title,
        "state": approval.state.value,
        "line": line(approval),
        "facts": facts(approval),
        "by": approval.requester.id,
        "buttons": _buttons(approval),
        "token": approval.token,
    }


def listed(items: Sequence[str]) -> str:
    """All of them, or how many they are, the first few and how many more: a card cuts what is longer."""
    whole = ", ".join(items)
    if len(whole) <= _LONGEST:
        return whole
    if len(items) == 1:
        return _middle_out(whole)
    shown = [_middle_out(items[0])]
    for item in items[1:]:
        if len(", ".join([*shown, item])) > _LONGEST - _ROOM:
            break
        shown.append(item)
    more = f" and {len(items) - len(shown)} more (Details has all)" if len(items) > len(shown) else ""
    return f"{len(items)} in all: {', '.join(shown)}{more}"


def _middle_out(item: str) -> str:
    """An address is known by its beginning and its end."""
    return item if len(item) <= _LONGEST // 2 else f"{item[:120]}…{item[-60:]}"


def _buttons(approval: Approval) -> list[str]:
    if approval.state is not ApprovalState.PENDING:
        return []
    return ["confirm"] if approval.is_confirmation else _BUTTONS


def label(name: str) -> str:
    """What a fact of a plan is called."""
    return _LABELS.get(name, name.replace("_", " ").capitalize())


def _said(name: str, value: object) -> str:
    if name == "last_of_vm":
        return "it is the last recovery point of this VM" if value else ""
    if name == "recovery_points" and isinstance(value, str):
        return value[:12]  # as the plan's own; the approval is bound to all of it
    if name in _SIZES and isinstance(value, int):
        return size_text(value)
    if name == "old" and isinstance(value, list):  # each of them has commas
        return listed([" · or ".join(map(str, value))])
    if isinstance(value, list):
        return listed([str(each) for each in value])
    if isinstance(value, dict):
        return listed([f"{key}: {each}" for key, each in value.items()])
    return "" if value is None else str(value)
