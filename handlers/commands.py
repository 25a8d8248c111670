"""Slash commands: `/protect`, `/restore`, `/cloudy` and others. The answer rides in the acknowledgement."""

from collections.abc import Callable
from functools import partial

from slack_bolt import Ack, App, BoltResponse
from slack_sdk import WebClient

from bot.model import Json
from bot.service import Service
from handlers import blocks, forms, parse, restoreforms
from handlers.orders import carry_out
from handlers.origin import of_command
from handlers.whisper import after_ack_safe


def register(app: App, service: Service) -> None:
    """Listen. The middleware answers at once, in the thread that the request came in by; a form needs a listener.

    Bolt hands a listener to a thread of its own and looks every 10 ms whether it has acknowledged.
    """
    form = after_ack_safe(partial(open_form, service))
    app.command("/protect", middleware=[partial(protect, service)])(form)
    app.command("/restore", middleware=[partial(restore, service)])(after_ack_safe(partial(open_restore, service)))
    for name in ("/drill", "/verify", "/summary", "/retention"):
        app.command(name, middleware=[partial(named, service)])(form)
    app.command("/cloudy", middleware=[partial(cloudy, service)])(form)


def protect(service: Service, ack: Ack, command: Json, next: Callable[[], None]) -> BoltResponse | None:
    """`/protect vm01 to s3`; alone it opens a form."""
    if parse.is_blank(command.get("text") or ""):
        next()
        return None
    order = parse.Command(verb=parse.Verb.PROTECT, request=parse.protect(command.get("text") or ""))
    return ack(**blocks.reply(carry_out(service, order, of_command(command))))


def restore(service: Service, ack: Ack, command: Json, next: Callable[[], None]) -> BoltResponse | None:
    """`/restore vm01 to vmstore2 as vm01-restored`; alone it opens a form."""
    if parse.is_blank(command.get("text") or ""):
        next()
        return None
    order = parse.Command(verb=parse.Verb.RESTORE, restoring=parse.restore(command.get("text") or ""))
    return ack(**blocks.reply(carry_out(service, order, of_command(command))))


def named(service: Service, ack: Ack, command: Json) -> BoltResponse:
    """`/drill vm01`, `/verify 7f3k9q deep`: as `/cloudy drill vm01`."""
    order = parse.cloudy(f"{command['command'].removeprefix('/')} {command.get('text') or ''}")
    return ack(**blocks.reply(carry_out(service, order, of_command(command))))


def cloudy(service: Service, ack: Ack, command: Json, next: Callable[[], None]) -> BoltResponse | None:
    """`/cloudy help|status|runs|show|stop|protect ...`; `/cloudy protect` or `restore` alone opens a form."""
    if parse.form_asked(command.get("text") or ""):
        next()
        return None
    order = parse.cloudy(command.get("text") or "")
    return ack(**blocks.reply(carry_out(service, order, of_command(command))))


def open_form(service: Service, ack: Ack, command: Json, client: WebClient) -> None:
    """The form of `/protect` or of `/cloudy restore`, after the acknowledgement."""
    if parse.form_asked(command.get("text") or "") == parse.Verb.RESTORE:
        open_restore(service, ack, command, client)
        return
    ack()
    forms.open_protect(service, client, command["trigger_id"], of_command(command))


def open_restore(service: Service, ack: Ack, command: Json, client: WebClient) -> None:
    """The form of `/restore`, after the acknowledgement."""
    ack()
    restoreforms.open_restore(service, client, command["trigger_id"], of_command(command))
