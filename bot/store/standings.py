"""What tells how VMs stand, of all of them in a few queries, however many there are."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, func, select

from bot.model import ProofKind, RunOfVm, SeenVm, State, VmFacts
from bot.sla import RUNS
from bot.store.inventory import seen_vm
from bot.store.rows import InventoryRow, ProofRow, TransactionRow
from bot.store.yardstick import NEWEST, newest_in

_NEVER_BEGAN = 2000  # refused runs that are looked through, the newest
NO_FAILURE = frozenset({"Joined", "NotApproved", "NotAllowed"})  # refused for a reason that is not the VM's
_PROTECT = "protect"


class Standings:
    """Reads only."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def facts(self, targets: Collection[str], uuids: Collection[str] | None = None) -> tuple[VmFacts, ...]:
        """Give the live VMs, by name; a uuid that several VMstores have, once.

        targets: of which the newest recovery points are wanted, beside those that runs went to.
        uuids: of these VMs alone.
        """
        vms = self._vms(uuids)
        runs = self._runs(vms, uuids)
        places = tuple(sorted({*targets, *(name for some in runs.values() for run in some for name in run.targets)}))
        newest = self._newest(places, uuids)
        proven = self._proven(uuids)
        return tuple(
            VmFacts(
                vm=vm,
                newest=newest.get(vm.uuid, {}),
                runs=tuple(runs.get(vm.uuid, ())),
                proven_at=proven.get(vm.uuid),
            )
            for vm in vms.values()
        )

    def _vms(self, uuids: Collection[str] | None) -> dict[str, SeenVm]:
        query = (
            select(InventoryRow)
            .where(*_live(uuids))
            .order_by(col(InventoryRow.folded), col(InventoryRow.vmstore), col(InventoryRow.vm_uuid))
        )
        found: dict[str, SeenVm] = {}
        for row in self._session.exec(query):
            found.setdefault(row.vm_uuid, seen_vm(row))
        return found

    def _newest(self, targets: Iterable[str], uuids: Collection[str] | None) -> dict[str, dict[str, datetime]]:
        """By VM and target; of targets that nobody asks for under "", so that it is known that there is one."""
        known = tuple(targets)
        columns = [NEWEST, *map(newest_in, known)]
        rows = self._session.execute(select(col(InventoryRow.vm_uuid), *columns).where(*_live(uuids)))
        return {
            uuid: {name: at for name, at in zip(("", *known), times, strict=True) if at is not None}
            for uuid, *times in rows
        }

    def _runs(self, vms: Mapping[str, SeenVm], uuids: Collection[str] | None) -> dict[str, list[RunOfVm]]:
        """The newest RUNS of each VM, newest first; refused ones among them that never came to know their VM."""
        row, other = TransactionRow, aliased(TransactionRow)
        newest = (
            select(col(other.number))
            .where(other.vm_uuid == InventoryRow.vm_uuid, other.workflow == _PROTECT)
            .order_by(col(other.number).desc())
            .limit(RUNS)
            .correlate(InventoryRow)
        )
        known = select(*_COLUMNS).select_from(InventoryRow).join(row, col(row.number).in_(newest)).where(*_live(uuids))
        blind = (
            select(*_COLUMNS)
            .where(row.state == State.REFUSED.value, row.workflow == _PROTECT, row.vm_uuid == "")
            .order_by(col(row.number).desc())
            .limit(_NEVER_BEGAN)
        )
        found = {each.number: (each.vm_uuid, each) for each in self._session.execute(known)}
        named = dict(_names(vms.values()))
        found |= {each.number: (named.get(each.vm, ""), each) for each in self._session.execute(blind)}
        runs: dict[str, list[RunOfVm]] = {}
        for _, (uuid, each) in sorted(found.items(), reverse=True):
            if not (each.state == State.REFUSED.value and each.kind in NO_FAILURE):
                runs.setdefault(uuid, []).append(_run(each))
        return runs

    def _proven(self, uuids: Collection[str] | None) -> dict[str, datetime]:
        good: list[Any] = [col(ProofRow.kind) == ProofKind.DRILL.value, col(ProofRow.is_good)]
        if uuids is not None:
            good.append(col(ProofRow.vm_uuid).in_(uuids))
        rows = self._session.execute(
            select(ProofRow.vm_uuid, func.max(ProofRow.at)).where(*good).group_by(ProofRow.vm_uuid)
        )
        return {uuid: at for uuid, at in rows}


_COLUMNS: tuple[Any, ...] = (
    col(TransactionRow.number),
    col(TransactionRow.id),
    col(TransactionRow.vm),
    col(TransactionRow.vm_uuid),
    col(TransactionRow.state),
    col(TransactionRow.targets),
    col(TransactionRow.started_at),
    col(TransactionRow.ended_at),
    col(TransactionRow.not_before),
    col(TransactionRow.bytes)["sent"].as_integer().label("sent"),
    col(TransactionRow.failure)["kind"].as_string().label("kind"),
)


def _live(uuids: Collection[str] | None) -> list[ColumnElement[bool]]:
    live: list[ColumnElement[bool]] = [col(InventoryRow.gone_at).is_(None)]
    return live if uuids is None else [*live, col(InventoryRow.vm_uuid).in_(uuids)]


def _names(vms: Iterable[SeenVm]) -> Iterator[tuple[str, str]]:
    """What people type for each, and its uuid; a name that several have means none of them."""
    seen: dict[str, str] = {}
    for vm in vms:
        seen[vm.name] = "" if vm.name in seen else vm.uuid
        yield f"{vm.vmstore}/{vm.name}", vm.uuid
        yield vm.uuid, vm.uuid
        yield f"{vm.vmstore}/{vm.uuid}", vm.uuid
    yield from seen.items()


def _run(row: Any) -> RunOfVm:
    return RunOfVm(
        id=row.id,
        state=State(row.state),
        targets=tuple(row.targets),
        started_at=row.started_at,
        ended_at=row.ended_at,
        not_before=row.not_before,
        sent=row.sent or 0,
    )
