"""The sender's way out: a message that Slack takes nowhere near goes to the one who asked, then to the admins."""

from bot import digest
from bot.model import Actor, AuditEvent, Json, Message
from bot.store import Unit
from handlers.cards import slack_user

_DIRECT, _ADMIN = ":direct", ":admin"
_CLOUDY = Actor(id="cloudy", name="cloudy", source="slack")


def reroute(unit: Unit, message: Message, why: str, admin_channel: str) -> None:
    """Put what must be known into the outbox for somebody else, and audit that it did not arrive.

    Roots, receipts, private answers and digests must be known; checklists and milestones are in the receipt again.
    """
    kind = message.view.get("kind")
    if kind not in ("root", "receipt", "notice", digest.KIND) or (kind in ("root", digest.KIND) and message.ts):
        return
    other = _instead(unit, message, why, admin_channel)
    if other is not None:
        unit.outbox.put(other)
    transaction_id = message.key.partition(":")[0]
    body: Json = {"message": message.key, "channel": message.channel, "why": why}
    unit.audit.append(
        AuditEvent(
            key=f"{message.key}:undelivered",
            action="undelivered",
            actor=_CLOUDY,
            transaction_id=transaction_id,
            body=body | {"instead": other.channel if other else ""},
        )
    )


def _instead(unit: Unit, message: Message, why: str, admin_channel: str) -> Message | None:
    if message.key.endswith(_ADMIN):
        return None
    asker = "" if message.key.endswith(_DIRECT) else _asker(unit, message)
    if asker:
        return Message(key=f"{message.key}{_DIRECT}", channel=asker, view=_for_asker(message, why))
    if not admin_channel or admin_channel == message.channel:
        return None
    return Message(
        key=message.key.removesuffix(_DIRECT) + _ADMIN, channel=admin_channel, view=_for_admins(message, why)
    )


def _asker(unit: Unit, message: Message) -> str:
    root = unit.outbox.get(message.thread_key) if message.thread_key else message
    return message.only_for or slack_user(root.view.get("by") if root else "")


def _for_asker(message: Message, why: str) -> Json:
    if message.view.get("kind") == "receipt":
        return dict(message.view) | {"note": f"Told here, since Slack takes nothing where you asked ({why})."}
    if message.view.get("kind") != "root":
        return dict(message.view)
    text = (
        f"Slack does not let Cloudy write where you asked ({why}), so there is no thread; the work goes on all the "
        f"same and its end is told here. Follow it with /cloudy show {message.view.get('transaction', '')}, and invite "
        "Cloudy to that channel for the next time."
    )
    return {"kind": "notice", "text": text}


def _for_admins(message: Message, why: str) -> Json:
    if message.view.get("kind") == "receipt":
        return dict(message.view)
    said = message.view.get("text") or message.view.get("title", "")
    return {"kind": "notice", "text": f"Could not be delivered to {message.channel} ({why}): {said}"}
