"""Tells one person something after the acknowledgement: a remote call that may fail, and then only the log knows."""

import functools
import logging
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError

from bot.errors import CloudyError
from bot.service import Service
from handlers import blocks
from handlers.cards import Card
from handlers.origin import Origin

_log = logging.getLogger(__name__)


def whisper(client: WebClient, origin: Origin, card: Card) -> None:
    """Show the card to the one who asked, where it was asked. Never raises for Slack's sake."""
    try:
        client.chat_postEphemeral(
            channel=origin.channel, user=origin.actor.id, thread_ts=origin.thread or None, **blocks.reply(card)
        )
    except (SlackClientError, OSError, HTTPException) as error:
        _log.warning("a private answer was not delivered", extra={"action": "whisper", "error": str(error)})


def tell_once(service: Service, client: WebClient, origin: Origin, card: Card) -> None:
    """Show the card, unless this delivery was answered before: in another thread, or before a restart."""
    try:
        is_new = service.is_new(origin.key)
    except CloudyError:
        is_new = True  # told twice is better than not at all
    if is_new:
        whisper(client, origin, card)


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
