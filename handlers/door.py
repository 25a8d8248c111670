"""What Slack comes in by: a socket that we open, or an address that Slack opens."""

from collections.abc import Callable
from typing import Protocol


class Door(Protocol):
    """One way in."""

    def open(self, on_ready: Callable[[], None]) -> None:
        """Let requests in; on_ready is called once they can come, perhaps later from another thread.

        OperatorError: it cannot be opened, and waiting would not help.
        """

    def close(self) -> None:
        """Let no more in, after what is in was answered; returns within some seconds."""
