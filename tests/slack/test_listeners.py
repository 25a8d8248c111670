"""What people type and click reaches the service once and is answered each time: a real Bolt app over Socket Mode."""

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import Ack, App, BoltRequest
from slack_sdk import WebClient

import handlers
from bot import narrator
from bot.clock import SystemClock
from bot.errors import BusyError
from bot.model import AuditRow, Failure, Message, RecoveryPoint, State, StepState, StoredFile, Transaction
from bot.service import Service
from bot.status import Status
from bot.store import Database
from handlers.notifier import Sender
from handlers.whisper import after_ack_safe
from integrations.simulators.slack import LocalSlack
from tests.slack.local import connected

Json = dict[str, Any]


class Moody(Service):
    """The real service, which can be told to fail."""

    fault: Exception | None = None

    def status(self) -> Status:
        if self.fault is not None:
            raise self.fault
        return super().status()

    def stop(self, text: str, *args: Any, **kwargs: Any) -> Transaction:
        if self.fault is not None:
            raise self.fault
        return super().stop(text, *args, **kwargs)


@dataclass
class World:
    """A running bot without a worker, and its Slack."""

    db: Database
    slack: LocalSlack
    service: Moody
    app: App

    def transactions(self) -> tuple[Transaction, ...]:
        return self.service.runs(100)

    def audit(self, action: str) -> list[AuditRow]:
        with self.db.read() as unit:
            return [row for row in unit.audit.list() if row.action == action]

    def typed(self, text: str, user: str = "alice") -> str:
        ack = self.slack.command(user, "ops", text)
        assert ack.ok, ack
        return ack.text or ""

    def thread(self) -> Transaction:
        """A transaction whose root message with its Stop button stands in #ops."""
        self.typed("/protect vm01 to s3")
        (tx,) = self.transactions()
        view = {
            "kind": "root",
            "transaction": tx.id,
            "title": "Protect vm01",
            "state": "queued",
            "buttons": ["stop", "details"],
        }
        with self.db.unit() as unit:
            unit.transactions.update(tx.id, state=State.QUEUED)
            unit.outbox.put(Message(key=f"{tx.id}:root", channel=self.slack.channel_id("ops"), view=view))
        client = WebClient(token=self.slack.bot_token, base_url=self.slack.url, retry_handlers=[])
        assert Sender(self.db, client, clock=SystemClock(), installation="here").tick()
        return tx

    def root_ts(self, tx: Transaction) -> str:
        with self.db.read() as unit:
            message = unit.outbox.get(f"{tx.id}:root")
        assert message is not None
        return message.ts

    def stopped_by(self, tx: Transaction) -> str:
        return self.service.show(tx.id)[0].stop_asked_by

    def whispered(self, words: str, count: int = 1) -> None:
        """Wait until a private answer after an acknowledgement says this, so often."""
        deadline = time.monotonic() + 60
        while self._said(words) < count:
            assert time.monotonic() < deadline, self.slack.conversation("ops")
            time.sleep(0.02)

    def _said(self, words: str) -> int:
        return sum(words in change.text and bool(change.only_for) for change in self.slack.conversation("ops"))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "")  # the SDK reads these and ignores NO_PROXY
    Database.migrate(tmp_path / "cloudy.db")
    db = Database.open(tmp_path / "cloudy.db", audit_key=None)
    service = Moody(db, SystemClock(), vmstores=("vmstore",), targets=("s3", "azure"))
    with LocalSlack() as slack:
        client = WebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[], timeout=10)
        app = App(client=client, token_verification_enabled=False, listener_executor=ThreadPoolExecutor(20))
        handlers.register(app, service)
        with connected(slack, app):
            yield World(db, slack, service, app)
    db.close()


# --- commands ---


def test_a_protect_is_recorded_and_answered_in_the_acknowledgement_with_its_id(world: World) -> None:
    answer = world.typed("/protect vm01, “app server 03” to s3 vm-consistent")
    transactions = world.transactions()
    assert sorted(tx.vm for tx in transactions) == ["app server 03", "vm01"]
    assert {tx.consistency for tx in transactions} == {"vm"}
    assert all(tx.id in answer for tx in transactions)
    assert {tx.actor.name for tx in transactions} == {"alice"}
    assert transactions[0].place.channel == world.slack.channel_id("ops")
    called = [row["method"] for row in world.slack.record if row["type"] == "call"]
    assert not [method for method in called if method not in ("auth.test", "apps.connections.open")]


def test_cloudy_protect_is_the_same_as_protect(world: World) -> None:
    world.typed("/cloudy protect vm01 to s3 and azure")
    assert world.transactions()[0].targets == ("s3", "azure")


def test_several_vms_are_answered_with_their_ids_and_where_they_are_told(world: World) -> None:
    answer = world.typed("/protect vm01, vm02 to s3")
    assert "Asked for 2 transactions" in answer
    assert all(tx.id in answer for tx in world.transactions())
    assert "thread" in answer


def test_a_line_break_or_emoji_in_a_command_is_answered(world: World) -> None:
    assert "one line" in world.typed("/protect vm01\nto s3")
    assert "There is no “💣”" in world.typed("/cloudy 💣")
    assert "Asked for: protect 💾 vm to s3" in world.typed("/protect 💾 vm to s3")


def test_an_unknown_target_is_answered_with_the_targets(world: World) -> None:
    answer = world.typed("/protect vm01 to s4")
    assert "s4" in answer
    assert "s3, azure" in answer
    assert not world.transactions()


def test_what_is_not_understood_is_answered_with_the_usage_line_and_kept(world: World) -> None:
    assert "Usage: /protect <vm>" in world.typed("/protect vm01")
    assert "Usage: /cloudy help" in world.typed("/cloudy dance")
    assert [row.body["text"] for row in world.audit("refused")] == ["/protect vm01", "/cloudy dance"]
    assert world.audit("refused")[0].actor_name == "alice"


def test_help_status_runs_and_show_are_answered(world: World) -> None:
    assert "/protect <vm>" in world.typed("/cloudy")
    assert "No transaction yet" in world.typed("/cloudy runs")
    world.typed("/protect vm01 to s3")
    tx = world.transactions()[0]
    assert "1 active" in world.typed("/cloudy status")
    for command in ("/cloudy runs", "/cloudy show last", f"/cloudy show {tx.id[-6:]}", "/cloudy status"):
        answer = world.typed(command)
        assert tx.id in answer
        assert "vm01" in answer


def test_a_stop_by_id_is_recorded_and_answered(world: World) -> None:
    tx = world.thread()
    assert tx.id in world.typed(f"/cloudy stop {tx.id}", "bob")
    assert world.stopped_by(tx) == "bob"
    assert "no transaction" in world.typed("/cloudy stop zzzzzz").lower()


def test_a_command_delivered_twice_is_one_transaction(world: World) -> None:
    payload = {
        "command": "/protect", "text": "vm01 to s3", "trigger_id": "1.2.3", "team_id": "T0LOCAL001",
        "user_id": "U1", "user_name": "alice", "channel_id": "C1",
    }  # fmt: skip
    answers = [world.app.dispatch(BoltRequest(body=payload, mode="socket_mode")) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert len(world.transactions()) == 1
    assert all(world.transactions()[0].id in answer.body for answer in answers)


def test_a_busy_database_is_said_and_nothing_is_started(world: World) -> None:
    world.service.fault = BusyError()
    assert "busy; nothing was started" in world.typed("/cloudy status")


def test_what_nobody_expected_is_answered_with_a_reference_that_the_log_has_too(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.service.fault = RuntimeError("secret detail")
    answer = world.typed("/cloudy status")
    reference = re.search("reference.*: ([0-9a-f]{8})", answer)
    assert reference
    assert "secret detail" not in answer
    logged = [record for record in caplog.records if getattr(record, "reference", "") == reference[1]]
    assert logged
    assert logged[0].exc_info


def test_a_name_that_would_ping_everybody_pings_nobody(world: World) -> None:
    answer = world.typed("/protect <!channel> *x* to s3")
    assert "<!channel> *x*" in answer  # as it is, where Slack does not parse
    (ack,) = [row for row in world.slack.record if row["type"] == "ack"]
    assert "&lt;!channel&gt; ∗x∗" in json.dumps(ack, ensure_ascii=False)
    assert world.transactions()[0].vm == "<!channel> *x*"


def test_many_people_at_once_are_all_acknowledged(world: World) -> None:
    with ThreadPoolExecutor(20) as people:
        answers = list(people.map(lambda n: world.slack.command("alice", "ops", f"/protect vm{n} to s3"), range(40)))
    assert all(answer.ok for answer in answers)
    assert len(world.transactions()) == 40


# --- clicks ---


def test_a_click_on_stop_stops_and_is_answered_privately_each_time(world: World) -> None:
    tx = world.thread()
    for _ in range(2):
        assert world.slack.click("bob", "Stop").ok
    world.whispered("Stopping", 2)
    assert world.stopped_by(tx) == "bob"


def test_a_refused_click_is_acknowledged_and_answered_too(world: World) -> None:
    tx = world.thread()
    with world.db.unit() as unit:
        unit.transactions.update(tx.id, state=State.SUCCEEDED)
    assert world.slack.click("bob", "Stop").ok
    world.whispered("Already protected")


def test_a_click_on_details_is_answered_to_the_one_who_clicked_with_steps_times_failure_and_files(world: World) -> None:
    tx = world.thread()
    failure = Failure(what="S3 said no (AccessDenied).", step="Upload", next="Ask for the right.")
    file = StoredFile(path="/tintri/x/vm01.vmx", key=f"{tx.id}/x/vm01.vmx", name="vm01.vmx", size=7, crc64=1, etag="e")
    with world.db.unit() as unit:
        unit.steps.prepare(tx.id, [("upload", "Upload")])
        began = unit.steps.begin(tx.id, "upload").started_at
        unit.steps.finish(tx.id, "upload", StepState.FAILED, failure=failure)
        unit.files.put(tx.id, "s3", file)
        unit.transactions.update(tx.id, state=State.FAILED, failure=failure)
    assert world.slack.click("bob", "Details").ok
    world.whispered("Ask for the right.")
    (told,) = [change for change in world.slack.conversation("ops") if change.only_for == "bob"]
    for words in (f"{began:%H:%M:%S} UTC, 0.0 s", "AccessDenied", file.key, "7 B", tx.id):
        assert words in told.text


def test_a_click_that_breaks_is_acknowledged_and_answered_with_a_reference(world: World) -> None:
    world.thread()
    world.service.fault = RuntimeError("boom")
    assert world.slack.click("bob", "Stop").ok
    world.whispered("reference")


def test_a_click_whose_answer_cannot_be_delivered_is_still_acknowledged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    tx = world.thread()
    world.slack.fail_next("chat.postEphemeral", error="user_not_in_channel")
    world.slack.fail_next("chat.postMessage", error="messages_tab_disabled")
    assert world.slack.click("bob", "Stop").ok
    assert world.stopped_by(tx) == "bob"
    wait_for(lambda: any(getattr(record, "action", "") == "whisper" for record in caplog.records))


def test_a_listener_that_raises_after_its_acknowledgement_keeps_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def careless(ack: Ack) -> None:
        ack()
        raise RuntimeError("after the ack")

    world.app.action("test.careless")(after_ack_safe(careless))
    button = {"type": "button", "action_id": "test.careless", "text": {"type": "plain_text", "text": "Careless"}}
    client = WebClient(token=world.slack.bot_token, base_url=world.slack.url)
    client.chat_postMessage(
        channel=world.slack.channel_id("ops"), text="x", blocks=[{"type": "actions", "elements": [button]}]
    )
    assert world.slack.click("bob", "Careless").ok
    wait_for(lambda: any("after the acknowledgement" in record.message for record in caplog.records))


# --- mentions ---


def test_stop_said_in_a_thread_stops_its_transaction_by_name(world: World) -> None:
    tx = world.thread()
    assert world.slack.mention("bob", "stop", thread_ts=world.root_ts(tx)).ok
    world.whispered("Stopping")
    assert world.stopped_by(tx) == "bob"
    assert tx.id in [c for c in world.slack.conversation("ops") if c.only_for][-1].text


def test_a_mention_is_heard_also_when_slack_does_not_tell_the_name(world: World) -> None:
    tx = world.thread()
    world.slack.fail_next("users.info", error="missing_scope")
    world.slack.mention("bob", "stop", thread_ts=world.root_ts(tx))
    world.whispered("Stopping")
    assert world.stopped_by(tx) == world.slack.user_id("bob")


def test_a_mention_is_recorded_before_it_is_acknowledged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tx, stop_thread = world.thread(), world.service.stop_thread

    def slowly(*args: Any, **kwargs: Any) -> Transaction:
        time.sleep(0.5)
        return stop_thread(*args, **kwargs)

    monkeypatch.setattr(world.service, "stop_thread", slowly)
    assert world.slack.mention("bob", "stop", thread_ts=world.root_ts(tx)).ok
    assert world.stopped_by(tx) == "bob"


def test_other_mentions_are_answered_where_they_were_said(world: World) -> None:
    tx = world.thread()
    said_to = {"status": "vm01 to s3: queued", "help": "What Cloudy understands", "dance": "Usage: /cloudy"}
    for said, answer in said_to.items():
        world.slack.mention("bob", said, thread_ts=world.root_ts(tx))
        world.whispered(answer)
    answers = [change for change in world.slack.conversation("ops") if change.only_for == "bob"]
    assert {change.thread_ts for change in answers} == {world.root_ts(tx)}


def test_stop_said_outside_any_thread_of_ours_says_how_to_name_it(world: World) -> None:
    world.thread()
    world.slack.mention("bob", "stop")
    world.whispered("Say stop in the thread")
    said = world.slack.say("bob", "a thread of people")
    world.slack.mention("bob", "stop", thread_ts=said.ts)
    world.whispered("does not belong to a transaction")


def wait_for(true: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_status_outside_a_thread_of_ours_is_of_everything(world: World) -> None:
    world.thread()
    world.slack.mention("bob", "status")
    world.whispered("1 active")
    said = world.slack.say("bob", "a thread of people")
    world.slack.mention("bob", "status", thread_ts=said.ts)
    world.whispered("1 active", 2)


def test_why_in_a_thread_and_by_id_tells_of_that_transaction(world: World) -> None:
    tx = world.thread()
    world.slack.mention("bob", "why", thread_ts=world.root_ts(tx))
    world.whispered("Nothing has failed so far.")
    failure = Failure(what="AccessDenied", step="Upload", next="Mend the policy.")
    with world.db.unit() as unit:
        unit.transactions.update(tx.id, state=State.FAILED, frozen={"title": "Protect {vm}"}, failure=failure)
    answer = world.typed("/cloudy why last")
    assert "Upload: AccessDenied" in answer
    assert "Next: Mend the policy." in answer
    assert "Usage: /cloudy why" in world.typed("/cloudy why")


def ended(world: World) -> Transaction:
    """A transaction whose receipt with its buttons stands in the thread."""
    tx = world.thread()
    receipt = {"kind": "receipt", "transaction": tx.id, "state": "succeeded", "buttons": ["verify", "audit", "later"]}
    with world.db.unit() as unit:
        unit.transactions.update(tx.id, state=State.SUCCEEDED)
        place = world.slack.channel_id("ops")
        unit.outbox.put(Message(key=f"{tx.id}:receipt", channel=place, thread_key=f"{tx.id}:root", view=receipt))
        unit.points.put(
            RecoveryPoint(
                transaction_id=tx.id,
                target="s3",
                vm_uuid="u1",
                vm_name="vm01",
                manifest_key=f"{tx.id}/manifest.json",
                taken_at=tx.created_at,
                consistency="crash",
                size=5,
            )
        )
    client = WebClient(token=world.slack.bot_token, base_url=world.slack.url, retry_handlers=[])
    sender, deadline = Sender(world.db, client, clock=SystemClock(), installation="here"), time.monotonic() + 60
    while not sender.tick():  # one post a second in a channel
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return tx


def test_the_verify_button_records_one_verify_however_often_it_is_delivered(world: World) -> None:
    tx = ended(world)
    assert world.slack.click("bob", "Verify").ok
    world.whispered("Asked for: verify vm01 in s3")
    asked = [each for each in world.transactions() if each.workflow == "verify"]
    assert [each.request for each in asked] == [{"point": tx.id}]
    assert asked[0].actor.name == "bob"


def test_verify_is_also_a_command_and_a_mention(world: World) -> None:
    tx = ended(world)
    assert "Asked for: verify vm01 in s3" in world.typed(f"/cloudy verify {tx.id[-6:]}")
    world.slack.mention("bob", "verify", thread_ts=world.root_ts(tx))
    world.whispered("Asked for: verify vm01 in s3")
    assert [each.request for each in world.transactions() if each.workflow == "verify"] == [{"point": tx.id}] * 2


def test_show_audit_answers_privately_with_who_and_what(world: World) -> None:
    ended(world)
    assert world.slack.click("bob", "Show audit").ok
    world.whispered("Audit: protect vm01 to s3")
    world.whispered("alice · command: command protect")
    world.whispered("could not be judged")


def test_the_retry_button_of_what_is_held_queues_it_again_and_clean_up_now_stops_it(world: World) -> None:
    tx = world.thread()
    until = (SystemClock().now() + timedelta(hours=1)).isoformat()
    failure = Failure(what="AccessDenied", step="Upload", next="Mend the policy.")

    def hold(plan: Json) -> None:
        with world.db.unit() as unit:
            unit.transactions.update(tx.id, state=State.HELD, failure=failure, plan=plan)
            narrator.tell_held(unit, tx.id)
        client = WebClient(token=world.slack.bot_token, base_url=world.slack.url, retry_handlers=[])
        sender, deadline = Sender(world.db, client, clock=SystemClock(), installation="here"), time.monotonic() + 60
        while True:
            with world.db.read() as unit:
                if not unit.outbox.pending():
                    return
            assert time.monotonic() < deadline
            sender.tick()
            time.sleep(0.02)

    hold({"held_until": until})
    assert world.slack.click("bob", "Retry").ok
    world.whispered("It goes on with the step that failed")
    assert world.service.show(tx.id)[0].state is State.QUEUED
    assert world.service.show(tx.id)[0].run == "retry1"
    hold({"held_until": until, "retries": 1, "run": "retry1"})
    assert world.slack.click("bob", "Clean up now").ok
    world.whispered("Stopping: protect vm01 to s3")
    assert world.stopped_by(tx) == "bob"


def test_retry_of_what_is_under_way_is_answered_with_words(world: World) -> None:
    tx = world.thread()
    world.slack.mention("bob", "retry", thread_ts=world.root_ts(tx))
    world.whispered("There is nothing to retry")
    assert "nothing to retry" in world.typed("/cloudy retry last")
