"""The local workspace's state: conversations, their messages, and who is told when something visible changes."""

import copy
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .elements import INTERACTIVE
from .people import (
    APP_ID,
    BOT_ID,
    BOT_USER_ID,
    SLACKBOT_ID,
    TEAM_ID,
    Channel,
    User,
    UserGroup,
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
    files: list[Json] = field(default_factory=list)

    @property
    def is_by_app(self) -> bool:
        """Whether the app may change it."""
        return self.user == BOT_USER_ID


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that people see; kind is "posted", "edited", "ephemeral" or "deleted", text is what it looks like.

    A modal's or App Home's channel and ts are the view's id, and its channel_name is "modal" or "home".
    """

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
        self.groups: dict[str, UserGroup] = {}
        self._messages: dict[str, dict[str, Message]] = {channel: {} for channel in self.channels}
        self._threads: dict[tuple[str, str], list[Message]] = {}
        self._deleted: set[tuple[str, str]] = set()
        self._subscribers: list[Subscriber] = []
        self._last_ts = 0
        self._ids = itertools.count(1)

    # --- finding ---

    def find_user(self, ref: str) -> User | None:
        """By id, name or @name."""
        with self.lock:
            by_name = {user.name: user for user in self.users.values()}
            return self.users.get(ref) or by_name.get(ref.removeprefix("@"))

    def find_channel(self, ref: str) -> Channel | None:
        """By id, name or #name."""
        with self.lock:
            by_name = {channel.name: channel for channel in self.channels.values()}
            return self.channels.get(ref) or by_name.get(ref.removeprefix("#"))

    def find_group(self, ref: str) -> UserGroup | None:
        """By id, handle or @handle."""
        with self.lock:
            by_handle = {group.handle: group for group in self.groups.values()}
            return self.groups.get(ref) or by_handle.get(ref.removeprefix("@"))

    def name_of(self, ref: str) -> str:
        """Name of a user, channel or user group id; the id where there is none."""
        if group := self.groups.get(ref):
            return group.handle
        known = self.users.get(ref) or self.channels.get(ref)
        return known.name if known else ref

    def direct_channel(self, user: User) -> Channel:
        """The conversation between the bot and a user; made when it is first asked for."""
        with self.lock:
            channel_id = "D" + user.id[1:]
            if channel_id not in self.channels:
                self.add_channel(Channel(channel_id, user.name, [user.id, BOT_USER_ID], user=user.id))
            return self.channels[channel_id]

    def add_channel(self, channel: Channel) -> None:
        """Make a conversation."""
        with self.lock:
            self.channels[channel.id] = channel
            self._messages[channel.id] = {}

    def remove_channel(self, channel: Channel) -> None:
        """Delete a conversation with all that was said in it."""
        with self.lock:
            self.channels.pop(channel.id, None)
            self._messages.pop(channel.id, None)

    def new_id(self, prefix: str) -> str:
        """An id that nothing else has."""
        return f"{prefix}{next(self._ids):05d}"

    def find_message(self, channel: str, ts: str) -> Message | None:
        """A message that all members can see."""
        with self.lock:
            message = self._messages.get(channel, {}).get(ts)
            return None if message is None or message.only_for else message

    def root_of(self, channel: str, ts: str) -> str | None:
        """The ts of the thread that a message stands in or begins; a thread goes on when its root was deleted."""
        message = self.find_message(channel, ts)
        if message is not None:
            return message.thread_ts or message.ts
        return ts if (channel, ts) in self._deleted else None

    def find_ephemeral(self, channel: str, ts: str) -> Message | None:
        """A message that one user can see."""
        with self.lock:
            message = self._messages.get(channel, {}).get(ts)
            return message if message is not None and message.only_for else None

    def top_level(self, channel: str) -> list[Message]:
        """What conversations.history reads: oldest first, without replies and ephemeral ones."""
        with self.lock:
            return [m for m in self._messages[channel].values() if not m.thread_ts and not m.only_for]

    def replies(self, channel: str, root_ts: str) -> list[Message]:
        """A thread without its root, oldest first."""
        with self.lock:
            return list(self._threads.get((channel, root_ts), ()))

    def visible(self, channel: str, user_id: str) -> list[Message]:
        """All that one user sees in a channel and its threads, oldest first."""
        with self.lock:
            return [m for m in self._messages[channel].values() if m.only_for in ("", user_id)]

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
        return self.add(Message("", channel, user, text, list(blocks), thread_ts, copy.deepcopy(metadata), only_for))

    def add(self, message: Message) -> Message:
        """Add a message whose ts, and ids of blocks, are filled in here."""
        with self.lock:
            message.ts = self._next_ts()
            message.blocks = self.with_ids(message.blocks)
            self._messages[message.channel][message.ts] = message
            if message.thread_ts and not message.only_for:
                self._threads.setdefault((message.channel, message.thread_ts), []).append(message)
            self._tell("ephemeral" if message.only_for else "posted", message)
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
            message.blocks = message.blocks if blocks is None else self.with_ids(blocks)
            message.metadata = message.metadata if metadata is None else copy.deepcopy(metadata)
            message.edited_ts = self._next_ts()
            self._tell("edited", message)

    def delete(self, message: Message) -> None:
        """Take a message away."""
        with self.lock:
            del self._messages[message.channel][message.ts]
            if message.thread_ts and not message.only_for:
                self._threads[message.channel, message.thread_ts].remove(message)
            self._deleted.add((message.channel, message.ts))
            self._tell("deleted", message)

    def notice(self, channel: str, user_id: str, text: str, thread_ts: str = "") -> Message:
        """What Slack itself tells one user."""
        return self.post(channel, SLACKBOT_ID, text, thread_ts=thread_ts, only_for=user_id)

    def _next_ts(self) -> str:
        self._last_ts = max(self._last_ts + 1, int(time.time() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def with_ids(self, blocks: Sequence[Json]) -> list[Json]:
        """Slack fills in the block_ids and action_ids that the app left out."""
        filled = copy.deepcopy(list(blocks))
        for block in filled:
            block.setdefault("block_id", self.new_id("b"))
            places = [*_dicts(block.get("elements")), *_dicts([block.get("accessory"), block.get("element")])]
            for element in places:
                if element.get("type") in INTERACTIVE:
                    element.setdefault("action_id", self.new_id("a"))
        return filled

    # --- showing ---

    def shown(self, message: Message) -> str:
        """A message as plain text."""
        files = [f"[file: {file.get('title') or file.get('name')}]" for file in message.files]
        text = render(message.text, message.blocks, self.name_of)
        return "\n".join(filter(None, [text, *files]))

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
            messages = list(self._messages[channel].values())
            ordered = sorted(messages, key=lambda m: (m.thread_ts or m.ts, bool(m.thread_ts), m.ts))
            return [self._change(_kind(message), message) for message in ordered]

    def _leave(self, subscriber: Subscriber) -> None:
        with self.lock:
            self._subscribers = [other for other in self._subscribers if other is not subscriber]

    def tell(self, change: Change) -> None:
        """Let the subscribers know."""
        for subscriber in list(self._subscribers):
            subscriber(change)

    def _tell(self, kind: str, message: Message) -> None:
        if self._subscribers:
            self.tell(self._change(kind, message))

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
        if message.files:
            shape["files"] = copy.deepcopy(message.files)
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
