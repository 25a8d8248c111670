"""The task part of the API."""

from integrations.simulators.vmstore.calls import Call, Json, Route
from integrations.simulators.vmstore.errors import not_found
from integrations.simulators.vmstore.ids import Ids
from integrations.simulators.vmstore.pages import Counts, one_of, page
from integrations.simulators.vmstore.state import State, TaskEntry
from integrations.simulators.vmstore.views import task_json


class Tasks:
    """Shows tasks; those that have ended stay."""

    def __init__(self, state: State, ids: Ids) -> None:
        self._state = state
        self._ids = ids

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        return [Route("GET", "/api/v310/task", self._list), Route("GET", "/api/v310/task/{id}", self._get)]

    def _list(self, call: Call) -> Json:
        with self._state.look() as document:
            everything = list(document.tasks.values())
        chosen = [task for task in everything if self._fits(call, task)]
        active = sum(1 for task in everything if not task.is_final)
        return page(call, chosen, Counts(active, len(everything)), lambda task: task_json(task, self._ids))

    def _fits(self, call: Call, task: TaskEntry) -> bool:
        return (
            one_of(call, "state", task.state)
            and one_of(call, "id", task.id)
            and task.id.startswith(call.query.get("startsWithId", ""))
            and one_of(call, "jobType", "CLONE")
            and one_of(call, "jobTypes", "CLONE")
            and one_of(call, "jobTarget", "VM")
            and one_of(call, "targetId", self._ids.text("VIM", task.vm))
            and one_of(call, "createdBy", task.user)
        )

    def _get(self, call: Call) -> Json:
        with self._state.look() as document:
            task = document.tasks.get(call.params["id"])
        if task is None:
            raise not_found("task", call.params["id"])
        return task_json(task, self._ids)
