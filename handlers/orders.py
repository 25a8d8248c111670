"""Carries a parsed command out through the service and gives the answer for the one who asked."""

from bot.errors import UsageError
from bot.model import Transaction
from bot.service import Service
from handlers import answers
from handlers.cards import Card
from handlers.origin import Origin
from handlers.parse import STOP_USAGE, Command, Verb


def carry_out(service: Service, order: Command, origin: Origin) -> Card:
    """Whatever the command asks for. Raises what the service raises; UsageError: a stop that names nothing."""
    match order.verb:
        case Verb.HELP:
            return answers.help_card()
        case Verb.STATUS:
            return answers.status(service.status())
        case Verb.RUNS:
            return answers.runs(service.runs(order.limit))
        case Verb.SHOW:
            return answers.show(*service.show(order.id))
        case Verb.STOP:
            return answers.stopping(_stop(service, order, origin))
        case Verb.PROTECT:
            assert order.request is not None  # noqa: S101 - parse gives one with this verb
            asked = service.protect(order.request, origin.actor, request_key=origin.key, place=origin.place)
            return answers.accepted(asked)


def _stop(service: Service, order: Command, origin: Origin) -> Transaction:
    if order.id:
        return service.stop(order.id, origin.actor, request_key=origin.key, channel=origin.channel)
    if not origin.thread:
        raise UsageError("Say stop in the thread of a transaction, or say which one.", STOP_USAGE)
    return service.stop_thread(origin.channel, origin.thread, origin.actor, request_key=origin.key)
