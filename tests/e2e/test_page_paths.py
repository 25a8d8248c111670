"""The page of a demo among 5,006 VMs: forms, approvals and their ends, Stop and Retry, the App Home."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.busy_demo import MANY, busy_demo, points
from tests.e2e.chat import Chat
from tests.e2e.demo import Demo
from tests.e2e.test_page_demo import address_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PRIVATE = "Only visible to you"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with busy_demo(tmp_path_factory.mktemp("paths")) as running:
        yield running


@pytest.fixture(scope="module")
def ids(demo: Demo) -> dict[str, str]:
    """Recovery points by VM."""
    return points(demo)


@pytest.fixture
def chat(page: Page, demo: Demo) -> Chat:
    return Chat(page, address_of(demo))


def card(chat: Chat, point: str) -> Locator:
    """What the place says of the deletion of a recovery point, to everybody in it."""
    return chat.message(f"Delete the recovery point {point}").filter(has_not_text=PRIVATE)


def button(where: Locator, name: str) -> Locator:
    return where.get_by_role("button", name=name, exact=True)


def choose_vm(chat: Chat, typed: str, name: str) -> None:
    """Choose a VM of the form by keyboard alone."""
    vm = chat.dialog.get_by_role("combobox", name="VM")
    vm.press_sequentially(typed)
    option = chat.page.get_by_role("option", name=name, exact=True)
    expect(option).to_be_visible()
    while option.get_attribute("aria-selected") != "true":
        vm.press("ArrowDown")
    vm.press("Enter")
    expect(vm).to_have_value(name)


def choose_target(chat: Chat, name: str) -> None:
    """The form has chosen it itself where there is no other."""
    chosen = chat.dialog.get_by_role("button", name=re.compile(f"^{name}.*remove"))
    if not chosen.is_visible():
        chat.dialog.get_by_role("combobox", name="Targets").click()
        chat.page.get_by_role("option", name=name, exact=True).click()
    expect(chosen).to_be_visible()


def at_home(chat: Chat) -> Locator:
    chat.go_to("Home of Cloudy")
    home = chat.page.get_by_role("main")
    expect(home).to_contain_text("VMstores and targets")
    return home


# --- the form ---


def test_a_form_tells_what_is_wrong_beside_the_field_and_protects_when_it_is_mended(chat: Chat) -> None:
    chat.type("/protect")
    choose_vm(chat, "WEB01", "web01")
    choose_target(chat, "s3")
    keep_for = chat.dialog.get_by_label("Keep for")
    keep_for.fill("a while")
    button(chat.dialog, "Protect").click()
    expect(keep_for).to_have_accessible_description(re.compile("is no time to keep something"))
    expect(keep_for).to_be_focused()
    expect(chat.dialog.get_by_role("combobox", name="VM")).to_have_value("web01")
    keep_for.fill("30d")
    keep_for.press("Enter")
    expect(chat.dialog).to_be_hidden()
    expect(chat.message("Asked for: protect web01 to s3")).to_contain_text(PRIVATE)
    expect(chat.thread).to_contain_text("web01 is protected in s3")
    expect(chat.thread).to_contain_text("Keep for: 30 days")


def test_a_form_without_a_vm_says_so_at_the_vm(chat: Chat) -> None:
    chat.type("/protect")
    vm = chat.dialog.get_by_role("combobox", name="VM")
    vm.press("Enter")
    button(chat.dialog, "Protect").click()
    expect(vm).to_have_accessible_description(re.compile("Please complete this required field"))
    chat.page.keyboard.press("Escape")
    expect(chat.dialog).to_be_hidden()


def test_one_of_5000_vms_is_found_by_a_part_of_its_name_and_chosen_by_keyboard(chat: Chat) -> None:
    chat.type("/protect")
    choose_vm(chat, "nt-05", "print-05000")
    chat.page.keyboard.press("Escape")
    expect(chat.dialog).to_be_hidden()


# --- approvals ---


def test_the_requester_is_refused_in_private_and_bob_approves_in_the_channel(chat: Chat, ids: dict[str, str]) -> None:
    point = ids["web01"]
    chat.type(f"/cloudy delete {point}")
    button(card(chat, point), "Approve").click()
    expect(chat.message("You cannot approve your own request")).to_contain_text(PRIVATE)
    chat.switch("bob")
    expect(chat.message("You cannot approve your own request")).to_have_count(0)
    button(card(chat, point), "Approve").click()
    expect(card(chat, point)).to_contain_text("✅ Delete")
    expect(button(card(chat, point), "Approve")).to_have_count(0)


def test_bob_approves_in_his_conversation_with_cloudy(chat: Chat, ids: dict[str, str]) -> None:
    point = ids["app server 03"]
    chat.type(f'/cloudy delete {point} because "the tenant has left"')
    chat.switch("bob")
    chat.go_to(re.compile("^Cloudy"))
    expect(card(chat, point)).to_contain_text("Because: the tenant has left")
    button(card(chat, point), "Approve").click()
    expect(card(chat, point)).to_contain_text("Approved by bob")
    expect(button(card(chat, point), "Approve")).to_have_count(0)
    chat.switch("dave")
    expect(card(chat, point)).to_contain_text("Approved by bob")
    expect(button(card(chat, point), "Veto")).to_have_count(0)
    chat.go_to("ops")
    expect(card(chat, point)).to_contain_text("✅ Delete")


def test_a_veto_is_told_in_the_channel_and_leaves_no_button(chat: Chat, demo: Demo, ids: dict[str, str]) -> None:
    point = ids["db01"]
    chat.type(f"/cloudy delete {point}")
    chat.switch("dave")
    button(card(chat, point), "Veto").click()
    chat.switch("alice")
    expect(card(chat, point)).to_contain_text("Vetoed by dave. Nothing was done")
    expect(button(card(chat, point), "Approve")).to_have_count(0)
    assert f"{point}/manifest.json" in demo.objects()


def test_an_approval_expires_by_the_clock_with_nobody_s_click(chat: Chat, demo: Demo, ids: dict[str, str]) -> None:
    point = ids["vm02"]
    chat.type(f"/cloudy delete {point}")
    expect(button(card(chat, point), "Approve")).to_be_visible()
    expect(card(chat, point)).to_contain_text("Expired: nobody decided")
    expect(button(card(chat, point), "Approve")).to_have_count(0)
    chat.switch("bob")
    chat.go_to(re.compile("^Cloudy"))
    expect(card(chat, point)).to_contain_text("⌛")
    expect(button(card(chat, point), "Approve")).to_have_count(0)
    assert f"{point}/manifest.json" in demo.objects()


# --- Stop and Retry ---


def test_stop_by_button_is_told_to_everybody(chat: Chat, demo: Demo) -> None:
    demo.tell("world slow s3 4MiB/s", "the wire to the S3 server")
    chat.type("/protect vmstore2/db01 to s3")
    root = chat.message("Protect db01 to s3").filter(has_not_text=PRIVATE).last
    expect(root).to_contain_text("7/10 Upload")
    button(root, "Stop").click()
    expect(chat.message("Stopping")).to_contain_text(PRIVATE)
    demo.tell("world slow s3 off", "the wire to the S3 server")
    expect(root).to_contain_text("⏹️")
    expect(button(root, "Stop")).to_have_count(0)
    expect(chat.thread).to_contain_text("Nothing is left behind")
    chat.switch("carol")
    expect(root).to_contain_text("⏹️")


def test_a_failed_upload_is_held_and_retry_goes_on_from_it(chat: Chat, demo: Demo) -> None:
    demo.tell("world slow s3 4MiB/s", "the wire to the S3 server")
    chat.type("/protect vmstore2/db01 to s3")
    root = chat.message("Protect db01 to s3").filter(has_not_text=PRIVATE).last
    expect(root).to_contain_text("7/10 Upload")
    demo.tell("world fail s3 403 100000", "s3 is to fail")
    demo.tell("world slow s3 off", "the wire to the S3 server")
    retry = button(chat.thread, "Retry").last
    expect(retry).to_be_visible()
    expect(root).to_contain_text("⏸️")
    demo.tell("world fail s3 403 0", "s3 is to fail")
    retry.click()
    expect(chat.thread).to_contain_text("db01 is protected in s3")
    expect(root).to_contain_text("✅")
    expect(button(root, "Retry")).to_have_count(0)
    expect(button(chat.thread, "Retry")).to_have_count(0)


# --- the App Home ---


def test_a_vm_is_protected_from_the_app_home(chat: Chat) -> None:
    home = at_home(chat)
    button(home, "Protect a VM").click()
    choose_vm(chat, "vm02", "vm02")
    choose_target(chat, "s3")
    button(chat.dialog, "Protect").click()
    expect(home).to_contain_text("protect vm02 to s3: succeeded · alice")
    chat.go_to(re.compile("^Cloudy"))
    expect(chat.message("✅ Protect vm02")).to_have_count(1)


def test_bob_approves_from_his_app_home(chat: Chat, demo: Demo, ids: dict[str, str]) -> None:
    point = ids["db01"]
    chat.type(f"/cloudy delete {point}")
    expect(button(card(chat, point).last, "Approve")).to_be_visible()
    chat.switch("bob")
    home = at_home(chat)
    expect(home).to_contain_text(f"{MANY + 6} VMs")
    expect(home).to_contain_text(point)
    button(home, "Approve").click()
    expect(chat.dialog).to_contain_text("Your approval counts")
    button(chat.dialog, "Close").last.click()
    expect(home).not_to_contain_text("Waiting for my word")
    chat.go_to("ops")
    expect(card(chat, point).last).to_contain_text("✅ Delete")
    assert f"{point}/manifest.json" not in demo.objects()
