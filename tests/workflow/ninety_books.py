"""What ninety days keep: a target in memory, and books of our own, that nothing of Cloudy's is read for."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.checksum import crc64
from bot.model import Hold, ObjectInfo, RecoveryPoint, Retention, Sla, Slas
from bot.retention import Facts
from tests.memory import MemoryStore
from tests.unit.keeps import brute_force
from tests.workflow.ninety_days import BERLIN
from tests.workflow.schedule_world import DAY

BODY = b"all of it"
GOLD = Retention(daily=14, monthly=3, zone=BERLIN)
SILVER, LESS = Retention(last=7, weekly=4), Retention(last=3, weekly=2)
BRONZE = Retention(last=2, minimum_age=2 * DAY)
RPO = timedelta(hours=30)
SLAS = Slas(
    listed=(
        Sla(name="gold", vms=("ber*",), targets=("s3",), rpo=RPO, retention=GOLD),
        Sla(name="silver", vms=("syd*",), targets=("s3",), rpo=RPO, retention=SILVER, drill_every=None),
        Sla(name="bronze", vms=("nyc*",), targets=("s3",), rpo=RPO, retention=BRONZE, drill_every=None),
    )
)


class Shelves(MemoryStore):
    """A target with many recovery points, that is not looked through for each of them."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.by_point: dict[str, dict[str, None]] = defaultdict(dict)

    def keep(self, point: str, name: str, **metadata: str) -> ObjectInfo:
        return self.put(f"{point}/{name}", BODY, crc64=crc64(BODY), metadata=metadata)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        point, slash, _ = prefix.partition("/")
        if not slash:
            return super().list(prefix)
        keys = sorted(key for key in self.by_point.get(point, ()) if key.startswith(prefix))
        with self._watching("list"):
            return iter([ObjectInfo(key=key, size=len(self.objects[key]), etag=self.etags[key]) for key in keys])

    def delete(self, key: str) -> None:
        try:
            super().delete(key)
        finally:  # who is told of it may die of it
            point = key.partition("/")[0]
            if key not in self.objects:
                self.by_point[point].pop(key, None)
            if not self.by_point[point]:
                del self.by_point[point]

    def _make(self, key: str, body: bytes, etag: str, metadata: Mapping[str, str]) -> ObjectInfo:
        self.by_point[key.partition("/")[0]][key] = None
        return super()._make(key, body, etag, metadata)


@dataclass(frozen=True, slots=True)
class Ended:
    """One protection that is over."""

    number: int  # in the order in which they were asked for
    vm: str
    begun_at: datetime
    ended_at: datetime
    is_good: bool


@dataclass(slots=True)
class Books:
    """What there is, by whoever did it: nothing of it is read from Cloudy."""

    points: dict[str, RecoveryPoint] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    by_vm: dict[str, list[Ended]] = field(default_factory=lambda: defaultdict(list))
    rounds: list[tuple[datetime, bool]] = field(default_factory=list)  # when they ended, and whether they began
    rules: dict[str, Retention] = field(default_factory=lambda: {"ber": GOLD, "syd": SILVER, "nyc": BRONZE})
    holds: tuple[Hold, ...] = ()
    damaged: frozenset[tuple[str, str]] = frozenset()
    used: dict[str, str] = field(default_factory=dict)  # bases, by the run under way that copies from them
    removed: int = 0

    def going(self, now: datetime, *, is_plain: bool = False) -> set[str]:
        """What nothing keeps; is_plain: as if nothing were under way."""
        used = frozenset() if is_plain else frozenset((point, "s3") for point in self.used.values())
        facts = Facts(now=now, holds=self.holds, used=used, doubted=self.damaged)
        of_vm: dict[str, list[RecoveryPoint]] = defaultdict(list)
        for point in self.points.values():
            of_vm[point.vm_name].append(point)
        kept = (brute_force(points, self.rules[vm[:3]], facts) for vm, points in of_vm.items())
        return set(self.points).difference(*kept)

    def of_vm(self, vm: str) -> list[RecoveryPoint]:
        """The newest first."""
        found = (point for point in self.points.values() if point.vm_name == vm)
        return sorted(found, key=lambda point: point.taken_at, reverse=True)
