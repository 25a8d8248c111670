"""The noun of what Cloudy has asked a person, until it is answered."""

from dataclasses import dataclass
from datetime import datetime

from bot.model.transactions import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    """One that waits for an answer."""

    key: str  # of the request that it began with
    person: Actor  # who was asked
    about: tuple[str, ...]  # uuids of the VMs of which one is meant
    text: str  # the question, with the commands that answer it
    asked_at: datetime
    remind_at: datetime
