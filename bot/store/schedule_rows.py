"""The tables of schedules and fires; private to this package."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Text, text
from sqlmodel import Field

from bot.store.rows import Table

_ASKED = text("state = 'asked for'")


class ScheduleRow(Table, table=True):
    """One schedule; a deleted one stays, for its past."""

    __tablename__ = "schedules"

    id: str = Field(primary_key=True)
    workflow: str
    asked: dict[str, Any] = Field(sa_type=JSON)
    owner_id: str
    owner_name: str
    owner_source: str
    created_at: datetime
    looked_until: datetime
    request_key: str = Field(unique=True)
    channel: str
    thread: str
    state: str = Field(index=True)
    since: datetime | None = None
    until: datetime | None = None
    why: str = Field(default="", sa_type=Text)


class FireRow(Table, table=True):
    """One time of one schedule; the key is what makes that nobody starts it twice."""

    __tablename__ = "fires"
    __table_args__ = (Index("ix_fires_asked", "at", sqlite_where=_ASKED, postgresql_where=_ASKED),)

    schedule: str = Field(primary_key=True, foreign_key="schedules.id")
    at: datetime = Field(primary_key=True)
    state: str
    decided_at: datetime = Field(index=True)
    why: str = Field(default="", sa_type=Text)
    started: int = 0
    passed: list[str] = Field(sa_type=JSON)
    by: str = ""
