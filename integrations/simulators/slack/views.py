"""Modals and App Homes: views.open, push, update and publish, and what each person has open.

Source: https://docs.slack.dev/surfaces/modals and the method pages of views.*.
"""

import copy
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .blocks import view_problems
from .call import Call, SlackError
from .elements import Element, elements_of, shown_value, state_of
from .people import APP_ID, BOT_ID, BOT_USER_ID, TEAM_ID
from .render import render
from .triggers import Triggers
from .workspace import Change, Workspace

Json = dict[str, Any]

_MOST_BYTES = 250_000
_DEEPEST = 3  # the opened one and two pushed onto it


@dataclass(slots=True, eq=False)
class View:
    """One modal or App Home as it stands for one person; body is what the app sent, with ids filled in."""

    id: str
    user: str
    body: Json
    hash: str
    root_id: str = ""
    previous_id: str = ""
    typed: dict[tuple[str, str], Json] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)  # by block_id, since the last submission

    @property
    def kind(self) -> str:
        """ "modal" or "home"."""
        return str(self.body["type"])

    @property
    def elements(self) -> list[Element]:
        """The interactive elements, top to bottom."""
        return list(elements_of(self.body["blocks"]))

    def to_api(self) -> Json:
        """As payloads and answers give it."""
        sent = copy.deepcopy(self.body)
        plain = {"callback_id": "", "private_metadata": "", "external_id": "", "close": None, "submit": None}
        flags = {"clear_on_close": False, "notify_on_close": False, "title": None}
        return {
            **plain,
            **flags,
            **sent,
            "id": self.id,
            "team_id": TEAM_ID,
            "app_id": APP_ID,
            "bot_id": BOT_ID,
            "app_installed_team_id": TEAM_ID,
            "state": state_of(self.body["blocks"], self.typed),
            "hash": self.hash,
            "root_view_id": self.root_id or self.id,
            "previous_view_id": self.previous_id or None,
        }


class Views:
    """All views; the workspace's lock guards them."""

    def __init__(self, workspace: Workspace, triggers: Triggers) -> None:
        self._workspace = workspace
        self._triggers = triggers
        self._stacks: dict[str, list[View]] = {}
        self._homes: dict[str, View] = {}
        self._watchers: list[Callable[[str], None]] = []

    def methods(self) -> Mapping[str, Callable[[Workspace, Call], Json]]:
        """The Web API's methods."""
        return {
            "views.open": self._open,
            "views.push": self._push,
            "views.update": self._update,
            "views.publish": self._publish,
        }

    # --- what a person has before them ---

    def top(self, user_id: str) -> View | None:
        """The modal that a person sees."""
        stack = self._stacks.get(user_id)
        return stack[-1] if stack else None

    def home(self, user_id: str) -> View | None:
        """The App Home of a person, if the app has published one."""
        return self._homes.get(user_id)

    def stack(self, user_id: str) -> list[View]:
        """All modals of a person, the one that is seen last."""
        return list(self._stacks.get(user_id, ()))

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Be called with the id of each person whose views have changed; a watcher must be quick, as a subscriber."""
        self._watchers.append(watcher)

    def changed(self, user_id: str) -> None:
        """Let the watchers know."""
        for watcher in self._watchers:
            watcher(user_id)

    def shown(self, view: View) -> str:
        """A view as plain text, with what was typed into it."""
        title = str((view.body.get("title") or {}).get("text", ""))
        body = render("", view.body["blocks"], self._workspace.name_of)
        held = [(one, view.typed.get(one.key)) for one in view.elements]
        typed = [f"{one.label or one.action_id}: {shown_value(value)}" for one, value in held if value]
        close, submit = ((view.body.get(key) or {}).get("text", "") for key in ("close", "submit"))
        buttons = " ".join(f"[{label}]" for label in (close, submit) if label)
        return "\n".join(filter(None, [title, body, *typed, buttons]))

    def tell(self, view: View, kind: str, text: str = "") -> None:
        """Let the subscribers know what the person sees."""
        name_of = self._workspace.name_of
        text = text or self.shown(view)
        user = name_of(view.user)
        at = time.time()
        change = Change(kind, name_of(BOT_USER_ID), view.id, view.kind, view.id, "", text, only_for=user, at=at)
        self._workspace.tell(change)
        self.changed(view.user)

    # --- what an answer to a submission does ---

    def close(self, view: View) -> None:
        """Take it off its stack, or the whole stack where it says so."""
        stack = self._stacks.get(view.user, [])
        if view in stack:
            stack.remove(view)
        self.changed(view.user)

    def clear(self, user_id: str) -> None:
        """Close all modals of a person."""
        self._stacks.pop(user_id, None)
        self.changed(user_id)

    def replace(self, view: View, body: Any) -> None:
        """Show another content in it. SlackError: Slack would not take that."""
        self._set(view, self._checked(body, "modal", view))

    def push_onto(self, view: View, body: Any) -> View:
        """Show another view on top of it. SlackError: Slack would not take that, or there are too many."""
        stack = self._stacks.get(view.user, [])
        if len(stack) >= _DEEPEST:
            raise SlackError("push_limit_reached")
        pushed = self._new(view.user, self._checked(body, "modal"))
        pushed.root_id, pushed.previous_id = view.root_id or view.id, view.id
        self._stacks[view.user] = [*stack, pushed]
        self.tell(pushed, "posted")
        return pushed

    # --- the Web API ---

    def _open(self, _workspace: Workspace, call: Call) -> Json:
        body = self._checked(call.structure("view", "invalid_arguments"), "modal")
        user_id = self._triggers.spend(_trigger(call))
        view = self._new(user_id, body)
        self._stacks[user_id] = [view]
        self.tell(view, "posted")
        return {"ok": True, "view": view.to_api()}

    def _push(self, _workspace: Workspace, call: Call) -> Json:
        body = call.structure("view", "invalid_arguments")
        self._checked(body, "modal")
        top = self.top(self._triggers.spend(_trigger(call)))
        if top is None:
            raise SlackError("not_found")
        return {"ok": True, "view": self.push_onto(top, body).to_api()}

    def _update(self, _workspace: Workspace, call: Call) -> Json:
        view = self._find(call)
        body = self._checked(call.structure("view", "invalid_arguments"), view.kind, view)
        _check_hash(view, call)
        self._set(view, body)
        return {"ok": True, "view": view.to_api()}

    def _publish(self, workspace: Workspace, call: Call) -> Json:
        user = workspace.users.get(call.text("user_id"))
        if user is None:
            raise SlackError("user_not_found")
        home = self._homes.get(user.id)
        body = self._checked(call.structure("view", "invalid_arguments"), "home", home)
        if home is None:
            home = self._homes[user.id] = self._new(user.id, body)
            self.tell(home, "posted")
        else:
            _check_hash(home, call)
            self._set(home, body)
        return {"ok": True, "view": home.to_api()}

    def _find(self, call: Call) -> View:
        view_id, external_id = call.text("view_id"), call.text("external_id")
        if not view_id and not external_id:
            raise SlackError("invalid_arguments")
        for view in self._all():
            if view.id == view_id or (external_id and view.body.get("external_id") == external_id):
                return view
        raise SlackError("not_found")

    def _all(self) -> list[View]:
        return [*self._homes.values(), *(view for stack in self._stacks.values() for view in stack)]

    def _checked(self, body: Any, kind: str, known: View | None = None) -> Json:
        """The body with ids filled in. SlackError: Slack would not take it."""
        found = view_problems(body)
        if not found and body.get("type") != kind:
            found = view_problems({**body, "type": "other"})
        if found:
            messages = [f"[ERROR] {problem.to_line('/view')}" for problem in found]
            raise SlackError("invalid_arguments", response_metadata={"messages": messages})
        if len(json.dumps(body)) > _MOST_BYTES:
            raise SlackError("view_too_large")
        external = body.get("external_id")
        if external and any(view is not known and view.body.get("external_id") == external for view in self._all()):
            raise SlackError("duplicate_external_id")
        return {**copy.deepcopy(body), "blocks": self._workspace.with_ids(body["blocks"])}

    def _new(self, user_id: str, body: Json) -> View:
        return View(self._workspace.new_id("V0LOCAL"), user_id, body, _new_hash())

    def _set(self, view: View, body: Json) -> None:
        view.body, view.hash = body, _new_hash()
        kept = {element.key for element in view.elements}
        view.typed = {key: value for key, value in view.typed.items() if key in kept}
        view.errors = {}
        self.tell(view, "edited")


def _trigger(call: Call) -> str:
    trigger = call.text("trigger_id") or call.text("interactivity_pointer")
    if not trigger:
        raise SlackError("invalid_arguments")
    return trigger


def _check_hash(view: View, call: Call) -> None:
    given = call.text("hash")
    if given and given != view.hash:
        raise SlackError("hash_conflict")


def _new_hash() -> str:
    return f"{int(time.time())}.{secrets.token_hex(4)}"
