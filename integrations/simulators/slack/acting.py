"""Acting as a person in channels: type a command, write a message, to everybody or to the bot."""

import re

from . import payloads
from .answers import Origin
from .asking import Ack, Asking
from .delivery import COMMAND
from .people import BOT_USER_ID
from .workspace import Message


class Acting:
    """What the people of the workspace write. Safe from any thread, not from a subscriber."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._workspace = asking.workspace

    def command(self, user: str, channel: str, text: str) -> Ack:
        """Type a slash command; returns when it is acknowledged, or when Slack has given up on it."""
        if not text.startswith("/"):
            raise ValueError(f"A slash command begins with /: {text!r}")
        asking = self._asking
        actor = asking.actor(user)
        place = asking.place_to_act(channel, actor)
        asking.record.add("command", text.split()[0], args={"user": actor.name, "channel": place.name, "text": text})
        origin = Origin(place.id, actor.id)
        url, trigger = asking.answers.open_url(origin), asking.triggers.open(actor.id)
        outcome = asking.ask(COMMAND, payloads.command(actor, place, text, url, trigger))
        return asking.shown(origin, text.split()[0], outcome)

    def say(self, user: str, text: str, channel: str = "ops", thread_ts: str | None = None) -> Ack:
        """Write a message. One that is for the bot is told to the app; then its acknowledgement is waited for."""
        asking = self._asking
        actor = asking.actor(user)
        place = asking.place_to_act(channel, actor)
        encoded = self._encoded(text)
        root = self._workspace.root_of(place.id, thread_ts) if thread_ts else ""
        if root is None:
            raise LookupError(f"There is no thread {thread_ts} in #{place.name}.")
        asking.record.add("say", "message", args={"user": actor.name, "channel": place.name, "text": encoded})
        message = self._workspace.post(place.id, actor.id, encoded, thread_ts=root)
        return self._told(message, is_direct=place.is_direct, is_member=BOT_USER_ID in place.members)

    def mention(self, user: str, text: str, channel: str = "ops", thread_ts: str | None = None) -> Ack:
        """Write "@cloudy <text>"."""
        return self.say(user, f"@{self._workspace.name_of(BOT_USER_ID)} {text}", channel, thread_ts)

    def newest_thread(self, channel: str = "ops") -> str:
        """The ts of the newest root: the last message in the channel that is the bot's or has replies.

        LookupError: there is none.
        """
        place = self._asking.place(channel)
        for message in reversed(self._workspace.top_level(place.id)):
            if message.is_by_app or self._workspace.replies(place.id, message.ts):
                return message.ts
        raise LookupError(f"There is no thread in #{place.name}.")

    def _told(self, message: Message, *, is_direct: bool, is_member: bool) -> Ack:
        if is_direct:
            outcome = self._asking.tell("message.im", payloads.message_im(message))
        elif is_member and f"<@{BOT_USER_ID}>" in message.text:
            outcome = self._asking.tell("app_mention", payloads.app_mention(message))
        else:
            return Ack(ok=True, ts=message.ts)
        return Ack(ok=not outcome.error, error=outcome.error or None, ts=message.ts)

    def _encoded(self, text: str) -> str:
        """What Slack's composer makes of typed text."""
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return re.sub(r"@([\w.-]*\w)", self._reference, escaped)

    def _reference(self, typed: re.Match[str]) -> str:
        if group := self._workspace.find_group(typed[1]):
            return f"<!subteam^{group.id}>"
        user = self._workspace.find_user(typed[1])
        return f"<@{user.id}>" if user else typed[0]
