"""What a person typed, read into a value: pure text in, a request or a UsageError out."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from bot.errors import UsageError
from bot.model import DrillRequest, ProtectRequest, RestoreRequest
from handlers import asked, clauses, digesting, drilling, keepingwords
from handlers import restoring as restores
from handlers import scheduling as schedules
from handlers.asked import Inquiry
from handlers.clauses import Word
from handlers.scheduling import Scheduling
from handlers.usages import (
    CLOUDY_USAGE,
    DELETE_USAGE,
    DRILL_USAGE,
    MAY_I_USAGE,
    PROTECT_USAGE,
    RESTORE_USAGE,
    RETRY_USAGE,
    RUNS_USAGE,
    SHOW_USAGE,
    STOP_USAGE,
    USAGES,
    VERIFY_USAGE,
    WHY_USAGE,
)

LONGEST_TEXT = 4000
LONGEST_NAME = 255
LONGEST_REASON = 500
MOST_RUNS = 100
_QUOTES = '"“”„‟'
_INVISIBLE = re.compile("[\u200b\u2060\ufeff]")  # come along with copy and paste; no name is meant to differ by them
_LINK = re.compile(r"<(?:https?://|mailto:)[^|<>]*\|([^<>]*)>")  # Slack makes one of vm01.example.com
_MENTION = re.compile(r"<@[UW][A-Z0-9]+(?:\|[^<>]*)?>")
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


class Verb(StrEnum):
    """What `/cloudy` is asked for."""

    HELP = "help"
    STATUS = "status"
    RUNS = "runs"
    SHOW = "show"
    STOP = "stop"
    RETRY = "retry"
    WHY = "why"
    VERIFY = "verify"
    RESTORE = "restore"
    DRILL = "drill"
    DELETE = "delete"
    PROTECT = "protect"
    SCHEDULE = "schedule"
    SCHEDULES = "schedules"
    MAY_I = "may-i"
    VMS = asked.VMS
    POINTS = asked.POINTS
    AUDIT = asked.AUDIT
    CHART = asked.CHART
    SLA = asked.SLA
    SUMMARY = digesting.SUMMARY
    ORPHANS = "orphans"
    SNOOZE = digesting.SNOOZE
    ASSIGN = digesting.ASSIGN
    RETENTION = keepingwords.RETENTION


# What is about one transaction, and how it is typed; in its thread the word alone says it.
ONE_USAGES = {
    Verb.SHOW: SHOW_USAGE,
    Verb.WHY: WHY_USAGE,
    Verb.STOP: STOP_USAGE,
    Verb.RETRY: RETRY_USAGE,
    Verb.VERIFY: VERIFY_USAGE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`/cloudy <verb> ...`, parsed; nothing looked up yet."""

    verb: Verb
    id: str = ""  # of ONE_USAGES; empty only for what is said in a thread. schedules: a part of a name
    limit: int = 20  # runs
    reason: str = ""  # delete
    request: ProtectRequest | None = None  # protect, and only then
    restoring: RestoreRequest | None = None  # restore, and only then
    drilling: DrillRequest | None = None  # drill, and only then
    scheduling: Scheduling | None = None  # schedule, and only then
    is_deep: bool = False  # verify
    removes: bool = False  # orphans
    meant: "Command | None" = None  # may-i, and only then: what is asked about
    inquiry: Inquiry | None = None  # vms, recovery-points, audit, and only then
    summing: digesting.Summing | None = None  # summary, snooze, assign, and only then
    keeping: keepingwords.Keeping | None = None  # retention, and only then


@dataclass(frozen=True, slots=True)
class _Token:
    """A word, a quoted text, or a comma."""

    text: str
    kind: str  # "word" | "quoted" | "comma"

    def says(self, *words: str) -> bool:
        """Whether this is one of the words of the grammar, which a quoted text never is."""
        return self.kind == "word" and self.text.casefold() in words


def protect(text: str) -> ProtectRequest:
    """Read what PROTECT_USAGE says. Raises UsageError."""
    tokens = _tokens(_readable(text, PROTECT_USAGE))
    splits = [index for index, token in enumerate(tokens) if token.says("to")]
    if not splits:
        raise _unclear("Say which VM and which target: the word “to” is missing.")
    if len(splits) > 1:
        raise _unclear("The word “to” stands there more than once. Put a name that has it into quotes.")
    left = tokens[: splits[0]]
    try:
        right, wishes = clauses.split(tokens[splits[0] + 1 :])
    except ValueError as error:
        raise _unclear(str(error)) from None
    targets = tuple(_target(item) for item in _items(right, "target", also=("and",)))
    vms = tuple(_vm(item) for item in _items(left, "VM"))
    return ProtectRequest(
        vms=_once(vms),
        targets=_once(targets),
        consistency=wishes.consistency or "crash",
        note=wishes.note or "",
        keep_for=wishes.keep_for or "",
    )


def restore(text: str) -> RestoreRequest:
    """Read what RESTORE_USAGE says. Raises UsageError."""
    try:
        return restores.read(_tokens(_readable(text, RESTORE_USAGE)))
    except ValueError as error:
        raise UsageError(str(error), RESTORE_USAGE) from None
    except UsageError as error:  # of a quote, say: it names another command
        raise UsageError(error.message, RESTORE_USAGE) from None


def drill(text: str) -> DrillRequest:
    """Read what DRILL_USAGE says. Raises UsageError."""
    try:
        return drilling.read(_tokens(_readable(text, DRILL_USAGE)))
    except ValueError as error:
        raise UsageError(str(error), DRILL_USAGE) from None
    except UsageError as error:  # of a quote, say: it names another command
        raise UsageError(error.message, DRILL_USAGE) from None


def schedule(text: str) -> Scheduling:
    """Read what SCHEDULE_USAGE says. Raises UsageError, of a phrase with the nearest that is one."""
    try:
        return schedules.read(words(text, schedules.SCHEDULE_USAGE))
    except ValueError as error:
        raise UsageError(str(error), schedules.SCHEDULE_USAGE) from None


def words(text: str, usage: str = "") -> Sequence[Word]:
    """Its words, quoted texts and commas. Raises UsageError."""
    try:
        return _tokens(_readable(text, usage))
    except UsageError as error:  # of a quote, say: it names another command
        raise UsageError(error.message, usage) from None


def is_blank(text: str) -> bool:
    """Whether nothing was typed, as far as one can see."""
    return not _INVISIBLE.sub("", text).strip()


def form_asked(text: str) -> str:
    """The command whose form `/cloudy protect`, `restore` or `schedule`, and nothing more, asks for; "": none."""
    said = _INVISIBLE.sub("", text).strip().casefold()
    return said if said in (Verb.PROTECT, Verb.RESTORE, Verb.SCHEDULE) else ""


def cloudy(text: str) -> Command:
    """Read what follows `/cloudy`; nothing is `help`. Raises UsageError."""
    verb, rest = _verb(text)
    if verb in _READERS:
        return _READERS[verb](rest)
    if verb in ONE_USAGES:
        return Command(verb=verb, id=_id(rest, ONE_USAGES[verb]))
    if verb in asked.USAGES:
        return Command(verb=verb, inquiry=asked.inquiry(verb, rest))
    if verb in digesting.USAGES:
        return Command(verb=verb, summing=digesting.read(verb, rest))
    if rest:
        raise UsageError(f"“{verb}” takes nothing after it.", USAGES.get(verb, CLOUDY_USAGE))
    return Command(verb=verb)


def mention(text: str) -> Command:
    """Read `@cloudy stop`: as `cloudy`, but the id may be left out (the thread says it). Raises UsageError."""
    parts = _MENTION.split(text, maxsplit=1)
    said, is_deep = drilling.deep(parts[-1].strip())
    alone = next((verb for verb in ONE_USAGES if said.casefold() == verb), None)
    if alone is None or (is_deep and alone is not Verb.VERIFY):
        return cloudy(parts[-1].strip())
    return Command(verb=alone, is_deep=is_deep)


def _verb(text: str) -> tuple[Verb, str]:
    word, _, rest = _readable(text, CLOUDY_USAGE).partition(" ")
    name = word.casefold() or Verb.HELP
    try:
        return Verb(asked.ALIASES.get(name, name)), rest.strip()
    except ValueError:
        near = get_close_matches(name, [*Verb, *asked.ALIASES], n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"There is no “{_short(word)}” here.{hint}", CLOUDY_USAGE) from None


def _meant(rest: str) -> Command:
    """The command that may-i asks about, with or without its slash."""
    said = rest.removeprefix("/")
    command = re.sub("^cloudy(?: |$)", "", said)
    if not said or command.casefold().startswith(Verb.MAY_I):
        raise UsageError("Say which command.", MAY_I_USAGE)
    return cloudy(command)


def _delete(rest: str) -> Command:
    which, *more = re.split(r" +because(?: +|$)", rest, maxsplit=1, flags=re.IGNORECASE)
    reason = more[0].strip(f" {_QUOTES}") if more else ""
    if more and not reason:
        raise UsageError("The reason is missing.", DELETE_USAGE)
    if len(reason) > LONGEST_REASON:
        raise UsageError(f"The reason is longer than {LONGEST_REASON} characters.", DELETE_USAGE)
    return Command(verb=Verb.DELETE, id=_id(which, DELETE_USAGE), reason=reason)


def _verify(rest: str) -> Command:
    which, is_deep = drilling.deep(rest)
    return Command(verb=Verb.VERIFY, id=_id(which, VERIFY_USAGE), is_deep=is_deep)


def _orphans(rest: str) -> Command:
    if rest and rest.casefold() != "remove":
        raise UsageError(f"“{_short(rest)}” was not understood.", USAGES[Verb.ORPHANS])
    return Command(verb=Verb.ORPHANS, removes=bool(rest))


def _limit(rest: str) -> int:
    if not rest:
        return Command(verb=Verb.RUNS).limit
    if not re.fullmatch("[0-9]{1,3}", rest) or not 1 <= int(rest) <= MOST_RUNS:
        raise UsageError(f"“{_short(rest)}” is not a number from 1 to {MOST_RUNS}.", RUNS_USAGE)
    return int(rest)


def _id(rest: str, usage: str) -> str:
    if not rest:
        raise UsageError("Say which transaction.", usage)
    if not _ID.fullmatch(rest):
        raise UsageError(f"“{_short(rest)}” is not a transaction id.", usage)
    return rest


def _readable(text: str, usage: str) -> str:
    """Undo what Slack does to typed text (its docs: &amp; &lt; &gt;, links) and refuse what cannot be meant."""
    if len(text) > LONGEST_TEXT:
        raise UsageError(f"That is longer than {LONGEST_TEXT} characters. Ask in several commands.", usage)
    text = _LINK.sub(r"\1", text)
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    text = _INVISIBLE.sub("", text).strip()
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in text):
        raise UsageError("There is a line break or another control character in it. Type it on one line.", usage)
    return "".join(" " if unicodedata.category(char) == "Zs" else char for char in text)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        char = text[position]
        if char in _QUOTES:
            end = next((i for i in range(position + 1, len(text)) if text[i] in _QUOTES), None)
            if end is None:
                raise _unclear("A quote is opened and never closed.")
            tokens.append(_Token(text[position + 1 : end].strip(), "quoted"))
        elif char == ",":
            end = position
            tokens.append(_Token(",", "comma"))
        elif char == " ":
            end = position
        else:
            end = _word_end(text, position)
            tokens.append(_Token(text[position : end + 1], "word"))
        position = end + 1
    return tokens


def _word_end(text: str, start: int) -> int:
    end = start
    while end + 1 < len(text) and text[end + 1] not in f" ,{_QUOTES}":
        end += 1
    if end + 1 < len(text) and text[end + 1] in _QUOTES:
        raise _unclear(f"There is a quote in the middle of “{_short(text[start : end + 2])}”. Quote the whole name.")
    return end


def _items(tokens: Sequence[_Token], what: str, also: tuple[str, ...] = ()) -> list[list[_Token]]:
    """Split at commas (and at the words of `also`); each item has at least one token."""
    items: list[list[_Token]] = [[]]
    for token in tokens:
        if token.kind == "comma" or token.says(*also):
            items.append([])
        else:
            items[-1].append(token)
    if not all(items):
        raise _unclear(f"A {what} is missing.")
    return items


def _vm(item: list[_Token]) -> str:
    if len(item) > 1 and any(token.kind == "quoted" for token in item):
        raise _unclear("There is something beside a quoted name. Put a comma between VMs.")
    if len(item) > 1 and any(token.says("and") for token in item):
        raise _unclear("Put a comma between VMs, or quotes around a name that has the word “and”.")
    return _name(" ".join(token.text for token in item), "VM")


def _target(item: list[_Token]) -> str:
    if len(item) > 1:
        raise _unclear(f"“{_short(' '.join(token.text for token in item))}” is not one target.")
    return _name(item[0].text, "target")


def _name(text: str, what: str) -> str:
    if not text:
        raise _unclear(f"The name of a {what} is empty.")
    if len(text) > LONGEST_NAME:
        raise _unclear(f"“{_short(text)}” is longer than {LONGEST_NAME} characters.")
    return text


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _unclear(message: str) -> UsageError:
    return UsageError(message, PROTECT_USAGE)


_READERS: Mapping[Verb, Callable[[str], Command]] = {
    Verb.PROTECT: lambda rest: Command(verb=Verb.PROTECT, request=protect(rest)),
    Verb.RESTORE: lambda rest: Command(verb=Verb.RESTORE, restoring=restore(rest)),
    Verb.DRILL: lambda rest: Command(verb=Verb.DRILL, drilling=drill(rest)),
    Verb.SCHEDULE: lambda rest: Command(verb=Verb.SCHEDULE, scheduling=schedule(rest)),
    Verb.SCHEDULES: lambda rest: Command(verb=Verb.SCHEDULES, id=rest),
    Verb.VERIFY: _verify,
    Verb.ORPHANS: _orphans,
    Verb.RUNS: lambda rest: Command(verb=Verb.RUNS, limit=_limit(rest)),
    Verb.DELETE: _delete,
    Verb.RETENTION: lambda rest: Command(verb=Verb.RETENTION, keeping=keepingwords.read(rest)),
    Verb.MAY_I: lambda rest: Command(verb=Verb.MAY_I, meant=_meant(rest)),
}
