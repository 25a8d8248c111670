"""Memory that was used goes back to the system, as far as Python and the C library can give it.

Python looks for cycles that nobody uses the more rarely the larger it is, and a cycle may hold a part's megabytes.
glibc gives each thread a pool of its own, up to eight for each core, and keeps what was freed in all of them. Without
this a process would stay as large as its busiest moments together.
"""

import ctypes
import gc
import threading

PAUSE_S = 2.0  # between two looks for cycles, of 10 ms or so each: nothing else runs meanwhile
_LOOK_S = 1.0  # how soon an end is heard
_M_ARENA_MAX = -8  # malloc.h of glibc; mallopt(3)
_POOLS = 2


def share_pools() -> None:
    """Let all threads share two pools, and no look for cycles go over what is there. Call it before threads begin."""
    gc.freeze()
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc only
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _POOLS)


def settle() -> None:
    """Let no look for cycles go over what is there by now: a look at it all would take a tenth of a second."""
    gc.collect()
    gc.freeze()


class GivingBack:
    """Gives memory back after runs, not after each: with many that end at once it would be felt by whoever waits."""

    def __init__(self) -> None:
        self._used = threading.Event()

    def used(self) -> None:
        """A run has ended; its memory goes back within three seconds."""
        self._used.set()

    def run(self, stop: threading.Event, pause_s: float = PAUSE_S) -> None:
        """Go on until told to stop."""
        while not stop.is_set():
            if self._used.wait(_LOOK_S):
                self._used.clear()
                give_back()
                stop.wait(pause_s)


def give_back() -> None:
    """Give back what was used: some milliseconds."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only; malloc_trim(3)
    if trim is not None:
        trim(0)
