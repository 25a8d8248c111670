"""The datastore part of the API: capacity, statistics, where clones can go, schedules, replication, access, shares."""

from typing import Any

from integrations.simulators.vmstore import load
from integrations.simulators.vmstore.calls import Call, Handler, Json, Reply, Route
from integrations.simulators.vmstore.capacity import Capacity
from integrations.simulators.vmstore.clones import directory_of
from integrations.simulators.vmstore.errors import ApiError, not_found
from integrations.simulators.vmstore.ids import Ids, check_datastore
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.protection import checked_schedule
from integrations.simulators.vmstore.settings import Settings, property_json
from integrations.simulators.vmstore.times import now_text
from integrations.simulators.vmstore.updates import change, changes, number, object_of
from integrations.simulators.vmstore.vm_json import DOMAIN
from integrations.simulators.vmstore.vms import Vms, stats_page

_ONLY = f"{0:016X}"  # the number of the one datastore
_REALTIME_MS, _WEEK_MS = 3_600_000, 7 * 86_400_000


class Datastore:
    """The one datastore, called `default` too."""

    def __init__(self, vms: Vms, settings: Settings, capacity: Capacity, ids: Ids, options: Options) -> None:
        self._vms = vms
        self._settings = settings
        self._capacity = capacity
        self._ids = ids
        self._options = options

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        base = "/api/v310/datastore/{id}"
        rows: list[tuple[str, str, Handler]] = [
            ("GET", "", lambda _call: self._json()),
            ("GET", "/statsSummary", lambda _call: self._capacity.stat()),
            ("GET", "/statsRealtime", lambda call: self._stats(call, load.STEP_MS, _REALTIME_MS)),
            ("GET", "/statsHistoric", lambda call: self._stats(call, load.HISTORIC_STEP_MS, _WEEK_MS)),
            ("GET", "/hostResources", lambda _call: self._host_resources()),
            ("GET", "/hypervisorDatastore", lambda _call: [self._hypervisor_datastore()]),
            ("GET", "/qosInfo", lambda _call: self._qos_info()),
            ("GET", "/schedulesDistinct", lambda _call: self._settings.get("schedulesDefault")),
            ("PUT", "/schedulesDefault", self._set_schedules),
            ("GET", "/systemProperty", lambda _call: self._properties()),
            ("GET", "/systemProperty/{name}", self._property),
            ("PUT", "/systemProperty/{name}", self._set_property),
            ("POST", "/directory", self._make_directory),
            *self._kept("/replicationInfo", "replicationInfo"),
            *self._kept("/replicationConfig", "replicationConfig"),
            *self._kept("/nfsaccess", "nfsAccesses"),
            *self._kept("/smbSettings", "smbSettings"),
            ("GET", "/hypervisorManagerConfig", lambda _call: self._settings.get("managers")),
            ("POST", "/hypervisorManagerConfig/csi/refresh", lambda _call: Reply(status=204)),
        ]
        since = {"/directory": 100, "/systemProperty": 64}
        routes = [
            Route(method, base + path, self._checked(act), since=since.get(path, 0)) for method, path, act in rows
        ]
        return [Route("GET", "/api/v310/datastore", lambda _call: [self._json()]), *routes]

    def _checked(self, act: Handler) -> Handler:
        """Only for the datastore that there is. ApiError 501."""

        def checked(call: Call) -> Any:
            check_datastore(self._ids, call.params["id"])
            return act(call)

        return checked

    def _kept(self, path: str, name: str) -> list[tuple[str, str, Handler]]:
        """Rows of a setting that is an object or a list, read and written."""

        def put(call: Call) -> Any:
            if isinstance(self._settings.get(name), list):
                return self._settings.put(name, changes(call.body))
            return self._settings.merge(name, change(call.body))

        return [("GET", path, lambda _call: self._settings.get(name)), ("PUT", path, put)]

    def _json(self) -> Json:
        return {
            "typeId": f"{DOMAIN}.Datastore",
            "uuid": self._ids.object("DST", _ONLY),
            "displayName": self._options.name,
            "storageContainers": [self._options.name],
            "nfsAccesses": self._settings.get("nfsAccesses"),
            "qosInfo": self._qos_info(),
            "replication": self._settings.get("replicationInfo"),
            "snapshotSchedules": self._settings.get("schedulesDefault"),
            "snapshotHighFrequencyVmsCount": 0,
            "snapshotHighFrequencyVmsCountMax": 100,
            "stat": {"typeId": f"{DOMAIN}.Stats", "sortedStats": [self._capacity.stat()]},
            "lastUpdatedTime": now_text(),
        }

    def _stats(self, call: Call, step_ms: int, back_ms: int) -> Json:
        return stats_page(call, self._capacity.sampler(step_ms), step_ms, back_ms)

    def _qos_info(self) -> Json:
        limits = self._vms.live_limits(self._vms.views.context())
        return {
            "typeId": f"{DOMAIN}.DatastoreQosInfo",
            "vmsWithMaxNormalizedIopsCount": sum(1 for limit in limits.values() if limit),
            "vmsCount": len(limits),
        }

    def _host_resources(self) -> list[Json]:
        rows = (
            ("COMPUTE_RESOURCE", "domain-s21", "esxi01.example"),
            ("CLUSTER_COMPUTE_RESOURCE", "domain-c22", "Cluster"),
            ("HOST", "host-23", "esxi01.example"),
            ("FOLDER", "group-v3", "vm"),
            ("DATASTORE", "datastore-11", self._options.name),
        )
        return [
            {
                "typeId": f"{DOMAIN}.VirtualMachineHostResource",
                "hostname": self._options.manager,
                "type": kind,
                "id": resource,
                "displayName": shown,
                "datastoreName": self._options.name,
                "folderId": "group-v3",
                "path": f"Datacenter/{shown}",
                "isPreferred": kind == "COMPUTE_RESOURCE",
                "isStandalone": False,
                "isOfTemplate": False,
            }
            for kind, resource, shown in rows
        ]

    def _hypervisor_datastore(self) -> Json:
        return {
            "typeId": f"{DOMAIN}.HypervisorDatastore",
            "id": "datastore-11",
            "displayName": self._options.name,
            "hostname": self._options.manager,
            "ipAddress": self._options.host,
            "accessProtocol": "NFS",
            "mountDirectories": ["/tintri"],
            "hypervisorType": "VMWARE",
            "isPreferred": True,
        }

    def _set_schedules(self, call: Call) -> list[Json]:
        """Change defaults by name; the others stay."""
        found = {one["name"]: one for one in self._settings.get("schedulesDefault")}
        body = call.body if isinstance(call.body, list) else changes(call.body)
        for one in body:
            name = str(object_of(one).get("name"))
            if name not in found:
                raise not_found("snapshot schedule", name)
            found[name] = checked_schedule({**found[name], **one})
        kept: list[Json] = self._settings.put("schedulesDefault", list(found.values()))
        return kept

    def _properties(self) -> list[Json]:
        return [property_json(name, value) for name, value in self._settings.get("systemProperty").items()]

    def _property(self, call: Call) -> Json:
        found = self._settings.get("systemProperty")
        if call.params["name"] not in found:
            raise not_found("system property", call.params["name"])
        return property_json(call.params["name"], found[call.params["name"]])

    def _set_property(self, call: Call) -> Json:
        self._property(call)
        value = number(change(call.body).get("value"), "value")
        self._settings.merge("systemProperty", {call.params["name"]: str(value)})
        return self._property(call)

    def _make_directory(self, call: Call) -> Json:
        """Make a directory of the export; its parents must be there."""
        spec = object_of(call.body)
        try:
            path = self._vms.views.export / directory_of(spec.get("path"))
            path.mkdir()
        except (OSError, ApiError) as error:
            cause = f"{spec.get('path')} cannot be made: {getattr(error, 'cause', error)}"
            raise ApiError(500, "ERR-API-9708", "Failed to create the directory.", cause) from error
        return file_json(path, str(spec["path"]))


def file_json(path: Any, shown: str) -> Json:
    """A FileSystemInfo."""
    kind = f"{DOMAIN}.beans.filesystem.FileSystemInfo"
    return {"typeId": kind, "isDir": path.is_dir(), "path": shown, "sizeInBytes": path.stat().st_size}
