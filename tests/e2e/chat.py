"""The page as a person uses it, by roles and labels alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Locator, Page, expect
from slack_sdk import WebClient

from integrations.simulators.slack import LocalSlack, Shortcut
from tests.e2e.little_app import USAGES, LittleApp
from tests.slack.local import app_for, connected

Json = dict[str, Any]
OPS = "C0OPS00001"
SHORTCUTS = (Shortcut("Protect a VM", "anywhere"), Shortcut("Restore from this", "on-message", on_message=True))


@contextmanager
def little_world() -> Iterator[tuple[LocalSlack, LittleApp]]:
    """A local Slack with the little app on it."""
    with LocalSlack(usages=USAGES, shortcuts=SHORTCUTS) as slack:
        app = app_for(slack)
        little = LittleApp(app)
        with connected(slack, app):
            yield slack, little


class Chat:
    """An open page."""

    def __init__(self, page: Page, url: str, user: str = "alice") -> None:
        self.page = page
        page.goto(f"{url}#{user}/ops")
        self.is_ready(user)

    def is_ready(self, user: str = "alice") -> None:
        """Wait until the page hears what happens."""
        self.page.wait_for_selector(f"body[data-ready={user}]")

    @property
    def log(self) -> Locator:
        """The messages of the place."""
        return self.page.get_by_role("main").get_by_role("log")

    @property
    def thread(self) -> Locator:
        """The pane of the open thread."""
        return self.page.get_by_role("complementary", name="Thread")

    @property
    def composer(self) -> Locator:
        """Where one types into the place."""
        return self.page.get_by_role("main").get_by_role("combobox", name=re.compile("^Message "))

    @property
    def dialog(self) -> Locator:
        """The open form or question."""
        return self.page.get_by_role("dialog")

    def type(self, text: str) -> None:
        """Type and send."""
        self.composer.fill(text)
        self.composer.press("Escape")
        self.composer.press("Enter")

    def message(self, text: str | re.Pattern[str]) -> Locator:
        """A message of the place with that text."""
        return self._messages(self.log).filter(has_text=text)

    def _messages(self, where: Locator) -> Locator:
        return where.get_by_role("listitem").filter(has=self.page.get_by_role("article"))

    def switch(self, user: str) -> None:
        """Look with another's eyes."""
        self.page.get_by_role("radio", name=re.compile(user.capitalize())).click()
        self.is_ready(user)

    def go_to(self, name: str | re.Pattern[str]) -> None:
        """Open a channel, the conversation with the bot, or its home."""
        self.page.get_by_role("navigation").get_by_role("button", name=name).click()

    def shows(self, text: str) -> None:
        """Wait until the place shows it."""
        expect(self.log).to_contain_text(text)


def post(client: WebClient, blocks: list[Json], **more: Any) -> str:
    """Post blocks as the app does; returns the ts."""
    return str(client.chat_postMessage(channel=OPS, text="t", blocks=blocks, **more)["ts"])
