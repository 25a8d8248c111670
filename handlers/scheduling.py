"""What follows `/schedule`: what is started, on which VMs, to where, and when; or what is to be done with one. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from zoneinfo import ZoneInfo

from bot import durations, keeping
from bot.errors import UsageError
from bot.model import CatchUp, Json, ScheduleRequest
from bot.recurrence import EXAMPLES, parse
from handlers import clauses
from handlers.clauses import Word

SCHEDULE_USAGE = (
    "/schedule protect <vm, web*, @group>[, ...] to <target>[, ...] <when> · verify <vm>[, ...] <when>"
    " · drill <vm>|next <when> · summary <when> · pause|resume|skip|run|show|edit|delete <id>"
    "   e.g. /schedule protect @web to s3 weekdays at 22:30"
)
SCHEDULES_USAGE = "/schedules [a part of a name]   what starts by itself, when next, and how it went"

NEXT = "next"
PERIODS = ("day", "week")
LONGEST_NAME, MOST_NAMES = 255, 100
_ID = re.compile("[0-9A-Za-z-]{1,64}")
_LONGEST_WHY = 200
_YEARS = range(2000, 2200)  # as in phrases
_QUOTED = re.compile('[ ,"“”„‟]')
_WHEN = frozenset(example.split()[0] for example in EXAMPLES) | {
    "each", "at", "nightly", "fortnightly", "quarterly", "annually", "not", "within", "until", "the", "first", "last",
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "from", "keep", "note", "catch",
    "grace", "to", "and", "deep", "next", *PERIODS, *clauses.CONSISTENCIES,
}  # fmt: skip


class Act(StrEnum):
    """What `/schedule` is asked for."""

    ADD = "add"
    EDIT = "edit"
    PAUSE = "pause"
    RESUME = "resume"
    SKIP = "skip"
    UNSKIP = "unskip"
    RUN = "run"
    DELETE = "delete"
    SHOW = "show"


_OF_ONE = frozenset(Act) - {Act.ADD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduling:
    """`/schedule ...`, parsed; nothing looked up yet."""

    act: Act
    id: str = ""  # of the schedule; all acts but to add one
    asked: ScheduleRequest | None = None  # to add and edit; its recurrence is the phrase as it was typed
    until: datetime | None = None  # pause; naive: by the clocks of whoever asks
    length: timedelta | None = None  # pause, instead
    why: str = ""  # pause
    at: datetime | None = None  # skip: this time, and no other; run: what was asked for after it is the same

    def request(self, zone: str) -> ScheduleRequest:
        """What is to be kept, in that zone where the phrase names none. UsageError."""
        assert self.asked is not None  # noqa: S101 - read gives one with these acts
        return replace(self.asked, recurrence=str(parse(self.asked.recurrence, zone)))

    def changed(self, before: ScheduleRequest) -> "Scheduling":
        """With what a schedule starts, where an edit says only when."""
        if self.asked is None or self.asked.workflow:
            return self
        return replace(self, asked=replace(before, recurrence=self.asked.recurrence))

    def ends(self, now: datetime, zone: str) -> datetime | None:
        """Until when to pause; None: until somebody resumes it."""
        if self.length is not None:
            return now + self.length
        return self.until and self.until.replace(tzinfo=ZoneInfo(zone))


def read(words: Sequence[Word]) -> Scheduling:
    """Read it. ValueError says what is not understood; UsageError of the phrase, with the nearest that is."""
    if not words:
        raise ValueError("Say what is to start, and when.")
    word = words[0].text.casefold() if words[0].kind == "word" else ""
    if word in _OF_ONE:
        return _of_one(Act(word), words[1:])
    return Scheduling(act=Act.ADD, asked=_asked(words))


def written(request: ScheduleRequest) -> str:
    """What one would type behind `/schedule`; read gives the same again."""
    catch_up = request.catch_up.value if request.catch_up else ""
    names, more = listed(request.vms), also(request)
    return composed(request.workflow, names, request.targets, more, catch_up, request.recurrence)


def composed(workflow: str, vms: str, targets: Sequence[str], also: str, catch_up: str, phrase: str) -> str:
    """A command from its parts, as `written` and a form have them; also comes first where it may say the VMstore."""
    is_drill = workflow == "drill"
    word = "to" if workflow == "protect" else "from"
    said = [
        workflow,
        vms or (NEXT if is_drill else ""),
        also if is_drill else "",
        f"{word} {listed(targets)}" if targets else "",
        "" if is_drill else also,
        f"catch up {catch_up}" if catch_up else "",
        phrase,
    ]
    return " ".join(filter(None, said))


def listed(names: Sequence[str]) -> str:
    """Names as they are typed."""
    return ", ".join(map(_typed, names))


def also(request: ScheduleRequest) -> str:
    """What is said beside VMs, targets and times."""
    options = request.options
    said = [
        f"to {_typed(str(options['vmstore']))}" if options.get("vmstore") else "",
        str(options.get("period", "")),
        f"for {options['for']}" if options.get("for") else "",
        "deep" if options.get("deep") else "",
        f"grace {_length(request.grace)}" if request.grace else "",
        "vm-consistent" if options.get("consistency") == "vm" else "",
        f"keep for {keeping.typed(str(options['keep_for']))}" if options.get("keep_for") else "",
        f'note "{clauses.escaped(str(options["note"]))}"' if options.get("note") else "",
    ]
    return " ".join(filter(None, said))


def names(words: Sequence[Word]) -> tuple[str, ...]:
    """VMs of a form. ValueError says what is not understood."""
    found, rest = _names(list(words), "VM")
    if rest:
        raise ValueError(
            f"“{rest[0].text[:40]}” is not understood: put a comma between names, and quotes around odd ones."
        )
    return found


# --- one that there is ---


def _of_one(act: Act, words: Sequence[Word]) -> Scheduling:
    if not words or not _ID.fullmatch(words[0].text):
        raise ValueError(f"Say which schedule to {act}: its id is in /schedules.")
    order, rest = Scheduling(act=act, id=words[0].text), words[1:]
    if act is Act.EDIT:
        return replace(order, asked=_asked_anew(order.id, rest))
    if act is Act.PAUSE:
        return _paused(order, rest)
    if rest:
        raise ValueError(f"“{act} {order.id}” takes nothing after it.")
    return order


def _asked_anew(id: str, words: Sequence[Word]) -> ScheduleRequest:
    """All of it, or only when."""
    if not words:
        raise ValueError(f"Say what is changed: /schedule edit {id} every day at 03:00, or all of it anew.")
    if words[0].says(*_WORKFLOWS):
        return _asked(words)
    return ScheduleRequest(workflow="", recurrence=_phrase(words))


def _paused(order: Scheduling, words: Sequence[Word]) -> Scheduling:
    cut = next((at for at, word in enumerate(words) if word.says("because")), len(words))
    why = " ".join(word.text for word in words[cut + 1 :]).replace(" ,", ",")
    order = replace(order, why=why[:_LONGEST_WHY])
    said = [word.text for word in words[:cut]]
    if not said:
        return order
    if said[0].casefold() == "for" and len(said) in (2, 3):
        try:
            return replace(order, length=durations.parse(" ".join(said[1:])))
        except ValueError as error:
            raise ValueError(f"{str(error).capitalize()}.") from None
    if said[0].casefold() == "until" and (until := _moment(said[1:])):
        return replace(order, until=until)
    raise ValueError(
        f"“{' '.join(said)[:60]}” is not understood: say until 2026-12-24, until 2026-12-24 06:00 or for 3d."
    )


def _moment(said: Sequence[str]) -> datetime | None:
    try:
        day = date.fromisoformat(said[0])
        at = time.fromisoformat(said[-1]) if len(said) > 1 else time()
    except (ValueError, IndexError):
        return None
    is_whole = len(said) == 1 or (len(said) == 2 and len(said[1]) == 5) or (len(said) == 3 and said[1] == "at")
    return datetime.combine(day, at) if is_whole and at.tzinfo is None and day.year in _YEARS else None


# --- what starts, and when ---


def _asked(words: Sequence[Word]) -> ScheduleRequest:
    word = words[0].text.casefold() if words and words[0].kind == "word" else ""
    reader = _WORKFLOWS.get(word)
    if reader is None and _says_when(words):
        raise ValueError("Say what first, and then when: /schedule protect <vm> to <target> every day at 02:00.")
    if reader is None:
        near = get_close_matches(word, (*_WORKFLOWS, *_OF_ONE), n=1)
        hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(_WORKFLOWS)}."
        raise ValueError(f"Nothing called “{word[:40]}” can be scheduled.{hint}")
    asked, rest = _caught_up(ScheduleRequest(workflow=word, recurrence=""), list(words[1:]))
    asked, rest = reader(asked, rest)
    return replace(asked, recurrence=_phrase(rest))


def _phrase(words: Sequence[Word]) -> str:
    """The words for when. ValueError, UsageError: they are not understood."""
    if any(word.kind == "quoted" for word in words):
        raise ValueError("There is something in quotes that is no name. When it comes is said without quotes.")
    phrase = " ".join(word.text for word in words).replace(" ,", ",")
    parse(phrase)
    return phrase


def _says_when(words: Sequence[Word]) -> bool:
    """Whether it begins with a time."""
    begin = [word.text for word in words[:4]]
    return any(_is_phrase(" ".join(begin[:many])) for many in range(1, len(begin) + 1))


def _is_phrase(text: str) -> bool:
    try:
        parse(text)
    except UsageError:
        return False
    return True


_Read = tuple[ScheduleRequest, list[Word]]


def _protect(asked: ScheduleRequest, words: list[Word]) -> _Read:
    vms, words = _names(words, "VM")
    if not words or not words[0].says("to"):
        raise ValueError("Say which VMs and which target: the word “to” is missing.")
    targets, words = _names(words[1:], "target")
    words, wishes = clauses.pick(words)
    told = {"consistency": wishes.consistency, "keep_for": wishes.keep_for, "note": wishes.note}
    options: Json = {name: value for name, value in told.items() if value and value != "crash"}
    return replace(asked, vms=vms, targets=targets, options=options), words


def _verify(asked: ScheduleRequest, words: list[Word]) -> _Read:
    vms, words = _names(words, "VM")
    asked, words = _from(replace(asked, vms=vms), words)
    deep = next((at for at, word in enumerate(words) if word.says("deep")), None)
    if deep is None:
        return asked, words
    return replace(asked, options={"deep": True}), [*words[:deep], *words[deep + 1 :]]


def _drill(asked: ScheduleRequest, words: list[Word]) -> _Read:
    if words and words[0].says(NEXT):
        words = words[1:]
    else:
        vms, words = _names(words, "VM")
        asked = replace(asked, vms=vms)
    if words and words[0].says("to"):
        vmstores, words = _names(words[1:], "VMstore")
        if len(vmstores) > 1:
            raise ValueError("A drill goes to one VMstore.")
        asked = replace(asked, options={"vmstore": vmstores[0]})
    return _from(asked, words)


def _from(asked: ScheduleRequest, words: list[Word]) -> _Read:
    """From a target; “from” before a day is the schedule's first."""
    if len(words) < 2 or not words[0].says("from") or re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", words[1].text):
        return asked, words
    targets, words = _names(words[1:], "target")
    return replace(asked, targets=targets), words


def _summary(asked: ScheduleRequest, words: list[Word]) -> _Read:
    if words and words[0].says("weekly"):  # and not the day's, once a week
        asked = replace(asked, options={"period": PERIODS[1]})
    if words and words[0].says(*PERIODS):
        asked, words = replace(asked, options={"period": words[0].text.casefold()}), words[1:]
    if len(words) > 1 and words[0].says("for") and words[1].says("me", "owners"):
        asked, words = replace(asked, options={**asked.options, "for": words[1].text.casefold()}), words[2:]
    return asked, words


def _caught_up(asked: ScheduleRequest, words: list[Word]) -> _Read:
    for at, word in enumerate(words):
        after = [each.text.casefold() for each in words[at + 1 : at + 3]]
        size = 1 if word.says("catch-up", "catchup") else 2 if word.says("catch") and after[:1] == ["up"] else 0
        if size:
            which = after[size - 1 : size]
            if which not in ([each.value] for each in CatchUp):
                raise ValueError(f"What is caught up with can be {', '.join(CatchUp)}: catch up latest.")
            return _caught_up(replace(asked, catch_up=CatchUp(which[0])), [*words[:at], *words[at + size + 1 :]])
        if word.says("grace"):
            try:
                grace = durations.parse(after[0] if after else "")
            except ValueError as error:
                raise ValueError(f"{str(error).capitalize()}: grace 6h.") from None
            return _caught_up(replace(asked, grace=grace), [*words[:at], *words[at + 2 :]])
    return asked, words


_WORKFLOWS: Mapping[str, Callable[[ScheduleRequest, list[Word]], _Read]] = {
    "protect": _protect,
    "verify": _verify,
    "drill": _drill,
    "summary": _summary,
    "expire": lambda asked, words: (asked, words),
}


def _names(words: list[Word], what: str) -> tuple[tuple[str, ...], list[Word]]:
    """Names with commas or "and" between them, as far as they go."""
    found: list[str] = []
    at = 0
    while at < len(words) and words[at].kind != "comma" and not words[at].says(*_WHEN):
        found.append(_name(words[at].text, what))
        at += 1
        begun = at
        while at < len(words) and (words[at].kind == "comma" or words[at].says("and")):
            at += 1
        if at == begun:
            break
    if not found:
        raise ValueError(f"Say which {what}. A name of several words is put into quotes.")
    if len(found) > MOST_NAMES:
        raise ValueError(f"More than {MOST_NAMES} names: make a group of them in cloudy.toml.")
    return tuple(dict.fromkeys(found)), words[at:]


def _name(text: str, what: str) -> str:
    if not text or len(text) > LONGEST_NAME:
        raise ValueError(f"The name of a {what} is empty, or longer than {LONGEST_NAME} characters.")
    return text


def _typed(name: str) -> str:
    plain = not _QUOTED.search(name) and name.casefold() not in _WHEN
    return clauses.escaped(name) if plain else f'"{clauses.escaped(name)}"'


def _length(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    units = (("d", 86_400), ("h", 3_600), ("m", 60))
    return next((f"{seconds // size}{unit}" for unit, size in units if seconds % size == 0), f"{seconds}s")
