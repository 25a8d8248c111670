"""Copy-out clones: `POST /vm` with restoreInfo, and the tasks that tell how far they are.

A real VMstore's clone is a metadata operation; here the files really grow, so that a half-made clone can be met.
"""

import threading
import time
from pathlib import Path, PurePosixPath
from typing import Any

from integrations.simulators.vmstore.calls import Call, Json, Route
from integrations.simulators.vmstore.errors import ApiError
from integrations.simulators.vmstore.ids import Ids
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.snapshots import Snapshots
from integrations.simulators.vmstore.sparse import copy_slice, make_folders, slices
from integrations.simulators.vmstore.state import CloneEntry, SnapshotEntry, State, TaskEntry
from integrations.simulators.vmstore.times import now_ms, task_stamp
from integrations.simulators.vmstore.views import task_json

_SLICES_PER_SECOND = 20


class Cloner:
    """Makes clones, each in a thread of its own."""

    def __init__(self, export: Path, state: State, snapshots: Snapshots, ids: Ids, options: Options) -> None:
        self._export = export
        self._state = state
        self._snapshots = snapshots
        self._ids = ids
        self._options = options
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._doomed = 0
        self._fail_interrupted()

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        return [Route("POST", "/api/v310/vm", self._start)]

    def doom(self, times: int) -> None:
        """Let the next clones break off half-way, with their files left where they are."""
        self._doomed += times

    def stop(self) -> None:
        """Break off what is being made."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _fail_interrupted(self) -> None:
        with self._state.change() as document:
            for task in document.tasks.values():
                if not task.is_final:
                    task.state, task.error = "FAILED", _broken("The VMstore was restarted.").body()

    def _start(self, call: Call) -> Json:
        with self._state.change() as document:
            snapshot, directory = self._checked(call.body)
            target = self._target(snapshot, directory)
            document.clones[directory] = CloneEntry(directory=directory, snapshot=snapshot.hex)
            task = TaskEntry(
                id=self._task_id(),
                vm=snapshot.vm,
                snapshot=snapshot.hex,
                user=call.user,
                created_ms=now_ms(),
                directory=directory,
            )
            document.tasks[task.id] = task
        thread = threading.Thread(target=self._make, args=(task, snapshot, target), name="clone", daemon=True)
        self._threads = [*(other for other in self._threads if other.is_alive()), thread]
        answer = task_json(task, self._ids)
        thread.start()
        return answer

    def _target(self, snapshot: SnapshotEntry, directory: str) -> Path:
        """Make the folders that the clone's files come into."""
        if (self._export / directory).exists():
            raise _invalid(f"The directory /tintri/{directory} exists already.")
        name = snapshot.vm_name.replace("/", "_") if self._options.layout == "nested" else ""
        target = self._export / directory / name
        try:
            make_folders(self._snapshots.files(snapshot), target)
        except OSError as error:
            raise ApiError(500, "ERR-API-3206", "Clone request failed.", str(error)) from error
        return target

    def _checked(self, body: Any) -> tuple[SnapshotEntry, str]:
        spec = body if isinstance(body, dict) else {}
        restore = spec.get("restoreInfo")
        if not isinstance(restore, dict):
            raise _invalid("Only a clone with restoreInfo can be made here.")
        if not isinstance(spec.get("snapshotId"), str):
            raise _invalid("snapshotId is needed.")
        directory = directory_of(restore.get("directoryName"))
        snapshot = self._snapshots.find(spec["snapshotId"])
        if snapshot is None:
            cause = f"Failed to lookup snapshot {spec['snapshotId']}."
            raise ApiError(404, "ERR-API-3214", "Resource not found for clone.", cause)
        return snapshot, directory

    def _task_id(self) -> str:
        moment = now_ms()
        while f"cloneVM@{task_stamp(moment)}" in self._state.document.tasks:
            moment += 1
        return f"cloneVM@{task_stamp(moment)}"

    def _make(self, task: TaskEntry, snapshot: SnapshotEntry, target: Path) -> None:
        try:
            if self._grow(task, self._snapshots.files(snapshot), target):
                self._finish(task, "SUCCESS", None)
        except ApiError as error:
            self._finish(task, "FAILED", error)
        except OSError as error:
            self._finish(task, "FAILED", _broken(str(error)))
        self._snapshots.release(snapshot)

    def _grow(self, task: TaskEntry, source: Path, target: Path) -> bool:
        """Copy slice by slice, evenly over the time set; False when the simulator was stopped meanwhile."""
        seconds, begin = self._options.clone_seconds, time.monotonic()
        parts = slices(source, int(seconds * _SLICES_PER_SECOND))
        breaks_off = self._doomed > 0
        self._doomed -= breaks_off
        for number, part in enumerate(parts, start=1):
            copy_slice(source, target, part)
            task.percent = min(100 * number / len(parts), 99.0)
            if breaks_off and number > len(parts) // 2:
                raise _broken("The clone was broken off.")
            if self._stop.wait(max(begin + seconds * number / len(parts) - time.monotonic(), 0)):
                return False
        return True

    def _finish(self, task: TaskEntry, state: str, error: ApiError | None) -> None:
        with self._state.change():
            task.percent = task.percent if error else 100.0
            task.error = error.body() if error else None
            task.state = state


def directory_of(name: object) -> str:
    """A path below the export, as given in directoryName."""
    text = name.removeprefix("/") if isinstance(name, str) else ""
    parts = PurePosixPath(text).parts
    if not parts or ".." in parts or "\\" in text or "\0" in text:
        raise _invalid(f"directoryName {name!r} is not possible.")
    return "/".join(parts)


def _invalid(cause: str) -> ApiError:
    return ApiError(400, "ERR-API-3205", "Invalid clone request.", cause)


def _broken(cause: str) -> ApiError:
    return ApiError(500, "ERR-API-3213", "Clone workflow task failed.", cause)
