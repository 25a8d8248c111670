"""What one person's start page tells: own transactions, VMs by how they stand, how systems fare, what ended last.

All of it is read from the local database; no other system is asked.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot import story
from bot.model import Actor, Fared, Look, Page, Tally, Tier, Transaction, VmKind, VmLine
from bot.proofs import standings
from bot.store import Unit, Yardstick
from bot.tiering import soonest

ROWS = 10  # VMs on one page
MOST_RUNNING = 10
MOST_LAST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Systems:
    """Names of what is configured."""

    vmstores: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What of the list of VMs is looked at."""

    kind: VmKind = VmKind.ALL
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The recovery points of one VM, counted, and when one of them was found good last."""

    points: int
    verified_at: datetime | None = None
    proven_at: datetime | None = None  # restored, and lived
    tiers: Mapping[Tier, int] = field(default_factory=dict)  # how many lie in one, and nowhere else


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One transaction that has not ended, with its state in one line."""

    transaction: Transaction
    line: str = ""
    awaits: datetime | None = None  # its moment, while it waits for that


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What is the same for everybody who looks at the same part of the list."""

    view: View
    tally: Tally
    page: Page[VmLine]
    rpo: timedelta | None  # None: each VM goes by its SLA
    vmstores: tuple[Fared, ...]
    targets: tuple[Fared, ...]
    last: tuple[Transaction, ...]
    kept: Mapping[str, Kept] = field(default_factory=dict)  # of the VMs on the page that have any, by uuid


def shared(unit: Unit, view: View, systems: Systems, *, by: Yardstick) -> Shared:
    """Read it; an offset behind the end of the list means its last page."""
    page = unit.lists.vms("", view.kind, by=by, offset=view.offset, limit=ROWS)
    if not page.rows and view.offset:
        view = replace(view, offset=max(0, (page.total - 1) // ROWS * ROWS))
        page = unit.lists.vms("", view.kind, by=by, offset=view.offset, limit=ROWS)
    lately = {fared.name: fared for fared in unit.health.lately()}
    looks = {look.vmstore: look for look in unit.inventory.looks()}
    ended = [one.id for one in unit.transactions.outline(MOST_LAST * 4) if one.state.is_final][:MOST_LAST]
    return Shared(
        view=view,
        tally=unit.lists.tally(by=by),
        page=page,
        rpo=None if by.slas.listed else by.slas.last.rpo,
        vmstores=tuple(_with_look(lately.get(name, Fared(name=name)), looks.get(name)) for name in systems.vmstores),
        targets=tuple(lately.get(name, Fared(name=name)) for name in systems.targets),
        last=tuple(map(unit.transactions.get, ended)),
        kept={line.vm.uuid: _kept(unit, line.vm.uuid) for line in page.rows if line.newest},
    )


def _kept(unit: Unit, vm_uuid: str) -> Kept:
    lies: dict[str, list[Tier | None]] = {}
    for point in unit.points.of_vm(vm_uuid):
        lies.setdefault(point.transaction_id, []).append(point.tier)
    found = standings(unit.proofs.of(lies.keys())).values()
    tiers = Counter(tier for each in lies.values() if (tier := soonest(each)))
    verified = [each.verified.at for each in found if each.verified and each.verified.is_good]
    proven = [each.proven.at for each in found if each.proven]
    last = {"verified_at": max(verified, default=None), "proven_at": max(proven, default=None)}
    return Kept(points=len(lies), tiers=tiers, **last)


def running(unit: Unit, actor: Actor, now: datetime) -> tuple[Running, ...]:
    """The actor's transactions that have not ended, oldest first; MOST_RUNNING of them whole, of the rest outlines.

    Behind them those that wait for their moments, the next one first.
    """
    own = [one for one in unit.transactions.active_outline() if one.actor.id == actor.id]
    begun = [one for one in own if not one.awaits(now)]
    shown = [unit.transactions.get(one.id) for one in begun[:MOST_RUNNING]]
    told = [Running(transaction=one, line=_line(unit, one)) for one in shown]
    waiting = sorted(((moment, one) for one in own if (moment := one.awaits(now))), key=lambda each: each[0])
    return (
        *told,
        *(Running(transaction=one) for one in begun[MOST_RUNNING:]),
        *(Running(transaction=one, line=story.stands(one, now), awaits=moment) for moment, one in waiting),
    )


def _line(unit: Unit, transaction: Transaction) -> str:
    steps = unit.steps.of(transaction.id)
    return story.line(transaction, steps, percent=False) if steps else f"{transaction.state.capitalize()} …"


def _with_look(fared: Fared, look: Look | None) -> Fared:
    """A look at all VMs tells as much as a transaction does."""
    if look is None:
        return fared
    if look.well_at and (fared.well_at is None or look.well_at > fared.well_at):
        fared = replace(fared, well_at=look.well_at)
    if look.error and (fared.failed_at is None or look.at > fared.failed_at):
        fared = replace(fared, failed_at=look.at, why=look.error)
    return fared
