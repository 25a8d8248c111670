"""Faults on order: the next calls of one kind fail, or take long, before or after they did their work."""

import fnmatch
import threading
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Fault:
    """One ordered fault; path is a shell pattern for the whole path ("/api/v310/snapshot*")."""

    method: str  # "*" for any
    path: str
    status: int = 0  # 0: the call's own answer
    code: str = "ERR-API-0007"
    message: str = "Internal server error."
    seconds: float = 0.0  # wait that long before the answer
    after: bool = False  # the work is done first, so that only the answer is lost
    times: int = 1


class Faults:
    """The ordered faults, in order; the first that fits is used up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ordered: list[Fault] = []

    def order(self, fault: Fault) -> None:
        """Add one."""
        with self._lock:
            self._ordered.append(fault)

    def clear(self) -> None:
        """Forget what has not happened yet."""
        with self._lock:
            self._ordered.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this call, if one was ordered."""
        with self._lock:
            for fault in self._ordered:
                if fault.method in ("*", method) and fnmatch.fnmatchcase(path, fault.path):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._ordered.remove(fault)
                    return fault
        return None
