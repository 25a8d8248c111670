"""The form of a schedule, drawn: what, of which VMs, to where, when, with its next times below as it is typed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

from bot.errors import UsageError
from bot.model import CatchUp, Json, ScheduleRequest
from bot.recurrence import parse
from handlers import ids, scheduling
from handlers.blocks import cut, quiet
from handlers.schedulelists import when
from handlers.views import input_block, modal, option, plain

WHAT, VMS, TARGETS, WHEN, ZONE = "what", "vms", "targets", "when", "zone"  # blocks of the form
CATCH_UP, ALSO, PREVIEW = "catch_up", "also", "preview"
NEW_TITLE, EDIT_TITLE = "Schedule", "Change a schedule"
NEXT_TIMES = 5
OF_NO_TARGET = ("summary", "expire")
CONFIGURED = "configured"
_WHATS = (
    ("protect", "Protect VMs into targets"),
    ("verify", "Verify their newest recovery points"),
    ("drill", "Drill: prove that they come back"),
    ("summary", "Tell a summary in this channel"),
    ("expire", "Remove what retention lets go, and move what is old to its tier"),
)
_CATCH_UPS = (
    (CONFIGURED, "As cloudy.toml says"),
    (CatchUp.LATEST.value, "The latest one only"),
    (CatchUp.ALL.value, "All of them, one after another"),
    (CatchUp.NONE.value, "None: told, and left"),
)
_TYPED: Json = {"trigger_actions_on": ["on_character_entered", "on_enter_pressed"]}
_LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleForm:
    """What is known when the form is drawn."""

    targets: tuple[str, ...]
    memo: str  # private_metadata; comes back with the submission
    where: str  # where the answers will be, in words
    zone: str
    preview: tuple[str, ...]
    id: str = ""  # of the schedule that is changed
    asked: ScheduleRequest = field(default_factory=lambda: ScheduleRequest(workflow="protect", recurrence=""))


def draw(form: ScheduleForm) -> Json:
    """The form."""
    frame = modal(EDIT_TITLE if form.id else NEW_TITLE) | {
        "callback_id": ids.SCHEDULE_FORM,
        "submit": plain("Change" if form.id else "Schedule"),
        "close": plain("Cancel"),
    }
    where: Json = {"type": "context", "elements": [plain(form.where)]}
    fields = [
        _what(form.asked.workflow),
        _vms(form.asked.vms),
        _targets(form.targets, form.asked.targets, is_new=not form.id),
        _when(form.asked.recurrence),
        _zone(form.zone),
        preview_block(form.preview),
        _catch_up(form.asked.catch_up),
        _also(scheduling.also(form.asked)),
    ]
    return {**frame, "private_metadata": form.memo, "blocks": [*fields, where]}


def previewed(view: Json, preview: Sequence[str]) -> Json:
    """The open form with other next times; what is filled in stays, since no field changes its name."""
    kept = ("type", "title", "callback_id", "submit", "close", "private_metadata")
    blocks = [preview_block(preview) if block.get("block_id") == PREVIEW else block for block in view["blocks"]]
    return {name: view[name] for name in kept if name in view} | {"blocks": blocks}


def preview(phrase: str, zone: str, now: datetime) -> tuple[str, ...]:
    """The next times of a phrase, or why there are none; in mrkdwn."""
    if not phrase.strip():
        return ("Its next times are shown here.",)
    try:
        recurrence = parse(phrase, zone).begun(now)
    except UsageError as error:
        return (quiet(cut(error.message, _LONGEST)),)
    local = ZoneInfo(recurrence.zone)
    times = (
        f"{at.astimezone(local):%a %Y-%m-%d %H:%M} in {recurrence.zone} · {when(at)} by your clock"
        for at in islice(recurrence.after(now), NEXT_TIMES)
    )
    return (quiet(cut(str(recurrence), _LONGEST)), *times)


def preview_block(lines: Sequence[str]) -> Json:
    """The block that is drawn anew."""
    said = {"type": "mrkdwn", "text": "\n".join(lines) or "–", "verbatim": True}
    return {"type": "context", "block_id": PREVIEW, "elements": [said]}


def _what(chosen: str) -> Json:
    offered = [option(label, value) for value, label in _WHATS]
    initial = next((each for each in offered if each["value"] == chosen), offered[0])
    return input_block(WHAT, "What", {"type": "static_select", "options": offered, "initial_option": initial})


def _vms(names: Sequence[str]) -> Json:
    hint = "Names, patterns like web*, groups like @web, with commas between. None: a drill of whose turn it is."
    menu = _text(scheduling.listed(names), "vm01, web*, @group")
    return input_block(VMS, "VMs", menu, hint=hint, optional=True)


def _targets(names: Sequence[str], chosen: Sequence[str], *, is_new: bool) -> Json:
    offered = [option(name, name) for name in names[:100]]
    menu: Json = {"type": "multi_static_select", "options": offered, "placeholder": plain("Where to, or from")}
    initial = [each for each in offered if each["value"] in chosen] or (offered if is_new and len(offered) == 1 else [])
    return input_block(TARGETS, "Targets", menu | ({"initial_options": initial} if initial else {}), optional=True)


def _when(phrase: str) -> Json:
    menu = _text(phrase, "weekdays at 22:30 within 2h") | {"action_id": ids.SCHEDULE_WHEN}
    field = input_block(WHEN, "When", menu | {"dispatch_action_config": _TYPED})
    return field | {"dispatch_action": True}


def _zone(zone: str) -> Json:
    menu = _text(zone, "Europe/Berlin") | {"action_id": ids.SCHEDULE_ZONE, "dispatch_action_config": _TYPED}
    return input_block(ZONE, "Time zone, where it names none", menu) | {"dispatch_action": True}


def _catch_up(chosen: CatchUp | None) -> Json:
    offered = [option(label, value) for value, label in _CATCH_UPS]
    value = chosen.value if chosen else CONFIGURED
    initial = next(each for each in offered if each["value"] == value)
    menu: Json = {"type": "static_select", "options": offered, "initial_option": initial}
    return input_block(CATCH_UP, "Of times that were missed, catch up with", menu)


def _also(said: str) -> Json:
    return input_block(ALSO, "Also", _text(said, 'keep for 30d, vm-consistent, note "why", deep'), optional=True)


def _text(value: str, example: str) -> Json:
    menu: Json = {"type": "plain_text_input", "placeholder": plain(example), "max_length": 1500}
    return menu | ({"initial_value": value} if value else {})
