"""The form of a protect, shortcuts, what is said to the bot alone: a real Bolt app over Socket Mode."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from slack_sdk import WebClient

from bot.clock import SystemClock
from bot.errors import BusyError, NotAllowed, NotFound
from bot.model import Actor, Message, State, Transaction, Vm
from bot.service import Service
from bot.store import Database
from bot.suggestions import VmChoice
from handlers import forms, ids, modals, views
from handlers.cards import Card
from handlers.notifier import Sender
from handlers.origin import Origin
from handlers.whisper import whisper
from integrations.simulators.slack import Ack, LocalSlack, Shortcut
from integrations.simulators.slack.blocks import view_problems
from tests.slack.local import Hand, bot_on, database, rows, until

Json = dict[str, Any]
HOSTILE = (
    "<!channel>",
    "*bold* _it_ `code`",
    "a,b & c",
    'say "hi"',
    "ü" * 200,
    "<@U0ALICE>",
    "100%_done",
)
SHORTCUTS = [Shortcut(label, callback, kind == "message") for label, callback, kind in ids.SHORTCUTS]


class Moody(Service):
    """The real service, which can be told to fail."""

    fault: Exception | None = None
    forms_fault: Exception | None = None

    def barred(self, command: str, actor: Actor, channel: str) -> NotAllowed | None:
        if self.forms_fault is not None:
            raise self.forms_fault
        return super().barred(command, actor, channel)

    def protect(self, *args: Any, **kwargs: Any) -> tuple[Transaction, ...]:
        self._fail()
        return super().protect(*args, **kwargs)

    def suggest_vms(self, text: str, limit: int = 100) -> tuple[VmChoice, ...]:
        self._fail()
        return super().suggest_vms(text, limit)

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault


@dataclass
class World:
    """A running bot without a worker, and its Slack."""

    db: Database
    slack: LocalSlack
    service: Moody
    clock: Hand

    def know(self, **vms: list[str]) -> None:
        """Fill the inventory: names by VMstore."""
        with self.db.unit() as unit:
            for store, names in vms.items():
                seen = [
                    Vm(uuid=f"{crc32(name.encode()):010d}-{names[:i].count(name)}", name=name, vmstore=store)
                    for i, name in enumerate(names)
                ]
                unit.inventory.refresh(store, seen)

    def open(self, user: str = "alice", channel: str = "ops") -> None:
        """Type `/protect` and wait for the whole form."""
        ack = self.slack.command(user, channel, "/protect")
        assert ack.ok
        self.await_form(user)

    def await_form(self, user: str = "alice") -> None:
        until(lambda: "Keep for" in (self.slack.modal(user) or ""), "the form is filled")

    def fill(self, **values: str) -> None:
        for name, value in values.items():
            assert self.slack.fill("alice", name.replace("_", " "), value).ok, name

    def submit(self) -> Ack:
        return self.slack.submit("alice")

    def transactions(self) -> tuple[Transaction, ...]:
        return self.service.runs(100)

    def said(self, words: str, place: str = "ops") -> int:
        return sum(words in change.text for change in self.slack.conversation(place))


@pytest.fixture
def world(tmp_path: Path, clock: Hand) -> Iterator[World]:
    with database(tmp_path) as db, LocalSlack(clock=clock, shortcuts=SHORTCUTS) as slack:
        service = Moody(db, SystemClock(), vmstores=("vmstore", "vmstore2"), targets=("s3", "azure"))
        made = World(db, slack, service, clock)
        made.know(vmstore=["vm01", "vm02", "web01"], vmstore2=["db01", "vm02"])
        with bot_on(slack, service):
            yield made


# --- the form ---


def test_protect_alone_opens_a_form_at_once_and_fills_it_then(world: World) -> None:
    world.open()

    def called() -> list[str]:
        return [row["method"] for row in rows(world.slack, "call") if row["method"].startswith("views.")]

    until(lambda: called() == ["views.open", "views.update"], "one opening, one filling")
    assert world.transactions() == ()


def test_cloudy_protect_alone_opens_it_too(world: World) -> None:
    assert world.slack.command("alice", "ops", "/cloudy Protect ").ok
    world.await_form()


def test_what_a_form_says_is_what_a_command_would_say(world: World) -> None:
    world.open()
    world.fill(VM="vm01", Targets="s3, azure", Keep_for="30 d", Note="before the “upgrade”")
    world.fill(Consistency="VM-consistent: the guest is asked to be still")
    assert world.submit() == Ack(ok=True)
    assert world.slack.modal("alice") is None
    (made,) = world.transactions()
    assert (made.vm, made.targets, made.consistency) == ("vm01", ("s3", "azure"), "vm")
    assert (made.keep_for, made.note) == ("P30D", "before the 'upgrade'")
    assert made.actor.name == "alice"
    assert made.place.channel == world.slack.channel_id("ops")
    until(lambda: world.said(made.id), "the private answer")
    (answer,) = [change for change in world.slack.conversation("ops") if made.id in change.text]
    assert answer.only_for == "alice"


def test_a_form_that_says_the_least_is_enough(world: World) -> None:
    world.open()
    world.fill(VM="web01", Targets="s3")
    assert world.submit().text is None
    (made,) = world.transactions()
    assert (made.vm, made.consistency, made.keep_for, made.note) == ("web01", "crash", "", "")


def test_one_target_is_chosen_already(world: World) -> None:
    form = views.protect_form(views.ProtectForm(targets=("s3",), memo="{}", where="here"))
    (targets,) = [block for block in form["blocks"] if block.get("block_id") == views.TARGETS]
    assert targets["element"]["initial_options"] == targets["element"]["options"]


def test_errors_stand_beside_their_fields_and_the_form_stays_open(world: World) -> None:
    world.open()
    world.fill(VM="vm01", Targets="s3", Keep_for="a while")
    said = world.submit()
    assert "Keep for: “a while” is no time" in (said.text or "")
    world.know(vmstore=["vm02"])
    world.fill(Keep_for="1y")
    assert "VM: There is no such VM any more" in (world.submit().text or "")
    assert world.transactions() == ()
    world.fill(VM="vmstore/vm02")
    assert world.submit().text is None
    assert [made.keep_for for made in world.transactions()] == ["P365D"]


def test_a_field_that_is_empty_is_refused_whoever_sends_it(world: World) -> None:
    world.open()
    assert world.submit().error == "incomplete"
    request, wrong = forms.read({"state": {"values": {}}}, lambda value: value)
    assert request is None
    assert set(wrong) == {views.VM, views.TARGETS}


def test_a_busy_database_is_said_beside_the_field_and_the_form_can_be_sent_again(world: World) -> None:
    world.open()
    world.fill(VM="vm01", Targets="s3")
    world.service.fault = BusyError()
    assert "busy" in (world.submit().text or "")
    world.service.fault = NotFound("There is no target called s3.", ())
    assert "Targets: There is no target" in (world.submit().text or "")
    world.service.fault = None
    assert world.submit().text is None
    assert len(world.transactions()) == 1


def test_a_failure_that_nobody_expected_is_told_in_the_form_with_a_reference(world: World) -> None:
    world.open()
    world.fill(VM="vm01", Targets="s3")
    world.service.fault = RuntimeError("boom")
    assert world.submit().ok
    assert "reference" in (world.slack.modal("alice") or "")
    assert world.transactions() == ()


def test_a_form_delivered_twice_is_one_request_and_one_answer(world: World) -> None:
    world.open()
    world.fill(VM="vm01", Targets="s3")
    world.slack.duplicate()
    assert world.submit().ok
    until(lambda: world.said("Asked for: protect vm01"), "the private answer")
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        assert len(world.transactions()) == 1
        assert world.said("Asked for: protect vm01") == 1
        time.sleep(0.05)


def test_a_command_delivered_twice_opens_one_form_and_says_nothing_more(world: World) -> None:
    world.slack.duplicate()
    world.open()
    until(lambda: len([r for r in rows(world.slack, "call") if r["method"] == "views.open"]) == 2, "both deliveries")
    assert world.slack.conversation("ops") == []


def test_a_trigger_that_came_too_late_is_told_with_the_command_that_does_the_same(world: World) -> None:
    world.slack.fail_next("views.open", error="expired_trigger_id")
    assert world.slack.command("alice", "ops", "/protect").ok
    until(lambda: world.said("/protect <vm> to <target>"), "the words")
    assert world.slack.modal("alice") is None


@pytest.mark.parametrize(("fault", "words"), [(BusyError(), "busy"), (RuntimeError("boom"), "reference")])
def test_a_form_that_cannot_be_filled_says_why_where_it_stands(world: World, fault: Exception, words: str) -> None:
    world.service.forms_fault = fault
    assert world.slack.command("alice", "ops", "/protect").ok
    until(lambda: words in (world.slack.modal("alice") or ""), "the words")


def test_without_any_target_the_form_says_who_adds_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.service, "_targets", ())
    assert world.slack.command("alice", "ops", "/protect").ok
    until(lambda: "[targets.s3]" in (world.slack.modal("alice") or ""), "the words")


def test_each_refusal_of_one_form_is_in_the_audit_and_one_that_is_delivered_twice_is_there_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.open()
    monkeypatch.setattr(world.service, "_targets", ("azure",))
    for name in ("vm01", "web01"):
        world.fill(VM=name, Targets="s3")
        world.slack.duplicate()
        assert "Targets: There is no target called s3" in (world.submit().text or "")

    def kept() -> list[str]:
        _, _, page = world.service.questions.audit()
        return sorted(row.body["text"] for row in page.rows if row.action == "refused")

    until(lambda: kept() == ["protect vm01 to s3", "protect web01 to s3"], "both, once each")


def test_in_a_conversation_of_two_others_the_answer_comes_directly(world: World) -> None:
    origin = Origin(
        actor=Actor(id=world.slack.user_id("alice"), name="alice", source="slack"), channel="D0OTHERS", key="k"
    )
    client = WebClient(token=world.slack.bot_token, base_url=world.slack.url, retry_handlers=[])
    whisper(client, origin, Card(kind="notice", lines=("Here it is.",)))
    assert world.said("Here it is.", "alice") == 1


def test_where_the_bot_cannot_write_the_answer_comes_directly(world: World) -> None:
    world.open()
    world.fill(VM="vm01", Targets="s3")
    world.slack.remove_bot("ops")
    assert world.slack.say("alice", "status", "@cloudy").ok
    assert world.submit().ok
    until(lambda: world.said("Asked for: protect vm01", "alice"), "the direct answer")


@pytest.mark.parametrize(
    "memo", ["", "{", "[]", "null", '{"channel": 5}', '{"channel": "../x"}', '{"channel": "U0ALICE"}']
)
def test_a_memo_that_is_none_of_ours_names_no_channel(memo: str) -> None:
    assert modals.channel_of({"private_metadata": memo}) == ""
    assert modals.channel_of({"private_metadata": json.dumps({"channel": "C123ABC"})}) == "C123ABC"


# --- its menu of VMs ---


def test_the_menu_finds_parts_of_names_in_any_case_beginnings_first(world: World) -> None:
    world.know(vmstore=["WEB-02", "my-web", "web01", "other"], vmstore2=[])
    world.open()
    assert world.slack.options("alice", "VM", "web") == ["WEB-02", "web01", "my-web"]
    assert world.slack.options("alice", "VM", "") == ["my-web", "other", "WEB-02", "web01"]
    assert world.slack.options("alice", "VM", "no such") == []


def test_two_vms_of_one_name_are_told_apart_and_mean_what_a_command_means(world: World) -> None:
    world.know(vmstore=["vm02", "twin", "twin"], vmstore2=["vm02"])
    world.open()
    assert world.slack.options("alice", "VM", "vm02") == ["vmstore/vm02", "vmstore2/vm02"]
    first, second = world.slack.options("alice", "VM", "twin")
    assert first != second
    typed = {choice.label: world.service.vm_typed(choice.value) for choice in world.service.suggest_vms("")}
    assert typed["vmstore2/vm02"] == "vmstore2/vm02"
    assert typed[first] == f"vmstore/{crc32(b'twin'):010d}-0"
    assert world.slack.options("alice", "VM", "vmstore2/VM") == ["vmstore2/vm02"]


def test_among_5000_vms_the_menu_gives_a_hundred(world: World) -> None:
    world.know(vmstore=[f"vm{i:04d}" for i in range(5000)], vmstore2=[])
    world.open()
    assert len(world.slack.options("alice", "VM", "")) == 100
    assert world.slack.options("alice", "VM", "vm4321") == ["vm4321"]
    world.fill(VM="vm4999", Targets="s3")
    assert world.submit().text is None
    assert [made.vm for made in world.transactions()] == ["vm4999"]


def test_a_menu_that_cannot_be_filled_is_empty(world: World) -> None:
    world.open()
    for fault in (BusyError(), RuntimeError("boom")):
        world.service.fault = fault
        assert world.slack.options("alice", "VM", "vm") == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text_and_can_be_protected(world: World, name: str) -> None:
    world.know(vmstore=[name], vmstore2=[])
    world.open()
    (label,) = world.slack.options("alice", "VM", "")
    assert len(label) <= 75
    world.fill(VM=label, Targets="s3")
    assert world.submit().text is None
    (made,) = world.transactions()
    assert made.vm == name
    until(lambda: world.said(made.id), "the private answer")
    for row in rows(world.slack, "call"):
        assert "<!channel>" not in json.dumps(row["args"].get("text", ""))


def test_a_name_that_would_turn_the_line_round_is_shown_without_and_meant_with_it(world: World) -> None:
    world.know(vmstore=["vm\u202eevil"], vmstore2=[])
    (choice,) = world.service.suggest_vms("vm")
    assert views.options([choice])[0]["text"]["text"] == "vmevil"
    assert world.service.vm_typed(choice.value) == "vm\u202eevil"


def test_every_view_is_one_that_slack_takes(world: World) -> None:
    many = tuple(f"target-{i}-{'x' * 80}" for i in range(150))
    form = views.ProtectForm(targets=many, memo=json.dumps({"channel": "C1"}), where="here " * 500)
    assert view_problems(views.protect_form(form)) == []
    assert view_problems(views.loading("Protect a VM")) == []
    choices = [VmChoice(label="<!here> " * 30, value="v" * length) for length in (1, 150, 151)]
    assert [len(option["value"]) for option in views.options(choices)] == [1, 150]


# --- shortcuts ---


def test_the_global_shortcut_opens_the_form_whose_thread_is_the_conversation_with_the_bot(world: World) -> None:
    assert world.slack.menu("alice", "Protect a VM").ok
    world.await_form()
    world.fill(VM="vm01", Targets="s3")
    assert world.submit().text is None
    (made,) = world.transactions()
    assert made.place.channel == world.slack.channel_id("alice")
    until(lambda: world.said(made.id, "alice"), "the answer in the conversation with the bot")


def test_where_the_bot_may_not_write_directly_the_form_says_so(world: World) -> None:
    world.slack.remove_scopes("im:write")
    assert world.slack.menu("alice", "Protect a VM").ok
    until(lambda: "Use /protect in a channel" in (world.slack.modal("alice") or ""), "the words")


def thread_of(world: World) -> Transaction:
    """A transaction with a root and a reply in #ops."""
    world.slack.command("alice", "ops", "/protect vm01 to s3")
    (made,) = world.transactions()
    channel = world.slack.channel_id("ops")
    view = {"kind": "notice", "transaction": made.id, "text": "here"}
    with world.db.unit() as unit:
        unit.transactions.update(made.id, state=State.QUEUED)
        unit.outbox.put(Message(key=f"{made.id}:root", channel=channel, view=view))
        unit.outbox.put(Message(key=f"{made.id}:receipt", channel=channel, thread_key=f"{made.id}:root", view=view))
    client = WebClient(token=world.slack.bot_token, base_url=world.slack.url, retry_handlers=[])
    sender = Sender(world.db, client, clock=SystemClock(), installation="here")
    until(lambda: (sender.tick(), world.said(made.id) >= 3)[1], "root and reply are posted")
    return made


def test_the_shortcut_on_a_message_of_a_transaction_shows_it_privately(world: World) -> None:
    made = thread_of(world)
    ack = world.slack.menu("bob", "Show this transaction")
    assert ack.ok
    until(lambda: world.said("Asked at"), "the details")
    (shown,) = [change for change in world.slack.conversation("ops") if "Asked at" in change.text]
    assert (shown.only_for, made.id in shown.text) == ("bob", True)


def test_on_a_persons_message_in_the_thread_it_shows_the_same_and_elsewhere_it_says_why_not(world: World) -> None:
    thread_of(world)
    said = world.slack.say("carol", "is it done?", "ops", world.slack.newest_thread("ops"))
    assert said.ts
    assert world.slack.shortcut("bob", ids.SHOW_SHORTCUT, "ops", said.ts).ok
    until(lambda: world.said("Asked at"), "the details")
    other = world.slack.say("carol", "good morning", "ops")
    assert other.ts
    assert world.slack.shortcut("bob", ids.SHOW_SHORTCUT, "ops", other.ts).ok
    until(lambda: world.said("belongs to no transaction"), "the words")


# --- direct messages ---


@pytest.mark.parametrize(
    ("text", "answer"), [("status", "Nothing is active"), ("help", "/protect"), ("dance", "dance")]
)
def test_what_is_said_to_the_bot_alone_needs_no_mention(world: World, text: str, answer: str) -> None:
    assert world.slack.say("alice", text, "@cloudy").ok
    until(lambda: sum(answer in c.text and c.who == "cloudy" for c in world.slack.conversation("alice")), "an answer")


def test_a_protect_said_to_the_bot_alone_is_told_there(world: World) -> None:
    assert world.slack.say("alice", "protect vm01 to s3", "@cloudy").ok
    until(lambda: world.said("comes in your conversation with Cloudy", "alice"), "where it is told")
    (made,) = world.transactions()
    assert made.place.channel.startswith("D")
    assert world.slack.say("alice", f"stop {made.id}", "@cloudy").ok
    assert world.transactions()[0].stop_asked_by == "alice"


def test_edits_deletions_and_bots_are_not_answered_but_acknowledged(world: World) -> None:
    frame = {"type": "message", "channel_type": "im", "channel": "D0X", "ts": "1.1"}
    for more in (
        {"subtype": "message_changed", "message": {"text": "status"}},
        {"user": "U0ALICE", "text": "status", "bot_id": "B1"},
        {"user": "U0ALICE", "text": "status", "channel_type": "channel"},
    ):
        before = len(rows(world.slack, "ack"))
        world.slack.send_event({**frame, **more})
        until(lambda: len(rows(world.slack, "ack")) > before, "the acknowledgement")  # noqa: B023
    posted = [row for row in rows(world.slack, "call") if row["method"].startswith("chat.")]
    assert posted == []
