"""The Web API's methods that read: conversations.*, users.*, bots.info, auth.test, api.test."""

from typing import Any, TypeVar

from .call import Call, SlackError
from .chat import known_channel
from .people import APP_ID, BOT_ID, BOT_USER_ID, TEAM_DOMAIN, TEAM_ID, Channel
from .workspace import Message, Workspace

Json = dict[str, Any]
Item = TypeVar("Item")


def check_api(_workspace: Workspace, call: Call) -> Json:
    """api.test."""
    error = call.text("error")
    args = {name: value for name, value in call.args.items() if name != "token"}
    if error:
        raise SlackError(error, args=args)
    return {"ok": True, "args": args}


def whoami(workspace: Workspace, _call: Call) -> Json:
    """auth.test."""
    return {
        "ok": True,
        "url": workspace.url,
        "team": TEAM_DOMAIN,
        "team_id": TEAM_ID,
        "user": workspace.name_of(BOT_USER_ID),
        "user_id": BOT_USER_ID,
        "bot_id": BOT_ID,
        "is_enterprise_install": False,
    }


def bot_info(workspace: Workspace, call: Call) -> Json:
    """bots.info."""
    if call.text("bot", BOT_ID) != BOT_ID:
        raise SlackError("bot_not_found")
    name = workspace.name_of(BOT_USER_ID)
    bot = {"id": BOT_ID, "app_id": APP_ID, "user_id": BOT_USER_ID, "name": name, "deleted": False, "updated": 0}
    return {"ok": True, "bot": bot}


def user_info(workspace: Workspace, call: Call) -> Json:
    """users.info."""
    user = workspace.users.get(call.text("user"))
    if user is None:
        raise SlackError("user_not_found")
    return {"ok": True, "user": user.to_api()}


def list_users(workspace: Workspace, call: Call) -> Json:
    """users.list."""
    page, cursor = _page([user.to_api() for user in workspace.users.values()], call)
    return {"ok": True, "members": page, "response_metadata": {"next_cursor": cursor}}


def info(workspace: Workspace, call: Call) -> Json:
    """conversations.info."""
    return {"ok": True, "channel": known_channel(workspace, call).to_api()}


def list_channels(workspace: Workspace, call: Call) -> Json:
    """conversations.list: public channels unless `types` says otherwise."""
    kinds = call.text("types", "public_channel").split(",")
    wanted = [channel for channel in workspace.channels.values() if _kind(channel) in kinds]
    if call.flag("exclude_archived"):
        wanted = [channel for channel in wanted if not channel.is_archived]
    wanted = [channel for channel in wanted if not channel.is_private or BOT_USER_ID in channel.members]
    page, cursor = _page([channel.to_api() for channel in wanted], call)
    return {"ok": True, "channels": page, "response_metadata": {"next_cursor": cursor}}


def user_by_email(workspace: Workspace, call: Call) -> Json:
    """users.lookupByEmail."""
    address = call.text("email").lower()
    for user in workspace.users.values():
        if not user.is_bot and user.email == address:
            return {"ok": True, "user": user.to_api()}
    raise SlackError("users_not_found")


def list_groups(workspace: Workspace, call: Call) -> Json:
    """usergroups.list."""
    with_users, with_count = call.flag("include_users"), call.flag("include_count")
    shapes = [group.to_api(with_users=with_users, with_count=with_count) for group in workspace.groups.values()]
    return {"ok": True, "usergroups": shapes}


def list_group_users(workspace: Workspace, call: Call) -> Json:
    """usergroups.users.list."""
    group = workspace.groups.get(call.text("usergroup"))
    if group is None:
        raise SlackError("no_such_subteam")
    return {"ok": True, "users": list(group.users)}


def members(workspace: Workspace, call: Call) -> Json:
    """conversations.members."""
    page, cursor = _page(known_channel(workspace, call).members, call)
    return {"ok": True, "members": page, "response_metadata": {"next_cursor": cursor}}


def open_direct(workspace: Workspace, call: Call) -> Json:
    """conversations.open, for one user or the channel that there is already."""
    if call.text("channel"):
        channel = known_channel(workspace, call)
        return {"ok": True, "no_op": True, "already_open": True, "channel": {"id": channel.id}}
    user = workspace.users.get(call.text("users"))
    if user is None:
        raise SlackError("user_not_found")
    channel = workspace.direct_channel(user)
    return {"ok": True, "channel": channel.to_api() if call.flag("return_im") else {"id": channel.id}}


def history(workspace: Workspace, call: Call) -> Json:
    """conversations.history: newest first, without replies and ephemeral messages."""
    channel = _readable(workspace, call)
    found = [message for message in reversed(workspace.top_level(channel)) if _is_between(message, call)]
    return _messages(workspace, found, call)


def replies(workspace: Workspace, call: Call) -> Json:
    """conversations.replies: the root, then its replies, oldest first."""
    channel = _readable(workspace, call)
    root = workspace.find_message(channel, call.text("ts"))
    if root is None:
        raise SlackError("thread_not_found")
    if root.thread_ts:
        return _messages(workspace, [root], call)
    found = [message for message in workspace.replies(channel, root.ts) if _is_between(message, call)]
    return _messages(workspace, [root, *found], call)


def _kind(channel: Channel) -> str:
    if channel.is_direct:
        return "im"
    return "private_channel" if channel.is_private else "public_channel"


def _readable(workspace: Workspace, call: Call) -> str:
    channel = known_channel(workspace, call)
    if BOT_USER_ID not in channel.members:
        raise SlackError("not_in_channel")
    return channel.id


def _is_between(message: Message, call: Call) -> bool:
    # Timestamps are compared as numbers, since callers also send "0" or whole seconds.
    try:
        oldest = float(call.text("oldest") or 0)
        latest = float(call.text("latest") or "inf")
    except ValueError:
        raise SlackError("invalid_ts_oldest") from None
    ts = float(message.ts)
    return oldest <= ts <= latest if call.flag("inclusive") else oldest < ts < latest


def _messages(workspace: Workspace, messages: list[Message], call: Call) -> Json:
    page, cursor = _page(messages, call)
    with_metadata = call.flag("include_all_metadata")
    shapes = [workspace.to_api(message, with_metadata=with_metadata) for message in page]
    answer: Json = {"ok": True, "messages": shapes, "has_more": bool(cursor)}
    return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


def _page(items: list[Item], call: Call) -> tuple[list[Item], str]:
    """The items that limit and cursor ask for, and the next cursor ("" at the end)."""
    limit = call.number("limit", 100, 1000)
    cursor = call.text("cursor", "at:0") or "at:0"
    word, _, number = cursor.partition(":")
    if word != "at" or not number.isdigit():
        raise SlackError("invalid_cursor")
    start = int(number)
    after = start + limit
    return items[start:after], f"at:{after}" if after < len(items) else ""
