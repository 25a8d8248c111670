"""Keeps App Homes as they should be: drawn when somebody looks, and again when something of theirs has changed.

One thread draws all of them, away from the listeners; each looker is looked after for an hour.
"""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.errors import CloudyError, NotAllowed
from bot.model import Actor, Json
from bot.overview import Shared, View
from bot.service import Service
from handlers import home
from handlers.cards import of_view

_log = logging.getLogger(__name__)

EVERY_S = 5.0  # how often a change is looked for
WATCHED_S = 3600.0  # after the last look of a person
APART_S = 1.0  # between two publications that nobody asked for: views.publish takes some 100 a minute
_MOST_AT_ONCE = 8  # lookers in one round
_EVENTS = 500  # that are known when they are delivered again, which Slack does for five minutes
_REFUSED_S = 60.0


@dataclass(slots=True)
class _Looker:
    """One person who looked lately."""

    actor: Actor
    view: View = field(default_factory=View)
    looked_at: float = 0.0
    due_at: float = 0.0
    is_asked: bool = False  # draw it even if nothing has changed
    drawn: str = ""  # as it was published last
    drawn_at: float = 0.0


class Homes:
    """May be asked from any thread; the drawing thread starts with the first look."""

    def __init__(self, client: WebClient, service: Service, now: Callable[[], float] = time.monotonic) -> None:
        """now: seconds."""
        self._client = client
        self._service = service
        self._now = now
        self._lock = threading.Lock()
        self._rounds = threading.Lock()  # held for a whole round: what was published is known before the next looks
        self._events: deque[str] = deque(maxlen=_EVENTS)
        self._lookers: dict[str, _Looker] = {}
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._next_at = 0.0  # for a publication that nobody asked for
        self._paused_until = 0.0  # Slack wants a rest

    def look(self, user: str, view: View | None = None, *, event: str = "") -> None:
        """Somebody looks: draw it soon; with another part of the list, if that was asked for.

        event: id of the delivery that says so; the same one again is old news, of a list that was turned since.
        """
        with self._lock:
            if event and event in self._events:
                return
            self._events.extend([event] if event else [])
            looker = self._watched(user)
            looker.view = looker.view if view is None else view
            looker.is_asked = True
        self._wake.set()

    def touch(self, user: str, view: View) -> None:
        """Somebody did something there: what changes by that is drawn, also if the last look was long ago.

        view: what of the list stands there.
        """
        with self._lock:
            is_known = user in self._lookers
            looker = self._watched(user)
            looker.view = looker.view if is_known else view
        self._wake.set()

    def _watched(self, user: str) -> _Looker:
        looker = self._lookers.setdefault(user, _Looker(Actor(id=user, name=user, source="slack")))
        looker.looked_at = looker.due_at = self._now()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="homes", daemon=True)
            self._thread.start()
        return looker

    def close(self) -> None:
        """Draw no more; returns soon."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(EVERY_S)
            self._wake.clear()
            self.round()

    def round(self) -> None:
        """Draw what is due; rounds of several threads come one after the other."""
        seen: dict[View, Shared] = {}  # what several people see is read once
        with self._rounds:
            for looker in self._due():
                if self._stop.is_set():
                    return
                self._draw_safely(looker, seen)

    def _draw_safely(self, looker: _Looker, seen: dict[View, Shared]) -> None:
        try:
            self._draw(looker, seen)
        except Exception:  # noqa: BLE001 - whatever it is: the others' are drawn, and this one in a later round
            _log.exception("an App Home was not drawn", extra={"action": "home"})
            looker.is_asked = True

    def _due(self) -> list[_Looker]:
        """Who asked first, then whose was drawn longest ago, so that nobody waits for ever behind others."""
        now = self._now()
        with self._lock:
            if now < self._paused_until:
                return []
            lookers = {user: each for user, each in self._lookers.items() if now - each.looked_at <= WATCHED_S}
            self._lookers = lookers
            due = [each for each in lookers.values() if each.due_at <= now]
            due.sort(key=lambda each: (not each.is_asked, each.drawn_at))
            if len(due) > _MOST_AT_ONCE:
                self._wake.set()
            return due[:_MOST_AT_ONCE]

    def _draw(self, looker: _Looker, seen: dict[View, Shared]) -> None:
        with self._lock:
            view, is_asked, looker.is_asked = looker.view, looker.is_asked, False
            looker.due_at = self._now() + EVERY_S
        try:
            drawn = self._drawn(looker.actor, view, seen)
        except CloudyError as error:
            _log.warning("an App Home was not drawn", extra={"action": "home", "error": error.message})
            looker.is_asked = looker.is_asked or is_asked
            return
        text = json.dumps(drawn)
        if is_asked or (text != looker.drawn and self._now() >= self._next_at):
            self._publish(looker, drawn, text)

    def _publish(self, looker: _Looker, drawn: Json, text: str) -> None:
        self._next_at = self._now() + APART_S
        wait_s = self._published(looker.actor.id, drawn)
        with self._lock:
            if wait_s is None:
                looker.drawn, looker.drawn_at = text, self._now()
            else:
                looker.is_asked = True
                looker.due_at = self._now() + max(wait_s, EVERY_S)

    def _drawn(self, actor: Actor, view: View, seen: dict[View, Shared]) -> Json:
        try:
            self._service.demand_reading("status", actor, "")
        except NotAllowed as refusal:
            return home.refused(refusal.message)
        if view not in seen:
            seen[view] = self._service.shared_overview(view)
        running = self._service.running(actor)
        cards = tuple(map(of_view, self._service.cards_waiting(actor)))
        may_restore = self._service.barred("restore", actor, "") is None
        return home.draw(home.Home(running=running, shared=seen[view], waiting=cards, may_restore=may_restore))

    def _published(self, user: str, drawn: Json) -> float | None:
        """None: done. Else in how many seconds it may be tried again."""
        try:
            self._client.views_publish(user_id=user, view=drawn)
        except SlackApiError as error:
            _log.warning("an App Home was refused", extra={"action": "home", "error": str(error.response.get("error"))})
            if error.response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                return _REFUSED_S
            self._paused_until = self._now() + _asked_wait_s(error)
        except (SlackClientError, OSError, HTTPException) as error:
            _log.warning("an App Home was not delivered", extra={"action": "home", "error": type(error).__name__})
        else:
            return None
        return EVERY_S


def _asked_wait_s(error: SlackApiError) -> float:
    asked = next((value for name, value in error.response.headers.items() if name.lower() == "retry-after"), "")
    return min(float(asked), WATCHED_S) if str(asked).isdigit() else _REFUSED_S
