"""The socket to Slack: what stands in its way at the start is waited out, and said."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

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

    def send_message(self, _message: str) -> None:
        """Nothing."""

    def connect_to_new_endpoint(self, *, force: bool = False) -> None:
        raise AssertionError("the SDK would connect in the thread that reads")

    def hear(self, message: str) -> None:
        """As the SDK does with a frame: its listeners, then what it makes of it itself."""
        for listener in self.on_message_listeners:
            listener(message)
        if "disconnect" in message:
            self.connect_to_new_endpoint(force=True)


def door_of(*ways: Exception, made: list[Socket] | None = None, left: list[Exception] | None = None) -> SocketDoor:
    """left: what stands in the way of the next connections; a list that a test may add to."""
    left = list(ways) if left is None else left

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
    answer = SlackResponse(
        client=None,
        http_verb="POST",
        api_url="",
        req_args={},
        data={"ok": False, "error": code},
        headers={},
        status_code=200,
    )
    return SlackApiError("refused", answer)  # type: ignore[no-untyped-call]


def test_a_token_that_is_refused_at_once_is_told() -> None:
    with pytest.raises(OperatorError, match="CLOUDY_SLACK__APP_TOKEN"):
        door_of(refused("invalid_auth")).open(lambda: None)


def test_a_token_that_is_refused_after_an_outage_is_said_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    ready = threading.Event()
    door = door_of(OSError("down"), refused("token_revoked"), OSError("down"))
    with caplog.at_level(logging.WARNING):
        door.open(ready.set)
        assert ready.wait(60)
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
    held = door._lines[0]._held
    assert held is not None
    held.heard_at -= 1000
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


def asked(reason: str) -> str:
    return f'{{"type": "disconnect", "reason": "{reason}"}}'


def test_a_connection_that_slack_wants_anew_stands_until_the_new_one_does() -> None:
    told: list[int] = []
    made: list[Socket] = []
    left: list[Exception] = []
    door = door_of(made=made, left=left)
    door._report = lambda standing, _of: told.append(standing)
    door.open(lambda: None)
    until(lambda: door.standing == 2, "two connections")
    told.clear()

    left += [OSError("down"), OSError("down")]
    made[0].hear(asked("refresh_requested"))
    until(lambda: len(made) == 5, "two tries in vain, then a new one")
    until(lambda: not made[0].is_up, "the old one left")
    assert door.standing == 2
    assert set(told) == {2}
    door.close()


def test_why_slack_hangs_up_is_said_to_whoever_runs_cloudy(caplog: pytest.LogCaptureFixture) -> None:
    made: list[Socket] = []
    door = door_of(made=made)
    door.open(lambda: None)
    until(lambda: door.standing == 2, "two connections")
    with caplog.at_level(logging.WARNING):
        made[0].hear(asked("too_many_websockets"))
        made[1].hear(asked("link_disabled"))
    said = " ".join(str(getattr(record, "error", "")) for record in caplog.records)
    assert "another Cloudy" in said
    assert "Socket Mode is switched off" in said
    door.close()


def test_what_people_write_of_disconnecting_is_no_wish_of_slack_s() -> None:
    for message in ('{"payload": {"text": "\\"disconnect\\""}}', '"disconnect"', '{"disconnect"', "{}"):
        assert socketline._asked_to_go(message) == ""
    assert socketline._asked_to_go('{"type":"disconnect"}')


def test_a_server_that_always_wants_another_connection_is_not_asked_without_end() -> None:
    line = socketline.Line(lambda: Socket([]), 1)
    waits = []
    for _ in range(6):
        waits.append(line._wait_s())
        assert line._renewed()
        assert line._held is not None
        line._held.socket.hear(asked("too_many_websockets"))
    assert all(later > earlier for earlier, later in pairwise(waits))


@pytest.fixture
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "")


@contextmanager
def standing_door(slack: LocalSlack, app: App) -> Iterator[SocketDoor]:
    door = SocketDoor(app, app_token=slack.app_token)
    door.open(lambda: None)
    until(lambda: len(slack._sockets._connections) == 2, "two connections")
    yield door
    door.close()


@pytest.mark.usefixtures("_no_proxy")
def test_the_next_command_is_answered_after_one_socket_was_closed_without_notice() -> None:
    with LocalSlack() as slack:
        app = App(client=client_of(slack), token_verification_enabled=False)
        app.command("/cloudy")(lambda ack: ack("here"))
        with standing_door(slack, app):
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


@pytest.mark.usefixtures("_no_proxy")
def test_a_limit_is_waited_out_where_one_can_be_told_to_stop(caplog: pytest.LogCaptureFixture) -> None:
    with LocalSlack() as slack, caplog.at_level(logging.WARNING):
        slack.fail_next("apps.connections.open", 2, status=429, retry_after_s=40)
        door = SocketDoor(App(client=client_of(slack), token_verification_enabled=False), app_token=slack.app_token)
        door.open(lambda: None)
        until(lambda: [getattr(row, "error", "") for row in caplog.records].count("ratelimited") == 2, "both wait")
        assert all(30 < line._wait_s() <= 40 for line in door._lines)
        door.close()


@pytest.mark.usefixtures("_no_proxy")
def test_what_came_on_the_old_connection_is_acknowledged_on_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socketline, "_LINGER_S", 0.0)
    is_heard, may_end = threading.Event(), threading.Event()
    with LocalSlack() as slack:
        app = App(client=client_of(slack), token_verification_enabled=False)

        def listen(ack: Any) -> None:
            is_heard.set()
            may_end.wait(60)
            ack("here")

        app.command("/cloudy")(listen)
        answers: list[str | None] = []
        typing = threading.Thread(target=lambda: answers.append(slack.command("alice", "ops", "/cloudy status").text))
        with standing_door(slack, app):
            before = set(numbers(slack))
            typing.start()
            assert is_heard.wait(60)
            slack.refresh_connections()
            until(partial(are_two_others, slack, before), "two new ones")
            until(lambda: not before & set(numbers(slack)), "the old ones left")
            may_end.set()
            typing.join(60)
        assert answers == ["here"]


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.usefixtures("_no_proxy")
def test_a_hundred_new_connections_leave_no_thread_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socketline, "_LINGER_S", 0.0)
    monkeypatch.setattr(socketline, "_LONGEST_WAIT_S", 0.02)
    with LocalSlack() as slack:
        app = App(client=client_of(slack), token_verification_enabled=False)
        with standing_door(slack, app):
            threads = threading.active_count()
            for turn in range(50):
                before = set(numbers(slack))
                (slack.refresh_connections if turn % 2 else slack.drop_connections)()
                until(partial(are_two_others, slack, before), "two new ones")
            # Each has three and its workers; the stand-in's own come and go.
            until(lambda: threading.active_count() < threads + 10, "the threads of the old ones ended")
            until(lambda: len(numbers(slack)) == 2, "two, and none of the old ones")
