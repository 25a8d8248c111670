"""A digest as a card: what is said, and the buttons of each line. Pure; texts are raw and may hold anything."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bot import digest
from bot.model import Act, Chapter, Digest, DigestLine, Json
from bot.words import typed
from handlers import ids
from handlers.cards import Card, Entry, Key, Matter, one_line

_MOST_VALUE = 1900  # characters of a button's value; Slack takes 2,000
_WELL, _TROUBLED = "✅", "📋"


def of_view(view: Json) -> Card | None:
    """The card of an outbox view; None: it is no digest, or none of this version."""
    found = digest.of_view(view)
    return card(found) if found else None


def card(told: Digest, note: str = "") -> Card:
    """All of it. note: a last line."""
    return Card(
        kind="digest",
        mark=_WELL if told.is_well else _TROUBLED,
        title=digest.title(told),
        lines=(digest.headline(told), *digest.facts(told)),
        matters=tuple(_matter(chapter) for chapter in told.chapters if chapter.total),
        closing=(*digest.closing(told), *((note,) if note else ())),
    )


def _matter(chapter: Chapter) -> Matter:
    entries = tuple(_entry(line) for line in chapter.lines)
    return Matter(heading=digest.heading(chapter), entries=entries, rest=digest.rest(chapter))


def _entry(line: DigestLine) -> Entry:
    taken = f" · {line.assigned} takes care" if line.assigned and not line.answer else ""
    return Entry(text=f"{digest.spoken(line)}{taken}", keys=() if line.answer else tuple(_keys(line)))


def _keys(line: DigestLine) -> Iterator[Key]:
    if line.act is not None:
        yield _act(line, line.act)
    what = one_line(line.concern)
    if line.may_snooze:
        label = f"/cloudy snooze {what} 3d because <reason>"
        yield Key(label="Snooze…", action_id=ids.SNOOZE, value=line.concern, typed=label)
    yield Key(label="Assign…", action_id=ids.ASSIGN, value=line.concern, typed=f"/cloudy assign {what} to <@person>")


def _act(line: DigestLine, act: Act) -> Key:
    if act is Act.PROTECT and len(value := _value(line, line.targets)) <= _MOST_VALUE:
        said = f"/protect {typed(line.vm)} to {', '.join(line.targets)}"
        return Key(label="Protect now", action_id=ids.SUMMARY_PROTECT, value=value, style="primary", typed=said)
    if act is Act.SCHEDULE:
        value = _value(line, line.targets) if len(_value(line, line.targets)) <= _MOST_VALUE else _value(line, ())
        said = f"/schedule protect {typed(line.vm)} to <target> every day at 02:00"
        return Key(label="Schedule…", action_id=ids.SUMMARY_SCHEDULE, value=value, typed=said)
    if act in (Act.PROTECT, Act.CHOOSE):
        value = _value(line, ())
        return Key(
            label="Protect…", action_id=ids.SUMMARY_CHOOSE, value=value, typed=f"/protect {typed(line.vm)} to <target>"
        )
    label, action_id, said = _BUTTONS[act]
    value = line.id if act is Act.DETAILS else line.concern
    return Key(label=label, action_id=action_id, value=value, typed=f"{said} {one_line(line.id)}")


_BUTTONS: Mapping[Act, tuple[str, str, str]] = {
    Act.RETRY: ("Retry", ids.SUMMARY_RETRY, "/cloudy retry"),
    Act.DRILL: ("Drill now", ids.SUMMARY_DRILL, "/drill"),
    Act.DETAILS: ("Details", ids.DETAILS, "/cloudy show"),
    Act.RESUME: ("Resume", ids.SUMMARY_RESUME, "/cloudy schedule resume"),
}


def _value(line: DigestLine, targets: tuple[str, ...]) -> str:
    told = {"about": line.concern, "vm": line.vm, "to": list(targets)}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def read(value: str) -> tuple[str, str, tuple[str, ...]]:
    """The thing, VM and targets of a button; ValueError: it is none of ours."""
    told: Any = json.loads(value) if len(value) <= _MOST_VALUE else None
    if not isinstance(told, dict) or told.keys() != {"about", "vm", "to"} or not isinstance(told["to"], list):
        raise ValueError("no button of a digest")
    words = (told["about"], told["vm"], *told["to"])
    if not all(isinstance(word, str) for word in words):
        raise ValueError("no button of a digest")
    return told["about"], told["vm"], tuple(told["to"])
