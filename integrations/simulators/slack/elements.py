"""Interactive elements inside blocks: which there are, what they hold, what a person's choice makes of them.

Source: https://docs.slack.dev/reference/block-kit/block-elements.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]

# By type: where the choice stands in a payload, where the block's author puts the first one, whether it is a list.
_HOLDS = {
    "plain_text_input": ("value", "initial_value", False),
    "number_input": ("value", "initial_value", False),
    "email_text_input": ("value", "initial_value", False),
    "url_text_input": ("value", "initial_value", False),
    "rich_text_input": ("rich_text_value", "initial_value", False),
    "static_select": ("selected_option", "initial_option", False),
    "external_select": ("selected_option", "initial_option", False),
    "radio_buttons": ("selected_option", "initial_option", False),
    "multi_static_select": ("selected_options", "initial_options", True),
    "multi_external_select": ("selected_options", "initial_options", True),
    "checkboxes": ("selected_options", "initial_options", True),
    "users_select": ("selected_user", "initial_user", False),
    "multi_users_select": ("selected_users", "initial_users", True),
    "channels_select": ("selected_channel", "initial_channel", False),
    "multi_channels_select": ("selected_channels", "initial_channels", True),
    "conversations_select": ("selected_conversation", "initial_conversation", False),
    "multi_conversations_select": ("selected_conversations", "initial_conversations", True),
    "datepicker": ("selected_date", "initial_date", False),
    "timepicker": ("selected_time", "initial_time", False),
    "datetimepicker": ("selected_date_time", "initial_date_time", False),
}
_STATELESS = frozenset({"button", "overflow", "icon_button", "feedback_buttons", "workflow_button"})
INTERACTIVE = _STATELESS | frozenset(_HOLDS)


class Directory(Protocol):
    """What a typed choice may stand for. LookupError: there is no such thing."""

    def user_id(self, name: str) -> str:
        """A user."""

    def channel_id(self, name: str) -> str:
        """A channel."""

    def suggest(self, element: "Element", text: str) -> list[Json]:
        """The app's options for what was typed."""


@dataclass(frozen=True, slots=True)
class Element:
    """One interactive element with what its block says about it."""

    block_id: str
    body: Json
    label: str  # of the input block, else what stands on the element
    is_optional: bool = True
    is_silent: bool = False  # the app hears of it when the view is submitted, not before

    @property
    def kind(self) -> str:
        """Its type."""
        return str(self.body.get("type"))

    @property
    def action_id(self) -> str:
        """Its name for the app."""
        return str(self.body.get("action_id", ""))

    @property
    def key(self) -> tuple[str, str]:
        """Where its value stands in state.values."""
        return self.block_id, self.action_id

    @property
    def names(self) -> tuple[str, ...]:
        """What a person may call it."""
        placeholder = str((self.body.get("placeholder") or {}).get("text", ""))
        return tuple(name for name in (self.label, placeholder, self.action_id) if name)

    def is_for(self, user_id: str) -> bool:
        """Whether it is drawn for that user."""
        only = self.body.get("visible_to_user_ids")
        return not only or user_id in only

    @property
    def has_value(self) -> bool:
        """Whether it holds anything."""
        return self.kind in _HOLDS

    def first(self) -> Json:
        """What it holds before anybody has touched it."""
        field, initial, is_list = _HOLDS[self.kind]
        return {"type": self.kind, field: self.body.get(initial, [] if is_list else None)}

    def is_empty(self, value: Json) -> bool:
        """Whether that value is none."""
        return not value.get(_HOLDS[self.kind][0])

    def entered(self, text: str, directory: Directory) -> Json:
        """What it holds after a person typed or chose that; several, where it takes several, parted by commas.

        LookupError: it offers no such thing, with what it offers.
        """
        field, _, is_list = _HOLDS[self.kind]
        if is_list:
            parts = [part.strip() for part in text.split(",") if part.strip()]
            return {"type": self.kind, field: [self._one(part, directory) for part in parts]}
        return {"type": self.kind, field: self._one(text, directory) if text else None}

    def holding(self, value: Any) -> Json:
        """What it holds when a person has picked that: a text, an option, an id; a list where it takes many.

        ValueError: it offers no such thing.
        """
        field, _, is_list = _HOLDS[self.kind]
        offered = [{"text": option["text"], "value": option.get("value")} for option in self.options()]
        for one in value if is_list and isinstance(value, list) else [value]:
            if offered and one is not None and {"text": one.get("text"), "value": one.get("value")} not in offered:
                raise ValueError(f"{self.label or self.action_id} does not offer that.")
        if is_list != isinstance(value, list):
            raise ValueError(f"{self.label or self.action_id} takes {'several values' if is_list else 'one value'}.")
        return {"type": self.kind, field: value if value != "" else None}

    def option(self, label: str) -> Json | None:
        """The option of that label, if it has one of its own."""
        return next((one for one in self.options() if _plain(one.get("text")) == label), None)

    def options(self) -> list[Json]:
        """All options that came with it."""
        groups = self.body.get("option_groups") or []
        return [*(self.body.get("options") or []), *(one for group in groups for one in group.get("options") or [])]

    def _one(self, text: str, directory: Directory) -> Any:
        if "users_select" in self.kind:
            return directory.user_id(text.removeprefix("@"))
        if "channels_select" in self.kind or "conversations_select" in self.kind:
            return directory.channel_id(text.removeprefix("#"))
        if "external_select" in self.kind:
            return _chosen(self, directory.suggest(self, text), text)
        if self.options() or self.kind in ("static_select", "radio_buttons", "checkboxes", "multi_static_select"):
            return _chosen(self, self.options(), text)
        if self.kind == "datetimepicker":
            return int(text)
        return text


def elements_of(blocks: Sequence[Any]) -> Iterator[Element]:
    """The interactive elements of blocks, top to bottom, those inside containers too."""
    for block in blocks:
        if not isinstance(block, dict):
            continue
        block_id = str(block.get("block_id", ""))
        for body in [*_list(block.get("elements")), block.get("accessory"), *_list(block.get("actions"))]:
            if isinstance(body, dict) and body.get("type") in INTERACTIVE:
                yield Element(block_id, body, _plain(body.get("text")))
        body = block.get("element")
        if isinstance(body, dict) and body.get("type") in INTERACTIVE:
            optional, silent = bool(block.get("optional")), not block.get("dispatch_action")
            yield Element(block_id, body, _plain(block.get("label")), is_optional=optional, is_silent=silent)
        yield from elements_of(_list(block.get("child_blocks")))


def state_of(blocks: Sequence[Any], typed: dict[tuple[str, str], Json]) -> Json:
    """`state.values`: by block_id and action_id."""
    values: Json = {}
    for element in elements_of(blocks):
        if element.has_value:
            values.setdefault(element.block_id, {})[element.action_id] = typed.get(element.key) or element.first()
    return {"values": values}


def shown_value(value: Json) -> str:
    """A value as a person sees it."""
    held = next((value[field] for field, _, _ in _HOLDS.values() if value.get(field)), "")
    parts = held if isinstance(held, list) else [held]
    return ", ".join(_plain(part.get("text")) if isinstance(part, dict) else str(part) for part in parts)


def _chosen(element: Element, options: list[Json], label: str) -> Json:
    for option in options:
        if _plain(option.get("text")) == label:
            return {"text": option["text"], "value": option.get("value")}
    offered = ", ".join(f'"{_plain(option.get("text"))}"' for option in options) or "nothing"
    raise LookupError(f'"{element.label or element.action_id}" does not offer "{label}"; it offers {offered}.')


def _plain(text: Any) -> str:
    return str(text.get("text", "")).strip() if isinstance(text, dict) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
