"""Who asked, where, and under which key: read from what Slack delivers, so that the same thing delivered twice is one.

Sources: the slash-command, block_actions, view_submission, shortcut, message_action, app_mention and message.im
payloads of Slack's reference. A trigger_id belongs to one press of a key, an action_ts to one click, a view's id to one
form; an event_id stays the same on redelivery.
"""

import json
import zlib
from dataclasses import dataclass, replace

from bot.model import Actor, Json, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a command, click or mention came from."""

    actor: Actor
    channel: str
    key: str
    thread: str = ""  # ts of the thread's root, when it was said inside one
    trigger: str = ""  # opens a modal within 3 s; of clicks outside channels, where nothing private can be said
    text: str = ""

    @property
    def place(self) -> Place:
        """Where the answer goes."""
        return Place(channel=self.channel, thread=self.thread)

    def at(self, channel: str) -> "Origin":
        """The same, answered there."""
        return replace(self, channel=channel)

    def named(self, name: str) -> "Origin":
        """The same, with the actor's name known."""
        return replace(self, actor=replace(self.actor, name=name))


def is_direct(channel: str) -> bool:
    """Whether it is a conversation of two. Source: Slack's conversation object, ids of those begin with D."""
    return channel.startswith("D")


def of(body: Json) -> Origin:
    """Read any of the payloads."""
    reader = _READERS.get(str(body.get("type")), of_command)
    return reader(body)


def of_command(body: Json) -> Origin:
    """A slash command; it cannot be used inside a thread."""
    user, team = str(body["user_id"]), str(body.get("team_id", ""))
    return Origin(
        actor=Actor(id=user, name=str(body.get("user_name") or user), source="slack"),
        channel=str(body["channel_id"]),
        key=f"command:{team}:{body['trigger_id']}",
        text=f"{body.get('command', '')} {body.get('text') or ''}".strip(),
    )


def of_click(body: Json) -> Origin:
    """A button; its message may be a thread's root or a reply, and in a view there is none."""
    user, action, container = body["user"], body["actions"][0], body.get("container", {})
    message, thread = str(container.get("message_ts", "")), str(container.get("thread_ts") or "")
    return Origin(
        actor=_actor(user),
        channel=str(container.get("channel_id") or body.get("channel", {}).get("id", "")),
        thread="" if thread == message else thread,  # a root is clicked in the channel: the answer belongs there
        trigger=str(body.get("trigger_id", "")) if container.get("type") == "view" else "",
        key=f"click:{action.get('action_ts', '')}:{message}:{action['action_id']}:{user['id']}",
        text=f"[{action['action_id']}] {action.get('value', '')}",
    )


def of_mention(body: Json) -> Origin:
    """A mention of the bot; the event has no name of the one who said it."""
    event = body["event"]
    user = str(event.get("user", ""))
    return Origin(
        actor=Actor(id=user, name=user, source="slack"),
        channel=str(event["channel"]),
        thread=str(event.get("thread_ts", "")),
        key=f"event:{body['event_id']}",
        text=str(event.get("text", "")),
    )


def of_view(body: Json) -> Origin:
    """A form that was sent off; it stands in no channel, unless it says one itself.

    One that was refused may be filled in anew, and is another request then.
    """
    view = body["view"]
    filled = json.dumps((view.get("state") or {}).get("values"), sort_keys=True)
    return Origin(
        actor=_actor(body["user"]),
        channel="",
        key=f"form:{(body.get('team') or {}).get('id', '')}:{view['id']}:{zlib.crc32(filled.encode()):08x}",
        text=f"[{view.get('callback_id', '')}]",
    )


def of_shortcut(body: Json) -> Origin:
    """A shortcut, from anywhere or on a message; a reply's answer belongs into its thread."""
    message = body.get("message") or {}
    thread = str(message.get("thread_ts") or "")
    return Origin(
        actor=_actor(body["user"]),
        channel=str((body.get("channel") or {}).get("id", "")),
        thread="" if thread == message.get("ts") else thread,
        key=f"shortcut:{(body.get('team') or {}).get('id', '')}:{body['trigger_id']}",
        text=f"[{body['callback_id']}]",
    )


def _actor(user: Json) -> Actor:
    name = user.get("username") or user.get("name") or user["id"]
    return Actor(id=str(user["id"]), name=str(name), source="slack")


_READERS = {
    "block_actions": of_click,
    "event_callback": of_mention,
    "view_submission": of_view,
    "shortcut": of_shortcut,
    "message_action": of_shortcut,
}
