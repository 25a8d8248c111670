"""The form of a protect: opened by a command or shortcut, its menu of VMs, its submission.

Slack gives 3 s from the key press to open something, so an empty form opens at once and is filled then.
"""

import json
import logging
import re
from collections.abc import Callable
from copy import copy
from functools import partial
from http.client import HTTPException
from typing import Any

from slack_bolt import Ack, App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot import keeping
from bot.errors import CloudyError, NotFound
from bot.model import Json, ProtectRequest, Transaction
from bot.service import Service
from handlers import answers, failures, ids, views
from handlers.cards import Card
from handlers.origin import Origin, of_view
from handlers.whisper import after_ack_safe, tell_once, whisper

_log = logging.getLogger(__name__)
_OPEN_S = 3  # what Slack gives; a later form opens nothing
_CHANNEL = re.compile("[CDG][A-Z0-9]{2,40}")
_TOO_LATE = (
    "The form could not be opened: Slack gives three seconds, and they were over. Ask again, or say it in a command:"
    " /protect <vm> to <target>"
)
_NO_TARGET = "There is no target to protect to: whoever runs Cloudy adds one to cloudy.toml, like [targets.s3]."
_NOWHERE = "Cloudy cannot write to you here. Use /protect in a channel."


def register(app: App, service: Service) -> None:
    """Listen."""
    app.view(ids.PROTECT_FORM)(after_ack_safe(partial(submitted, service)))
    app.options(ids.FORM_VM)(partial(suggested, service))


# --- opening ---


def open_protect(service: Service, client: WebClient, trigger: str, origin: Origin) -> None:
    """Open the form for who pressed the key; without a channel, answers go to their conversation with the bot.

    Call it after the acknowledgement. Never raises for Slack's sake; a form that did not open is told.
    """
    opened = _called(lambda: _quick(client).views_open(trigger_id=trigger, view=views.loading()))
    if isinstance(opened, str):
        if opened != "exchanged_trigger_id":  # the same key press, delivered twice: the form is open
            whisper(client, origin, Card(kind="refused", lines=(_TOO_LATE,)))
        return
    view, form = opened["view"], _form_or_why_not(service, client, origin)
    filled = _called(lambda: client.views_update(view_id=view["id"], hash=view["hash"], view=form))
    if isinstance(filled, str) and filled not in ("hash_conflict", "not_found"):  # else it is filled, or closed
        whisper(client, origin, Card(kind="refused", lines=(_TOO_LATE,)))


def _form_or_why_not(service: Service, client: WebClient, origin: Origin) -> Json:
    try:
        return _form(service, client, origin)
    except Exception as error:  # noqa: BLE001 - whatever it is: a view stands open, and waits for words
        return views.shown(failures.words(error), "Protect a VM")


def _form(service: Service, client: WebClient, origin: Origin) -> Json:
    channel = origin.channel or _direct(client, origin.actor.id)
    if not channel:
        return views.shown(Card(kind="refused", lines=(_NOWHERE,)), "Protect a VM")
    if barred := service.barred("protect", origin.actor, channel):
        return views.shown(answers.refused(barred), "Protect a VM")
    if not service.target_names:
        return views.shown(Card(kind="refused", lines=(_NO_TARGET,)), "Protect a VM")
    where = f"Its progress comes {answers.where(channel)}; what does not work is told to you alone."
    memo = json.dumps({"channel": channel})
    return views.protect_form(views.ProtectForm(targets=service.target_names, memo=memo, where=where))


def _direct(client: WebClient, user: str) -> str:
    """Id of the conversation with a user; "" where Slack does not give it."""
    opened = _called(lambda: client.conversations_open(users=user))
    return "" if isinstance(opened, str) else str(opened["channel"]["id"])


def _quick(client: WebClient) -> WebClient:
    quick = copy(client)
    quick.timeout = _OPEN_S
    return quick


def _called(call: Callable[[], Any]) -> Any:
    """What Slack answers; text where it refuses or cannot be asked: why."""
    try:
        return call().data
    except SlackApiError as error:
        why = str(error.response.get("error", "refused"))
    except (SlackClientError, OSError, HTTPException) as error:
        why = type(error).__name__
    _log.warning("a form was not opened or filled", extra={"action": "form", "error": why})
    return why


# --- its menu of VMs ---


def suggested(service: Service, ack: Ack, body: Json) -> None:
    """Answer each key stroke from the database."""
    ack(options=views.options(service.suggest_vms(str(body.get("value") or ""))))


# --- its submission ---


def submitted(service: Service, ack: Ack, body: Json, client: WebClient) -> None:
    """Do what the same command would; what is wrong is said beside the field."""
    origin = of_view(body).at(channel_of(body["view"]))
    asked, wrong = _carried_out(service, body["view"], origin)
    if wrong:
        ack(response_action="errors", errors=wrong)
        return
    ack()
    tell_once(service, client, origin, answers.accepted(asked))


def _carried_out(service: Service, view: Json, origin: Origin) -> tuple[tuple[Transaction, ...], dict[str, str]]:
    """What was asked for, or what is wrong by the block of each field."""
    request, wrong = read(view, service.vm_typed)
    if request is None:
        return (), wrong
    try:
        return service.protect(request, origin.actor, request_key=origin.key, place=origin.place), {}
    except CloudyError as error:
        return (), {views.TARGETS if isinstance(error, NotFound) else views.VM: error.message}


def channel_of(view: Json) -> str:
    """Where the form was opened; "" where what came back is none of ours."""
    try:
        channel = json.loads(view.get("private_metadata") or "{}").get("channel", "")
    except (ValueError, AttributeError):
        return ""
    return channel if isinstance(channel, str) and _CHANNEL.fullmatch(channel) else ""


def read(view: Json, vm_typed: Callable[[str], str]) -> tuple[ProtectRequest | None, dict[str, str]]:
    """Read what was filled in: a request, or what is wrong by the block of each field.

    vm_typed: choice to name; NotFound: it is gone.
    """
    values = (view.get("state") or {}).get("values") or {}
    wrong: dict[str, str] = {}

    def field(block: str, of: Callable[[Json], str]) -> str:
        try:
            return of(_held(values, block))
        except (ValueError, CloudyError) as error:
            wrong[block] = str(error)
            return ""

    targets = tuple(str(each.get("value")) for each in _held(values, views.TARGETS).get("selected_options") or ())
    if not targets:
        wrong[views.TARGETS] = "Choose at least one target."
    request = ProtectRequest(
        vms=(field(views.VM, lambda held: _vm(held, vm_typed)),),
        targets=targets,
        consistency=_chosen(_held(values, views.CONSISTENCY)) or "crash",
        note=field(views.NOTE, lambda held: keeping.note(str(held.get("value") or ""))),
        keep_for=field(views.KEEP_FOR, _keep_for),
    )
    return (None if wrong else request), wrong


def _vm(held: Json, vm_typed: Callable[[str], str]) -> str:
    if not (value := _chosen(held)):
        raise ValueError("Choose a VM.")
    return vm_typed(value)


def _keep_for(held: Json) -> str:
    said = str(held.get("value") or "").strip()
    return keeping.parse(said) if said else ""


def _chosen(held: Json) -> str:
    return str((held.get("selected_option") or {}).get("value") or "")


def _held(values: Json, block: str) -> Json:
    """What the one field of a block holds."""
    return next(iter((values.get(block) or {}).values()), None) or {}
