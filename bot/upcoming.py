"""When each VM is protected next by a schedule, from the local database; no VMstore is asked."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bot import groups
from bot.errors import NotFound
from bot.firing import Firer
from bot.model import NextFire, Schedule, SeenVm
from bot.moments import NamedBlackout, offset, placed
from bot.schedulelines import MOST_NEXT, Lines
from bot.store import Database, Unit

_PROTECT = "protect"


class Upcoming:
    """May be asked from any thread; a bot.model.NextFires."""

    def __init__(self, db: Database, firer: Firer) -> None:
        self._db = db
        self._firer = firer
        self._lines = Lines(firer)

    def __call__(self, vms: Sequence[SeenVm], now: datetime) -> Mapping[str, Sequence[NextFire]]:
        """The next of each schedule that protects one of them, by uuid. BusyError, DatabaseError."""
        directory = groups.Directory(vms)
        found: dict[str, list[NextFire]] = {}
        with self._db.read() as unit:
            for schedule in unit.schedules.list():
                for vm, at in self._of(unit, schedule, directory, now):
                    fire = NextFire(at=at, schedule=schedule.id, targets=schedule.asked.targets)
                    found.setdefault(vm.uuid, []).append(fire)
        return found

    def _of(
        self, unit: Unit, schedule: Schedule, directory: groups.Directory, now: datetime
    ) -> Iterator[tuple[SeenVm, datetime]]:
        if schedule.asked.workflow != _PROTECT:
            return
        times = self._lines.coming(unit, schedule, now)[:MOST_NEXT]
        for vm in _meant(schedule, directory, self._firer.rules.groups) if times else ():
            moments = (self._moment(schedule, at, vm) for at in times)
            if at := next((each for each in moments if each is not None), None):
                yield vm, at

    def _moment(self, schedule: Schedule, at: datetime, vm: SeenVm) -> datetime | None:
        """When that fire starts this VM; None: a blackout keeps it from it."""
        recurrence = self._firer.recurrence(schedule)
        shift = offset(f"{schedule.id}/{vm.uuid}", recurrence.window)
        found = placed(at + shift, recurrence, self._firer.rules.blackouts, shift)
        return None if isinstance(found, NamedBlackout) else found


def _meant(schedule: Schedule, directory: groups.Directory, known: Mapping[str, Sequence[str]]) -> Iterator[SeenVm]:
    """A group that is not there any more keeps nobody else from being protected."""
    seen: set[tuple[str, str]] = set()
    for word in schedule.asked.vms:
        try:
            chosen = directory.chosen([word], known)
        except NotFound:
            continue
        yield from (vm for vm in chosen if (vm.vmstore, vm.uuid) not in seen)
        seen |= {(vm.vmstore, vm.uuid) for vm in chosen}
