"""Tells what became of fires where their schedule is told, and its owner what he must know; part of the fire's unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot import story
from bot.model import Fire, FireState, Message, Schedule, Transaction
from bot.store import Unit

_MOST_NAMED = 15  # VMs of one message


def named(schedule: Schedule) -> str:
    """ "Schedule 7f3k9q (protect web* to s3, every day at 02:00 UTC)"."""
    return f"Schedule {schedule.id} ({asked(schedule)}, {schedule.asked.recurrence})"


def asked(schedule: Schedule) -> str:
    """ "protect web* to s3": what it starts."""
    what = " ".join(filter(None, (schedule.asked.workflow, ", ".join(schedule.asked.vms))))
    return f"{what} to {' and '.join(schedule.asked.targets)}" if schedule.asked.targets else what


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """What is known of times that nobody looked at in time."""

    why: str = ""  # what kept anybody from it
    waited: bool = False  # they were told when the first of them was caught up with
    waiting: int = 0  # how many still wait for their turn


def tell(unit: Unit, schedule: Schedule, fires: Sequence[Fire], admin_channel: str, late: Late) -> None:
    """Say what was missed, and which VMs were passed over; nothing where all went as it should."""
    channel = schedule.place.channel or admin_channel
    lines = [*_late(fires, late), *(line for fire in fires for line in _passed(fire))]
    if channel and lines:
        text = "\n".join((f"{named(schedule)}:", *lines))
        key = f"schedule:{schedule.id}:told:{fires[-1].at.isoformat()}:{fires[-1].decided_at.isoformat()}"
        unit.outbox.put(Message(key=key, channel=channel, view=story.notice(text)))


def tell_back(unit: Unit, schedule: Schedule, now: datetime, missed: int, admin_channel: str) -> None:
    """Say that fires which were told as missed are still to come, since the clock has been set back."""
    channel = schedule.place.channel or admin_channel
    if channel and missed:
        what = "1 fire that was" if missed == 1 else f"{missed} fires that were"
        text = f"{named(schedule)}:\nThe clock was set back to {_at(now)}: {what} told as missed will still come"
        key = f"schedule:{schedule.id}:back:{schedule.looked_until.isoformat()}:{now.isoformat()}"
        unit.outbox.put(Message(key=key, channel=channel, view=story.notice(text)))


def tell_withdrawn(
    unit: Unit, schedule: Schedule, now: datetime, why: str, withdrawn: Sequence[Transaction], admin_channel: str
) -> None:
    """Say which of its VMs waited for their moments in vain. why: "alice has paused it"."""
    channel = schedule.place.channel or admin_channel
    if channel:
        names = ", ".join(each.vm for each in withdrawn[:_MOST_NAMED])
        more = f" and {len(withdrawn) - _MOST_NAMED} more" if len(withdrawn) > _MOST_NAMED else ""
        text = f"{named(schedule)}:\n{why}. {withdrawn_text(len(withdrawn))}: {names}{more}"
        key = f"schedule:{schedule.id}:withdrawn:{now.isoformat()}"
        unit.outbox.put(Message(key=key, channel=channel, view=story.notice(text)))


def withdrawn_text(number: int) -> str:
    """ "3 that had not begun are withdrawn"."""
    return "1 that had not begun is withdrawn" if number == 1 else f"{number} that had not begun are withdrawn"


def tell_suspended(unit: Unit, schedule: Schedule, admin_channel: str) -> None:
    """Say in its channel and to its owner that it starts nothing any more, and why."""
    text = (
        f"{named(schedule)} is suspended and starts nothing any more: {schedule.why}\n"
        f"When that has changed: /cloudy schedule resume {schedule.id}"
    )
    to_owner = schedule.owner.id if schedule.owner.source == "slack" else ""
    at = schedule.since.isoformat() if schedule.since else ""
    for name, channel in (("channel", schedule.place.channel or admin_channel), ("owner", to_owner)):
        if channel:
            key = f"schedule:{schedule.id}:suspended:{at}:{name}"
            unit.outbox.put(Message(key=key, channel=channel, view=story.notice(text)))


def tell_stuck(unit: Unit, schedule: Schedule, admin_channel: str) -> None:
    """Say that it starts nothing, since Cloudy cannot account for its times; once, until it can again."""
    channel = schedule.place.channel or admin_channel
    if channel:
        text = (
            f"{named(schedule)} starts nothing now: Cloudy makes a mistake over it, which its log tells, and tries"
            f" again each minute. Its times since {_at(schedule.looked_until)} are not lost. Protect by hand what"
            " cannot wait"
        )
        key = f"schedule:{schedule.id}:stuck:{schedule.looked_until.isoformat()}"
        unit.outbox.put(Message(key=key, channel=channel, view=story.notice(text)))


def _late(fires: Sequence[Fire], told: Late) -> list[str]:
    """What nobody looked at in time, in one line."""
    missed = [fire for fire in fires if fire.state is FireState.MISSED]
    caught = [fire for fire in fires if fire.state is FireState.CAUGHT_UP]
    if not missed and not caught:
        return []
    if told.waited:
        return _in_turn(missed, caught, told.waiting)
    late = len(missed) + len(caught) + told.waiting
    head = f"{late} fires were missed while {told.why}" if late > 1 else f"1 fire was missed while {told.why}"
    if told.waiting and caught:
        return [f"{head}: caught up with the one of {_at(caught[-1].at)}, the others follow one by one"]
    if len(caught) == 1 and late == 1:
        return [f"{head}, the one of {_at(caught[0].at)}: caught up with it"]
    if len(caught) == 1:
        return [f"{head}: caught up with the latest, of {_at(caught[0].at)}"]
    if caught:
        return [f"{head}: caught up with {len(caught)} of them"]
    reasons = _reasons(missed)
    on_time = next((fire for fire in fires if fire.state is FireState.STARTED), None)
    then = f"; the one of {_at(on_time.at)} has started in time" if on_time else ""
    return [f"{head}, {_span(missed)}: {reasons}{then}"]


def _in_turn(missed: Sequence[Fire], caught: Sequence[Fire], waiting: int) -> list[str]:
    """What became of times that were told before, and waited for their turn."""
    follow = f"; {waiting} more {'follows' if waiting == 1 else 'follow'}" if waiting else ""
    lines = [f"Caught up with the one of {_at(caught[-1].at)}{follow}"] if caught else []
    waited = "1 fire that waited its turn is" if len(missed) == 1 else f"{len(missed)} fires that waited their turn are"
    return [*lines, *([f"{waited} missed, {_span(missed)}: {_reasons(missed)}"] if missed else [])]


def _reasons(missed: Sequence[Fire]) -> str:
    return " and ".join(dict.fromkeys(fire.why for fire in missed))


def _passed(fire: Fire) -> list[str]:
    """Why a fire started nothing, and what it passed over; whoever wanted one skipped knows it."""
    if fire.state in (FireState.MISSED, FireState.SKIPPED):
        return []
    why = [f"The fire of {_at(fire.at)} has started nothing: {fire.why}"] if fire.why else []
    heads = [f"The fire of {_at(fire.at)} passed over:"] if fire.passed and not why else []
    return [*why, *heads, *(f"• {each}" for each in fire.passed)]


def _span(fires: Sequence[Fire]) -> str:
    if len(fires) == 1:
        return f"the one of {_at(fires[0].at)}"
    return f"from {_at(fires[0].at)} to {_at(fires[-1].at)}"


def _at(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
