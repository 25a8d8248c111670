"""Buttons: recorded, then acknowledged, then answered privately."""

from functools import partial

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.model import Choice, Json
from bot.service import Service
from handlers import answers, history, homeevents, ids
from handlers.homes import Homes
from handlers.origin import of_click
from handlers.whisper import after_ack_safe, tell_once


def register(app: App, service: Service, homes: Homes) -> None:
    """Listen."""
    app.action(ids.STOP)(after_ack_safe(partial(stop, service, homes)))
    app.action(ids.DETAILS)(after_ack_safe(partial(details, service)))
    app.action(ids.VERIFY)(after_ack_safe(partial(verify, service)))
    app.action(ids.RETRY)(after_ack_safe(partial(retry, service)))
    app.action(ids.APPROVE)(after_ack_safe(partial(decide, Choice.APPROVE, service, homes)))
    app.action(ids.VETO)(after_ack_safe(partial(decide, Choice.VETO, service, homes)))
    app.action(ids.REMOVE_ORPHANS)(after_ack_safe(partial(remove_orphans, service)))
    app.action(ids.AUDIT)(after_ack_safe(partial(audit, service)))


def decide(
    choice: Choice, service: Service, homes: Homes, ack: Ack, body: Json, action: Json, client: WebClient
) -> None:
    """The Approve, Confirm and Veto buttons; the value is the token of one approval, or of all on a card."""
    origin = of_click(body)
    with homeevents.seen_at_once(homes, body):
        decided = service.decide_all(action["value"], choice, origin.actor, request_key=origin.key)
    ack()
    tell_once(service, client, origin, answers.decided(decided, choice))


def stop(service: Service, homes: Homes, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """The Stop button of a root message; its value is the transaction id."""
    origin = of_click(body)
    with homeevents.seen_at_once(homes, body):
        transaction = service.stop(action["value"], origin.actor, request_key=origin.key, channel=origin.channel)
    ack()
    tell_once(service, client, origin, answers.stopping(transaction))


def details(service: Service, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """The Details button of a root message; its value is the transaction id."""
    origin = of_click(body)
    service.demand_reading("show", origin.actor, origin.channel)
    shown = service.show(action["value"])
    ack()
    tell_once(service, client, origin, answers.show(*shown))


def verify(service: Service, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """The Verify button of a receipt; its value is the transaction id."""
    origin = of_click(body)
    transaction = service.verify(action["value"], origin.actor, request_key=origin.key, place=origin.place)
    ack()
    tell_once(service, client, origin, answers.accepted([transaction]))


def retry(service: Service, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """The Retry button of what is held; its value is the transaction id."""
    origin = of_click(body)
    retried = service.again.retry(action["value"], origin.actor, request_key=origin.key, place=origin.place)
    ack()
    tell_once(service, client, origin, history.retried(retried))


def remove_orphans(service: Service, ack: Ack, body: Json, client: WebClient) -> None:
    """The Remove button of a list of what was left behind; what may go is judged anew."""
    origin = of_click(body)
    service.sweeps.ask(origin.actor, request_key=origin.key, place=origin.place, removes=True)
    ack()
    tell_once(service, client, origin, answers.sweeping(removes=True))


def audit(service: Service, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """The Show audit button of a receipt; its value is the transaction id."""
    origin = of_click(body)
    service.demand_reading("audit", origin.actor, origin.channel)
    ack()
    tell_once(service, client, origin, history.audit_answer(service, action["value"]))
