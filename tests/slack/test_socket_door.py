"""The socket to Slack: what stands in its way at the start is waited out, and said."""

import logging
import threading
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk.errors import SlackApiError

from bot.errors import OperatorError
from handlers import socketmode
from handlers.socketmode import SocketDoor


class Socket:
    """Connects when all that stands in its way has been met."""

    def __init__(self, *ways: Exception) -> None:
        self.ways = list(ways)
        self.client = self

    def connect(self) -> None:
        if self.ways:
            raise self.ways.pop(0)

    def disconnect(self) -> None:
        return


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> SocketDoor:
    monkeypatch.setattr(socketmode, "_RECONNECT_S", 0.01)
    app = App(token="xoxb-x", token_verification_enabled=False, authorize=None)
    return SocketDoor(app, app_token="xapp-x")


def refused(code: str) -> SlackApiError:
    answer: Any = {"ok": False, "error": code}
    return SlackApiError("refused", answer)  # type: ignore[no-untyped-call]


def test_a_token_that_is_refused_at_once_is_told(door: SocketDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_socket", Socket(refused("invalid_auth")))
    with pytest.raises(OperatorError, match="CLOUDY_SLACK__APP_TOKEN"):
        door.open(lambda: None)


def test_a_token_that_is_refused_after_an_outage_is_said_and_tried_again(
    door: SocketDoor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ready = threading.Event()
    monkeypatch.setattr(door, "_socket", Socket(OSError("down"), refused("token_revoked"), OSError("down")))
    with caplog.at_level(logging.WARNING):
        door.open(ready.set)
        assert ready.wait(10)
    assert "CLOUDY_SLACK__APP_TOKEN" in " ".join(str(getattr(record, "error", "")) for record in caplog.records)
    door.close()
