"""The forms behind Snooze… and Assign…: how they are drawn, and what was filled in."""

import json
from datetime import timedelta

from bot.errors import CloudyError, RequesterError
from bot.model import Json, Place
from bot.service import Service
from handlers import ids, modals, views
from handlers.modals import Form

UNTIL, REASON, WHO = "until", "reason", "who"  # blocks
_USUALLY = timedelta(days=7)


def snooze(service: Service, about: str, message: Place, _user: str) -> Form:
    """Until when, and why."""

    def draw(_channel: str) -> Json:
        day = f"{service.now() + _USUALLY:%Y-%m-%d}"
        fields = [
            _what(service, about),
            views.input_block(UNTIL, "Until", {"type": "datepicker", "initial_date": day}),
            views.input_block(
                REASON,
                "Reason",
                {"type": "plain_text_input", "max_length": 500, "placeholder": views.plain("Why it can wait")},
            ),
        ]
        return _form("Snooze", ids.SNOOZE_FORM, "Snooze", fields, about, message)

    return Form(title="Snooze", command="snooze", usage="/cloudy snooze <vm> 3d because <reason>", draw=draw)


def assign(service: Service, about: str, message: Place, user: str) -> Form:
    """To whom."""

    def draw(_channel: str) -> Json:
        who: Json = {"type": "users_select", "initial_user": user, "placeholder": views.plain("Who takes care of it")}
        fields = [_what(service, about), views.input_block(WHO, "Who", who)]
        return _form("Assign", ids.ASSIGN_FORM, "Assign", fields, about, message)

    return Form(title="Assign", command="assign", usage="/cloudy assign <vm> to <@person>", draw=draw)


def _what(service: Service, about: str) -> Json:
    return {"type": "section", "text": views.plain(service.concerns.said(about))}


def _form(title: str, callback: str, submit: str, fields: list[Json], about: str, message: Place) -> Json:
    memo = json.dumps({"about": about, "channel": message.channel, "ts": message.thread})
    frame = views.modal(title) | {
        "callback_id": callback,
        "submit": views.plain(submit),
        "close": views.plain("Cancel"),
    }
    return {**frame, "private_metadata": memo, "blocks": fields}


def memo_of(view: Json) -> tuple[str, Place]:
    """What the form is about, and which message it was opened from; what came back may be anything."""
    try:
        told = json.loads(view.get("private_metadata") or "{}")
        return str(told.get("about", "")), Place(channel=modals.channel_of(view), thread=str(told.get("ts", "")))
    except (ValueError, AttributeError):
        return "", Place()


def until_of(values: Json) -> str:
    """The day; the form cannot be sent off without one."""
    return str(modals.held(values, UNTIL).get("selected_date") or "")


def reason_of(values: Json) -> str:
    """Why."""
    return str(modals.held(values, REASON).get("value") or "")


def user_of(values: Json) -> str:
    """To whom."""
    return str(modals.held(values, WHO).get("selected_user") or "")


def field_of(view: Json, error: CloudyError) -> str:
    """Beside which field an error belongs."""
    if view.get("callback_id") == ids.ASSIGN_FORM:
        return WHO
    return UNTIL if type(error) is RequesterError or "is no time" in error.message else REASON
