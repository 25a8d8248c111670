"""Memory that was freed goes back to the system, where the C library can give it.

glibc gives each thread a pool of its own, up to eight for each core, and keeps what was freed in all of them: without
this a process would stay as large as its busiest moments together.
"""

import ctypes

_M_ARENA_MAX = -8  # malloc.h of glibc; mallopt(3)
_POOLS = 2


def share_pools() -> None:
    """Let all threads share two pools (glibc only). Call it before threads begin."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _POOLS)


def give_back() -> None:
    """Give back what is kept of freed memory (malloc_trim(3), glibc only). Takes some milliseconds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
