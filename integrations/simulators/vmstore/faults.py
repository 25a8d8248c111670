"""Faults on order: the next calls of one kind fail, take long or lose their answer; the next tasks end badly."""

import fnmatch
import threading
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

TaskFault = Literal["fails", "hangs", "truncated", "missing"]
TASK_FAULTS: tuple[TaskFault, ...] = get_args(TaskFault)


@dataclass(slots=True, kw_only=True)
class Fault:
    """One ordered fault; path is a shell pattern for the whole path ("/api/v310/snapshot*")."""

    method: str  # "*" for any
    path: str
    status: int = 0  # 0: the call's own answer
    code: str = "ERR-API-0007"
    message: str = "Internal server error."
    cause: str = "A fault that was ordered."
    seconds: float = 0.0  # wait that long before the answer
    after: bool = False  # the work is done first, so that only the answer is lost
    drop: Literal["", "answer", "body"] = ""  # close the connection instead of the answer, or in the middle of its body
    expire: bool = False  # every session ends when the call arrives
    skip: int = 0  # so many calls that fit pass unharmed first
    times: int = 1


class Faults:
    """The ordered faults, in order; the first that fits is used up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ordered: list[Fault] = []
        self._of_tasks: list[TaskFault] = []

    def order(self, fault: Fault) -> None:
        """Add one."""
        with self._lock:
            self._ordered.append(fault)

    def order_task(self, kind: TaskFault, times: int = 1) -> None:
        """Let the next tasks end so: failed half-way, never, or well with a file cut short or missing."""
        with self._lock:
            self._of_tasks += [kind] * times

    def clear(self) -> None:
        """Forget what has not happened yet."""
        with self._lock:
            self._ordered.clear()
            self._of_tasks.clear()

    def waiting(self) -> dict[str, Any]:
        """What has not happened yet."""
        with self._lock:
            return {"calls": [asdict(fault) for fault in self._ordered], "tasks": list(self._of_tasks)}

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this call, if one was ordered."""
        with self._lock:
            for fault in self._ordered:
                if fault.method not in ("*", method) or not fnmatch.fnmatchcase(path, fault.path):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    self._ordered.remove(fault)
                return fault
        return None

    def take_task(self) -> TaskFault | None:
        """The fault for a task that begins now, if one was ordered."""
        with self._lock:
            return self._of_tasks.pop(0) if self._of_tasks else None
