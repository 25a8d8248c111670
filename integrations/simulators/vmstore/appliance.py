"""What the appliance says of itself, and what it knows of single files."""

import time
from pathlib import Path
from typing import Any

from integrations.simulators.vmstore.alerts import Alerts
from integrations.simulators.vmstore.calls import Call, Handler, Json, Reply, Route
from integrations.simulators.vmstore.capacity import Capacity
from integrations.simulators.vmstore.datastore import file_json
from integrations.simulators.vmstore.errors import ApiError, not_found
from integrations.simulators.vmstore.ids import Ids
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.pages import Counts, page
from integrations.simulators.vmstore.settings import Settings
from integrations.simulators.vmstore.times import now_ms, now_text
from integrations.simulators.vmstore.updates import change
from integrations.simulators.vmstore.vm_json import DOMAIN

_ONLY = f"{0:016X}"  # the number of the one appliance
_MINORS = (1, 11, 21, 31, 41, 51, 53, 61, 64, 71, 81, 91, 100, 111, 121, 131, 141, 151, 161, 171, 183, 191)
_KEPT = ("customizationInfo", "dataProtectionConfig", "dnsConfig", "dateTimeConfig", "csiProperties")
_SINCE = {"dataProtectionConfig": 183, "csiProperties": 191}
_HARDWARE = ("components", "controllers", "disks", "configIps")
_ESCALATION_MS = 3_600_000


class Appliance:
    """The appliance part of the API."""

    def __init__(
        self, export: Path, settings: Settings, alerts: Alerts, capacity: Capacity, ids: Ids, options: Options
    ) -> None:
        self._export = export
        self._settings = settings
        self._alerts = alerts
        self._capacity = capacity
        self._ids = ids
        self._options = options
        self._began = time.monotonic()

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        base = "/api/v310/appliance/{id}"
        rows: list[tuple[str, str, Handler, int]] = [
            ("GET", "", lambda _call: [self._json()], 0),
            ("GET", "/info", lambda _call: self._facts(), 0),
            ("GET", "/operationalStatus", lambda _call: self._status(), 0),
            ("GET", "/failedComponents", lambda _call: {"failedComponents": []}, 0),
            ("GET", "/alertCounts", lambda _call: self._alerts.counts(), 0),
            ("PUT", "/escalateDPAPrivileges", self._escalate, 183),
            ("GET", "/fileDirInfo/{path:rest}", self._file, 91),
            *(row for name in _KEPT for row in self._kept(name)),
            *(("GET", f"/{name}", self._member(name), 0) for name in _HARDWARE),
        ]
        return [
            Route("GET", "/api/info", self._info, public=True),
            Route("GET", "/api/v310/appliance", lambda _call: [self._json()]),
            Route("GET", "/api/v310/license", lambda _call: []),
            Route("GET", "/api/v310/computeResource", self._compute_resources),
            *(Route(method, base + path, self._checked(act), since=since) for method, path, act, since in rows),
        ]

    def _checked(self, act: Handler) -> Handler:
        """Only for the appliance that there is. ApiError 404."""

        def checked(call: Call) -> Any:
            if call.params["id"] not in ("default", self._ids.text("PLT", _ONLY)):
                raise not_found("appliance", call.params["id"])
            return act(call)

        return checked

    def _kept(self, name: str) -> list[tuple[str, str, Handler, int]]:
        since = _SINCE.get(name, 0)
        return [
            ("GET", f"/{name}", lambda _call: self._settings.get(name), since),
            ("PUT", f"/{name}", lambda call: self._settings.merge(name, change(call.body)), since),
        ]

    def _member(self, name: str) -> Handler:
        return lambda _call: self._json()[name]

    def _info(self, _call: Call) -> Json:
        newest = int(self._options.api_version.rpartition(".")[2])
        return {
            "typeId": "com.tintri.api.rest.v.dto.domain.RestApi",
            "preferredVersion": self._options.api_version,
            "productName": self._options.product,
            "supportedVersionSet": [f"v310.{minor}" for minor in _MINORS if minor <= newest],
        }

    def _json(self) -> Json:
        host = self._options.host
        parts = ("CPU", "FAN", "POWER_SUPPLY")
        return {
            "typeId": f"{DOMAIN}.Appliance",
            "uuid": self._ids.object("PLT", _ONLY),
            "info": self._facts(),
            "components": [{"componentType": part, "locator": f"{part} 1", "status": "OK"} for part in parts],
            "controllers": [
                {"locator": f"Controller {side}", "role": role, "state": "OK"}
                for side, role in (("A", "ACTIVE"), ("B", "STANDBY"))
            ],
            "disks": [{"locator": f"Disk {place}", "diskType": "SSD", "state": "OK"} for place in (1, 2)],
            "configIps": [{"ip": host, "serviceType": service, "isLocal": True} for service in ("admin", "data")],
            "alertCounts": self._alerts.counts(),
            **{name: self._settings.get(name) for name in _KEPT if name != "csiProperties"},
            "lastUpdatedTime": now_text(),
        }

    def _facts(self) -> Json:
        return {
            "typeId": f"{DOMAIN}.beans.hardware.ApplianceInfo",
            "modelName": "T7080 (simulated)",
            "osVersion": "5.6.0.1-12345.67890.1",
            "serialNumber": f"SIM{self._ids.fs_uuid[:8]}",
            "isAllFlash": True,
            "isExpandable": False,
            "expansionHistory": [],
            "currentCapacityGiB": self._capacity.total_and_used()[0],
            "tceVersion": "",
            "filesystemId": self._ids.fs_uuid,
        }

    def _status(self) -> Json:
        return {
            "typeId": f"{DOMAIN}.beans.hardware.ApplianceOperationalStatus",
            "uptime": int((time.monotonic() - self._began) * 1000),
            "isFilesystemUp": True,
            "alertsUnreadCount": self._alerts.counts()["numUnreadAlerts"],
            "urgentMessage": "",
            "restartFlag": False,
            "nfsTotalConnectionCount": 1,
            "sampleTime": now_text(),
        }

    def _escalate(self, _call: Call) -> Reply:
        self._settings.merge("dataProtectionConfig", {"escalatedPrivilegeExpiryTimeMs": now_ms() + _ESCALATION_MS})
        return Reply(status=204)

    def _file(self, call: Call) -> Json:
        """Whether a path of the export is there, what it is and how large."""
        shown = call.params["path"]
        parts = Path(shown.removeprefix("/tintri/").removeprefix("tintri/").strip("/")).parts
        path = self._export.joinpath(*parts)
        try:
            if ".." in parts or not path.exists():
                raise not_found("file", shown)
            return file_json(path, shown)
        except OSError as error:
            raise ApiError(500, "ERR-API-9700", "Failed to get directory information.", str(error)) from error

    def _compute_resources(self, call: Call) -> Json:
        hosts = [{"typeId": f"{DOMAIN}.ComputeResource", "displayName": "esxi01.example", "type": "COMPUTE_RESOURCE"}]
        return page(call, hosts, Counts(1, 1), lambda one: one)
