"""Summaries by schedule: one message to a channel, or one to each person of what is his or hers.

They are composed before the unit of the fire begins, and put into the outbox in it, so that each is told once, or not
at all, and nobody waits to write meanwhile.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from bot import digest, remembered
from bot.errors import UsageError
from bot.model import Actor, Digest, Message, Schedule, ScheduleRequest, Span
from bot.policy import Operation
from bot.startable import Firing, Startable, Started
from bot.store import Unit
from bot.summaries import Summaries

WORKFLOW = "summary"
PERIOD, WHOSE = "period", "for"  # options
ME, OWNERS = "me", "owners"
_WORDS = frozenset({"", ME, OWNERS})


def startable(summaries: Summaries, admin_channel: Callable[[], str]) -> Startable:
    """What the word `summary` in a schedule does. admin_channel: where what has no channel is told."""
    ahead: dict[tuple[str, datetime], _Composed] = {}  # of one schedule, at one look

    def prepare(schedule: Schedule, now: datetime) -> None:
        composed = summaries.read(lambda unit: _composed(unit, schedule, summaries, admin_channel()))
        ahead.clear()
        ahead[schedule.id, now] = composed

    def start(unit: Unit, firing: Firing) -> Started:
        remembered.measure(unit, firing.now)
        key = (firing.schedule.id, firing.now)
        told = ahead.pop(key, None) or _composed(unit, firing.schedule, summaries, admin_channel())
        for channel, each in told.digests:
            unit.outbox.put(Message(key=f"{firing.key(channel)}:summary", channel=channel, view=digest.view(each)))
        return Started(passed=told.passed, is_done=not told.passed)

    return Startable(operation=Operation.READ, start=start, check=_check, works=False, prepare=prepare)


@dataclass(frozen=True, slots=True)
class _Composed:
    """What is told where; passed: why there is nothing to tell."""

    digests: tuple[tuple[str, Digest], ...] = ()  # with the channel, or the person
    passed: tuple[str, ...] = ()


def _check(request: ScheduleRequest) -> None:
    options = request.options
    if options.get(PERIOD, Span.DAY) not in set(Span) or options.get(WHOSE, "") not in _WORDS:
        raise UsageError("A summary is of the day or the week, for all, for me, or for owners.")
    if request.vms or request.targets:
        raise UsageError("A summary names no VMs and no targets: it is of everything, or of what is yours.")


def _composed(unit: Unit, schedule: Schedule, summaries: Summaries, admin_channel: str) -> _Composed:
    options, owner = schedule.asked.options, schedule.owner
    span, whose = Span(options.get(PERIOD) or Span.DAY), str(options.get(WHOSE, ""))
    if whose == ME and not _is_for(owner):
        return _Composed(passed=(f"{owner.name} is nobody that can be written to: make it in the chat.",))
    if whose == ME:
        return _Composed(((owner.id, summaries.within(unit, span, owner.id)),))
    if whose == OWNERS:
        return _Composed(tuple(_of_owners(unit, span, summaries)))
    channel = schedule.place.channel or admin_channel
    if not channel:
        return _Composed(passed=("There is no channel to tell it in: set slack.admin_channel in cloudy.toml.",))
    return _Composed(((channel, summaries.within(unit, span)),))


def _of_owners(unit: Unit, span: Span, summaries: Summaries) -> Iterator[tuple[str, Digest]]:
    """Each of them; of a day only those for whom there is something to do."""
    for owner in summaries.owners(unit):
        told = summaries.within(unit, span, owner.id)
        if _is_for(owner) and told.tally.total and (span is Span.WEEK or digest.is_pressing(told)):
            yield owner.id, told


def _is_for(owner: Actor) -> bool:
    return owner.source == "slack"
