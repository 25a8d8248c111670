"""Slash commands: `/protect` and `/cloudy`. The answer rides in the acknowledgement; nothing remote is called."""

from functools import partial

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.model import Json
from bot.service import Service
from handlers import blocks, forms, parse
from handlers.orders import carry_out
from handlers.origin import of_command
from handlers.whisper import after_ack_safe


def register(app: App, service: Service) -> None:
    """Listen."""
    app.command("/protect")(after_ack_safe(partial(protect, service)))
    app.command("/cloudy")(after_ack_safe(partial(cloudy, service)))


def protect(service: Service, ack: Ack, command: Json, client: WebClient) -> None:
    """`/protect vm01 to s3`; alone it opens a form."""
    if parse.is_blank(command.get("text") or ""):
        _open_form(service, ack, command, client)
        return
    order = parse.Command(verb=parse.Verb.PROTECT, request=parse.protect(command.get("text") or ""))
    ack(**blocks.reply(carry_out(service, order, of_command(command))))


def cloudy(service: Service, ack: Ack, command: Json, client: WebClient) -> None:
    """`/cloudy help|status|runs|show|stop|protect ...`; `/cloudy protect` alone opens a form."""
    if parse.asks_form(command.get("text") or ""):
        _open_form(service, ack, command, client)
        return
    order = parse.cloudy(command.get("text") or "")
    ack(**blocks.reply(carry_out(service, order, of_command(command))))


def _open_form(service: Service, ack: Ack, command: Json, client: WebClient) -> None:
    ack()
    forms.open_protect(service, client, command["trigger_id"], of_command(command))
