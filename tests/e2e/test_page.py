"""The page in a browser, with a little app on it: typing, threads, the drawer; it lasts, and anybody can use it."""

import json
import re
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect
from slack_sdk import WebClient

from integrations.simulators.slack import LocalSlack
from tests.e2e.chat import OPS, Chat, post
from tests.e2e.little_app import ACTIONS, DISPLAY, FORM, LittleApp, plain
from tests.e2e.waiting import until
from tests.peers import _free_ports as free_ports
from tests.slack.local import client_of

Json = dict[str, Any]


# --- typing ---


def test_a_newcomer_is_told_what_to_try_and_a_click_fills_the_box(chat: Chat) -> None:
    tries = chat.page.get_by_role("main").get_by_role("button").filter(has_text=re.compile("^/"))
    expect(tries).to_have_count(3)
    tries.first.click()
    expect(chat.composer).to_have_value("/protect vm01 to s3")
    expect(chat.composer).to_be_focused()


@pytest.mark.parametrize("place", ["# ops", "Home of Cloudy"])
def test_what_to_try_is_there_also_when_much_was_said(chat: Chat, slack: LocalSlack, place: str) -> None:
    for number in range(300):
        slack._workspace.post(OPS, slack.bot_user_id, f"message {number}")
    chat.go_to(place)
    chat.page.get_by_role("button", name="What to try").click()
    expect(chat.page.get_by_role("menuitem")).to_have_count(3)
    chat.page.get_by_role("menuitem", name="/protect vm01 to s3").click()
    expect(chat.composer).to_have_value("/protect vm01 to s3")
    expect(chat.composer).to_be_focused()


def test_a_private_answer_longer_than_the_screen_is_read_from_its_beginning(chat: Chat, client: WebClient) -> None:
    client.chat_postMessage(channel=OPS, text="before")
    chat.shows("before")
    lines = "\n".join(f"line {number}" for number in range(100))
    client.chat_postEphemeral(channel=OPS, user="U0ALICE001", text=f"The title\n{lines}\nthe end")
    expect(chat.log.get_by_text("Only visible to you")).to_be_in_viewport()
    newest = chat.page.get_by_role("button", name="Newest")
    newest.click()
    expect(newest).to_be_hidden()
    expect(chat.log.get_by_text("Only visible to you")).not_to_be_in_viewport()
    client.chat_postMessage(channel=OPS, text="after")
    expect(chat.message("after")).to_be_in_viewport()


def test_commands_complete_and_the_answer_is_seen_by_the_asker_alone(chat: Chat, little: LittleApp) -> None:
    chat.composer.press_sequentially("/cl")
    expect(chat.page.get_by_role("option")).to_have_count(3)
    chat.composer.press("Tab")
    expect(chat.composer).to_have_value("/cloudy status")
    chat.composer.press("Enter")
    expect(chat.message("You said status, and you are @alice")).to_contain_text("Only visible to you")
    chat.switch("bob")
    chat.type("hello")
    chat.shows("hello")
    expect(chat.log).not_to_contain_text("You said status")


def test_a_command_that_no_app_has_is_told_and_sent_nowhere(chat: Chat, little: LittleApp) -> None:
    chat.type("/nonesuch")
    expect(chat.page.get_by_text("/nonesuch is no command")).to_be_visible()
    assert little.heard == []


def test_a_mention_is_completed_and_reaches_the_app(chat: Chat, little: LittleApp) -> None:
    chat.composer.press_sequentially("@clo")
    chat.composer.press("Enter")
    chat.composer.press_sequentially("help")
    chat.composer.press("Enter")
    until(lambda: ("mention", "<@U0CLOUDY01> help") in little.heard, "the app has heard it")
    chat.shows("@cloudy help")


def test_a_conversation_with_the_bot_is_between_the_two(chat: Chat, little: LittleApp) -> None:
    chat.go_to(re.compile("^Cloudy"))
    chat.type("a word")
    chat.shows("In private: a word")
    chat.switch("bob")
    expect(chat.page.get_by_role("heading", level=1)).to_have_text("Cloudy")
    expect(chat.log).not_to_contain_text("In private")


def test_only_what_a_person_may_see_is_hinted_to_the_others(chat: Chat, client: WebClient) -> None:
    client.chat_postMessage(channel="U0BOB00001", text="for bob")
    expect(chat.page.get_by_role("radio", name=re.compile("Bob.*something new"))).to_be_visible()
    expect(chat.page.locator("body")).not_to_contain_text("for bob")
    chat.switch("bob")
    chat.go_to(re.compile("^Cloudy"))
    chat.shows("for bob")


# --- threads ---


def test_a_thread_opens_beside_and_lives(chat: Chat, client: WebClient) -> None:
    root = post(client, [{"type": "section", "text": plain("Protect vm01")}])
    reply = post(client, DISPLAY[9:10], thread_ts=root)
    chat.message("Protect vm01").get_by_role("button", name=re.compile("1 reply")).click()
    expect(chat.thread).to_contain_text("1 of 4")
    tasks = [{**task, "status": "complete"} for task in DISPLAY[9]["tasks"]]
    client.chat_update(channel=OPS, ts=reply, text="t", blocks=[{**DISPLAY[9], "tasks": tasks}])
    expect(chat.thread).to_contain_text("4 of 4")
    expect(chat.thread.get_by_role("listitem").filter(has_text=re.compile("^Upload"))).to_contain_text("(done)")
    chat.thread.get_by_role("combobox").fill("a reply")
    chat.thread.get_by_role("combobox").press("Enter")
    expect(chat.thread).to_contain_text("a reply")
    expect(chat.message("Protect vm01")).to_contain_text("2 replies")
    chat.page.keyboard.press("Escape")
    expect(chat.thread).to_be_hidden()
    expect(chat.message("Protect vm01").get_by_role("button", name=re.compile("2 replies"))).to_be_focused()


def test_the_thread_of_ones_own_command_opens_by_itself(chat: Chat, client: WebClient) -> None:
    chat.type("/cloudy status")
    chat.shows("You said")
    root = post(client, [{"type": "section", "text": plain("It begins")}])
    post(client, [{"type": "section", "text": plain("first step")}], thread_ts=root)
    expect(chat.thread).to_contain_text("first step")
    expect(chat.composer).to_be_focused()


def test_a_slash_command_in_a_thread_is_refused_as_slack_does(chat: Chat, client: WebClient) -> None:
    post(client, [{"type": "section", "text": plain("root")}])
    chat.message("root").hover()
    chat.message("root").get_by_role("button", name="Reply in thread").click()
    chat.thread.get_by_role("combobox").fill("/cloudy status")
    chat.thread.get_by_role("combobox").press("Enter")
    expect(chat.page.get_by_text("not supported in threads")).to_be_visible()


# --- the drawer ---


def test_the_drawer_has_every_call_newest_first_and_filters_them(chat: Chat, client: WebClient) -> None:
    client.chat_postMessage(channel=OPS, text="first")
    client.users_list()
    chat.page.get_by_role("button", name="What goes over the wire").click()
    drawer = chat.page.get_by_role("complementary", name="What goes over the wire")
    rows = drawer.get_by_role("list").get_by_role("listitem")
    expect(rows.first).to_contain_text("users.list")
    client.chat_postMessage(channel=OPS, text="second")
    expect(rows.first).to_contain_text("chat.postMessage")
    drawer.get_by_label("Filter the record").fill("USERS.list")
    expect(rows).to_have_count(1)
    rows.first.click()
    shown = json.loads(rows.first.locator("pre").inner_text())
    assert shown["answer"]["members"][0]["name"] == "alice"
    assert "xoxb-***" in shown["args"]["token"] or "***" in shown["args"]["token"]


def test_switches_make_slack_s_day_a_bad_one(chat: Chat, slack: LocalSlack) -> None:
    chat.page.get_by_role("button", name="What goes over the wire").click()
    outage = chat.page.get_by_role("switch", name=re.compile("Outage"))
    outage.focus()
    chat.page.keyboard.press("Space")
    until(lambda: slack._faults.outage == "error", "the outage has begun")
    expect(outage).to_be_checked()
    chat.page.reload()
    chat.is_ready()
    chat.page.get_by_role("button", name="What goes over the wire").click()
    expect(outage).to_be_checked()
    chat.page.keyboard.press("Escape")
    slack.end_outage()


# --- lasting ---


def test_a_reload_shows_what_was_there_in_the_same_place(chat: Chat, client: WebClient) -> None:
    chat.switch("bob")
    chat.go_to("# backups")
    client.chat_postMessage(channel="C0BACKUPS1", text="kept")
    chat.shows("kept")
    chat.page.reload()
    chat.is_ready("bob")
    expect(chat.page.get_by_role("heading", level=1)).to_have_text("#backups")
    chat.shows("kept")


def test_a_server_that_comes_back_is_found_again(page: Page) -> None:
    (port,) = free_ports(1)
    with LocalSlack(port=port) as first:
        chat = Chat(page, first.page_url)
    expect(page.get_by_text("does not answer. Trying again")).to_be_visible()
    with LocalSlack(port=port) as second:
        chat.is_ready()
        client_of(second).chat_postMessage(channel=OPS, text="back again")
        chat.shows("back again")


@pytest.mark.parametrize(("place", "heading"), [("# general", "#general"), ("Home of Cloudy", "Home of Cloudy")])
def test_who_is_elsewhere_stays_there_when_the_server_comes_back(page: Page, place: str, heading: str) -> None:
    (port,) = free_ports(1)
    with LocalSlack(port=port) as first:
        chat = Chat(page, first.page_url)
        chat.go_to(place)
    expect(page.get_by_text("does not answer. Trying again")).to_be_visible()
    with LocalSlack(port=port):
        chat.is_ready()
        expect(page.get_by_role("navigation").locator("[aria-current=page]")).to_have_count(1)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_the_drawer_has_the_calls_of_the_server_that_is_there(page: Page) -> None:
    (port,) = free_ports(1)
    with LocalSlack(port=port) as first:
        chat = Chat(page, first.page_url)
        for number in range(20):
            first._record.add("call", f"of.the.first.{number}")
        page.get_by_role("button", name="What goes over the wire").click()
        drawer = page.get_by_role("complementary", name="What goes over the wire")
        expect(drawer).to_contain_text("of.the.first.19")
    with LocalSlack(port=port) as second:
        chat.is_ready()
        second._record.add("call", "of.the.second")
        expect(drawer).to_contain_text("of.the.second")
        expect(drawer).not_to_contain_text("of.the.first")


def test_the_drawer_loses_no_call_of_the_time_that_it_was_closed(chat: Chat, slack: LocalSlack) -> None:
    drawer = chat.page.get_by_role("complementary", name="What goes over the wire")
    chat.page.get_by_role("button", name="What goes over the wire").click()
    slack._record.add("call", "before")
    expect(drawer).to_contain_text("before")
    chat.page.get_by_role("button", name="Close the drawer").click()
    for number in range(1200):
        slack._record.add("call", f"call.{number}")
    chat.page.get_by_role("button", name="What goes over the wire").click()
    expect(drawer).to_contain_text("call.1199")
    for _ in range(2):
        drawer.get_by_role("button", name="Older ones").click()
    expect(drawer).to_contain_text(f"of {slack.record_length} rows")


def test_a_long_history_is_quick_and_complete(chat: Chat, slack: LocalSlack) -> None:
    for number in range(1500):
        slack._workspace.post(OPS, slack.bot_user_id, f"message {number}")
    chat.shows("message 1499")
    assert chat.log.get_by_role("listitem").count() <= 160
    scroller = chat.page.locator("#scroller")
    seen: set[str] = set()

    def reached_the_first() -> bool:
        scroller.evaluate("node => { node.scrollTop = 0 }")
        seen.update(chat.log.get_by_role("listitem").locator(".text").all_inner_texts())
        return "message 0" in seen

    until(reached_the_first, "the first message is there", 60)
    assert len(seen) == 1500
    assert chat.log.get_by_role("listitem").count() <= 200
    chat.page.get_by_role("button", name="Newest").click()
    expect(chat.message("message 1499")).to_be_in_viewport()


# --- everybody ---


def test_the_keyboard_alone_is_enough(chat: Chat, client: WebClient, little: LittleApp) -> None:
    root = post(client, ACTIONS)
    client.chat_postMessage(channel=OPS, text="step", thread_ts=root)
    keys, page = chat.page.keyboard, chat.page

    def tab_to(name: str) -> None:
        for _ in range(60):
            keys.press("Tab")
            words = "(document.activeElement.getAttribute('aria-label') ?? '') + document.activeElement.textContent"
            is_control = "document.activeElement.matches('button, a')"  # a region that scrolls takes the focus too
            if page.evaluate(is_control) and name in page.evaluate(words):
                return
        raise AssertionError(f"the Tab key never comes to {name}")

    tab_to("Details")
    keys.press("Enter")
    until(lambda: ("details", "Details") in little.heard, "the app has heard it")
    tab_to("1 reply")
    keys.press("Enter")
    expect(chat.thread).to_be_visible()
    expect(chat.thread).to_be_focused()
    keys.press("Escape")
    page.get_by_role("radio", checked=True).focus()
    keys.press("ArrowDown")
    chat.is_ready("bob")
    expect(page.get_by_role("radio", checked=True)).to_be_focused()


def test_the_first_tab_leads_past_all_to_the_box(chat: Chat) -> None:
    chat.page.keyboard.press("Tab")
    expect(chat.page.get_by_role("button", name="To the message box")).to_be_focused()
    chat.page.keyboard.press("Enter")
    expect(chat.composer).to_be_focused()


def test_every_control_has_a_name_and_no_id_is_there_twice(chat: Chat, client: WebClient) -> None:
    everything = DISPLAY + ACTIONS + FORM["blocks"][1:3]
    root = post(client, everything)
    post(client, everything, thread_ts=root)
    chat.message("A header").get_by_role("button", name=re.compile("1 reply")).click()
    chat.page.get_by_role("button", name="What goes over the wire").click()
    chat.page.get_by_role("button", name="Close the drawer").click()
    chat.type("/protect x")
    expect(chat.dialog).to_be_visible()
    chat.page.keyboard.press("Escape")
    kinds = "button|combobox|textbox|searchbox|checkbox|radio|switch|link|dialog|listbox"
    nameless = re.findall(rf"^\s*- (?:{kinds})(?::|$)", chat.page.locator("body").aria_snapshot(), re.MULTILINE)
    assert nameless == []
    ids = chat.page.evaluate("[...document.querySelectorAll('[id]')].map(node => node.id)")
    assert len(ids) == len(set(ids))
    for landmark in ("main", "navigation", "banner"):
        expect(chat.page.get_by_role(landmark)).to_have_count(1)
    expect(chat.log).to_have_attribute("aria-live", "polite")


# Text that is seen, with less contrast to what lies behind it than WCAG 2.2 asks for (1.4.3: 4.5, large text 3).
FAINT = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return rgba("white");
  };
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const node = text.parentElement;
    const style = getComputedStyle(node);
    if (!text.data.trim() || !node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) || node.closest(".sr, :disabled")) continue;
    const [one, other] = [light(rgba(style.color)), light(behind(node))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    const least = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 700) ? 3 : 4.5;
    if (ratio < least) faint.push(`${text.data.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""  # noqa: E501


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_that_people_need(
    chat: Chat, client: WebClient, scheme: Literal["light", "dark"]
) -> None:
    chat.page.emulate_media(color_scheme=scheme)
    root = post(client, DISPLAY + ACTIONS)
    client.chat_postMessage(channel=OPS, thread_ts=root, text="a `reply` for <@U0ALICE001>")
    client.chat_postEphemeral(channel=OPS, user="U0ALICE001", text="psst <!channel>")
    chat.message("A header").get_by_role("button", name=re.compile("1 reply")).click()
    chat.shows("psst")
    assert chat.page.evaluate(FAINT) == []
    chat.page.get_by_role("button", name="What goes over the wire").click()
    expect(chat.page.get_by_role("listitem").filter(has_text="chat.postMessage").first).to_be_visible()
    chat.type("/protect x")
    expect(chat.dialog).to_be_visible()
    chat.dialog.get_by_role("button", name="Protect", exact=True).click()
    expect(chat.dialog.get_by_role("alert").first).to_be_visible()
    assert chat.page.evaluate(FAINT) == []


def test_on_a_phone_the_panes_are_screens_and_nothing_sticks_out(browser: Browser, slack: LocalSlack) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme="dark", has_touch=True)
    page = context.new_page()
    client = client_of(slack)
    chat = Chat(page, slack.page_url)
    root = post(client, DISPLAY + ACTIONS)
    post(client, DISPLAY, thread_ts=root)
    chat.message("A header").get_by_role("button", name=re.compile("1 reply")).tap()
    expect(chat.thread).to_be_visible()
    expect(chat.composer).to_be_hidden()
    panes = "['html', '#scroller', '#thread-scroller'].map(one => document.querySelector(one))"
    fits = f"{panes}.every(one => one.scrollWidth <= one.clientWidth + 1)"
    assert page.evaluate(fits)
    page.get_by_role("button", name="Back to the channel").tap()
    expect(chat.thread).to_be_hidden()
    page.get_by_role("button", name="To the list of conversations").tap()
    chat.go_to("# general")
    expect(page.get_by_role("heading", level=1)).to_have_text("#general")
    assert page.evaluate(fits)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 25, 29)"
    context.close()
