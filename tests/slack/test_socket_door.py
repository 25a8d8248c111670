"""The socket to Slack: what stands in its way at the start is waited out, and said."""

import logging
import threading
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk.errors import SlackApiError

from bot.errors import OperatorError
from handlers import socketline
from handlers.socketmode import SocketDoor
from integrations.simulators.slack import LocalSlack
from tests.slack.local import client_of, until


class Socket:
    """Connects when all that stands in its way has been met."""

    def __init__(self, ways: list[Exception]) -> None:
        self.ways = ways
        self.client = self
        self.is_up = False
        self.current_session = None
        self.on_close_listeners: list[Any] = []
        self.on_message_listeners: list[Any] = []

    def connect(self) -> None:
        if self.ways:
            raise self.ways.pop(0)
        self.is_up = True

    def is_connected(self) -> bool:
        return self.is_up

    def disconnect(self) -> None:
        self.is_up = False

    close = disconnect


def door_of(*ways: Exception, made: list[Socket] | None = None) -> SocketDoor:
    left = list(ways)

    def make() -> Socket:
        socket = Socket(left)
        if made is not None:
            made.append(socket)
        return socket

    return SocketDoor(App(token="xoxb-x", token_verification_enabled=False), app_token="xapp-x", make=make)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socketline, "_FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(socketline, "_LOOK_S", 0.01)


def numbers(slack: LocalSlack) -> list[int]:
    return [connection.number for connection in slack._sockets._connections]


def are_two_others(slack: LocalSlack, before: set[int]) -> bool:
    return len(set(numbers(slack)) - before) == 2


def refused(code: str) -> SlackApiError:
    answer: Any = {"ok": False, "error": code}
    return SlackApiError("refused", answer)  # type: ignore[no-untyped-call]


def test_a_token_that_is_refused_at_once_is_told() -> None:
    with pytest.raises(OperatorError, match="CLOUDY_SLACK__APP_TOKEN"):
        door_of(refused("invalid_auth")).open(lambda: None)


def test_a_token_that_is_refused_after_an_outage_is_said_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    ready = threading.Event()
    door = door_of(OSError("down"), refused("token_revoked"), OSError("down"))
    with caplog.at_level(logging.WARNING):
        door.open(ready.set)
        assert ready.wait(10)
    assert "CLOUDY_SLACK__APP_TOKEN" in " ".join(str(getattr(record, "error", "")) for record in caplog.records)
    door.close()


def test_two_connections_stand_and_each_change_is_reported() -> None:
    told: list[tuple[int, int]] = []
    made: list[Socket] = []
    door = door_of(made=made)
    door._report = lambda standing, of: told.append((standing, of))
    door.open(lambda: None)
    until(lambda: door.standing == 2, "two connections")

    made[0].disconnect()
    until(lambda: len(made) > 3 or (len(made) == 3 and door.standing == 2), "the lost one made anew")
    until(lambda: told and told[-1] == (2, 2), "the report")
    assert (1, 2) in told
    door.close()


def test_a_connection_that_stands_and_hears_nothing_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Socket] = []
    door = door_of(made=made)
    door.open(lambda: None)
    until(lambda: door.standing == 2, "two connections")
    before = len(made)
    door._lines[0]._heard_at -= 1000
    until(lambda: len(made) > before and door.standing == 2, "a new one")
    door.close()


def test_a_connection_that_is_lost_at_once_each_time_is_not_asked_for_without_end() -> None:
    line = socketline.Line(lambda: Socket([]), 1)
    waits = []
    for _ in range(6):
        waits.append(line._wait_s())
        assert line._renewed()
    assert waits[0] == 0
    assert all(later > earlier for earlier, later in pairwise(waits))


def test_the_next_command_is_answered_after_one_socket_was_closed_without_notice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "")
    with LocalSlack() as slack:
        app = App(client=client_of(slack), token_verification_enabled=False)
        app.command("/cloudy")(lambda ack: ack("here"))
        door = SocketDoor(app, app_token=slack.app_token)
        door.open(lambda: None)
        until(lambda: len(slack._sockets._connections) == 2, "two connections")

        gone = slack._sockets._connections[0]
        slack._sockets._on_loop(lambda: gone.outbox.put_nowait(None))
        until(lambda: gone not in slack._sockets._connections, "one closed")
        for _ in range(4):
            assert slack.command("alice", "ops", "/cloudy status").text == "here"
        until(lambda: len(slack._sockets._connections) == 2, "two again")
        assert slack.command("alice", "ops", "/cloudy status").text == "here"

        for renew in (slack.drop_connections, slack.refresh_connections):
            before = set(numbers(slack))
            renew()
            until(partial(are_two_others, slack, before), "two new ones")
            assert slack.command("alice", "ops", "/cloudy status").text == "here"
        assert slack.command("alice", "ops", "/cloudy status").text == "here"
        door.close()
