"""How VMs stand by their SLAs, as conditions on the inventory; they mean what bot/sla.py says of each VM."""

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, false, func, literal, not_, or_
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from bot import groups
from bot.model import Protection, Sla, Slas, VmKind
from bot.proofs import STRENGTH
from bot.store.matching import means
from bot.store.rows import InventoryRow, PointRow, ProofRow

_BAD, _LATER = aliased(ProofRow), aliased(ProofRow)


def _strength(proof: type[ProofRow]) -> ColumnElement[int]:
    return case(STRENGTH, value=col(proof.kind))


# Whether the last word on a recovery point is that it is damaged; it means what bot/proofs.py says.
_IS_DAMAGED = (
    exists()
    .where(col(_BAD.point) == PointRow.transaction_id, col(_BAD.target) == PointRow.target, col(_BAD.is_damaged))
    .where(
        not_(
            exists()
            .where(col(_LATER.point) == _BAD.point, col(_LATER.target) == _BAD.target, col(_LATER.at) > _BAD.at)
            .where(or_(col(_LATER.is_damaged), and_(col(_LATER.is_good), _strength(_LATER) >= _strength(_BAD))))
            .correlate(_BAD)
        )
    )
    .correlate(PointRow)
)
NEWEST = (
    select(func.max(PointRow.taken_at))
    .where(PointRow.vm_uuid == InventoryRow.vm_uuid, not_(_IS_DAMAGED))
    .correlate(InventoryRow)
    .scalar_subquery()
)


class Yardstick:
    """What counts as late at one time; each VM goes by its own SLA."""

    def __init__(self, slas: Slas, now: datetime) -> None:
        """NotFound: an SLA names a group that there is not."""
        self.slas = slas
        self._now = now
        self._means = [
            (sla, means(pattern for pattern, _ in groups.spread(sla.vms, slas.groups))) for sla in slas.listed
        ]

    @cached_property
    def number(self) -> ColumnElement[int]:
        """The place of the VM's SLA among all of them."""
        places = {sla.name: place for place, sla in enumerate(self.slas.all)}
        return self._by_sla(lambda sla: places[sla.name], literal)

    @cached_property
    def promised(self) -> ColumnElement[datetime]:
        """When the newest recovery point was taken that counts: of the promised target where it is oldest, or NULL."""
        return self._by_sla(lambda sla: sla.targets, _oldest_in)

    @cached_property
    def is_exempt(self) -> ColumnElement[bool]:
        """Whether it needs no protection."""
        return or_(false(), *[self.number == place for place, sla in enumerate(self.slas.all) if sla.is_exempt])

    @cached_property
    def is_late(self) -> ColumnElement[bool]:
        """Whether its recovery points are too old, or one is missing where it is promised."""
        before = self._by_sla(lambda sla: self._now - sla.rpo, literal)
        is_old = before > self.promised
        if any(sla.targets for sla in self.slas.all):
            is_old = and_(NEWEST.is_not(None), or_(self.promised.is_(None), is_old))
        return and_(is_old, not_(self.is_exempt)) if self._has_exempt else is_old

    @property
    def never(self) -> ColumnElement[bool]:
        """Whether it has no recovery point, and needs one."""
        return and_(NEWEST.is_(None), not_(self.is_exempt)) if self._has_exempt else NEWEST.is_(None)

    @property
    def state(self) -> ColumnElement[str]:
        """How it stands, as Protection has it."""
        exempt = [(self.is_exempt, Protection.EXEMPT.value)] if self._has_exempt else []
        return case(
            *exempt,
            (NEWEST.is_(None), Protection.NEVER.value),
            (self.is_late, Protection.LATE.value),
            else_=Protection.PROTECTED.value,
        )

    def kind(self, kind: VmKind) -> list[ColumnElement[bool]]:
        """What those VMs have in common that are asked for."""
        if kind is VmKind.UNPROTECTED:
            return [self.never]
        if kind is VmKind.LATE:
            return [self.is_late]
        if kind is VmKind.PROTECTED:
            return [self.state == Protection.PROTECTED.value]
        return []

    @property
    def _has_exempt(self) -> bool:
        return any(sla.is_exempt for sla in self.slas.all)

    def _by_sla(self, value: Callable[[Sla], Any], column: Callable[[Any], ColumnElement[Any]]) -> ColumnElement[Any]:
        """What the VM's SLA says; where all say the same, nobody has to look whose VM it is."""
        values = [value(sla) for sla in self.slas.all]
        if all(each == values[-1] for each in values):
            return column(values[-1])
        whens = [(is_meant, column(value(sla))) for sla, is_meant in self._means]
        return case(*whens, else_=column(values[-1]))


def newest_in(target: str) -> ColumnElement[Any]:
    """When the VM's newest recovery point in one target was taken, of those that are not known to be damaged."""
    ours = (PointRow.vm_uuid == InventoryRow.vm_uuid, PointRow.target == target, not_(_IS_DAMAGED))
    newest = select(PointRow.taken_at).where(*ours)
    return newest.order_by(col(PointRow.taken_at).desc()).limit(1).correlate(InventoryRow).scalar_subquery()


def _oldest_in(targets: tuple[str, ...]) -> ColumnElement[Any]:
    newest = [newest_in(target) for target in targets]
    if not newest:
        return NEWEST
    # SQLite's min() of several values is NULL if one of them is (sqlite.org/lang_corefunc.html#min_scalar).
    return func.min(*newest) if len(newest) > 1 else newest[0]
