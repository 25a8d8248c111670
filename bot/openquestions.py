"""What a person was asked: noted until it is answered, and reminded of meanwhile (bot/reminders.py)."""

from collections.abc import Sequence
from datetime import timedelta

from bot.model import Actor, OpenQuestion
from bot.ports import Clock
from bot.recorder import WAIT_S
from bot.store import Database

AFTER = (timedelta(hours=1), timedelta(hours=4), timedelta(days=1))  # it was asked; then nobody is asked any more


class OpenQuestions:
    """Each method is one local unit of work. BusyError: nothing was noted."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def asked(self, key: str, person: Actor, about: Sequence[str], text: str) -> None:
        """Note what was asked; the same key again: the same question. about: uuids of VMs."""
        now = self._clock.now()
        with self._db.unit(wait_s=WAIT_S) as unit:
            if unit.questions.get(key) is None:
                question = OpenQuestion(
                    key=key, person=person, about=tuple(about), text=text, asked_at=now, remind_at=now + AFTER[0]
                )
                unit.questions.put(question)

    def answered(self, person: Actor, vm_uuid: str) -> None:
        """This person has said which VM is meant: whatever was asked about it waits no more. Repeating is safe."""
        with self._db.read() as unit:
            keys = [each.key for each in unit.questions.of(person.id) if vm_uuid in each.about]
        if keys:
            with self._db.unit(wait_s=WAIT_S) as unit:
                for key in keys:
                    unit.questions.remove(key)
