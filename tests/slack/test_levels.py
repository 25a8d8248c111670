"""A Slack that does not take our blocks gets simpler ones: the local Slack shows a whole story at each level."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient

from bot import story
from bot.model import Actor, Message, State, Step, StepState, Transaction
from bot.store import Database
from handlers.notifier import Sender
from integrations.simulators.slack import LocalSlack
from tests.workflow.stored import NOON

Json = dict[str, Any]
ID = "20261123T142233Z-7f3k9q"
STEPS = (
    Step(id="snapshot", title="Snapshot", position=0, state=StepState.COMPLETE),
    Step(id="upload", title="Upload", position=1, state=StepState.RUNNING, done=41, total=100),
    Step(id="verify", title="Verify", position=2),
)
RUNNING = Transaction(
    id=ID, workflow="protect", vm="vm01", vmstore="vmstore", targets=("s3",), request_key="k", created_at=NOON,
    actor=Actor(id="U_ALICE", name="alice", source="slack"), state=State.RUNNING,
    frozen={"title": "Protect {vm} to {targets}"},
)  # fmt: skip


class FakeClock:
    """Begins now, and moves when told."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Desk:
    """An outbox, its sender, and the local Slack."""

    def __init__(self, folder: Path, slack: LocalSlack) -> None:
        Database.migrate(folder / "cloudy.db")
        self.db = Database.open(folder / "cloudy.db", audit_key=None)
        self.slack = slack
        self.clock = FakeClock()
        client = WebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[], timeout=10)
        self.sender = Sender(self.db, client, clock=self.clock, installation="here")

    def tell(self, name: str, view: Json) -> None:
        root: Json = {} if name == "root" else {"thread_key": f"{ID}:root"}
        with self.db.unit() as unit:
            unit.outbox.put(Message(key=f"{ID}:{name}", channel=self.slack.channel_id("ops"), view=view, **root))
        while self._waits():
            if not self.sender.tick():
                self.clock.sleep(1)  # the pace that Slack asks for

    def _waits(self) -> bool:
        with self.db.read() as unit:
            return bool(unit.outbox.pending())

    def posted(self) -> list[Json]:
        """Arguments of the posts that Slack took."""
        rows = [row for row in self.slack.record if row["type"] == "call" and row["method"] == "chat.postMessage"]
        return [row["args"] for row in rows if row["answer"]["ok"]]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "")  # the SDK reads these and ignores NO_PROXY
    with LocalSlack() as slack:
        desk = Desk(tmp_path, slack)
        yield desk
        desk.db.close()


def kinds(post: Json) -> list[str]:
    return [block["type"] for block in post["blocks"]]


@pytest.mark.parametrize("refusals", [0, 1, 2])
@pytest.mark.parametrize("error", ["invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"])
def test_a_story_is_told_whole_at_the_level_that_slack_takes(desk: Desk, refusals: int, error: str) -> None:
    for name, view in (("root", story.root(RUNNING, STEPS)), ("plan", story.plan(RUNNING, STEPS))):
        if refusals:
            desk.slack.fail_next("chat.postMessage", refusals, error=error)
        desk.tell(name, view)
    root, plan = desk.posted()
    assert ("plan" in kinds(plan), bool(plan["blocks"])) == (refusals == 0, refusals < 2)
    assert ("actions" in kinds(root)) == (refusals < 2)
    for words in ("Protect vm01 to s3", "2/3 Upload", "Asked by: alice", ID):
        assert words in root["text"]
    for words in ("Snapshot", "Upload · 41 %", "Verify", ID):
        assert words in plan["text"]


def test_what_was_refused_once_is_not_tried_again_with_the_next_edit(desk: Desk) -> None:
    desk.tell("root", story.root(RUNNING, STEPS))
    desk.slack.fail_next("chat.postMessage", error="invalid_blocks")
    desk.tell("plan", story.plan(RUNNING, STEPS))
    ended = tuple(replace(step, state=StepState.COMPLETE) for step in STEPS)
    desk.tell("plan", story.plan(RUNNING, ended))
    edits = [row for row in desk.slack.record if row["type"] == "call" and row["method"] == "chat.update"]
    assert [(row["answer"]["ok"], "plan" in kinds(row["args"])) for row in edits] == [(True, False)]


def test_the_buttons_of_a_root_message_are_there_with_sections_too(desk: Desk) -> None:
    desk.slack.fail_next("chat.postMessage", error="invalid_blocks")
    desk.tell("root", story.root(RUNNING, STEPS))
    (actions,) = [block for block in desk.posted()[0]["blocks"] if block["type"] == "actions"]
    assert [(button["text"]["text"], button["value"]) for button in actions["elements"]] == [
        ("Stop", ID),
        ("Details", ID),
    ]


def test_a_card_without_buttons_says_how_to_decide_and_what_to_type(desk: Desk) -> None:
    waits = {"line": "Waiting for 1 approval", "buttons": ["approve", "veto", "stop", "details"], "token": "opaque"}
    desk.slack.fail_next("chat.postMessage", 2, error="invalid_blocks")
    desk.tell("root", story.root(RUNNING, STEPS) | waits)
    (root,) = desk.posted()
    assert not root["blocks"]
    assert "To decide: open Cloudy in Slack, tab Home" in root["text"]
    assert f"/cloudy stop {ID} · /cloudy show {ID}" in root["text"]
    assert "opaque" not in root["text"]


def test_a_text_beside_buttons_does_not_speak_of_other_ways(desk: Desk) -> None:
    desk.tell("root", story.root(RUNNING, STEPS) | {"buttons": ["approve", "veto"], "token": "opaque"})
    assert "To decide" not in desk.posted()[0]["text"]
