"""The table of what is not well with VMs; private to this package."""

from datetime import datetime

from sqlmodel import Field

from bot.store.rows import Table


class TroubleRow(Table, table=True):
    """One thing that is not well with one VM, and has been told."""

    __tablename__ = "troubles"

    vm_uuid: str = Field(primary_key=True)
    trouble: str = Field(primary_key=True)
    sla: str  # its name, where it was told
    since: datetime
