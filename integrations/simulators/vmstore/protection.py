"""QoS, snapshot schedules and replication of VMs, and the locks of snapshots: written, kept and read back."""

import re
from collections.abc import Callable
from typing import Any

from integrations.simulators.vmstore.calls import Call, Json, Reply, Route
from integrations.simulators.vmstore.errors import ApiError, invalid, not_found
from integrations.simulators.vmstore.settings import Settings
from integrations.simulators.vmstore.snapshots import Snapshots
from integrations.simulators.vmstore.state import State, VmEntry
from integrations.simulators.vmstore.times import now_ms
from integrations.simulators.vmstore.updates import change, ids, number, object_of, selection, truth
from integrations.simulators.vmstore.vm_json import DOMAIN, qos_json
from integrations.simulators.vmstore.vms import Vms

_TYPES = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY", "QUARTERLY", "CUSTOM")
_CRON = re.compile(r"^\S+( \S+){5,6}$")  # Quartz: seconds minutes hours day-of-month month day-of-week [year]


class Protection:
    """What a client can set on VMs and on snapshots."""

    def __init__(self, state: State, vms: Vms, snapshots: Snapshots, settings: Settings) -> None:
        self._state = state
        self._vms = vms
        self._snapshots = snapshots
        self._settings = settings

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        vm, snapshot = "/api/v310/vm", "/api/v310/snapshot/{id}"
        return [
            Route("PUT", f"{vm}/qosConfig", self._qos_of_many),
            Route("PUT", f"{vm}/{{id}}/qosConfig", self._qos),
            Route("GET", f"{vm}/{{id}}/qosConfig", lambda call: self._qos_json(self._vms.found(call))),
            Route("POST", f"{vm}/{{id}}/snapshotSchedule", self._add_schedules),
            Route("PUT", f"{vm}/{{id}}/snapshotSchedule", self._set_schedules),
            Route("GET", f"{vm}/{{id}}/snapshotSchedule", lambda call: self._schedules(self._vms.found(call))),
            Route("DELETE", f"{vm}/{{id}}/snapshotSchedule/{{name}}", self._delete_schedule),
            Route("PUT", f"{vm}/updateScheduleToDefault", self._to_default("schedules")),
            Route("PUT", f"{vm}/{{id}}/hfSnapshotConfig", self._high_frequency),
            Route("PUT", f"{vm}/{{id}}/replicationConfigs", self._replications),
            Route("PUT", f"{vm}/updateReplicationConfigToDefault", self._to_default("replication")),
            Route("DELETE", f"{vm}/{{id}}/replicationConfig/incoming", self._no_incoming),
            Route("POST", f"{snapshot}/lock", self._lock, since=183),
            Route("POST", f"{snapshot}/unlock", self._unlock, since=183),
        ]

    def set_qos(self, vm: VmEntry, new: Json) -> None:
        """Set the limits that are named. ApiError 400: not live, or limits that cannot be."""
        if not vm.live:
            message = "QoS can be set on a live virtual machine only."
            raise invalid(f"VM {vm.definition.name} is not live.", "ERR-API-3110", message)
        config = self._config(vm)
        try:
            limits = {
                name: number(new[name], name) if name in new and new[name] is not None else config.get(name, 0)
                for name in ("minNormalizedIops", "maxNormalizedIops")
            }
        except ApiError as error:
            raise _bad_qos(error.cause) from error
        low, high = limits["minNormalizedIops"], limits["maxNormalizedIops"]
        if high and low > high:
            raise _bad_qos(f"The minimum {low} is more than the maximum {high}.")
        inherits = truth(new["inheritanceEnabled"]) if "inheritanceEnabled" in new else None
        more = {} if inherits is None else {"inheritanceEnabled": inherits}
        self._vms.set_config(vm, **limits, **more)

    def set_schedules(self, vm: VmEntry, schedules: list[Json]) -> None:
        """Let the VM have just these. ApiError 400."""
        self._vms.set_config(vm, schedules=[checked_schedule(one) for one in schedules])

    def _config(self, vm: VmEntry) -> Json:
        with self._state.look() as document:
            return dict(document.configs.get(vm.hex, {}))

    def _qos_json(self, vm: VmEntry) -> Json:
        return qos_json(self._config(vm))

    def _qos(self, call: Call) -> Json:
        vm = self._vms.found(call)
        self.set_qos(vm, change(call.body))
        return self._qos_json(vm)

    def _qos_of_many(self, call: Call) -> Reply:
        vm_ids, new = selection(call.body)
        for vm in [self._vms.named(vm_id) for vm_id in vm_ids]:
            self.set_qos(vm, new)
        return Reply(status=204)

    def _schedules(self, vm: VmEntry) -> list[Json]:
        found: list[Json] = self._config(vm).get("schedules", self._settings.get("schedulesDefault"))
        return found

    def _add_schedules(self, call: Call) -> list[Json]:
        """Add, or change those of the same name."""
        vm = self._vms.found(call)
        new = [checked_schedule(one) for one in _objects(call.body)]
        by_name = {one["name"]: one for one in self._schedules(vm)} | {one["name"]: one for one in new}
        self.set_schedules(vm, list(by_name.values()))
        return self._schedules(vm)

    def _set_schedules(self, call: Call) -> list[Json]:
        vm = self._vms.found(call)
        by_name = {one["name"]: one for one in self._schedules(vm)}
        for one in _objects(call.body):
            by_name[str(one.get("name"))] = {**by_name.get(str(one.get("name")), {}), **one}
        self.set_schedules(vm, list(by_name.values()))
        return self._schedules(vm)

    def _delete_schedule(self, call: Call) -> Reply:
        vm, name = self._vms.found(call), call.params["name"]
        left = [one for one in self._schedules(vm) if one["name"] != name]
        if len(left) == len(self._schedules(vm)):
            raise not_found("snapshot schedule", name)
        self.set_schedules(vm, left)
        return Reply(status=204)

    def _to_default(self, name: str) -> Callable[[Call], Reply]:
        def act(call: Call) -> Reply:
            for vm in [self._vms.named(vm_id) for vm_id in ids(call.body)]:
                self._vms.set_config(vm, **{name: None})
            return Reply(status=204)

        return act

    def _high_frequency(self, call: Call) -> Reply:
        vm, new = self._vms.found(call), change(call.body)
        new["isEnabled"] = truth(new.get("isEnabled", True))
        self._vms.set_config(vm, highFrequency=new)
        return Reply(status=204)

    def _replications(self, call: Call) -> list[Json]:
        """The whole list: what is not in it is removed."""
        vm, configs = self._vms.found(call), [self.checked_replication(one) for one in _objects(call.body)]
        self._vms.set_config(vm, replication=configs)
        return configs

    def checked_replication(self, config: Json) -> Json:
        """A replication config with its path as it is known here. ApiError 400."""
        path = config.get("path")
        wanted = path.get("id") if isinstance(path, dict) else path
        known = next((one for one in self._settings.get("replicationPaths") if one["id"] == wanted), None)
        if known is None:
            cause = f"There is no replication path {wanted}."
            raise invalid(cause, "ERR-API-3111", "Invalid replication config request.")
        return {
            "typeId": f"{DOMAIN}.beans.vm.VirtualMachineReplicationConfig",
            "isDisabled": False,
            "isPaused": False,
            "isOneshot": False,
            "isSource": True,
            "isSystemDefault": False,
            "alertThresholdMinutes": 0,
            "replicationState": "IDLE",
            **config,
            "path": known,
        }

    def _no_incoming(self, call: Call) -> Reply:
        self._vms.found(call)  # nothing replicates to here
        return Reply(status=204)

    def _lock(self, call: Call) -> Reply:
        entry = self._snapshots.found(call)
        if not self._settings.get("dataProtectionConfig")["lockSnapshotEnabled"]:
            raise _bad_lock("9909", "Snapshot locks are not enabled: dataProtectionConfig.lockSnapshotEnabled.")
        asked = object_of(call.body).get("lockDurationMinutes")
        minutes = number(asked, "lockDurationMinutes", least=-1)
        if minutes == 0:
            raise _bad_lock("9909", "lockDurationMinutes must be -1 or more than 0.")
        with self._state.change():
            entry.locked_until_ms = -1 if minutes < 0 else now_ms() + int(minutes * 60_000)
        return Reply(status=204)

    def _unlock(self, call: Call) -> Reply:
        """Needs privileges that were escalated before."""
        entry = self._snapshots.found(call)
        if self._settings.get("dataProtectionConfig")["escalatedPrivilegeExpiryTimeMs"] <= now_ms():
            raise _bad_lock("9911", "Only escalated data-protection privileges may unlock a snapshot.")
        with self._state.change():
            entry.locked_until_ms = 0
        return Reply(status=204)


def checked_schedule(schedule: Json) -> Json:
    """A schedule with all its members. ApiError 400."""
    kind, crons = schedule.get("type"), schedule.get("cronExpressions") or []
    crons = [crons] if isinstance(crons, str) else crons
    if kind not in _TYPES or not all(isinstance(one, str) and _CRON.match(one) for one in crons):
        cause = f"type {kind!r} with cronExpressions {crons!r} is no schedule."
        raise invalid(cause, "ERR-API-3114", "Invalid snapshot schedule.")
    minutes = {
        name: number(schedule.get(name) if schedule.get(name) is not None else -1, name, least=-1)
        for name in ("retentionSourceMinutes", "retentionDestinationMinutes")
    }
    return {
        "typeId": f"{DOMAIN}.beans.vm.VirtualMachineSnapshotSchedule",
        "consistency": "CRASH_CONSISTENT",
        "isSystemDefaultSchedule": False,
        "locked": False,
        **schedule,
        "name": str(schedule.get("name") or str(kind).capitalize()),
        "cronExpressions": crons,
        **minutes,
    }


def _objects(body: Any) -> list[Json]:
    """Objects that come as a list, as a single one, or in a Request. ApiError 400."""
    if isinstance(body, dict) and "objectsWithNewValues" in body:
        body = body["objectsWithNewValues"]
    found = body if isinstance(body, list) else [body]
    if not all(isinstance(one, dict) for one in found):
        raise invalid("Objects are needed.")
    return found


def _bad_qos(cause: str) -> ApiError:
    return invalid(cause, "ERR-API-3109", "Invalid QoS request.")


def _bad_lock(number_of_code: str, cause: str) -> ApiError:
    return invalid(cause, f"ERR-API-{number_of_code}", "Invalid snapshot lock request.")
