"""Requests as Slack sends them over HTTP, signed by code of the tests' own.

Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hashlib
import hmac
import http.client
import itertools
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

Json = dict[str, Any]
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
PATH = "/slack/events"
_numbers = itertools.count(1)


def sign(secret: str, body: bytes, timestamp: int | str) -> str:
    """The signature of a body."""
    digest = hmac.new(secret.encode(), b"v0:" + str(timestamp).encode() + b":" + body, hashlib.sha256)
    return f"v0={digest.hexdigest()}"


def headers(secret: str, body: bytes, content_type: str, timestamp: int | str | None = None) -> dict[str, str]:
    """Headers of a signed request."""
    at = int(time.time()) if timestamp is None else timestamp
    return {
        "Content-Type": content_type,
        "X-Slack-Request-Timestamp": str(at),
        "X-Slack-Signature": sign(secret, body, at),
    }


def command(text: str, user: str = "alice", trigger: str = "") -> bytes:
    """A slash command, typed in #ops; each has a trigger id of its own."""
    word, _, rest = text.partition(" ")
    fields = {
        "token": "old", "team_id": "T1", "team_domain": "local", "channel_id": "C1", "channel_name": "ops",
        "user_id": f"U_{user.upper()}", "user_name": user, "command": word, "text": rest, "api_app_id": "A1",
        "response_url": "http://127.0.0.1:9/x", "trigger_id": trigger or f"{time.time_ns()}.{next(_numbers)}",
    }  # fmt: skip
    return urlencode(fields).encode()


def click(action_id: str, value: str, user: str = "bob", action_ts: str = "") -> bytes:
    """A click on a button of a root message in #ops."""
    payload = {
        "type": "block_actions", "team": {"id": "T1", "domain": "local"}, "api_app_id": "A1", "trigger_id": "1.1",
        "user": {"id": f"U_{user.upper()}", "username": user, "name": user, "team_id": "T1"},
        "container": {"type": "message", "message_ts": "1700000000.000100", "channel_id": "C1"},
        "channel": {"id": "C1", "name": "ops"}, "message": {"ts": "1700000000.000100", "text": "x"},
        "response_url": "http://127.0.0.1:9/x",
        "actions": [{
            "type": "button", "action_id": action_id, "block_id": "b", "value": value,
            "action_ts": action_ts or f"{time.time_ns()}.{next(_numbers)}", "text": {"type": "plain_text", "text": "x"},
        }],
    }  # fmt: skip
    return urlencode({"payload": json.dumps(payload)}).encode()


def mention(text: str, user: str = "bob", event_id: str = "", thread_ts: str = "") -> bytes:
    """A mention of the bot in #ops."""
    event = {"type": "app_mention", "user": f"U_{user.upper()}", "text": f"<@UBOT> {text}", "channel": "C1"}
    event |= {"ts": "1700000000.000200", "event_ts": "1700000000.000200"}
    event |= {"thread_ts": thread_ts} if thread_ts else {}
    body = {"type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event": event, "event_time": 1700000000}
    return json.dumps(body | {"event_id": event_id or f"Ev{time.time_ns()}{next(_numbers)}"}).encode()


@dataclass
class Answer:
    """What came back."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text of a private answer that rides in the acknowledgement."""
        return str(json.loads(self.body)["text"])


def post(port: int, body: bytes, given: dict[str, str], path: str = PATH, method: str = "POST") -> Answer:
    """Send one request over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body=body, headers=given)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, answer.read().decode(), found)
    finally:
        connection.close()
