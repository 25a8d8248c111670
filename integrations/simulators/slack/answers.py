"""What the app answers to a command or click: the acknowledgement's payload, and response_url."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .call import SlackError
from .chat import check_blocks
from .people import BOT_USER_ID
from .record import Record
from .workspace import Message, Workspace

Json = dict[str, Any]

# https://docs.slack.dev/interactivity/handling-user-interaction: response_url takes 5 answers within 30 minutes.
_USES = 5
_VALID_S = 1800.0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a command was typed or a button clicked."""

    channel: str
    user: str
    thread_ts: str = ""
    message: Message | None = None  # the clicked one


@dataclass(slots=True)
class _Address:
    origin: Origin
    until: float
    left: int = _USES


class Answers:
    """Shows what the app answers; gives out response_urls and takes what is sent to them."""

    def __init__(self, workspace: Workspace, record: Record, clock: Callable[[], float]) -> None:
        self._workspace = workspace
        self._clock = clock
        self._record = record
        self._lock = threading.Lock()
        self._addresses: dict[str, _Address] = {}

    def open_url(self, origin: Origin) -> str:
        """A new response_url."""
        key = secrets.token_hex(12)
        with self._lock:
            self._addresses[key] = _Address(origin, self._clock() + _VALID_S)
        return f"{self._workspace.url}hooks/response/{key}"

    def take(self, key: str, payload: Any) -> tuple[int, str]:
        """What was sent to a response_url; returns HTTP status and body. Who sees it finds it in the record."""
        with self._workspace.lock:
            return self._take(key, payload)

    def _take(self, key: str, payload: Any) -> tuple[int, str]:
        try:
            self.show(self._spend(key), payload)
            answer = (200, "ok")
        except SlackError as error:
            gone = {"channel_is_archived": 410, "channel_not_found": 404}
            answer = (404 if error.code.endswith("_url") else gone.get(error.code, 400), error.code)
        self._record.add("response_url", key, args=payload, answer={"status": answer[0], "body": answer[1]})
        return answer

    def show(self, origin: Origin, payload: Any) -> Message | None:
        """Make an answer visible; None when it changed or removed the message that was clicked.

        SlackError: no_text, invalid_blocks, ...
        """
        if not isinstance(payload, dict):
            raise SlackError("invalid_payload")
        clicked = origin.message
        if payload.get("delete_original") and clicked:
            self._workspace.delete(clicked)
            return None
        channel = self._workspace.channels.get(origin.channel)
        if channel is None:
            raise SlackError("channel_not_found")
        if channel.is_archived:
            raise SlackError("channel_is_archived")
        text, blocks = _content(payload)
        if payload.get("replace_original") and clicked:
            self._workspace.edit(clicked, text=text, blocks=blocks)
            return None
        is_for_all = payload.get("response_type") == "in_channel"
        return self._workspace.post(
            origin.channel,
            BOT_USER_ID,
            text,
            blocks=blocks,
            thread_ts=str(payload.get("thread_ts") or origin.thread_ts),
            only_for="" if is_for_all else origin.user,
        )

    def _spend(self, key: str) -> Origin:
        with self._lock:
            address = self._addresses.get(key)
            if address is None:
                raise SlackError("invalid_url")
            if self._clock() > address.until:
                raise SlackError("expired_url")
            if address.left == 0:
                raise SlackError("used_url")
            address.left -= 1
            return address.origin


def _content(payload: Json) -> tuple[str, list[Json]]:
    text = str(payload.get("text") or "")
    blocks = payload.get("blocks") or []
    check_blocks(blocks)
    if not text and not blocks:
        raise SlackError("no_text")
    return text, blocks
