"""Slack as a process has it: the app with its listeners, the socket, and the outbox's sender."""

import threading
from concurrent.futures import ThreadPoolExecutor

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

import handlers
from bot.ports import Clock
from bot.service import Service
from bot.store import Database
from handlers.notifier import Sender

LISTENERS = 20  # threads for listeners alone; they record and ack, nothing else
TIMEOUT_S = 10


class Connection:
    """Socket Mode in, Web API out. The SDK's own retries are off: the sender decides what is sent again."""

    def __init__(
        self,
        *,
        api_url: str,
        bot_token: str,
        app_token: str,
        db: Database,
        service: Service,
        clock: Clock,
        installation: str,
    ) -> None:
        client = WebClient(token=bot_token, base_url=api_url, timeout=TIMEOUT_S, retry_handlers=[])
        app = App(
            client=client,
            token_verification_enabled=False,
            listener_executor=ThreadPoolExecutor(LISTENERS, thread_name_prefix="listener"),
        )
        handlers.register(app, service)
        self._socket = SocketModeHandler(app, app_token)
        self._stop = threading.Event()
        sender = Sender(db, client, clock=clock, installation=installation)
        self._sender = threading.Thread(target=sender.run, args=(self._stop,), name="sender", daemon=True)

    def start(self) -> None:
        """Connect and begin to send."""
        self._sender.start()
        self._socket.connect()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Take no more envelopes and send no more messages; what is not sent yet goes out after the next start."""
        self._stop.set()
        self._socket.client.disconnect()
        self._sender.join(timeout=2.0)
