"""Acting on the one element that a person points at: by its ids, as a graphical client does, not by its label."""

import threading
from dataclasses import dataclass
from typing import Any

from . import payloads
from .asking import Ack, Asking
from .elements import Element
from .people import User
from .surfaces import Spot, Surfaces
from .views import View, Views

Json = dict[str, Any]
_Held = dict[tuple[str, str], Json]


@dataclass(frozen=True, slots=True)
class Pointer:
    """An element of a message (channel, ts), or of a view."""

    block_id: str
    action_id: str
    channel: str = ""
    ts: str = ""
    view: str = ""


class Pointing:
    """Finds what is pointed at, then goes the way of Surfaces. Safe from any thread, not from a subscriber.

    LookupError: what is pointed at is not there, any more or for that person.
    """

    def __init__(self, asking: Asking, surfaces: Surfaces, views: Views) -> None:
        self._asking = asking
        self._surfaces = surfaces
        self._views = views
        self._lock = threading.Lock()
        self._held: dict[tuple[str, str, str], _Held] = {}  # by user, channel, ts: what was entered in a message

    def use(self, user: str, at: Pointer, value: Any) -> Ack:
        """Click it (value: None, or an overflow's option), or enter a value; a field of a form is only filled in.

        ValueError: it does not take that value.
        """
        spot, element = self._find(user, at)
        label = element.label or element.action_id
        if not element.has_value:
            return self._surfaces.act(spot, element, {"selected_option": value} if value else None, label)
        chosen = element.holding(value)
        (spot.view.typed if spot.view else spot.held)[element.key] = chosen
        return Ack(ok=True) if element.is_silent else self._surfaces.act(spot, element, chosen, label)

    def options(self, user: str, at: Pointer, text: str) -> list[Json]:
        """What the app suggests for a text typed into a menu; LookupError also: nothing came in time."""
        return self._surfaces.suggest(*self._find(user, at), text)

    def submit(self, user: str, view: str, entered: list[tuple[Pointer, Any]]) -> Ack:
        """Submit a modal with all that was entered in it."""
        top = self._top(user, view)
        fields = {element.key: element for element in top.elements if element.has_value}
        for at, value in entered:
            if element := fields.get((at.block_id, at.action_id)):
                top.typed[element.key] = element.holding(value)
        return self._surfaces.submit(user)

    def close(self, user: str, view: str) -> Ack:
        """Close a modal without submitting it."""
        self._top(user, view)
        return self._surfaces.close(user)

    def _top(self, user: str, view: str) -> View:
        top = self._views.top(self._asking.actor(user).id)
        if top is None or top.id != view:
            raise LookupError("That form is not open any more.")
        return top

    def _find(self, user: str, at: Pointer) -> tuple[Spot, Element]:
        actor = self._asking.actor(user)
        with self._asking.workspace.lock:
            spot, elements = self._in_view(actor, at) if at.view else self._in_message(actor, at)
        for element in elements:
            if element.key == (at.block_id, at.action_id) and element.is_for(actor.id):
                return spot, element
        raise LookupError("What you used has just changed or gone; look again.")

    def _in_view(self, actor: User, at: Pointer) -> tuple[Spot, list[Element]]:
        for view in (self._views.top(actor.id), self._views.home(actor.id)):
            if view is not None and view.id == at.view:
                return Spot(actor, view=view), view.elements
        raise LookupError("That is not open any more.")

    def _in_message(self, actor: User, at: Pointer) -> tuple[Spot, list[Element]]:
        place = self._asking.place_to_act(at.channel, actor)
        seen = (message for message in self._asking.workspace.visible(place.id, actor.id) if message.ts == at.ts)
        message = next(seen, None)
        if message is None:
            raise LookupError("That message is not there any more.")
        with self._lock:
            held = self._held.setdefault((actor.id, place.id, at.ts), {})
        return Spot(actor, place=place, message=message, held=held), list(payloads.buttons_of(message))
