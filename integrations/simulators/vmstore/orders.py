"""Faults by name, for whoever orders them from outside: the control endpoint, a script, a test."""

from dataclasses import replace
from typing import Any

from integrations.simulators.vmstore.faults import TASK_FAULTS, Fault, Faults
from integrations.simulators.vmstore.options import Options

CALLS = {
    "login": ("POST", "/api/*/session/login"),
    "vm": ("GET", "/api/*/vm*"),
    "disks": ("GET", "/api/*/virtualDisk*"),
    "snapshot": ("POST", "/api/*/snapshot"),
    "snapshots": ("GET", "/api/*/snapshot*"),
    "clone": ("POST", "/api/*/vm"),
    "sync": ("POST", "/api/*/vm/sync"),
    "task": ("GET", "/api/*/task*"),
    "delete": ("DELETE", "/api/*/snapshot*"),
    "any": ("*", "*"),
}
_HANG_S, _SLOW_S = 600.0, 3.0
_EFFECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "hang": (f"no answer for {_HANG_S:.0f} s", {"seconds": _HANG_S}),
    "slow": (f"the answer comes {_SLOW_S:.0f} s late", {"seconds": _SLOW_S}),
    "drop": ("the connection is cut in the middle of the answer's body", {"drop": "body"}),
    "lost": ("it is done, but the connection is cut before the answer", {"after": True, "drop": "answer"}),
    "session": ("every session has ended when the call arrives", {"expire": True}),
}
_REFUSALS = {
    "password": ("login", 403, "ERR-API-0124", "Invalid credentials.", "Authentication failed for the user."),
    "snapshot-limit": ("snapshot", 500, "ERR-API-3106", "Create snapshot failed.", "The VM has 128 snapshots already."),
    "space": ("snapshot", 500, "ERR-API-3106", "Create snapshot failed.", "Too little space is left for snapshots."),
    "busy": ("snapshots", 503, "ERR-API-9013", "Snapshot inventory is busy, try later.", "The inventory is read."),
    "delete-refused": ("delete", 500, "ERR-API-3107", "Delete snapshot failed.", "A live VM is still present."),
}
_TASKS = {
    "task-fails": "the next clone or SyncVM fails half-way",
    "task-hangs": "the task of the next clone or SyncVM never ends",
    "task-truncated": "the next clone ends well, but its largest file is cut short",
    "task-missing": "the next clone ends well, but its largest file is not there",
}
_SWITCHES = {
    "layout": "a clone's files lie in the other layout, until it is switched back",
    "old": "the API is too old to clone and sync as we know it (v310.1), until it is switched back",
    "nothing": "what was ordered and has not happened is forgotten, switches are put back",
}


def listing() -> dict[str, str]:
    """Every name that can be ordered, with what it does."""
    calls = {
        "|".join(CALLS): "that call fails with status 500",
        "<call>=<status>[/<code>]": "that call fails so, for example snapshot=503/ERR-API-9013",
        **{f"<call>={name}": meaning for name, (meaning, _) in _EFFECTS.items()},
    }
    refusals = {name: f"{row[0]}: {row[4]}" for name, row in _REFUSALS.items()}
    return calls | refusals | _TASKS | _SWITCHES


class Orders:
    """Takes orders by name."""

    def __init__(self, faults: Faults, options: Options) -> None:
        self._faults = faults
        self._options = options
        self._at_first = replace(options)
        self._switches = {"layout": self._switch_layout, "old": self._switch_age, "nothing": self._put_back}

    def order(self, what: str, times: int = 1) -> None:
        """Let the next calls or tasks suffer this. LookupError: no such fault; it names those that there are."""
        if what in self._switches:
            self._switches[what]()
        elif what in _TASKS:
            kind = next(kind for kind in TASK_FAULTS if what == f"task-{kind}")
            self._faults.order_task(kind, times)
        elif what in _REFUSALS:
            call, status, code, message, cause = _REFUSALS[what]
            method, path = CALLS[call]
            fault = Fault(method=method, path=path, status=status, code=code, message=message, cause=cause)
            self._faults.order(replace(fault, times=times))
        else:
            self._faults.order(_of_call(what, times))

    def _switch_layout(self) -> None:
        self._options.layout = "direct" if self._options.layout == "nested" else "nested"

    def _switch_age(self) -> None:
        first, old = self._at_first.api_version, "v310.1"
        self._options.api_version = old if self._options.api_version == first else first

    def _put_back(self) -> None:
        self._faults.clear()
        for name in ("layout", "api_version", "latency_seconds", "snapshot_limit", "space_used_percent"):
            setattr(self._options, name, getattr(self._at_first, name))


def _of_call(what: str, times: int) -> Fault:
    """Read `<call>`, `<call>=<effect>` or `<call>=<status>[/<code>]`."""
    call, _, effect = what.partition("=")
    if call not in CALLS:
        raise LookupError(f"there is no fault {what}; there are: {', '.join(listing())}")
    method, path = CALLS[call]
    fault = Fault(method=method, path=path, times=times)
    status, _, code = effect.partition("/")
    if effect in _EFFECTS:
        return replace(fault, **_EFFECTS[effect][1])
    if not effect:
        return replace(fault, status=500)
    if not (status.isascii() and status.isdigit() and 400 <= int(status) <= 599):
        raise LookupError(f"{effect} is no effect; there are: a status from 400 to 599, {', '.join(_EFFECTS)}")
    return replace(fault, status=int(status), code=code or "ERR-API-0007", message=f"Ordered: {status}.")
