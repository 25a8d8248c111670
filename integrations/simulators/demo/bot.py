"""The unchanged bot and its watcher as children of the demo: started, seen ready, killed, started again."""

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import integrations
from integrations.simulators.demo.children import Child, environment
from integrations.simulators.demo.s3server import find_command

_READY = "cloudy: ready"
_READY_S = 60.0


def cloudy_command() -> list[str]:
    """The installed `cloudy`, else the source's."""
    found = find_command("cloudy")
    return [found] if found else [sys.executable, "-m", "bot"]


class Bot:
    """`cloudy serve` in the world's folder."""

    def __init__(self, folder: Path, command: Sequence[str], options: Sequence[str] = ()) -> None:
        self._folder = folder
        self._command = [*command, "serve", "--config", str(folder / "cloudy.toml"), *options]
        self._child: Child | None = None
        self._lines: _Lines | None = None

    @property
    def pid(self) -> int:
        """Process id of the one that runs now."""
        return self._running().pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.status is None

    def start(self) -> None:
        """Start it; `wait_ready` tells when it works. Main thread only."""
        self._child = _child(self._folder, self._command, pipe=True)
        self._lines = _Lines(self._child)

    def wait_ready(self) -> None:
        """Wait until it says so. RuntimeError: it ended, or says nothing; with the end of its log."""
        lines, child = self._lines, self._running()
        if lines is None or not lines.wait(lambda line: line == _READY, _READY_S):
            status = child.wait(1)  # its output ends a moment before it does
            state = "says nothing" if status is None else f"ended with status {status}"
            raise RuntimeError(f"the bot was started and {state}:\n{child.tail()}")

    def kill(self) -> None:
        """End it as a power cut would."""
        self._running().kill()

    def stop(self) -> None:
        """Ask it to end; repeating is safe."""
        if self._child is not None:
            self._child.stop(20)

    def tail(self) -> str:
        """The end of its log, over all starts."""
        return self._running().tail()

    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError("the bot was not started")
        return self._child


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the bot's database said at one moment."""

    at: float  # Unix seconds, before the look
    active: int
    outbox: int
    newest: str  # id of the newest transaction, "" without one
    state: str
    steps: dict[str, str] = field(default_factory=dict)


class Watcher:
    """`cloudy watch --json`: what the bot's database says, without opening it here."""

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self._folder = folder
        self._command = [*command, "watch", "--config", str(folder / "cloudy.toml"), "--json"]
        self._child: Child | None = None
        self._lines: _Lines | None = None

    def start(self) -> None:
        """Start it unless it runs. Main thread only."""
        if self._child is None or self._child.status is not None:
            self._child = _child(self._folder, self._command, pipe=True)
            self._lines = _Lines(self._child)

    def wait(self, is_enough: Callable[[View], bool], since: float, seconds: float) -> View | None:
        """Wait for a view later than since that is enough; None when none comes in time. Main thread only."""
        deadline = time.monotonic() + seconds

        def fits(line: str) -> bool:
            view = _view(line)
            return view is not None and view.at > since and is_enough(view)

        while (left_s := deadline - time.monotonic()) > 0:
            self.start()
            if self._lines is not None and (line := self._lines.wait(fits, min(left_s, 1.0))):
                return _view(line)
        return None

    def stop(self) -> None:
        """End it; repeating is safe."""
        if self._child is not None:
            self._child.stop(2)


class _Lines:
    """What a child prints, line by line; the newest ones are kept."""

    def __init__(self, child: Child) -> None:
        self._kept: deque[str] = deque(maxlen=100)
        self._child = child
        self._news = threading.Condition()
        self._has_ended = False
        threading.Thread(target=self._read, name="output", daemon=True).start()

    def wait(self, fits: Callable[[str], bool], seconds: float) -> str:
        """Wait for a line that fits and give the newest such; "" when none comes in time or none will come."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                if found := next(filter(fits, reversed(self._kept)), ""):
                    return found
                left_s = deadline - time.monotonic()
                if self._has_ended or left_s <= 0:
                    return ""
                self._news.wait(left_s)

    def _read(self) -> None:
        for raw in self._child.output:
            with self._news:
                self._kept.append(raw.decode(errors="replace").strip())
                self._news.notify_all()
        with self._news:
            self._has_ended = True
            self._news.notify_all()


def _child(folder: Path, command: Sequence[str], *, pipe: bool) -> Child:
    source = {} if find_command("cloudy") else {"PYTHONPATH": str(Path(integrations.__file__).parent.parent)}
    return Child(command, log=folder / "bot.log", env=environment(source), cwd=folder, pipe=pipe)


def _view(line: str) -> View | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    newest = told["newest"] or {"id": "", "state": "", "steps": {}}
    return View(
        at=told["at"],
        active=told["active"],
        outbox=told["outbox"],
        newest=newest["id"],
        state=newest["state"],
        steps=newest["steps"],
    )
