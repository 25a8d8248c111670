"""Memory that was freed goes back to the system, where the C library can give it."""

import ctypes


def give_back() -> None:
    """Give back what glibc keeps of freed memory (malloc_trim(3)); elsewhere nothing. Takes some milliseconds.

    Threads that moved large parts leave holes; without this the process would look as large as its busiest moment.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
