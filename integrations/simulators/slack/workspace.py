"""The local workspace's state: conversations, their messages, and who is told when something visible changes."""

import copy
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .people import (
    APP_ID,
    BOT_ID,
    BOT_USER_ID,
    SLACKBOT_ID,
    TEAM_ID,
    Channel,
    User,
    default_channels,
    default_users,
)
from .render import render

Json = dict[str, Any]


@dataclass(slots=True)
class Message:
    """One message; ts is its identity inside the channel."""

    ts: str
    channel: str
    user: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    thread_ts: str = ""  # the root's ts, for replies only
    metadata: Json | None = None
    only_for: str = ""  # user id: ephemeral
    edited_ts: str = ""
    reactions: list[Json] = field(default_factory=list)

    @property
    def is_by_app(self) -> bool:
        """Whether the app may change it."""
        return self.user == BOT_USER_ID


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that people see; kind is "posted", "edited", "ephemeral" or "deleted", text is what it looks like."""

    kind: str
    who: str
    channel: str  # id
    channel_name: str
    ts: str
    thread_ts: str  # "" outside threads
    text: str
    only_for: str = ""  # user name, for ephemeral ones
    at: float = 0.0  # Unix seconds


Subscriber = Callable[[Change], None]


class Workspace:
    """All that a workspace keeps. Hold `lock` around anything that must be seen as one act."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.url = ""  # where it is served, ends with "/"
        self.users = {user.id: user for user in default_users()}
        self.channels = {channel.id: channel for channel in default_channels()}
        self._messages: dict[str, list[Message]] = {channel: [] for channel in self.channels}
        self._deleted: set[tuple[str, str]] = set()
        self._subscribers: list[Subscriber] = []
        self._last_ts = 0
        self._ids = itertools.count(1)

    # --- finding ---

    def find_user(self, ref: str) -> User | None:
        """By id, name or @name."""
        by_name = {user.name: user for user in self.users.values()}
        return self.users.get(ref) or by_name.get(ref.removeprefix("@"))

    def find_channel(self, ref: str) -> Channel | None:
        """By id, name or #name."""
        by_name = {channel.name: channel for channel in self.channels.values()}
        return self.channels.get(ref) or by_name.get(ref.removeprefix("#"))

    def name_of(self, ref: str) -> str:
        """Name of a user or channel id; the id where there is none."""
        known = self.users.get(ref) or self.channels.get(ref)
        return known.name if known else ref

    def direct_channel(self, user: User) -> Channel:
        """The conversation between the bot and a user; made when it is first asked for."""
        with self.lock:
            channel_id = "D" + user.id[1:]
            if channel_id not in self.channels:
                channel = Channel(channel_id, user.name, [user.id, BOT_USER_ID], user=user.id)
                self.channels[channel_id] = channel
                self._messages[channel_id] = []
            return self.channels[channel_id]

    def find_message(self, channel: str, ts: str) -> Message | None:
        """A message that all members can see."""
        with self.lock:
            return next((m for m in self._messages.get(channel, []) if m.ts == ts and not m.only_for), None)

    def root_of(self, channel: str, ts: str) -> str | None:
        """The ts of the thread that a message stands in or begins; a thread goes on when its root was deleted."""
        message = self.find_message(channel, ts)
        if message is not None:
            return message.thread_ts or message.ts
        return ts if (channel, ts) in self._deleted else None

    def find_ephemeral(self, channel: str, ts: str) -> Message | None:
        """A message that one user can see."""
        with self.lock:
            return next((m for m in self._messages.get(channel, []) if m.ts == ts and m.only_for), None)

    def top_level(self, channel: str) -> list[Message]:
        """What conversations.history reads: oldest first, without replies and ephemeral ones."""
        with self.lock:
            return [m for m in self._messages[channel] if not m.thread_ts and not m.only_for]

    def replies(self, channel: str, root_ts: str) -> list[Message]:
        """A thread without its root, oldest first."""
        with self.lock:
            return [m for m in self._messages[channel] if m.thread_ts == root_ts and not m.only_for]

    def visible(self, channel: str, user_id: str) -> list[Message]:
        """All that one user sees in a channel and its threads, oldest first."""
        with self.lock:
            return [m for m in self._messages[channel] if m.only_for in ("", user_id)]

    # --- changing ---

    def post(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        blocks: Sequence[Json] = (),
        thread_ts: str = "",
        metadata: Json | None = None,
        only_for: str = "",
    ) -> Message:
        """Add a message; only_for makes it ephemeral."""
        with self.lock:
            filled = self._with_ids(blocks)
            ts = self._next_ts()
            message = Message(ts, channel, user, text, filled, thread_ts, copy.deepcopy(metadata), only_for)
            self._messages[channel].append(message)
            self._tell("ephemeral" if only_for else "posted", message)
            return message

    def edit(
        self,
        message: Message,
        *,
        text: str | None = None,
        blocks: Sequence[Json] | None = None,
        metadata: Json | None = None,
    ) -> None:
        """Change what is given, keep what is not."""
        with self.lock:
            message.text = message.text if text is None else text
            message.blocks = message.blocks if blocks is None else self._with_ids(blocks)
            message.metadata = message.metadata if metadata is None else copy.deepcopy(metadata)
            message.edited_ts = self._next_ts()
            self._tell("edited", message)

    def delete(self, message: Message) -> None:
        """Take a message away."""
        with self.lock:
            self._messages[message.channel].remove(message)
            self._deleted.add((message.channel, message.ts))
            self._tell("deleted", message)

    def notice(self, channel: str, user_id: str, text: str, thread_ts: str = "") -> Message:
        """What Slack itself tells one user."""
        return self.post(channel, SLACKBOT_ID, text, thread_ts=thread_ts, only_for=user_id)

    def _next_ts(self) -> str:
        self._last_ts = max(self._last_ts + 1, int(time.time() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def _with_ids(self, blocks: Sequence[Json]) -> list[Json]:
        """Slack fills in the block_ids and action_ids that the app left out."""
        filled = copy.deepcopy(list(blocks))
        for block in filled:
            block.setdefault("block_id", f"b{next(self._ids):05d}")
            for element in [*_dicts(block.get("elements")), *_dicts([block.get("accessory")])]:
                if element.get("type") == "button":
                    element.setdefault("action_id", f"a{next(self._ids):05d}")
        return filled

    # --- showing ---

    def shown(self, message: Message) -> str:
        """A message as plain text."""
        return render(message.text, message.blocks, self.name_of)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Be called with every visible change, in order, in the thread that made it; returns the way to leave.

        A subscriber must be quick and must not wait for a call of another thread: the workspace stands still meanwhile.
        """
        with self.lock:
            self._subscribers.append(subscriber)
        return lambda: self._leave(subscriber)

    def conversation(self, channel: str) -> list[Change]:
        """All that can be seen in a channel now: each root, then its thread; ephemeral ones in their place."""
        with self.lock:
            messages = self._messages[channel]
            ordered = sorted(messages, key=lambda m: (m.thread_ts or m.ts, bool(m.thread_ts), m.ts))
            return [self._change(_kind(message), message) for message in ordered]

    def _leave(self, subscriber: Subscriber) -> None:
        with self.lock:
            self._subscribers = [other for other in self._subscribers if other is not subscriber]

    def _tell(self, kind: str, message: Message) -> None:
        change = self._change(kind, message)
        for subscriber in list(self._subscribers):
            subscriber(change)

    def _change(self, kind: str, message: Message) -> Change:
        return Change(
            kind=kind,
            who=self.name_of(message.user),
            channel=message.channel,
            channel_name=self.name_of(message.channel),
            ts=message.ts,
            thread_ts=message.thread_ts,
            text=self.shown(message),
            only_for=self.name_of(message.only_for) if message.only_for else "",
            at=time.time(),
        )

    # --- as the Web API gives it ---

    def to_api(self, message: Message, *, with_metadata: bool = False) -> Json:
        """A message as history, replies and answers give it; roots of threads carry the thread's figures."""
        shape: Json = {"type": "message", "user": message.user, "ts": message.ts, "text": message.text, "team": TEAM_ID}
        if message.is_by_app:
            shape |= {"bot_id": BOT_ID, "app_id": APP_ID}
        if message.blocks:
            shape["blocks"] = copy.deepcopy(message.blocks)
        if message.edited_ts and not message.blocks:
            shape["edited"] = {"user": message.user, "ts": message.edited_ts}
        if message.reactions:
            shape["reactions"] = copy.deepcopy(message.reactions)
        if with_metadata and message.metadata:
            shape["metadata"] = copy.deepcopy(message.metadata)
        return shape | self._thread_fields(message)

    def _thread_fields(self, message: Message) -> Json:
        if message.thread_ts:
            root = self.find_message(message.channel, message.thread_ts)
            parent = {"parent_user_id": root.user} if root else {}
            return {"thread_ts": message.thread_ts} | parent
        replies = self.replies(message.channel, message.ts)
        if not replies:
            return {}
        people = list(dict.fromkeys(reply.user for reply in replies))
        return {
            "thread_ts": message.ts,
            "reply_count": len(replies),
            "reply_users": people,
            "reply_users_count": len(people),
            "latest_reply": replies[-1].ts,
        }


def _kind(message: Message) -> str:
    if message.only_for:
        return "ephemeral"
    return "edited" if message.edited_ts else "posted"


def _dicts(values: Any) -> list[Json]:
    return [value for value in values or [] if isinstance(value, dict)]
