"""Questions with long answers: `/vms`, `/recovery-points`, `/audit`, the same behind `/cloudy`, and turning pages.

The acknowledgement says how many rows there are, in text alone, since nothing that is refused there can be sent again;
the table follows over the response_url, where it can, drawn simpler. A longer list comes as a file besides.
"""

import dataclasses
from functools import partial

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.errors import BusyError
from bot.model import Handout, Json
from bot.service import Service
from handlers import asked, charts, ids, lists, parse, tables
from handlers.asked import Inquiry
from handlers.origin import Origin, of_click, of_command
from handlers.teller import Teller
from handlers.whisper import after_ack_safe, is_unanswered, whisper

COMMANDS = {f"/{verb}": verb for verb in (asked.VMS, asked.POINTS, asked.AUDIT)}


def register(app: App, service: Service) -> None:
    """Listen; before the listener of the other `/cloudy` commands."""
    teller = Teller()
    listener = after_ack_safe(partial(ask, service, teller))
    for command in COMMANDS:
        app.command(command)(listener)
    app.command("/cloudy", matchers=[is_inquiry])(listener)
    for action in (ids.PREVIOUS_PAGE, ids.NEXT_PAGE):
        app.action(action)(after_ack_safe(partial(turn, service, teller)))


def is_inquiry(command: Json) -> bool:
    """Whether it is `/cloudy vms` and the like."""
    words = (command.get("text") or "").split(maxsplit=1)
    return bool(words) and words[0].casefold() in (*asked.USAGES, *asked.ALIASES)


def ask(service: Service, teller: Teller, ack: Ack, command: Json, client: WebClient) -> None:
    """`/vms late`, `/cloudy vms late`."""
    verb = COMMANDS.get(command["command"], "")
    order = parse.cloudy(f"{verb} {command.get('text') or ''}".strip())
    assert order.inquiry is not None  # noqa: S101 - parse gives one with these verbs
    origin = of_command(command)
    table = _answer(service, order.inquiry, origin)
    ack(text=_said(service, table, order.inquiry, origin))
    _show(service, teller, client, table, origin, str(command.get("response_url") or ""))


def turn(service: Service, teller: Teller, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """Previous or Next of a table; the page is drawn where the one before stands."""
    origin = of_click(body)
    table = _answer(service, asked.of_button(str(action.get("value") or "")), origin)
    ack()
    _show(service, teller, client, table, origin, str(body.get("response_url") or ""), replace=True)


def _answer(service: Service, inquiry: Inquiry, origin: Origin) -> tables.Table:
    """Whoever turns a page must be allowed to read it now."""
    service.demand_reading(inquiry.verb, origin.actor, origin.channel)
    table = lists.table(service.questions, inquiry, service.now())
    if table.menu and service.barred("restore", origin.actor, origin.channel):
        table = dataclasses.replace(table, menu=None)
    return table


def _said(service: Service, table: tables.Table, inquiry: Inquiry, origin: Origin) -> str:
    """The acknowledgement, after the file was promised."""
    text = f"{tables.headline(table)}." + (" The list follows." if table.rows else "")
    return "\n".join([text, *promised(service, table.total, inquiry, origin)])


def promised(service: Service, total: int, inquiry: Inquiry, origin: Origin) -> tuple[str, ...]:
    """Promise the file that comes besides, and say so; nothing where none comes."""
    is_chart = inquiry.verb == asked.CHART
    if not (charts.is_there() if is_chart else total > lists.SHEET_FROM):
        return ()
    handout = Handout(key=origin.key, person=origin.actor.id, asked=asked.to_json(inquiry))
    try:
        service.handouts.promise(handout)
    except BusyError:
        return ("Cloudy is busy, so it does not come as a file; ask again for one.",)
    what = "A picture of it" if is_chart else "All of it"
    return (f"{what} comes as a {'PNG' if is_chart else 'CSV'} file to your conversation with Cloudy.",)


def _show(
    service: Service, teller: Teller, client: WebClient, table: tables.Table, origin: Origin, url: str,
    *, replace: bool = False,
) -> None:  # fmt: skip
    """Once for each delivery."""
    if not is_unanswered(service, origin):
        return
    otherwise = partial(whisper, client, origin, tables.card(table))
    teller.tell(url, partial(tables.draw, table), otherwise, replace=replace)
