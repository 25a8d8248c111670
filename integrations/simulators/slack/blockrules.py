"""Rules of Block Kit that the SDK's classes do not know, each on one object anywhere inside the blocks.

Source: https://docs.slack.dev/reference/block-kit, the pages of the blocks, elements and composition objects.
"""

from collections.abc import Callable, Iterator
from typing import Any

from .elements import INTERACTIVE

Json = dict[str, Any]
Found = Iterator[tuple[str, str]]  # where below the object, and what is wrong

_CELLS = frozenset({"raw_text", "raw_number", "rich_text", "action"})
_MOST_CELLS = 20
_FIELD = 2000
_OPTION_VALUE = 150
_MOST_CHOICES = 10
_TYPED = 3000
_HOLDS = {"actions": INTERACTIVE, "context": frozenset({"image", "mrkdwn", "plain_text"})}
_CHOICES = ("radio_buttons", "checkboxes")
_SILENT = frozenset({"button", "overflow", "icon_button", "feedback_buttons", "workflow_button"})


def broken(node: Json) -> Found:
    """All that is wrong with one object itself."""
    for rule in _RULES:
        yield from rule(node)


def _plain_texts(node: Json) -> Found:
    keys = ["placeholder", *(("label", "hint") if node.get("type") == "input" else ())]
    for key in keys:
        if _type(node.get(key)) == "mrkdwn":
            yield f"/{key}/type", "must be plain_text"
    for key in ("title", "confirm", "deny"):
        if _type(_dict(node.get("confirm")).get(key)) == "mrkdwn":
            yield f"/confirm/{key}/type", "must be plain_text"


def _options(node: Json) -> Found:
    options, kind = _list(node.get("options")), node.get("type")
    if kind in _CHOICES and len(options) > _MOST_CHOICES:
        yield "/options", f"no more than {_MOST_CHOICES} items allowed"
    for index, option in enumerate(options):
        if kind not in _CHOICES and _type(_dict(option).get("text")) == "mrkdwn":
            yield f"/options/{index}/text/type", "must be plain_text"
        if len(str(_dict(option).get("value") or "")) > _OPTION_VALUE:
            yield f"/options/{index}/value", f"must be no more than {_OPTION_VALUE} characters"
    if options and any(one not in options for one in _list(node.get("initial_options"))):
        yield "/initial_options", "must be among the options"


def _places(node: Json) -> Found:
    """Which elements may stand where."""
    kind = str(node.get("type"))
    for index, element in enumerate(_list(node.get("elements")) if kind in _HOLDS else []):
        if _type(element) not in _HOLDS[kind]:
            yield f"/elements/{index}/type", f"is no element of {kind}"
    if node.get("accessory") is not None and _type(node["accessory"]) not in INTERACTIVE | {"image"}:
        yield "/accessory/type", "is no block element"
    if kind == "input" and (_type(node.get("element")) not in INTERACTIVE or _type(node["element"]) in _SILENT):
        yield "/element/type", "is no input element"


def _lengths(node: Json) -> Found:
    for index, field in enumerate(_list(node.get("fields")) if node.get("type") == "section" else []):
        if len(str(_dict(field).get("text", ""))) > _FIELD:
            yield f"/fields/{index}/text", f"must be no more than {_FIELD} characters"
    if node.get("type") == "plain_text_input":
        most = node.get("max_length", _TYPED)
        if not isinstance(most, int) or not 0 < most <= _TYPED:
            yield "/max_length", f"must be from 1 to {_TYPED}"
        elif node.get("min_length", 0) > most:
            yield "/min_length", "must be no more than max_length"


def _images(node: Json) -> Found:
    if node.get("type") == "image" and not (node.get("image_url") or node.get("slack_file")):
        yield "", "missing required field: image_url or slack_file"


def _cells(node: Json) -> Found:
    for number, row in enumerate(_list(node.get("rows")) if node.get("type") == "table" else []):
        if len(_list(row)) > _MOST_CELLS:
            yield f"/rows/{number}", f"no more than {_MOST_CELLS} items allowed"
        for index, cell in enumerate(_list(row)):
            if isinstance(cell, dict) and _type(cell) not in _CELLS:
                yield f"/rows/{number}/{index}/type", "is no cell of a table"


def _type(value: Any) -> Any:
    return value.get("type") if isinstance(value, dict) else None


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_RULES: tuple[Callable[[Json], Found], ...] = (_plain_texts, _options, _places, _lengths, _images, _cells)
