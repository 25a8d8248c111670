"""What Slack puts into commands, interactions and events. Source: https://docs.slack.dev/interactivity, /apis."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

from .elements import Element, elements_of
from .people import APP_ID, BOT_USER_ID, TEAM_DOMAIN, TEAM_ID, Channel, User
from .views import View
from .workspace import Message

Json = dict[str, Any]

_VERIFICATION = "verification"  # the deprecated token, which nobody should read


def buttons_of(message: Message) -> Iterator[Element]:
    """The interactive elements of a message as it stands now, top to bottom."""
    return elements_of(message.blocks)


def command(actor: User, place: Channel, text: str, response_url: str, trigger_id: str) -> Json:
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
        "trigger_id": trigger_id,
    }


def interaction(kind: str, actor: User, **more: Any) -> Json:
    """What all interactions have in common, and more."""
    return {
        "type": kind,
        "token": _VERIFICATION,
        "api_app_id": APP_ID,
        "team": {"id": TEAM_ID, "domain": TEAM_DOMAIN},
        "enterprise": None,
        "is_enterprise_install": False,
        "user": {"id": actor.id, "username": actor.name, "name": actor.name, "team_id": TEAM_ID},
        **more,
    }


def in_message(place: Channel, message: Message, seen: Json | None) -> Json:
    """Where an element in a message stands; seen is the message as the Web API gives it, None for an ephemeral one."""
    container = {"type": "message", "message_ts": message.ts, "channel_id": place.id}
    return {
        "channel": {"id": place.id, "name": "directmessage" if place.is_direct else place.name},
        "container": {**container, "is_ephemeral": bool(message.only_for), **_thread(message)},
        **({"message": seen} if seen else {}),
    }


def in_view(view: View) -> Json:
    """Where an element in a view stands."""
    return {"container": {"type": "view", "view_id": view.id}, "view": view.to_api()}


def action(element: Element, chosen: Json | None) -> Json:
    """The one entry of `actions`; chosen is what the element holds now, or the option of an overflow menu."""
    keys = ("type", "action_id", "text", "value", "style", "url")
    kept = {key: element.body[key] for key in keys if key in element.body}
    return {**kept, **(chosen or {}), "block_id": element.block_id, "action_ts": f"{time.time():.6f}"}


def app_mention(message: Message) -> Json:
    """The event for a message that names the bot."""
    return event({"type": "app_mention", **_said(message)})


def message_im(message: Message) -> Json:
    """The event for a message to the bot alone."""
    return event({"type": "message", "channel_type": "im", **_said(message)})


def app_home_opened(actor: User, direct: Channel, view: View | None) -> Json:
    """The event for a person who looks at the App Home."""
    seen = {"view": view.to_api()} if view else {}
    stamp = f"{time.time():.6f}"
    return event(
        {"type": "app_home_opened", "user": actor.id, "channel": direct.id, "event_ts": stamp, "tab": "home", **seen}
    )


def event(inner: Json) -> Json:
    """The envelope that any event travels in."""
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
        "event": inner,
    }


def _said(message: Message) -> Json:
    return {
        "user": message.user,
        "text": message.text,
        "ts": message.ts,
        "channel": message.channel,
        "team": TEAM_ID,
        "event_ts": message.ts,
        **_thread(message),
    }


def _thread(message: Message) -> Json:
    return {"thread_ts": message.thread_ts} if message.thread_ts else {}
