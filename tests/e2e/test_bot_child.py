"""The demo's bot and watcher as child processes, with a stand-in for the `cloudy` command."""

import json
import sys
import textwrap
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.config import load
from integrations.simulators.demo.bot import Bot, View, Watcher
from integrations.simulators.demo.papers import Papers, SlackPaper, VmstorePaper
from integrations.simulators.demo.s3server import Account

GOOD = """
    import sys, time
    print("hello")
    print("cloudy: ready")
    print("and more")
    time.sleep(600)
"""
BAD = """
    import sys
    sys.exit("cloudy: no Slack today")
"""
WATCH = """
    import itertools, json, time
    for n in itertools.count():
        newest = {"id": "t1", "state": "running", "steps": {"clone": "running"}} if n > 2 else None
        print(json.dumps({"at": time.time(), "active": n, "outbox": 0, "newest": newest}), flush=True)
        time.sleep(0.02)
        if n == 5:
            break
"""


def command(folder: Path, source: str) -> list[str]:
    (folder / "cloudy.py").write_text(textwrap.dedent(source))
    return [sys.executable, str(folder / "cloudy.py")]


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[Watcher]:
    made = Watcher(tmp_path, command(tmp_path, WATCH))
    yield made
    made.stop()


def test_a_bot_is_ready_when_it_says_so_and_again_after_a_kill(tmp_path: Path) -> None:
    bot = Bot(tmp_path, command(tmp_path, GOOD))
    bot.start()
    bot.wait_ready()
    first = bot.pid
    bot.kill()
    assert not bot.is_alive
    bot.start()
    bot.wait_ready()
    assert bot.pid != first
    bot.stop()
    assert not bot.is_alive


def test_a_bot_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    bot = Bot(tmp_path, command(tmp_path, BAD))
    bot.start()
    with pytest.raises(RuntimeError, match=r"(?s)ended with status 1.*no Slack today"):
        bot.wait_ready()


def test_a_watcher_waits_for_a_view_that_is_enough(watcher: Watcher) -> None:
    view = watcher.wait(lambda seen: seen.steps.get("clone") == "running", 0.0, 30)
    assert view is not None
    assert (view.newest, view.state, view.active >= 3) == ("t1", "running", True)


def test_a_watcher_that_died_is_started_again(watcher: Watcher) -> None:
    seen: list[View] = []
    assert watcher.wait(lambda view: seen.append(view) or view.active == 5, 0.0, 30)  # type: ignore[func-returns-value]
    since = time.time()
    view = watcher.wait(lambda one: one.active == 5, since, 30)
    assert view is not None
    assert view.at > since


def test_a_view_from_before_the_wait_does_not_count(watcher: Watcher) -> None:
    assert watcher.wait(lambda _: True, time.time() + 3600, 0.5) is None


PAPERS = Papers(
    slack=SlackPaper(
        url="http://127.0.0.1:1/api/", bot_token="xoxb-1", app_token="xapp-1", signing_secret="shh", channel="C1"
    ),
    vmstores=tuple(
        VmstorePaper(
            name=n,
            url="https://127.0.0.1:2",
            user="u",
            password=f"p-{n}",
            export=f"{n}/export",
            ca="ca.pem",
            control="http://127.0.0.1:3",
        )
        for n in ("vmstore", "vmstore2")
    ),
    endpoint="http://127.0.0.1:3",
    account=Account(access_key="ak", secret_key="sk", bucket="cloudy-demo"),
    roles={"operator": ["U0ALICE001"], "approver": ["U0BOB00001"]},
)


def test_the_bot_can_read_its_papers(tmp_path: Path) -> None:
    PAPERS.write(tmp_path)
    settings = load(tmp_path / "cloudy.toml")
    settings.require_secrets(slack=True, vmstores=True, targets=True)
    assert settings.slack.api_url == "http://127.0.0.1:1/api/"
    assert settings.vmstores["vmstore2"].share == f"path:{tmp_path / 'vmstore2/export'}"
    assert settings.vmstores["vmstore2"].ca == tmp_path / "ca.pem"
    assert settings.targets["s3"].endpoint == "http://127.0.0.1:3"
    assert (settings.policy.roles.operator, settings.policy.roles.approver) == (("U0ALICE001",), ("U0BOB00001",))


def test_no_secret_stands_in_the_configuration_and_the_secrets_are_private(tmp_path: Path) -> None:
    PAPERS.write(tmp_path)
    PAPERS.write(tmp_path)  # a second start
    config = (tmp_path / "cloudy.toml").read_text()
    assert tomllib.loads(config)["targets"]["s3"]["url"] == "s3://cloudy-demo"
    assert not any(secret in config for secret in ("xoxb-1", "xapp-1", "shh", "p-vmstore", "sk"))
    for name in ("secrets.env", "world.json"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_the_world_is_described_for_outside_tools(tmp_path: Path) -> None:
    PAPERS.write(tmp_path)
    world = json.loads((tmp_path / "world.json").read_text())
    assert set(world["slack"]) == {"url", "bot_token", "app_token", "signing_secret", "channel", "page"}
    assert world["vmstore"] == world["vmstores"]["vmstore"]
    assert set(world["vmstore"]) == {"url", "user", "password", "export", "ca", "control"}
    assert set(world["s3"]) == {"endpoint", "region", "access_key", "secret_key", "bucket"}
    assert (world["database"], world["config"]) == ("cloudy.db", "cloudy.toml")
    assert list(world["targets"]) == ["s3"]
