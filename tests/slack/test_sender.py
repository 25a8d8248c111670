"""The outbox's sender against the local Slack: order, pace, no message lost, none doubled."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.clock import SystemClock
from bot.model import Message
from bot.store import Database
from handlers.notifier import Sender
from integrations.simulators.slack import LocalSlack

Json = dict[str, Any]
ID = "20261123T142233Z-7f3k9q"


class FakeClock:
    """Begins now, since the local Slack's timestamps do, and moves when told."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class World:
    """A database, a Slack, and a sender between them on a clock of ours."""

    db: Database
    slack: LocalSlack
    clock: FakeClock = field(default_factory=FakeClock)
    url: str = ""

    def __post_init__(self) -> None:
        self.sender = self.new_sender()

    def new_sender(self, url: str = "") -> Sender:
        """As after a restart of the bot."""
        client = WebClient(token=self.slack.bot_token, base_url=url or self.slack.url, retry_handlers=[], timeout=10)
        return Sender(self.db, client, clock=self.clock, installation="here")

    def put(self, name: str, view: Json, *, tx: str = ID, **where: Any) -> None:
        channel = where.pop("channel", self.slack.channel_id("ops"))
        root: Json = {} if name == "root" or where else {"thread_key": f"{tx}:root"}
        with self.db.unit() as unit:
            unit.outbox.put(Message(key=f"{tx}:{name}", channel=channel, view=view, **root, **where))

    def get(self, name: str, tx: str = ID) -> Message:
        with self.db.read() as unit:
            found = unit.outbox.get(f"{tx}:{name}")
        assert found is not None
        return found

    def pending(self) -> list[str]:
        with self.db.read() as unit:
            return [message.key for message in unit.outbox.pending()]

    def work(self, seconds: float = 120.0, step: float = 0.1) -> None:
        """Let the sender work until nothing is pending; the clock moves by a step whenever it has to wait."""
        end = self.clock.time + timedelta(seconds=seconds)
        while self.pending() and self.clock.time < end:
            if not self.sender.tick():
                self.clock.sleep(step)

    def now(self) -> None:
        """Let the sender do what it can without any time passing."""
        while self.sender.tick():
            pass

    def calls(self, method: str = "chat.") -> list[Json]:
        return [row for row in self.slack.record if row["type"] == "call" and row["method"].startswith(method)]

    def shown(self) -> list[str]:
        """First lines of what stands in #ops now, root first, then its thread."""
        return [change.text.splitlines()[0] for change in self.slack.conversation("ops")]


def root(state: str = "running", line: str = "Starting") -> Json:
    return {"kind": "root", "transaction": ID, "title": "Protect vm01", "state": state, "line": line, "facts": []}


def plan(percent: int, state: str = "in_progress") -> Json:
    tasks = [{"id": "upload", "title": "Upload", "state": state, "note": f"{percent} %"}]
    return {"kind": "plan", "transaction": ID, "title": "Protect vm01", "tasks": tasks, "line": ""}


def said(text: str) -> Json:
    return {"kind": "milestone", "transaction": ID, "step": "s", "level": "", "text": text}


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalSlack]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "")  # the SDK reads these and ignores NO_PROXY
    with LocalSlack() as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, slack: LocalSlack) -> Iterator[World]:
    clock = FakeClock()
    Database.migrate(tmp_path / "cloudy.db")
    db = Database.open(tmp_path / "cloudy.db", audit_key=None, clock=clock)
    yield World(db, slack, clock)
    db.close()


# --- order ---


def test_a_thread_comes_in_the_order_in_which_it_was_told(world: World) -> None:
    world.put("root", root())
    world.put("plan", plan(0))
    for number in range(6):
        world.put(f"milestone:{number}", said(f"milestone {number}"))
    world.work()
    assert world.shown()[2:] == [f"milestone {number}" for number in range(6)]
    posts = [call["args"] for call in world.calls("chat.postMessage")]
    assert {post.get("thread_ts") for post in posts[1:]} == {world.get("root").ts}
    assert "thread_ts" not in posts[0]
    assert posts[1]["metadata"] == {
        "event_type": "cloudy_message",
        "event_payload": {"key": f"{ID}:plan", "installation": "here", "version": 1},
    }
    assert all(post["unfurl_links"] is False and post["unfurl_media"] is False for post in posts)


def test_replies_wait_for_their_root(world: World) -> None:
    world.put("root", root())
    world.put("plan", plan(0))
    world.slack.fail_next("chat.postMessage", status=429, retry_after_s=5)
    world.now()
    assert len(world.calls()) == 1
    world.work()
    assert len(world.shown()) == 2


def test_no_message_overtakes_an_earlier_one_of_its_thread_that_waits(world: World) -> None:
    world.put("root", root())
    world.work()
    world.put("milestone:1", said("first"))
    world.put("milestone:2", said("second"))
    world.slack.fail_next("chat.postMessage", error="internal_error")
    world.work()
    assert world.shown()[1:] == ["first", "second"]


def test_another_thread_goes_on_while_one_waits(world: World) -> None:
    world.put("root", root())
    world.put("root", root(), tx="other")
    world.work()
    world.put("milestone:1", said("of the first"))
    world.put("milestone:1", said("of the second"), tx="other")
    with world.db.unit() as unit:
        unit.outbox.defer(f"{ID}:milestone:1", world.clock.now() + timedelta(hours=1), "wait")
    world.now()
    assert world.pending() == [f"{ID}:milestone:1"]


def test_what_a_clock_far_ahead_put_off_is_sent_when_the_clock_is_right(world: World) -> None:
    world.put("root", root())
    world.work()
    world.put("milestone:1", said("put off"))
    wrong = world.clock.now() + timedelta(days=3650)
    with world.db.unit() as unit:
        unit.outbox.defer(f"{ID}:milestone:1", wrong, "wait")
    world.sender._silent_until = wrong
    world.sender._pace.close("post", wrong)
    world.work()
    assert world.pending() == []


# --- pace ---


def test_the_newest_view_wins_and_those_between_are_never_sent(world: World) -> None:
    world.put("root", root())
    world.put("plan", plan(0))
    world.work()
    for percent in range(1, 20):
        world.put("plan", plan(percent))
    world.work()
    assert len(world.calls("chat.update")) == 1
    assert "19 %" in world.calls("chat.update")[0]["args"]["text"]
    assert world.get("plan").sent_version == 20


def test_a_message_is_edited_once_a_second_but_its_last_edit_goes_at_once(world: World) -> None:
    world.put("root", root())
    world.put("plan", plan(0))
    world.work()
    world.put("plan", plan(1))
    world.now()
    assert not world.calls("chat.update")
    world.clock.sleep(1.0)
    world.now()
    assert len(world.calls("chat.update")) == 1
    world.put("plan", plan(100, "complete"))
    world.now()
    assert "100 %" in world.calls("chat.update")[1]["args"]["text"]


def test_edits_of_all_messages_stay_below_fifty_a_minute_and_every_last_edit_arrives(world: World) -> None:
    names = [f"tx{number}" for number in range(12)]
    for name in names:
        world.put("root", root(), tx=name)
    world.work()
    start = world.clock.time
    second = 0
    while world.clock.time < start + timedelta(seconds=60):
        second += 1
        for name in names:
            world.put("root", root(line=f"second {second}"), tx=name)
        world.now()
        world.clock.sleep(1.0)
    edits = world.calls("chat.update")
    assert 40 < len(edits) < 50
    edited = {call["args"]["ts"] for call in edits}
    assert len(edited) == len(names)  # nobody starves
    for name in names:
        world.put("root", root("succeeded", "done"), tx=name)
    world.work()
    assert [line for line in world.shown() if "Protect" in line] == ["✅ Protect vm01"] * len(names)


def test_every_thread_is_begun_before_any_goes_on_so_that_its_buttons_stand_there(world: World) -> None:
    for name in ("t1", "t2", "t3", "t4"):
        world.put("root", root(), tx=name)
        world.put("milestone:0", said(name), tx=name)
    world.now()
    posts = [call["args"] for call in world.calls("chat.postMessage")]
    assert [bool(post.get("thread_ts")) for post in posts] == [False] * 4
    world.work()
    assert world.pending() == []


def test_messages_into_one_channel_go_in_a_short_burst_and_then_one_a_second(world: World) -> None:
    world.put("root", root())
    for number in range(10):
        world.put(f"milestone:{number}", said(str(number)))
    world.now()
    assert len(world.calls("chat.postMessage")) == 4
    world.clock.sleep(2.0)
    world.now()
    assert len(world.calls("chat.postMessage")) == 6


def test_after_429_the_method_rests_as_long_as_asked_and_the_others_go_on(world: World) -> None:
    world.put("root", root())
    world.put("plan", plan(0))
    world.work()
    world.clock.sleep(5)
    world.slack.fail_next("chat.postMessage", status=429, retry_after_s=20)
    world.put("milestone:1", said("later"))
    world.put("plan", plan(5))
    world.now()
    assert len(world.calls("chat.update")) == 1
    tries = len(world.calls("chat.postMessage"))
    world.clock.sleep(19)
    world.now()
    assert len(world.calls("chat.postMessage")) == tries
    world.clock.sleep(1)
    world.now()
    assert world.shown()[2:] == ["later"]
    assert not world.calls("conversations.")  # what was refused surely does not stand there


# --- nothing twice, nothing lost ---


@pytest.mark.parametrize("name", ["root", "plan", "milestone:1"])
def test_a_message_whose_answer_was_lost_is_found_again_and_not_sent_twice(world: World, name: str) -> None:
    if name != "root":
        world.put("root", root())
        world.work()
    view = {"root": root(), "plan": plan(0), "milestone:1": said("once")}[name]
    world.put(name, view)
    world.slack.fail_next("chat.postMessage", lose_answer=True)
    before = len(world.calls("chat.postMessage"))
    world.work()
    assert len(world.calls("chat.postMessage")) == before + 1
    assert len(world.shown()) == (1 if name == "root" else 2)
    assert world.get(name).ts == world.slack.conversation("ops")[-1].ts
    assert not world.get(name).intent


def test_a_plan_that_changed_while_its_answer_was_lost_is_found_and_edited(world: World) -> None:
    world.put("root", root())
    world.work()
    world.put("plan", plan(0))
    world.slack.fail_next("chat.postMessage", lose_answer=True)
    world.now()
    world.put("plan", plan(50))
    world.work()
    assert len(world.calls("chat.postMessage")) == 2
    assert "50 %" in world.calls("chat.update")[-1]["args"]["text"]


@pytest.mark.parametrize("was_sent", [True, False])
def test_a_sender_that_starts_anew_finds_what_the_killed_one_had_begun(world: World, was_sent: bool) -> None:
    world.put("root", root())
    world.work()
    world.put("plan", plan(0))
    if was_sent:
        world.slack.fail_next("chat.postMessage", lose_answer=True)
    else:
        world.slack.fail_next("chat.postMessage", status=503)
    world.now()
    assert world.get("plan").intent
    world.sender = world.new_sender()
    world.work()
    assert len(world.shown()) == 2
    assert world.pending() == []


def test_another_installation_s_message_of_the_same_key_is_not_taken_for_ours(world: World) -> None:
    world.put("root", root())
    client = WebClient(token=world.slack.bot_token, base_url=world.slack.url, retry_handlers=[])
    world.slack.fail_next("chat.postMessage", lose_answer=True)
    Sender(world.db, client, clock=world.clock, installation="there").tick()
    world.work()
    assert len(world.calls("chat.postMessage")) == 2


def test_a_lost_message_is_found_behind_many_others(world: World) -> None:
    world.put("root", root())
    world.slack.fail_next("chat.postMessage", lose_answer=True)
    world.now()
    client = WebClient(token=world.slack.bot_token, base_url=world.slack.url)
    for number in range(205):
        client.chat_postMessage(channel=world.slack.channel_id("ops"), text=str(number))
    world.work()
    assert len(world.calls("conversations.history")) == 2
    assert world.get("root").ts == world.slack.conversation("ops")[0].ts


def test_without_the_history_scope_it_says_so_and_sends_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.put("root", root())
    world.slack.fail_next("chat.postMessage", status=500)
    world.slack.fail_next("conversations.history", error="missing_scope")
    with caplog.at_level(logging.WARNING):
        world.work()
    assert len(world.shown()) == 1
    assert any("history scope is missing" in record.message for record in caplog.records)


def test_through_an_outage_every_message_arrives_once_and_in_order(world: World) -> None:
    world.put("root", root())
    world.put("plan", plan(0))
    for number in range(4):
        world.put(f"milestone:{number}", said(f"milestone {number}"))
    world.slack.fail_next("*", 15, status=503)
    world.work(600)
    assert world.shown()[2:] == [f"milestone {number}" for number in range(4)]


def test_slack_out_of_reach_is_waited_for(world: World) -> None:
    world.put("root", root())
    world.sender = world.new_sender("http://127.0.0.1:9/api/")
    world.now()
    assert world.get("root").attempts == 1
    assert not world.sender.tick()
    world.sender = world.new_sender()
    world.work()
    assert len(world.shown()) == 1


def test_one_message_that_slack_stumbles_over_does_not_hold_up_the_others(world: World) -> None:
    world.put("root", root())
    world.put("root", root(), tx="other")
    world.work()
    world.put("root", root("succeeded", "stumbles"))
    world.put("root", root("succeeded", "goes"), tx="other")
    world.slack.fail_next("chat.update", error="fatal_error")
    world.work(1.4)
    assert world.pending() == [f"{ID}:root"]


# --- how it is drawn ---


def test_refused_blocks_are_drawn_simpler_then_as_text_and_the_plan_is_tried_again_hours_later(world: World) -> None:
    world.put("root", root())
    world.put("plan", plan(0))
    world.work()
    world.slack.fail_next("chat.update", error="invalid_blocks")
    world.put("plan", plan(1))
    world.work()
    kinds = [[block["type"] for block in call["args"]["blocks"]] for call in world.calls("chat.update")]
    assert "plan" in kinds[0]
    assert "plan" not in kinds[1]
    world.slack.fail_next("chat.update", error="invalid_blocks_format")
    world.put("plan", plan(2))
    world.work()
    assert world.calls("chat.update")[-1]["args"]["blocks"] == []  # takes the old ones away
    assert "2 %" in world.slack.conversation("ops")[1].text
    world.put("root", root("succeeded"))
    world.work()
    assert world.calls("chat.update")[-1]["args"]["blocks"]  # remembered for plans only
    world.clock.sleep(7 * 3600)
    world.put("plan", plan(3))
    world.work()
    assert world.calls("chat.update")[-1]["args"]["blocks"][0]["type"] == "plan"


def test_a_first_message_whose_blocks_are_refused_is_sent_once(world: World) -> None:
    world.put("root", root())
    world.slack.fail_next("chat.postMessage", 2, error="invalid_blocks")
    world.work()
    assert len(world.shown()) == 1
    assert not world.calls("conversations.")


def test_each_edit_has_new_block_ids(world: World) -> None:
    world.put("root", root())
    world.work()
    world.put("root", root(line="next"))
    world.work()
    first, second = ({block["block_id"] for block in call["args"]["blocks"]} for call in world.calls("chat."))
    assert not first & second


# --- giving up, and going on ---


@pytest.mark.parametrize("code", ["channel_not_found", "is_archived", "not_in_channel", "brand_new"])
def test_what_slack_will_never_take_is_given_up_with_its_error_and_its_thread_with_it(
    world: World, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.put("root", root())
    world.put("plan", plan(0))
    world.put("root", root(), tx="other")
    world.slack.fail_next("chat.postMessage", error=code)
    world.work()
    assert world.pending() == []
    assert len(world.shown()) == 1
    assert {getattr(record, "error", "") for record in caplog.records} >= {code}


@pytest.mark.parametrize("code", ["invalid_auth", "token_revoked", "account_inactive", "missing_scope"])
def test_what_an_operator_can_cure_is_waited_for_and_no_message_is_lost(
    world: World, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.put("root", root())
    world.work()
    world.slack.fail_next("chat.postMessage", 3, error=code)
    world.slack.fail_next("chat.update", 2, error=code)
    world.put("root", root("succeeded"))
    world.put("plan", plan(100, "complete"))
    world.work(300)
    assert world.pending() == []
    assert len(world.shown()) == 2
    assert sum(not call["answer"]["ok"] for call in world.calls()) == 5
    assert {getattr(record, "error", "") for record in caplog.records} >= {code}


def test_who_asked_is_told_directly_that_no_thread_can_be_opened(world: World) -> None:
    alice = world.slack.user_id("alice")
    world.put("root", root() | {"by": alice})
    world.put("plan", plan(0))
    world.slack.fail_next("chat.postMessage", error="not_in_channel")
    world.work()
    assert world.pending() == []
    (told,) = [call["args"] for call in world.calls("chat.postMessage") if call["answer"]["ok"]]
    assert told["channel"] == alice
    assert "not_in_channel" in told["text"]
    assert f"/cloudy show {ID}" in told["text"]


def test_a_private_answer_that_a_channel_does_not_take_goes_to_its_reader_directly(world: World) -> None:
    alice = world.slack.user_id("alice")
    world.put("notice", {"kind": "notice", "text": "There is no VM called vm1."}, only_for=alice)
    world.slack.fail_next("chat.postEphemeral", error="not_in_channel")
    world.work()
    assert world.pending() == []
    (told,) = [call["args"] for call in world.calls("chat.postMessage")]
    assert (told["channel"], told["text"]) == (alice, "There is no VM called vm1.")


def test_a_message_that_cannot_be_drawn_is_given_up_in_the_end_and_its_thread_goes_on(world: World) -> None:
    world.put("root", root())
    world.put("broken", {"kind": "receipt", "facts": 5})
    world.put("plan", plan(100, "complete"))
    world.work(3600, step=5.0)
    assert world.pending() == []
    assert len(world.shown()) == 2


def test_a_private_answer_is_seen_by_one_person_only(world: World) -> None:
    alice = world.slack.user_id("alice")
    world.put("notice", {"kind": "notice", "text": "There is no VM called vm1."}, only_for=alice)
    world.work()
    assert [change.only_for for change in world.slack.conversation("ops")] == ["alice"]
    assert not world.calls("chat.postMessage")


def test_a_message_that_cannot_be_drawn_holds_up_no_other(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.put("broken", {"kind": "root", "facts": 5}, thread_ts="1.1")
    world.put("root", root())
    world.now()
    assert len(world.shown()) == 1
    assert any(record.exc_info for record in caplog.records)


def test_a_database_that_is_away_is_not_the_end(tmp_path: Path, slack: LocalSlack) -> None:
    db = Database.open(tmp_path / "none.db", audit_key=None)
    assert World(db, slack).sender.tick() is False


def test_it_runs_in_a_thread_until_it_is_asked_to_stop(tmp_path: Path, slack: LocalSlack) -> None:
    Database.migrate(tmp_path / "cloudy.db")
    clock = SystemClock()
    world = World(Database.open(tmp_path / "cloudy.db", audit_key=None, clock=clock), slack)
    client = WebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[], timeout=10)
    sender, stop = Sender(world.db, client, clock=clock, installation="here"), threading.Event()
    thread = threading.Thread(target=sender.run, args=(stop,))
    thread.start()
    world.put("root", root())
    world.put("plan", plan(0))
    wait_for(lambda: not world.pending())
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
    assert len(world.shown()) == 2
    world.db.close()


def wait_for(true: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
