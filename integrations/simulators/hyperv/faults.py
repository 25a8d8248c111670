"""What goes wrong on purpose: at a cmdlet of a name, or with everything that comes."""

import threading
from dataclasses import dataclass


class Cut(Exception):  # noqa: N818 - reads as what it says
    """The connection ends without an answer."""


@dataclass
class Fault:
    """One, for the next call of a cmdlet."""

    cmdlet: str
    what: str  # "cut" | "refuse" | "stall"
    is_after: bool = False  # whether the cmdlet has done its work by then


class Faults:
    """All that are planned."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []
        self._lock = threading.Lock()
        self._answers = threading.Event()
        self._answers.set()
        self._goes_on = threading.Event()
        self._goes_on.set()
        self.slow_s = 0.0  # before each answer
        self.status = 0  # of each answer, instead of what was asked for; 0: none

    @property
    def is_planned(self) -> bool:
        """Whether one is still to come."""
        with self._lock:
            return bool(self._planned)

    def plan(self, cmdlet: str, what: str, *, is_after: bool = False) -> None:
        """Once. "cut": the client's connection ends; "refuse": it fails."""
        with self._lock:
            self._planned.append(Fault(cmdlet, what, is_after))

    def stall(self, cmdlet: str) -> None:
        """Let a cmdlet not end until `thaw`; everything else is answered."""
        self._goes_on.clear()
        self.plan(cmdlet, "stall")

    def due(self, cmdlet: str, *, is_after: bool) -> str:
        """What is to go wrong now; "": nothing."""
        with self._lock:
            for each in self._planned:
                if (each.cmdlet, each.is_after) == (cmdlet, is_after):
                    self._planned.remove(each)
                    return each.what
        return ""

    def freeze(self) -> None:
        """Answer nothing, and take connections all the same."""
        self._answers.clear()

    def thaw(self) -> None:
        """Go on."""
        self._answers.set()
        self._goes_on.set()

    def hold(self, deadline_s: float = 60.0) -> None:
        """Wait while it is frozen."""
        self._answers.wait(deadline_s)

    def wait(self, deadline_s: float = 60.0) -> None:
        """Wait while a cmdlet is not to end."""
        self._goes_on.wait(deadline_s)
