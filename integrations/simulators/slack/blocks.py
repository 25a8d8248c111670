"""Whether Slack would take these blocks: the SDK's own classes there and back, plus the rules that they leave out."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block, RichTextBlock, TaskCardBlock
from slack_sdk.models.views import View

from .blockrules import broken

Json = dict[str, Any]

# https://docs.slack.dev/reference/block-kit: 50 blocks in a message, 100 in a view.
_MOST_BLOCKS = 50
_MOST_BLOCKS_IN_VIEW = 100
_MOST_ROWS = 100
_MOST_TASKS = 50
_MOST_CHARACTERS = 13_200  # Slack states no figure; the bolt-js tracker has this one for msg_blocks_too_long
_MOST_MARKDOWN = 12_000
_OPTION_TEXT = 75
_EXTERNAL_ID = 255
# The pages of https://docs.slack.dev/reference/block-kit/blocks say on which surfaces each block may stand.
_IN_MESSAGES_ALONE = frozenset({"context_actions", "file", "markdown", "plan", "table", "task_card"})
_IN_MODALS_ALONE = frozenset({"alert"})
_RICH_PARTS = frozenset({"rich_text_section", "rich_text_list", "rich_text_quote", "rich_text_preformatted"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that Slack would refuse; pointer is a JSON pointer into the checked list."""

    pointer: str
    message: str

    def to_line(self, prefix: str = "/blocks") -> str:
        """As chat.postMessage words it in `errors`."""
        return f"{self.message} [json-pointer:{prefix}{self.pointer}]"


def problems_of(blocks: Any, most: int = _MOST_BLOCKS) -> list[Problem]:
    """All that is wrong with a message's blocks; empty means that Slack takes them."""
    if not isinstance(blocks, list):
        return [Problem("", "must be an array")]
    found = [Problem("", f"no more than {most} items allowed")] if len(blocks) > most else []
    for index, block in enumerate(blocks):
        found += _block_problems(f"/{index}", block)
    dicts = [block for block in blocks if isinstance(block, dict)]
    found += _duplicates("", [block.get("block_id") for block in dicts], "block_id")
    kinds = [block.get("type") for block in dicts]
    if "plan" in kinds and "task_card" in kinds:
        found.append(Problem("", "plan and task_card blocks do not go in one message together"))
    return found + (_misplaced(blocks, _IN_MODALS_ALONE) if most == _MOST_BLOCKS else [])


def view_problems(view: Any) -> list[Problem]:
    """The same for a modal or App Home; pointers are into the view."""
    if not isinstance(view, dict):
        return [Problem("", "must be an object")]
    blocks = view.get("blocks")
    inside = problems_of(blocks, _MOST_BLOCKS_IN_VIEW)
    inside += _misplaced(
        blocks, _IN_MESSAGES_ALONE | (frozenset() if view.get("type") == "modal" else _IN_MODALS_ALONE)
    )
    found = [Problem(f"/blocks{problem.pointer}", problem.message) for problem in inside]
    found += _frame_problems(view)
    has_input = isinstance(blocks, list) and any(isinstance(b, dict) and b.get("type") == "input" for b in blocks)
    if view.get("type") == "modal" and has_input and not view.get("submit"):
        found.append(Problem("/submit", "missing required field: submit (the view has an input block)"))
    return found


def _frame_problems(view: Json) -> list[Problem]:
    """What is wrong with a view's own fields."""
    frame = {key: value for key, value in view.items() if key != "blocks"}
    if view.get("type") not in ("modal", "home"):
        return [Problem("/type", "must be modal or home")]
    if view["type"] == "modal" and not view.get("title"):
        return [Problem("/title", "missing required field: title")]
    found = [
        Problem(f"/{key}/type", "must be plain_text")
        for key in ("title", "submit", "close")
        if key in frame and _at(frame[key], "type") != "plain_text"
    ]
    if not view.get("blocks"):
        found.append(Problem("/blocks", "must hold at least 1 item"))
    if len(str(view.get("external_id") or "")) > _EXTERNAL_ID:
        found.append(Problem("/external_id", f"must be no more than {_EXTERNAL_ID} characters"))
    # The SDK takes no view without blocks; they were looked at one by one already.
    return found + _round_trip("", {**frame, "blocks": [{"type": "divider"}]}, lambda given: View(**given))


def _misplaced(blocks: Any, kinds: frozenset[str]) -> list[Problem]:
    return [
        Problem(f"/{index}/type", f"{block['type']} is not allowed on this surface")
        for index, block in enumerate(_list(blocks))
        if isinstance(block, dict) and block.get("type") in kinds
    ]


def is_too_long(blocks: list[Json]) -> bool:
    """Whether the texts of a message's blocks are more than Slack takes in sum."""
    everything = [node["text"] for _, node in _walk("", blocks) if isinstance(node.get("text"), str)]
    markdown = [str(block.get("text", "")) for block in blocks if block.get("type") == "markdown"]
    return sum(map(len, everything)) > _MOST_CHARACTERS or sum(map(len, markdown)) > _MOST_MARKDOWN


def _block_problems(pointer: str, block: Any) -> list[Problem]:
    if not isinstance(block, dict):
        return [Problem(pointer, "must be an object")]
    found = _round_trip(pointer, block, Block.parse)
    for where, node in _walk(pointer, block):
        for rule in _RULES:
            found += rule(where, node)
        found += [Problem(f"{where}{below}", message) for below, message in broken(node)]
    found += _duplicates(pointer, [node.get("action_id") for _, node in _walk(pointer, block)], "action_id")
    return found


def _round_trip(pointer: str, given: Json, parse: Callable[[Json], Any]) -> list[Problem]:
    """The SDK drops what it does not know and checks lengths while it writes: what returns must be what went in."""
    try:
        parsed = parse(given)
        if parsed is None:
            return [Problem(f"{pointer}/type", f"unsupported type: {given.get('type')}")]
        back = json.loads(json.dumps(parsed.to_dict()))
    except SlackObjectFormationError as error:
        return [Problem(_near(pointer, given, str(error)), str(error))]
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        return [Problem(pointer, f"missing or misplaced field: {error}")]
    lost = _first_difference(pointer, json.loads(json.dumps(given)), back)
    return [Problem(lost, "unknown, empty or wrongly typed field")] if lost is not None else []


def _near(pointer: str, given: Json, message: str) -> str:
    word = message.split(" ", 1)[0]
    return f"{pointer}/{word}" if word in given else pointer


def _first_difference(pointer: str, given: Any, back: Any) -> str | None:
    if isinstance(given, dict) and isinstance(back, dict):
        pairs = [(key, given.get(key), back.get(key)) for key in sorted({*given, *back})]
    elif isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        pairs = [(str(index), *both) for index, both in enumerate(zip(given, back, strict=True))]
    else:
        return None if given == back else pointer
    for key, mine, theirs in pairs:
        lost = _first_difference(f"{pointer}/{key}", mine, theirs)
        if lost is not None:
            return lost
    return None


def _walk(pointer: str, value: Any) -> Iterator[tuple[str, Json]]:
    """Every object inside, with its pointer, outermost first."""
    if isinstance(value, dict):
        yield pointer, value
        for key, inner in value.items():
            yield from _walk(f"{pointer}/{key}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(f"{pointer}/{index}", inner)


def _duplicates(pointer: str, names: list[Any], field: str) -> list[Problem]:
    counted = Counter(name for name in names if isinstance(name, str))
    return [Problem(pointer, f"`{field}` {name!r} already exists") for name, count in counted.items() if count > 1]


def _option_rule(pointer: str, node: Json) -> list[Problem]:
    options = node.get("options")
    if not isinstance(options, list):
        return []
    found = [
        Problem(f"{pointer}/options/{index}/text/text", f"must be no more than {_OPTION_TEXT} characters")
        for index, option in enumerate(options)
        if len(str(_at(option, "text", "text") or "")) > _OPTION_TEXT
    ]
    if "initial_option" in node and node["initial_option"] not in options:
        found.append(Problem(f"{pointer}/initial_option", "must be one of the options"))
    return found


def _table_rule(pointer: str, node: Json) -> list[Problem]:
    if node.get("type") != "table":
        return []
    rows = _list(node.get("rows"))
    found = [
        Problem(f"{pointer}/rows/{index}", "must be an array of cells")
        for index, row in enumerate(rows)
        if not all(isinstance(cell, dict) for cell in _list(row) or [None])
    ]
    if not rows:
        found.append(Problem(f"{pointer}/rows", "must be an array of rows"))
    if len(rows) > _MOST_ROWS:
        found.append(Problem(f"{pointer}/rows", f"no more than {_MOST_ROWS} items allowed"))
    return found


def _plain_text_rule(pointer: str, node: Json) -> list[Problem]:
    if node.get("type") in ("header", "button") and _at(node, "text", "type") == "mrkdwn":
        return [Problem(f"{pointer}/text/type", "must be plain_text")]
    return []


def _plan_rule(pointer: str, node: Json) -> list[Problem]:
    """Source: https://docs.slack.dev/reference/block-kit/blocks/plan-block and .../task-card-block."""
    if node.get("type") != "plan":
        return []
    tasks = node.get("tasks")
    if not isinstance(tasks, list):
        return []
    found = (
        [Problem(f"{pointer}/tasks", f"no more than {_MOST_TASKS} items allowed")] if len(tasks) > _MOST_TASKS else []
    )
    for index, task in enumerate(tasks):
        found += _nested_task(f"{pointer}/tasks/{index}", task)
    ids = [task.get("task_id") for task in tasks if isinstance(task, dict)]
    return found + _duplicates(f"{pointer}/tasks", ids, "task_id")


def _nested_task(pointer: str, task: Any) -> list[Problem]:
    # The SDK passes a plan's tasks on unread, so each is read as a card of its own.
    if not isinstance(task, dict) or task.get("type") != "task_card":
        return [Problem(f"{pointer}/type", "must be task_card")]
    return _round_trip(pointer, task, lambda given: TaskCardBlock(**given))


def _task_rule(pointer: str, node: Json) -> list[Problem]:
    if node.get("type") != "task_card":
        return []
    found: list[Problem] = []
    for key in ("details", "output"):
        if key in node:
            found += _rich_field(f"{pointer}/{key}", node[key])
    return found


def _rich_field(pointer: str, value: Any) -> list[Problem]:
    if not isinstance(value, dict) or value.get("type") != "rich_text":
        return [Problem(pointer, "must be one rich_text")]
    return _round_trip(pointer, value, lambda given: RichTextBlock(**given))


def _rich_text_rule(pointer: str, node: Json) -> list[Problem]:
    if node.get("type") != "rich_text":
        return []
    found: list[Problem] = []
    for index, part in enumerate(_list(node.get("elements"))):
        where = f"{pointer}/elements/{index}"
        if not isinstance(part, dict) or str(part.get("type")) not in _RICH_PARTS:
            found.append(Problem(f"{where}/type", "must be a part of a rich text"))
        elif part["type"] != "rich_text_list":
            found += _empty_atoms(where, part)
    return found


def _empty_atoms(pointer: str, part: Json) -> list[Problem]:
    return [
        Problem(f"{pointer}/elements/{index}/text", "must be more than 0 characters")
        for index, atom in enumerate(_list(part.get("elements")))
        if _at(atom, "type") == "text" and not _at(atom, "text")
    ]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


_RULES: tuple[Callable[[str, Json], list[Problem]], ...] = (
    _option_rule,
    _table_rule,
    _plain_text_rule,
    _plan_rule,
    _task_rule,
    _rich_text_rule,
)
