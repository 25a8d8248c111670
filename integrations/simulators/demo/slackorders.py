"""What a script may order of the local Slack: calls that fail, and Slack's other bad days."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from integrations.simulators.slack import LocalSlack

_LATE_S = 15.0  # later than a client waits
_LOST, _LATE = "lost", "late"
_SWITCH = {"on": True, "off": False}


@dataclass(frozen=True, slots=True)
class _Order:
    """One order, as it is written, and what it does with the words after the first."""

    shape: str
    meaning: str
    give: Callable[[LocalSlack, str], None]


def _outage(slack: LocalSlack, how: str) -> None:
    if how == "off":
        slack.end_outage()
    else:
        slack.begin_outage(how or "error")


def _without(slack: LocalSlack, scopes: str) -> None:
    if not scopes:
        raise ValueError("name the scopes that are taken away")
    slack.remove_scopes(*scopes.split())


def _restore(slack: LocalSlack, _nothing: str) -> None:
    slack.restore_tokens()
    slack.set_scopes()
    slack.end_outage()
    slack.clear_faults()


def _on(switch: str) -> bool:
    if switch not in _SWITCH:
        raise ValueError(f'"{switch}" is neither on nor off')
    return _SWITCH[switch]


_ORDERS = {
    "archive": _Order("archive #ops", "the channel takes nothing more", lambda s, c: s.archive(c)),
    "unarchive": _Order("unarchive #ops", "it does again", lambda s, c: s.archive(c, False)),
    "kick": _Order("kick #ops", "remove the bot from the channel", lambda s, c: s.remove_bot(c)),
    "invite": _Order("invite #ops", "take it in again", lambda s, c: s.invite_bot(c)),
    "delete": _Order("delete #ops", "the channel is gone for ever", lambda s, c: s.delete_channel(c)),
    "outage": _Order("outage hang", 'every call hangs; "error" answers 503, "cut" hangs up, "off" ends it', _outage),
    "limits": _Order("limits on", "429 by Slack's own tiers", lambda s, w: s.limit_rates(_on(w))),
    "duplicate": _Order("duplicate on", "deliver everything twice", lambda s, w: s.duplicate(_on(w))),
    "reorder": _Order("reorder on", "let deliveries overtake", lambda s, w: s.reorder(_on(w))),
    "without": _Order("without channels:history", "take scopes from the bot token", _without),
    "revoke": _Order("revoke bot", 'refuse its token; or "app"', lambda s, kind: s.revoke_token(kind or "bot")),
    "restore": _Order("restore", "all tokens and scopes are good again, faults and outages over", _restore),
    "drop": _Order("drop", "close the sockets without notice", lambda s, _: s.drop_connections()),
    "refresh": _Order("refresh", "ask the bot to connect anew", lambda s, _: s.refresh_connections()),
}


def give(slack: LocalSlack, text: str) -> None:
    """Carry out "archive #ops". LookupError, ValueError: it cannot be."""
    word, _, rest = text.partition(" ")
    if word not in _ORDERS:
        raise LookupError(f'Slack knows no "{word}"; write one of: {", ".join(_ORDERS)}')
    _ORDERS[word].give(slack, rest.strip())


def fail(slack: LocalSlack, what: str, count: int) -> None:
    """Let the next calls fail: a method, or method:how. LookupError: no such method or way.

    how is a status (429), "lost" (carried out, no answer), "late" (carried out, answered after 15 s) or Slack's own
    word for the error (is_archived); without one it is 500.
    """
    method, _, how = what.partition(":")
    if not how or how.isdecimal():
        slack.fail_next(method, count, status=int(how or 500))
    elif how == _LOST:
        slack.fail_next(method, count, lose_answer=True)
    elif how == _LATE:
        slack.fail_next(method, count, delay_s=_LATE_S)
    elif re.fullmatch("[a-z_]+", how):
        slack.fail_next(method, count, error=how)
    else:
        raise LookupError(f'"{how}" is neither a status nor lost, late or an error of Slack')


def listing() -> str:
    """Every order with what it does."""
    ways = f'"world fail slack chat.postMessage:HOW 2": HOW is 429, 503, {_LOST}, {_LATE} or an error (is_archived)'
    width = max(len(order.shape) for order in _ORDERS.values())
    lines = [f"  world slack {order.shape:<{width}}  {order.meaning}" for order in _ORDERS.values()]
    return "\n".join([*lines, f"  {ways}"])
