"""Named points before and after every call outside and every use of a database, where the process may be let die.

For tests of what a power cut leaves behind (docs/chaos.md). Off unless `cloudy serve` finds CLOUDY_CROSSINGS; then
ports are handed on as they are, and passing a point is one comparison.
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar, cast

from bot.errors import ConfigError

VARIABLE = "CLOUDY_CROSSINGS"
_FILES = {"open": "reader", "create": "writer"}  # calls of a share, and what they give
T = TypeVar("T")


class _Plan:
    """At which crossing of which point to die; counts over all threads."""

    def __init__(self, deaths: Mapping[str, int]) -> None:
        self._deaths = deaths
        self._crossed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def cross(self, point: str) -> None:
        if point not in self._deaths:
            return
        with self._lock:
            self._crossed[point] += 1
            if self._crossed[point] == self._deaths[point]:
                _die(f"{point}={self._deaths[point]}")


_plan: _Plan | None = None


def arm(text: str) -> None:
    """Read "point=n,point=n": the process dies at the nth crossing (from 1) of any of them. Empty: never.

    ConfigError: it cannot be read.
    """
    global _plan  # noqa: PLW0603 - one for the process, as the death is
    deaths: dict[str, int] = {}
    for each in filter(None, text.split(",")):
        point, _, nth = each.partition("=")
        if not nth.isdecimal() or int(nth) < 1:
            raise ConfigError([f"{VARIABLE}: {each!r} is not of the form point=n, like vmstore.login:before=1"])
        deaths[point] = int(nth)
    _plan = _Plan(deaths) if deaths else None


def cross(point: str) -> None:
    """Pass a point, or die there."""
    if _plan is not None:
        _plan.cross(point)


def watched(kind: str, port: T) -> T:
    """The port, with points "<kind>.<method>:before" and ":after" around each call; itself when nothing is armed."""
    return port if _plan is None else cast(T, _Watched(kind, port))


class _Watched:
    """Looks like the port that it wraps. A reader that `open` gives and a writer of `create` are wrapped likewise."""

    def __init__(self, kind: str, port: Any) -> None:
        self._kind = kind
        self._port = port

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if not callable(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            cross(f"{self._kind}.{name}:before")
            result = _settled(value, args, kwargs)
            cross(f"{self._kind}.{name}:after")
            return _Watched(_FILES[name], result) if name in _FILES else result

        return call


def _settled(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    result = function(*args, **kwargs)
    return iter(tuple(result)) if isinstance(result, Iterator) else result  # the call is made while it is read


def _die(where: str) -> NoReturn:
    os.write(2, f"crossing: {where}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)
    while True:  # the signal is on its way
        signal.pause()
