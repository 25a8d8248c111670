"""Faults of the Web API that a test or the demo asks for."""

import threading
from dataclasses import dataclass


@dataclass(slots=True)
class Fault:
    """What the next calls of one method get instead of an answer."""

    method: str  # "*" is any
    left: int
    error: str = ""
    status: int = 200
    retry_after_s: int = 1
    lose_answer: bool = False  # the call is carried out, then the connection is cut


class Faults:
    """Faults that wait for their calls, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let a fault wait for its calls."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget all faults that have not happened yet."""
        with self._lock:
            self._waiting.clear()

    def take(self, method: str) -> Fault | None:
        """The fault for this call, if one waits; counts it down."""
        with self._lock:
            for fault in self._waiting:
                if fault.method in (method, "*"):
                    fault.left -= 1
                    self._waiting = [waiting for waiting in self._waiting if waiting.left > 0]
                    return fault
        return None
