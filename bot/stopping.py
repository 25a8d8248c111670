"""How soon a Stop is heard by a thread that waits for something else."""

from collections.abc import Callable
from threading import Condition

HEARD_S = 0.5  # so long any wait may be deaf to it


def wait_until(changed: Condition, is_so: Callable[[], bool], check: Callable[[], None]) -> None:
    """Wait, holding that condition; check may raise, and is called while it is not so."""
    while not changed.wait_for(is_so, HEARD_S):
        check()
