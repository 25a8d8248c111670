"""What tests of the local Slack have in common: waiting, looking into the record, an app on either transport."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

import handlers
from bot.service import Service
from bot.store import Database
from handlers.homes import Homes
from integrations.simulators.slack import LocalSlack

Json = dict[str, Any]


class Hand:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def until(claim: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Poll until the claim holds."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def hurry(slack: LocalSlack, seconds: float = 0.5) -> None:
    """Nobody will acknowledge from now on, so that it is not waited for as long as for somebody who does."""
    object.__setattr__(slack._acting._asking, "ack_deadline_s", seconds)
    if slack._http is not None:
        slack._http._deadline_s = seconds


def rows(slack: LocalSlack, kind: str) -> list[Json]:
    """The record's rows of one type."""
    return [row for row in slack.record if row["type"] == kind]


def refusal(act: Callable[[], object]) -> Json:
    """What Slack answered to a call that it refused."""
    with pytest.raises(SlackApiError) as caught:
        act()
    answer = caught.value.response.data
    assert isinstance(answer, dict)
    return answer


def client_of(slack: LocalSlack) -> WebClient:
    """The SDK's client, without its own retries."""
    return WebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[])


def app_for(slack: LocalSlack) -> App:
    """A real Bolt app that has no listeners yet."""
    return App(client=client_of(slack), signing_secret=slack.signing_secret)


@contextmanager
def connected(slack: LocalSlack, app: App) -> Iterator[SocketModeHandler]:
    """The app on Socket Mode."""
    handler = SocketModeHandler(app, slack.app_token)
    handler.connect()  # type: ignore[no-untyped-call]
    assert slack.ready(60)
    try:
        yield handler
    finally:
        handler.client.auto_reconnect_enabled = False
        # It takes seconds, and for ever when it comes while the SDK begins to read; nothing waits for it.
        threading.Thread(target=handler.close, daemon=True).start()


@contextmanager
def database(folder: Path) -> Iterator[Database]:
    """A database of its own."""
    Database.migrate(folder / "cloudy.db")
    db = Database.open(folder / "cloudy.db", audit_key=None)
    yield db
    db.close()


@contextmanager
def bot_on(slack: LocalSlack, service: Service, homes: Homes | None = None) -> Iterator[None]:
    """A bot without worker and sender: all its listeners, on Socket Mode."""
    app = App(client=client_of(slack), token_verification_enabled=False, listener_executor=ThreadPoolExecutor(20))
    handlers.register(app, service, homes)
    with connected(slack, app):
        yield


class _Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 200


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Nothing."""


@contextmanager
def served(port: int, application: Any) -> Iterator[None]:
    """A WSGI application on a port of this machine."""
    server = make_server("127.0.0.1", port, application, server_class=_Threaded, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def behind_http(port: int, app: App) -> Iterator[None]:
    """The app behind Bolt's own WSGI adapter, with nothing of ours before it."""
    with served(port, SlackRequestHandler(app)):
        yield
