"""`/retention ...`: what was typed, as a value. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.errors import UsageError
from bot.model import Retention
from bot.retention_text import USAGE, ends, parse, said

RETENTION = "retention"
PREVIEW_USAGE = f"/retention preview [{USAGE}] [for <sla, vm, pattern or @group>]"
SET_USAGE = f"/retention set {USAGE} for <sla> [because <reason>]"
HOLD_USAGE = "/retention hold <vm or recovery point> [until 2027-01-31] because <reason>"
RELEASE_USAGE = "/retention release <vm, recovery point or hold> [because <reason>]"
RETENTION_USAGE = (
    "/retention [preview [<rules>] [for <sla, vm or pattern>]], or /retention set <rules> for <sla>,"
    " hold <vm or recovery point> [until <day>] because <reason>, release <the same>"
    "   rules: keep 7 last, 14 daily, 8 weekly, at least 2 days"
)
USAGES = {RETENTION: RETENTION_USAGE}
_MOST = 500  # characters of a reason
_LONGEST_NAME = 255
_QUOTES = ' "“”„‟'
_BECAUSE = re.compile(r" *(?:^| )because(?: +|$)", re.IGNORECASE)
_FOR = re.compile(r"(?:^|\s)for\s+", re.IGNORECASE)
_UNTIL = re.compile(r"\s+until\s+", re.IGNORECASE)


class Act(StrEnum):
    """What is to be done."""

    SHOW = ""
    PREVIEW = "preview"
    SET = "set"
    HOLD = "hold"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What is asked for; nothing looked up yet."""

    act: Act = Act.SHOW
    rules: Retention | None = None  # preview, set
    what: str = ""  # an SLA, a VM, a pattern, a recovery point, a hold
    until: str = ""  # hold: a day, or a duration
    reason: str = ""

    def ends(self, now: datetime) -> datetime | None:
        """When a hold ends: after the day that was named; None: never. UsageError: it is no time."""
        try:
            return ends(self.until, now)
        except ValueError as error:
            raise UsageError(str(error), HOLD_USAGE) from None


def read(rest: str) -> Keeping:
    """Read what follows the word. UsageError."""
    word, _, tail = rest.strip().partition(" ")
    if not word:
        return Keeping()
    try:
        act = Act(word.casefold())
    except ValueError:
        raise UsageError(f"“{word[:40]}” is nothing that one can do with retention.", RETENTION_USAGE) from None
    return _READERS[act](tail.strip())


def written(keeping: Keeping) -> str:
    """The command that asks for a preview."""
    rules = f" {said(keeping.rules)}" if keeping.rules else ""
    return f"/retention preview{rules}" + (f" for {keeping.what}" if keeping.what else "")


def _preview(rest: str) -> Keeping:
    rules, what = _split(rest)
    if rules and not what and " " not in rules and rules.casefold() != "everything":
        return Keeping(act=Act.PREVIEW, what=_name(rules, PREVIEW_USAGE))  # `/retention preview gold`
    found = _rules(rules, PREVIEW_USAGE) if rules else None
    return Keeping(act=Act.PREVIEW, rules=found, what=what)


def _set(rest: str) -> Keeping:
    asked, reason = _because(rest, SET_USAGE)
    rules, what = _split(asked)
    if not rules:
        raise UsageError("Say which rules.", SET_USAGE)
    return Keeping(act=Act.SET, rules=_rules(rules, SET_USAGE), what=what, reason=reason)


def _hold(rest: str) -> Keeping:
    asked, reason = _because(rest, HOLD_USAGE)
    what, *until = _UNTIL.split(asked, maxsplit=1)
    if not until:
        what, *until = _FOR.split(asked, maxsplit=1)
    when = until[0].strip(_QUOTES) if until else ""
    return Keeping(act=Act.HOLD, what=_name(what, HOLD_USAGE), until=when, reason=reason)


def _release(rest: str) -> Keeping:
    asked, reason = _because(rest, RELEASE_USAGE)
    return Keeping(act=Act.RELEASE, what=_name(asked, RELEASE_USAGE), reason=reason)


def _split(text: str) -> tuple[str, str]:
    """Rules, and for what."""
    parts = _FOR.split(text)
    if len(parts) == 1:
        return text.strip(), ""
    return " for ".join(parts[:-1]).strip(), _name(parts[-1], PREVIEW_USAGE)


def _because(text: str, usage: str) -> tuple[str, str]:
    asked, *more = _BECAUSE.split(text, maxsplit=1)
    reason = more[0].strip(_QUOTES) if more else ""
    if more and not reason:
        raise UsageError("The reason is missing.", usage)
    if len(reason) > _MOST:
        raise UsageError(f"The reason is longer than {_MOST} characters.", usage)
    return asked.strip(), reason


def _name(text: str, usage: str) -> str:
    name = text.strip().strip(_QUOTES).strip()
    if not name:
        raise UsageError("Say which one.", usage)
    if len(name) > _LONGEST_NAME:
        raise UsageError(f"“{name[:40]}…” is longer than {_LONGEST_NAME} characters.", usage)
    return name


def _rules(text: str, usage: str) -> Retention:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(str(error), usage) from None


_READERS = {
    Act.SHOW: lambda _rest: Keeping(),
    Act.PREVIEW: _preview,
    Act.SET: _set,
    Act.HOLD: _hold,
    Act.RELEASE: _release,
}
