"""Schedules drawn for Slack, with their buttons; their times by the clock of whoever reads. Pure.

Source: docs.slack.dev/messaging/formatting-message-text, date formatting: <!date^seconds^tokens|fallback> is shown in
the time zone that the reader's client has.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.errors import UsageError
from bot.model import Fire, FireState, Json, ScheduleLine, ScheduleState, State
from handlers import ids, scheduling
from handlers.answers import waiting_for_moments
from handlers.blocks import PLAN, TEXT, Rendered, cut, quiet
from handlers.cards import Card, one_line

PAGE = 8  # schedules of one message: three blocks each, of the 50 that a message takes
KIND = "schedules"
_SHOWN_NEXT = 3
_LINE, _TEXT, _SECTION = 400, 3900, 2900
_MARKS = {ScheduleState.ON: "▶️", ScheduleState.PAUSED: "⏸️", ScheduleState.SUSPENDED: "⛔", ScheduleState.DELETED: "🗑️"}
_FARTHEST = 100_000
_UTC = "%Y-%m-%d %H:%M UTC"
_TIME = re.compile(r"\b[12]\d{3}-\d\d-\d\d \d\d:\d\d UTC\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which part of the list; it stands in every button, so that a click draws the same part again."""

    id: str = ""  # the schedule that a button is about
    text: str = ""  # a part of a name
    offset: int = 0
    at: datetime | None = None  # the time that a button skips, or after which it runs: two clicks are about one night


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Some schedules, and what was just done. Texts are raw and may hold anything."""

    title: str
    lines: tuple[ScheduleLine, ...] = ()
    said: tuple[str, ...] = ()  # under the title
    changeable: frozenset[str] = frozenset()  # ids of those whose buttons are shown
    asked: Asked = field(default_factory=Asked)
    total: int = 0
    version: int = 1


def draw(listing: Listing, level: int = PLAN) -> Rendered:
    """Draw it; at the lowest level as text, which says it all as far as a message goes."""
    text = _text(listing)
    if level <= TEXT:
        return Rendered(text)
    named = (
        block | {"block_id": ids.block_id(KIND, index, listing.version)} for index, block in enumerate(_blocks(listing))
    )
    return Rendered(text, tuple(named))


def card(listing: Listing) -> Card:
    """The same for where there are no buttons, and no dates: times are told in the schedule's zone."""
    items = tuple(one_line(" · ".join(_plain(line))) for line in listing.lines)
    lists = (("Schedules", items),) if items else ()
    return Card(kind=KIND, title=listing.title, lines=listing.said, lists=lists)


def when(at: datetime) -> str:
    """A time as its reader's clock has it; by a client that knows no dates in UTC."""
    fallback = f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"<!date^{int(at.timestamp())}^{{date_short}} {{time}}|{fallback}>"


def button_value(asked: Asked) -> str:
    """As a button carries it: well below the 2,000 characters that Slack takes."""
    said: Json = {"id": asked.id, "text": asked.text, "offset": asked.offset}
    return json.dumps(said | ({"at": asked.at.isoformat()} if asked.at else {}), ensure_ascii=False)


def of_button(value: str) -> Asked:
    """Read it back; whoever clicked may have sent anything. UsageError: it is none of ours."""
    try:
        told = json.loads(value) if len(value) <= 2000 else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or told.keys() - {"at"} != {"id", "text", "offset"}:
        raise _foreign()
    is_text = isinstance(told["id"], str) and isinstance(told["text"], str) and len(told["id"] + told["text"]) < 400
    if not is_text or type(told["offset"]) is not int or not 0 <= told["offset"] <= _FARTHEST:
        raise _foreign()
    return Asked(id=told["id"], text=told["text"], offset=told["offset"], at=_time(told.get("at")))


def _time(told: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(told)).astimezone(UTC) if told is not None else None
    except (ValueError, OverflowError):
        raise _foreign() from None
    return at


def _foreign() -> UsageError:
    return UsageError("That button is not understood any more. Ask again: /schedules")


# --- what is said of one ---


def _said(line: ScheduleLine) -> Iterator[str]:
    """In mrkdwn; all that comes from outside is quiet."""
    schedule = line.schedule
    yield f"{_MARKS[schedule.state]} *{_quiet(what(line))}*"
    yield f"`{schedule.id}` · {_quiet(schedule.asked.recurrence)} · {_quiet(schedule.owner.name)}"
    if schedule.state is not ScheduleState.ON:
        until = f" until {when(schedule.until)}" if schedule.until else ""
        yield f"{schedule.state.capitalize()}{until}: {_quiet(schedule.why)}"
    if line.next:
        yield f"Next {', '.join(map(when, line.next[:_SHOWN_NEXT]))}"
    elif schedule.state is ScheduleState.ON:
        yield "It comes no more."
    if line.skips:
        yield f"Skipped: {', '.join(map(when, line.skips[:_SHOWN_NEXT]))}"
    if line.last:
        yield f"Last {when(line.last.at)}: {_quiet(came(line.last, line))}"


def _plain(line: ScheduleLine) -> Iterator[str]:
    schedule = line.schedule
    yield f"{_MARKS[schedule.state]} {schedule.id}"
    yield what(line)
    yield schedule.asked.recurrence
    yield f"of {schedule.owner.name}"
    if schedule.state is not ScheduleState.ON:
        until = f" until {_utc(schedule.until)}" if schedule.until else ""
        yield f"{schedule.state}{until}: {schedule.why}"
    yield f"next {_utc(line.next[0])}" if line.next else "no time comes"
    if line.skips:
        yield f"skipped: {', '.join(map(_utc, line.skips[:_SHOWN_NEXT]))}"
    if line.last:
        yield f"last {_utc(line.last.at)}: {came(line.last, line)}"


def what(line: ScheduleLine) -> str:
    """What it starts, without when."""
    asked = line.schedule.asked
    return scheduling.written(asked).replace(f" {asked.recurrence}", "", 1)


def came(fire: Fire, line: ScheduleLine) -> str:
    """What became of its last time."""
    results = ", ".join(_results(line)) if fire.started else ""
    started = f"{fire.started} started" if fire.started else ""
    how = "" if fire.state is FireState.STARTED and fire.started else str(fire.state)
    passed = f"{len(fire.passed)} passed over: {fire.passed[0]}" if fire.passed else ""
    return cut(one_line("; ".join(filter(None, (how, started, results, fire.why, passed)))), _LINE // 2)


def _results(line: ScheduleLine) -> Iterator[str]:
    yield from (f"{line.results[state]} {state}" for state in State if line.results.get(state))
    if line.waiting:
        yield waiting_for_moments(line.waiting)


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _quiet(text: str) -> str:
    return quiet(cut(one_line(text), _LINE))


# --- blocks and text ---


def _dated(text: str) -> str:
    """Quiet, with the times in it by the clock of whoever reads."""
    return _TIME.sub(_as_date, _quiet(text))


def _as_date(found: re.Match[str]) -> str:
    try:
        return when(datetime.strptime(found[0], _UTC).replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return found[0]


def _text(listing: Listing) -> str:
    around = [*map(_dated, (listing.title, *listing.said))]
    room = _TEXT - sum(len(line) + 1 for line in around) - 40
    rows: list[str] = []
    for index, line in enumerate(listing.lines):
        row = f"• {' · '.join(_said(line))}"
        room -= len(row) + 1
        if room < 0:
            rows.append(f"… and {len(listing.lines) - index} more on this page")
            break
        rows.append(row)
    return "\n".join([*around, *rows]) or "–"


def _blocks(listing: Listing) -> Iterator[Json]:
    head, room = f"*{_dated(listing.title)}*", _SECTION
    for said in map(_dated, listing.said):
        if len(head) + len(said) >= room:  # a date that is cut through would be read as it is written
            break
        head = f"{head}\n{said}"
    yield _section(head)
    for line in listing.lines:
        yield {"type": "divider"}
        yield _section("\n".join(_said(line)))
        if line.schedule.id in listing.changeable:
            yield {"type": "actions", "elements": list(_buttons(line, listing.asked))}
    if turns := list(_turns(listing)):
        yield {"type": "actions", "elements": turns}


def _buttons(line: ScheduleLine, asked: Asked) -> Iterator[Json]:
    schedule = line.schedule
    value = button_value(Asked(id=schedule.id, text=asked.text, offset=asked.offset))
    if schedule.state is ScheduleState.ON:
        yield _button("Pause", ids.SCHEDULE_PAUSE, value)
    else:
        yield _button("Resume", ids.SCHEDULE_RESUME, value)
    if schedule.state is not ScheduleState.SUSPENDED:
        after = line.last.at if line.last else schedule.created_at
        run = Asked(id=schedule.id, text=asked.text, offset=asked.offset, at=after)
        yield _button("Run now", ids.SCHEDULE_RUN, button_value(run))
    if line.next:
        skip = Asked(id=schedule.id, text=asked.text, offset=asked.offset, at=line.next[0])
        yield _button("Skip next", ids.SCHEDULE_SKIP, button_value(skip))
    yield _button("Edit", ids.SCHEDULE_EDIT, value)
    if not schedule.is_own:
        confirm = {
            "title": _label("Delete it?"),
            "text": _label(f"{schedule.id} starts nothing any more, for good. What has begun goes on."),
            "confirm": _label("Delete"),
            "deny": _label("Keep it"),
        }
        yield _button("Delete", ids.SCHEDULE_DELETE, value) | {"style": "danger", "confirm": confirm}


def _turns(listing: Listing) -> Iterator[Json]:
    asked, end = listing.asked, listing.asked.offset + len(listing.lines)
    if asked.offset:
        before = Asked(text=asked.text, offset=max(0, asked.offset - PAGE))
        yield _button("Previous", ids.SCHEDULES_PREVIOUS, button_value(before))
    if listing.lines and end < listing.total:
        yield _button("Next", ids.SCHEDULES_NEXT, button_value(Asked(text=asked.text, offset=end)))


def _button(label: str, action_id: str, value: str) -> Json:
    return {"type": "button", "action_id": action_id, "text": _label(label), "value": value}


def _label(text: str) -> Json:
    return {"type": "plain_text", "text": cut(one_line(text), 280), "emoji": False}


def _section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, _SECTION), "verbatim": True}}
