"""Modals, drawn: the form of a protect, what is shown while a form comes, and cards in place of a message.

Text from outside stands in plain_text, which Slack never parses. Limits: Slack's reference of views (title, submit and
close 24 characters, private_metadata 3,000) and Block Kit's (option text 75, value 150, 100 options, hint 2,000).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot import keeping
from bot.model import Json
from bot.suggestions import VmChoice
from handlers import blocks, ids
from handlers.cards import Card, one_line

VM, TARGETS, KEEP_FOR, CONSISTENCY, NOTE = "vm", "targets", "keep_for", "consistency", "note"  # blocks of the form
FIELD = "field"  # action_id of every field but the VM's
PROTECT_TITLE = "Protect a VM"
_LABEL, _VALUE, _OPTIONS, _WORDS = 75, 150, 100, 1000
_CONSISTENCIES = (("crash", "Crash-consistent: at once"), ("vm", "VM-consistent: the guest is asked to be still"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectForm:
    """What is known when the form is drawn."""

    targets: tuple[str, ...]
    memo: str  # private_metadata; comes back with the submission
    where: str  # where the answers will be, in words
    vm: VmChoice | None = None  # that is chosen already


def loading(title: str) -> Json:
    """What opens at once, since the right to open something is gone after 3 s."""
    return {**modal(title), "blocks": [{"type": "section", "text": plain("One moment …")}]}


def protect_form(form: ProtectForm) -> Json:
    """The form of `/protect`."""
    fields = [_vm(form.vm), _targets(form.targets), _keep_for(), _consistency(), _note()]
    where: Json = {"type": "context", "elements": [plain(form.where)]}
    frame = modal(PROTECT_TITLE) | {
        "callback_id": ids.PROTECT_FORM,
        "submit": plain("Protect"),
        "close": plain("Cancel"),
    }
    return {**frame, "private_metadata": form.memo, "blocks": [*fields, where]}


def shown(card: Card, title: str) -> Json:
    """A card as a modal, with nothing to fill in."""
    drawn = blocks.render_card(card, blocks.SECTIONS)
    return {**modal(title), "close": plain("Close"), "blocks": list(drawn.blocks)}


def options(choices: Sequence[VmChoice]) -> list[Json]:
    """Entries of the menu of VMs; one that Slack would not give back whole is left out."""
    fitting = (choice for choice in choices if len(choice.value) <= _VALUE)
    return [option(choice.label, choice.value) for choice in fitting][:_OPTIONS]


def plain(text: str, most: int = _WORDS) -> Json:
    """Text that Slack shows as it stands."""
    return {"type": "plain_text", "text": blocks.cut(one_line(text), most) or "–", "emoji": False}


def modal(title: str) -> Json:
    """The frame of a form, or of a card in the place of one."""
    return {"type": "modal", "title": plain(title, 24)}


def _vm(chosen: VmChoice | None) -> Json:
    menu: Json = {
        "type": "external_select",
        "action_id": ids.FORM_VM,
        "min_query_length": 0,
        "placeholder": plain("A part of its name"),
    }
    menu |= {"initial_option": option(chosen.label, chosen.value)} if chosen else {}
    hint = "Not there? A VM made in the last minutes can be named by command: /protect <vm> to <target>"
    return input_block(VM, "VM", menu, hint=hint)


def _targets(names: Sequence[str]) -> Json:
    offered = [option(name, name) for name in names[:_OPTIONS]]
    menu: Json = {"type": "multi_static_select", "options": offered, "placeholder": plain("Where to")}
    if len(offered) == 1:
        menu["initial_options"] = offered
    return input_block(TARGETS, "Targets", menu)


def _keep_for() -> Json:
    field: Json = {"type": "plain_text_input", "placeholder": plain("30d, 12w, 1y or forever")}
    return input_block(KEEP_FOR, "Keep for", field, optional=True)


def _consistency() -> Json:
    offered = [option(label, value) for value, label in _CONSISTENCIES]
    return input_block(
        CONSISTENCY, "Consistency", {"type": "radio_buttons", "options": offered, "initial_option": offered[0]}
    )


def _note() -> Json:
    field: Json = {"type": "plain_text_input", "max_length": keeping.LONGEST_NOTE, "placeholder": plain("Why")}
    return input_block(NOTE, "Note", field, optional=True)


def input_block(block_id: str, label: str, element: Json, *, hint: str = "", optional: bool = False) -> Json:
    """A field under its label."""
    field: Json = {"type": "input", "block_id": block_id, "label": plain(label), "optional": optional}
    said = {"hint": plain(hint)} if hint else {}
    return {**field, "element": {"action_id": FIELD, **element}, **said}


def option(label: str, value: str, note: str = "") -> Json:
    """An entry of a menu; note: a second, smaller line."""
    entry: Json = {"text": plain(label, _LABEL), "value": value}
    return entry | {"description": plain(note, _LABEL)} if note else entry
