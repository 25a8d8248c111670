"""Starts what a schedule starts at one time, as its owner: rights, VMs and moments are found anew at each fire."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from bot.meant import all_live, meant, typed
from bot.model import Fire, FireState, Schedule, SeenVm
from bot.moments import NamedBlackout, ScheduleRules, offset, placed
from bot.policy import About, Verdict
from bot.recurrence import Recurrence, parse
from bot.rights import Rights
from bot.startable import Due, Firing, Startable, Startables, prefix
from bot.store import Unit

MOST_TOLD = 20  # sentences of one fire
_parsed = lru_cache(maxsize=2048)(parse)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fire came to; lost: why its owner may not have it any more."""

    fire: Fire
    lost: str = ""


class Firer:
    """Used inside the unit that accounts for the fire: what it starts is there if and only if the fire is."""

    def __init__(self, rights: Rights, table: Startables, rules: ScheduleRules, targets: Collection[str]) -> None:
        """targets: those of cloudy.toml."""
        self._targets = frozenset(targets)
        self.table = dict(table)
        self.rules = rules
        self._rights = rights
        self._thawed = Rights(replace(rights.policy, freezes=()), rights.clock)

    def recurrence(self, schedule: Schedule) -> Recurrence:
        """When it fires. UsageError: this Cloudy does not understand it."""
        return _parsed(schedule.asked.recurrence)

    def prepare(self, schedule: Schedule, now: datetime) -> None:
        """Let what takes long be read before the unit of a fire begins, so that nobody waits for it to write."""
        if entry := self.table.get(schedule.asked.workflow):
            entry.prepare(schedule, now)

    def is_running(self, unit: Unit, schedule: Schedule) -> bool:
        """Whether anything that it started has not ended."""
        return bool(unit.transactions.active_under(prefix(schedule.id)))

    def fire(self, unit: Unit, schedule: Schedule, at: datetime, now: datetime, state: FireState) -> Outcome:
        """Start it; state: started, caught up or by hand. What could start nothing says why."""
        wanted = schedule.asked.targets
        left = tuple(name for name in wanted if name in self._targets)
        gone = [f"{name}: cloudy.toml has no such target any more" for name in wanted if name not in self._targets]
        fire = Fire(schedule=schedule.id, at=at, state=state, decided_at=now)
        entry = self.table.get(schedule.asked.workflow)
        if entry is None:
            return Outcome(_nothing(fire, f"this Cloudy starts no “{schedule.asked.workflow}” by schedule"))
        if gone and not left:
            return Outcome(_nothing(replace(fire, passed=_few(gone)), "none of its targets is there any more"))
        schedule = replace(schedule, asked=replace(schedule.asked, targets=left))
        firing = Firing(schedule=schedule, at=at, now=now)
        found = (self._of_vms if schedule.asked.vms else self._of_none)(unit, fire, firing, entry)
        return replace(found, fire=replace(found.fire, passed=_few((*gone, *found.fire.passed))))

    def _of_none(self, unit: Unit, fire: Fire, firing: Firing, entry: Startable) -> Outcome:
        verdict = self._judge(unit, firing, entry, None)
        if not verdict.allowed:
            lost = self._lost(unit, firing, entry, None)
            return Outcome(_nothing(fire, verdict.why[0]), verdict.why[0] if lost else "")
        if self.is_running(unit, firing.schedule):
            return Outcome(_nothing(fire, "what it started before is still running"))
        moment = self._moment(fire, firing, entry, "")
        if isinstance(moment, str):
            return Outcome(_nothing(fire, moment))
        return Outcome(_started(unit, fire, entry, replace(firing, not_before=_later(moment, firing.now)), ()))

    def _of_vms(self, unit: Unit, fire: Fire, firing: Firing, entry: Startable) -> Outcome:
        found = meant(unit, firing.schedule.asked.vms, self.rules.groups, firing.now)
        vms, moved = _once(found.vms)
        verdicts = [(vm, self._judge(unit, firing, entry, vm)) for vm in vms]
        refused = [(vm, verdict) for vm, verdict in verdicts if not verdict.allowed]
        if refused and len(refused) == len(verdicts) and all(self._lost(unit, firing, entry, vm) for vm, _ in refused):
            return Outcome(_nothing(fire, refused[0][1].why[0]), refused[0][1].why[0])
        said = typed(vms, all_live(unit))
        running = unit.transactions.active_under(prefix(firing.schedule.id))
        busy = {key.rsplit(":", 1)[1]: each for key, each in running.items()}
        due, passed = [], [*found.absent, *moved, *(f"{vm.name}: {verdict.why[0]}" for vm, verdict in refused)]
        for vm, _ in (each for each in verdicts if each[1].allowed):
            moment = self._moment(fire, firing, entry, vm.uuid)
            if vm.uuid in busy:
                still = _still(unit, busy[vm.uuid], firing.now) if len(passed) < MOST_TOLD else ""
                passed.append(f"{vm.name}: {busy[vm.uuid]}, which this schedule started before, {still}")
            elif isinstance(moment, str):
                passed.append(f"{vm.name}: {moment}")
            else:
                due.append(Due(vm=vm, typed=said[vm.vmstore, vm.uuid], not_before=_later(moment, firing.now)))
        return Outcome(_started(unit, fire, entry, replace(firing, due=tuple(due)), tuple(passed)))

    def _moment(self, fire: Fire, firing: Firing, entry: Startable, what: str) -> datetime | str:
        """When this one starts; why not at all."""
        if fire.state is FireState.BY_HAND or not entry.works:
            return firing.now
        recurrence = self.recurrence(firing.schedule)
        begins = firing.at if fire.state is FireState.STARTED else firing.now
        shift = offset(f"{firing.schedule.id}/{what}", recurrence.window)
        found = placed(begins + shift, recurrence, self.rules.blackouts, shift)
        return f"the blackout “{found.name}” is on" if isinstance(found, NamedBlackout) else found

    def _judge(self, unit: Unit, firing: Firing, entry: Startable, vm: SeenVm | None) -> Verdict:
        return self._rights.judge(unit, firing.owner, entry.operation, _about(firing, vm))

    def _lost(self, unit: Unit, firing: Firing, entry: Startable, vm: SeenVm | None) -> bool:
        """Whether it is refused for good; a freeze passes."""
        return not self._thawed.judge(unit, firing.owner, entry.operation, _about(firing, vm)).allowed


def _about(firing: Firing, vm: SeenVm | None) -> About:
    targets = firing.schedule.asked.targets
    return About(vm=vm.name, vmstore=vm.vmstore, targets=targets) if vm else About(targets=targets)


def _once(vms: Sequence[SeenVm]) -> tuple[Sequence[SeenVm], list[str]]:
    """Of one that moves, which two VMstores show for a while: where it was seen last, and what is said of the other."""
    last = {vm.uuid: vm for vm in sorted(vms, key=lambda vm: vm.seen_at)}
    kept = [vm for vm in vms if last[vm.uuid] is vm]
    others = (vm for vm in vms if last[vm.uuid] is not vm)
    return kept, [
        f"{vm.name}: {vm.vmstore} has it as well, and {last[vm.uuid].vmstore} has shown it last" for vm in others
    ]


def _still(unit: Unit, transaction: str, now: datetime) -> str:
    """What one that has not ended does: it runs, or waits for the end of a blackout, say."""
    found = unit.transactions.find(transaction)
    moment = found.awaits(now) if found else None
    return f"waits until {moment:%Y-%m-%d %H:%M} UTC" if moment else "is still running"


def _later(moment: datetime, now: datetime) -> datetime | None:
    return moment if moment > now else None


def _started(unit: Unit, fire: Fire, entry: Startable, firing: Firing, passed: tuple[str, ...]) -> Fire:
    if firing.schedule.asked.vms and not firing.due:
        return _nothing(replace(fire, passed=_few(passed)), "nothing of it could be started")
    started = entry.start(unit, firing)
    told = replace(fire, started=len(started.transactions), passed=_few((*passed, *started.passed)))
    if started.transactions or started.is_done:
        return told
    return _nothing(told, "nothing of it could be started")


def _few(passed: Sequence[str]) -> tuple[str, ...]:
    if len(passed) <= MOST_TOLD:
        return tuple(passed)
    return (*passed[: MOST_TOLD - 1], f"and {len(passed) - MOST_TOLD + 1} more")


def _nothing(fire: Fire, why: str) -> Fire:
    """What somebody asked for by hand stays that, with the reason."""
    return replace(fire, state=fire.state if fire.state is FireState.BY_HAND else FireState.NOTHING, why=why)
