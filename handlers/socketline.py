"""One connection of Socket Mode, kept up: made anew when it is down, hears nothing though it asks, or Slack wants so.

Source: docs.slack.dev/apis/events-api/using-socket-mode: a URL lets one connection in, once; Slack asks for a new
connection about hourly. What the SDK would do about losses, requests and limits is off: it knows no growing waits,
cannot be told to stop, and makes the new connection in the thread that takes what comes, which waits meanwhile.
"""

import json
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from typing import Any

from slack_sdk.errors import SlackApiError, SlackClientError

from bot.errors import OperatorError

_log = logging.getLogger(__name__)

_LOOK_S = 1.0
_SILENT_S = 45.0  # the SDK pings every 5 s, and closes a connection that answers none for 20 s
_FIRST_WAIT_S, _LONGEST_WAIT_S = 5.0, 60.0
_STEADY_S = 30.0
_LINGER_S = 3.0  # what came on the old connection is acknowledged within that, or not at all
_REFUSALS = ("invalid_auth", "not_authed", "not_allowed_token_type", "token_revoked", "account_inactive")
_TROUBLES = {
    "too_many_websockets": "more than 10 connections of this app: is another Cloudy running with the same app token?",
    "link_disabled": "Socket Mode is switched off in the app's settings (api.slack.com/apps, Socket Mode)",
}


@dataclass(slots=True, eq=False)
class _Held:
    """One connection, from the moment that it is being made."""

    socket: Any
    heard_at: float
    since: float
    is_to_go: bool = False  # Slack has asked for another in its place

    @property
    def is_up(self) -> bool:
        return bool(self.socket.client.is_connected()) and self._silent_s() < _SILENT_S

    def _silent_s(self) -> float:
        """Since the last frame, or the last answer to a ping, whose time the SDK keeps by the wall clock."""
        since_frame = time.monotonic() - self.heard_at
        session = self.socket.client.current_session
        answered_at = getattr(session, "last_ping_pong_time", None)
        return since_frame if answered_at is None else min(since_frame, abs(time.time() - answered_at))


class Line:
    """One of several. `keep` belongs to one thread."""

    def __init__(self, make: Callable[[], Any], number: int) -> None:
        """make: gives a SocketModeHandler that was not connected yet."""
        self._make = make
        self._number = number
        self._held: _Held | None = None
        self._tries = 0
        self._not_before = 0.0  # when Slack has said that it may be asked again
        self._news = threading.Event()

    @property
    def is_up(self) -> bool:
        """Whether it stands, and has heard something lately."""
        return self._held is not None and self._held.is_up

    def connect(self) -> bool:
        """Connect; an older connection is left when the new one stands. OperatorError: Slack refuses the token."""
        now = time.monotonic()
        fresh = _Held(self._make(), now, now)
        try:
            self._join(fresh)
        except SlackApiError as error:
            _hang_up(fresh.socket)
            code = str(error.response.get("error", ""))
            if code in _REFUSALS:
                raise OperatorError(
                    f"Slack refuses the app token ({code}). Set CLOUDY_SLACK__APP_TOKEN to an app-level token "
                    "(xapp-...) of this app with the scope connections:write."
                ) from error
            self._not_before = time.monotonic() + _retry_after_s(getattr(error.response, "headers", None))
            self._tell("Slack does not connect, trying again", code)
            return False
        except (SlackClientError, OSError, HTTPException, ValueError) as error:
            _hang_up(fresh.socket)
            self._tell("Slack is not reachable, trying again", type(error).__name__)
            return False
        old, self._held = self._held, fresh
        fresh.heard_at = fresh.since = time.monotonic()
        if old is not None:
            _leave(old, fresh)
        return True

    def keep(self, stop: threading.Event, on_change: Callable[[], None]) -> None:
        """Keep it up until told to stop; on_change is called whenever it has gone or come."""
        was_up = self.is_up
        if was_up:
            on_change()
        while not stop.is_set():
            if was_up and not self.is_up:
                self._tell("a connection to Slack is lost", "")
                was_up = False
                on_change()
            if not was_up or self._is_to_go:
                if stop.wait(self._wait_s()):
                    return
                if self._renewed():
                    was_up = True
                    _log.info("connected to Slack", extra={"action": "sockets", "number": self._number})
                    on_change()
            elif self._has_stood():
                self._tries = 0
            self._news.wait(_LOOK_S)
            self._news.clear()
        self.close()  # it may have come while we were being told

    def close(self) -> None:
        """Hang up."""
        self._news.set()
        if self._held is not None:
            self._held.socket.client.disconnect()

    @property
    def _is_to_go(self) -> bool:
        return self._held is not None and self._held.is_to_go

    def _has_stood(self) -> bool:
        return self._held is not None and time.monotonic() - self._held.since > _STEADY_S

    def _renewed(self) -> bool:
        """A refused token is no reason to end any more: runs are under way. Nor to be silent, or to stay away."""
        self._tries += 1
        try:
            return self.connect()
        except OperatorError as error:
            _log.error("Slack does not connect", extra={"action": "slack_connect", "error": error.message})
            return False

    def _join(self, fresh: _Held) -> None:
        client = fresh.socket.client
        client.on_close_listeners.append(lambda *_: self._news.set())
        client.on_message_listeners.append(partial(self._hear, fresh))
        client.connect_to_new_endpoint = _leave_it_to_the_line
        client.issue_new_wss_url = partial(_ask_once, client)
        fresh.socket.connect()
        if not client.is_connected():  # the SDK logs why and goes on
            raise ConnectionError("the socket was not accepted")

    def _hear(self, held: _Held, message: str) -> None:
        held.heard_at = time.monotonic()
        reason = _asked_to_go(message)
        if reason and not held.is_to_go:
            held.is_to_go = True
            if reason in _TROUBLES:
                self._tell("Slack hangs up, trying again", _TROUBLES[reason])
            self._news.set()

    def _wait_s(self) -> float:
        """None before the first try: the other connection may be all there is. What stood shortly goes on waiting."""
        full = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(self._tries - 1, 10)) if self._tries else 0.0
        grown = full * random.uniform(0.7, 1.0)  # noqa: S311 - jitter, not a secret
        return max(grown, self._not_before - time.monotonic())

    def _tell(self, words: str, why: str) -> None:
        _log.warning(words, extra={"action": "slack_connect", "number": self._number, "error": why})


def _leave_it_to_the_line(*, force: bool = False) -> None:
    """Do nothing, in place of the SDK's own way to a new connection; see `Line.keep`."""


def _ask_once(client: Any) -> str:
    """The URL of a connection; the SDK would sleep through a limit and ask again itself."""
    return str(client.web_client.apps_connections_open(app_token=client.app_token)["url"])


def _retry_after_s(headers: Any) -> float:
    asked = next((str(value) for name, value in (headers or {}).items() if name.lower() == "retry-after"), "")
    return min(float(asked), _LONGEST_WAIT_S) if asked.isdecimal() else 0.0


def _asked_to_go(message: str) -> str:
    """Why Slack asks for another connection; "" where it does not."""
    if '"disconnect"' not in message:
        return ""
    try:
        said = json.loads(message)
    except ValueError:
        return ""
    is_asked = isinstance(said, dict) and said.get("type") == "disconnect"
    return str(said.get("reason") or "none given") if is_asked else ""


def _leave(old: _Held, fresh: _Held) -> None:
    """What was taken from the old connection is acknowledged on the new one: Slack reads it from any."""
    stands = old.is_up
    old.socket.client.send_message = fresh.socket.client.send_message
    _hang_up(old.socket, _LINGER_S if stands else 0.0)


def _hang_up(socket: Any, after_s: float = 0.0) -> None:
    """It waits for its threads, and nobody waits for it."""
    timer = threading.Timer(after_s, socket.close)
    timer.name, timer.daemon = "hanging up", True
    timer.start()
