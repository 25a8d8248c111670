"""Mentions: `@cloudy stop` and the like, in a thread or beside one. Bolt acknowledges events before it calls us."""

from functools import partial
from http.client import HTTPException

from slack_bolt import App
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError

from bot.model import Json
from bot.service import Service
from handlers import parse
from handlers.orders import carry_out
from handlers.origin import of_mention
from handlers.whisper import whisper


def register(app: App, service: Service) -> None:
    """Listen."""
    app.event("app_mention")(partial(mentioned, service))


def mentioned(service: Service, body: Json, client: WebClient) -> None:
    """`@cloudy stop|status|help|...`; what another bot says is not for us."""
    origin = of_mention(body)
    if origin.actor.id and "bot_id" not in body["event"]:
        origin = origin.named(_name_of(client, origin.actor.id))
        whisper(client, origin, carry_out(service, parse.mention(origin.text), origin))


def _name_of(client: WebClient, user: str) -> str:
    """The name as slash commands have it; the id where Slack does not tell (no users:read scope, no connection)."""
    try:
        return str(client.users_info(user=user)["user"]["name"])
    except (SlackClientError, OSError, HTTPException, KeyError, TypeError):
        return user
