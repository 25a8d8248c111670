"""Slack's rate limits, for whoever switches them on: a count of calls by method, and of posts by channel.

Source: https://docs.slack.dev/apis/web-api/rate-limits and the method pages; Slack promises the figures as minima.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Callable

_WINDOW_S = 60.0
_PER_MINUTE = {1: 1, 2: 20, 3: 50, 4: 100}
_TIERS = {
    "blocks.validate": 4,
    "bots.info": 3,
    "chat.delete": 3,
    "chat.postEphemeral": 4,
    "chat.update": 3,
    "conversations.history": 3,
    "conversations.info": 3,
    "conversations.list": 2,
    "conversations.members": 4,
    "conversations.open": 3,
    "conversations.replies": 3,
    "files.completeUploadExternal": 4,
    "files.getUploadURLExternal": 4,
    "files.info": 4,
    "reactions.add": 3,
    "usergroups.list": 2,
    "usergroups.users.list": 2,
    "users.info": 4,
    "users.list": 2,
    "users.lookupByEmail": 3,
    "views.open": 4,
    "views.publish": 4,
    "views.push": 4,
    "views.update": 4,
}
_POST = "chat.postMessage"
_POST_EVERY_S = 1.0
_POST_BURST = 5  # Slack allows "short bursts" and gives no figure


class Limits:
    """Says how long a call has to wait. Off until `switch`; clock gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._is_on = False
        self._calls: dict[str, deque[float]] = defaultdict(deque)
        self._channels: dict[str, float] = {}

    @property
    def is_on(self) -> bool:
        """Whether calls are counted."""
        return self._is_on

    def switch(self, is_on: bool) -> None:
        """On or off; what was counted is forgotten."""
        with self._lock:
            self._is_on = is_on
            self._calls.clear()
            self._channels.clear()

    def take(self, method: str, channel: str) -> float:
        """Count a call; 0 when it may go on, else the seconds after which the next one may."""
        with self._lock:
            if not self._is_on:
                return 0.0
            if method == _POST:
                return self._post(channel)
            tier = _TIERS.get(method)
            return self._call(self._calls[method], _PER_MINUTE[tier]) if tier else 0.0

    def _call(self, calls: deque[float], most: int) -> float:
        now = self._clock()
        while calls and calls[0] <= now - _WINDOW_S:
            calls.popleft()
        if len(calls) >= most:
            return calls[0] + _WINDOW_S - now
        calls.append(now)
        return 0.0

    def _post(self, channel: str) -> float:
        # The time at which the channel's bucket is full again; it may lie a burst ahead, and no further.
        now = self._clock()
        full_at = max(self._channels.get(channel, now), now)
        wait_s = full_at + _POST_EVERY_S - (now + _POST_BURST * _POST_EVERY_S)
        if wait_s > 1e-9:
            return wait_s
        self._channels[channel] = full_at + _POST_EVERY_S
        return 0.0
