"""The conversation as it happens, as readable lines; and what Cloudy has said, for the script to check."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from integrations.simulators.slack import Change

_EDIT_EVERY_S = 1.0
_CLOUDY = "cloudy"
_HOME, _MODAL = "home", "modal"  # what a view has in place of a channel's name
_INDENT = " " * 18


@dataclass(slots=True)
class _Shown:
    """One message as it was last printed, and an edit that is held back."""

    text: str
    at: float
    held: Change | None = None


class Transcript:
    """Prints visible changes; edits of one message at most about once a second, its last state always.

    Safe from any thread. out gets one printable piece a call.
    """

    def __init__(self, out: Callable[[str], None]) -> None:
        self._out = out
        self._lock = threading.RLock()
        self._began = time.monotonic()
        self._shown: dict[tuple[str, str], _Shown] = {}
        self._threads: dict[tuple[str, str], int] = {}
        self._said: list[str] = []
        self._homes: dict[str, int] = {}  # how often each person's App Home was drawn
        self._home_of: dict[str, tuple[str, str]] = {}  # its key in what was shown
        self._watched: set[str] = set()  # whose App Home is printed as it changes
        self._heard = threading.Condition(self._lock)
        self._ended = threading.Event()
        threading.Thread(target=self._show_held, name="transcript", daemon=True).start()

    def close(self) -> None:
        """Print what was held back and hold back no more; repeating is safe."""
        self._ended.set()
        self.flush()

    def end(self) -> None:
        """Print what was held back, and then nothing more."""
        with self._lock:
            self.flush()
            self._out = lambda _: None

    def typed(self, user: str, text: str, place: str = "#ops") -> None:
        """Print what a user does; what Cloudy said before is no answer to it."""
        with self._lock:
            self.flush()
            self._said.clear()
            self._print(place, f"{user}: {text}")

    def told(self, user: str, text: str) -> None:
        """Print what the user is shown without a word of Cloudy's, and take it for said."""
        with self._heard:
            self.flush()
            self._said.append(_squeezed(text))
            self._print(_MODAL, f"Slack (only to {user}): {text}")
            self._heard.notify_all()

    def homes(self, user: str) -> int:
        """How often the App Home of a user was drawn; until `show_home` it is not printed when it changes."""
        with self._lock:
            self._watched.discard(user)
            return self._homes.get(user, 0)

    def show_home(self, user: str, before: int, seconds: float, look: Callable[[], str | None]) -> bool:
        """Print the App Home as look gives it, once it was drawn since; False: there is none after that many seconds.

        Its changes are printed from then on.
        """
        deadline = time.monotonic() + seconds
        with self._heard:
            while self._homes.get(user, 0) <= before and (left_s := deadline - time.monotonic()) > 0:
                self._heard.wait(left_s)
        text = look()
        with self._heard:
            if text is None:
                return False
            self._watched.add(user)
            if known := self._shown.get(self._home_of.get(user, ("", ""))):
                known.text, known.held = text, None
            self._said.append(_squeezed(text))
            self._print(_HOME, f"Cloudy (only to {user}): {text}")
        return True

    def note(self, text: str) -> None:
        """Print what the world or the script does."""
        with self._lock:
            self.flush()
            self._print("", f"· {text}")

    def change(self, change: Change) -> None:
        """Take a visible change of the local Slack."""
        with self._lock:
            if change.channel_name == _HOME:
                self._homes[change.only_for] = self._homes.get(change.only_for, 0) + 1
                self._home_of[change.only_for] = change.channel, change.ts
            if change.who == _CLOUDY and change.kind != "deleted":
                self._said.append(_squeezed(change.text))
                self._heard.notify_all()
            known = self._shown.get((change.channel, change.ts))
            if change.kind == "edited" and known:
                self._edited(change, known)
            elif change.who in (_CLOUDY, "slackbot"):
                self._posted(change)

    def has_said(self, text: str, seconds: float) -> bool:
        """Whether Cloudy has said this since the user's last line; what is on its way gets that many seconds."""
        wanted, deadline = _squeezed(text), time.monotonic() + seconds
        with self._heard:
            while not any(wanted in said for said in self._said):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return False
                self._heard.wait(left_s)
            return True

    def flush(self) -> None:
        """Print the edits that are held back."""
        with self._lock:
            for known in self._shown.values():
                if known.held is not None:
                    self._show_edit(known.held, known)

    def _posted(self, change: Change) -> None:
        self._shown[change.channel, change.ts] = _Shown(change.text, time.monotonic())
        if self._is_unwatched(change):
            return
        place = self._place(change)
        if change.kind == "deleted":
            self._print(place, "Cloudy deleted a message")
            return
        to = f" (only to {change.only_for})" if change.only_for else ""
        self._print(place, f"{change.who.capitalize()}{to}: {change.text}")

    def _edited(self, change: Change, known: _Shown) -> None:
        if time.monotonic() - known.at >= _EDIT_EVERY_S:
            self._show_edit(change, known)
        else:
            known.held = change

    def _show_edit(self, change: Change, known: _Shown) -> None:
        before = set(known.text.splitlines())
        news = [line.strip() for line in change.text.splitlines() if line not in before and line.strip()]
        known.text, known.at, known.held = change.text, time.monotonic(), None
        if change.channel_name == _MODAL and news:
            self._print(self._place(change), f"{change.who.capitalize()} (only to {change.only_for}): {change.text}")
        elif news and not self._is_unwatched(change):
            self._print(self._place(change), f"{change.who.capitalize()} edits: {' · '.join(news)}")

    def _is_unwatched(self, change: Change) -> bool:
        return change.channel_name == _HOME and change.only_for not in self._watched

    def _place(self, change: Change) -> str:
        if change.channel_name in (_HOME, _MODAL):
            return change.channel_name
        name = f"{'@' if change.channel.startswith('D') else '#'}{change.channel_name}"
        if not change.thread_ts:
            return name
        number = self._threads.setdefault((change.channel, change.thread_ts), len(self._threads) + 1)
        return f"{name}/{number}"

    def _print(self, place: str, text: str) -> None:
        lines = text.splitlines() or [""]
        head = f"{time.monotonic() - self._began:6.1f}  {place:<7} {lines[0]}"
        self._out("\n".join([head, *(f"{_INDENT}{line}" for line in lines[1:])]))

    def _show_held(self) -> None:
        while not self._ended.wait(_EDIT_EVERY_S / 4):
            now = time.monotonic()
            with self._lock:
                due = [one for one in self._shown.values() if one.held and now - one.at >= _EDIT_EVERY_S]
                for known in due:
                    if known.held is not None:
                        self._show_edit(known.held, known)


def _squeezed(text: str) -> str:
    return " ".join(text.split())
