"""How fast Slack may be spoken to: token buckets and waits, on the caller's time.

Source: docs.slack.dev/apis/web-api/rate-limits. chat.postMessage: about one a second for each channel, short bursts
allowed. chat.update: 50 a minute and more, for the app in the whole workspace. chat.postEphemeral: 100 and more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

EDIT_EVERY = timedelta(seconds=1.0)  # of one message, while it is not in its last shape
_KEPT_FOR_LAST_EDITS = 3.0
_LONGEST = timedelta(days=1)  # nobody waits so long


def waits(until: datetime | None, now: datetime) -> bool:
    """Whether it is to be waited for. What lies further ahead was noted by a clock that was ahead itself."""
    return until is not None and now < until <= now + _LONGEST


@dataclass(slots=True)
class Bucket:
    """Tokens that come back with time; a clock that goes backwards only delays them."""

    burst: float
    per_s: float
    tokens: float = field(init=False)
    _at: datetime | None = None

    def __post_init__(self) -> None:
        self.tokens = self.burst

    def has(self, now: datetime, more_than: float = 0.0) -> bool:
        """Whether one can be taken and more_than are left."""
        if self._at is not None:
            passed = max(0.0, (now - self._at).total_seconds())
            self.tokens = min(self.burst, self.tokens + passed * self.per_s)
        self._at = now
        return self.tokens >= 1.0 + more_than

    def empty(self, at: datetime) -> None:
        """Say that there was nothing left at that time."""
        self.tokens, self._at = 0.0, at

    def take(self) -> None:
        """Take one."""
        self.tokens -= 1.0


class Pace:
    """The budgets of one workspace."""

    def __init__(self) -> None:
        self._posts: dict[str, Bucket] = {}
        self._whispers = Bucket(burst=10, per_s=1.2)
        # Burst and refill stay below 50 in any minute, also over a restart. What is burst is lost to the rest of the
        # minute, and with many transactions the refill alone says how old their checklists are; hence the small burst.
        self._edits = Bucket(burst=6, per_s=42 / 60)
        self._closed: dict[str, datetime] = {}

    def resume(self, last_sent: Mapping[str, datetime]) -> None:
        """Go on after a restart: no bucket holds more than what came back since the last message, by channel.

        It may have held more; so a restart only delays, and never doubles a budget.
        """
        for channel, at in last_sent.items():
            self._channel(channel).empty(at)
        for bucket in (self._whispers, self._edits) if last_sent else ():
            bucket.empty(max(last_sent.values()))

    def may_post(self, channel: str, now: datetime) -> bool:
        """A message into a channel or one of its threads."""
        return self._is_open("post", now) and self._channel(channel).has(now)

    def may_whisper(self, now: datetime) -> bool:
        """A private answer."""
        return self._is_open("whisper", now) and self._whispers.has(now)

    def may_edit(self, last: datetime | None, now: datetime, *, final: bool) -> bool:
        """An edit of a message that was sent at `last`; the last edits of messages have some tokens to themselves."""
        if not final and last is not None and timedelta(0) <= now - last < EDIT_EVERY:
            return False
        return self._is_open("edit", now) and self._edits.has(now, 0.0 if final else _KEPT_FOR_LAST_EDITS)

    def spend(self, way: str, channel: str) -> None:
        """Count one: way is "post", "whisper" or "edit"."""
        bucket = {"whisper": self._whispers, "edit": self._edits}.get(way) or self._channel(channel)
        bucket.take()

    def close(self, way: str, until: datetime) -> None:
        """Slack has asked for a wait."""
        self._closed[way] = until

    def _is_open(self, way: str, now: datetime) -> bool:
        return not waits(self._closed.get(way), now)

    def _channel(self, channel: str) -> Bucket:
        # One less than Slack is known to take at once: a call that is late on its way has the next ones at its heels.
        return self._posts.setdefault(channel, Bucket(burst=4, per_s=1.0))
