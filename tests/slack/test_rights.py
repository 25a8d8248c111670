"""What people in Slack may do by the policy, and how they are told: a real Bolt app over Socket Mode."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import App

import handlers
from bot.clock import SystemClock
from bot.model import AuditRow, Message, State
from bot.policy import COMMANDS, Policy, Role
from bot.service import Service
from bot.store import Database
from handlers import answers, blocks
from handlers.parse import Verb
from handlers.usages import USAGES
from integrations.simulators.slack import LocalSlack
from tests.slack.local import client_of, connected, until

Json = dict[str, Any]
VIEWERS = ("status", "runs", "show")
OPERATORS = ("/protect <vm>", "/cloudy stop", "@cloudy stop")


@dataclass
class World:
    """A bot without a worker under the demo's roles, and its Slack."""

    db: Database
    slack: LocalSlack
    service: Service

    def typed(self, user: str, text: str, channel: str = "ops") -> str:
        ack = self.slack.command(user, channel, text)
        assert ack.ok, ack
        return ack.text or ""

    def whispered(self, user: str, words: str) -> None:
        said = self.slack.conversation
        until(lambda: any(words in one.text and one.only_for == user for one in said("ops")), words)

    def refusals(self) -> list[AuditRow]:
        with self.db.read() as unit:
            return [row for row in unit.audit.list() if row.action == "refused"]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "")  # the SDK reads these and ignores NO_PROXY
    Database.migrate(tmp_path / "cloudy.db")
    db = Database.open(tmp_path / "cloudy.db", audit_key=None)
    with LocalSlack() as slack:
        roles = {"alice": Role.OPERATOR, "bob": Role.APPROVER, "dave": Role.ADMIN}
        policy = Policy(
            grants={slack.user_id(name): role for name, role in roles.items()} | {"S0ONCALL01": Role.OPERATOR},
            channels={slack.channel_id("general"): frozenset({"status"})},
        )
        service = Service(db, SystemClock(), vmstores=("vmstore",), targets=("s3",), policy=policy)
        app = App(client=client_of(slack), token_verification_enabled=False)
        handlers.register(app, service)
        with connected(slack, app):
            yield World(db, slack, service)
    db.close()


def test_carol_is_refused_in_private_and_told_who_may(world: World) -> None:
    answer = world.typed("carol", "/protect vm01 to s3")

    assert "“protect” takes the role operator or a higher one (the default policy)." in answer
    assert "carol is viewer" in answer
    assert "Who may: @alice, @bob, @dave, " in answer
    assert world.service.runs() == ()
    assert all(change.only_for == "carol" for change in world.slack.conversation("ops") if change.who == "cloudy")
    (row,) = world.refusals()
    assert (row.actor_name, row.body["text"]) == ("carol", "protect vm01 to s3")


def test_alice_is_not_refused(world: World) -> None:
    assert "Asked for: protect vm01 to s3" in world.typed("alice", "/protect vm01 to s3")


def test_a_group_that_carol_is_in_lets_her(world: World) -> None:
    world.service.keep_group("S0ONCALL01", [world.slack.user_id("carol")])

    assert "Asked for" in world.typed("carol", "/protect vm01 to s3")


def test_the_form_of_a_protect_opens_with_a_refusal_for_a_viewer(world: World) -> None:
    assert world.slack.command("carol", "ops", "/protect").ok

    until(lambda: "takes the role operator" in (world.slack.modal("carol") or ""), "a refusal in the form")
    assert "Keep for" not in (world.slack.modal("carol") or "")


def test_help_lists_what_the_asker_may_use(world: World) -> None:
    viewers, operators = world.typed("carol", "/cloudy help"), world.typed("alice", "/cloudy help")

    assert all(words in viewers and words in operators for words in (*VIEWERS, "may-i", "@cloudy status"))
    assert not any(words in viewers for words in (*OPERATORS, "/protect"))
    assert all(words in operators for words in OPERATORS)


def test_help_says_each_usage_whole_and_a_typo_lists_none(world: World) -> None:
    drawn = json.dumps(blocks.reply(answers.help_card(COMMANDS))["blocks"], ensure_ascii=False)
    for usage in USAGES.values():
        assert json.dumps(usage.replace("   ", " · "), ensure_ascii=False)[1:-1] in drawn
    assert "delete" not in world.typed("carol", "/cloudy dance")


def test_help_lists_what_the_channel_takes(world: World) -> None:
    answer = world.typed("dave", "/cloudy help", "general")

    assert "/cloudy status" in answer
    assert "/cloudy runs" not in answer
    assert "cannot be used in this channel; only status can" in world.typed("dave", "/cloudy runs", "general")
    assert "active" in world.typed("carol", "/cloudy status", "general")


def test_a_mention_for_help_is_answered_by_the_same_rights(world: World) -> None:
    world.slack.mention("carol", "help")

    world.whispered("carol", "In a thread of a transaction: @cloudy ")
    (answer,) = [one.text for one in world.slack.conversation("ops") if one.only_for == "carol"]
    assert "@cloudy status" in answer
    assert "@cloudy stop" not in answer


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("alice", ("Yes: protect vm01 to s3", "alice is operator: by name, in policy.roles.operator.", "at once")),
        ("carol", ("No: protect vm01 to s3", "carol is viewer: not named in policy.roles", "Who may: @alice")),
    ],
)
def test_may_i_says_yes_or_no_and_why(world: World, user: str, said: tuple[str, ...]) -> None:
    answer = world.typed(user, "/cloudy may-i protect vm01 to s3")

    assert all(words in answer for words in said), answer
    assert world.service.runs() == ()
    assert world.refusals() == []


def test_may_i_of_a_stop_knows_whose_transaction_it_is(world: World) -> None:
    world.typed("alice", "/protect vm01 to s3")

    assert "Yes: stop" in world.typed("alice", "/cloudy may-i stop last")
    assert "“stop-other” takes the role admin" in world.typed("bob", "/cloudy may-i stop last")


def test_may_i_of_several_vms_says_each(world: World) -> None:
    answer = world.typed("carol", "/cloudy may-i protect vm01, vm02 to s3")

    assert "Yes to 0 of 2" in answer
    assert "No: protect vm02 to s3" in answer


def test_a_stop_button_of_anothers_transaction_is_refused_in_private_and_audited(world: World) -> None:
    world.typed("alice", "/protect vm01 to s3")
    (tx,) = world.service.runs()
    view = {"kind": "root", "transaction": tx.id, "title": "Protect vm01", "state": "queued", "buttons": ["stop"]}
    with world.db.unit() as unit:
        unit.transactions.update(tx.id, state=State.QUEUED)
        unit.outbox.put(Message(key=f"{tx.id}:root", channel=world.slack.channel_id("ops"), view=view))
    blocks = [{"type": "actions", "elements": [button(tx.id)]}]
    client_of(world.slack).chat_postMessage(channel=world.slack.channel_id("ops"), text="Protect", blocks=blocks)

    assert world.slack.click("carol", "Stop").ok

    world.whispered("carol", "“stop-other” takes the role admin or a higher one")
    assert world.service.runs()[0].stop_asked_by == ""
    (row,) = world.refusals()
    assert (row.actor_name, row.transaction_id) == ("carol", tx.id)


def button(value: str) -> Json:
    return {
        "type": "button",
        "action_id": "cloudy.stop",
        "text": {"type": "plain_text", "text": "Stop"},
        "value": value,
    }


def test_every_verb_stands_in_the_policy() -> None:
    assert [verb for verb in Verb if verb not in COMMANDS] == []
