"""The inventory cache: VM names seen on the VMstores, to say "did you mean" without asking anybody."""

from collections.abc import Iterable
from difflib import get_close_matches

from sqlmodel import Session, col, delete, select

from bot.ports import Clock
from bot.store.rows import InventoryRow


class Inventory:
    """VMs by VMstore and uuid."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    def replace(self, vmstore: str, vms: Iterable[tuple[str, str]]) -> None:
        """Keep what a VMstore has now, as (uuid, name); what it had before is forgotten."""
        self._session.exec(delete(InventoryRow).where(col(InventoryRow.vmstore) == vmstore))
        now = self._clock.now()
        names = dict(vms)
        self._session.add_all(
            InventoryRow(vmstore=vmstore, vm_uuid=uuid, name=name, seen_at=now) for uuid, name in names.items()
        )
        self._session.flush()

    def near(self, name: str, limit: int = 5) -> tuple[str, ...]:
        """Give names that may have been meant, best first; upper and lower case are the same."""
        names = self._session.exec(select(InventoryRow.name).distinct().order_by(col(InventoryRow.name))).all()
        wanted = name.casefold()
        spellings: dict[str, list[str]] = {}
        for each in names:
            spellings.setdefault(each.casefold(), []).append(each)
        near = get_close_matches(wanted, spellings, n=limit, cutoff=0.5)
        near += [each for each in spellings if wanted and wanted in each and each not in near]
        return tuple(spelling for each in near for spelling in spellings[each])[:limit]
