"""Processes of the demo: on a leash, with their output in a file, ended in order."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from integrations.simulators.demo import leash

# What would send a child's loopback requests elsewhere, or let the caller's accounts into the demo.
_EMPTY = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NO_PROXY")
_DROPPED = ("AWS_", "AZURE_", "CLOUDY_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the caller's environment without proxies, foreign credentials and settings, plus extra."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    empty = {spelling: "" for name in _EMPTY for spelling in (name, name.lower())}
    return kept | empty | {"PYTHONUNBUFFERED": "1"} | dict(extra or {})


class Child:
    """One leashed process. Start it from the main thread: the leash is tied to the thread that forks."""

    def __init__(
        self, command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path, pipe: bool = False
    ) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a leashed child must be started from the main thread")
        self.log = log
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", leash.__file__, "--parent", str(os.getpid()), "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else sink,
                stderr=sink,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,  # Ctrl-C is the demo's to receive
            )

    @property
    def pid(self) -> int:
        """Its process id, which the exec behind the leash keeps."""
        return self._process.pid

    @property
    def output(self) -> IO[bytes]:
        """What it prints; only of a child that was started with a pipe."""
        if self._process.stdout is None:
            raise RuntimeError("this child prints into its log")
        return self._process.stdout

    @property
    def status(self) -> int | None:
        """Its exit status, None while it lives."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """Give its exit status as soon as it has ended, None when it has not in time."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """SIGKILL it and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def stop(self, patience_s: float = 10.0) -> None:
        """Ask it to end with SIGTERM, and insist after patience_s; repeating is safe."""
        self._process.send_signal(signal.SIGTERM)
        if self.wait(patience_s) is None:
            self.kill()

    def tail(self, lines: int = 20) -> str:
        """Give the end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])
