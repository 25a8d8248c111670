"""`/summary`, `/cloudy snooze` and `/cloudy assign`: what was typed, as values. Pure."""

import re
from dataclasses import dataclass

from bot.errors import UsageError
from bot.model import Span

SUMMARY, SNOOZE, ASSIGN = "summary", "snooze", "assign"
SUMMARY_USAGE = "/cloudy summary [day|week] [for me]   how everything stands, and what was done"
SNOOZE_USAGE = (
    "/cloudy snooze <vm, or transaction id> <3d|2w|2026-12-01> because <reason>"
    "   summaries do not tell of it until then; /cloudy snooze <vm> over: they do again"
)
ASSIGN_USAGE = "/cloudy assign <vm, or transaction id> to <@person>"
USAGES = {SUMMARY: SUMMARY_USAGE, SNOOZE: SNOOZE_USAGE, ASSIGN: ASSIGN_USAGE}
OVER = "over"

_SUMMARY = re.compile(r"(?:(?P<span>day|daily|week|weekly)(?: |$))?(?P<me>for me|mine)?", re.IGNORECASE)
_SNOOZE = re.compile(
    r'"?(?P<what>.+?)"? +(?:until +|for +)?(?P<until>[0-9]+ [a-z]+|\S+) +because +(?P<why>.+)', re.IGNORECASE
)
_OVER = re.compile(r'"?(?P<what>.+?)"? +over', re.IGNORECASE)
_ASSIGN = re.compile(
    r'"?(?P<what>.+?)"? +to +(?:<@(?P<user>[UW][A-Z0-9_]{1,40})(?:\|[^<>]*)?>|@?(?P<name>[^\s<>]{1,80}))'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summing:
    """What is asked of a digest."""

    span: Span = Span.DAY
    is_mine: bool = False
    what: str = ""  # of snooze and assign
    until: str = ""  # of snooze; OVER: it ends now
    why: str = ""
    user: str = ""  # of assign


def read(verb: str, rest: str) -> Summing:
    """Read what follows the word. UsageError."""
    return {SUMMARY: _summary, SNOOZE: _snooze, ASSIGN: _assign}[verb](rest.strip())


def _summary(rest: str) -> Summing:
    found = _SUMMARY.fullmatch(rest)
    if found is None:
        raise UsageError(f"“{rest[:40]}” is no kind of summary.", SUMMARY_USAGE)
    span = Span.WEEK if (found["span"] or "").casefold().startswith("week") else Span.DAY
    return Summing(span=span, is_mine=bool(found["me"]))


def _snooze(rest: str) -> Summing:
    if found := _OVER.fullmatch(rest):
        return Summing(what=found["what"], until=OVER)
    found = _SNOOZE.fullmatch(rest)
    if found is None:
        raise UsageError("Say what, until when, and why.", SNOOZE_USAGE)
    return Summing(what=found["what"], until=found["until"], why=found["why"].strip('"“” '))


def _assign(rest: str) -> Summing:
    found = _ASSIGN.fullmatch(rest)
    if found is None:
        raise UsageError("Say what, and to whom by a mention.", ASSIGN_USAGE)
    return Summing(what=found["what"], user=found["user"] or found["name"])
