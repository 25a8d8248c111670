"""The chart after the receipt of a protect: promised when the receipt stands there, drawn and sent by the courier."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from bot.model import Handout, Message
from bot.questions import Questions
from bot.store import Unit
from handlers import charts, digestcharts, pictures
from handlers.blocks import quiet
from handlers.webapi import File

_log = logging.getLogger(__name__)

VERB = "receipt"  # no question that anybody can type


def promiser(*, is_wanted: bool) -> Callable[[Unit, Message], None]:
    """What is to be done in the unit that notes a message as sent."""
    if is_wanted and not charts.is_there():
        _log.warning("receipt_chart is set, but charts need more: pip install 'cloudy[charts]'")
    if not (is_wanted and charts.is_there()):
        return digestcharts.promise

    def both(unit: Unit, message: Message) -> None:
        promise(unit, message)
        digestcharts.promise(unit, message)

    return both


def promise(unit: Unit, message: Message) -> None:
    """Promise a chart if this is the receipt of a protect that reached something; repeating is safe."""
    view = message.view
    if view.get("kind") != "receipt" or view.get("state") not in ("succeeded", "partial"):
        return
    made, root = unit.transactions.find(str(view.get("transaction", ""))), unit.outbox.get(message.thread_key)
    if made is None or made.workflow != "protect" or root is None:
        return
    asked = {"verb": VERB, "transaction": made.id, "channel": root.channel, "thread": root.ts}
    asked |= {"vm": made.vm, "vm_uuid": made.vm_uuid}
    unit.handouts.put(Handout(key=f"{made.id}:chart", person=made.actor.id, asked=asked))


def drawn(questions: Questions, asked: Mapping[str, Any]) -> File:
    """The chart as it is now."""
    chart = pictures.of_vm(questions, str(asked["vm_uuid"]), str(asked["vm"]))
    return File(
        name=f"sent-{asked['transaction']}.png",
        content=charts.png(chart),
        comment=f"Bytes sent by day for {quiet(asked['vm'])}, against its size",
        alt=chart.alt,
    )
