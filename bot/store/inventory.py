"""The inventory: VMs as last seen on the VMstores, so that a person's question asks no VMstore."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from difflib import get_close_matches

from sqlalchemy import ColumnElement, case, insert, update
from sqlmodel import Session, col, delete, func, select

from bot.model import Look, SeenVm, Vm
from bot.ports import Clock
from bot.store.matching import means
from bot.store.rows import InventoryRow, LookRow, PointRow

_GONE_KEPT = timedelta(days=30)  # of a VM without a recovery point; one with any is kept as long as that


class Inventory:
    """VMs by VMstore and uuid."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    def refresh(self, vmstore: str, vms: Iterable[Vm]) -> None:
        """Keep what a VMstore has now; what it had before and has no more is kept as gone."""
        now = self._clock.now()
        known = set(self._session.exec(select(InventoryRow.vm_uuid).where(InventoryRow.vmstore == vmstore)))
        rows = {vm.uuid: _told(vm, vmstore, now) for vm in vms}
        self._change([row for uuid, row in rows.items() if uuid in known])
        if new := [row for uuid, row in rows.items() if uuid not in known]:
            self._session.execute(insert(InventoryRow), new)
        self._mark_gone(known - set(rows), vmstore, now)
        self._session.merge(LookRow(vmstore=vmstore, at=now, well_at=now, vms=len(rows), error=""))
        self._forget(now)
        self._session.flush()

    def fail(self, vmstore: str, error: str) -> None:
        """Note a look that did not work; what was known stays."""
        row = self._session.get(LookRow, vmstore) or LookRow(vmstore=vmstore, at=self._clock.now())
        row.at, row.error = self._clock.now(), error
        self._session.add(row)
        self._session.flush()

    def keep_only(self, vmstores: Collection[str]) -> None:
        """Take all VMs of VMstores that are not configured any more as gone."""
        now = self._clock.now()
        left = self._session.exec(select(LookRow).where(col(LookRow.vmstore).not_in(vmstores))).all()
        for row in left:
            others = (col(InventoryRow.vmstore) == row.vmstore, col(InventoryRow.gone_at).is_(None))
            self._session.execute(update(InventoryRow).where(*others).values(gone_at=now))
            self._session.delete(row)
        self._session.flush()

    def looks(self) -> tuple[Look, ...]:
        """Give the last look at each VMstore."""
        rows = self._session.exec(select(LookRow).order_by(col(LookRow.vmstore)))
        return tuple(
            Look(vmstore=row.vmstore, at=row.at, well_at=row.well_at, vms=row.vms, error=row.error) for row in rows
        )

    def search(self, text: str, limit: int = 100) -> tuple[SeenVm, ...]:
        """Give live VMs with the text in their name, in any case: the same name first, then beginnings, then parts."""
        wanted = text.strip().casefold()
        folded = col(InventoryRow.folded)
        rank = case((folded == wanted, 0), (folded.startswith(wanted, autoescape=True), 1), else_=2)
        rows = self._session.exec(
            select(InventoryRow)
            .where(col(InventoryRow.gone_at).is_(None), folded.contains(wanted, autoescape=True))
            .order_by(rank, folded, col(InventoryRow.vmstore))
            .limit(limit)
        )
        return tuple(seen_vm(row) for row in rows)

    def named(self, text: str) -> tuple[SeenVm, ...]:
        """Give the VMs, live and gone, of this uuid or this name (of the name in any case, where none has it so)."""
        by_uuid = self._where(InventoryRow.vm_uuid == text)
        exact = by_uuid or self._where(InventoryRow.name == text)
        return exact or self._where(InventoryRow.folded == text.casefold())

    def of(self, uuids: Collection[str]) -> dict[str, SeenVm]:
        """Give the VMs of these uuids, by uuid; of one that was seen on several VMstores where it is now."""
        found: dict[str, SeenVm] = {}
        for vm in self._where(col(InventoryRow.vm_uuid).in_(uuids)):
            found.setdefault(vm.uuid, vm)
        return found

    def gone_since(self, since: datetime) -> tuple[SeenVm, ...]:
        """Give the VMs that were seen no more from then on, by name; not those that another VMstore has now."""
        live = select(InventoryRow.vm_uuid).where(col(InventoryRow.gone_at).is_(None))
        rows = self._session.exec(
            select(InventoryRow)
            .where(col(InventoryRow.gone_at) > since, col(InventoryRow.vm_uuid).not_in(live))
            .order_by(col(InventoryRow.folded), col(InventoryRow.vmstore))
        )
        return tuple({row.vm_uuid: seen_vm(row) for row in rows}.values())

    def meant(self, patterns: Iterable[str]) -> tuple[SeenVm, ...]:
        """Give the live VMs that one of these patterns means (see bot/groups.py), by name."""
        rows = self._session.exec(
            select(InventoryRow)
            .where(col(InventoryRow.gone_at).is_(None), means(patterns))
            .order_by(col(InventoryRow.folded), col(InventoryRow.vmstore), col(InventoryRow.vm_uuid))
        )
        return tuple(seen_vm(row) for row in rows)

    def near(self, name: str, limit: int = 5) -> tuple[str, ...]:
        """Give names that may have been meant, best first; upper and lower case are the same."""
        live = select(InventoryRow.name).where(col(InventoryRow.gone_at).is_(None))
        names = self._session.exec(live.distinct().order_by(col(InventoryRow.name))).all()
        wanted = name.casefold()
        spellings: dict[str, list[str]] = {}
        for each in names:
            spellings.setdefault(each.casefold(), []).append(each)
        near = get_close_matches(wanted, spellings, n=limit, cutoff=0.5)
        near += [each for each in spellings if wanted and wanted in each and each not in near]
        return tuple(spelling for each in near for spelling in spellings[each])[:limit]

    def _where(self, condition: ColumnElement[bool] | bool) -> tuple[SeenVm, ...]:
        rows = self._session.exec(
            select(InventoryRow)
            .where(condition)
            .order_by(col(InventoryRow.gone_at).is_not(None), col(InventoryRow.vmstore), col(InventoryRow.vm_uuid))
        )
        return tuple(seen_vm(row) for row in rows)

    def _change(self, rows: list[dict[str, object]]) -> None:
        if rows:
            self._session.execute(update(InventoryRow), rows)

    def _mark_gone(self, uuids: Collection[str], vmstore: str, now: datetime) -> None:
        live = (col(InventoryRow.vmstore) == vmstore, col(InventoryRow.gone_at).is_(None))
        for uuid in uuids:
            self._session.execute(
                update(InventoryRow).where(*live, col(InventoryRow.vm_uuid) == uuid).values(gone_at=now)
            )

    def _forget(self, now: datetime) -> None:
        points = select(func.count()).where(PointRow.vm_uuid == InventoryRow.vm_uuid).scalar_subquery()
        self._session.exec(delete(InventoryRow).where(col(InventoryRow.gone_at) < now - _GONE_KEPT, points == 0))


def seen_vm(row: InventoryRow) -> SeenVm:
    """A row as a noun."""
    return SeenVm(
        uuid=row.vm_uuid,
        name=row.name,
        vmstore=row.vmstore,
        used_bytes=row.used_bytes,
        provisioned_bytes=row.provisioned_bytes,
        hypervisor=row.hypervisor,
        powered=row.powered,
        seen_at=row.seen_at,
        gone_at=row.gone_at,
    )


def _told(vm: Vm, vmstore: str, now: datetime) -> dict[str, object]:
    return {
        "vmstore": vmstore,
        "vm_uuid": vm.uuid,
        "name": vm.name,
        "folded": vm.name.casefold(),
        "used_bytes": vm.used_bytes,
        "provisioned_bytes": vm.provisioned_bytes,
        "hypervisor": vm.hypervisor,
        "powered": vm.powered,
        "seen_at": now,
        "gone_at": None,
    }
