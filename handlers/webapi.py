"""The few calls of Slack's Web API that send messages, each with an outcome that says what may be done next.

A call either surely happened, surely did not, or nobody knows; the sender acts on that, not on exceptions.
"""

import re
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from http.client import HTTPException
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.model import Json
from handlers import ids
from handlers.blocks import Rendered

# Errors of chat.postMessage and chat.update after which the same call may have worked, or may work later.
_PASSING = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"})
_BLOCKS = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "block_mismatch"})
_LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
# Of the token or the installation, not of the message: an operator cures them, and then all that waits is sent.
_LOCKED_OUT = frozenset(
    {
        "not_authed", "invalid_auth", "account_inactive", "token_expired", "token_revoked", "no_permission",
        "missing_scope", "not_allowed_token_type", "org_login_required", "ekm_access_denied", "team_access_not_granted",
        "access_denied",
    }
)  # fmt: skip
_WORD = re.compile("[a-z][a-z0-9_]*")
_DEFAULT_WAIT_S = 30.0
_PAGE, _MOST_PAGES = 200, 10


def waiting(client: WebClient, seconds: int) -> WebClient:
    """The same client, that waits so long for an answer."""
    other = copy(client)
    other.timeout = seconds
    return other


class Kind(Enum):
    """How a call ended."""

    DONE = auto()
    ABSENT = auto()  # looked for and not there
    LIMITED = auto()  # did not happen; wait, for Slack or for an operator
    BAD_BLOCKS = auto()  # did not happen; draw it simpler
    REFUSED = auto()  # did not happen, and will not
    UNKNOWN = auto()  # may have happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one call."""

    kind: Kind
    ts: str = ""  # where the message stands, when done
    channel: str = ""  # likewise: a message to a person stands in the channel that one has with the bot
    version: int = 0  # of the message that was found
    wait_s: float = 0.0
    why: str = ""  # Slack's code, or what the connection did


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a message carries in its metadata, so that it is known again. Everybody in the channel can read it."""

    key: str
    installation: str
    version: int

    def metadata(self) -> Json:
        """As Slack takes it."""
        payload = {"key": self.key, "installation": self.installation, "version": self.version}
        return {"event_type": ids.MESSAGE_EVENT, "event_payload": payload}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file with what is said beside it; alt: what a picture shows."""

    name: str
    content: bytes
    comment: str
    alt: str = ""


class WebApi:
    """Never raises for what Slack or the connection does. The client's own retries must be off."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def post(self, channel: str, thread_ts: str, drawn: Rendered, mark: Mark) -> Outcome:
        """Send a new message; repeating it doubles the message, so look first when the outcome was unknown."""
        where: Json = {"channel": channel, "thread_ts": thread_ts or None, "metadata": mark.metadata()}
        quietly: Json = {"unfurl_links": False, "unfurl_media": False}
        return _call(partial(self._client.chat_postMessage, **where, **quietly, **_content(drawn)))[0]

    def edit(self, channel: str, ts: str, drawn: Rendered, mark: Mark) -> Outcome:
        """Replace a message of ours; repeating is safe."""
        where: Json = {"channel": channel, "ts": ts, "metadata": mark.metadata()}
        return _call(partial(self._client.chat_update, **where, **_content(drawn)))[0]

    def whisper(self, channel: str, thread_ts: str, user: str, drawn: Rendered) -> Outcome:
        """Send what only one person sees; it can neither be found nor edited later."""
        where: Json = {"channel": channel, "thread_ts": thread_ts or None, "user": user}
        return _call(partial(self._client.chat_postEphemeral, **where, **_content(drawn)))[0]

    def find(self, channel: str, thread_ts: str, mark: Mark, oldest: str) -> Outcome:
        """Look for a message that carries this key, sent after `oldest` (a ts). Needs a history scope, else REFUSED."""
        return self._search(channel, thread_ts, oldest, lambda message: _carried(message, mark))

    def find_file(self, channel: str, thread_ts: str, name: str, oldest: str) -> Outcome:
        """Look for a message with a file of that name, likewise."""
        return self._search(channel, thread_ts, oldest, lambda message: _with_file(message, name))

    def _search(self, channel: str, thread_ts: str, oldest: str, found_in: Callable[[Json], Outcome | None]) -> Outcome:
        cursor = ""
        for _ in range(_MOST_PAGES):
            outcome, page = _call(partial(self._read, channel, thread_ts, oldest, cursor))
            if outcome.kind is not Kind.DONE:
                return _not_read(outcome)
            for message in page.get("messages") or ():
                if found := found_in(message):
                    return found
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        return Outcome(kind=Kind.ABSENT)

    def open_direct(self, user: str) -> tuple[Outcome, str]:
        """Open the conversation of a user with the bot, and give its channel; repeating is safe. Scope im:write."""
        outcome, answer = _call(partial(self._client.conversations_open, users=user))
        return outcome, str((answer.get("channel") or {}).get("id") or "")

    def send_file(self, channel: str, thread_ts: str, file: File) -> Outcome:
        """Upload a file and share it there; repeating shares it once more. Scope files:write.

        Source: docs.slack.dev/messaging/working-with-files: three calls, of which the last one makes the message.
        """
        given: Json = {"channel": channel, "filename": file.name, "title": file.name, "initial_comment": file.comment}
        if thread_ts:
            given["thread_ts"] = thread_ts
        if file.alt:
            given["alt_txt"] = file.alt
        return _call(partial(self._client.files_upload_v2, content=file.content, **given))[0]

    def _read(self, channel: str, thread_ts: str, oldest: str, cursor: str) -> SlackResponse:
        given: Json = {"channel": channel, "limit": _PAGE, "oldest": oldest, "include_all_metadata": True}
        if cursor:
            given["cursor"] = cursor
        if thread_ts:
            return self._client.conversations_replies(ts=thread_ts, **given)
        return self._client.conversations_history(**given)


def _content(drawn: Rendered) -> Json:
    # An empty list takes the blocks of an earlier version away; leaving it out would keep them. parse: no links of
    # Slack's own making.
    return {"text": drawn.text, "blocks": list(drawn.blocks), "parse": "none"}


def _not_read(outcome: Outcome) -> Outcome:
    if outcome.why == "thread_not_found":
        return Outcome(kind=Kind.ABSENT)
    # Reading is not needed for sending: without its scope nobody waits.
    return replace(outcome, kind=Kind.REFUSED) if outcome.why == "missing_scope" else outcome


def _carried(message: Json, mark: Mark) -> Outcome | None:
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    if metadata.get("event_type") != ids.MESSAGE_EVENT or payload.get("key") != mark.key:
        return None
    if payload.get("installation") != mark.installation:
        return None
    version = payload.get("version")
    return Outcome(kind=Kind.DONE, ts=str(message.get("ts")), version=version if isinstance(version, int) else 0)


def _with_file(message: Json, name: str) -> Outcome | None:
    has_it = any(file.get("name") == name for file in message.get("files") or ())
    return Outcome(kind=Kind.DONE, ts=str(message.get("ts"))) if has_it else None


def _call(call: Callable[[], SlackResponse]) -> tuple[Outcome, Json]:
    try:
        answer = call().data
    except SlackApiError as error:
        return _refusal(error.response), {}
    except (SlackClientError, OSError, HTTPException, ValueError) as error:
        return Outcome(kind=Kind.UNKNOWN, why=f"{type(error).__name__}: {error}"), {}
    if not isinstance(answer, dict):
        return Outcome(kind=Kind.UNKNOWN, why="an answer that is no JSON object"), {}
    ts, channel = str(answer.get("ts") or answer.get("message_ts") or ""), answer.get("channel")
    return Outcome(kind=Kind.DONE, ts=ts, channel=channel if isinstance(channel, str) else ""), answer


def _refusal(response: Any) -> Outcome:
    data = response.data if isinstance(response.data, dict) else {}
    code = str(data.get("error", ""))
    if response.status_code == 429 or code in _LIMITED:
        return Outcome(kind=Kind.LIMITED, wait_s=_wait_s(response.headers), why=code)
    if code in _LOCKED_OUT:
        return Outcome(kind=Kind.LIMITED, wait_s=_DEFAULT_WAIT_S, why=code)
    if code in _BLOCKS:
        return Outcome(kind=Kind.BAD_BLOCKS, why=code)
    # What is not a word of Slack's is a page of some proxy in between.
    if response.status_code >= 500 or code in _PASSING or not _WORD.fullmatch(code):
        return Outcome(kind=Kind.UNKNOWN, why=f"HTTP {response.status_code} {code[:200]}".strip())
    return Outcome(kind=Kind.REFUSED, why=code)


def _wait_s(headers: Any) -> float:
    asked = next((str(value) for name, value in headers.items() if name.lower() == "retry-after"), "")
    return float(asked) if re.fullmatch("[0-9]{1,5}", asked) else _DEFAULT_WAIT_S
