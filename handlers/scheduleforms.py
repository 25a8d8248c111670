"""The form of a schedule: opened by `/schedule` or Edit, its next times while one types, its submission."""

import json
from collections.abc import Callable
from functools import partial
from http.client import HTTPException

from slack_bolt import Ack, App
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError

from bot.errors import CloudyError, UsageError
from bot.model import Json, ScheduleRequest
from bot.recurrence import parse as recurrence
from bot.service import Service
from handlers import ids, modals, parse, schedulelists, scheduleorders, scheduling
from handlers import scheduleviews as drawn
from handlers.blocks import SECTIONS
from handlers.modals import chosen, held
from handlers.origin import Origin, of_view
from handlers.whisper import after_ack_safe, tell_once

_USAGE = "/schedule protect <vm> to <target> every day at 02:00"


def register(app: App, service: Service) -> None:
    """Listen."""
    app.view(ids.SCHEDULE_FORM)(after_ack_safe(partial(submitted, service)))
    for typed in (ids.SCHEDULE_WHEN, ids.SCHEDULE_ZONE):
        app.action(typed)(after_ack_safe(partial(retimed, service)))


# --- opening ---


def open_new(
    service: Service, client: WebClient, trigger: str, origin: Origin, asked: ScheduleRequest | None = None
) -> None:
    """Open a form for who pressed the key; see modals.open_form. asked: what stands in it already."""

    def draw(channel: str) -> Json:
        return _form(service, channel, _zone_of(client, origin.actor.id) or service.schedules.zone, asked=asked)

    form = modals.Form(title=drawn.NEW_TITLE, command="schedule", usage=_USAGE, draw=draw)
    modals.open_form(service, client, trigger, origin, form)


def open_edit(service: Service, client: WebClient, trigger: str, origin: Origin, which: str) -> None:
    """Open it filled with what a schedule is."""

    def draw(channel: str) -> Json:
        schedule = service.schedules.get(which).schedule
        zone = recurrence(schedule.asked.recurrence).zone
        return _form(service, channel, zone, schedule.id, schedule.asked)

    usage = f"/schedule edit {which} <when, or all of it anew>"
    form = modals.Form(title=drawn.EDIT_TITLE, command="schedule", usage=usage, draw=draw)
    modals.open_form(service, client, trigger, origin, form)


def _form(service: Service, channel: str, zone: str, which: str = "", asked: ScheduleRequest | None = None) -> Json:
    request = asked or ScheduleRequest(workflow="protect", recurrence="")
    known = drawn.ScheduleForm(
        targets=service.target_names,
        memo=json.dumps({"channel": channel, "schedule": which}),
        where=modals.where(channel),
        zone=zone,
        preview=drawn.preview(request.recurrence, zone, service.now()),
        id=which,
        asked=request,
    )
    return drawn.draw(known)


def _zone_of(client: WebClient, user: str) -> str:
    """The time zone of who fills it in; "" where Slack does not tell (no users:read scope)."""
    try:
        zone = str(client.users_info(user=user)["user"].get("tz") or "")
        return recurrence("daily", zone).zone
    except (SlackClientError, OSError, HTTPException, KeyError, TypeError, AttributeError, UsageError):
        return ""


# --- while one types ---


def retimed(service: Service, ack: Ack, body: Json, client: WebClient) -> None:
    """Draw the next times anew."""
    ack()
    view = body["view"]
    values = modals.values_of(view)
    lines = drawn.preview(_typed(values, drawn.WHEN), _typed(values, drawn.ZONE), service.now())
    modals.update(client, view, drawn.previewed(view, lines), lambda: None)


# --- its submission ---


def submitted(service: Service, ack: Ack, body: Json, client: WebClient) -> None:
    """Do what the same command would; what is wrong is said beside the field."""
    view = body["view"]
    origin = of_view(body).at(modals.channel_of(view))
    request, wrong = read(modals.values_of(view))
    if request is None:
        ack(response_action="errors", errors=wrong)
        return
    which = _which(view)
    try:
        listing = (
            scheduleorders.edit(service, which, request, origin)
            if which
            else scheduleorders.add(service, request, origin)
        )
    except CloudyError as error:
        ack(response_action="errors", errors={_block_of(error.message, request): error.message})
        return
    ack()
    tell_once(service, client, origin, schedulelists.card(listing), schedulelists.draw(listing, SECTIONS))


def read(values: Json) -> tuple[ScheduleRequest | None, dict[str, str]]:
    """What was filled in, or what is wrong by the block of each field."""
    wrong: dict[str, str] = {}

    def looked(block: str, look: Callable[[], object]) -> None:
        try:
            look()
        except (ValueError, CloudyError) as error:
            wrong.setdefault(block, str(error))

    phrase, zone, vms = (_typed(values, block) for block in (drawn.WHEN, drawn.ZONE, drawn.VMS))
    looked(drawn.ZONE, lambda: recurrence("daily", zone))
    if drawn.ZONE not in wrong:
        looked(drawn.WHEN, lambda: recurrence(phrase, zone))
    looked(drawn.VMS, lambda: scheduling.names(parse.words(vms)) if vms else None)
    if chosen(held(values, drawn.WHAT)) == "protect":
        wrong |= {} if vms else {drawn.VMS: "Say which VMs."}
        wrong |= {} if _targets(values) else {drawn.TARGETS: "Choose at least one target."}
    if wrong:
        return None, wrong
    made: list[ScheduleRequest] = []
    looked(_MISSING, lambda: made.append(_request(values, phrase, zone)))
    if wrong:
        block = drawn.ALSO if _typed(values, drawn.ALSO) else drawn.VMS
        return None, {block: wrong[_MISSING]}
    return made[0], {}


_MISSING = "request"


def _request(values: Json, phrase: str, zone: str) -> ScheduleRequest:
    """Composed and read as the typed command is."""
    workflow, catch_up = chosen(held(values, drawn.WHAT)), chosen(held(values, drawn.CATCH_UP))
    targets = _targets(values) if workflow not in drawn.OF_NO_TARGET else []  # the only one may be chosen already
    text = scheduling.composed(
        workflow,
        _typed(values, drawn.VMS),
        targets,
        _typed(values, drawn.ALSO),
        "" if catch_up == drawn.CONFIGURED else catch_up,
        phrase,
    )
    order = parse.schedule(text)
    if order.asked is None:
        raise UsageError("Say what is to start, and when.")
    return order.request(zone)


def _targets(values: Json) -> list[str]:
    return [str(each.get("value")) for each in held(values, drawn.TARGETS).get("selected_options") or ()]


def _block_of(message: str, request: ScheduleRequest) -> str:
    """The field that a refusal is about."""
    if "target" in message and "called" in message:
        return drawn.TARGETS
    return drawn.VMS if request.vms else drawn.WHAT


def _which(view: Json) -> str:
    """The schedule that is changed; "" of a new one."""
    try:
        which = json.loads(view.get("private_metadata") or "{}").get("schedule", "")
    except (ValueError, AttributeError):
        return ""
    return which if isinstance(which, str) else ""


def _typed(values: Json, block: str) -> str:
    return " ".join(str(held(values, block).get("value") or "").split())
