"""Files, as uploads v2 bring them: an URL for each, its bytes, then one message that shares them.

Source: https://docs.slack.dev/messaging/working-with-files.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .call import Call, SlackError
from .chat import check_blocks, known_channel, thread_of
from .people import BOT_USER_ID, Channel
from .workspace import Message, Workspace

Json = dict[str, Any]

_MOST_BYTES = 1 << 30  # https://slack.com/help: files are up to 1 GB


@dataclass(slots=True)
class _File:
    id: str
    name: str
    length: int
    key: str
    alt: str = ""
    title: str = ""
    content: bytes | None = None
    is_complete: bool = False

    def to_api(self) -> Json:
        alt = {"alt_txt": self.alt} if self.alt else {}
        return alt | {
            "id": self.id,
            "name": self.name,
            "title": self.title or self.name,
            "size": self.length,
            "user": BOT_USER_ID,
            "mode": "hosted",
        }


class Files:
    """All uploads; the workspace's lock guards them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._files: dict[str, _File] = {}

    def methods(self) -> Mapping[str, Callable[[Workspace, Call], Json]]:
        """The Web API's methods."""
        return {
            "files.getUploadURLExternal": self._get_url,
            "files.completeUploadExternal": self._complete,
            "files.info": self._info,
        }

    def take(self, key: str, content: bytes) -> tuple[int, str]:
        """The bytes that were sent to an upload URL; returns HTTP status and body."""
        with self._workspace.lock:
            file = next((one for one in self._files.values() if one.key == key), None)
            if file is None or file.is_complete:
                return 404, "not found"
            if len(content) != file.length:
                return 400, f"expected {file.length} bytes, got {len(content)}"
            file.content = content
            return 200, f"OK - {len(content)}"

    def content(self, name: str) -> bytes:
        """The bytes of the newest complete file of that name or id. LookupError: there is none."""
        return self._complete_one(name).content or b""

    def name(self, ref: str) -> str:
        """The name of the newest complete file of that name or id. LookupError: there is none."""
        return self._complete_one(ref).name

    def _complete_one(self, ref: str) -> _File:
        with self._workspace.lock:
            for file in reversed(self._files.values()):
                if file.is_complete and ref in (file.id, file.name, file.title):
                    return file
        raise LookupError(f"There is no file {ref!r} in the local Slack.")

    def _get_url(self, workspace: Workspace, call: Call) -> Json:
        name, length = call.text("filename"), call.text("length")
        if not name or not length.isdigit():
            raise SlackError("invalid_arguments")
        if not 0 < int(length) <= _MOST_BYTES:
            raise SlackError("file_upload_size_restricted")
        file = _File(workspace.new_id("F0LOCAL"), name, int(length), secrets.token_hex(16), call.text("alt_txt"))
        self._files[file.id] = file
        return {"ok": True, "upload_url": f"{workspace.url}upload/v1/{file.key}", "file_id": file.id}

    def _complete(self, workspace: Workspace, call: Call) -> Json:
        given = call.structure("files", "invalid_arguments")
        if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
            raise SlackError("invalid_arguments")
        files = [self._uploaded(one) for one in given]
        channel = self._channel(workspace, call)
        blocks = call.structure("blocks", "invalid_blocks_format")
        if blocks:
            check_blocks(blocks)
        thread_ts = thread_of(workspace, channel, call) if channel else ""
        for file, one in zip(files, given, strict=True):
            file.is_complete, file.title = True, str(one.get("title") or "")
        shapes = [file.to_api() for file in files]
        if channel is not None:
            text = call.text("initial_comment")
            workspace.add(Message("", channel.id, BOT_USER_ID, text, blocks or [], thread_ts, files=shapes))
        return {"ok": True, "files": shapes}

    def _info(self, _workspace: Workspace, call: Call) -> Json:
        file = self._files.get(call.text("file"))
        if file is None or not file.is_complete:
            raise SlackError("file_not_found")
        return {"ok": True, "file": file.to_api()}

    def _uploaded(self, given: Json) -> _File:
        file = self._files.get(str(given.get("id")))
        if file is None or file.content is None:
            raise SlackError("file_not_found")
        return file

    def _channel(self, workspace: Workspace, call: Call) -> Channel | None:
        name = "channel_id" if call.text("channel_id") else "channels"
        if not call.text(name):
            return None
        channel = known_channel(workspace, call, name)
        if BOT_USER_ID not in channel.members:
            raise SlackError("not_in_channel")
        if channel.is_archived:
            raise SlackError("is_archived")
        return channel
