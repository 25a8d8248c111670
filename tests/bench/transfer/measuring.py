"""What a client needed, seen from outside: time, CPU, memory, bytes on the wire, and who else was busy meanwhile."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run of one client; what starting its program costs is not in wall and cpu."""

    wall: float  # seconds
    cpu: float  # seconds, user and system, of the client and its children
    start_wall: float = 0.0  # until it can begin
    start_cpu: float = 0.0
    peak: int = 0  # bytes of memory: Cloudy's above its idle state, of others all
    wire: int = 0  # bytes that came to the server
    requests: int = 0  # where the counterpart sees them
    foreign: float = 0.0  # cores that neither client nor counterpart used
    read: int = 0  # bytes that the client's reading calls gave, where it tells
    told: Mapping[str, int] = field(default_factory=dict)  # what Cloudy itself says that it moved
    profile: tuple[tuple[str, float], ...] = ()  # where it worked, and for how many seconds of CPU


def peak_bytes(pid: int | str) -> int:
    """The most memory that a process had at once since it began (VmHWM, proc(5)); 0: it has ended.

    Not ru_maxrss, which of a child begins with the memory of the process that it was forked from.
    """
    return _status(pid, "VmHWM")


def held_bytes(pid: int | str) -> int:
    """The memory that it has now."""
    return _status(pid, "VmRSS")


def _status(pid: int | str, name: str) -> int:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def machine_cpu() -> float:
    """Seconds that all processes of the machine worked so far, and that its host took away."""
    user, nice, system, _idle, _wait, _irq, _soft, stolen = Path("/proc/stat").read_text().split()[1:9]
    return (int(user) + int(nice) + int(system) + int(stolen)) / _TICKS


def process_cpu(pid: int) -> float:
    """Seconds that a process worked so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class Span:
    """From now on: what passes on the wire, and who works besides those that are known."""

    def __init__(self, servers: Sequence[int], wire: Callable[[], tuple[int, int]]) -> None:
        """servers: process ids of the counterparts; wire: bytes and requests so far."""
        self._servers = servers
        self._count = wire
        self._wire = wire()
        self._machine, self._known = machine_cpu(), self._known_cpu()
        self._began = time.monotonic()

    def end(self, *, wall: float | None = None, cpu: float) -> Figures:
        """Now; cpu: of the client. Where it measured its own time, that counts."""
        passed = time.monotonic() - self._began
        known = self._known_cpu() - self._known + cpu
        foreign = max(0.0, machine_cpu() - self._machine - known) / max(passed, 1e-9)
        (before, asked), (now, asked_now) = self._wire, self._count()
        return Figures(
            wall=passed if wall is None else wall,
            cpu=cpu,
            wire=now - before,
            requests=asked_now - asked,
            foreign=foreign,
        )

    def _known_cpu(self) -> float:
        return sum(map(process_cpu, self._servers)) + time.process_time()


class ClientError(Exception):
    """A client did not do what it was to do; with the end of what it said."""


def run(command: Sequence[str], *, env: Mapping[str, str], folder: Path) -> tuple[float, float, int]:
    """Run a program to its end: seconds, seconds of CPU with those of its children, the most memory that it had."""
    log = folder / "client.log"
    with log.open("wb") as sink:
        began = time.monotonic()
        process = subprocess.Popen(
            command, env=dict(env), cwd=folder, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
        )
        peak = Peak(process.pid)
        _pid, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise ClientError(f"{command[0]} ended with {process.returncode}:\n{log.read_text(errors='replace')[-2000:]}")
    return wall, used.ru_utime + used.ru_stime, peak.end()


class Peak:
    """Looks at a process again and again, since its figures go when it ends."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._most = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> int:
        """What was seen last."""
        self._over.set()
        self._thread.join()
        return self._most

    def _look(self) -> None:
        while not self._over.wait(_LOOK_S):
            self._most = max(self._most, peak_bytes(self._pid))
