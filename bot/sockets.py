"""How many connections to Slack stand, as the bot last said it: written by the bot, read by the doctor."""

import json
import logging
from dataclasses import dataclass
from datetime import datetime

from bot.clock import SystemClock
from bot.errors import CloudyError
from bot.store import Database

log = logging.getLogger(__name__)

_NAME = "sockets"  # of the setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What was said, and when."""

    standing: int
    of: int
    at: datetime


def keep_sockets(db: Database, standing: int, of: int) -> None:
    """Note it. Never raises: it is no reason to lose a connection."""
    told = json.dumps({"standing": standing, "of": of, "at": SystemClock().now().isoformat()})
    try:
        with db.unit() as unit:
            unit.settings.put(_NAME, told)
    except CloudyError as error:
        log.warning("not noted", extra={"action": "sockets", "error": error.message})


def sockets(db: Database) -> Standing | None:
    """What was said last; None: nothing yet, as with signed HTTP."""
    with db.read() as unit:
        told = unit.settings.get(_NAME)
    if told is None:
        return None
    said = json.loads(told)
    return Standing(standing=said["standing"], of=said["of"], at=datetime.fromisoformat(said["at"]))
