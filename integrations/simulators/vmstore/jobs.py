"""Long operations: each is a task, made step by step in a thread of its own; and the task part of the API."""

import threading
import time
from collections.abc import Callable, Sequence

from integrations.simulators.vmstore.calls import Call, Json, Reply, Route
from integrations.simulators.vmstore.errors import ApiError, invalid, not_found
from integrations.simulators.vmstore.faults import Faults, TaskFault
from integrations.simulators.vmstore.filters import Filter, chosen, words
from integrations.simulators.vmstore.ids import Ids
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.pages import Counts, ordered, page
from integrations.simulators.vmstore.state import State, TaskEntry
from integrations.simulators.vmstore.times import now_ms, task_stamp
from integrations.simulators.vmstore.views import task_json

STEPS_PER_SECOND = 20
_PREFIX = {"CLONE": "cloneVM", "SYNC_VM": "syncVM"}
_BROKEN = {"CLONE": ("ERR-API-3213", "Clone workflow task failed."), "SYNC_VM": ("ERR-API-3701", "Failed SyncVM.")}
Step = Callable[[], None]
End = Callable[[TaskFault | None], None]


class Jobs:
    """Runs, shows and cancels tasks; those that have ended stay."""

    def __init__(
        self, state: State, ids: Ids, options: Options, faults: Faults, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        """`tell` gets a sentence about each task that fails."""
        self._state = state
        self._ids = ids
        self._options = options
        self._faults = faults
        self._tell = tell
        self._threads: dict[str, threading.Thread] = {}
        self._wake: dict[str, threading.Event] = {}
        self._is_stopping = False
        self._fail_interrupted()

    @property
    def routes(self) -> list[Route]:
        """The task part of the API."""
        base = "/api/v310/task"
        return [
            Route("GET", base, self._list),
            Route("GET", f"{base}/{{id}}", lambda call: task_json(self._found(call), self._ids)),
            Route("DELETE", f"{base}/{{id}}", self._cancel),
            Route("PUT", f"{base}/{{id}}/acknowledge", self._acknowledge),
        ]

    def new(self, kind: str, *, vm: str, snapshot: str, user: str, directory: str = "") -> TaskEntry:
        """A task that is RUNNING; nothing happens until it is begun."""
        with self._state.change() as document:
            moment = now_ms()
            while (task_id := f"{_PREFIX[kind]}@{task_stamp(moment)}") in document.tasks:
                moment += 1
            task = TaskEntry(
                id=task_id, vm=vm, snapshot=snapshot, user=user, created_ms=now_ms(), directory=directory, type=kind
            )
            document.tasks[task.id] = task
        return task

    def begin(self, task: TaskEntry, steps: Sequence[Step], end: End, last: Step) -> None:
        """Take the steps, evenly over the time set; `end` when all went well, then `last` in any case."""
        self._wake[task.id] = threading.Event()
        thread = threading.Thread(target=self._run, args=(task, steps, end, last), name="task", daemon=True)
        self._threads[task.id] = thread
        thread.start()

    def join(self, task: TaskEntry) -> None:
        """Wait until it has ended."""
        if thread := self._threads.get(task.id):
            thread.join()

    def stop(self) -> None:
        """Break off what is being made."""
        self._is_stopping = True
        for event in list(self._wake.values()):
            event.set()
        for thread in list(self._threads.values()):
            thread.join()

    def _fail_interrupted(self) -> None:
        with self._state.change() as document:
            for task in document.tasks.values():
                if not task.is_final:
                    task.state, task.error = "FAILED", _broken(task, "The VMstore was restarted.").body()

    def _run(self, task: TaskEntry, steps: Sequence[Step], end: End, last: Step) -> None:
        fault = self._faults.take_task()
        try:
            if self._walk(task, steps, fault):
                end(fault)
                self._finish(task, "SUCCESS", None)
            elif not self._is_stopping:
                self._finish(task, "CANCELLED", None)
        except ApiError as error:
            self._finish(task, "FAILED", error)
        except OSError as error:
            self._finish(task, "FAILED", _broken(task, str(error)))
        last()
        self._threads.pop(task.id, None)
        self._wake.pop(task.id, None)

    def _walk(self, task: TaskEntry, steps: Sequence[Step], fault: TaskFault | None) -> bool:
        """Take the steps; False when it was cancelled, or the simulator stopped."""
        seconds, begin, wake = self._options.clone_seconds, time.monotonic(), self._wake[task.id]
        for number, step in enumerate(steps, start=1):
            step()
            task.percent = min(100 * number / len(steps), 99.0)
            is_late = number > len(steps) // 2
            if fault == "fails" and is_late:
                raise _broken(task, "The task was broken off.")
            if fault == "hangs" and is_late:
                wake.wait()
            if wake.wait(max(begin + seconds * number / len(steps) - time.monotonic(), 0)):
                return False
        return True

    def _finish(self, task: TaskEntry, state: str, error: ApiError | None) -> None:
        with self._state.change():
            task.percent = 100.0 if state == "SUCCESS" else task.percent
            task.error = error.body() if error else None
            task.state = state
        if error:
            self._tell(f"Task {task.id} failed: {error.cause}")

    def _list(self, call: Call) -> Json:
        with self._state.look() as document:
            everything = list(document.tasks.values())
        found = chosen(call, everything, self._filters())
        found = ordered(call, found, lambda task: task_json(task, self._ids))
        active = sum(1 for task in everything if not task.is_final)
        return page(call, found, Counts(active, len(everything)), lambda task: task_json(task, self._ids))

    def _filters(self) -> dict[str, Filter[TaskEntry]]:
        kind: Filter[TaskEntry] = words(lambda task: task.type)
        return {
            "id": words(lambda task: task.id),
            "uuid": words(lambda task: task.id),
            "startsWithId": lambda call, name, task: task.id.startswith(call.query[name]),
            "state": words(lambda task: task.state),
            "jobType": kind,
            "jobTypes": kind,
            "jobTarget": words(lambda _: "VM"),
            "targetId": words(lambda task: self._ids.text("VIM", task.vm)),
            "createdBy": words(lambda task: task.user),
        }

    def _found(self, call: Call) -> TaskEntry:
        with self._state.look() as document:
            task = document.tasks.get(call.params["id"])
        if task is None:
            raise not_found("task", call.params["id"])
        return task

    def _cancel(self, call: Call) -> Reply:
        task = self._found(call)
        with self._state.change():
            if task.is_final:
                raise invalid(f"Task {task.id} has ended: {task.state}.", "ERR-API-0005", "Request not supported.")
            task.state = "CANCEL_PENDING"
        if event := self._wake.get(task.id):
            event.set()
        return Reply(status=204)

    def _acknowledge(self, call: Call) -> Reply:
        self._found(call)  # the state ACKNOWLEDGED is "not used"
        return Reply(status=204)


def _broken(task: TaskEntry, cause: str) -> ApiError:
    code, message = _BROKEN[task.type]
    return ApiError(500, code, message, cause)
