"""Which scope of the bot token each method wants. Source: the method pages of https://docs.slack.dev/reference."""

from .call import SlackError
from .people import Channel

DEFAULT = frozenset(
    {
        "app_mentions:read", "channels:history", "channels:read", "chat:write", "commands", "files:read", "files:write",
        "groups:history", "groups:read", "im:history", "im:read", "im:write", "reactions:write", "usergroups:read",
        "users:read", "users:read.email",
    }
)  # fmt: skip
PUBLIC = "chat:write.public"  # post to public channels without being a member

_NEEDED = {
    "bots.info": "users:read",
    "chat.delete": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "conversations.list": "channels:read",
    "conversations.open": "im:write",
    "files.completeUploadExternal": "files:write",
    "files.getUploadURLExternal": "files:write",
    "files.info": "files:read",
    "reactions.add": "reactions:write",
    "usergroups.list": "usergroups:read",
    "usergroups.users.list": "usergroups:read",
    "users.info": "users:read",
    "users.list": "users:read",
    "users.lookupByEmail": "users:read.email",
}
_BY_CHANNEL = {
    "conversations.history": "history",
    "conversations.info": "read",
    "conversations.members": "read",
    "conversations.replies": "history",
}


def check(method: str, channel: Channel | None, granted: frozenset[str]) -> None:
    """SlackError missing_scope, with what is needed and what there is."""
    needed = _NEEDED.get(method) or _by_channel(method, channel)
    if needed and needed not in granted:
        raise SlackError("missing_scope", needed=needed, provided=",".join(sorted(granted)))


def _by_channel(method: str, channel: Channel | None) -> str:
    if method not in _BY_CHANNEL:
        return ""
    family = "channels"
    if channel is not None and channel.is_direct:
        family = "im"
    elif channel is not None and channel.is_private:
        family = "groups"
    return f"{family}:{_BY_CHANNEL[method]}"
