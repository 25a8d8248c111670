"""What Slack sends to the app, whichever way it goes: requests that want an answer in time."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]

COMMAND = "slash_commands"
INTERACTION = "interactive"
EVENT = "events_api"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended: error is "" when the app acknowledged it; payload is what it answered with."""

    error: str = ""
    payload: Json | None = None


class Request:
    """One slash command, interaction or event on its way to the app."""

    def __init__(self, kind: str, payload: Json) -> None:
        self.kind = kind
        self.payload = payload
        self.attempt = 0  # how often it was sent again; events only
        self.reason = "timeout"  # why it is sent again
        self.copies = 1  # how often each delivery reaches the app
        self._lock = threading.Lock()
        self._settled = threading.Event()
        self._outcome = Outcome()

    @property
    def is_settled(self) -> bool:
        """Whether an acknowledgement would come too late, or was there."""
        return self._settled.is_set()

    @property
    def is_event(self) -> bool:
        """Events are sent again until they are acknowledged, all else is sent once."""
        return self.kind == EVENT

    def settle(self, outcome: Outcome, tell: Callable[[bool], None] = lambda _: None) -> bool:
        """End it; False if it had ended before, and then nothing changes. tell hears which before whoever waits."""
        with self._lock:
            in_time = not self._settled.is_set()
            tell(in_time)
            if in_time:
                self._outcome = outcome
                self._settled.set()
            return in_time

    def wait(self, seconds: float) -> Outcome:
        """Wait for the acknowledgement. Too late is operation_timeout, and final unless it is an event."""
        if not self._settled.wait(seconds):
            late = Outcome(error="operation_timeout")
            if self.is_event or self.settle(late):
                return late
        return self._outcome


class Delivery(Protocol):
    """A way to reach the app."""

    def send(self, request: Request) -> None:
        """Send it, from any thread, without waiting; the outcome comes through the request."""

    def ready(self, timeout_s: float) -> bool:
        """Wait until the app can be reached; False when it cannot be by then."""
