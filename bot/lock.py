"""The worker lock: on SQLite one process plans, enqueues and runs; the others only insert and read."""

import fcntl
import os
import time
from pathlib import Path

from bot.errors import OperatorError

_LOOK_S = 0.05


class WorkerLock:
    """A lock on a file beside the database; the kernel lets go of it when the process dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, *, wait_s: float = 0.0) -> bool:
        """Take it, waiting at most so long; False while another living process has it.

        OperatorError: its file cannot be made.
        """
        deadline = time.monotonic() + wait_s
        while not (taken := self._try()) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
        return taken

    def _try(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OperatorError(
                f"{self._path} cannot be opened for writing: {error.strerror}. The folder of Cloudy's databases must be"
                " writable: look at its disk, its owner and its mode."
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let go; repeating is safe."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
