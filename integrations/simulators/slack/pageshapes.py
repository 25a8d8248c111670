"""What the page is told: the workspace as one person sees it, as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .disturbance import Disturbed
from .faults import Faults
from .limits import Limits
from .people import BOT_USER_ID, Channel, User
from .shortcuts import Shortcut
from .views import View, Views
from .workspace import Message, Workspace

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Offered:
    """What the app offers, as its manifest tells a real workspace: usages of its commands, its shortcuts."""

    usages: Sequence[str] = ()
    shortcuts: Sequence[Shortcut] = ()

    def to_page(self) -> Json:
        """For the composer's completion and the menus."""
        return {
            "usages": list(self.usages),
            "shortcuts": [
                {"label": one.label, "callback_id": one.callback_id, "on_message": one.on_message}
                for one in self.shortcuts
            ],
        }


@dataclass(frozen=True, slots=True)
class Troubles:
    """What can be switched on to make Slack's day a bad one."""

    faults: Faults
    limits: Limits
    delivery: Disturbed

    def to_page(self) -> Json:
        """How the switches stand."""
        return {
            "rates": self.limits.is_on,
            "outage": self.faults.outage,
            "slow_s": self.faults.slow_s,
            "duplicate": self.delivery.is_doubling,
        }


def can_see(user: User, channel: Channel) -> bool:
    """Whether a channel is in a person's list."""
    if channel.is_direct:
        return channel.user == user.id
    return not channel.is_private or user.id in channel.members


def greeting(workspace: Workspace, user: User) -> Json:
    """Who and what there is, for that person; the conversation with the bot is made if it was not there."""
    workspace.direct_channel(user)
    groups = workspace.groups.values()
    return {
        "me": user.id,
        "bot": BOT_USER_ID,
        "users": [_user(one) for one in workspace.users.values()],
        "groups": [{"id": group.id, "handle": group.handle} for group in groups],
        "channels": channels(workspace, user),
    }


def channels(workspace: Workspace, user: User) -> list[Json]:
    """The channels that a person has in the list."""
    return [_channel(one) for one in workspace.channels.values() if can_see(user, one)]


def views(known: Views, user: User) -> Json:
    """The modals and the App Home of a person."""
    home = known.home(user.id)
    return {"modals": [_view(one) for one in known.stack(user.id)], "home": _view(home) if home else None}


def message(workspace: Workspace, one: Message) -> Json:
    """One message with the figures of its thread."""
    return {
        **workspace.to_api(one),
        "channel": one.channel,
        "thread_ts": one.thread_ts,
        "only_for": one.only_for,
        "is_edited": bool(one.edited_ts) and not one.is_by_app,
        **figures(workspace, one.channel, one.ts),
    }


def figures(workspace: Workspace, channel: str, root_ts: str) -> Json:
    """How a thread stands."""
    replies = workspace.replies(channel, root_ts)
    return {
        "reply_count": len(replies),
        "reply_users": list(dict.fromkeys(reply.user for reply in replies)),
        "latest_reply": replies[-1].ts if replies else "",
    }


def _view(view: View) -> Json:
    return {**view.to_api(), "errors": dict(view.errors)}


def _user(user: User) -> Json:
    return {"id": user.id, "name": user.name, "title": user.title, "is_bot": user.is_bot}


def _channel(channel: Channel) -> Json:
    return {
        "id": channel.id,
        "name": channel.name,
        "is_direct": channel.is_direct,
        "is_private": channel.is_private,
        "is_archived": channel.is_archived,
    }
