"""`/schedule`, `/schedules`, the same behind `/cloudy`, and the buttons under each schedule.

The acknowledgement carries the answer, in blocks that every Slack draws; a click draws the list anew in its place.
"""

from collections.abc import Callable
from functools import partial

from slack_bolt import Ack, App, BoltResponse
from slack_sdk import WebClient

from bot.model import Json
from bot.service import Service
from handlers import ids, parse, scheduleforms, schedulelists
from handlers.blocks import SECTIONS
from handlers.origin import Origin, of_click, of_command
from handlers.parse import Verb
from handlers.schedulelists import Asked, Listing
from handlers.scheduleorders import answer, carry_out, listed
from handlers.scheduling import Act, Scheduling
from handlers.teller import Teller
from handlers.whisper import after_ack_safe, is_unanswered, whisper

_BUTTONS = {
    ids.SCHEDULE_PAUSE: Act.PAUSE,
    ids.SCHEDULE_RESUME: Act.RESUME,
    ids.SCHEDULE_RUN: Act.RUN,
    ids.SCHEDULE_SKIP: Act.SKIP,
    ids.SCHEDULE_DELETE: Act.DELETE,
}


def register(app: App, service: Service) -> None:
    """Listen; before the listener of the other `/cloudy` commands."""
    teller = Teller()
    form = after_ack_safe(partial(open_form, service))
    for command, matchers in (("/schedule", []), ("/schedules", []), ("/cloudy", [is_about_schedules])):
        app.command(command, matchers=matchers, middleware=[partial(typed, service)])(form)
    for button, act in _BUTTONS.items():
        app.action(button)(after_ack_safe(partial(clicked, act, service, teller)))
    for turn in (ids.SCHEDULES_PREVIOUS, ids.SCHEDULES_NEXT):
        app.action(turn)(after_ack_safe(partial(turned, service, teller)))
    app.action(ids.SCHEDULE_EDIT)(after_ack_safe(partial(edited, service)))


def is_about_schedules(command: Json) -> bool:
    """Whether it is `/cloudy schedule ...` or `/cloudy schedules`."""
    words = (command.get("text") or "").split(maxsplit=1)
    return bool(words) and words[0].casefold() in (Verb.SCHEDULE, Verb.SCHEDULES)


def typed(service: Service, ack: Ack, command: Json, next: Callable[[], None]) -> BoltResponse | None:
    """`/schedule protect vm01 to s3 every day at 02:00`, `/schedules`; `/schedule` alone opens a form."""
    said = f"{command['command'].removeprefix('/').removeprefix('cloudy')} {command.get('text') or ''}".strip()
    if parse.form_asked(said) == Verb.SCHEDULE:
        next()
        return None
    drawn = schedulelists.draw(answer(service, parse.cloudy(said), of_command(command)), SECTIONS)
    return ack(text=drawn.text, blocks=list(drawn.blocks))


def open_form(service: Service, ack: Ack, command: Json, client: WebClient) -> None:
    """The form of `/schedule`, after the acknowledgement."""
    ack()
    scheduleforms.open_new(service, client, command["trigger_id"], of_command(command))


def clicked(act: Act, service: Service, teller: Teller, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """Pause, Resume, Run now, Skip next, Delete; then the list where it stood."""
    origin, asked = of_click(body), schedulelists.of_button(str(action.get("value") or ""))
    done = carry_out(service, Scheduling(act=act, id=asked.id, at=asked.at), origin)
    ack()
    page = Asked(text="" if act is Act.DELETE and asked.text == asked.id else asked.text, offset=asked.offset)
    _show(service, teller, client, listed(service, page, origin, (done.title, *done.said)), body, origin)


def turned(service: Service, teller: Teller, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """Previous or Next of the list; whoever turns a page must be allowed to read it now."""
    origin, asked = of_click(body), schedulelists.of_button(str(action.get("value") or ""))
    service.demand_reading("schedules", origin.actor, origin.channel)
    page = listed(service, asked, origin)
    ack()
    _show(service, teller, client, page, body, origin)


def edited(service: Service, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """Edit: the form, filled with what the schedule is."""
    asked = schedulelists.of_button(str(action.get("value") or ""))
    ack()
    scheduleforms.open_edit(service, client, str(body["trigger_id"]), of_click(body), asked.id)


def _show(service: Service, teller: Teller, client: WebClient, page: Listing, body: Json, origin: Origin) -> None:
    """Once for each delivery, where the button stands."""
    if not is_unanswered(service, origin):
        return
    otherwise = partial(whisper, client, origin, schedulelists.card(page))
    url = str(body.get("response_url") or "")
    teller.tell(url, partial(schedulelists.draw, page), otherwise, replace=True)
