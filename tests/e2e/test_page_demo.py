"""The demo in a browser: what a newcomer does in the first minutes, with the unchanged bot behind the page."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.chat import Chat
from tests.e2e.demo import Demo, cloudy, environment
from tests.e2e.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LONG_MS = 180_000
URL = r"Open it in a browser: +(http://127\.0\.0\.1:\d+/)"
KILLED = """
world slow s3 20MiB/s
wait step upload 120
restart kill
world slow s3 off
wait done 240
"""


def address_of(demo: Demo) -> str:
    """Where its page is, as it was told to the newcomer."""
    return str(re.findall(URL, demo.output)[0])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("page") / "demo", "world users\n")
    try:
        running.wait(120)
        yield running
    finally:
        running.process.kill()
        running.process.wait()


@pytest.fixture
def chat(page: Page, demo: Demo) -> Chat:
    return Chat(page, address_of(demo))


def test_a_newcomer_protects_a_vm_by_a_click_and_enter(chat: Chat, demo: Demo) -> None:
    tries = chat.page.get_by_role("main").get_by_role("button").filter(has_text=re.compile("^/"))
    for number, text in enumerate(("/protect vm01 to s3", "/cloudy delete last", "/audit")):
        expect(tries.nth(number)).to_contain_text(text)
    tries.first.click()
    chat.composer.press("Enter")
    expect(chat.message("Asked for: protect vm01 to s3")).to_contain_text("Only visible to you")
    plan = chat.thread.get_by_role("progressbar")
    expect(plan).to_be_visible(timeout=LONG_MS)
    expect(chat.thread).to_contain_text("vm01 is protected in s3", timeout=LONG_MS)
    expect(chat.thread).to_contain_text("10 of 10")
    chat.message(re.compile("✅ Protect vm01")).get_by_role("button", name="Details").click()
    expect(chat.page.get_by_text("Only visible to you").nth(1)).to_be_visible()
    assert demo.transactions()[0]["state"] == "succeeded"


def test_a_dangerous_command_is_refused_to_carol_not_approved_by_alice_and_approved_by_bob(
    chat: Chat, demo: Demo
) -> None:
    chat.type("/protect vm02 to s3")
    expect(chat.thread).to_contain_text("vm02 is protected in s3", timeout=LONG_MS)
    chat.page.keyboard.press("Escape")
    chat.switch("carol")
    chat.type("/cloudy delete last")
    expect(chat.message("Only visible to you").last).to_contain_text("viewer")
    chat.switch("alice")
    chat.type("/cloudy delete last")
    card = chat.message("Waiting for 1 approval")
    card.get_by_role("button", name="Approve").click(timeout=LONG_MS)
    chat.shows("You cannot approve your own request")
    expect(chat.page.get_by_role("radio", name=re.compile("Bob.*something new"))).to_be_visible()
    chat.switch("bob")
    card.get_by_role("button", name="Approve").click()
    expect(chat.message(re.compile("✅ Delete the recovery point"))).to_be_visible(timeout=LONG_MS)
    expect(chat.log.get_by_role("button", name="Approve")).to_have_count(0)
    chat.type("/audit vm02")
    expect(chat.message("Only visible to you").last.get_by_role("table")).to_contain_text("bob")
    subprocess.run([*cloudy(), "audit", "verify"], cwd=demo.data, env=environment(), check=True)


def test_stop_by_its_button_is_told_to_everybody(chat: Chat, demo: Demo) -> None:
    chat.type("/protect web01 to s3")
    root = chat.message("Protect web01 to s3")
    root.get_by_role("button", name="Stop").click(timeout=LONG_MS)
    until(lambda: demo.transactions()[0]["state"] in ("stopped", "succeeded"), "it has ended", 60)
    chat.switch("carol")
    expect(chat.message("Protect web01 to s3")).to_be_visible()


def test_the_page_lives_on_when_the_bot_is_killed_half_way(page: Page, tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", KILLED)
    try:
        until(lambda: re.search(URL, demo.output), "the page's address is told", 120)
        chat = Chat(page, address_of(demo))
        chat.type("/protect vm01 to s3")
        expect(page.get_by_text("Cloudy is not connected just now")).to_be_visible(timeout=LONG_MS)
        expect(page.locator("body")).to_have_attribute("data-ready", "alice")
        expect(page.get_by_text("Cloudy is not connected just now")).to_be_hidden(timeout=LONG_MS)
        expect(chat.thread).to_contain_text("vm01 is protected in s3", timeout=2 * LONG_MS)
        expect(chat.thread.get_by_role("progressbar")).to_have_count(1)
        page.reload()
        chat.is_ready()
        expect(chat.message(re.compile("✅ Protect vm01"))).to_contain_text("replies")
        demo.wait(60)
        demo.end()
        expect(page.get_by_text("does not answer. Trying again")).to_be_visible()
    finally:
        demo.process.kill()
        demo.process.wait()
