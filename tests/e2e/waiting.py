"""Waiting for something to become true, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

from bot.errors import TransientError

T = TypeVar("T")


def until(is_true: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Ask again and again; fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s still not: {what}")
        time.sleep(0.02)


def answered(ask: Callable[[], T], seconds: float = 60.0) -> T:
    """What it gives; asked again while it takes longer than a short time-out, as it may on a busy machine."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except TransientError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.02)
