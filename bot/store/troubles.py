"""What is not well with VMs and has been told, so that it is told once, and again when it is well."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import bindparam, insert
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

    def begin(self, began: Iterable[tuple[str, Trouble, str]], now: datetime) -> None:
        """Note what is not well from now on: VM's uuid, trouble, name of the SLA. Not what is known already."""
        rows = [{"vm_uuid": uuid, "trouble": trouble.value, "sla": sla, "since": now} for uuid, trouble, sla in began]
        if rows:
            self._session.execute(insert(TroubleRow), rows)

    def end(self, over: Iterable[tuple[str, Trouble]]) -> None:
        """Forget what is over; repeating is safe."""
        rows = [{"uuid": uuid, "of": trouble.value} for uuid, trouble in over]
        row = TroubleRow
        query = delete(row).where(col(row.vm_uuid) == bindparam("uuid"), col(row.trouble) == bindparam("of"))
        if rows:  # by the connection: some thousand at once are one statement
            self._session.connection().execute(query, rows)
