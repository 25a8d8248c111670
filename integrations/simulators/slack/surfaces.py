"""Acting as a person on what the app has drawn: buttons and menus in messages, modals, the App Home, shortcuts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import payloads
from .answers import Origin
from .asking import Ack, Asking
from .blocks import problems_of
from .call import SlackError
from .delivery import Outcome
from .elements import Element, state_of
from .people import Channel, User
from .views import View, Views
from .workspace import Message

Json = dict[str, Any]

HOME = "home"  # in place of a channel: the App Home
_INCOMPLETE = "Please complete this required field."
_TROUBLE = "We had some trouble connecting. Try again?"


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an element stands: in a message of a place, or in a view; held is what was entered in the message."""

    actor: User
    view: View | None = None
    place: Channel | None = None
    message: Message | None = None
    held: dict[tuple[str, str], Json] = field(default_factory=dict)


class Surfaces:
    """What the people of the workspace click, choose and fill in. Safe from any thread, not from a subscriber."""

    def __init__(self, asking: Asking, views: Views) -> None:
        self._asking = asking
        self._views = views
        self._workspace = asking.workspace

    def click(self, user: str, label: str, channel: str = "ops") -> Ack:
        """Click the newest button, or entry of a menu, of that label: in the open modal if there is one.

        LookupError: there is none that the user sees.
        """
        actor = self._asking.actor(user)
        view = self._before(actor, channel)
        if view is not None and view.kind == "modal":
            if label == _label(view, "submit"):
                return self.submit(user)
            if label == _label(view, "close"):
                return self.close(user)
        spot, element = self._find(actor, channel, lambda one: _is_clickable(one, label), f'button "{label}"')
        option = element.option(label) if element.kind == "overflow" else None
        return self.act(spot, element, {"selected_option": option} if option else None, label)

    def choose(self, user: str, name: str, value: str, channel: str = "ops") -> Ack:
        """Choose in the newest menu or picker of that label, placeholder or action_id. LookupError: there is none."""
        actor = self._asking.actor(user)
        spot, element = self._find(actor, channel, lambda one: one.has_value and name in one.names, f'field "{name}"')
        chosen = element.entered(value, _Lookup(self._asking, self, spot))
        if spot.view is not None:
            spot.view.typed[element.key] = chosen
        return self.act(spot, element, chosen, value)

    def fill(self, user: str, name: str, value: str) -> Ack:
        """Fill in a field of the open modal; "" empties it. LookupError: there is no modal or no such field."""
        actor = self._asking.actor(user)
        view = self._open_modal(actor)
        fields = [element for element in view.elements if element.has_value]
        element = next((one for one in fields if name in one.names), None)
        if element is None:
            there = ", ".join(f'"{one.label or one.action_id}"' for one in fields) or "none at all"
            raise LookupError(f'There is no field "{name}" in the open modal; there is: {there}.')
        spot = Spot(actor, view=view)
        view.typed[element.key] = element.entered(value, _Lookup(self._asking, self, spot))
        if element.is_silent:
            return Ack(ok=True)
        return self.act(spot, element, view.typed[element.key], name)

    def options(self, user: str, name: str, text: str, channel: str = "ops") -> list[str]:
        """What the app suggests for a text typed into a menu. LookupError: no such menu, or nothing came in time."""
        actor = self._asking.actor(user)
        spot, element = self._find(actor, channel, lambda one: name in one.names, f'menu "{name}"')
        return [str(option["text"]["text"]) for option in self.suggest(spot, element, text)]

    def submit(self, user: str) -> Ack:
        """Submit the open modal; text is what the app found wrong with it. LookupError: none is open, or cannot be."""
        actor = self._asking.actor(user)
        view = self._open_modal(actor)
        if not view.body.get("submit"):
            raise LookupError(f"The modal before {actor.name} has no button that submits it.")
        view.errors = {}
        empty = [one for one in view.elements if not one.is_optional and one.has_value and _is_empty(view, one)]
        if empty:
            view.errors = {one.block_id: _INCOMPLETE for one in empty}
            self._views.changed(actor.id)
            labels = ", ".join(one.label for one in empty)
            return Ack(ok=False, error="incomplete", text=f"Please complete the required fields: {labels}")
        self._asking.record.add("submit", str(view.body.get("callback_id")), args={"user": actor.name, "view": view.id})
        outcome = self._interact("view_submission", actor, view=view.to_api(), response_urls=[])
        if outcome.error:
            return self._trouble(view, outcome.error)
        try:
            with self._workspace.lock:
                return self._answered(view, outcome.payload or {})
        except SlackError:
            return self._trouble(view, "invalid_response")

    def close(self, user: str) -> Ack:
        """Close the open modal, as by its X or its close button. LookupError: none is open."""
        actor = self._asking.actor(user)
        view = self._open_modal(actor)
        shape = view.to_api()
        self._asking.record.add("close", str(view.body.get("callback_id")), args={"user": actor.name, "view": view.id})
        with self._workspace.lock:
            self._views.clear(actor.id) if view.body.get("clear_on_close") else self._views.close(view)
        if not view.body.get("notify_on_close"):
            return Ack(ok=True)
        is_cleared = bool(view.body.get("clear_on_close"))
        outcome = self._interact("view_closed", actor, view=shape, is_cleared=is_cleared)
        return Ack(ok=not outcome.error, error=outcome.error or None)

    def open_home(self, user: str) -> Ack:
        """Look at the App Home; text is what it shows once the app has taken the event."""
        actor = self._asking.actor(user)
        direct = self._workspace.direct_channel(actor)
        event = payloads.app_home_opened(actor, direct, self._views.home(actor.id))
        outcome = self._asking.tell("app_home_opened", event)
        return Ack(ok=not outcome.error, text=self.home(user), error=outcome.error or None)

    def home(self, user: str) -> str | None:
        """What the App Home shows to a user; None where the app has published none."""
        with self._workspace.lock:
            view = self._views.home(self._asking.actor(user).id)
            return self._views.shown(view) if view else None

    def modal(self, user: str) -> str | None:
        """The open modal as the user sees it; None where none is open."""
        with self._workspace.lock:
            view = self._views.top(self._asking.actor(user).id)
            return self._views.shown(view) if view else None

    def shortcut(self, user: str, callback_id: str, channel: str = "", ts: str = "") -> Ack:
        """Use a global shortcut, or with channel and ts a message's. LookupError: there is no such message."""
        actor = self._asking.actor(user)
        self._asking.record.add("shortcut", callback_id, args={"user": actor.name, "channel": channel, "ts": ts})
        if not ts:
            outcome = self._interact("shortcut", actor, callback_id=callback_id, action_ts="0")
            return Ack(ok=not outcome.error, error=outcome.error or None)
        place = self._asking.place_to_act(channel, actor)
        message = self._workspace.find_message(place.id, ts)
        if message is None:
            raise LookupError(f"There is no message {ts} in #{place.name}.")
        origin = Origin(place.id, actor.id, message.thread_ts)
        seen = self._workspace.to_api(message)
        where = payloads.in_message(place, message, seen) | {"message_ts": ts, "action_ts": ts}
        url = self._asking.answers.open_url(origin)
        outcome = self._interact("message_action", actor, callback_id=callback_id, response_url=url, **where)
        return self._asking.shown(origin, "The shortcut", Outcome(outcome.error))

    def suggest(self, spot: Spot, element: Element, text: str) -> list[Json]:
        """Ask the app for a menu's options. LookupError: none came, or Slack would not take them."""
        where = {"action_id": element.action_id, "block_id": element.block_id, "value": text}
        outcome = self._interact("block_suggestion", spot.actor, **where, **self._where(spot))
        answer = outcome.payload or {}
        groups = answer.get("option_groups") or []
        options = [*(answer.get("options") or []), *(one for group in groups for one in group.get("options") or [])]
        menu = {"type": "static_select", "action_id": "a", "options": options}
        wrong = problems_of([{"type": "actions", "elements": [menu]}]) if options else []
        if outcome.error or wrong:
            why = outcome.error or wrong[0].to_line()
            raise LookupError(f"No suggestions could be loaded for {element.label or element.action_id}: {why}")
        return options

    # --- finding ---

    def _before(self, actor: User, channel: str) -> View | None:
        """The view that the actor looks at: an open modal covers all else."""
        return self._views.top(actor.id) or (self._views.home(actor.id) if channel == HOME else None)

    def _open_modal(self, actor: User) -> View:
        view = self._views.top(actor.id)
        if view is None:
            raise LookupError(f"{actor.name} has no modal open.")
        return view

    def _find(self, actor: User, channel: str, fits: Callable[[Element], bool], what: str) -> tuple[Spot, Element]:
        with self._workspace.lock:
            view = self._before(actor, channel)
            if view is not None:
                where, found = f"the {view.kind}", [(Spot(actor, view=view), one) for one in view.elements]
            elif channel == HOME:
                raise LookupError(f"There is no App Home for {actor.name} yet.")
            else:
                place = self._asking.place_to_act(channel, actor)
                where, found = f"#{place.name}", self._in_messages(actor, place)
        for spot, element in found:
            if fits(element):
                return spot, element
        labels = ", ".join(dict.fromkeys(f'"{one.label or one.action_id}"' for _, one in found)) or "none at all"
        raise LookupError(f"There is no {what} that {actor.name} sees in {where}; there is: {labels}.")

    def _in_messages(self, actor: User, place: Channel) -> list[tuple[Spot, Element]]:
        seen = reversed(self._workspace.visible(place.id, actor.id))
        spots = ((Spot(actor, place=place, message=message), message) for message in seen)
        return [(spot, one) for spot, message in spots for one in payloads.buttons_of(message) if one.is_for(actor.id)]

    # --- acting ---

    def act(self, spot: Spot, element: Element, chosen: Json | None, label: str) -> Ack:
        """Tell the app that an element was used."""
        args = {"user": spot.actor.name, "label": label, "view": spot.view.id if spot.view else None}
        if spot.message is not None and spot.place is not None:
            args |= {"channel": spot.place.name, "ts": spot.message.ts}
        self._asking.record.add("click", element.action_id, args=args)
        where = self._where(spot)
        outcome = self._interact("block_actions", spot.actor, actions=[payloads.action(element, chosen)], **where)
        if spot.view is not None:
            return self._trouble(spot.view, outcome.error) if outcome.error else Ack(ok=True)
        return self._asking.shown(self._origin(spot), f'The button "{label}"', Outcome(outcome.error))

    def _where(self, spot: Spot) -> Json:
        """Where an element stands, as a payload says it."""
        if spot.view is not None:
            return payloads.in_view(spot.view)
        if spot.message is None or spot.place is None:
            raise LookupError("An element stands in a view or in a message.")
        with self._workspace.lock:
            seen = None if spot.message.only_for else self._workspace.to_api(spot.message)
        url = self._asking.answers.open_url(self._origin(spot))
        state = state_of(spot.message.blocks, spot.held)
        return {**payloads.in_message(spot.place, spot.message, seen), "response_url": url, "state": state}

    def _origin(self, spot: Spot) -> Origin:
        message, place = spot.message, spot.place
        thread_ts = message.thread_ts if message else ""
        return Origin(place.id if place else "", spot.actor.id, thread_ts, message)

    def _interact(self, kind: str, actor: User, **more: Any) -> Outcome:
        trigger = (
            {} if kind in ("view_closed", "block_suggestion") else {"trigger_id": self._asking.triggers.open(actor.id)}
        )
        return self._asking.interact(payloads.interaction(kind, actor, **trigger, **more))

    # --- showing ---

    def _answered(self, view: View, payload: Json) -> Ack:
        """Do what the app answered to a submission. SlackError: it cannot be done."""
        what = payload.get("response_action")
        if what == "errors":
            return self._told_wrong(view, payload.get("errors"))
        if what == "update":
            self._views.replace(view, payload.get("view"))
        elif what == "push":
            self._views.push_onto(view, payload.get("view"))
        elif what == "clear":
            self._views.clear(view.user)
        elif what is None:
            self._views.close(view)
        else:
            raise SlackError("invalid_response")
        return Ack(ok=True)

    def _told_wrong(self, view: View, errors: Any) -> Ack:
        labels = {element.block_id: element.label for element in view.elements}
        if not isinstance(errors, dict) or not errors or not set(errors) <= set(labels):
            raise SlackError("invalid_response")
        text = "\n".join(f"{labels[block]}: {words}" for block, words in errors.items())
        view.errors = {block: str(words) for block, words in errors.items()}
        self._views.tell(view, "posted", text)
        return Ack(ok=True, text=text)

    def _trouble(self, view: View, error: str) -> Ack:
        self._views.tell(view, "posted", _TROUBLE)
        return Ack(ok=False, error=error, text=_TROUBLE)


@dataclass(frozen=True, slots=True)
class _Lookup:
    """What a choice may stand for; see elements.Directory."""

    asking: Asking
    surfaces: Surfaces
    spot: Spot

    def user_id(self, name: str) -> str:
        return self.asking.actor(name).id

    def channel_id(self, name: str) -> str:
        return self.asking.place(name).id

    def suggest(self, element: Element, text: str) -> list[Json]:
        return self.surfaces.suggest(self.spot, element, text)


def _is_clickable(element: Element, label: str) -> bool:
    if element.kind == "overflow":
        return element.option(label) is not None
    return not element.has_value and element.label == label


def _is_empty(view: View, element: Element) -> bool:
    return element.is_empty(view.typed.get(element.key) or element.first())


def _label(view: View, key: str) -> str:
    return str((view.body.get(key) or {}).get("text", ""))
