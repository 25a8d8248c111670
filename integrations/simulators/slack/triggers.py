"""Trigger ids: each lets one view be opened, once and soon after the act that it came with."""

import secrets
import threading
from collections.abc import Callable

from .call import SlackError
from .people import TEAM_ID

_VALID_S = 3.0  # Source: https://docs.slack.dev/interactivity/handling-user-interaction


class Triggers:
    """Gives them out and takes them back; clock gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, tuple[str, float]] = {}
        self._spent: set[str] = set()

    def open(self, user_id: str) -> str:
        """A new one, for what that user does now."""
        trigger = f"{secrets.randbits(40)}.{TEAM_ID[1:]}.{secrets.token_hex(16)}"
        with self._lock:
            self._open[trigger] = (user_id, self._clock() + _VALID_S)
        return trigger

    def spend(self, trigger: str) -> str:
        """The user whose act it came with.

        SlackError: invalid_trigger_id, expired_trigger_id, exchanged_trigger_id.
        """
        with self._lock:
            if trigger in self._spent:
                raise SlackError("exchanged_trigger_id")
            if trigger not in self._open:
                raise SlackError("invalid_trigger_id")
            user_id, until = self._open[trigger]
            if self._clock() > until:
                raise SlackError("expired_trigger_id")
            self._spent.add(trigger)
            return user_id
