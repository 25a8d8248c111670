"""Messages as plain text: what a person would see of them, for terminals and tests."""

import re
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
NameOf = Callable[[str], str]

_TASK_MARKS = {"complete": "✓", "in_progress": "▶", "pending": "○", "error": "✗"}
_EMOJI = {
    "white_check_mark": "✅", "heavy_check_mark": "✔️", "x": "❌", "warning": "⚠️", "hourglass": "⌛",
    "hourglass_flowing_sand": "⏳", "arrow_forward": "▶️", "octagonal_sign": "🛑", "white_circle": "⚪",
    "large_blue_circle": "🔵", "information_source": "ℹ️", "fast_forward": "⏩", "rocket": "🚀", "lock": "🔒",
    "black_square_for_stop": "⏹️", "no_entry": "⛔", "arrows_counterclockwise": "🔄", "bulb": "💡",
}  # fmt: skip
_CODE = re.compile(r"```(.*?)```|`([^`\n]+)`", re.DOTALL)
_LINK = re.compile(r"<([^<>]+)>")
# Slack formats only at word boundaries: a*b*c keeps its stars.
_MARKUP = re.compile(r"(?<![\w*_~])([*_~])(\S|\S[^\n]*?\S)\1(?![\w*_~])")
_EMOJI_NAME = re.compile(r":([a-z0-9_+-]+):")


def render(text: str, blocks: list[Json], name_of: NameOf) -> str:
    """Text of a message; blocks first, `text` where there are none. name_of turns a user or channel id into a name."""
    if not blocks:
        return mrkdwn(text, name_of)
    drawn = (_block(block, name_of) for block in blocks)
    return "\n".join(part for part in drawn if part)


def mrkdwn(text: str, name_of: NameOf) -> str:
    """Slack's markup without its marks, entities decoded."""
    shown: list[str] = []
    at = 0
    for code in _CODE.finditer(text):
        shown += [_prose(text[at : code.start()], name_of), decoded((code[1] or code[2]).strip("\n"))]
        at = code.end()
    return "".join([*shown, _prose(text[at:], name_of)])


def decoded(text: str) -> str:
    """Slack's three entities as characters."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _prose(text: str, name_of: NameOf) -> str:
    plain = _MARKUP.sub(r"\2", text)
    plain = _MARKUP.sub(r"\2", plain)
    plain = _LINK.sub(lambda link: _reference(link[1], name_of), plain)
    return decoded(_emoji(plain))


def _emoji(text: str) -> str:
    return _EMOJI_NAME.sub(lambda name: _EMOJI.get(name[1], name[0]), text)


def _reference(inside: str, name_of: NameOf) -> str:
    target, _, label = inside.partition("|")
    if target.startswith("@"):
        return f"@{name_of(target[1:])}"
    if target.startswith("#"):
        return f"#{label or name_of(target[1:])}"
    if target.startswith("!subteam^"):
        return label or f"@{name_of(target.removeprefix('!subteam^'))}"
    if target.startswith("!"):
        return label or f"@{target[1:].split('^')[0]}"
    return label or target


def _text_object(value: Any, name_of: NameOf) -> str:
    if not isinstance(value, dict):
        return str(value or "")
    text = str(value.get("text", ""))
    return mrkdwn(text, name_of) if value.get("type") == "mrkdwn" else _emoji(decoded(text))


def _block(block: Json, name_of: NameOf) -> str:
    draw = _DRAWERS.get(str(block.get("type")))
    return draw(block, name_of) if draw else f"(unsupported block: {block.get('type')})"


def _section(block: Json, name_of: NameOf) -> str:
    parts = [_text_object(block["text"], name_of)] if block.get("text") else []
    parts += [_text_object(field, name_of) for field in block.get("fields") or []]
    if block.get("accessory"):
        parts.append(_element(block["accessory"], name_of))
    return "\n".join(part for part in parts if part)


def _elements(block: Json, name_of: NameOf) -> str:
    return " ".join(filter(None, (_element(element, name_of) for element in block.get("elements") or [])))


def _element(element: Json, name_of: NameOf) -> str:
    kind = element.get("type")
    if kind in ("mrkdwn", "plain_text"):
        return _text_object(element, name_of)
    if kind == "image":
        return f"[image: {element.get('alt_text', '')}]"
    label = element.get("text") or element.get("placeholder")
    return f"[{_text_object(label, name_of) if label else kind}]"


def _plan(block: Json, name_of: NameOf) -> str:
    lines = [_text_object(block.get("title"), name_of)]
    lines += [f"  {_task(task, name_of)}" for task in block.get("tasks") or []]
    return "\n".join(lines)


def _task(task: Json, name_of: NameOf) -> str:
    notes = (_rich_text(task[key], name_of) for key in ("details", "output") if task.get(key))
    parts = [f"{_TASK_MARKS.get(str(task.get('status')), '?')} {_text_object(task.get('title'), name_of)}", *notes]
    return " - ".join(part.replace("\n", " ") for part in parts if part)


def _rich_text(block: Json, name_of: NameOf) -> str:
    return "\n".join(_rich_part(part, name_of) for part in block.get("elements") or [])


def _rich_part(part: Json, name_of: NameOf) -> str:
    inner = part.get("elements") or []
    if part.get("type") == "rich_text_list":
        return "\n".join(f"• {_rich_part(item, name_of)}" for item in inner)
    return "".join(_rich_atom(atom, name_of) for atom in inner)


def _rich_atom(atom: Json, name_of: NameOf) -> str:
    kind = atom.get("type")
    if kind == "user":
        return f"@{name_of(str(atom.get('user_id')))}"
    if kind == "channel":
        return f"#{name_of(str(atom.get('channel_id')))}"
    if kind == "emoji":
        return _emoji(f":{atom.get('name')}:")
    if kind == "broadcast":
        return f"@{atom.get('range')}"
    return str(atom.get("text") or atom.get("url") or "")


def _table(block: Json, name_of: NameOf) -> str:
    return "\n".join(" | ".join(_cell(cell, name_of) for cell in row) for row in block.get("rows") or [])


def _cell(cell: Json, name_of: NameOf) -> str:
    return _rich_text(cell, name_of) if cell.get("type") == "rich_text" else str(cell.get("text", ""))


def _input(block: Json, name_of: NameOf) -> str:
    parts = [_text_object(block.get("label"), name_of), _element(block.get("element") or {}, name_of)]
    hint = _text_object(block["hint"], name_of) if block.get("hint") else ""
    return " ".join(filter(None, [*parts, hint]))


def _card(block: Json, name_of: NameOf) -> str:
    texts = [_text_object(block[key], name_of) for key in ("title", "subtitle", "body") if block.get(key)]
    buttons = " ".join(_element(element, name_of) for element in block.get("actions") or [])
    return "\n".join(filter(None, [*texts, buttons]))


def _container(block: Json, name_of: NameOf) -> str:
    title = _text_object(block.get("title"), name_of)
    children = (_block(child, name_of) for child in block.get("child_blocks") or [])
    return "\n".join(filter(None, [title, *children]))


_DRAWERS: dict[str, Callable[[Json, NameOf], str]] = {
    "section": _section,
    "header": lambda block, name_of: _text_object(block.get("text"), name_of),
    "context": _elements,
    "actions": _elements,
    "context_actions": _elements,
    "divider": lambda _block, _name_of: "---",
    "image": lambda block, _name_of: f"[image: {block.get('alt_text', '')}]",
    "markdown": lambda block, _name_of: str(block.get("text", "")),
    "plan": _plan,
    "task_card": _task,
    "rich_text": _rich_text,
    "table": _table,
    "container": _container,
    "input": _input,
    "alert": lambda block, name_of: _text_object(block.get("text"), name_of),
    "card": _card,
    "carousel": lambda block, name_of: "\n".join(_card(card, name_of) for card in block.get("elements") or []),
}
