"""The tables of what digests need beside the others; private to this package."""

from datetime import date, datetime

from sqlalchemy import BigInteger, Text
from sqlmodel import Field

from bot.store.rows import Table


class ConcernRow(Table, table=True):
    """What was decided about one thing that is not as it should be."""

    __tablename__ = "concerns"

    kind: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    until: datetime | None = Field(default=None, index=True)
    reason: str = Field(default="", sa_type=Text)
    by_id: str = ""
    by_name: str = ""
    by_source: str = ""
    assigned: str = Field(default="", index=True)
    assigned_by: str = ""


class MeasureRow(Table, table=True):
    """One number as it was on one day (UTC), the last one of that day."""

    __tablename__ = "measures"

    name: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    value: int = Field(sa_type=BigInteger)
