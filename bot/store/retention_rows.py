"""The tables of retention; private to this package."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Text
from sqlmodel import Field

from bot.store.rows import Table


class RetentionRow(Table, table=True):
    """What is in force of one SLA."""

    __tablename__ = "retentions"

    sla: str = Field(primary_key=True)
    rules: dict[str, Any] = Field(sa_type=JSON)
    since: datetime
    by: str
    text: str = Field(sa_type=Text)  # of the configuration, as it was looked at last


class RetainedRow(Table, table=True):
    """What the recovery points of one VM are judged by."""

    __tablename__ = "retained_vms"

    vm_uuid: str = Field(primary_key=True)
    sla: str = Field(index=True)
    rules: dict[str, Any] = Field(sa_type=JSON)


class HoldRow(Table, table=True):
    """One hold; kept after its end."""

    __tablename__ = "holds"

    id: str = Field(primary_key=True)
    vm_uuid: str = Field(index=True)
    vm: str
    point: str = Field(index=True)
    until: datetime | None = None
    reason: str = Field(sa_type=Text)
    by: str
    at: datetime
    released_at: datetime | None = Field(default=None, index=True)
    released_by: str = ""
