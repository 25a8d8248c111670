"""The only place that retries calls: a port, wrapped so that transient errors are tried again.

The SDKs' and the engine's own retries are off. Everything else passes through at once.
"""

import logging
import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from bot.errors import TransientError

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to go on: `tries` calls, waiting `first_s`, doubled each time up to `longest_s`.

    As it stands the waits add up to 1 to 1.5 minutes, which is for calls that control and look.
    """

    tries: int = 9
    first_s: float = 0.5
    longest_s: float = 30.0

    def wait_s(self, attempt: int, asked: float | None) -> float:
        """The wait after the given attempt (from 1); what the other side asked for is honoured up to a minute."""
        full: float = min(self.longest_s, self.first_s * float(2 ** (attempt - 1)))
        backoff = full * random.uniform(0.7, 1.0)  # noqa: S311 - jitter, not a secret
        return max(backoff, min(asked or 0.0, 60.0))


# Hours of work hang on these: an outage of minutes is waited out. The waits add up to 10 to 14.5 minutes.
LONG = Patience(tries=35)
# Calls of an ObjectStore that bring a file over and prove it. Finding, listing and removing are not among them.
LONG_CALLS = frozenset(
    {
        "capabilities",
        "put",
        "begin_upload",
        "put_part",
        "copy_part",
        "list_parts",
        "complete_upload",
        "head",
        "get",
        "get_into",
        "retier",
    }
)


WONDER_S = 20.0


def retrying(
    port: T,
    pause: Callable[[float], None],
    patience: Patience | None = None,
    *,
    once: Collection[str] = (),
    long: Collection[str] = (),
    on_wait: Callable[[TransientError], None] = lambda _error: None,
) -> T:
    """Wrap a port; `pause` waits and may raise Stopped, so that a Stop ends the waiting too.

    once: names of methods that are not repeatable, so they are called a single time; long: of those that are tried
    with the patience LONG. on_wait is told once a call has been waited for so long that a person would wonder.
    Iterators are read to their end inside the retried call. What `open` and `create` give is wrapped likewise.
    """
    return cast(T, _Retrying(port, pause, patience or Patience(), once, long, on_wait))


def beneath(port: T, wrap: Callable[[T], T]) -> T:
    """Wrap what a retrying port asks, so that the waits between the tries are outside; any other port itself."""
    return cast(T, port.beneath(wrap)) if isinstance(port, _Retrying) else wrap(port)


class _Retrying:
    """Looks like the port that it wraps."""

    def __init__(
        self,
        port: Any,
        pause: Callable[[float], None],
        patience: Patience,
        once: Collection[str],
        long: Collection[str],
        on_wait: Callable[[TransientError], None],
    ) -> None:
        self._port = port
        self._pause = pause
        self._patience = patience
        self._once = once
        self._long = long
        self._on_wait = on_wait

    def beneath(self, wrap: Callable[[Any], Any]) -> "_Retrying":
        """See the function."""
        return _Retrying(wrap(self._port), self._pause, self._patience, self._once, self._long, self._on_wait)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if not callable(value) or name in self._once:
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._call(name, value, args, kwargs)

        return call

    def _call(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        patience = LONG if name in self._long else self._patience
        waited_s = 0.0
        for attempt in range(1, patience.tries + 1):
            try:
                return self._settled(name, function(*args, **kwargs))
            except TransientError as error:
                if attempt == patience.tries:
                    raise
                wait_s = patience.wait_s(attempt, error.wait_s)
                log.warning(
                    "call failed, trying again",
                    extra={
                        "action": "retry",
                        "system": error.system,
                        "operation": error.operation or name,
                        "attempt": attempt,
                        "wait_s": round(wait_s, 2),
                        "error": error.message,
                    },
                )
                if waited_s < WONDER_S <= waited_s + wait_s:
                    self._on_wait(error)
                waited_s += wait_s
                self._pause(wait_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _settled(self, name: str, result: Any) -> Any:
        if isinstance(result, Iterator):
            return iter(tuple(result))
        is_file = name in ("open", "create")
        return retrying(result, self._pause, self._patience, on_wait=self._on_wait) if is_file else result
