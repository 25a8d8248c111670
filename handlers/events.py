"""Mentions: `@cloudy stop` and the like, in a thread or beside one; the same words to the bot alone need no mention.

Bolt acknowledges an event before its listener runs, and Slack sends again only what was not acknowledged: so a mention
is carried out in a middleware, which comes before both, and the listener tells the answer.
"""

from collections.abc import Callable
from functools import partial
from http.client import HTTPException

from slack_bolt import App, BoltContext
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError

from bot.model import Json
from bot.service import Service
from handlers import parse
from handlers.orders import carry_out
from handlers.origin import of_mention
from handlers.webapi import waiting
from handlers.whisper import tell_once

_NAME_S = 1  # Slack waits 3 s for the acknowledgement, and without a name the id does


def register(app: App, service: Service) -> None:
    """Listen."""
    for event in ("app_mention", "message"):
        app.event(event, middleware=[partial(carried_out, service)])(partial(answered, service))


def carried_out(
    service: Service, body: Json, client: WebClient, context: BoltContext, next_: Callable[[], None]
) -> None:
    """`@cloudy stop|status|help|...`, or without the name to the bot alone."""
    origin = of_mention(body)
    if origin.actor.id and _is_for_us(body["event"]):
        origin = origin.named(_name_of(client, origin.actor.id))
        context["answer"] = origin, carry_out(service, parse.mention(origin.text), origin)
    next_()


def _is_for_us(event: Json) -> bool:
    """Whether a person said it, and to us: no bot, no edit or deletion, and no message of a channel."""
    if "bot_id" in event or "subtype" in event:
        return False
    return event["type"] == "app_mention" or event.get("channel_type") == "im"


def answered(service: Service, client: WebClient, context: BoltContext) -> None:
    """Tell the one who mentioned us."""
    if "answer" in context:
        tell_once(service, client, *context["answer"])


def _name_of(client: WebClient, user: str) -> str:
    """The name as slash commands have it; the id where Slack does not tell (no users:read scope, no connection)."""
    try:
        return str(waiting(client, _NAME_S).users_info(user=user)["user"]["name"])
    except (SlackClientError, OSError, HTTPException, KeyError, TypeError):
        return user
