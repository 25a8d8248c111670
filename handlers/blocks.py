"""Cards drawn for Slack at three levels, within Slack's limits: Block Kit of messages (of views: views.py, home.py).

Text from outside stands in plain_text and rich_text, which Slack never parses; where only mrkdwn will do, and in the
top-level text, it is made quiet first. Limits: Block Kit reference (section text 3,000, field 2,000, 10 fields and
context elements, 50 blocks) and chat.update (text 4,000); kept with room to spare, since messages that are too large
as a whole are refused as well.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bot.model import Json
from handlers import digestcards, ids
from handlers.cards import TASK_MARKS, Card, Key, Matter, Pick, TaskLine, of_view, one_line, visible

PLAN, SECTIONS, TEXT = 3, 2, 1  # the levels

_TITLE, _LINE, _LABEL, _VALUE, _ITEM, _TASK, _NOTE = 150, 1200, 60, 400, 300, 100, 120
_SECTION = 2800
_EXCERPT = 2000
_TEXT = 3900
_MESSAGE = 11_000  # of all strings in the blocks together
_BLOCKS = 45
_TASKS = 50
_FACTS_PER_SECTION = 10
_PEOPLE = 8  # named in one line
_ENTRY, _KEYED = 280, 600
_MEMBER = re.compile("[UWS][A-Z0-9]{2,40}")

_MORE = {  # label and action by name
    "retry": ("Retry", ids.RETRY),
    "cleanup": ("Clean up now", ids.STOP),
    "verify": ("Verify", ids.VERIFY),
    "restore": ("Restore…", ids.RESTORE),
    "audit": ("Show audit", ids.AUDIT),
    "remove-orphans": ("Remove what is ours", ids.REMOVE_ORPHANS),
}
_TYPED = {  # the command for a button, where there are none
    "stop": "stop",
    "details": "show",
    "retry": "retry",
    "cleanup": "stop",
    "verify": "verify",
    "restore": "restore",
    "audit": "audit",
    "remove-orphans": "orphans remove",
}
_WORDS: dict[str, tuple[str, str, str]] = {  # on an approval: label, action and style by name
    "approve": ("Approve", ids.APPROVE, "primary"),
    "confirm": ("Confirm", ids.APPROVE, "primary"),
    "veto": ("Veto", ids.VETO, "danger"),
    "approve_all": ("Approve all", ids.APPROVE, "primary"),
    "confirm_all": ("Confirm all", ids.APPROVE, "primary"),
    "veto_all": ("Veto all", ids.VETO, "danger"),
}

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_LOOKALIKES = {"*": "∗", "_": "ˍ", "~": "∼", "`": "ˋ", ":": "∶", ">": "›"}
# What could format, in Slack's mrkdwn: * _ ~ at the edge of a word, any backtick, the colon that opens :an_emoji:, and
# > at the start of a line. Inside a word (app_server) the characters are left as they are.
_FORMATS = re.compile(
    r"(?<![^\W_])[*_~]|[*_~](?![^\W_])|`|:(?=(?:[\w+'-]*[a-z][\w+'-]*|100|1234):)|^>", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What is sent: text that says it all, and blocks (none at the lowest level)."""

    text: str
    blocks: tuple[Json, ...] = ()


def render(view: Json, level: int = PLAN, *, version: int = 1) -> Rendered:
    """Draw a view of the outbox; version makes the block ids new on each edit."""
    return render_card(digestcards.of_view(view) or of_view(view), level, version=version)


def render_card(card: Card, level: int = SECTIONS, *, version: int = 1) -> Rendered:
    """Draw a card: 3 with a plan block and rich text, 2 with sections and emoji, 1 as text only."""
    if level <= TEXT:
        return Rendered(_whole_text(card, _instead_of_buttons(card)))
    text = _whole_text(card)
    draw = _Rich() if level >= PLAN else _Plain()
    body, tail = list(_body(card, draw)), list(_tail(card))
    blocks = [*_fitting(body, draw, room=_MESSAGE - sum(map(_weight, tail))), *tail]
    return Rendered(text, tuple(b | {"block_id": ids.block_id(card.kind, i, version)} for i, b in enumerate(blocks)))


def reply(card: Card) -> Json:
    """What an acknowledgement carries: a private answer. No second try is possible there, so no newest blocks."""
    drawn = _reply(card)
    return {"text": drawn.text, "blocks": list(drawn.blocks)}


@lru_cache(maxsize=8)  # many ask for the same at the same time
def _reply(card: Card) -> Rendered:
    return render_card(card, SECTIONS)


def quiet(text: object) -> str:
    """Make outside text safe inside mrkdwn: it neither pings nor links nor formats."""
    return _FORMATS.sub(lambda found: _LOOKALIKES[found.group()], visible(text)).translate(_ESCAPES)


def cut(text: str, most: int) -> str:
    """Shorten to most UTF-16 units, which is how the strictest reader counts, ending in "…"."""
    if _units(text) <= most:
        return text
    units = text.encode("utf-16-le", "replace")
    kept = units[: 2 * (most - 1)].decode("utf-16-le", "ignore")
    return re.sub("&[a-z]{0,3}$", "", kept) + "…"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2


# --- the text ---


def _whole_text(card: Card, instead: Iterable[str] = ()) -> str:
    tail = "".join(f"\n{line}" for line in (*instead, *_footer(card)))
    return (cut("\n".join(_text_lines(card)), _TEXT - _units(tail)) + tail).strip() or "–"


def _text_lines(card: Card) -> Iterator[str]:
    if card.title:
        yield f"{card.mark} {quiet(one_line(card.title))}".strip()
    yield from map(quiet, card.lines)
    yield from (f"{quiet(one_line(label))}: {quiet(one_line(value))}" for label, value in card.facts)
    yield from (quiet(_task_text(task)) for task in card.tasks)
    for heading, items in card.lists:
        yield f"{quiet(one_line(heading))}:"
        yield from (f"• {quiet(one_line(item))}" for item in items)
    for pick in card.picks:
        yield quiet(one_line(f"• {pick.title}: {' · '.join(pick.lines)}"))
    for matter in card.matters:
        yield f"{quiet(one_line(matter.heading))}:"
        yield from (f"• {quiet(cut(one_line(entry.text), _ENTRY))}" for entry in matter.entries)
        yield from ([quiet(one_line(matter.rest))] if matter.rest else [])
    if card.excerpt:
        yield quiet(cut(card.excerpt, _EXCERPT))
    yield from map(quiet, card.closing)


def _instead_of_buttons(card: Card) -> Iterator[str]:
    """Other ways to what they do."""
    if any(name in _WORDS for name in card.more):
        yield "To decide: open Cloudy in Slack, tab Home. What waits for you has its buttons there."
    if card.picks:
        yield f"There are no buttons here. Type: {' · '.join(quiet(pick.typed) for pick in card.picks)}"
    keyed = [key.typed for matter in card.matters for entry in matter.entries for key in entry.keys if key.typed]
    if keyed:
        yield f"There are no buttons here. Type: {cut(' · '.join(map(quiet, keyed)), _KEYED)}"
    names = (*(("stop",) if card.stop else ()), *(("details",) if card.details else ()), *card.more)
    typed = [f"/cloudy {_TYPED[name]} {quiet(one_line(card.transaction))}" for name in names if name in _TYPED]
    if typed:
        yield f"There are no buttons here. Type: {' · '.join(dict.fromkeys(typed))}"


def _footer(card: Card) -> list[str]:
    said = [f"Transaction `{quiet(one_line(card.transaction))}`"] if card.transaction else []
    named = [" · ".join([*said, f"for <@{card.by}>"])] if card.by else said
    people = [_mention(name) for name in card.people if _MEMBER.fullmatch(name)]
    more = f" and {len(people) - _PEOPLE} more" if len(people) > _PEOPLE else ""
    return [*named, f"Who may: {', '.join(people[:_PEOPLE])}{more}"] if people else named


def _mention(name: str) -> str:
    """Source: Slack's formatting of text: <@U...> for a user, <!subteam^S...> for a user group."""
    return f"<!subteam^{name}>" if name.startswith("S") else f"<@{name}>"


def _task_text(task: TaskLine) -> str:
    note = f" · {cut(one_line(task.note), _NOTE)}" if task.note else ""
    return f"{TASK_MARKS[task.state]} {cut(one_line(task.title), _TASK)}{note}"


# --- the blocks ---


class _Plain:
    """Level 2: sections of plain text, which every client draws."""

    def heading(self, mark: str, title: str, lines: Iterable[str]) -> Json:
        """Title and lines in one block."""
        first = [f"{mark} {title}".strip()] if title else []
        return _section("\n".join([*first, *lines]))

    def topic(self, heading: str, rest: str) -> Json:
        """What some entries are about, told apart from them without markup."""
        return self.heading("▸", heading, _lines([rest] if rest else []))

    def tasks(self, card: Card) -> Iterator[Json]:
        """The checklist as lines, under title and line."""
        yield self.heading(card.mark, cut(one_line(card.title), _TITLE), _lines(card.lines))
        for part in _packed(map(_task_text, card.tasks)):
            yield _section(part)

    def listed(self, heading: str, items: list[str]) -> Json:
        """A heading and its items."""
        return _section("\n".join([heading, *(f"• {item}" for item in items)]))

    def excerpt(self, text: str) -> Json:
        """What something outside has printed."""
        return _section(text)


class _Rich(_Plain):
    """Level 3: rich text and the plan block."""

    def heading(self, mark: str, title: str, lines: Iterable[str]) -> Json:
        said = "\n".join(lines)
        elements = [
            *([_span(f"{mark} ")] if mark else []),
            *([_span(title, bold=True)] if title else []),
            *([_span(f"\n{said}" if title else said)] if said else []),
        ]
        return _rich_text({"type": "rich_text_section", "elements": elements or [_span("–")]})

    def topic(self, heading: str, rest: str) -> Json:
        return self.heading("", heading, _lines([rest] if rest else []))

    def tasks(self, card: Card) -> Iterator[Json]:
        yield {
            "type": "plan",
            "title": cut(one_line(card.title), _TITLE) or "–",
            "tasks": [_task_card(index, task) for index, task in enumerate(card.tasks[:_TASKS])],
        }
        if card.lines:
            yield {"type": "context", "elements": [_plain(line) for line in _lines(card.lines)]}

    def listed(self, heading: str, items: list[str]) -> Json:
        bullets = [{"type": "rich_text_section", "elements": [_span(item)]} for item in items]
        return _rich_text(
            {"type": "rich_text_section", "elements": [_span(heading, bold=True)]},
            {"type": "rich_text_list", "style": "bullet", "elements": bullets},
        )

    def excerpt(self, text: str) -> Json:
        return _rich_text({"type": "rich_text_preformatted", "elements": [_span(text)]})


def _body(card: Card, draw: _Plain) -> Iterator[Json]:
    if card.tasks:
        yield from draw.tasks(card)
    elif card.title or card.lines:
        yield draw.heading(card.mark, cut(one_line(card.title), _TITLE), _lines(card.lines))
    yield from _facts(card.facts)
    for heading, items in card.lists:
        yield draw.listed(cut(one_line(heading), _TITLE), _items(items))
    yield from map(_pick, card.picks)
    for matter in card.matters:
        yield from _matter(matter, draw)
    if card.excerpt:
        yield draw.excerpt(cut(visible(card.excerpt), _EXCERPT))
    if card.closing:
        yield _section("\n".join(_lines(card.closing)))


def _pick(pick: Pick) -> Json:
    """One of several, with its button beside it."""
    said = _section("\n".join([cut(one_line(pick.title), _TITLE), *_lines(pick.lines)]))
    button = {"type": "button", "action_id": pick.action_id, "text": _plain(pick.label), "value": pick.value}
    return said | {"accessory": button}


def _matter(matter: Matter, draw: _Plain) -> Iterator[Json]:
    """Each entry with its buttons under it; what is not shown stands with the heading."""
    yield draw.topic(cut(one_line(matter.heading), _TITLE), matter.rest)
    for entry in matter.entries:
        yield _section(cut(one_line(entry.text), _ENTRY))
        if entry.keys:
            yield {"type": "actions", "elements": list(map(_key, entry.keys))}


def _key(key: Key) -> Json:
    button = {"type": "button", "action_id": key.action_id, "text": _plain(key.label), "value": key.value}
    return button | ({"style": key.style} if key.style else {})


def _tail(card: Card) -> Iterator[Json]:
    if footer := _footer(card):
        yield {"type": "context", "elements": [_mrkdwn(line) for line in footer]}
    buttons = [
        *(_word_button(*_WORDS[name], card.token) for name in card.more if name in _WORDS),
        *([_button("Stop", ids.STOP, card) | {"style": "danger"}] if card.stop else []),
        *([_button("Details", ids.DETAILS, card)] if card.details else []),
        *(_button(*_MORE[name], card) for name in card.more if name in _MORE),
    ]
    if buttons:
        yield {"type": "actions", "elements": buttons}


def _word_button(label: str, action_id: str, style: str, token: str) -> Json:
    return {"type": "button", "action_id": action_id, "text": _plain(label), "value": token, "style": style}


def _button(label: str, action_id: str, card: Card) -> Json:
    return {"type": "button", "action_id": action_id, "text": _plain(label), "value": card.transaction or card.kind}


def _facts(facts: tuple[tuple[str, str], ...]) -> Iterator[Json]:
    for start in range(0, len(facts), _FACTS_PER_SECTION):
        chosen = facts[start : start + _FACTS_PER_SECTION]
        said = [f"{cut(one_line(label), _LABEL)}: {cut(one_line(value), _VALUE)}" for label, value in chosen]
        yield {"type": "section", "fields": [_plain(fact) for fact in said]}


def _fitting(body: list[Json], draw: _Plain, room: int) -> Iterator[Json]:
    """As many blocks from the top as one message takes; the text is cut by its own measure."""
    for count, block in enumerate(body):
        room -= _weight(block)
        if room < 0 or count == _BLOCKS:
            yield draw.heading("", "", ["… there is more than one message can show"])
            return
        yield block


def _lines(lines: Iterable[str]) -> list[str]:
    return [cut(visible(line).strip(), _LINE) or "–" for line in list(lines)[:10]]


def _items(items: tuple[str, ...]) -> list[str]:
    """Items as far as one section goes, then how many are not shown."""
    shown: list[str] = []
    for item in items:
        line = cut(one_line(item), _ITEM) or "–"
        if sum(map(len, shown)) + 3 * len(shown) + len(line) > _SECTION - 200:
            return [*shown, f"… and {len(items) - len(shown)} more"]
        shown.append(line)
    return shown


def _packed(lines: Iterable[str]) -> Iterator[str]:
    """Lines joined into as few sections as they need."""
    pack = ""
    for line in lines:
        if pack and len(pack) + len(line) >= _SECTION:
            yield pack
            pack = ""
        pack = f"{pack}\n{line}" if pack else line
    if pack:
        yield pack


def _task_card(index: int, task: TaskLine) -> Json:
    card: Json = {
        "type": "task_card",
        "task_id": cut(one_line(task.id), 100) or str(index),
        "title": cut(one_line(task.title), _TASK) or "–",
        "status": task.state,
    }
    if note := cut(one_line(task.note), _NOTE):
        card["details"] = _rich_text({"type": "rich_text_section", "elements": [_span(note)]})
    return card


def _section(text: str) -> Json:
    return {"type": "section", "text": _plain(cut(text, _SECTION))}


def _rich_text(*elements: Json) -> Json:
    return {"type": "rich_text", "elements": list(elements)}


def _span(text: str, *, bold: bool = False) -> Json:
    span: Json = {"type": "text", "text": cut(text, _SECTION)}
    return span | {"style": {"bold": True}} if bold else span


def _plain(text: str) -> Json:
    return {"type": "plain_text", "text": text or "–", "emoji": False}


def _mrkdwn(text: str) -> Json:
    """Of our own making only; verbatim: Slack adds no links of its own to it."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _weight(value: Any) -> int:
    if isinstance(value, dict):
        return sum(_weight(part) for part in value.values())
    if isinstance(value, list):
        return sum(_weight(part) for part in value)
    return len(value.encode("utf-16-le", "replace")) // 2 if isinstance(value, str) else 0
