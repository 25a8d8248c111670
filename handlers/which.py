"""The answer to which of several VMs is meant: the order goes on with that one, once, and of the one who gave it."""

from dataclasses import replace
from functools import partial

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.errors import CloudyError, NotAllowed
from bot.model import Json
from bot.service import Service
from handlers import blocks, ids, namesakes
from handlers.cards import Card
from handlers.namesakes import Answer
from handlers.orders import carry_out
from handlers.origin import Origin, of_click
from handlers.parse import Command, Verb
from handlers.teller import Teller
from handlers.whisper import after_ack_safe, whisper


def register(app: App, service: Service) -> None:
    """Listen."""
    app.action(ids.WHICH_VM)(after_ack_safe(partial(chosen, service, Teller())))


def chosen(service: Service, teller: Teller, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """One of the VMs; the answer comes where the question stands, so that it is not answered again."""
    origin, answer = of_click(body), namesakes.of_button(str(action.get("value") or ""))
    card = _carried_out(service, answer, origin)
    ack()
    url = str(body.get("response_url") or "")
    teller.tell(url, partial(blocks.render_card, card), partial(whisper, client, origin, card), replace=True)


def _carried_out(service: Service, answer: Answer, origin: Origin) -> Card:
    """The order, under one key for all buttons of the question."""
    if origin.actor.id != answer.by:
        raise NotAllowed(f"Somebody else was asked that. Ask yourself: {namesakes.typed(answer.request)}")
    order = Command(verb=Verb.RESTORE, restoring=answer.request)
    card = carry_out(service, order, replace(origin, key=f"{answer.key}:which"))
    if _vm_of(service, card) in ("", answer.request.what):
        return card
    return replace(card, lines=("You had chosen already; the first choice counts.", *card.lines))


def _vm_of(service: Service, card: Card) -> str:
    """Of which VM the order is; "": its recovery point is gone by now."""
    try:
        return service.recoverable.point(card.transaction)[0].uuid
    except CloudyError:
        return ""
