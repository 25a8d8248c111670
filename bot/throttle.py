"""How fast bytes may pass a place, over all transfers of this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from threading import Lock
from typing import Any, TypeVar, cast

from bot.ports import Clock
from bot.stopping import HEARD_S

T = TypeVar("T")
BURST_S = 0.25  # what was not used in so long may be used at once


class Ration:
    """Bytes that may pass: a bucket of tokens, which may go into debt for one piece after the other. Pure.

    In any stretch of t seconds no more pass than rate * t + burst, if each piece waits as long as it is told.
    It counts seconds: where the rate falls, what passed before costs no more than it did; where it rises, less.
    """

    def __init__(self, at: float) -> None:
        """at: seconds of any clock; one that is set back gives nothing."""
        self._at = at
        self._saved = BURST_S  # seconds; below 0: a debt
        self._rate = 0.0

    def take(self, at: float, size: int, rate: float) -> float:
        """Take so many bytes at this rate (bytes a second), and give how many seconds they have to wait."""
        if self._saved < 0 and rate > self._rate:
            self._saved *= self._rate / rate
        saved = min(BURST_S, self._saved + max(0.0, at - self._at))
        self._at, self._rate = at, rate
        self._saved = saved - size / rate
        return max(0.0, -self._saved)

    def forgive(self) -> None:
        """There is no rate: nothing is owed any more."""
        self._saved = max(0.0, self._saved)


class Throttle:
    """Lets bytes pass at the rate of the hour; pieces of all threads take turns in the order in which they came."""

    def __init__(self, rate: Callable[[datetime], int | None], clock: Clock) -> None:
        """rate: bytes a second at a time; None: as many as want to."""
        self._rate = rate
        self._clock = clock
        self._ration = Ration(clock.now().timestamp())
        self._lock = Lock()

    def is_on(self) -> bool:
        """Whether there is a rate now."""
        return self._rate(self._clock.now()) is not None

    def __call__(self, size: int) -> None:
        """Wait until so many bytes may pass. What the check of `heeding` raises ends the wait."""
        with self._lock:
            now = self._clock.now()
            rate = self._rate(now)
            if rate is None:
                self._ration.forgive()
                return
            left = self._ration.take(now.timestamp(), size, rate)
        while left > 0:
            heed()
            self._clock.sleep(min(left, HEARD_S))
            left -= HEARD_S
            if (anew := self._rate(self._clock.now())) is None:
                return
            left, rate = left * rate / max(rate, anew), max(rate, anew)


@contextmanager
def heeding(check: Callable[[], None]) -> Iterator[None]:
    """While in it, waits of this thread call check; what that raises comes out here, whatever others made of it.

    A throttle is waited for deep inside a vendor's library, which takes what comes from there for a broken connection.
    One inside another: both are called.
    """
    heard: list[BaseException] = []
    outer = _heeds.get()

    def look() -> None:
        try:
            outer()
            check()
        except BaseException as error:
            heard.append(error)
            raise

    token = _heeds.set(look)
    try:
        yield
    except Exception:
        if heard:
            raise heard[0] from None
        raise
    finally:
        _heeds.reset(token)


def heed() -> None:
    """Call the checks of whoever this thread works for, while it waits."""
    _heeds.get()()


def heedful(port: T, check: Callable[[], None]) -> T:
    """Wrap a port, so that its calls hear check while they wait."""
    return cast(T, _Heedful(port, check))


class _Heedful:
    """Looks like the port that it wraps."""

    def __init__(self, port: Any, check: Callable[[], None]) -> None:
        self._port = port
        self._check = check

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if not callable(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            with heeding(self._check):
                return value(*args, **kwargs)

        return call


def _unheeding() -> None:
    """Nobody asked to be heard."""


_heeds: ContextVar[Callable[[], None]] = ContextVar("heeds", default=_unheeding)
