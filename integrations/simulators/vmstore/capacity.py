"""How full and how busy the datastore is: sizes of the export's file system, and the sum of what the VMs do."""

import os
from collections.abc import Callable
from pathlib import Path

from integrations.simulators.vmstore import load
from integrations.simulators.vmstore.calls import Json
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.times import now_ms
from integrations.simulators.vmstore.vm_json import DOMAIN
from integrations.simulators.vmstore.vms import Vms

_GIB = 1 << 30


class Capacity:
    """Statistics of the datastore."""

    def __init__(self, export: Path, vms: Vms, options: Options) -> None:
        self._export = export
        self._vms = vms
        self._options = options

    def stat(self) -> Json:
        """A DatastoreStat of now."""
        return self.sampler(load.STEP_MS)(now_ms())

    def sampler(self, interval_ms: int) -> Callable[[int], Json]:
        """What makes a DatastoreStat of a moment; sizes are those of now, whatever the moment."""
        context = self._vms.views.context()
        limits = self._vms.live_limits(context)
        free = sum(load.base(digits) for digits, limit in limits.items() if not limit)
        limited = {digits: limit for digits, limit in limits.items() if limit}
        space = self._space(len(limits))
        snapshots = sum(entry.changed_bytes for entry in context.document.snapshots.values()) / _GIB
        space |= {"spaceUsedSnapshotsTintriPhysicalGiB": snapshots, "spaceUsedReplicaSnapshotsTintriPhysicalGiB": 0.0}

        def sample(at_ms: int) -> Json:
            busy = load.stat(load.of_all(free, limited, at_ms), at_ms, interval_ms)
            reserve = min(busy.pop("performanceReserveUsed"), 100.0)
            return {**space, **busy, "performanceReserveUsed": reserve, "performanceReserveRemaining": 100.0 - reserve}

        return sample

    def total_and_used(self) -> tuple[float, float]:
        """GiB: those of the file system that the export really lies on, unless the options say how full it is."""
        status = os.statvfs(self._export)
        total, free = status.f_frsize * status.f_blocks / _GIB, status.f_frsize * status.f_bavail / _GIB
        percent = self._options.space_used_percent
        return total, total * percent / 100 if percent else total - free

    def _space(self, vms: int) -> Json:
        total, used = self.total_and_used()
        status = os.statvfs(self._export)
        return {
            "typeId": f"{DOMAIN}.DatastoreStat",
            "spaceTotalGiB": total,
            "spaceUsedGiB": used,
            "spaceUsedPhysicalGiB": used,
            "spaceUsedLivePhysicalGiB": used,
            "spaceUsedOtherGiB": 0.0,
            "spaceRemainingPhysicalGiB": total - used,
            "spaceRemainingDays": 365,
            "spaceProvisionedGiB": used,
            "spaceProvisionedPercent": round(100 * used / total, 2),
            "spaceSavingsFactor": 1.0,
            "dedupeFactor": 1.0,
            "compressionFactor": 1.0,
            "vmsCount": vms,
            "disksCount": vms,
            "numFiles": status.f_files - status.f_ffree,
            "maxFiles": status.f_files,
            "performanceReserveAutoAllocated": 0.0,
            "replicationIncoming": None,
            "replicationOutgoing": None,
            "replLinkCount": 0,
        }
