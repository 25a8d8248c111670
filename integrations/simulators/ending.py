"""How a stand-in that runs alone hears that it is to end."""

import os
import signal
from collections.abc import Callable


def asked_to_end() -> Callable[[], None]:
    """Listen for SIGTERM and SIGINT from now on; what is given waits for the first. Main thread only.

    Over a pipe: a handler that sets an Event can stand still for ever on the Event's own lock.
    """
    told, telling = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(telling, b"."))

    def wait() -> None:
        os.read(told, 1)

    return wait
