"""A token bucket, and the waiting on it that several connections share."""

import threading
import time

_SLICE_S = 0.05  # a transfer is cut so that no piece takes longer than this
_SHORTEST_WAIT_S = 0.001  # so that a rounding error of a token is not waited for for ever


class TokenBucket:
    """How many bytes may pass when. Pure: the time comes from the caller, in seconds of any monotonic clock.

    A taker that finds tokens may take more than there are; the debt delays the next one.
    """

    def __init__(self, bytes_per_s: float, now: float) -> None:
        self._rate = bytes_per_s
        self._burst = bytes_per_s * _SLICE_S
        self._tokens = 0.0
        self._at = now

    def take(self, size: int, now: float) -> float:
        """Take size bytes and give 0, or take nothing and give the seconds to wait before asking again."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 0:
            return max(-self._tokens / self._rate, _SHORTEST_WAIT_S)
        self._tokens -= size
        return 0.0


class Throttle:
    """One limit for all that passes, in both directions together; None is no limit. A change counts at once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._bucket: TokenBucket | None = None
        self._rate: float | None = None

    def limit(self, bytes_per_s: float | None) -> None:
        """Set the limit; who waits under the old one asks anew."""
        if bytes_per_s is not None and bytes_per_s <= 0:
            raise ValueError("a limit must be more than 0 bytes a second")
        with self._changed:
            self._rate = bytes_per_s
            self._bucket = None if bytes_per_s is None else TokenBucket(bytes_per_s, time.monotonic())
            self._changed.notify_all()

    def piece(self, most: int) -> int:
        """How much to read at once, so that slow wires stay smooth."""
        rate = self._rate
        return most if rate is None else min(most, max(1024, int(rate * _SLICE_S)))

    def take(self, size: int) -> None:
        """Wait until size bytes may pass."""
        if self._bucket is None:
            return
        with self._changed:
            while self._bucket is not None:
                wait_s = self._bucket.take(size, time.monotonic())
                if not wait_s:
                    return
                self._changed.wait(wait_s)
