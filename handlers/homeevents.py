"""The App Home's listeners: somebody looks, filters, turns a page, asks for the form."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.model import Json
from bot.overview import View
from bot.service import Service
from handlers import forms, home, ids, restoreforms
from handlers.homes import Homes
from handlers.origin import of_click
from handlers.whisper import after_ack_safe


def register(app: App, service: Service, homes: Homes) -> None:
    """Listen."""
    app.use(partial(touched, homes))
    app.event("app_home_opened")(partial(opened, homes))
    app.action(ids.HOME_FILTER)(after_ack_safe(partial(filtered, homes)))
    for turn in (ids.HOME_PREVIOUS, ids.HOME_NEXT):
        app.action(turn)(after_ack_safe(partial(turned, homes)))
    app.action(ids.HOME_PROTECT)(after_ack_safe(partial(protect, service)))
    app.action(ids.HOME_RESTORE)(after_ack_safe(partial(restore, service)))


def touched(homes: Homes, body: Json, next_: Callable[[], None]) -> None:
    """Any button there, also one that stands on other messages: what it changes must be seen there."""
    if _stands_there(body):
        homes.touch(str(body["user"]["id"]), home.view_of(str(body["view"].get("private_metadata") or "")))
    next_()


@contextmanager
def seen_at_once(homes: Homes, body: Json) -> Iterator[None]:
    """Whatever a button does inside, or does not do: if it stands there, that is drawn anew right after."""
    try:
        yield
    finally:
        if _stands_there(body):
            homes.look(str(body["user"]["id"]))


def _stands_there(body: Json) -> bool:
    return body.get("type") == "block_actions" and (body.get("view") or {}).get("type") == "home"


def opened(homes: Homes, body: Json, event: Json) -> None:
    """Somebody looks at it; the other tab of the App Home is the conversation, and draws itself."""
    if event.get("tab", "home") == "home" and event.get("user"):
        before = (event.get("view") or {}).get("private_metadata")
        homes.look(str(event["user"]), home.view_of(before) if before else None, event=str(body.get("event_id") or ""))


def filtered(homes: Homes, ack: Ack, body: Json, action: Json) -> None:
    """Which VMs the list shows."""
    ack()
    chosen = str((action.get("selected_option") or {}).get("value", ""))
    homes.look(str(body["user"]["id"]), View(kind=home.kind_chosen(chosen)))


def turned(homes: Homes, ack: Ack, body: Json, action: Json) -> None:
    """A page of the list."""
    ack()
    homes.look(str(body["user"]["id"]), home.view_of(str(action.get("value", ""))))


def protect(service: Service, ack: Ack, body: Json, client: WebClient) -> None:
    """ "Protect a VM"."""
    ack()
    forms.open_protect(service, client, str(body["trigger_id"]), of_click(body))


def restore(service: Service, ack: Ack, body: Json, client: WebClient) -> None:
    """ "Restore a VM"."""
    ack()
    restoreforms.open_restore(service, client, str(body["trigger_id"]), of_click(body))
