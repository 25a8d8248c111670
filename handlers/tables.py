"""Tables drawn for Slack at three levels: a table block, lines in sections, text. Beside blocks, the home of Block Kit.

Source: Block Kit reference, table: at most 100 rows of 20 cells and 10,000 characters, one table in a message.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bot.model import Json
from handlers import ids
from handlers.blocks import PLAN, TEXT, Rendered, cut, quiet
from handlers.cards import Card, one_line

TABLE = PLAN  # the level; below it there are lines in sections, then text alone

_CELL, _WIDE, _LINE, _TITLE, _LABEL = 80, 240, 400, 150, 75
_CELLS = 9000  # characters in all cells
_SECTION, _TEXT = 2800, 3900
_ROWS = 99  # and the header
_OPTIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A button that shows another page."""

    label: str
    action_id: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """A menu that does something with one row."""

    label: str
    action_id: str
    options: tuple[tuple[str, str], ...]  # label, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A page of a list. Texts are raw and may hold anything."""

    kind: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()  # columns of numbers
    wide: frozenset[int] = frozenset()  # columns of long texts
    total: int = 0  # rows of the whole list
    lines: tuple[str, ...] = ()  # under the title
    closing: tuple[str, ...] = ()
    menu: Menu | None = None
    turns: tuple[Turn, ...] = ()
    version: int = 1  # another one on each page, since a page replaces the one before


def draw(table: Table, level: int = TABLE) -> Rendered:
    """Draw it; the text always says it all, as far as a message goes."""
    text = _text(table)
    return Rendered(text) if level <= TEXT else Rendered(text, tuple(_named(table, _blocks(table, level))))


def headline(table: Table) -> str:
    """What the table is, in mrkdwn."""
    return quiet(one_line(table.title))


def card(table: Table) -> Card:
    """The same for where there are no buttons."""
    lists = ((" · ".join(table.columns), tuple(map(_line, table.rows))),) if table.rows else ()
    return Card(kind=table.kind, title=table.title, lines=table.lines, lists=lists, closing=table.closing)


def _blocks(table: Table, level: int) -> Iterator[Json]:
    yield _section("\n".join([table.title, *table.lines]))
    if table.rows and level >= TABLE:
        yield _table(table)
    elif table.rows:
        yield from _sections(table)
    if table.closing:
        yield _section("\n".join(table.closing))
    elements = [*([_menu(table.menu)] if table.menu else []), *map(_button, table.turns)]
    if elements:
        yield {"type": "actions", "elements": elements}


def _named(table: Table, blocks: Iterator[Json]) -> Iterator[Json]:
    for index, block in enumerate(blocks):
        yield block | {"block_id": ids.block_id(table.kind, index, table.version)}


def _table(table: Table) -> Json:
    settings = [
        {"align": "right" if column in table.right else "left", "is_wrapped": True}
        for column in range(len(table.columns))
    ]
    rows: list[list[Json]] = []
    room = _CELLS
    for row in (table.columns, *table.rows[:_ROWS]):
        cells = [cut(one_line(cell), _WIDE if at in table.wide else _CELL) or "–" for at, cell in enumerate(row)]
        room -= sum(map(len, cells))
        if room < 0:
            break
        rows.append([{"type": "raw_text", "text": cell} for cell in cells])
    return {"type": "table", "column_settings": settings, "rows": rows}


def _sections(table: Table) -> Iterator[Json]:
    pack = ""
    for line in map(_line, table.rows):
        if pack and len(pack) + len(line) >= _SECTION:
            yield _section(pack)
            pack = ""
        pack = f"{pack}\n• {line}" if pack else f"• {line}"
    yield _section(pack)


def _text(table: Table) -> str:
    """As many rows as one message takes; what is said around them comes always."""
    around = [quiet(one_line(table.title)), *map(quiet, table.lines)]
    closing = [quiet(line) for line in table.closing]
    room = _TEXT - sum(len(line) + 1 for line in (*around, *closing)) - 40
    rows: list[str] = []
    for index, line in enumerate(map(_line, table.rows)):
        said = f"• {quiet(line)}"
        room -= len(said) + 1
        if room < 0:
            rows.append(f"… and {len(table.rows) - index} more on this page")
            break
        rows.append(said)
    return cut("\n".join([*around, *rows, *closing]), _TEXT)


def _line(row: tuple[str, ...]) -> str:
    return cut(" · ".join(filter(None, (cut(one_line(cell), 2 * _CELL) for cell in row))), _LINE)


def _button(turn: Turn) -> Json:
    return {"type": "button", "action_id": turn.action_id, "text": _label(turn.label), "value": turn.value}


def _menu(menu: Menu) -> Json:
    options = [{"text": _label(label), "value": value} for label, value in menu.options[:_OPTIONS]]
    return {
        "type": "static_select", "action_id": menu.action_id, "placeholder": _label(menu.label), "options": options
    }  # fmt: skip


def _label(text: str) -> Json:
    return {"type": "plain_text", "text": cut(one_line(text), _LABEL) or "–", "emoji": False}


def _section(text: str) -> Json:
    return {"type": "section", "text": {"type": "plain_text", "text": cut(text, _SECTION) or "–", "emoji": False}}
