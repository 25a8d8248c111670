"""Carries a parsed command out through the service and gives the answer for the one who asked."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from bot.errors import AmbiguousName, CloudyError, NotFound, UsageError
from bot.model import Transaction
from bot.opinions import Question
from bot.service import Service
from handlers import answers, asked, digests, history, lists, namesakes, restoring, retentions, schedulelists, tables
from handlers.cards import Card
from handlers.inquiries import promised
from handlers.origin import Origin
from handlers.parse import ONE_USAGES, Command, Verb
from handlers.scheduleorders import answer
from handlers.usages import STOP_USAGE


def carry_out(service: Service, order: Command, origin: Origin) -> Card:
    """Whatever the command asks for. Raises what the service raises; UsageError: it is about one, and names none."""
    service.demand_reading(order.verb, origin.actor, origin.channel)
    return _ORDERS[order.verb](service, order, origin)


def question_of(order: Command, channel: str = "") -> Question:
    """What a may-i asks, as the service takes it."""
    meant = order.meant or order
    vms, targets = (meant.request.vms, meant.request.targets) if meant.request else ((), ())
    if meant.drilling:
        vms, targets = tuple(filter(None, (meant.drilling.what,))), tuple(filter(None, (meant.drilling.target,)))
    if meant.restoring:
        vms, targets = (meant.restoring.what,), tuple(filter(None, (meant.restoring.target,)))
    is_over = bool(meant.restoring and meant.restoring.is_over_original)
    return Question(
        command=meant.verb, vms=vms, targets=targets, id=meant.id, channel=channel, is_over_original=is_over
    )


def _status(service: Service, origin: Origin) -> Card:
    """Of the thread's transaction alone; elsewhere of everything."""
    try:
        if origin.thread:
            return history.status(*service.show(service.in_thread(origin.channel, origin.thread, Verb.SHOW))[:2])
    except NotFound:
        pass  # a thread of other people's
    return answers.status(service.status())


def _which(service: Service, order: Command, origin: Origin) -> str:
    """The transaction that is named, else the thread's."""
    if order.id:
        return order.id
    if not origin.thread:
        raise UsageError(f"Say {order.verb} in the thread of a transaction, or say which one.", ONE_USAGES[order.verb])
    return service.in_thread(origin.channel, origin.thread, order.verb)


def _why(service: Service, order: Command, origin: Origin) -> Card:
    return history.why(*service.show(_which(service, order, origin))[:2])


def _verify(service: Service, order: Command, origin: Origin) -> Card:
    which = _which(service, order, origin)
    key, place = origin.key, origin.place
    return answers.accepted([service.verify(which, origin.actor, request_key=key, place=place, deep=order.is_deep)])


def _delete(service: Service, order: Command, origin: Origin) -> Card:
    key, place = origin.key, origin.place
    return answers.accepted([service.delete(order.id, origin.actor, request_key=key, place=place, reason=order.reason)])


def _restore(service: Service, order: Command, origin: Origin) -> Card:
    assert order.restoring is not None  # noqa: S101 - parse gives one with this verb
    request, key = order.restoring, origin.key
    try:
        asked = service.restores.restore(request, origin.actor, request_key=key, place=origin.place)
    except AmbiguousName:
        vms = service.recoverable.namesakes(request.what)
        if len(vms) < 2:  # a part of several ids
            raise
        card = namesakes.question(vms, request, origin.actor.id, key)
        with suppress(CloudyError):  # it is asked all the same
            service.open_questions.asked(key, origin.actor, [vm.uuid for vm in vms], namesakes.said(card))
        return card
    except NotFound as error:
        if hint := restoring.slip(request.what):
            raise NotFound(f"{error.message} {hint}", error.suggestions) from error
        raise
    with suppress(CloudyError):  # whoever is reminded of it then sees that it is done
        service.open_questions.answered(origin.actor, service.recoverable.point(asked.id)[0].uuid)
    return answers.accepted([asked])


def _drill(service: Service, order: Command, origin: Origin) -> Card:
    assert order.drilling is not None  # noqa: S101 - parse gives one with this verb
    key, place = origin.key, origin.place
    return answers.accepted([service.drills.drill(order.drilling, origin.actor, request_key=key, place=place)])


def _orphans(service: Service, order: Command, origin: Origin) -> Card:
    service.sweeps.ask(origin.actor, request_key=origin.key, place=origin.place, removes=order.removes)
    return answers.sweeping(removes=order.removes)


def _retry(service: Service, order: Command, origin: Origin) -> Card:
    which = _which(service, order, origin)
    return history.retried(service.again.retry(which, origin.actor, request_key=origin.key, place=origin.place))


def _protect(service: Service, order: Command, origin: Origin) -> Card:
    assert order.request is not None  # noqa: S101 - parse gives one with this verb
    asked = service.protect(order.request, origin.actor, request_key=origin.key, place=origin.place)
    return answers.accepted(asked)


def _may_i(service: Service, order: Command, origin: Origin) -> Card:
    return answers.may_i(service.opinions_on(question_of(order, origin.channel), origin.actor))


def _inquire(service: Service, order: Command, origin: Origin) -> Card:
    """The first page; an audit that is asked for in a thread, of nothing, is the thread's."""
    assert order.inquiry is not None  # noqa: S101 - parse gives one with these verbs
    inquiry = order.inquiry
    if order.verb is Verb.AUDIT and origin.thread and not inquiry.text:
        inquiry = replace(inquiry, text=service.in_thread(origin.channel, origin.thread, order.verb))
    table = lists.table(service.questions, inquiry, service.now())
    more = table.total - len(table.rows)
    rest = (f"{more:,} more: {asked.written(inquiry)} has pages to turn.",) if more else ()
    files = promised(service, table.total, inquiry, origin)
    return tables.card(replace(table, closing=(*table.closing, *rest, *files)))


def _stop(service: Service, order: Command, origin: Origin) -> Transaction:
    if order.id:
        return service.stop(order.id, origin.actor, request_key=origin.key, channel=origin.channel)
    if not origin.thread:
        raise UsageError("Say stop in the thread of a transaction, or say which one.", STOP_USAGE)
    return service.stop_thread(origin.channel, origin.thread, origin.actor, request_key=origin.key)


def _sum_up(service: Service, order: Command, origin: Origin) -> Card:
    assert order.summing is not None  # noqa: S101 - parse gives one with these verbs
    does = {Verb.SUMMARY: digests.summary, Verb.SNOOZE: digests.snooze, Verb.ASSIGN: digests.assign}
    return does[order.verb](service, order.summing, origin)


def _retain(service: Service, order: Command, origin: Origin) -> Card:
    assert order.keeping is not None  # noqa: S101 - parse gives one with this verb
    return retentions.answer(service, order.keeping, origin)


def _schedule(service: Service, order: Command, origin: Origin) -> Card:
    return schedulelists.card(answer(service, order, origin))


_ORDERS: Mapping[Verb, Callable[[Service, Command, Origin], Card]] = {
    Verb.HELP: lambda service, _, origin: answers.help_card(service.commands_of(origin.actor, origin.channel)),
    Verb.STATUS: lambda service, _, origin: _status(service, origin),
    Verb.RUNS: lambda service, order, _: answers.runs(service.runs(order.limit), service.now()),
    Verb.SHOW: lambda service, order, origin: answers.show(*service.show(_which(service, order, origin))),
    Verb.WHY: _why,
    Verb.VERIFY: _verify,
    Verb.RESTORE: _restore,
    Verb.DRILL: _drill,
    Verb.DELETE: _delete,
    Verb.ORPHANS: _orphans,
    Verb.STOP: lambda service, order, origin: answers.stopping(_stop(service, order, origin)),
    Verb.RETRY: _retry,
    Verb.PROTECT: _protect,
    Verb.MAY_I: _may_i,
    Verb.VMS: _inquire,
    Verb.POINTS: _inquire,
    Verb.AUDIT: _inquire,
    Verb.CHART: _inquire,
    Verb.SLA: _inquire,
    Verb.SCHEDULE: _schedule,
    Verb.SCHEDULES: _schedule,
    Verb.RETENTION: _retain,
    Verb.SUMMARY: _sum_up,
    Verb.SNOOZE: _sum_up,
    Verb.ASSIGN: _sum_up,
}
