"""Summaries by schedule: one message to a channel, or one to each person of what is his or hers.

They are put into the outbox in the unit of the fire, so that each is told once, or not at all.
"""

from collections.abc import Callable

from bot import digest, remembered
from bot.errors import UsageError
from bot.model import Actor, Digest, Message, ScheduleRequest, Span
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

    def start(unit: Unit, firing: Firing) -> Started:
        return _told(unit, firing, summaries, admin_channel())

    return Startable(operation=Operation.READ, start=start, check=_check, works=False)


def _check(request: ScheduleRequest) -> None:
    options = request.options
    if options.get(PERIOD, Span.DAY) not in set(Span) or options.get(WHOSE, "") not in _WORDS:
        raise UsageError("A summary is of the day or the week, for all, for me, or for owners.")
    if request.vms or request.targets:
        raise UsageError("A summary names no VMs and no targets: it is of everything, or of what is yours.")


def _told(unit: Unit, firing: Firing, summaries: Summaries, admin_channel: str) -> Started:
    options = firing.schedule.asked.options
    span, whose = Span(options.get(PERIOD) or Span.DAY), str(options.get(WHOSE, ""))
    remembered.measure(unit, firing.now)
    if whose == ME and not _is_for(firing.owner):
        return Started(passed=(f"{firing.owner.name} is nobody that can be written to: make it in the chat.",))
    if whose == ME:
        _tell(unit, firing, summaries.within(unit, span, firing.owner.id), firing.owner.id)
        return Started(is_done=True)
    if whose == OWNERS:
        _to_owners(unit, firing, span, summaries)
        return Started(is_done=True)
    channel = firing.place.channel or admin_channel
    if not channel:
        return Started(passed=("There is no channel to tell it in: set slack.admin_channel in cloudy.toml.",))
    _tell(unit, firing, summaries.within(unit, span), channel)
    return Started(is_done=True)


def _to_owners(unit: Unit, firing: Firing, span: Span, summaries: Summaries) -> None:
    """Each of them; of a day only those for whom there is something to do."""
    for owner in summaries.owners(unit):
        told = summaries.within(unit, span, owner.id)
        if _is_for(owner) and told.tally.total and (span is Span.WEEK or digest.is_pressing(told)):
            _tell(unit, firing, told, owner.id)


def _is_for(owner: Actor) -> bool:
    return owner.source == "slack"


def _tell(unit: Unit, firing: Firing, told: Digest, channel: str) -> None:
    unit.outbox.put(Message(key=f"{firing.key(channel)}:summary", channel=channel, view=digest.view(told)))
