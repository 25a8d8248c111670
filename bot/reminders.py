"""Reminds of runs that are held for a Retry, before what they keep is removed: in their thread, and who asked for them.

Once for each distance to that end; a restart repeats none, since the words stand in the outbox. And of questions that
nobody has answered: whoever was asked, three times.
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from bot import narrator, story
from bot.digest import age
from bot.errors import CloudyError
from bot.model import Message, OpenQuestion, Transaction
from bot.openquestions import AFTER
from bot.ports import Clock
from bot.store import Database, Unit

log = logging.getLogger(__name__)

BEFORE = (timedelta(minutes=15), timedelta(hours=4), timedelta(days=1))  # the end; the nearest that has come
_LOOK = timedelta(minutes=1)  # between two looks for questions
_SHARE = 1.5  # a hold must be so much longer than the distance: right after it was told, nobody needs a reminder


class Reminders:
    """Belongs to the dispatcher's thread."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._done: set[tuple[str, str, timedelta]] = set()  # transaction, run, distance
        self._asked_at: datetime | None = None  # when questions were looked for last

    def tend(self, held: Transaction) -> None:
        """Remind if it is time; call it often. BusyError, DatabaseError: the next call does it."""
        before = distance(held, self._clock.now())
        if before is None or (known := (held.id, held.run, before)) in self._done:
            return
        with self._db.unit() as unit:
            if _is_long(unit, held, before):
                _remind(unit, held, before, self._clock.now())
        self._done.add(known)

    def tend_questions(self) -> None:
        """Remind whoever was asked, if it is time; call it often. Never raises: nothing else may wait for it."""
        now = self._clock.now()
        if self._asked_at is not None and abs(now - self._asked_at) < _LOOK:
            return
        self._asked_at = now
        try:
            with self._db.read() as unit:
                due = unit.questions.due(now)
            if due:
                with self._db.unit() as unit:
                    for question in due:
                        _ask_again(unit, question, now)
        except CloudyError as error:
            log.warning("nobody was reminded", extra={"action": "reminders", "error": error.message})
        except Exception:
            log.exception("nobody was reminded", extra={"action": "reminders"})


def _ask_again(unit: Unit, question: OpenQuestion, now: datetime) -> None:
    """In the person's own conversation; after the last time it waits no more."""
    number = sum(question.asked_at + after <= now for after in AFTER)
    text = f"{question.text}\nAsked {age(now - question.asked_at)} ago, and not answered yet."
    if number >= len(AFTER):
        unit.questions.remove(question.key)
        text = f"{text} Nothing is done, and you are not reminded again."
    else:
        unit.questions.put(replace(question, remind_at=question.asked_at + AFTER[number]))
    if question.person.source == "slack":
        key = f"question:{question.key}:{number}"
        unit.outbox.put(Message(key=key, channel=question.person.id, view=story.notice(text)))


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
