"""Faults of the Web API that a test or the demo asks for: of the next calls, or of all until it is over."""

import threading
from dataclasses import dataclass

OUTAGES = ("error", "hang", "cut")


@dataclass(slots=True)
class Fault:
    """What the next calls of one method get instead of an answer."""

    method: str  # "*" is any
    left: int
    error: str = ""
    status: int = 200
    retry_after_s: int = 1
    lose_answer: bool = False  # the call is carried out, then the connection is cut
    delay_s: float = 0.0  # the call is carried out, the answer comes so much later


class Faults:
    """Faults that wait for their calls, oldest first, and the outage that there is, if any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self._outage = ""
        self.slow_s = 0.0  # every call is carried out, and its answer comes so much later

    @property
    def outage(self) -> str:
        """How all calls fail now, one of OUTAGES; "" when they do not."""
        return self._outage

    def begin_outage(self, how: str) -> None:
        """Let every call fail. ValueError: not one of OUTAGES."""
        if how not in OUTAGES:
            raise ValueError(f"An outage is one of {', '.join(OUTAGES)}, not {how!r}.")
        self._outage = how

    def end_outage(self) -> None:
        """Let calls work again; repeating is safe."""
        self._outage = ""

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
