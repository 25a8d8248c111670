"""The chart of a summary: promised when the summary stands in its channel, drawn and sent by the courier."""

from bot import digest
from bot.model import Handout, Message
from bot.questions import Questions
from bot.store import Unit
from handlers import charts, pictures
from handlers.webapi import File

VERB = "summary"


def promise(unit: Unit, message: Message) -> None:
    """Promise one if this is a summary of everything; repeating is safe, and an edit of it promises none."""
    told = digest.of_view(message.view)
    if told is None or told.owner or not charts.is_there():
        return
    sent = unit.outbox.get(message.key)
    if sent is not None and sent.ts:
        asked = {"verb": VERB, "span": told.span.value, "channel": sent.channel, "thread": sent.ts}
        unit.handouts.put(Handout(key=f"{message.key}:chart", person="", asked=asked))


def drawn(questions: Questions, stamp: str) -> File:
    """Bytes by day, as they are now."""
    chart = pictures.moved(questions)
    return File(name=f"summary-{stamp}.png", content=charts.png(chart), comment=chart.title, alt=chart.alt)
