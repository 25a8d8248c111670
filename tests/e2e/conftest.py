"""A browser for the page's tests: the Chromium of the machine, never one that Playwright downloads."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from slack_sdk import WebClient

from integrations.simulators.slack import LocalSlack
from tests.e2e.chat import Chat, little_world
from tests.e2e.little_app import LittleApp
from tests.slack.local import client_of

PATIENCE_MS = 60_000  # Playwright's own five seconds are short on a busy machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module's tests; not longer, since Playwright's event loop keeps the engine from starting."""
    found = shutil.which("chromium")
    if found is None:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("There is no chromium on this machine: apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=["--disable-dev-shm-usage"])
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page on a desk's screen; what goes wrong in it fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    yield page
    context.close()
    # A server that was gone for a moment, and acts that were refused, are told by the browser as errors too.
    assert [one for one in wrong if "Failed to load resource" not in one and "WebSocket connection" not in one] == []


@pytest.fixture
def world() -> Iterator[tuple[LocalSlack, LittleApp]]:
    with little_world() as running:
        yield running


@pytest.fixture
def slack(world: tuple[LocalSlack, LittleApp]) -> LocalSlack:
    return world[0]


@pytest.fixture
def little(world: tuple[LocalSlack, LittleApp]) -> LittleApp:
    return world[1]


@pytest.fixture
def client(slack: LocalSlack) -> WebClient:
    return client_of(slack)


@pytest.fixture
def chat(page: Page, slack: LocalSlack) -> Chat:
    return Chat(page, slack.page_url)
