"""Socket Mode: nothing of ours needs to be reachable from outside.

Two connections: Slack gives each delivery to one of them, and what is typed while there is none is lost.
"""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler

from handlers.socketline import Line

_log = logging.getLogger(__name__)

LINES = 2
_PING_S = 5
_REPORT_S = 60.0
Report = Callable[[int, int], None]


class SocketDoor:
    """Sockets to Slack (port: handlers.door.Door); an outage of Slack is waited out."""

    def __init__(
        self,
        app: App,
        *,
        app_token: str,
        report: Report = lambda _standing, _of: None,
        make: Callable[[], Any] | None = None,
    ) -> None:
        """report: told how many connections of how many stand, at each change and every minute; it may raise nothing.

        make: gives a SocketModeHandler; None: the builtin one.
        """
        made = partial(SocketModeHandler, app, app_token, auto_reconnect_enabled=False, ping_interval=_PING_S)
        self._lines = [Line(make or made, number) for number in range(1, LINES + 1)]
        self._report = report
        self._on_ready: Callable[[], None] = lambda: None
        self._is_ready = False
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def open(self, on_ready: Callable[[], None]) -> None:
        """See the port. OperatorError: Slack answers, and refuses the token."""
        self._on_ready = on_ready
        if self._lines[0].connect():
            self._tell_ready()
        for number, line in enumerate(self._lines, start=1):
            keep = partial(line.keep, self._closed, self._changed)
            threading.Thread(target=keep, name=f"socket {number}", daemon=True).start()
        threading.Thread(target=self._report_for_ever, name="socket report", daemon=True).start()

    def close(self) -> None:
        """See the port."""
        self._closed.set()
        for line in self._lines:
            line.close()

    @property
    def standing(self) -> int:
        """How many connections there are now."""
        return sum(line.is_up for line in self._lines)

    def _changed(self) -> None:
        standing = self.standing
        if standing:
            self._tell_ready()
        _log.info("connections to Slack", extra={"action": "sockets", "standing": standing, "of": LINES})
        self._report(standing, LINES)

    def _tell_ready(self) -> None:
        with self._lock:
            is_first, self._is_ready = not self._is_ready, True
        if is_first:
            self._on_ready()

    def _report_for_ever(self) -> None:
        while not self._closed.wait(_REPORT_S):
            self._report(self.standing, LINES)
