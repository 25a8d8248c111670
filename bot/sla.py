"""Which SLA a VM has, and how it stands by it: protected, late and by how much, failing, soon late, unproven. Pure."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import median

from bot import groups
from bot.model import (
    Fit,
    Growth,
    InTarget,
    NextFire,
    Protection,
    RunOfVm,
    SeenVm,
    Sla,
    Slas,
    Standing,
    State,
    Trouble,
    VmFacts,
)

RUNS = 12  # of each VM that are looked at, the newest
IN_A_ROW = 2  # so many failed runs are a trouble
GROWN = 3  # times the usual
GROWN_BYTES = 1 << 30  # and so much more than it: a VM that sends little may send more of it
USUAL_FROM = 5  # runs, before anything is called usual

_ENDED_WELL = (State.SUCCEEDED, State.PARTIAL)
_COUNTED = (State.SUCCEEDED, State.PARTIAL, State.FAILED, State.REFUSED)
_UNDER_WAY = (State.PLANNING, State.QUEUED, State.RUNNING)


def fit(slas: Slas, vm: SeenVm) -> Fit:
    """The first SLA that means the VM, else the last resort. NotFound: one names a group that there is not."""
    for sla in slas.listed:
        if found := groups.first(sla.vms, slas.groups, vm):
            return Fit(sla=sla, pattern=found[0], group=found[1])
    return Fit(sla=slas.last)


def stand(slas: Slas, facts: VmFacts, now: datetime, fires: Sequence[NextFire] | None = None) -> Standing:
    """How one VM stands.

    fires: the next of each schedule that protects it; None: it is not known which schedules there are.
    """
    found = fit(slas, facts.vm)
    if found.sla.is_exempt:
        return Standing(
            vm=facts.vm, fit=found, protection=Protection.EXEMPT, newest=_newest(facts), proven_at=facts.proven_at
        )
    takes = usual(_after_the_first(facts.runs))
    soonest = tuple(sorted(fires or (), key=lambda fire: fire.at))
    places = tuple(_in_target(facts, found.sla, target, now, soonest, takes) for target in found.sla.targets or ("",))
    standing = Standing(
        vm=facts.vm,
        fit=found,
        protection=_protection(facts, places),
        newest=_newest(facts),
        targets=places,
        proven_at=facts.proven_at,
        growth=grown(facts.runs),
        takes=takes,
        fires=soonest,
    )
    return replace(standing, troubles=tuple(_troubles(standing, now, knows=fires is not None)))


def stand_all(
    slas: Slas, every: Iterable[VmFacts], now: datetime, fires: Mapping[str, Sequence[NextFire]] | None = None
) -> Iterator[Standing]:
    """How each VM stands. fires: by uuid, of those that a schedule protects; None: it is not known."""
    for facts in every:
        yield stand(slas, facts, now, None if fires is None else fires.get(facts.vm.uuid, ()))


def usual(runs: Iterable[RunOfVm]) -> timedelta | None:
    """What nine of ten of these runs took at most, of those that ended well; None: there is none."""
    took = sorted(
        run.ended_at - run.started_at
        for run in runs
        if run.state in _ENDED_WELL and run.started_at and run.ended_at and run.ended_at >= run.started_at
    )
    return took[math.ceil(0.9 * len(took)) - 1] if took else None


def _after_the_first(runs: Sequence[RunOfVm]) -> Sequence[RunOfVm]:
    """Without the VM's very first protection, which sent all of it: no other takes as long."""
    well = [run for run in runs if run.state in _ENDED_WELL]
    return well[:-1] if len(well) > 1 and len(runs) < RUNS else well


def grown(runs: Iterable[RunOfVm]) -> Growth | None:
    """What the newest run sent, where that is far more than the ones before; None: it is not, or nobody can tell."""
    sent = [run.sent for run in runs if run.state is State.SUCCEEDED]
    if len(sent) <= USUAL_FROM:
        return None
    before = int(median(sent[1:]))
    is_more = sent[0] >= GROWN * before and sent[0] - before >= GROWN_BYTES
    return Growth(sent=sent[0], usual=before) if is_more else None


def _in_target(
    facts: VmFacts, sla: Sla, target: str, now: datetime, fires: Sequence[NextFire], takes: timedelta | None
) -> InTarget:
    newest = facts.newest.get(target) if target else _newest(facts)
    due = newest + sla.rpo if newest else None
    runs = [run for run in facts.runs if not target or target in run.targets]
    return InTarget(
        target=target,
        newest=newest,
        due=due,
        late_by=now - due if due and due < now else None,
        is_late=bool(facts.newest) and (due is None or due < now),
        failed=_failed(runs, newest) if target else max(_failed_each(facts), default=0),
        ready_by=_ready_by(runs, target, now, fires, takes or timedelta()),
    )


def _failed_each(facts: VmFacts) -> Iterator[int]:
    """By each target that runs went to: that one works does not help who counts on the other."""
    for target in sorted({target for run in facts.runs for target in run.targets}):
        yield _failed([run for run in facts.runs if target in run.targets], facts.newest.get(target))


def _failed(runs: Iterable[RunOfVm], newest: datetime | None) -> int:
    """The newest runs in a row without success; one that left its recovery point there counts as one all the same."""
    count = 0
    for run in runs:
        if run.ended_at is None or run.state not in _COUNTED:
            continue
        began = run.started_at or run.ended_at
        if run.state is State.SUCCEEDED or (newest is not None and newest >= began):
            break
        count += 1
    return count


def _ready_by(
    runs: Iterable[RunOfVm], target: str, now: datetime, fires: Sequence[NextFire], takes: timedelta
) -> datetime | None:
    """When the next run to it will have ended, if it takes as long as usual."""
    begun = [run.started_at or max(now, run.not_before or now) for run in runs if run.state in _UNDER_WAY]
    under_way = [max(now, at + takes) for at in begun]
    coming = [max(now, fire.at) + takes for fire in fires if not target or not fire.targets or target in fire.targets]
    return min((*under_way, *coming), default=None)


def _newest(facts: VmFacts) -> datetime | None:
    return max(facts.newest.values(), default=None)


def _protection(facts: VmFacts, places: Iterable[InTarget]) -> Protection:
    if not facts.newest:
        return Protection.NEVER
    return Protection.LATE if any(place.is_late for place in places) else Protection.PROTECTED


def _troubles(standing: Standing, now: datetime, *, knows: bool) -> Iterator[Trouble]:
    places, every = standing.targets, standing.sla.drill_every
    is_asked = every is not None and standing.newest is not None
    proven = standing.proven_at
    holds = {
        Trouble.UNPROTECTED: standing.protection is Protection.NEVER,
        Trouble.LATE: standing.protection is Protection.LATE,
        Trouble.FAILING: any(place.failed >= IN_A_ROW for place in places),
        Trouble.WILL_BE_LATE: any(_will_be_late(place, standing.sla.leeway) for place in places),
        Trouble.UNSCHEDULED: knows
        and not all(any(_goes_to(fire, place) for fire in standing.fires) for place in places),
        Trouble.GROWING: standing.growth is not None,
        Trouble.NEVER_PROVEN: is_asked and proven is None,
        Trouble.PROOF_OLD: is_asked and proven is not None and every is not None and now - proven >= every,
    }
    yield from (trouble for trouble in Trouble if holds[trouble])


def _goes_to(fire: NextFire, place: InTarget) -> bool:
    return not place.target or not fire.targets or place.target in fire.targets


def _will_be_late(place: InTarget, leeway: timedelta) -> bool:
    """Of what is late already, or comes by no schedule, there is nothing to foresee."""
    if place.is_late or place.due is None or place.ready_by is None:
        return False
    return place.ready_by > place.due + leeway
