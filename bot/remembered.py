"""What was found last of what a digest tells of, so that it asks no other system: ends, orphans, sizes by day."""

import json
from collections.abc import Sequence
from datetime import date, datetime

from bot.codec import decode, encode
from bot.model import Expiry
from bot.store import Unit

STORED = "stored:"  # and the target's name: a measure
_EXPIRIES, _ORPHANS = "expiries", "orphans"


def measure(unit: Unit, now: datetime) -> None:
    """Keep what lies in each target, as of today; repeating is safe."""
    for stored in unit.counts.stored():
        unit.measures.put(f"{STORED}{stored.target}", now.date(), stored.size)


def stored_by_day(unit: Unit, since: date, today: date) -> dict[date, int]:
    """What lay in all targets together on each day on which that was measured, and what lies there today."""
    now = unit.counts.stored()
    return unit.measures.sums(STORED, since) | ({today: sum(stored.size for stored in now)} if now else {})


def keep_expiries(unit: Unit, found: Sequence[Expiry]) -> None:
    """Keep what was seen; of one that could not be looked at what was seen before stays."""
    before = {each.name: each for each in expiries(unit)}
    told = [before.get(each.name, each) if each.ends is None else each for each in found]
    unit.settings.put(_EXPIRIES, json.dumps(encode(told)))


def expiries(unit: Unit) -> tuple[Expiry, ...]:
    """What ends when, as seen last."""
    return tuple(decode(Expiry, each) for each in json.loads(unit.settings.get(_EXPIRIES) or "[]"))


def keep_orphans(unit: Unit, number: int, size: int, at: datetime) -> None:
    """Keep how many things were found left behind, and their bytes, as far as known."""
    unit.settings.put(_ORPHANS, json.dumps({"number": number, "bytes": size, "at": at.isoformat()}))


def orphans(unit: Unit) -> tuple[int, int, datetime] | None:
    """How many, their bytes, and when that was found; None: nobody has looked."""
    told = json.loads(unit.settings.get(_ORPHANS) or "null")
    return (int(told["number"]), int(told["bytes"]), datetime.fromisoformat(told["at"])) if told else None
