"""Acting as a person: type a command, click a button, write to the bot."""

import re
from dataclasses import dataclass
from typing import Any

from . import payloads
from .answers import Answers, Origin
from .call import SlackError
from .delivery import COMMAND, EVENT, INTERACTION, Delivery, Outcome, Request
from .payloads import Button, buttons_of
from .people import BOT_USER_ID, Channel, User
from .record import Record
from .workspace import Workspace

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ack:
    """How an act went: text is what the actor was shown at once, if anything; error is Slack's word for the failure."""

    ok: bool
    text: str | None = None
    error: str | None = None
    ts: str | None = None  # of the message that the actor wrote


class Acting:
    """What the people of the workspace do. Safe from any thread, not from a subscriber."""

    def __init__(
        self, workspace: Workspace, record: Record, answers: Answers, delivery: Delivery, ack_deadline_s: float
    ) -> None:
        self._workspace = workspace
        self._record = record
        self._answers = answers
        self._delivery = delivery
        self._ack_deadline_s = ack_deadline_s

    def command(self, user: str, channel: str, text: str) -> Ack:
        """Type a slash command; returns when it is acknowledged, or when Slack has given up on it."""
        if not text.startswith("/"):
            raise ValueError(f"A slash command begins with /: {text!r}")
        actor, place = self._actor(user), self._place(channel)
        self._record.add("command", text.split()[0], args={"user": actor.name, "channel": place.name, "text": text})
        origin = Origin(place.id, actor.id)
        request = Request(COMMAND, payloads.command(actor, place, text, self._answers.open_url(origin)))
        self._delivery.send(request)
        outcome = request.wait(self._ack_deadline_s)
        return self._shown(origin, text.split()[0], outcome)

    def click(self, user: str, label: str, channel: str = "ops") -> Ack:
        """Click the newest button of that label which the user sees in the channel or its threads.

        LookupError: there is none.
        """
        actor, place = self._actor(user), self._place(channel)
        with self._workspace.lock:
            button = self._find_button(actor, place, label)
            message = button.message
            origin = Origin(place.id, actor.id, message.thread_ts, message)
            request = Request(INTERACTION, self._click(actor, place, button, origin))
        args = {"user": actor.name, "channel": place.name, "label": label, "ts": message.ts}
        self._record.add("click", str(button.element.get("action_id")), args=args)
        self._delivery.send(request)
        outcome = request.wait(self._ack_deadline_s)
        return self._shown(origin, f'The button "{label}"', Outcome(outcome.error))

    def say(self, user: str, text: str, channel: str = "ops", thread_ts: str | None = None) -> Ack:
        """Write a message. One that holds @cloudy goes to the bot; then the acknowledgement is waited for."""
        actor, place = self._actor(user), self._place(channel)
        encoded = self._encoded(text)
        root = self._workspace.root_of(place.id, thread_ts) if thread_ts else ""
        if root is None:
            raise LookupError(f"There is no thread {thread_ts} in #{place.name}.")
        self._record.add("say", "message", args={"user": actor.name, "channel": place.name, "text": encoded})
        message = self._workspace.post(place.id, actor.id, encoded, thread_ts=root)
        if f"<@{BOT_USER_ID}>" not in encoded:
            return Ack(ok=True, ts=message.ts)
        request = Request(EVENT, payloads.app_mention(message))
        self._record.add("event", "app_mention", args=request.payload)
        self._delivery.send(request)
        outcome = request.wait(self._ack_deadline_s)
        return Ack(ok=not outcome.error, error=outcome.error or None, ts=message.ts)

    def mention(self, user: str, text: str, channel: str = "ops", thread_ts: str | None = None) -> Ack:
        """Write "@cloudy <text>"."""
        return self.say(user, f"@{self._workspace.name_of(BOT_USER_ID)} {text}", channel, thread_ts)

    def newest_thread(self, channel: str = "ops") -> str:
        """The ts of the newest root: the last message in the channel that is the bot's or has replies.

        LookupError: there is none.
        """
        place = self._place(channel)
        for message in reversed(self._workspace.top_level(place.id)):
            if message.is_by_app or self._workspace.replies(place.id, message.ts):
                return message.ts
        raise LookupError(f"There is no thread in #{place.name}.")

    # --- finding ---

    def _actor(self, ref: str) -> User:
        user = self._workspace.find_user(ref)
        if user is None:
            raise LookupError(f"There is no user {ref!r} in the local Slack.")
        return user

    def _place(self, ref: str) -> Channel:
        channel = self._workspace.find_channel(ref)
        if channel is None:
            raise LookupError(f"There is no channel {ref!r} in the local Slack.")
        return channel

    def _find_button(self, actor: User, place: Channel, label: str) -> Button:
        seen = reversed(self._workspace.visible(place.id, actor.id))
        buttons = [button for message in seen for button in buttons_of(message) if button.is_for(actor.id)]
        for button in buttons:
            if button.label == label:
                return button
        labels = ", ".join(dict.fromkeys(f'"{button.label}"' for button in buttons)) or "none at all"
        raise LookupError(f'There is no button "{label}" that {actor.name} sees in #{place.name}; there is: {labels}.')

    def _encoded(self, text: str) -> str:
        """What Slack's composer makes of typed text."""
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return re.sub(r"@([\w.-]*\w)", self._reference, escaped)

    def _reference(self, typed: re.Match[str]) -> str:
        user = self._workspace.find_user(typed[1])
        return f"<@{user.id}>" if user else typed[0]

    # --- showing ---

    def _click(self, actor: User, place: Channel, button: Button, origin: Origin) -> Json:
        seen = None if button.message.only_for else self._workspace.to_api(button.message)
        return payloads.block_actions(actor, place, button, seen, self._answers.open_url(origin))

    def _shown(self, origin: Origin, what: str, outcome: Outcome) -> Ack:
        payload, error = outcome.payload or {}, outcome.error
        if not error and not (payload.get("text") or payload.get("blocks")):
            return Ack(ok=True)
        if not error:
            try:
                message = self._answers.show(origin, payload)
                return Ack(ok=True, text=self._workspace.shown(message) if message else None)
            except SlackError:
                error = "invalid_command_response"
        notice = f'{what} failed with the error "{error}"'
        self._workspace.notice(origin.channel, origin.user, notice, origin.thread_ts)
        return Ack(ok=False, text=notice, error=error)
