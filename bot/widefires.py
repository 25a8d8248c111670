"""Fires of many VMs are told in one message that follows them, instead of a thread for each VM."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot import firetold, story
from bot.model import MOST_THREADS, Fire, Message, Schedule, State, Transaction
from bot.startable import Stands, fire_key, how_they_stand
from bot.store import Database, Unit

_FOLLOWED = timedelta(days=3)  # a start window, a blackout, and what then runs
_MOST_NAMED = 15
_TROUBLED = (State.FAILED, State.PARTIAL, State.REFUSED, State.STOPPED, State.HELD, State.AWAITING_APPROVAL)


def follow(db: Database, now: datetime, admin_channel: str) -> None:
    """Bring the messages of all such fires of the last days up to date. Repeating is safe, and writes only what is new.

    BusyError, DatabaseError.
    """
    with db.read() as unit:
        messages = [_message(unit, fire, now, admin_channel) for fire in unit.fires.wide(now - _FOLLOWED, MOST_THREADS)]
        changed = [message for message in messages if message and _is_new(unit, message)]
    if changed:
        with db.unit() as unit:
            for message in changed:
                unit.outbox.put(message)


def _is_new(unit: Unit, message: Message) -> bool:
    known = unit.outbox.get(message.key)
    return known is None or known.view != message.view


def _message(unit: Unit, fire: Fire, now: datetime, admin_channel: str) -> Message | None:
    schedule = unit.schedules.get(fire.schedule)
    channel = schedule.place.channel or admin_channel
    if not channel:
        return None
    key = fire_key(fire.schedule, fire.at)
    troubled = unit.transactions.asked_under(key, states=_TROUBLED, limit=_MOST_NAMED)
    text = told(schedule, fire, how_they_stand(unit, key, now), troubled)
    return Message(key=f"schedule:{fire.schedule}:wide:{fire.at.isoformat()}", channel=channel, view=story.notice(text))


def told(schedule: Schedule, fire: Fire, stands: Stands, troubled: Sequence[Transaction]) -> str:
    """ "The fire of 2026-11-26 02:00 UTC has started 300: 212 succeeded, 3 failed, 85 running", and who failed."""
    states = {state.value: number for state, number in stands.states.items()}
    states |= {"waiting for their moment": stands.waiting} if stands.waiting else {}
    counted = ", ".join(f"{number} {state}" for state, number in sorted(states.items(), key=lambda each: -each[1]))
    lines = [
        f"{firetold.named(schedule)}:",
        f"The fire of {fire.at:%Y-%m-%d %H:%M} UTC has started {fire.started}: {counted}",
        *(f"• {each.vm}: {each.state}, {each.id}" for each in troubled),
    ]
    left = sum(stands.states.get(state, 0) for state in _TROUBLED) - len(troubled)
    return "\n".join([*lines, *([f"• and {left} more: /cloudy runs"] if left > 0 else [])])
