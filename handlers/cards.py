"""What a message says, in order, with raw texts: views become cards, before anything knows how Slack draws."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from bot.model import Json, State

WAITING = "⏳"  # for its moment, or its turn
STATE_MARKS = {
    State.PLANNING: "🔎",
    State.AWAITING_APPROVAL: "✋",
    State.QUEUED: WAITING,
    State.RUNNING: "🔄",
    State.HELD: "⏸️",
    State.SUCCEEDED: "✅",
    State.PARTIAL: "⚠️",
    State.FAILED: "❌",
    State.STOPPED: "⏹️",
    State.REFUSED: "🚫",
}
TASK_MARKS = {"pending": "⚪", "in_progress": "🔄", "complete": "✅", "error": "❌"}
_LEVEL_MARKS = {"ok": "✅", "warning": "⚠️", "error": "❌"}
_APPROVAL_MARKS = {
    "pending": "✋", "approved": "👍", "executed": "👍", "vetoed": "🚫", "expired": "⌛", "cancelled": "⏹️"
}  # fmt: skip
_SLACK_USER = re.compile(r"[UW][A-Z0-9_]{2,40}")
SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """One step, as a line of a checklist; state is a key of TASK_MARKS."""

    id: str
    title: str
    state: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """One of several things to choose from, with its button."""

    title: str
    lines: tuple[str, ...]
    label: str  # of the button
    action_id: str
    value: str
    typed: str  # the command that chooses it, where there are no buttons


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One button of an entry."""

    label: str
    action_id: str
    value: str
    style: str = ""
    typed: str = ""  # the command that does the same, where there are no buttons


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing to do something about, with its buttons under it."""

    text: str
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """Entries under a heading, and how many are not among them."""

    heading: str
    entries: tuple[Entry, ...] = ()
    rest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One message, from top to bottom. Texts are raw and may hold anything."""

    kind: str
    title: str = ""
    mark: str = ""  # one emoji of ours
    lines: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    tasks: tuple[TaskLine, ...] = ()
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()  # heading, items
    picks: tuple[Pick, ...] = ()
    matters: tuple[Matter, ...] = ()
    excerpt: str = ""  # of what something outside has printed, line by line: the end of a console
    closing: tuple[str, ...] = ()
    transaction: str = ""
    by: str = ""  # Slack user id to mention; anything else is left out
    people: tuple[str, ...] = ()  # Slack ids of users and user groups that may do it; in private answers only
    stop: bool = False  # whether there is a Stop button
    details: bool = False  # whether there is a Details button
    more: tuple[str, ...] = ()  # further buttons, by their names in views
    token: str = ""  # of the approval that its buttons decide on


def of_view(view: Json) -> Card:
    """Read a view of the outbox; one of an unknown kind says its text, so that a newer core still gets through."""
    makers = {
        "root": _root,
        "plan": _plan,
        "milestone": _milestone,
        "receipt": _receipt,
        "approval": _approval,
        "sweep": _sweep,
    }
    return makers.get(str(view.get("kind")), _notice)(view)


def is_final(view: Json) -> bool:
    """Whether this view of a message that is edited will not change any more, as far as one can see."""
    if view.get("kind") == "root":
        state = _state(view)
        return state is not None and state.is_final
    if view.get("kind") == "approval":
        return view.get("state") != "pending"
    if view.get("kind") == "plan":
        tasks = [_task(task) for task in view.get("tasks", ())]
        return all(t.state in ("complete", "error") or t.note.startswith(SKIPPED) for t in tasks)
    return True


def one_line(text: object) -> str:
    """Flatten a text from outside to one line; what would not be seen or would turn the line round is dropped."""
    return " ".join(visible(text).split())


def visible(text: object) -> str:
    """Drop control and format characters (line breaks stay); a broken surrogate becomes a mark."""
    said = str(text)
    # Almost all texts have nothing to drop, and telling so at once is what makes an answer quick.
    return said if said.replace("\n", "").isprintable() else "".join(map(_seen, said))


def _seen(char: str) -> str:
    category = unicodedata.category(char)
    if char == "\n" or category not in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return char
    if category == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    return char if char == "\N{ZERO WIDTH JOINER}" else (" " if category != "Cf" else "")


def _root(view: Json) -> Card:
    state = _state(view)
    return Card(
        kind="root",
        title=_text(view, "title"),
        mark=STATE_MARKS[state] if state else "",
        lines=_some(view.get("line") or view.get("state")),
        facts=_pairs(view.get("facts", ())),
        transaction=_text(view, "transaction"),
        by=slack_user(view.get("by")),
        stop="stop" in view.get("buttons", ()),
        details="details" in view.get("buttons", ()),
        more=(*_decisions(view), *(name for name in ("retry", "cleanup") if name in view.get("buttons", ()))),
        token=_text(view, "token"),
    )


def _approval(view: Json) -> Card:
    return Card(
        kind="approval",
        title=_text(view, "title"),
        mark=_APPROVAL_MARKS.get(str(view.get("state")), ""),
        lines=_some(view.get("line")),
        facts=_pairs(view.get("facts", ())),
        lists=tuple((str(head), tuple(map(str, items))) for head, items in view.get("lists", ())),
        transaction=_text(view, "transaction"),
        by=slack_user(view.get("by")),
        details=bool(view.get("transaction")),
        more=_decisions(view),
        token=_text(view, "token"),
    )


def _decisions(view: Json) -> tuple[str, ...]:
    return tuple(
        name for name in view.get("buttons", ()) if name.removesuffix("_all") in ("approve", "confirm", "veto")
    )


def _plan(view: Json) -> Card:
    return Card(
        kind="plan",
        title=_text(view, "title"),
        lines=_some(view.get("line")),
        tasks=tuple(_task(task) for task in view.get("tasks", ())),
        transaction=_text(view, "transaction"),
    )


def _milestone(view: Json) -> Card:
    """What follows its first line is an excerpt."""
    title, _, excerpt = _text(view, "text").partition("\n")
    return Card(
        kind="milestone",
        title=title,
        excerpt=excerpt,
        mark=_LEVEL_MARKS.get(str(view.get("level")), ""),
        transaction=_text(view, "transaction"),
    )


def _receipt(view: Json) -> Card:
    state = _state(view)
    left_behind = tuple(map(str, view.get("left_behind", ())))
    lists = (("Undone", tuple(map(str, view.get("undone", ())))), ("Left behind", left_behind))
    return Card(
        kind="receipt",
        title=_text(view, "headline"),
        mark=STATE_MARKS[state] if state else "",
        lines=_some(view.get("why")),
        facts=_pairs(view.get("facts", ())),
        lists=tuple((heading, items) for heading, items in lists if items),
        closing=(
            *(() if left_behind or view.get("held") else ("Nothing is left behind.",)),
            *_some(view.get("held")),
            *_some(view.get("next"), "Next: "),
            *_some(view.get("note")),
        ),
        transaction=_text(view, "transaction"),
        more=tuple(map(str, view.get("buttons", ()))),
    )


def _sweep(view: Json) -> Card:
    return Card(
        kind="sweep",
        title=_text(view, "title"),
        mark="🧹",
        lists=tuple((str(head), tuple(map(str, lines))) for head, lines in view.get("lists", ())),
        more=tuple(map(str, view.get("buttons", ()))),
    )


def _notice(view: Json) -> Card:
    return Card(kind="notice", lines=_some(view.get("text")), transaction=_text(view, "transaction"))


def _task(task: Json) -> TaskLine:
    state = str(task.get("state"))
    return TaskLine(
        id=_text(task, "id"),
        title=_text(task, "title"),
        state=state if state in TASK_MARKS else "pending",
        note=_text(task, "note"),
    )


def _state(view: Json) -> State | None:
    try:
        return State(view.get("state", ""))
    except ValueError:
        return None


def _text(view: Json, name: str) -> str:
    value = view.get(name)
    return "" if value is None else str(value)


def _some(value: object, lead: str = "") -> tuple[str, ...]:
    return (f"{lead}{value}",) if value else ()


def _pairs(facts: Iterable[Iterable[object]]) -> tuple[tuple[str, str], ...]:
    return tuple((str(label), str(value)) for label, value in facts)


def slack_user(value: object) -> str:
    """The value if it is a Slack user id, else "", so that nothing else is ever mentioned or written to."""
    return str(value) if _SLACK_USER.fullmatch(str(value)) else ""
