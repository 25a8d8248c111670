"""Shortcuts: the form from anywhere, and the transaction that a message tells of. Labels and ids: handlers.ids."""

from functools import partial

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.model import Json
from bot.service import Service
from handlers import answers, forms, ids, restoreforms
from handlers.origin import of_shortcut
from handlers.whisper import after_ack_safe, tell_once


def register(app: App, service: Service) -> None:
    """Listen."""
    app.global_shortcut(ids.PROTECT_SHORTCUT)(after_ack_safe(partial(protect, service)))
    app.global_shortcut(ids.RESTORE_SHORTCUT)(after_ack_safe(partial(restore, service)))
    app.message_shortcut(ids.SHOW_SHORTCUT)(after_ack_safe(partial(show, service)))


def protect(service: Service, ack: Ack, body: Json, client: WebClient) -> None:
    """ "Protect a VM", from anywhere."""
    ack()
    forms.open_protect(service, client, str(body["trigger_id"]), of_shortcut(body))


def restore(service: Service, ack: Ack, body: Json, client: WebClient) -> None:
    """ "Restore a VM", from anywhere."""
    ack()
    restoreforms.open_restore(service, client, str(body["trigger_id"]), of_shortcut(body))


def show(service: Service, ack: Ack, body: Json, client: WebClient) -> None:
    """ "Show this transaction", on any message of its thread."""
    origin, message = of_shortcut(body), body["message"]
    service.demand_reading("show", origin.actor, origin.channel)
    shown = service.show_message(origin.channel, str(message["ts"]), str(message.get("thread_ts") or ""))
    ack()
    tell_once(service, client, origin, answers.show(*shown))
