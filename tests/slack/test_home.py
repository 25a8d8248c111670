"""The App Home: drawn when somebody looks, and again when something has changed; a real Bolt app over Socket Mode."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.clock import SystemClock
from bot.errors import BusyError
from bot.model import Actor, Approval, ApprovalState, Choice, Decision, ProtectRequest, State, Transaction, Vm
from bot.overview import Shared, View
from bot.service import Service
from bot.store import Database
from handlers import homeevents
from handlers.homes import WATCHED_S, Homes
from integrations.simulators.slack import LocalSlack
from tests.slack.local import Hand, bot_on, client_of, database, rows, until

Json = dict[str, Any]


class Moody(Service):
    """The real service, which can be told to fail."""

    faults: list[Exception]

    def shared_overview(self, view: View) -> Shared:
        if self.faults:
            raise self.faults.pop(0)
        return super().shared_overview(view)


@dataclass
class World:
    """A running bot without a worker, its Slack, and the clock of its App Homes."""

    db: Database
    slack: LocalSlack
    service: Moody
    homes: Homes
    clock: Hand

    def protect(self, user: str = "alice", vm: str = "vm01") -> Transaction:
        actor = Actor(id=self.slack.user_id(user), name=user, source="slack")
        request = ProtectRequest(vms=(vm,), targets=("s3",))
        return self.service.protect(request, actor, request_key=f"{user}:{vm}")[0]

    def shows(self, words: str, user: str = "alice") -> None:
        until(lambda: words in (self.slack.home(user) or ""), f"{user}'s App Home tells {words}")

    def pass_by(self, seconds: float) -> None:
        """Let time pass between two rounds, and one be done."""
        with self.homes._rounds:
            self.clock.now += seconds
        self.homes.round()

    def recorded(self, count: int) -> int:
        """Wait until so many publications stand in the record, where they come after they are seen."""
        until(lambda: self.publications() == count, f"{count} publications")
        return count

    def publications(self) -> int:
        return len([row for row in rows(self.slack, "call") if row["method"] == "views.publish"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = Hand()
    with database(tmp_path) as db, LocalSlack() as slack:
        service = Moody(db, SystemClock(), vmstores=("vmstore",), targets=("s3",))
        service.faults = []
        with db.unit() as unit:
            unit.inventory.refresh(
                "vmstore", [Vm(uuid=f"u{i:04d}", name=f"vm{i:02d}", vmstore="vmstore") for i in range(25)]
            )
        homes = Homes(client_of(slack), service, clock)
        with bot_on(slack, service, homes):
            yield World(db, slack, service, homes, clock)
        homes.close()


def test_it_is_drawn_for_who_looks_with_own_transactions_only(world: World) -> None:
    mine, other = world.protect("alice"), world.protect("bob", "vm02")
    assert world.slack.open_home("alice").ok
    world.shows(mine.id)
    assert other.id not in (world.slack.home("alice") or "")
    assert "25 never protected" in (world.slack.home("alice") or "")
    assert world.slack.home("bob") is None


def test_the_other_tab_draws_nothing(world: World) -> None:
    world.slack.send_event({"type": "app_home_opened", "user": world.slack.user_id("alice"), "tab": "messages"})
    until(lambda: rows(world.slack, "ack"), "the acknowledgement")
    world.homes.round()
    assert world.publications() == 0


def test_it_is_drawn_again_when_something_has_changed_and_only_then(world: World) -> None:
    world.slack.open_home("alice")
    world.shows("My running transactions\nNothing")
    drawn = world.recorded(1)
    world.pass_by(6)
    assert world.publications() == drawn
    made = world.protect()
    world.pass_by(1)
    assert world.publications() == drawn
    world.pass_by(6)
    world.shows(made.id)
    with world.db.unit() as unit:
        unit.transactions.update(made.id, state=State.SUCCEEDED)
    world.pass_by(6)
    world.shows("My running transactions\nNothing")
    world.shows(f"✅ {made.id}")


def test_what_is_being_published_is_not_published_again_by_another_round(world: World) -> None:
    world.slack.fail_next("views.publish", delay_s=0.5)  # it stands there, and the bot does not know yet
    world.slack.open_home("alice")
    world.shows("25 VMs")
    world.pass_by(6)
    world.recorded(1)


def test_a_look_that_is_delivered_again_turns_no_page_back(world: World) -> None:
    seen = {"private_metadata": '{"kind": "", "offset": 10}'}
    event = {"type": "app_home_opened", "user": world.slack.user_id("alice"), "tab": "home", "view": seen}
    homeevents.opened(world.homes, {"event_id": "Ev1", "event": event}, event)
    world.shows("11 to 20 of 25")
    assert world.slack.click("alice", "Next", "home").ok
    world.shows("21 to 25 of 25")
    drawn = world.recorded(2)
    homeevents.opened(world.homes, {"event_id": "Ev1", "event": event}, event)
    world.homes.round()
    assert world.publications() == drawn
    assert "21 to 25 of 25" in (world.slack.home("alice") or "")


def test_who_presses_a_button_after_an_hour_sees_what_came_of_it(world: World) -> None:
    made = world.protect()
    world.slack.open_home("alice")
    world.shows("1 to 10 of 25")
    assert world.slack.click("alice", "Next", "home").ok
    world.shows("11 to 20 of 25")
    world.pass_by(WATCHED_S + 1)
    assert world.slack.click("alice", "Stop", "home").ok
    until(lambda: world.service.show(made.id)[0].stop_asked_by, "the Stop")
    world.pass_by(6)
    until(lambda: "[Stop]" not in (world.slack.home("alice") or ""), "there is nothing to stop any more")
    assert "11 to 20 of 25" in (world.slack.home("alice") or "")


def test_who_has_not_looked_for_an_hour_is_forgotten(world: World) -> None:
    world.slack.open_home("alice")
    world.shows("25 VMs")
    drawn = world.recorded(1)
    world.protect()
    world.pass_by(WATCHED_S + 1)
    assert world.publications() == drawn


def test_the_list_is_filtered_and_its_pages_are_turned(world: World) -> None:
    world.slack.open_home("alice")
    world.shows("1 to 10 of 25")
    assert world.slack.click("alice", "Next", "home").ok
    world.shows("11 to 20 of 25")
    assert world.slack.click("alice", "Next", "home").ok
    world.shows("21 to 25 of 25")
    assert world.slack.click("alice", "Previous", "home").ok
    world.shows("11 to 20 of 25")
    assert world.slack.choose("alice", "Which VMs", "Late", "home").ok
    until(lambda: "of 25" not in (world.slack.home("alice") or ""), "the late ones, of which there are none")
    assert world.slack.choose("alice", "Which VMs", "Never protected", "home").ok
    world.shows("1 to 10 of 25")


def test_a_button_of_a_page_that_is_not_there_any_more_shows_the_last(world: World) -> None:
    world.homes.look(world.slack.user_id("alice"), View(offset=4000))
    world.shows("21 to 25 of 25")


def test_stop_and_details_work_there_and_answer_over_it(world: World) -> None:
    made = world.protect()
    world.slack.open_home("alice")
    world.shows(made.id)
    assert world.slack.click("alice", "Details", "home").ok
    until(lambda: "Asked by: alice" in (world.slack.modal("alice") or ""), "the details")
    world.slack.close("alice")
    assert world.slack.click("alice", "Stop", "home").ok
    until(lambda: "Stopping" in (world.slack.modal("alice") or ""), "the answer")
    assert world.service.show(made.id)[0].stop_asked_by == "alice"


def test_an_approval_that_waits_is_decided_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made, now, bob = world.protect("alice"), SystemClock().now(), world.slack.user_id("bob")
    asks = Approval(
        id=f"{made.id}:1", transaction_id=made.id, number=1, operation="delete", state=ApprovalState.PENDING,
        token="t" * 43, decided={"vm": "vm01"}, estimates={}, plan_hash="f" * 64, requester=made.actor, reason="old",
        needed=1, created_at=now, expires_at=now, good_for_s=60,
    )  # fmt: skip
    waiting, decided = [(asks, made)], list[tuple[str, str, str]]()

    def decide(token: str, choice: Choice, actor: Actor, **_more: str) -> Approval:
        decided.append((token, choice, actor.name))
        waiting.clear()
        return replace(asks, state=ApprovalState.APPROVED, decisions=(Decision(actor=actor, choice=choice, at=now),))

    monkeypatch.setattr(world.service, "approvals_waiting", lambda actor: tuple(waiting) if actor.id == bob else ())
    monkeypatch.setattr(world.service, "decide", decide)
    world.slack.open_home("bob")
    world.shows("Waiting for my word", "bob")
    assert world.slack.click("bob", "Approve", "home").ok
    assert decided == [("t" * 43, "approve", "bob")]
    until(
        lambda: "Waiting for my word" not in (world.slack.home("bob") or ""), "it waits no more, though no time passes"
    )


def test_its_form_is_the_forms(world: World) -> None:
    world.slack.open_home("bob")
    world.shows("25 VMs", "bob")
    assert world.slack.click("bob", "Protect a VM", "home").ok
    until(lambda: "Keep for" in (world.slack.modal("bob") or ""), "the form")
    world.slack.fill("bob", "VM", "vm03")
    assert world.slack.submit("bob").text is None
    (made,) = world.service.runs(10)
    assert (made.vm, made.place.channel) == ("vm03", world.slack.channel_id("bob"))


def test_what_cannot_be_said_over_it_is_said_directly(world: World) -> None:
    made = world.protect()
    world.slack.open_home("alice")
    world.shows(made.id)
    world.slack.fail_next("views.open", error="expired_trigger_id")
    assert world.slack.click("alice", "Details", "home").ok
    until(lambda: any("Asked by: alice" in one.text for one in world.slack.conversation("alice")), "the details")


def test_a_publication_that_fails_is_made_up_for(world: World) -> None:
    world.slack.fail_next("views.publish", status=429)
    world.slack.open_home("alice")
    until(lambda: world.publications() == 1, "the refused one")
    world.pass_by(61)
    world.shows("25 VMs")


def test_what_nobody_asked_for_is_spaced_and_nobody_waits_for_ever(world: World) -> None:
    people = ("alice", "bob", "carol", "dave")
    for name in people:
        world.slack.open_home(name)
        world.shows("25 VMs", name)
    made = world.protect()
    with world.db.unit() as unit:
        unit.transactions.update(made.id, state=State.SUCCEEDED)
    drawn = world.recorded(len(people))
    for number in range(1, len(people) + 1):
        world.pass_by(6)
        assert world.publications() == drawn + number
    for name in people:
        world.shows(f"✅ {made.id}", name)


def test_while_slack_wants_a_rest_nobodys_is_published(world: World) -> None:
    world.slack.fail_next("views.publish", status=429)
    world.slack.open_home("alice")
    until(lambda: world.publications() == 1, "the refused one")
    world.slack.open_home("bob")
    world.homes.round()
    assert world.publications() == 1
    world.pass_by(61)
    world.shows("25 VMs", "bob")


def test_a_database_that_cannot_be_read_right_now_is_read_later(world: World) -> None:
    world.service.faults += [BusyError(), RuntimeError("boom")]
    world.slack.open_home("alice")
    until(lambda: len(world.service.faults) == 1, "the first fault is over")
    world.pass_by(6)
    assert not world.service.faults
    world.pass_by(6)
    world.shows("25 VMs")


def test_twenty_people_cost_one_look_at_the_list(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[View] = []
    real = world.service.shared_overview

    def counted(view: View) -> Shared:
        looks.append(view)
        return real(view)

    monkeypatch.setattr(world.service, "shared_overview", counted)
    for name in ("alice", "bob", "carol", "dave"):
        world.slack.open_home(name)
    for name in ("alice", "bob", "carol", "dave"):
        world.shows("25 VMs", name)
    before = len(looks)
    world.pass_by(6)
    assert len(looks) == before + 1
