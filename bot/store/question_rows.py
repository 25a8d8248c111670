"""The table of questions that wait for an answer; private to this package."""

from datetime import datetime

from sqlalchemy import JSON, Text
from sqlmodel import Field

from bot.store.rows import Table


class QuestionRow(Table, table=True):
    """One that was asked and is not answered."""

    __tablename__ = "questions"

    key: str = Field(primary_key=True)
    person_id: str = Field(index=True)
    person_name: str
    person_source: str
    about: list[str] = Field(sa_type=JSON)
    text: str = Field(sa_type=Text)
    asked_at: datetime
    remind_at: datetime = Field(index=True)
