"""Opens forms: Slack gives 3 s from the key press, so an empty one opens at once and is filled then."""

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.model import Json
from bot.service import Service
from handlers import answers, failures, views
from handlers.cards import Card
from handlers.origin import Origin
from handlers.webapi import waiting
from handlers.whisper import whisper

_log = logging.getLogger(__name__)
_OPEN_S = 3  # what Slack gives; a later form opens nothing
_CHANNEL = re.compile("[CDG][A-Z0-9]{2,40}")
_FILLED_OR_CLOSED = ("hash_conflict", "not_found")  # what is refused then need not be told


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form that opens."""

    title: str
    command: str  # that does the same, and is judged
    usage: str  # how it is typed
    draw: Callable[[str], Json]  # by the channel where it is told; what it raises stands in the form's place


def open_form(service: Service, client: WebClient, trigger: str, origin: Origin, form: Form) -> None:
    """Open it for who pressed the key; without a channel, answers go to their conversation with the bot.

    Call it after the acknowledgement. Never raises for Slack's sake; a form that did not open is told.
    """
    opened = called(lambda: waiting(client, _OPEN_S).views_open(trigger_id=trigger, view=views.loading(form.title)))
    if isinstance(opened, str):
        if opened != "exchanged_trigger_id":  # the same key press, delivered twice: the form is open
            whisper(client, origin, _too_late(form))
        return
    update(
        client, opened["view"], _drawn(service, client, origin, form), lambda: whisper(client, origin, _too_late(form))
    )


def update(client: WebClient, view: Json, drawn: Json, otherwise: Callable[[], None]) -> None:
    """Draw an open form anew, unless it has changed since or is closed. otherwise: it could not be."""
    filled = called(lambda: client.views_update(view_id=view["id"], hash=view["hash"], view=drawn))
    if isinstance(filled, str) and filled not in _FILLED_OR_CLOSED:
        otherwise()


def memo(channel: str) -> str:
    """private_metadata: where the form was opened."""
    return json.dumps({"channel": channel})


def channel_of(view: Json) -> str:
    """Where the form was opened; "" where what came back is none of ours."""
    try:
        channel = json.loads(view.get("private_metadata") or "{}").get("channel", "")
    except (ValueError, AttributeError):
        return ""
    return channel if isinstance(channel, str) and _CHANNEL.fullmatch(channel) else ""


def where(channel: str) -> str:
    """Where its answers will be, in words."""
    return f"Its progress comes {answers.where(channel)}; what does not work is told to you alone."


def chosen(held: Json) -> str:
    """The value of the one option that is chosen."""
    return str((held.get("selected_option") or {}).get("value") or "")


def held(values: Json, block: str) -> Json:
    """What the one field of a block holds."""
    return next(iter((values.get(block) or {}).values()), None) or {}


def values_of(view: Json) -> Json:
    """What was filled in, by block and action."""
    values: Json = (view.get("state") or {}).get("values") or {}
    return values


def called(call: Callable[[], Any]) -> Any:
    """What Slack answers; text where it refuses or cannot be asked: why."""
    try:
        return call().data
    except SlackApiError as error:
        why = str(error.response.get("error", "refused"))
    except (SlackClientError, OSError, HTTPException) as error:
        why = type(error).__name__
    _log.warning("a form was not opened or filled", extra={"action": "form", "error": why})
    return why


def _drawn(service: Service, client: WebClient, origin: Origin, form: Form) -> Json:
    try:
        return _form_or_words(service, client, origin, form)
    except Exception as error:  # noqa: BLE001 - whatever it is: a view stands open, and waits for words
        return views.shown(failures.words(error), form.title)


def _form_or_words(service: Service, client: WebClient, origin: Origin, form: Form) -> Json:
    channel = origin.channel or _direct(client, origin.actor.id)
    if not channel:
        words = f"Cloudy cannot write to you here. Use /{form.command} in a channel."
        return views.shown(Card(kind="refused", lines=(words,)), form.title)
    if barred := service.barred(form.command, origin.actor, channel):
        return views.shown(answers.refused(barred), form.title)
    return form.draw(channel)


def _too_late(form: Form) -> Card:
    why = "The form could not be opened: Slack gives three seconds, and they were over."
    return Card(kind="refused", lines=(f"{why} Ask again, or say it in a command: {form.usage}",))


def _direct(client: WebClient, user: str) -> str:
    """Id of the conversation with a user; "" where Slack does not give it."""
    opened = called(lambda: client.conversations_open(users=user))
    return "" if isinstance(opened, str) else str(opened["channel"]["id"])
