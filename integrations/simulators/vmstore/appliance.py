"""What the appliance and its one datastore say of themselves."""

import os
from pathlib import Path
from typing import Any

from integrations.simulators.vmstore.calls import Call, Json, Route
from integrations.simulators.vmstore.errors import ApiError, not_found
from integrations.simulators.vmstore.ids import Ids
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.times import now_text

_DOMAIN = "com.tintri.api.rest.v310.dto.domain"
_ONLY = f"{0:016X}"  # the number of the one appliance and of the one datastore
_MINORS = (1, 11, 21, 31, 41, 51, 61, 64, 71, 81, 91, 100, 111, 121, 131, 141, 151, 161, 171, 183, 191)


class Appliance:
    """The appliance and datastore parts of the API, as far as clients look at them before they work."""

    def __init__(self, export: Path, ids: Ids, options: Options) -> None:
        self._export = export
        self._ids = ids
        self._options = options

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        return [
            Route("GET", "/api/info", self._info, public=True),
            Route("GET", "/api/v310/appliance", lambda _call: [self._appliance()]),
            Route("GET", "/api/v310/appliance/{id}", self._one_appliance),
            Route("GET", "/api/v310/appliance/{id}/info", self._appliance_info),
            Route("GET", "/api/v310/datastore", lambda _call: [self._datastore()]),
            Route("GET", "/api/v310/datastore/{id}", self._one_datastore),
        ]

    def _info(self, _call: Call) -> Json:
        newest = int(self._options.api_version.rpartition(".")[2])
        return {
            "typeId": "com.tintri.api.rest.v.dto.domain.RestApi",
            "preferredVersion": self._options.api_version,
            "productName": self._options.product,
            "supportedVersionSet": [f"v310.{minor}" for minor in _MINORS if minor <= newest],
        }

    def _one_appliance(self, call: Call) -> list[Any]:
        self._check(call, "PLT", "appliance")
        return [self._appliance()]

    def _appliance_info(self, call: Call) -> Json:
        self._check(call, "PLT", "appliance")
        return self._facts()

    def _one_datastore(self, call: Call) -> Json:
        name = call.params["id"]
        if name not in ("default", self._ids.text("DST", _ONLY)):
            raise ApiError(501, "ERR-API-2001", 'Datastores other than "default" are not supported.', f"Not {name}.")
        return self._datastore()

    def _check(self, call: Call, kind: str, word: str) -> None:
        if call.params["id"] not in ("default", self._ids.text(kind, _ONLY)):
            raise not_found(word, call.params["id"])

    def _appliance(self) -> Json:
        return {
            "typeId": f"{_DOMAIN}.Appliance",
            "uuid": self._ids.object("PLT", _ONLY),
            "info": self._facts(),
            "components": [],
            "controllers": [],
            "disks": [],
            "configIps": [
                {"ip": self._options.host, "serviceType": service, "isLocal": True} for service in ("admin", "data")
            ],
            "customizationInfo": {"applianceName": self._options.name},
            "lastUpdatedTime": now_text(),
        }

    def _facts(self) -> Json:
        return {
            "typeId": f"{_DOMAIN}.beans.hardware.ApplianceInfo",
            "modelName": "T7080 (simulated)",
            "osVersion": "5.6.0.1-12345.67890.1",
            "serialNumber": f"SIM{self._ids.fs_uuid[:8]}",
            "isAllFlash": True,
            "isExpandable": False,
            "expansionHistory": [],
            "currentCapacityGiB": self._capacity()[0],
            "filesystemId": self._ids.fs_uuid,
        }

    def _datastore(self) -> Json:
        total, free = self._capacity()
        return {
            "typeId": f"{_DOMAIN}.Datastore",
            "uuid": self._ids.object("DST", _ONLY),
            "displayName": self._options.name,
            "storageContainers": [self._options.name],
            "snapshotSchedules": [],
            "stat": {
                "typeId": f"{_DOMAIN}.Stats",
                "sortedStats": [
                    {
                        "typeId": f"{_DOMAIN}.DatastoreStat",
                        "spaceTotalGiB": total,
                        "spaceUsedGiB": total - free,
                        "spaceRemainingPhysicalGiB": free,
                    }
                ],
            },
            "lastUpdatedTime": now_text(),
        }

    def _capacity(self) -> tuple[float, float]:
        """GiB in total and free: those of the file system that the export really lies on."""
        status = os.statvfs(self._export)
        return status.f_frsize * status.f_blocks / (1 << 30), status.f_frsize * status.f_bavail / (1 << 30)
