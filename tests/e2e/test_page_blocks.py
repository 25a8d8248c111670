"""The page in a browser, with a little app that uses all of Block Kit: everything is drawn, every control works."""

import re
from typing import Any

from playwright.sync_api import expect
from slack_sdk import WebClient

from integrations.simulators.slack import LocalSlack
from tests.e2e.chat import OPS, Chat, post
from tests.e2e.little_app import ACTIONS, DISPLAY, FORM, HOSTILE, LittleApp, button, field, plain, rich, span
from tests.e2e.waiting import until
from tests.slack.local import hurry

Json = dict[str, Any]
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)
LINES = """(cell) => {
  const all = document.createRange();
  all.selectNodeContents(cell);
  return all.getClientRects().length;
}"""


# --- what blocks look like ---


def test_every_block_of_the_product_is_drawn(chat: Chat, client: WebClient) -> None:
    post(client, DISPLAY)
    shown = chat.message("A header with *stars*")
    expect(shown.locator("strong").first).to_have_text("bold")
    for text in ("a*b*c 2*3*4", "🚀 :nonesuch:", "*plain* <@U0BOB00001>", "for @alice in #ops", "so *far*", "1 of 4"):
        expect(shown).to_contain_text(text)
    expect(shown.get_by_role("img", name="A chart of bytes")).to_contain_text("not loaded from outside")
    expect(shown.get_by_role("columnheader", name="Size")).to_be_visible()
    expect(shown.get_by_role("cell", name="1.0 GiB")).to_be_visible()
    expect(shown.get_by_role("link", name="A film")).to_have_attribute("rel", "noopener noreferrer")
    expect(shown.get_by_role("heading", name="Heading")).to_be_visible()
    expect(shown.locator(".unknown, .unknown-inline")).to_have_count(0)


def test_a_crowded_table_breaks_lines_between_words_and_not_in_them(chat: Chat, client: WebClient) -> None:
    texts = ("alice", "command", "2026-11-25 23:21:05", "20261125T232105Z-mqmz3p", "a long story, " * 20)
    row = [{"type": "raw_text", "text": text} for text in texts]
    wrapped = [{"is_wrapped": True}] * len(row)
    post(client, [{"type": "table", "rows": [row, row], "column_settings": wrapped}])
    cell = chat.log.get_by_role("cell", name="command")
    chat.page.set_viewport_size({"width": 360, "height": 740})
    assert cell.evaluate(LINES) == 1
    day = chat.log.get_by_role("cell", name="2026-11-25 23:21:05").get_by_text("2026-11-25", exact=True)
    assert day.evaluate(LINES) == 1


def test_an_unknown_block_is_a_box_that_says_so(chat: Chat, slack: LocalSlack) -> None:
    slack._workspace.post(OPS, slack.bot_user_id, "t", blocks=[{"type": "hologram", "depth": 3}, *DISPLAY[:1]])
    shown = chat.message("A header")
    expect(shown).to_contain_text("This page cannot draw a block of the type “hologram”")
    shown.get_by_text("hologram").first.click()
    expect(shown).to_contain_text('"depth": 3')


def test_a_block_that_is_not_what_it_should_be_takes_nothing_else_along(chat: Chat, slack: LocalSlack) -> None:
    strange: list[Json] = [
        {"type": "constructor"},
        {"type": "section", "text": {"type": "plain_text", "text": "a section"}, "fields": {"none": 1}},
        {"type": "actions", "elements": [{"type": "constructor", "action_id": "c"}, button("Look", "look")]},
    ]
    slack._workspace.post(OPS, slack.bot_user_id, "t", blocks=[*strange, *DISPLAY[:1]])
    shown = chat.message("A header")
    expect(shown).to_contain_text("This page cannot draw a block of the type “constructor”")
    expect(shown).to_contain_text("This page cannot draw a block of the type “section”")
    expect(shown).to_contain_text("This page cannot draw an element of the type “constructor”")
    expect(shown.get_by_role("button", name="Look")).to_be_visible()


def test_hostile_text_neither_formats_nor_runs_nor_pings(chat: Chat, client: WebClient) -> None:
    asked: list[str] = []
    chat.page.on("request", lambda request: asked.append(request.url))
    escaped = HOSTILE.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    blocks: list[Json] = [
        {"type": "section", "text": plain(HOSTILE.replace(":rocket:", ""))},
        rich(span(HOSTILE)),
        {"type": "actions", "elements": [button("<img src=x onerror=alert(1)>", "details")]},
    ]  # fmt: skip
    post(client, blocks)
    client.chat_postMessage(channel=OPS, text=escaped.replace("*", "∗").replace("_", "ˍ").replace("`", "ˋ"))
    client.chat_postMessage(channel=OPS, text="<javascript:alert(1)|press> <data:text/html,x|me> last one")
    chat.shows("last one")
    inside = chat.log.locator("img, script, .mention, strong, em, code, a")
    expect(inside).to_have_count(0)
    expect(chat.log.get_by_role("button", name="<img src=x onerror=alert(1)>")).to_be_visible()
    assert [url for url in asked if not url.startswith(client.base_url.removesuffix("/api/"))] == []


def test_a_picture_and_a_file_are_shown(chat: Chat, client: WebClient) -> None:
    client.files_upload_v2(channel=OPS, filename="chart.png", content=PIXEL, title="Bytes by day", alt_txt="A chart")
    client.files_upload_v2(channel=OPS, filename="vms.csv", content="a,b\n", title="All VMs")
    picture = chat.message("Bytes by day").get_by_role("img", name="A chart", exact=True)
    expect(picture).to_have_js_property("naturalWidth", 1)
    with chat.page.expect_download() as download:
        chat.message("All VMs").get_by_role("link", name=re.compile("All VMs")).click()
    assert download.value.suggested_filename == "vms.csv"


def test_edits_and_deletions_are_seen_at_once_and_keep_the_focus(chat: Chat, client: WebClient) -> None:
    ts = post(client, [{"type": "section", "text": plain("at 1 %")}, *ACTIONS])
    chat.message("at 1 %").get_by_role("button", name="Details").focus()
    blocks = [{"type": "section", "block_id": "new", "text": plain("at 2 %")}, {**ACTIONS[0], "block_id": "also new"}]
    client.chat_update(channel=OPS, ts=ts, text="t", blocks=blocks)
    expect(chat.message("at 2 %").get_by_role("button", name="Details")).to_be_focused()
    client.chat_delete(channel=OPS, ts=ts)
    expect(chat.message("at 2 %")).to_have_count(0)
    expect(chat.log).to_be_focused()


def test_a_control_never_turns_into_another_and_the_focus_stays_near(chat: Chat, client: WebClient) -> None:
    def actions(*labels: str) -> Json:
        return {"type": "actions", "elements": [button(label, label.lower()) for label in labels]}

    ts = post(client, [actions("Stop", "Details"), actions("Look")])
    details = chat.log.get_by_role("button", name="Details")
    details.focus()
    drawn = details.element_handle()
    client.chat_update(channel=OPS, ts=ts, text="t", blocks=[actions("Details", "More"), actions("Look")])
    expect(chat.log.get_by_role("button", name="More")).to_be_visible()
    expect(details).to_be_focused()
    assert drawn.evaluate("node => node.isConnected")

    other = {"type": "actions", "elements": [button("Details", "details") | {"value": "of another thing"}]}
    client.chat_update(channel=OPS, ts=ts, text="t", blocks=[other])
    expect(chat.log.get_by_role("button", name="Look")).to_have_count(0)
    assert not drawn.evaluate("node => node.isConnected")
    expect(chat.log.get_by_role("article")).to_be_focused()


def test_a_button_for_some_is_drawn_for_them_alone(chat: Chat, client: WebClient) -> None:
    for_bob = button("Approve", "details", visible_to_user_ids=["U0BOB00001"])
    post(client, [{"type": "actions", "elements": [for_bob, button("Look", "look")]}])
    expect(chat.log.get_by_role("button", name="Look")).to_be_visible()
    expect(chat.log.get_by_role("button", name="Approve")).to_have_count(0)
    chat.switch("bob")
    expect(chat.log.get_by_role("button", name="Approve")).to_be_visible()


# --- what can be used ---


def test_a_dangerous_button_asks_first(chat: Chat, client: WebClient, little: LittleApp) -> None:
    post(client, ACTIONS)
    chat.log.get_by_role("button", name="Stop").click()
    expect(chat.dialog).to_contain_text("It cannot come back.")
    chat.dialog.get_by_role("button", name="Keep").click()
    expect(chat.dialog).to_have_count(0)
    assert little.heard == []
    chat.log.get_by_role("button", name="Stop").click()
    chat.dialog.get_by_role("button", name="Delete").click()
    until(lambda: ("stop", "Stop") in little.heard, "the app has heard it")


def test_menus_and_pickers_in_a_message_tell_the_app(chat: Chat, client: WebClient, little: LittleApp) -> None:
    post(client, ACTIONS)
    chat.log.get_by_role("button", name="More choices").click()
    chat.page.get_by_role("menuitem", name="Paste").click()
    chat.log.get_by_role("combobox", name="Where").click()
    chat.page.get_by_role("option", name="Az").click()
    chat.log.get_by_label("A day").fill("2026-11-30")
    until(lambda: len(little.heard) == 3, "the app has heard all three")
    assert sorted(little.heard) == [("day", "2026-11-30"), ("more", "paste"), ("where", "az")]


def test_what_is_typed_is_told_as_the_typing_rests_where_the_app_wants_it(
    chat: Chat, client: WebClient, little: LittleApp
) -> None:
    wants = {"trigger_actions_on": ["on_character_entered"]}
    when: Json = {"type": "plain_text_input", "action_id": "when", "dispatch_action_config": wants}
    note: Json = {"type": "plain_text_input", "action_id": "look"}
    post(client, [field("b1", "When", when, dispatch_action=True), field("b2", "Note", note, dispatch_action=True)])
    chat.log.get_by_label("Note").press_sequentially("x")
    chat.log.get_by_label("When").press_sequentially("daily")  # which leaves the other field
    until(lambda: ("when", "daily") in little.heard, "the app has heard what was typed")
    assert little.heard.count(("look", "x")) == 1


def test_a_click_on_what_has_just_gone_is_answered(chat: Chat, client: WebClient, slack: LocalSlack) -> None:
    post(client, ACTIONS)
    button_ = chat.log.get_by_role("button", name="Details")
    expect(button_).to_be_visible()
    chat.page.evaluate("document.querySelector('[data-block-id]').dataset.blockId = 'gone'")
    button_.click()
    expect(chat.page.get_by_text("has just changed or gone")).to_be_visible()


def test_an_action_of_an_edited_message_is_found_by_its_new_ids(
    chat: Chat, client: WebClient, little: LittleApp
) -> None:
    ts = post(client, [{**ACTIONS[0], "block_id": "one"}])
    expect(chat.log.get_by_role("button", name="Details")).to_be_visible()
    client.chat_update(channel=OPS, ts=ts, text="t", blocks=[{**ACTIONS[0], "block_id": "two"}])
    expect(chat.log.locator("[data-block-id=two]")).to_have_count(1)
    chat.log.get_by_role("button", name="Details").click()
    until(lambda: ("details", "Details") in little.heard, "the app has heard it")


def test_a_form_holds_its_fields_tells_errors_beside_them_and_is_sent(chat: Chat, little: LittleApp) -> None:
    chat.type("/protect x")
    dialog = chat.page.get_by_role("dialog", name="Protect a VM")
    vm = dialog.get_by_role("combobox", name="VM")
    expect(vm).to_be_focused()
    vm.fill("4999")
    chat.page.get_by_role("option", name="vm-4999").click()
    dialog.get_by_label("Name").fill("bad")
    dialog.get_by_role("button", name="Protect", exact=True).click()
    expect(dialog.get_by_role("alert").filter(has_text="Please complete this required field")).to_be_visible()
    targets = dialog.get_by_role("combobox", name="Targets")
    expect(targets).to_be_focused()
    targets.press("ArrowDown")
    targets.press("Enter")
    dialog.get_by_role("radio", name="Still").check()
    dialog.get_by_role("checkbox", name="Drill").check()
    dialog.get_by_label("Until").fill("2027-01-31")
    dialog.get_by_label("Note").fill("two\nlines")
    dialog.get_by_role("button", name="Protect", exact=True).click()
    name = dialog.get_by_label("Name")
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_accessible_description("No VM is called *bad*.")
    name.fill("good")
    dialog.get_by_role("button", name="Protect", exact=True).click()
    expect(dialog).to_have_count(0)
    until(lambda: little.heard, "the app has heard it")
    ((_, values),) = little.heard
    assert values["vm"]["selected_option"]["value"] == "vm-4999"
    assert [one["value"] for one in values["targets"]["selected_options"]] == ["s3"]
    assert values["how"]["selected_option"]["value"] == "still"
    assert [one["value"] for one in values["flags"]["selected_options"]] == ["drill"]
    assert (values["until"]["selected_date"], values["note"]["value"]) == ("2027-01-31", "two\nlines")
    assert values["name"]["value"] == "good"


def test_a_form_that_nobody_answers_says_so_until_it_is_sent_again(chat: Chat, slack: LocalSlack) -> None:
    chat.type("/protect x")
    dialog = chat.page.get_by_role("dialog", name="Protect a VM")
    dialog.get_by_role("combobox", name="VM").fill("4999")
    chat.page.get_by_role("option", name="vm-4999").click()
    dialog.get_by_role("combobox", name="Targets").click()
    chat.page.get_by_role("option", name="S3").click()
    name = dialog.get_by_label("Name")
    name.fill("mute")
    hurry(slack)
    dialog.get_by_role("button", name="Protect", exact=True).click()
    trouble = dialog.get_by_role("alert").filter(has_text="We had some trouble connecting")
    expect(trouble).to_be_visible()
    slack._views.changed("U0ALICE001")
    slack._workspace.post(OPS, slack.bot_user_id, "drawn after that")
    expect(chat.page.locator("#scroller")).to_contain_text("drawn after that")
    expect(trouble).to_be_visible()
    name.fill("good")
    dialog.get_by_role("button", name="Protect", exact=True).click()
    expect(dialog).to_have_count(0)


def test_a_form_keeps_the_focus_and_gives_it_back(chat: Chat) -> None:
    chat.type("/protect x")
    expect(chat.dialog).to_be_visible()
    for _ in range(25):
        chat.page.keyboard.press("Tab")
        inside = "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        assert chat.page.evaluate(inside)
    chat.page.keyboard.press("Escape")
    expect(chat.dialog).to_have_count(0)
    expect(chat.composer).to_be_focused()


def test_a_view_is_stacked_on_another_and_taken_off_again(chat: Chat, little: LittleApp, client: WebClient) -> None:
    chat.type("/protect x")
    expect(chat.dialog).to_be_visible()
    blocks = [*FORM["blocks"], {"type": "actions", "elements": [button("More", "push")]}]
    (opened,) = [row for row in chat.page.request.get(f"{chat.page.url.split('#')[0]}page/record").json()["rows"]
                 if row["method"] == "views.open"]  # fmt: skip
    chat.dialog.get_by_label("Name").fill("typed")
    client.views_update(view_id=opened["answer"]["view"]["id"], view={**FORM, "blocks": blocks})
    chat.dialog.get_by_role("button", name="More", exact=True).click()
    expect(chat.page.get_by_role("dialog", name="Second")).to_contain_text("On top")
    chat.dialog.get_by_role("button", name="Back").click()
    expect(chat.page.get_by_role("dialog", name="Protect a VM").get_by_label("Name")).to_have_value("typed")


def test_the_app_home_is_drawn_for_each_and_its_buttons_work(chat: Chat, little: LittleApp) -> None:
    chat.go_to("Home of Cloudy")
    home = chat.page.get_by_role("main")
    expect(home).to_contain_text("Home of @alice")
    chat.switch("bob")
    expect(home).to_contain_text("Home of @bob")
    home.get_by_role("button", name="Refresh").click()
    until(lambda: ("refresh", "bob") in little.heard, "the app has heard it")


def test_shortcuts_are_in_the_menus(chat: Chat, client: WebClient, little: LittleApp) -> None:
    client.chat_postMessage(channel=OPS, text="a receipt")
    chat.message("a receipt").hover()
    chat.message("a receipt").get_by_role("button", name="Shortcuts for this message").click()
    chat.page.get_by_role("menuitem", name="Restore from this").click()
    until(lambda: ("shortcut", "a receipt") in little.heard, "the app has heard it")
    chat.page.get_by_role("button", name="Shortcuts", exact=True).click()
    chat.page.get_by_role("menuitem", name="Protect a VM").click()
    expect(chat.page.get_by_role("dialog", name="Protect a VM")).to_be_visible()
