"""Socket Mode: nothing of ours needs to be reachable from outside."""

import logging
import threading
from collections.abc import Callable

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk.errors import SlackApiError

from bot.errors import OperatorError

_log = logging.getLogger(__name__)

_RECONNECT_S = 5.0
_REFUSALS = ("invalid_auth", "not_authed", "not_allowed_token_type", "token_revoked", "account_inactive")


class SocketDoor:
    """A socket to Slack (port: handlers.door.Door); an outage of Slack is waited out."""

    def __init__(self, app: App, *, app_token: str) -> None:
        self._socket = SocketModeHandler(app, app_token)
        self._closed = threading.Event()

    def open(self, on_ready: Callable[[], None]) -> None:
        """See the port. OperatorError: Slack answers, and refuses the token."""
        if self._connected():
            on_ready()
            return
        threading.Thread(target=self._connect_later, args=(on_ready,), name="connector", daemon=True).start()

    def close(self) -> None:
        """See the port."""
        self._closed.set()
        self._socket.client.disconnect()

    def _connect_later(self, on_ready: Callable[[], None]) -> None:
        while not self._closed.wait(_RECONNECT_S):
            if self._connected_in_the_end():
                on_ready()
                return

    def _connected_in_the_end(self) -> bool:
        """A refused token is no reason to end any more: runs are under way. Nor to be silent, or to stay away."""
        try:
            return self._connected()
        except OperatorError as error:
            _log.error("Slack does not connect", extra={"action": "slack_connect", "error": error.message})
            return False

    def _connected(self) -> bool:
        try:
            self._socket.connect()  # type: ignore[no-untyped-call]
        except SlackApiError as error:
            code = error.response.get("error", "")
            if code in _REFUSALS:
                raise OperatorError(
                    f"Slack refuses the app token ({code}). Set CLOUDY_SLACK__APP_TOKEN to an app-level token "
                    "(xapp-...) of this app with the scope connections:write."
                ) from error
            _log.warning("Slack does not connect, trying again", extra={"action": "slack_connect", "error": code})
            return False
        except OSError as error:
            why = type(error).__name__
            _log.warning("Slack is not reachable, trying again", extra={"action": "slack_connect", "error": why})
            return False
        return True
