"""How soon the menu of VMs shows in a browser what was meant: `python -m tests.bench.keystrokes [--vms N]`.

The page in Chromium, the local Slack and the real listeners over Socket Mode. From the key stroke until the name is
drawn; 120 ms of it the page waits for a further stroke, as any client does.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.bench.typeahead import names, running, told
from tests.e2e.chat import Chat

STROKES = 200
_UNTIL_DRAWN = """([typed, name]) => new Promise((done) => {
  const input = document.activeElement;
  const list = document.getElementById(input.getAttribute("aria-controls"));
  const began = performance.now();
  const look = () => {
    if (![...list.querySelectorAll("[role=option]")].some((one) => one.textContent.endsWith(name))) return;
    watch.disconnect();
    requestAnimationFrame(() => done(performance.now() - began));
  };
  const watch = new MutationObserver(look);
  watch.observe(list, { childList: true });
  input.value = typed;
  input.dispatchEvent(new Event("input", { bubbles: true }));
})"""


def measured(page: Page, url: str, vms: int) -> list[float]:
    """Milliseconds from each stroke until the name is there."""
    chat = Chat(page, url)
    chat.type("/protect")
    chat.dialog.get_by_role("combobox", name="VM").focus()
    meant = random.Random(5).sample(names(vms), min(vms, STROKES))
    return [float(page.evaluate(_UNTIL_DRAWN, [name[-5:], name])) for name in meant]


def main() -> int:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--vms", type=int, default=5000)
    vms = asked.parse_args().vms
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        os.environ[name] = ""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), vms) as (slack, _), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"))
        print(f"{vms} VMs\n| what | times | p50 ms | p99 ms | worst ms |\n|---|---|---|---|---|")
        told("key stroke to the name in the browser", measured(browser.new_page(), slack.page_url, vms))
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
