"""Whether a payload has the shape that Slack's reference gives it, as far as Bolt and the listeners rely on it."""

from collections.abc import Callable
from typing import Any

from bot.model import Json

_COMMAND = ("command", "user_id", "channel_id", "trigger_id")


def flaw(payload: Json) -> str:
    """Say what is wrong with it; "" when nothing is. Of a type that is not known here only the frame is looked at."""
    if "command" in payload:
        return _lacks(payload, _COMMAND, "the command")
    kind = payload.get("type")
    if not isinstance(kind, str):
        return "the payload has no type"
    more = _KINDS.get(kind)
    return _frame(payload) or (more(payload) if more else "")


def _frame(payload: Json) -> str:
    """What Bolt reads of every payload to learn whose it is."""
    for name in ("user", "team", "channel", "enterprise"):
        value = payload.get(name)
        if not (value is None or isinstance(value, str) or (isinstance(value, dict) and _is_text(value.get("id")))):
            return f"{name} is neither text nor an object with an id"
    for name in ("event", "view", "container", "message", "previous_message", "function_data"):
        if not isinstance(payload.get(name, {}), dict):
            return f"{name} is no object"
    for name in ("callback_id", "action_id", "type"):
        if not _is_text(payload.get(name, "")):
            return f"{name} is no text"
    owners = payload.get("authorizations") or []
    if not isinstance(owners, list) or not all(isinstance(owner, dict) for owner in owners):
        return "authorizations is no list of objects"
    return ""


def _click(payload: Json) -> str:
    actions = payload.get("actions")
    if not isinstance(actions, list) or not actions or not all(isinstance(action, dict) for action in actions):
        return "a click without actions"
    if not isinstance(payload.get("user"), dict):
        return "a click of nobody"
    if not isinstance(payload.get("channel", {}), dict):
        return "a click whose channel is no object"
    return next(filter(None, (_lacks(action, ("action_id",), "an action") for action in actions)), "")


def _form(payload: Json) -> str:
    if not isinstance(payload.get("user"), dict):
        return "a form of nobody"
    return _lacks(payload.get("view", {}), ("id",), "the view")


def _shortcut(payload: Json) -> str:
    if not isinstance(payload.get("user"), dict):
        return "a shortcut of nobody"
    return _lacks(payload, ("callback_id", "trigger_id"), "the shortcut")


def _message_shortcut(payload: Json) -> str:
    return _shortcut(payload) or _lacks(payload.get("message", {}), ("ts",), "the message")


def _event(payload: Json) -> str:
    event = payload.get("event")
    if not isinstance(event, dict):
        return "an event without event"
    if missing := _lacks(payload, ("event_id",), "the event") or _lacks(event, ("type",), "the event"):
        return missing
    if event["type"] in ("app_mention", "message") and (missing := _lacks(event, ("channel",), "what was said")):
        return missing
    return _frame(event)


def _lacks(part: Json, names: tuple[str, ...], what: str) -> str:
    missing = [name for name in names if not (part.get(name) and _is_text(part[name]))]
    return f"{what} lacks {', '.join(missing)}" if missing else ""


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_KINDS: dict[str, Callable[[Json], str]] = {
    "block_actions": _click,
    "event_callback": _event,
    "view_submission": _form,
    "shortcut": _shortcut,
    "message_action": _message_shortcut,
}
