"""One connection of Socket Mode, kept up: made anew when it is down, or hears nothing though it asks.

Source: docs.slack.dev/apis/events-api/using-socket-mode: a URL lets one connection in, once; Slack asks for a new
connection about hourly, which the SDK sees to. Its reconnecting after a loss is off: it knows no growing waits.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

from slack_sdk.errors import SlackApiError, SlackClientError

from bot.errors import OperatorError

_log = logging.getLogger(__name__)

_LOOK_S = 1.0
_SILENT_S = 45.0  # the SDK pings every 5 s, and closes a connection that answers none for 20 s
_FIRST_WAIT_S, _LONGEST_WAIT_S = 5.0, 60.0
_STEADY_S = 30.0
_REFUSALS = ("invalid_auth", "not_authed", "not_allowed_token_type", "token_revoked", "account_inactive")


class Line:
    """One of several. `keep` belongs to one thread."""

    def __init__(self, make: Callable[[], Any], number: int) -> None:
        """make: gives a SocketModeHandler that was not connected yet."""
        self._make = make
        self._number = number
        self._socket = make()
        self._tries = 0
        self._lost = threading.Event()
        self._heard_at = self._stands_since = time.monotonic()

    @property
    def is_up(self) -> bool:
        """Whether it stands, and has heard something lately."""
        return bool(self._socket.client.is_connected()) and self._silent_s() < _SILENT_S

    def connect(self) -> bool:
        """Connect for the first time. OperatorError: Slack answers, and refuses the token."""
        try:
            self._join()
        except SlackApiError as error:
            code = str(error.response.get("error", ""))
            if code in _REFUSALS:
                raise OperatorError(
                    f"Slack refuses the app token ({code}). Set CLOUDY_SLACK__APP_TOKEN to an app-level token "
                    "(xapp-...) of this app with the scope connections:write."
                ) from error
            self._tell("Slack does not connect, trying again", code)
            return False
        except (SlackClientError, OSError, HTTPException, ValueError) as error:
            self._tell("Slack is not reachable, trying again", type(error).__name__)
            return False
        self._stands_since = time.monotonic()
        return True

    def keep(self, stop: threading.Event, on_change: Callable[[], None]) -> None:
        """Keep it up until told to stop; on_change is called whenever it has gone or come."""
        was_up = self.is_up
        if was_up:
            on_change()
        while not stop.is_set():
            if not self.is_up:
                if was_up:
                    self._tell("a connection to Slack is lost", "")
                    was_up = False
                    if time.monotonic() - self._stands_since > _STEADY_S:
                        self._tries = 0
                    on_change()
                if stop.wait(self._wait_s()):
                    return
                was_up = self._renewed()
                if was_up:
                    _log.info("connected to Slack", extra={"action": "sockets", "number": self._number})
                    on_change()
            self._lost.wait(_LOOK_S)
            self._lost.clear()

    def close(self) -> None:
        """Hang up."""
        self._lost.set()
        self._socket.client.disconnect()

    def _renewed(self) -> bool:
        """A refused token is no reason to end any more: runs are under way. Nor to be silent, or to stay away."""
        old, self._socket = self._socket, self._make()
        # It waits for its threads, and nobody waits for it.
        threading.Thread(target=old.close, name="hanging up", daemon=True).start()
        self._tries += 1
        try:
            return self.connect()
        except OperatorError as error:
            _log.error("Slack does not connect", extra={"action": "slack_connect", "error": error.message})
            return False

    def _join(self) -> None:
        client = self._socket.client
        client.on_close_listeners.append(lambda *_: self._lost.set())
        client.on_message_listeners.append(self._hear)
        self._heard_at = time.monotonic()
        self._socket.connect()
        if not client.is_connected():  # the SDK logs why and goes on
            raise ConnectionError("the socket was not accepted")

    def _hear(self, _message: str) -> None:
        self._heard_at = time.monotonic()

    def _silent_s(self) -> float:
        """Since the last frame, or the last answer to a ping, whose time the SDK keeps by the wall clock."""
        since_frame = time.monotonic() - self._heard_at
        session = self._socket.client.current_session
        answered_at = getattr(session, "last_ping_pong_time", None)
        return since_frame if answered_at is None else min(since_frame, abs(time.time() - answered_at))

    def _wait_s(self) -> float:
        """None before the first try: the other connection may be all there is. What stood shortly goes on waiting."""
        if not self._tries:
            return 0.0
        full = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(self._tries - 1, 10))
        return full * random.uniform(0.7, 1.0)  # noqa: S311 - jitter, not a secret

    def _tell(self, words: str, why: str) -> None:
        _log.warning(words, extra={"action": "slack_connect", "number": self._number, "error": why})
