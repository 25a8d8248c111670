"""Slack as a process has it: the app with its listeners, a door that requests come in by, and the outbox's sender."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from slack_bolt import App
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient

import handlers
from bot.service import Service
from handlers.door import Door
from handlers.notifier import Sender

LISTENERS = 20  # threads for listeners alone; they record and ack, nothing else
TIMEOUT_S = 10


def slack_client(api_url: str, bot_token: str) -> WebClient:
    """A client of the Web API. The SDK's own retries are off: the sender decides what is sent again."""
    return WebClient(token=bot_token, base_url=api_url, timeout=TIMEOUT_S, retry_handlers=[])


def slack_app(client: WebClient, service: Service) -> App:
    """The app with every listener."""
    known = AuthorizeResult(enterprise_id=None, team_id=None, bot_token=client.token)
    app = App(
        client=client,
        token_verification_enabled=False,
        # Bolt would ask auth.test before the first acknowledgement; a slow Slack would cost that one its answer.
        authorize=lambda: known,
        listener_executor=ThreadPoolExecutor(LISTENERS, thread_name_prefix="listener"),
    )
    handlers.register(app, service)
    return app


class Lasting(Protocol):
    """What goes on until it is told to stop."""

    def run(self, stop: threading.Event) -> None:
        """Go on."""


class Connection:
    """A door in, the Web API out."""

    def __init__(self, door: Door, sender: Sender, *, also: Sequence[Lasting] = ()) -> None:
        """also: what else goes on in threads while the connection is open."""
        self._door = door
        self._stop = threading.Event()
        self._sender = threading.Thread(target=sender.run, args=(self._stop,), name="sender", daemon=True)
        self._also = [threading.Thread(target=each.run, args=(self._stop,), daemon=True) for each in also]

    def start(self, on_ready: Callable[[], None]) -> None:
        """Begin to send, and open the door; an outage of Slack is waited out, the worker works meanwhile.

        OperatorError: the door cannot be opened.
        """
        self._sender.start()
        for thread in self._also:
            thread.start()
        self._door.open(on_ready)

    def close(self) -> None:
        """Take no more requests and send no more messages; what is not sent yet goes out after the next start."""
        self._stop.set()
        self._door.close()
        self._sender.join(timeout=2.0)
