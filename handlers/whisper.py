"""Tells one person something after the acknowledgement: a remote call that may fail, and then only the log knows."""

import functools
import logging
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.errors import CloudyError
from bot.model import Json
from bot.service import Service
from handlers import blocks, views
from handlers.blocks import Rendered
from handlers.cards import Card
from handlers.origin import Origin, is_direct

_log = logging.getLogger(__name__)
# Errors of chat.postEphemeral that say: nobody gets anything from the bot in this channel.
_CLOSED = frozenset({"channel_not_found", "is_archived", "not_in_channel", "user_not_in_channel", "restricted_action"})


def whisper(client: WebClient, origin: Origin, card: Card, drawn: Rendered | None = None) -> None:
    """Show the card to the one who asked, where it was asked, else in the conversation with the bot; over the App Home.

    drawn: how it is drawn in a message, where that is more than a card. Never raises for Slack's sake.
    """
    said = blocks.reply(card) if drawn is None else {"text": drawn.text, "blocks": list(drawn.blocks)}
    try:
        is_in_view = bool(origin.trigger and not origin.channel)
        if not (_is_said_over_it(client, origin, card) if is_in_view else _is_said_there(client, origin, said)):
            # Only the two of them read there. A user's id stands for that conversation.
            client.chat_postMessage(channel=origin.actor.id, **said)
    except (SlackClientError, OSError, HTTPException) as error:
        _log.warning("a private answer was not delivered", extra={"action": "whisper", "error": str(error)})


def _is_said_over_it(client: WebClient, origin: Origin, card: Card) -> bool:
    """A trigger opens one view, within 3 s."""
    try:
        client.views_open(trigger_id=origin.trigger, view=views.shown(card, "Cloudy"))
    except SlackApiError:
        return False
    return True


def _is_said_there(client: WebClient, origin: Origin, said: Json) -> bool:
    where: Json = {"channel": origin.channel, "thread_ts": origin.thread or None}
    try:
        if is_direct(origin.channel):  # of the two of them, or of two others, where the bot is not
            client.chat_postMessage(**where, **said)
        elif origin.channel:
            client.chat_postEphemeral(user=origin.actor.id, **where, **said)
    except SlackApiError as error:
        if error.response.get("error") not in _CLOSED:
            raise
        return False
    return bool(origin.channel)


def tell_once(service: Service, client: WebClient, origin: Origin, card: Card, drawn: Rendered | None = None) -> None:
    """Show the card, unless this delivery was answered before."""
    if is_unanswered(service, origin):
        whisper(client, origin, card, drawn)


def is_unanswered(service: Service, origin: Origin) -> bool:
    """Whether nobody has answered this delivery yet, in another thread or before a restart; yes once."""
    try:
        return service.is_new(origin.key)
    except CloudyError:
        return True  # told twice is better than not at all


def after_ack_safe(listener: Callable[..., None]) -> Callable[..., None]:
    """Let nothing raise once the request is acknowledged.

    Bolt 1.30 forgets an acknowledgement if its listener raises before the answer has left (its runner looks every
    10 ms); the person would see a time-out for what has been done.
    """

    @functools.wraps(listener)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            listener(*args, **kwargs)
        except Exception:
            ack = kwargs.get("ack")
            if ack is None or ack.response is None:
                raise
            _log.exception("failed after the acknowledgement", extra={"action": "listener"})

    return guarded
