"""What is not well with VMs and has been told, so that it is told once, and again when it is well."""

from collections.abc import Iterable
from datetime import datetime

from sqlmodel import Session, col, delete, select

from bot.model import Trouble
from bot.store.trouble_rows import TroubleRow


class Troubles:
    """Troubles by VM."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> dict[str, dict[Trouble, datetime]]:
        """Give since when each VM has what; of a trouble that this version does not know nothing."""
        known = {trouble.value for trouble in Trouble}
        rows = self._session.exec(select(TroubleRow).order_by(col(TroubleRow.vm_uuid), col(TroubleRow.trouble)))
        found: dict[str, dict[Trouble, datetime]] = {}
        for row in rows:
            if row.trouble in known:
                found.setdefault(row.vm_uuid, {})[Trouble(row.trouble)] = row.since
        return found

    def begin(self, vm_uuid: str, troubles: Iterable[Trouble], sla: str, now: datetime) -> None:
        """Note what is not well from now on; repeating is safe."""
        for trouble in troubles:
            self._session.merge(TroubleRow(vm_uuid=vm_uuid, trouble=trouble.value, sla=sla, since=now))
        self._session.flush()

    def end(self, vm_uuid: str, troubles: Iterable[Trouble]) -> None:
        """Forget what is over; repeating is safe."""
        over = [trouble.value for trouble in troubles]
        self._session.exec(
            delete(TroubleRow).where(col(TroubleRow.vm_uuid) == vm_uuid, col(TroubleRow.trouble).in_(over))
        )
