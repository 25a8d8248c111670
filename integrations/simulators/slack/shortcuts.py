"""The app's shortcuts, as people find them by their labels in Slack's menus.

Source: https://docs.slack.dev/interactivity/implementing-shortcuts; the app's manifest has labels and callback ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .asking import Ack
from .surfaces import Surfaces
from .workspace import Workspace


@dataclass(frozen=True, slots=True)
class Shortcut:
    """One of `features.shortcuts` of a manifest; on_message is its type "message", else "global"."""

    label: str
    callback_id: str
    on_message: bool = False


class Shortcuts:
    """All of them."""

    def __init__(self, surfaces: Surfaces, workspace: Workspace, shortcuts: Sequence[Shortcut]) -> None:
        self._surfaces = surfaces
        self._workspace = workspace
        self._by_label = {shortcut.label: shortcut for shortcut in shortcuts}

    @property
    def all(self) -> list[Shortcut]:
        """In the manifest's order."""
        return list(self._by_label.values())

    def use(self, user: str, label: str, channel: str) -> Ack:
        """Use the one of that label; one for messages on the app's newest message in the channel. LookupError."""
        shortcut = self._by_label.get(label)
        if shortcut is None:
            there = ", ".join(f'"{name}"' for name in self._by_label) or "none at all"
            raise LookupError(f'The app has no shortcut "{label}"; there is: {there}.')
        if not shortcut.on_message:
            return self._surfaces.shortcut(user, shortcut.callback_id)
        return self._surfaces.shortcut(user, shortcut.callback_id, channel, self._newest(channel))

    def _newest(self, channel: str) -> str:
        place = self._workspace.find_channel(channel)
        if place is None:
            raise LookupError(f"There is no channel {channel!r} in the local Slack.")
        seen = [message.ts for message in self._workspace.visible(place.id, "") if message.is_by_app]
        if not seen:
            raise LookupError(f"The app has written nothing in #{place.name} yet.")
        return max(seen)
