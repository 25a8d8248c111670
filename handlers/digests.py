"""Summaries in the chat: `/summary` asks for one, and the buttons of its lines do what is to be done about them."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.errors import CloudyError, UsageError
from bot.model import Concern, DrillRequest, Handout, Json, Place, ProtectRequest, ScheduleRequest, Transaction
from bot.service import Service
from handlers import answers, charts, digestcards, digestcharts, digestforms, forms, history, ids, modals, scheduleforms
from handlers.cards import Card
from handlers.digesting import OVER, Summing
from handlers.origin import Origin, of_click, of_view
from handlers.whisper import after_ack_safe, tell_once

_FOREIGN = "That button is not understood any more. Ask for a new summary."


def register(app: App, service: Service) -> None:
    """Listen."""
    for action, command, does in _DOES:
        app.action(action)(after_ack_safe(partial(clicked, command, does, service)))
    app.action(ids.SUMMARY_CHOOSE)(after_ack_safe(partial(choose, service)))
    app.action(ids.SUMMARY_SCHEDULE)(after_ack_safe(partial(schedule, service)))
    app.action(ids.SUMMARY_RESUME)(after_ack_safe(partial(resume, service)))
    app.action(ids.SNOOZE)(after_ack_safe(partial(open_form, digestforms.snooze, service)))
    app.action(ids.ASSIGN)(after_ack_safe(partial(open_form, digestforms.assign, service)))
    app.view(ids.SNOOZE_FORM)(after_ack_safe(partial(submitted, _snoozed, service)))
    app.view(ids.ASSIGN_FORM)(after_ack_safe(partial(submitted, _assigned, service)))


# --- asked for ---


def summary(service: Service, asked: Summing, origin: Origin) -> Card:
    """The digest, for the one who asked; a picture comes besides, where pictures can be drawn."""
    told = service.summaries.digest(asked.span, origin.actor.id if asked.is_mine else "")
    return digestcards.card(told, note=_promised(service, asked, origin))


def _promised(service: Service, asked: Summing, origin: Origin) -> str:
    if asked.is_mine or not charts.is_there():
        return ""
    wanted = {"verb": digestcharts.VERB, "span": asked.span.value}
    try:
        service.handouts.promise(Handout(key=origin.key, person=origin.actor.id, asked=wanted))
    except CloudyError:
        return ""
    return "A picture comes as a PNG file to your conversation with Cloudy."


def snooze(service: Service, asked: Summing, origin: Origin) -> Card:
    """`/cloudy snooze vm01 3d because ...`."""
    act, key = service.concerns, origin.key
    if asked.until == OVER:
        return _said(service, act.wake(asked.what, origin.actor, request_key=key, place=origin.place))
    kept = act.snooze(asked.what, asked.until, asked.why, origin.actor, request_key=key, place=origin.place)
    return _said(service, kept)


def assign(service: Service, asked: Summing, origin: Origin) -> Card:
    """`/cloudy assign vm01 to @bob`."""
    act, place = service.concerns, origin.place
    user = service.person(asked.user).id
    return _said(service, act.assign(asked.what, user, origin.actor, request_key=origin.key, place=place))


# --- clicked ---

Doing = Callable[[Service, str, Origin], tuple[str, Transaction, Card]]


def clicked(command: str, does: Doing, service: Service, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """A button that starts a transaction; the line that it stands on says so from then on."""
    origin, value = of_click(body), str(action.get("value") or "")
    about, transaction, card = does(service, value, _one_for_all(service, command, origin, body, value))
    ack()
    tell_once(service, client, origin, card)
    words = f"{transaction.workflow} asked for by {transaction.actor.name} ({transaction.id})"
    service.concerns.answered(_message(body), about, words)


def _one_for_all(service: Service, command: str, origin: Origin, body: Json, value: str) -> Origin:
    """Under a key that is the line's own: who clicks it after another one is told of what that click began.

    What somebody without the right clicks keeps a key of its own, so that each refusal is in the audit.
    """
    message = _message(body)
    if (body.get("container") or {}).get("is_ephemeral") or service.barred(command, origin.actor, origin.channel):
        return origin
    line = zlib.crc32(value.encode("utf-8", "replace"))
    return replace(origin, key=f"summary:{message.channel}:{message.thread}:{line:08x}")


def _protect(service: Service, value: str, origin: Origin) -> tuple[str, Transaction, Card]:
    about, vm, targets = _read(value)
    request = ProtectRequest(vms=(service.vm_typed(vm),), targets=targets)
    asked = service.protect(request, origin.actor, request_key=origin.key, place=origin.place)
    return about, asked[0], answers.accepted(asked)


def _retry(service: Service, value: str, origin: Origin) -> tuple[str, Transaction, Card]:
    retried = service.again.retry(_id(value), origin.actor, request_key=origin.key, place=origin.place)
    return value, retried, history.retried(retried)


def _drill(service: Service, value: str, origin: Origin) -> tuple[str, Transaction, Card]:
    request, place = DrillRequest(what=_id(value)), origin.place
    drill = service.drills.drill(request, origin.actor, request_key=origin.key, place=place)
    return value, drill, answers.accepted([drill])


_DOES = (
    (ids.SUMMARY_PROTECT, "protect", _protect),
    (ids.SUMMARY_RETRY, "retry", _retry),
    (ids.SUMMARY_DRILL, "drill", _drill),
)


def choose(service: Service, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """Protect…: the form asks where to."""
    _about, vm, _ = _read(str(action.get("value") or ""))
    ack()
    forms.open_protect(service, client, body["trigger_id"], of_click(body), vm=vm)


def schedule(service: Service, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """Schedule…: the form asks when."""
    _about, vm, targets = _read(str(action.get("value") or ""))
    asked = ScheduleRequest(workflow="protect", recurrence="", vms=(service.vm_typed(vm),), targets=targets)
    ack()
    scheduleforms.open_new(service, client, body["trigger_id"], of_click(body), asked)


def resume(service: Service, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """Resume, of a schedule that was suspended."""
    origin, value = of_click(body), str(action.get("value") or "")
    schedule = service.schedules.resume(_id(value), origin.actor, request_key=origin.key, channel=origin.channel)
    ack()
    words = f"resumed by {origin.actor.name}"
    tell_once(service, client, origin, Card(kind="concern", title=f"Schedule {schedule.id}: {words}"))
    service.concerns.answered(_message(body), value, words)


def open_form(
    draw: Callable[..., modals.Form], service: Service, ack: Ack, body: Json, action: Json, client: WebClient
) -> None:
    """Snooze… and Assign…: who, until when, why."""
    origin, about = of_click(body), str(action.get("value") or "")
    ack()
    form = draw(service, about, _message(body), origin.actor.id)
    modals.open_form(service, client, body["trigger_id"], origin, form)


# --- filled in ---

Filled = Callable[[Service, str, Json, Origin, Place], Concern]


def submitted(does: Filled, service: Service, ack: Ack, body: Json, client: WebClient) -> None:
    """Do what was filled in; what is wrong is said beside the field."""
    about, message = digestforms.memo_of(body["view"])
    origin = of_view(body).at(message.channel)
    try:
        kept = does(service, about, modals.values_of(body["view"]), origin, message)
    except CloudyError as error:
        ack(response_action="errors", errors={digestforms.field_of(body["view"], error): error.message})
        return
    ack()
    tell_once(service, client, origin, _said(service, kept))


def _snoozed(service: Service, about: str, values: Json, origin: Origin, message: Place) -> Concern:
    until, why = digestforms.until_of(values), digestforms.reason_of(values)
    return service.concerns.snooze(about, until, why, origin.actor, request_key=origin.key, place=message)


def _assigned(service: Service, about: str, values: Json, origin: Origin, message: Place) -> Concern:
    user = digestforms.user_of(values)
    return service.concerns.assign(about, user, origin.actor, request_key=origin.key, place=message)


# --- small things ---


def _said(service: Service, kept: Concern) -> Card:
    what = service.concerns.said(f"{kept.kind}:{kept.id}")
    lines = []
    if kept.until is not None:
        lines.append(f"No summary tells of it until {kept.until:%Y-%m-%d %H:%M} UTC: {kept.reason}")
    else:
        lines.append("Summaries tell of it.")
    if kept.assigned:
        lines.append(f"{service.person(kept.assigned).name} takes care of it.")
    return Card(kind="concern", title=what, lines=tuple(lines))


def _message(body: Json) -> Place:
    """The message that was clicked."""
    container = body.get("container") or {}
    channel = str(container.get("channel_id") or (body.get("channel") or {}).get("id", ""))
    return Place(channel=channel, thread=str(container.get("message_ts", "")))


def _read(value: str) -> tuple[str, str, tuple[str, ...]]:
    try:
        return digestcards.read(value)
    except (ValueError, RecursionError):
        raise UsageError(_FOREIGN) from None


def _id(value: str) -> str:
    id = value.partition(":")[2]
    if not id:
        raise UsageError(_FOREIGN)
    return id
