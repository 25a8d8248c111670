"""Waiting for something to become true, with a deadline."""

import time
from collections.abc import Callable


def until(is_true: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Ask again and again; fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s still not: {what}")
        time.sleep(0.02)
