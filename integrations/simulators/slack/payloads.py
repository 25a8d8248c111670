"""What Slack puts into slash commands, clicks and mentions. Source: https://docs.slack.dev/interactivity."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .people import APP_ID, BOT_USER_ID, TEAM_DOMAIN, TEAM_ID, Channel, User
from .workspace import Message

Json = dict[str, Any]

_VERIFICATION = "verification"  # the deprecated token, which nobody should read


@dataclass(frozen=True, slots=True)
class Button:
    """One button in one message."""

    message: Message
    block_id: str
    element: Json

    @property
    def label(self) -> str:
        """What stands on it."""
        return str(self.element.get("text", {}).get("text", "")).strip()

    def is_for(self, user_id: str) -> bool:
        """Whether it is drawn for that user."""
        only = self.element.get("visible_to_user_ids")
        return not only or user_id in only


def buttons_of(message: Message) -> Iterator[Button]:
    """The buttons of a message as it stands now, top to bottom."""
    for block in message.blocks:
        for element in [*(block.get("elements") or []), block.get("accessory")]:
            if isinstance(element, dict) and element.get("type") == "button":
                yield Button(message, str(block.get("block_id", "")), element)


def command(actor: User, place: Channel, text: str, response_url: str) -> Json:
    """A slash command; text begins with it."""
    name, _, rest = text.partition(" ")
    return {
        "token": _VERIFICATION,
        "command": name,
        "text": rest.strip(),
        "team_id": TEAM_ID,
        "team_domain": TEAM_DOMAIN,
        "channel_id": place.id,
        "channel_name": "directmessage" if place.is_direct else place.name,
        "user_id": actor.id,
        "user_name": actor.name,
        "api_app_id": APP_ID,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": _trigger_id(),
    }


def block_actions(actor: User, place: Channel, button: Button, seen: Json | None, response_url: str) -> Json:
    """A click; seen is the message as the Web API gives it, None for an ephemeral one."""
    message, element = button.message, button.element
    action = {key: element[key] for key in ("type", "action_id", "text", "value", "style", "url") if key in element}
    container = {"type": "message", "message_ts": message.ts, "channel_id": place.id}
    return {
        "type": "block_actions",
        "token": _VERIFICATION,
        "api_app_id": APP_ID,
        "team": {"id": TEAM_ID, "domain": TEAM_DOMAIN},
        "enterprise": None,
        "is_enterprise_install": False,
        "user": {"id": actor.id, "username": actor.name, "name": actor.name, "team_id": TEAM_ID},
        "channel": {"id": place.id, "name": place.name},
        "container": {**container, "is_ephemeral": bool(message.only_for), **_thread(message)},
        "trigger_id": _trigger_id(),
        "response_url": response_url,
        "state": {"values": {}},
        "actions": [{**action, "block_id": button.block_id, "action_ts": f"{time.time():.6f}"}],
        **({"message": seen} if seen else {}),
    }


def app_mention(message: Message) -> Json:
    """The event for a message that names the bot."""
    who = {"enterprise_id": None, "team_id": TEAM_ID, "user_id": BOT_USER_ID, "is_bot": True}
    return {
        "type": "event_callback",
        "token": _VERIFICATION,
        "team_id": TEAM_ID,
        "api_app_id": APP_ID,
        "event_id": f"Ev{secrets.token_hex(5).upper()}",
        "event_time": int(time.time()),
        "is_ext_shared_channel": False,
        "authorizations": [{**who, "is_enterprise_install": False}],
        "event": {
            "type": "app_mention",
            "user": message.user,
            "text": message.text,
            "ts": message.ts,
            "channel": message.channel,
            "team": TEAM_ID,
            "event_ts": message.ts,
            **_thread(message),
        },
    }


def _thread(message: Message) -> Json:
    return {"thread_ts": message.thread_ts} if message.thread_ts else {}


def _trigger_id() -> str:
    return f"{time.time_ns()}.{TEAM_ID[1:]}.{secrets.token_hex(16)}"
