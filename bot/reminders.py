"""Reminds of runs that are held for a Retry, before what they keep is removed: in their thread, and who asked for them.

Once for each distance to that end; a restart repeats none, since the words stand in the outbox.
"""

from datetime import datetime, timedelta

from bot import narrator, story
from bot.digest import age
from bot.model import Message, Transaction
from bot.ports import Clock
from bot.store import Database, Unit

BEFORE = (timedelta(minutes=15), timedelta(hours=4), timedelta(days=1))  # the end; the nearest that has come
_SHARE = 1.5  # a hold must be so much longer than the distance: right after it was told, nobody needs a reminder


class Reminders:
    """Belongs to the dispatcher's thread."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._done: set[tuple[str, str, timedelta]] = set()  # transaction, run, distance

    def tend(self, held: Transaction) -> None:
        """Remind if it is time; call it often. BusyError, DatabaseError: the next call does it."""
        before = distance(held, self._clock.now())
        if before is None or (known := (held.id, held.run, before)) in self._done:
            return
        with self._db.unit() as unit:
            if _is_long(unit, held, before):
                _remind(unit, held, before, self._clock.now())
        self._done.add(known)


def distance(held: Transaction, now: datetime) -> timedelta | None:
    """The nearest distance to the end of its hold that has come; None: none has, or it is over."""
    if held.held_until is None or held.stop_asked_by or now >= held.held_until:
        return None
    left = held.held_until - now
    return next((each for each in BEFORE if left <= each), None)


def _is_long(unit: Unit, held: Transaction, before: timedelta) -> bool:
    ended = [step.ended_at for step in unit.steps.of(held.id) if step.failure and step.ended_at]
    return bool(ended) and held.held_until is not None and held.held_until - max(ended) >= _SHARE * before


def _remind(unit: Unit, held: Transaction, before: timedelta, now: datetime) -> None:
    left = age(held.held_until - now) if held.held_until else ""
    step = held.failure.step if held.failure else ""
    text = f"Still held for {left}: Retry goes on with {step or 'the step that failed'}; then what was kept is removed."
    name = f"held:{held.run or 'first'}:{int(before.total_seconds())}"
    narrator.tell_first(unit, held, name, text)
    asker = held.actor
    if asker.source == "slack" and held.place.channel:
        words = f"{text} {story.title(held)} ({held.id})."
        key = f"{held.id}:reminder:{name}"
        unit.outbox.put(Message(key=key, channel=asker.id, view=story.notice(words) | {"transaction": held.id}))
