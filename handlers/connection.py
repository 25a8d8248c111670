"""Slack as a process has it: the app with its listeners, the socket, and the outbox's sender."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

import handlers
from bot.errors import OperatorError
from bot.ports import Clock
from bot.service import Service
from bot.store import Database
from handlers.notifier import Sender

log = logging.getLogger(__name__)

LISTENERS = 20  # threads for listeners alone; they record and ack, nothing else
TIMEOUT_S = 10
RECONNECT_S = 5.0
REFUSALS = ("invalid_auth", "not_authed", "not_allowed_token_type", "token_revoked", "account_inactive")


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
        known = AuthorizeResult(enterprise_id=None, team_id=None, bot_token=bot_token)
        app = App(
            client=client,
            token_verification_enabled=False,
            # Bolt would ask auth.test before the first acknowledgement; a slow Slack would cost that one its answer.
            authorize=lambda: known,
            listener_executor=ThreadPoolExecutor(LISTENERS, thread_name_prefix="listener"),
        )
        handlers.register(app, service)
        self._socket = SocketModeHandler(app, app_token)
        self._stop = threading.Event()
        sender = Sender(db, client, clock=clock, installation=installation)
        self._sender = threading.Thread(target=sender.run, args=(self._stop,), name="sender", daemon=True)

    def start(self, on_ready: Callable[[], None]) -> None:
        """Begin to send, and connect; an outage of Slack is waited out, the worker works meanwhile.

        OperatorError: Slack answers, and refuses the tokens.
        """
        self._sender.start()
        if self._connected():
            on_ready()
            return
        threading.Thread(target=self._connect_later, args=(on_ready,), name="connector", daemon=True).start()

    def _connect_later(self, on_ready: Callable[[], None]) -> None:
        while not self._stop.wait(RECONNECT_S):
            if self._connected():
                on_ready()
                return

    def _connected(self) -> bool:
        try:
            self._socket.connect()  # type: ignore[no-untyped-call]
        except SlackApiError as error:
            code = error.response.get("error", "")
            if code in REFUSALS:
                raise OperatorError(
                    f"Slack refuses the app token ({code}). Set CLOUDY_SLACK__APP_TOKEN to an app-level token "
                    "(xapp-...) of this app with the scope connections:write."
                ) from error
            log.warning("Slack does not connect, trying again", extra={"action": "slack_connect", "error": code})
            return False
        except OSError as error:
            why = type(error).__name__
            log.warning("Slack is not reachable, trying again", extra={"action": "slack_connect", "error": why})
            return False
        return True

    def close(self) -> None:
        """Take no more envelopes and send no more messages; what is not sent yet goes out after the next start."""
        self._stop.set()
        self._socket.client.disconnect()
        self._sender.join(timeout=2.0)
