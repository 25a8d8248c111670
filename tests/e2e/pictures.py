"""Takes the pictures of the page anew, from a real demo: `python -m tests.e2e.pictures` writes into docs/img."""

import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.chat import Chat
from tests.e2e.demo import Demo
from tests.e2e.test_page_demo import LONG_MS, address_of

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "img"
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
TALL = {"width": 1280, "height": 1350}
SLOW = "world slow s3 40MiB/s\n"


def main() -> int:
    """Take all of them."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        demo = Demo(Path(folder) / "demo", SLOW)
        try:
            demo.wait(120)
            _take(browser, address_of(demo))
        finally:
            demo.end()
    return 0


def _take(browser: Browser, url: str) -> None:
    chat = _open(browser, url, viewport=DESK)
    chat.type("/protect vm01 to s3")
    expect(chat.thread).to_contain_text("6 of 10", timeout=LONG_MS)
    chat.page.screenshot(path=IMAGES / "page.png")
    expect(chat.thread).to_contain_text("vm01 is protected in s3", timeout=2 * LONG_MS)
    chat.page.screenshot(path=IMAGES / "page-thread.png")
    chat.page.get_by_role("button", name="What goes over the wire").click()
    chat.page.get_by_role("complementary", name="What goes over the wire").get_by_text("chat.update").first.wait_for()
    chat.page.screenshot(path=IMAGES / "page-wire.png")
    chat.page.keyboard.press("Escape")
    _take_approval(chat)
    _take_restore(chat)
    take_schedules(chat)
    take_retention(chat)
    take_summary(_open(browser, url, viewport=TALL))
    phone = _open(browser, url, viewport=PHONE, color_scheme="dark", has_touch=True, device_scale_factor=2)
    phone.message(re.compile("Protect vm01")).get_by_role("button", name=re.compile("repl")).tap()
    phone.thread.get_by_text("10 of 10").scroll_into_view_if_needed()
    phone.page.screenshot(path=IMAGES / "page-dark-phone.png")


def _take_approval(chat: Chat) -> None:
    chat.type('/cloudy delete last because "the tenant has left"')
    card = chat.message("Waiting for 1 approval")
    card.get_by_role("button", name="Approve").click()
    chat.shows("You cannot approve your own request")
    chat.page.get_by_role("button", name="Close the thread").click()
    card.get_by_role("button", name="Approve").scroll_into_view_if_needed()
    chat.page.screenshot(path=IMAGES / "page-approval.png")
    card.get_by_role("button", name="Stop").click()
    expect(card).to_have_count(0)


def _take_restore(chat: Chat) -> None:
    """The form, filled in, and the thread that comes of it."""
    chat.type("/restore")
    form = chat.page.get_by_role("dialog", name="Restore a VM")
    for menu, entry in (("VM", "vm01"), ("To VMstore", "vmstore2")):
        form.get_by_role("combobox", name=re.compile(f"^{menu}")).click()
        chat.page.get_by_role("option", name=re.compile(f"^{entry}")).click()
        expect(form).to_contain_text("Recovery point", timeout=LONG_MS)
    form.get_by_role("textbox", name=re.compile("^As name")).fill("vm01-restored")
    form.screenshot(path=IMAGES / "page-restore-form.png")
    form.get_by_role("button", name="Restore").click()
    expect(chat.thread).to_contain_text("Usable after", timeout=2 * LONG_MS)  # the receipt
    chat.page.screenshot(path=IMAGES / "page-restore-thread.png")
    for name in ("form", "thread"):
        _make_small(IMAGES / f"page-restore-{name}.png")


def take_schedules(chat: Chat) -> None:
    """The list with its buttons, and the form with its next times."""
    for text in (
        "protect vm01 to s3 weekdays at 22:30 Europe/Berlin within 2h",
        "protect vm0* to s3 every 4 hours not between 08:00 and 18:00 on weekdays",
        "verify vm01 deep on the last friday at 23:00",
    ):
        chat.type(f"/schedule {text}")
        chat.shows("Scheduled as")
    chat.type("/schedules alice")
    chat.shows("Schedules with “alice”: 3")
    listing = chat.message("Schedules with “alice”: 3")
    listing.get_by_role("button", name="Skip next").first.click()
    expect(listing).to_contain_text("Skipped", timeout=LONG_MS)
    listing.scroll_into_view_if_needed()
    chat.page.screenshot(path=IMAGES / "page-schedules.png")
    chat.type("/schedule")
    form = chat.page.get_by_role("dialog", name="Schedule")
    form.get_by_role("textbox", name=re.compile("^VMs")).fill("web*, @databases")
    form.get_by_role("textbox", name=re.compile("^When")).press_sequentially(
        "on the last friday at 23:00 Europe/Berlin"
    )
    expect(form).to_contain_text("23:00 in Europe/Berlin", timeout=LONG_MS)
    form.screenshot(path=IMAGES / "page-schedule-form.png")
    chat.page.keyboard.press("Escape")
    for name in ("schedules", "schedule-form"):
        _make_small(IMAGES / f"page-{name}.png")


def take_summary(chat: Chat) -> None:
    """One that a schedule posts, with the picture in its thread."""
    chat.type("/schedule summary day every day at 07:00")
    chat.shows("Scheduled as")
    chat.type("/schedules summary")
    chat.message("Schedules with “summary”").get_by_role("button", name="Run now").last.click()
    card = chat.message("All VMs: the last 24 hours")
    expect(card).to_contain_text("VMs have no recovery point", timeout=LONG_MS)
    expect(chat.thread).to_contain_text("Bytes sent by day", timeout=LONG_MS)
    card.scroll_into_view_if_needed()
    chat.page.screenshot(path=IMAGES / "digest.png")
    _make_small(IMAGES / "digest.png")


def take_retention(chat: Chat) -> None:
    """What rules would remove, before anybody brings them into force."""
    for number in (1, 2, 3):
        chat.type("/protect db01 to s3")
        expect(chat.log.get_by_text("db01 is protected in s3")).to_have_count(number, timeout=2 * LONG_MS)
    chat.type("/retention preview keep 1 last for default")
    card = chat.message("Preview of retention for default")
    expect(card).to_contain_text("Bring into force", timeout=LONG_MS)
    card.scroll_into_view_if_needed()
    chat.page.screenshot(path=IMAGES / "retention-preview.png")
    _make_small(IMAGES / "retention-preview.png")


def _make_small(picture: Path) -> None:
    """Few colours are enough for a page of text."""
    with Image.open(picture) as whole:
        whole.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE).save(picture, optimize=True)


def _open(browser: Browser, url: str, **options: Any) -> Chat:
    page = browser.new_context(locale="en-GB", timezone_id="UTC", reduced_motion="reduce", **options).new_page()
    page.set_default_timeout(LONG_MS)
    return Chat(page, url)


if __name__ == "__main__":
    sys.exit(main())
