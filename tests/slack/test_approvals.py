"""Approvals in Slack: a real Bolt app and sender, cards in the channel and by direct message, every click answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import App

import handlers
from bot.model import Actor, Place, ProtectRequest, ScheduleRequest, State
from bot.policy import Need, Operation, Policy, Role, Rule
from handlers.notifier import Sender
from integrations.simulators.slack import LocalSlack
from tests.slack.local import client_of, connected, rows, until
from tests.workflow.house import House

Json = dict[str, Any]
POINT = "Delete the recovery point"


@dataclass
class World:
    """The memory house behind a real Slack app; `turn` lets everything happen that can."""

    house: House
    slack: LocalSlack
    sender: Sender

    def turn(self) -> None:
        self.house.dispatch()
        self.house.dispatch()
        self.house.engine.run_all()
        while self.waiting():
            self.sender.tick()
            self.house.clock.sleep(0.5)

    def waiting(self) -> int:
        with self.house.db.read() as unit:
            return len(unit.outbox.pending())

    def shown(self, place: str, words: str) -> str:
        """The newest message there with these words, as it stands now."""
        texts = [one.text for one in self.slack.conversation(place) if words in one.text and not one.thread_ts]
        assert texts, (place, words, [one.text for one in self.slack.conversation(place)])
        return texts[-1]

    def whispered(self, user: str, words: str) -> None:
        said = self.slack.conversation
        until(lambda: any(words in one.text and one.only_for == user for one in said("ops")), words)

    def delete(self, command: str = "/cloudy delete last") -> None:
        ack = self.slack.command("alice", "ops", command)
        assert ack.ok, ack
        self.turn()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    yield from living(tmp_path, monkeypatch)


@pytest.fixture
def careful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Where what is protected to azure needs an approval."""
    every = Rule(name="rule 1", operation=Operation.PROTECT, target="azure", need=Need.APPROVAL)
    yield from living(tmp_path, monkeypatch, every)


def living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *rules: Rule) -> Iterator[World]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "")  # the SDK reads these and ignores NO_PROXY
    with LocalSlack() as slack:
        roles = {"alice": Role.OPERATOR, "bob": Role.APPROVER, "dave": Role.ADMIN, "carol": Role.VIEWER}
        grants = {slack.user_id(name): role for name, role in roles.items()}
        house = House(tmp_path, ("s3", "azure"), policy=Policy(grants=grants, rules=rules))
        alice = Actor(id=slack.user_id("alice"), name="alice", source="slack")
        place = Place(channel=slack.channel_id("ops"))
        request = ProtectRequest(vms=("vm01",), targets=("s3",))
        house.service.protect(request, alice, request_key="first", place=place)
        sender = Sender(house.db, client_of(slack), clock=house.clock, installation="test0001")
        app = App(client=client_of(slack), token_verification_enabled=False)
        handlers.register(app, house.service)
        with connected(slack, app):
            made = World(house, slack, sender)
            made.turn()
            yield made
    house.db.close()


def test_a_card_stands_in_the_channel_and_with_each_approver(world: World) -> None:
    world.delete()
    for place in ("ops", "bob", "dave"):
        assert "[Approve]" in world.shown(place, POINT)
        assert "Removes all under" in world.shown(place, POINT)
    for nobody in ("alice", "carol"):
        with pytest.raises(LookupError):  # no direct message was ever sent
            world.slack.conversation(nobody)


def test_one_click_by_direct_message_executes_it_and_takes_the_buttons_from_every_copy(world: World) -> None:
    world.delete()
    assert world.slack.click("bob", "Approve", "bob").ok
    world.turn()
    for place in ("ops", "bob", "dave"):
        assert "[Approve]" not in world.shown(place, POINT)
    assert "Approved by bob" in world.shown("dave", POINT)
    assert world.house.targets["s3"].objects == {}
    refused = [row for row in rows(world.slack, "call") if row.get("answer", {}).get("error")]
    assert refused == []


def test_what_a_fire_of_many_asks_for_is_approved_by_one_click_and_begins(
    careful: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for where in ("bot.startable.MOST_THREADS", "bot.model.schedules.MOST_THREADS"):
        monkeypatch.setattr(where, 0)
    house = careful.house
    alice = Actor(id=careful.slack.user_id("alice"), name="alice", source="slack")
    request = ScheduleRequest(workflow="protect", recurrence="every day at 13:00", vms=("vm01",), targets=("azure",))
    place = Place(channel=careful.slack.channel_id("ops"))
    schedule = house.service.schedules.add(request, alice, request_key="k", place=place)
    house.service.schedules.begin(house.service.schedules.run_now(schedule.id, alice, request_key="now"))
    careful.turn()
    title = "protect vm01 to azure: 1 plan"
    for place_ in ("ops", "bob", "dave"):
        assert "[Approve all] [Veto all]" in careful.shown(place_, title)
        assert "vm01: " in careful.shown(place_, title)
    assert careful.slack.click("alice", "Approve all").ok
    careful.whispered("alice", "You cannot approve your own request")
    assert careful.slack.click("bob", "Approve all", "bob").ok
    careful.turn()
    for place_ in ("ops", "bob", "dave"):
        assert "[Approve all]" not in careful.shown(place_, title)
    assert "1 executed" in careful.shown("ops", title)
    (made,) = [each for each in house.service.runs(10) if each.schedule]
    assert made.state is State.SUCCEEDED
    assert [row for row in rows(careful.slack, "call") if row.get("answer", {}).get("error")] == []


def test_clicks_that_do_not_count_are_answered_in_private(world: World) -> None:
    world.delete()
    assert world.slack.click("alice", "Approve").ok
    world.whispered("alice", "You cannot approve your own request")
    assert world.slack.click("carol", "Veto").ok
    world.whispered("carol", "takes the role approver")
    assert world.slack.click("bob", "Approve").ok
    assert world.slack.click("bob", "Approve").ok
    world.whispered("bob", "already executed")
    world.turn()
    with world.house.db.read() as unit:
        acts = [(row.action, row.actor_name) for row in unit.audit.list(limit=100)]
        assert unit.audit.verify().broken_at is None
    assert sorted(each for each in acts if each[0] in ("refused", "decision", "executed")) == [
        ("decision", "bob"),
        ("executed", "alice"),
        ("refused", "alice"),
        ("refused", "bob"),
        ("refused", "carol"),
    ]


def test_in_the_thread_of_an_approvers_copy_its_transaction_is_meant(world: World) -> None:
    world.delete()
    (copy,) = [one for one in world.slack.conversation("bob") if POINT in one.text]
    assert world.slack.say("bob", "why", "@cloudy", copy.ts).ok
    until(lambda: any("Nothing has failed so far" in one.text for one in world.slack.conversation("bob")), "the answer")


def test_a_veto_is_told_in_the_channel(world: World) -> None:
    world.delete()
    assert world.slack.click("dave", "Veto").ok
    world.turn()
    assert "Vetoed by dave" in world.shown("ops", "Vetoed")
    assert "Vetoed by dave" in world.shown("bob", POINT).replace("vetoed", "Vetoed")
    assert world.house.service.runs(1)[0].state is State.REFUSED


def test_a_reason_that_is_hostile_pings_nobody(world: World) -> None:
    world.delete("/cloudy delete last because <!channel> *bold* <https://x|y>")
    sent = [row for row in rows(world.slack, "call") if "Because" in str(row.get("args"))]
    assert sent
    for row in sent:
        assert "<!channel>" not in str(row["args"].get("text"))
