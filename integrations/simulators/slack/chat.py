"""The Web API's chat.* methods, reactions.add and blocks.validate."""

import json
from typing import Any

from . import scopes
from .blocks import is_too_long, problems_of, view_problems
from .call import Call, SlackError
from .people import BOT_USER_ID, Channel, User
from .workspace import Message, Workspace

Json = dict[str, Any]

# https://docs.slack.dev/reference/methods/chat.postMessage and .../chat.update
_POST_CUT = 40_000
_UPDATE_MOST = 4_000
_METADATA_BYTES = 16_384  # Slack knows metadata_too_large but gives no figure


def post_message(workspace: Workspace, call: Call) -> Json:
    """chat.postMessage."""
    channel = _channel_to_write(workspace, call, may_join_in=True)
    text, blocks = _content(call)
    message = workspace.post(
        channel.id,
        BOT_USER_ID,
        text[:_POST_CUT],
        blocks=blocks or [],
        thread_ts=thread_of(workspace, channel, call),
        metadata=_metadata(call),
    )
    shape = workspace.to_api(message, with_metadata=True)
    return {"ok": True, "channel": channel.id, "ts": message.ts, "message": shape}


def post_ephemeral(workspace: Workspace, call: Call) -> Json:
    """chat.postEphemeral."""
    channel = _channel_to_write(workspace, call)
    user = workspace.find_user(call.text("user"))
    if user is None or user.id not in channel.members:
        raise SlackError("user_not_in_channel")
    text, blocks = _content(call)
    thread_ts = thread_of(workspace, channel, call)
    message = workspace.post(
        channel.id, BOT_USER_ID, text[:_POST_CUT], blocks=blocks or [], thread_ts=thread_ts, only_for=user.id
    )
    return {"ok": True, "message_ts": message.ts}


def update(workspace: Workspace, call: Call) -> Json:
    """chat.update: an argument that is left out leaves that part as it is."""
    message = _own_message(workspace, call, "cant_update_message")
    if workspace.channels[message.channel].is_archived:
        raise SlackError("is_inactive")  # chat.update's word for it
    text, blocks = _content(call)
    if len(text) > _UPDATE_MOST:
        raise SlackError("msg_too_long")
    workspace.edit(message, text=text if "text" in call.args else None, blocks=blocks, metadata=_metadata(call))
    shape = workspace.to_api(message, with_metadata=True)
    return {"ok": True, "channel": message.channel, "ts": message.ts, "text": message.text, "message": shape}


def delete(workspace: Workspace, call: Call) -> Json:
    """chat.delete."""
    message = _own_message(workspace, call, "cant_delete_message")
    workspace.delete(message)
    return {"ok": True, "channel": message.channel, "ts": message.ts}


def permalink(workspace: Workspace, call: Call) -> Json:
    """chat.getPermalink."""
    channel = known_channel(workspace, call)
    message = _message(workspace, channel, call.text("message_ts"))
    thread = f"?thread_ts={message.thread_ts}&cid={channel.id}" if message.thread_ts else ""
    link = f"{workspace.url}archives/{channel.id}/p{message.ts.replace('.', '')}{thread}"
    return {"ok": True, "channel": channel.id, "permalink": link}


def add_reaction(workspace: Workspace, call: Call) -> Json:
    """reactions.add."""
    channel = known_channel(workspace, call)
    if channel.is_archived:
        raise SlackError("is_archived")
    message = _message(workspace, channel, call.text("timestamp"))
    name = call.text("name").strip(":")
    if not name:
        raise SlackError("invalid_name")
    if any(reaction["name"] == name for reaction in message.reactions):
        raise SlackError("already_reacted")
    message.reactions.append({"name": name, "users": [BOT_USER_ID], "count": 1})
    return {"ok": True}


def validate_blocks(_workspace: Workspace, call: Call) -> Json:
    """blocks.validate: exactly one of blocks, message, view.

    Source: https://docs.slack.dev/reference/methods/blocks.validate
    """
    given = [name for name in ("blocks", "message", "view") if call.args.get(name) is not None]
    if len(given) != 1:
        raise SlackError("invalid_arguments")
    value = call.structure(given[0], "invalid_arguments")
    if given[0] == "view":
        found = view_problems(value)
    else:
        found = problems_of(value.get("blocks", []) if given[0] == "message" and isinstance(value, dict) else value)
    prefix = "/blocks" if given[0] == "message" else ""
    if not found:
        return {"ok": True}
    errors = [
        {"pointer": prefix + problem.pointer, "code": "failed_constraint", "message": problem.message}
        for problem in found
    ]
    raise SlackError(f"invalid_{given[0]}", errors=errors)


def check_blocks(blocks: Any) -> None:
    """SlackError as a sending method answers it, if Slack would not take the blocks."""
    found = problems_of(blocks)
    if found:
        lines = [problem.to_line() for problem in found]
        messages = {"messages": [f"[ERROR] {line}" for line in lines]}
        raise SlackError("invalid_blocks", errors=lines, response_metadata=messages)
    if is_too_long(blocks):
        raise SlackError("msg_blocks_too_long")


def known_channel(workspace: Workspace, call: Call, name: str = "channel") -> Channel:
    """The channel that an argument names by id. SlackError: channel_not_found, also where the app cannot see it."""
    channel = workspace.channels.get(call.text(name))
    if channel is None or _is_hidden(channel):
        raise SlackError("channel_not_found")
    return channel


def _channel_to_write(workspace: Workspace, call: Call, *, may_join_in: bool = False) -> Channel:
    # Sending takes a channel's name and a user's id too; all other methods want the channel's id.
    ref = call.text("channel")
    user: User | None = workspace.users.get(ref)
    channel = workspace.direct_channel(user) if user else workspace.find_channel(ref)
    if channel is None or _is_hidden(channel):
        raise SlackError("channel_not_found")
    if channel.is_archived:
        raise SlackError("is_archived")
    if BOT_USER_ID not in channel.members and not (may_join_in and scopes.PUBLIC in call.scopes):
        raise SlackError("not_in_channel")
    return channel


def _is_hidden(channel: Channel) -> bool:
    return channel.is_private and BOT_USER_ID not in channel.members


def _content(call: Call) -> tuple[str, list[Json] | None]:
    text = call.text("text")
    blocks = call.structure("blocks", "invalid_blocks_format")
    if blocks is not None:
        check_blocks(blocks)
    if not text and not blocks:
        raise SlackError("no_text")
    return text, blocks


def _metadata(call: Call) -> Json | None:
    metadata = call.structure("metadata", "invalid_metadata_format")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_type"), str):
        raise SlackError("invalid_metadata_format")
    if not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(metadata)) > _METADATA_BYTES:
        raise SlackError("metadata_too_large")
    return metadata


def thread_of(workspace: Workspace, channel: Channel, call: Call) -> str:
    """The ts of the root that thread_ts names, "" without one. SlackError: thread_not_found."""
    ts = call.text("thread_ts")
    if not ts:
        return ""
    root = workspace.root_of(channel.id, ts)
    if root is None:
        raise SlackError("thread_not_found")
    return root


def _message(workspace: Workspace, channel: Channel, ts: str) -> Message:
    message = workspace.find_message(channel.id, ts)
    if message is None:
        raise SlackError("message_not_found")
    return message


def _own_message(workspace: Workspace, call: Call, refusal: str) -> Message:
    message = _message(workspace, known_channel(workspace, call), call.text("ts"))
    if not message.is_by_app:
        raise SlackError(refusal)
    return message
