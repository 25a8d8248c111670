"""Summaries: asked for and posted, and their buttons, clicked by the local Slack: twice, and by who has no right."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import digest, summing
from bot.clock import SystemClock
from bot.model import (
    Actor,
    ConcernKind,
    Failure,
    Message,
    Place,
    ProtectRequest,
    RecoveryPoint,
    Schedule,
    ScheduleRequest,
    Span,
    State,
    Transaction,
    Vm,
)
from bot.policy import Policy, Role
from bot.service import Service
from bot.startable import Firing
from bot.store import Database
from bot.summaries import Known
from bot.upcoming import Upcoming
from handlers import charts, digestcharts, ids
from handlers.courier import Courier
from handlers.notifier import Sender
from integrations.simulators.slack import LocalSlack
from tests.slack.local import bot_on, client_of, database, rows, until

NOW = datetime.now(UTC)


@dataclass
class World:
    """A bot without a worker, whose sender is moved by hand."""

    db: Database
    slack: LocalSlack
    service: Service
    sender: Sender

    def see(self, *names: str) -> None:
        with self.db.unit() as unit:
            unit.inventory.refresh("vmstore", [Vm(uuid=f"u-{name}", name=name, vmstore="vmstore") for name in names])

    def kept(self, name: str, hours: float, *targets: str) -> None:
        """A recovery point of that age."""
        with self.db.unit() as unit:
            for target in targets or ("s3",):
                unit.points.put(
                    RecoveryPoint(
                        transaction_id=f"t-{name}-{hours}", target=target, vm_uuid=f"u-{name}", vm_name=name,
                        manifest_key="m", taken_at=NOW - timedelta(hours=hours), consistency="crash", size=1 << 30,
                    )
                )  # fmt: skip

    def posted(self, key: str = "test", span: Span = Span.DAY, owner: str = "") -> None:
        """A summary in #ops, or to one person."""
        channel = owner or self.slack.channel_id("ops")
        with self.db.unit() as unit:
            told = self.service.summaries.within(unit, span, owner)
            unit.outbox.put(Message(key=key, channel=channel, view=digest.view(told)))
        self.send()

    def send(self) -> None:
        while self.sender.tick():
            pass

    def failed(self, vm: str, actor: Actor) -> Transaction:
        request = ProtectRequest(vms=(vm,), targets=("s3",))
        (made,) = self.service.protect(request, actor, request_key=f"ask:{vm}:{actor.id}")
        with self.db.unit() as unit:
            return unit.transactions.update(
                made.id, state=State.FAILED, ended_at=NOW, vm_uuid=f"u-{vm}", failure=Failure(what="the disk was full")
            )

    def said(self, place: str = "ops", user: str = "") -> list[str]:
        return [change.text for change in self.slack.conversation(place) if user in ("", change.only_for)]

    def until_said(self, words: str, place: str = "ops") -> None:
        """A listener tells what it did after it has acknowledged."""

        def is_said() -> bool:
            self.send()
            return any(words in text for text in self.said(place))

        until(is_said, words)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with database(tmp_path) as db, LocalSlack() as slack:
        carol = slack.user_id("carol")
        grants = {slack.user_id("alice"): Role.OPERATOR, carol: Role.VIEWER, slack.user_id("dave"): Role.ADMIN}
        policy = Policy(grants=grants)
        service = Service(db, SystemClock(), vmstores=("vmstore",), targets=("s3", "azure"), policy=policy)
        service.summaries.known = Known(
            targets=("s3", "azure"), vmstores=("vmstore",), drillable=frozenset({"vmstore"})
        )
        client = client_of(slack)
        sender = Sender(db, client, clock=SystemClock(), installation="test", on_sent=digestcharts.promise)
        with bot_on(slack, service):
            yield World(db, slack, service, sender)


# --- asked for ---


def test_a_summary_is_answered_at_once_and_short_when_all_is_well(world: World) -> None:
    world.see("vm01", "vm02")
    world.kept("vm01", 2)
    world.kept("vm02", 3)
    ack = world.slack.command("alice", "ops", "/summary")
    assert "All 2 VMs within RPO (1d); none proven by a drill yet." in (ack.text or "")


def test_the_same_behind_cloudy_of_a_week_and_of_what_is_mine(world: World) -> None:
    world.see("vm01", "vm02")
    alice = Actor(id=world.slack.user_id("alice"), name="alice", source="slack")
    world.failed("vm01", alice)
    said = world.slack.command("alice", "ops", "/cloudy summary week for me").text or ""
    assert "Your VMs: the last 7 days" in said
    assert "the disk was full" in said
    assert "1 VM has no recovery point" in said
    assert "No VM of yours is known yet" in (world.slack.command("dave", "ops", "/summary for me").text or "")


def test_what_is_not_understood_says_how_it_is_typed(world: World) -> None:
    assert "/cloudy summary [day|week]" in (world.slack.command("alice", "ops", "/summary yesterday").text or "")


# --- posted, with buttons ---


def test_protect_now_protects_to_where_it_lies_once_for_two_clicks_and_says_so_on_the_line(world: World) -> None:
    world.see("vm01")
    world.kept("vm01", 30)
    world.posted()
    world.until_said("late by")
    assert world.slack.click("alice", "Protect now").ok
    assert world.slack.click("dave", "Protect now").ok
    (asked,) = world.service.runs()
    assert (asked.vm, asked.targets, asked.actor.name) == ("vm01", ("s3",), "alice")
    world.until_said("Asked for: protect vm01 to s3")
    world.send()
    world.until_said(f"protect asked for by alice ({asked.id})")
    with pytest.raises(LookupError):
        world.slack.click("alice", "Protect now")
    assert len(world.service.runs()) == 1


def test_a_vm_that_lies_nowhere_gets_the_form_with_its_name_in_it(world: World) -> None:
    world.see("vm01")
    world.posted()
    assert world.slack.click("alice", "Protect…").ok
    until(lambda: "Keep for" in (world.slack.modal("alice") or ""), "the form")
    assert world.slack.fill("alice", "Targets", "s3").ok
    assert world.slack.submit("alice").ok
    (asked,) = world.service.runs()
    assert asked.vm == "vm01"


def test_retry_asks_again_for_what_failed(world: World) -> None:
    world.see("vm01")
    failed = world.failed("vm01", Actor(id=world.slack.user_id("alice"), name="alice", source="slack"))
    world.posted()
    assert world.slack.click("alice", "Retry").ok
    newest = world.service.runs(1)[0]
    assert newest.id != failed.id
    assert (newest.workflow, newest.vm) == ("protect", "vm01")


def test_snooze_asks_until_when_and_why_and_the_line_comes_no_more_but_is_counted(world: World) -> None:
    world.see("vm01", "vm02")
    world.kept("vm01", 30)
    world.kept("vm02", 40)
    world.posted()
    assert world.slack.click("alice", "Snooze…").ok  # of the newest such button: the last line
    until(lambda: "Reason" in (world.slack.modal("alice") or ""), "the form")
    assert world.slack.fill("alice", "Reason", "it moves house").ok
    assert world.slack.submit("alice").ok
    world.send()
    world.until_said("by alice: it moves house")
    told = world.service.summaries.digest(Span.DAY)
    assert (told.chapters[0].total, told.chapters[0].snoozed) == (1, 1)
    assert "1 snoozed" in digest.text(told)
    with world.db.read() as unit:
        row = next(row for row in unit.audit.list(limit=100) if row.action == "concern")
    assert (row.actor_name, row.body["why"]) == ("alice", "it moves house")


def test_a_snooze_of_yesterday_is_refused_beside_its_field(world: World) -> None:
    world.see("vm01")
    world.posted()
    world.slack.click("alice", "Snooze…")
    until(lambda: "Reason" in (world.slack.modal("alice") or ""), "the form")
    world.slack.fill("alice", "Until", "2020-01-01")
    world.slack.fill("alice", "Reason", "why not")
    assert "from now on" in str(world.slack.submit("alice"))
    assert world.service.summaries.digest(Span.DAY).snoozed == 0


def test_assign_tells_the_person_and_the_line_says_who(world: World) -> None:
    world.see("vm01")
    world.posted()
    world.slack.click("alice", "Assign…")
    until(lambda: "Who" in (world.slack.modal("alice") or ""), "the form")
    assert world.slack.fill("alice", "Who", "bob").ok
    assert world.slack.submit("alice").ok
    bob = world.slack.user_id("bob")
    with world.db.read() as unit:
        assert unit.concerns.get(ConcernKind.RPO, "u-vm01").assigned == bob
        (told,) = [each for each in unit.outbox.pending() if each.channel == bob]
    assert "take care of vm01" in told.view["text"]
    mine = world.service.summaries.digest(Span.DAY, bob)
    assert mine.tally.total == 1


@pytest.mark.parametrize("label", ["Protect…", "Snooze…", "Assign…"])
def test_who_has_no_right_is_told_so_and_nothing_happens(world: World, label: str) -> None:
    world.see("vm01")
    world.posted()
    world.slack.click("carol", label)
    until(
        lambda: (
            "takes the role operator" in (world.slack.modal("carol") or "")
            or any("takes the role operator" in text for text in world.said())
        ),
        "the refusal",
    )
    assert world.service.runs() == ()
    assert world.service.summaries.digest(Span.DAY).snoozed == 0


@pytest.mark.parametrize("label", ["Protect now", "Retry", "Drill now"])
def test_a_viewer_starts_nothing_by_a_summary(world: World, label: str) -> None:
    world.see("vm01")
    world.kept("vm01", 30)
    world.failed("vm01", Actor(id=world.slack.user_id("alice"), name="alice", source="slack"))
    world.posted()
    before = len(world.service.runs())
    world.slack.click("carol", label)
    world.until_said("takes the role operator")
    assert len(world.service.runs()) == before


def test_snooze_and_assign_can_be_typed(world: World) -> None:
    world.see("vm01")
    world.slack.command("dave", "ops", "/cloudy snooze vm01 3d because now he is known")
    said = world.slack.command("alice", "ops", "/cloudy snooze vm01 3d because it rests").text or ""
    assert "vm01 on vmstore" in said
    assert world.service.summaries.digest(Span.DAY).snoozed == 1
    assert "Summaries tell of it" in (world.slack.command("alice", "ops", "/cloudy snooze vm01 over").text or "")
    assert world.service.summaries.digest(Span.DAY).snoozed == 0
    assert "dave" in (world.slack.command("alice", "ops", "/cloudy assign vm01 to @dave").text or "").casefold()
    refused = world.slack.command("carol", "ops", "/cloudy snooze vm01 3d because no").text or ""
    assert "takes the role operator" in refused


# --- by schedule ---


def fired(world: World, channel: str = "", **options: str) -> None:
    request = ScheduleRequest(workflow="summary", recurrence="every day at 07:00 UTC", options=dict(options))
    dave = Actor(id=world.slack.user_id("dave"), name="dave", source="slack")
    schedule = Schedule(
        id="abc123",
        asked=request,
        owner=dave,
        created_at=NOW,
        looked_until=NOW,
        request_key="k",
        place=Place(channel=channel),
    )
    entry = summing.startable(world.service.summaries, lambda: world.slack.channel_id("ops"))
    with world.db.unit() as unit:
        assert entry.start(unit, Firing(schedule=schedule, at=NOW, now=NOW)).is_done
    world.send()


def test_a_schedule_posts_it_once_to_the_admin_channel_with_one_picture_in_its_thread(world: World) -> None:
    world.see("vm01")
    fired(world, period="day")
    fired(world, period="day")
    assert sum("1 VM has no recovery point" in text for text in world.said()) == 1
    if charts.is_there():
        courier = Courier(world.service, client_of(world.slack), SystemClock())
        assert courier.tick()
        assert not courier.tick(), "one picture"
        assert len(rows(world.slack, "file")) <= 1


def test_owners_are_told_what_is_theirs_and_only_if_there_is_something_to_do(world: World) -> None:
    world.see("vm01", "vm02", "vm03")
    alice, dave = (Actor(id=world.slack.user_id(name), name=name, source="slack") for name in ("alice", "dave"))
    world.failed("vm01", alice)
    made = world.failed("vm02", dave)
    world.kept("vm02", 1)
    with world.db.unit() as unit:
        unit.transactions.update(made.id, state=State.SUCCEEDED, failure=None)
    fired(world, **{"for": "owners"})
    with world.db.read() as unit:
        keys = [key for key in unit.outbox.keys_under("schedule:abc123") if key.endswith(":summary")]
    assert [key.rsplit(":", 2)[-2] for key in keys] == [alice.id]


def test_a_button_that_is_none_of_ours_is_refused_in_words(world: World) -> None:
    world.see("vm01")
    block: Any = {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "action_id": ids.SUMMARY_PROTECT,
                "text": {"type": "plain_text", "text": "Odd"},
                "value": "[]",
            }
        ],
    }
    client_of(world.slack).chat_postMessage(channel=world.slack.channel_id("ops"), text="odd", blocks=[block])
    world.slack.click("alice", "Odd")
    world.until_said("not understood any more")


def test_schedule_opens_the_form_with_the_vm_in_it_and_makes_one(world: World) -> None:
    world.see("vm01")
    world.kept("vm01", 1)
    world.service.summaries.fires = Upcoming(world.db, world.service.schedules.accounts.firer)
    world.posted()
    assert world.slack.click("alice", "Schedule…").ok
    until(lambda: "When" in (world.slack.modal("alice") or ""), "the form")
    world.slack.fill("alice", "When", "every day at 02:00 UTC")
    world.slack.fill("alice", "Targets", "s3")
    assert world.slack.submit("alice").ok
    (made,) = [line.schedule for line in world.service.schedules.list() if not line.schedule.is_own]
    assert (made.asked.workflow, made.asked.vms, made.asked.targets) == ("protect", ("vm01",), ("s3",))
    assert "no schedule" not in [each.topic for each in world.service.summaries.digest(Span.DAY).chapters]


def test_a_summary_for_me_of_who_cannot_be_written_to_says_so(world: World) -> None:
    request = ScheduleRequest(workflow="summary", recurrence="every day at 07:00 UTC", options={"for": "me"})
    root = Actor(id="root", name="root", source="cli")
    schedule = Schedule(id="a", asked=request, owner=root, created_at=NOW, looked_until=NOW, request_key="k")
    entry = summing.startable(world.service.summaries, lambda: "")
    with world.db.unit() as unit:
        started = entry.start(unit, Firing(schedule=schedule, at=NOW, now=NOW))
        assert unit.outbox.pending() == ()
    assert not started.is_done
    assert "nobody that can be written to" in started.passed[0]
