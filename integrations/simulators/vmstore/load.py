"""How busy each VM is: invented, but the same whenever one asks for the same moment, and summed up truly."""

import math
import zlib
from dataclasses import dataclass

from integrations.simulators.vmstore.calls import Json
from integrations.simulators.vmstore.times import text

STEP_MS = 10_000  # of realtime samples
HISTORIC_STEP_MS = 600_000
_DAY_MS = 86_400_000
_IO_KIB = 8
_READS = 0.7
_DELAYS = {
    "latencyHostMs": 0.21,
    "latencyNetworkMs": 0.08,
    "latencyStorageMs": 0.03,
    "latencyDiskMs": 0.0,
    "latencyFlashMs": 0.27,
    "latencyContentionMs": 0.0,
}
_NO_DELAYS = dict.fromkeys(_DELAYS, 0.0)


@dataclass(frozen=True, slots=True)
class Load:
    """What VMs do at one moment."""

    iops: float = 0.0
    throttled: float = 0.0  # IOPS that a limit kept away


def base(digits: str) -> int:
    """IOPS of a VM on average."""
    return 5 + zlib.crc32(digits.encode()) % 120


def _wave(at_ms: int) -> float:
    """The day's rhythm, with some noise; the same for all."""
    noise = zlib.crc32(str(at_ms // STEP_MS).encode()) / 0xFFFFFFFF
    return 1 + 0.5 * math.sin(2 * math.pi * (at_ms % _DAY_MS) / _DAY_MS) + 0.2 * noise


def of_vm(digits: str, limit: float, at_ms: int) -> Load:
    """The load of one live VM under its QoS limit (0: none)."""
    asked = base(digits) * _wave(at_ms)
    got = min(asked, limit) if limit else asked
    return Load(iops=got, throttled=asked - got)


def of_all(free: int, limited: dict[str, float], at_ms: int) -> Load:
    """The load of all VMs together: those without a limit, by the sum of their bases, and those with one."""
    parts = [of_vm(digits, limit, at_ms) for digits, limit in limited.items()]
    return Load(
        iops=free * _wave(at_ms) + sum(part.iops for part in parts),
        throttled=sum(part.throttled for part in parts),
    )


def stat(load: Load, at_ms: int, interval_ms: int = STEP_MS) -> Json:
    """The statistics that VMs and datastore have in common."""
    reads, writes = load.iops * _READS, load.iops * (1 - _READS)
    throttle = 1000 * load.throttled / load.iops / 10 if load.iops else 0.0
    total = sum(_DELAYS.values()) + throttle if load.iops else 0.0
    return {
        "operationsTotalIops": round(load.iops, 3),
        "operationsReadIops": round(reads, 3),
        "operationsWriteIops": round(writes, 3),
        "normalizedTotalIops": round(load.iops, 3),
        "throughputTotalMBps": round(load.iops * _IO_KIB / 1024, 4),
        "throughputReadMBps": round(reads * _IO_KIB / 1024, 4),
        "throughputWriteMBps": round(writes * _IO_KIB / 1024, 4),
        "averageIoKiB": _IO_KIB if load.iops else 0,
        "latencyTotalMs": round(total, 4),
        **(_DELAYS if load.iops else _NO_DELAYS),
        "latencyThrottleMs": round(throttle, 4),
        "flashHitPercent": 100.0,
        "performanceReserveUsed": round(load.iops / 1000, 4),
        "intervalSeconds": interval_ms // 1000,
        "timeStart": text(at_ms - interval_ms),
        "timeEnd": text(at_ms),
    }


def moments(end_ms: int, start_ms: int, step_ms: int) -> list[int]:
    """The ends of the samples between two times, newest first."""
    newest = end_ms - end_ms % step_ms
    return list(range(newest, max(start_ms, newest - 100_000 * step_ms), -step_ms))
