"""What every act of a person needs: who acts, where, a request to the app, and what the person is shown of its end."""

from dataclasses import dataclass
from typing import Any

from .answers import Answers, Origin
from .call import SlackError
from .delivery import EVENT, INTERACTION, Delivery, Outcome, Request
from .people import BOT_USER_ID, Channel, User
from .record import Record
from .triggers import Triggers
from .workspace import Workspace

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ack:
    """How an act went: text is what the actor was shown at once, if anything; error is Slack's word for the failure."""

    ok: bool
    text: str | None = None
    error: str | None = None
    ts: str | None = None  # of the message that the actor wrote


@dataclass(frozen=True, slots=True)
class Asking:
    """Finds actors and places, sends requests, shows their ends. Safe from any thread, not from a subscriber."""

    workspace: Workspace
    record: Record
    answers: Answers
    triggers: Triggers
    delivery: Delivery
    events: set[str]  # what the app has subscribed to
    ack_deadline_s: float

    def actor(self, ref: str) -> User:
        """A user by id or name. LookupError."""
        user = self.workspace.find_user(ref)
        if user is None:
            raise LookupError(f"There is no user {ref!r} in the local Slack.")
        return user

    def place(self, ref: str, actor: User | None = None) -> Channel:
        """A channel by id or name; "@cloudy" is the actor's conversation with the bot. LookupError."""
        bot = f"@{self.workspace.name_of(BOT_USER_ID)}"
        channel = self.workspace.direct_channel(actor) if actor and ref == bot else self.workspace.find_channel(ref)
        if channel is None:
            raise LookupError(f"There is no channel {ref!r} in the local Slack.")
        return channel

    def place_to_act(self, ref: str, actor: User) -> Channel:
        """The same for somebody who wants to do something there. LookupError: it is archived."""
        channel = self.place(ref, actor)
        if channel.is_archived:
            raise LookupError(f"#{channel.name} is archived: nobody can do anything there.")
        return channel

    def ask(self, kind: str, payload: Json) -> Outcome:
        """Send a request and wait for its end."""
        request = Request(kind, payload)
        self.delivery.send(request)
        return request.wait(self.ack_deadline_s)

    def interact(self, payload: Json) -> Outcome:
        """Send an interaction and wait for its end."""
        return self.ask(INTERACTION, payload)

    def tell(self, name: str, payload: Json) -> Outcome:
        """Send an event, if the app has subscribed to it, and wait for its first acknowledgement."""
        if name not in self.events:
            return Outcome()
        self.record.add("event", name, args=payload)
        return self.ask(EVENT, payload)

    def shown(self, origin: Origin, what: str, outcome: Outcome) -> Ack:
        """Show the actor how it ended, as Slack does."""
        payload, error = outcome.payload or {}, outcome.error
        if not error and not (payload.get("text") or payload.get("blocks")):
            return Ack(ok=True)
        if not error:
            try:
                message = self.answers.show(origin, payload)
                return Ack(ok=True, text=self.workspace.shown(message) if message else None)
            except SlackError:
                error = "invalid_command_response"
        notice = f'{what} failed with the error "{error}"'
        self.workspace.notice(origin.channel, origin.user, notice, origin.thread_ts)
        return Ack(ok=False, text=notice, error=error)
