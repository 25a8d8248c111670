"""What clients set on the appliance and the datastore, kept under the API's own names, with what it is at first."""

import copy
from typing import Any

from integrations.simulators.vmstore import plainfiles
from integrations.simulators.vmstore.calls import Json
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.state import State
from integrations.simulators.vmstore.vm_json import DOMAIN

_HOUR, _DAY = 60, 1440
# Source: the defaults in Tintri's API documentation: hourly at :05 keep 3 h, daily 02:30 keep 2 d, and so on.
_SCHEDULES = (
    ("HOURLY", "0 5 * * * ?", 3 * _HOUR),
    ("DAILY", "0 30 2 * * ?", 2 * _DAY),
    ("WEEKLY", "0 30 7 ? * SAT", 8 * _DAY),
    ("MONTHLY", "0 30 4 1 * ?", 32 * _DAY),
    ("QUARTERLY", "0 30 6 1 1,4,7,10 ?", 100 * _DAY),
)
_PROPERTIES = {
    "com.tintri.space.usedPercentAlertLowThreshold": "80",
    "com.tintri.space.usedPercentAlertHighThreshold": "95",
    "com.tintri.space.usedPercentDisableSnapshotsThreshold": "98",
    "com.tintri.space.usedPercentDisableReplicationThreshold": "98",
    "com.tintri.performance.reservesUsedPercentAlertThreshold": "95",
}


class Settings:
    """Named settings; reading gives a copy."""

    def __init__(self, state: State, options: Options) -> None:
        self._state = state
        with state.change() as document:
            document.settings = {**_at_first(options), **document.settings}
            if options.plain_disks:
                document.settings[plainfiles.RULE] = plainfiles.rule(options.plain_disks)

    def get(self, name: str) -> Any:
        """A setting as it is now."""
        with self._state.look() as document:
            return copy.deepcopy(document.settings[name])

    def put(self, name: str, value: Any) -> Any:
        """Keep a setting; gives it."""
        with self._state.change() as document:
            document.settings[name] = copy.deepcopy(value)
        return value

    def merge(self, name: str, new: Json) -> Json:
        """Keep the members that are new of a setting that is an object; gives the whole."""
        with self._state.change() as document:
            document.settings[name] = {**document.settings[name], **copy.deepcopy(new)}
        found: Json = self.get(name)
        return found


def _schedule(kind: str, cron: str, minutes: int) -> Json:
    return {
        "typeId": f"{DOMAIN}.beans.vm.VirtualMachineSnapshotSchedule",
        "name": kind.capitalize(),
        "type": kind,
        "cronExpressions": [cron],
        "consistency": "CRASH_CONSISTENT",
        "retentionSourceMinutes": minutes,
        "retentionDestinationMinutes": -1,
        "locked": False,
        "isSystemDefaultSchedule": True,
        "initialDefaultCronExpression": cron,
        "initialDefaultRetentionMinutes": minutes,
    }


def _at_first(options: Options) -> Json:
    manager = {
        "typeId": f"{DOMAIN}.HypervisorManagerConfig",
        "host": options.manager,
        "hypervisorManagerId": "manager-1",
        "hypervisorType": "VMWARE",
        "username": "tintri@vsphere.local",
        "isCurrentlyConfigured": True,
    }
    access = {"submount": "/tintri", "clientIpLow": "0.0.0.0", "clientIpHigh": "255.255.255.255", "isAllowed": True}  # noqa: S104 - a range of clients, not an address that is listened on
    return {
        "schedulesDefault": [_schedule(*row) for row in _SCHEDULES],
        "replicationPaths": [],
        "replicationConfig": [],
        "replicationInfo": {"isEnabled": False, "isAsyncPaused": False, "isCloudPaused": False},
        "nfsAccesses": {"typeId": f"{DOMAIN}.DatastoreNfsAccesses", "isEnabled": False, "configs": [access]},
        "fileShares": [],
        "smbSettings": {"isEnabled": False},
        "managers": [manager],
        "systemProperty": dict(_PROPERTIES),
        "dataProtectionConfig": {
            "typeId": f"{DOMAIN}.DataProtectionConfig",
            "lockSnapshotEnabled": False,
            "snapshotDeletionPaused": False,
            "escalatedPrivilegeExpiryTimeMs": 0,
        },
        plainfiles.RULE: plainfiles.rule(()),
        "notificationPolicy": {"isEnabled": False, "recipients": []},
        "customizationInfo": {"applianceName": options.name},
        "dnsConfig": {"dnsServers": [], "dnsDomain": "example"},
        "dateTimeConfig": {"timeZone": "UTC", "ntpPrimary": "", "ntpSecondary": ""},
    }


def property_json(name: str, value: str) -> Json:
    """A system property."""
    default = _PROPERTIES[name]
    return {"name": name, "value": value, "defaultValue": default, "custom": value != default}
