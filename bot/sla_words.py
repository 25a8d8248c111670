"""How a VM stands, and what has changed, in words for people. Pure; all text is raw."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot import durations
from bot.model import InTarget, Protection, Sla, Standing, Trouble
from bot.words import duration_text, size_text

MOST = 10  # VMs that are named in one message


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What began or is over with one VM."""

    standing: Standing
    began: tuple[Trouble, ...] = ()  # the worst first
    over: tuple[Trouble, ...] = ()
    is_well: bool = False  # nothing is left of what was told


def why(standing: Standing) -> str:
    """Which pattern gave the VM its SLA."""
    fit = standing.fit
    if fit.sla.is_default:
        return "no [[sla]] fits it"
    return f'by "{fit.pattern}"' + (f" of the group @{fit.group}" if fit.group else "")


def promise(sla: Sla) -> str:
    """What it promises, in one line."""
    if sla.is_exempt:
        return "exempt: no protection is needed"
    where = f" in {'each of ' if len(sla.targets) > 1 else ''}{', '.join(sla.targets)}" if sla.targets else ""
    drills = f"a drill every {durations.said(sla.drill_every)}" if sla.drill_every else "no drills"
    ages = {"cold": sla.tiering.cold_after, "archive": sla.tiering.archive_after}
    tiers = "".join(f", {tier} after {durations.said(age)}" for tier, age in ages.items() if age)
    return f"RPO {durations.said(sla.rpo)}{where}, {drills}{tiers}"


def state(standing: Standing) -> str:
    """How it stands, in a few words."""
    if standing.protection is Protection.LATE:
        late = standing.late_by
        return f"late by {_span(late)}" if late else "late"
    return "unprotected" if standing.protection is Protection.NEVER else standing.protection.value


def place(each: InTarget) -> str:
    """How it stands in one target."""
    name = each.target or "any target"
    if each.newest is None:
        return f"{name}: no recovery point"
    late = f", late by {_span(each.late_by)}" if each.late_by is not None else ""
    return f"{name}: {at(each.newest)}{late}"


def trouble(kind: Trouble, standing: Standing) -> str:
    """One thing that is not well with it, with its name."""
    return f"{standing.vm.name}: {_TROUBLES[kind](standing)}"


def told(name: str, changes: Sequence[Change]) -> str:
    """What has changed with the VMs of one SLA; ten of them by name."""
    began = [each for each in changes if each.began]
    well = [each for each in changes if each.is_well]
    lines: list[str] = []
    if began:
        count = "1 VM needs" if len(began) == 1 else f"{len(began):,} VMs need"
        lines.append(f"SLA {name}: {count} a look.")
        lines += [f"• {trouble(kind, each.standing)}" for each in began[:MOST] for kind in each.began[:2]]
        if len(began) > MOST:
            lines.append(f"… and {len(began) - MOST:,} more: /cloudy vms late, /cloudy sla")
    if well:
        names = ", ".join(each.standing.vm.name for each in well[:MOST])
        more = f" and {len(well) - MOST:,} more" if len(well) > MOST else ""
        lines.append(f"SLA {name}: well again: {names}{more}.")
    return "\n".join(lines)


def at(time: datetime) -> str:
    """A time, as messages have it."""
    return f"{time:%d %b %H:%M} UTC"


def next_text(standing: Standing) -> str:
    """When it is protected next, as far as that is known."""
    if not standing.fires:
        return "none"
    fire = standing.fires[0]
    where = f" to {', '.join(fire.targets)}" if fire.targets else ""
    return f"{at(fire.at)}{where}, by schedule {fire.schedule}"


def _span(span: timedelta | None) -> str:
    return duration_text((span or timedelta()).total_seconds())


def _unprotected(_standing: Standing) -> str:
    return "no recovery point at all"


def _late(standing: Standing) -> str:
    late = [each for each in standing.targets if each.is_late]
    where = " and ".join(each.target for each in late if each.target)
    by = f"late by {_span(standing.late_by)}" if standing.late_by else "no recovery point"
    newest = f"; the newest one is of {at(standing.newest)}" if standing.newest else ""
    return f"{by}{f' in {where}' if where else ''} (RPO {durations.said(standing.sla.rpo)}){newest}"


def _failing(standing: Standing) -> str:
    return f"the last {max((each.failed for each in standing.targets), default=0)} protections failed"


def _soon(standing: Standing) -> str:
    due = [each for each in standing.targets if each.due and each.ready_by and each.ready_by > each.due]
    first = min(due, key=lambda each: each.due or each.newest or standing.vm.seen_at, default=None)
    if first is None or first.due is None or first.ready_by is None:
        return "will be late"
    where = f" in {first.target}" if first.target else ""
    return f"late{where} from {at(first.due)}, since the next run ends about {at(first.ready_by)}"


def _unscheduled(standing: Standing) -> str:
    scheduled = {target for fire in standing.fires for target in fire.targets}
    missing = [each.target for each in standing.targets if each.target and each.target not in scheduled]
    where = f" to {' and '.join(missing)}" if missing and standing.fires else ""
    return f"no schedule protects it{where} (RPO {durations.said(standing.sla.rpo)})"


def _growing(standing: Standing) -> str:
    growth = standing.growth
    return f"sent {size_text(growth.sent)}, usually {size_text(growth.usual)}" if growth else "sent more than usual"


def _never_proven(_standing: Standing) -> str:
    return "never proven by a drill"


def _proof_old(standing: Standing) -> str:
    every = standing.sla.drill_every
    due = f", and a drill is due every {durations.said(every)}" if every else ""
    return f"proven last {at(standing.proven_at) if standing.proven_at else 'never'}{due}"


_TROUBLES: Mapping[Trouble, Callable[[Standing], str]] = {
    Trouble.UNPROTECTED: _unprotected,
    Trouble.LATE: _late,
    Trouble.FAILING: _failing,
    Trouble.WILL_BE_LATE: _soon,
    Trouble.UNSCHEDULED: _unscheduled,
    Trouble.GROWING: _growing,
    Trouble.NEVER_PROVEN: _never_proven,
    Trouble.PROOF_OLD: _proof_old,
}
