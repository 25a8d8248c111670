"""Long answers: tables, pages, files; a real Bolt app over Socket Mode against the local Slack."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.clock import SystemClock
from bot.errors import NotAllowed
from bot.handouts import Handouts
from bot.model import Actor, Bytes, Message, RecoveryPoint, Sla, Slas, State, Transaction, Vm
from bot.service import Service
from bot.store import Database
from handlers import asked, charts, ids, lists, receiptcharts, tables
from handlers.courier import Courier
from handlers.notifier import Sender
from integrations.simulators.slack import LocalSlack
from integrations.simulators.slack import answers as simulated
from integrations.simulators.slack.call import SlackError
from tests.slack.local import bot_on, client_of, database, rows, until
from tests.workflow.house import ALICE, FakeClock

Json = dict[str, Any]
HOSTILE = ("<!channel>", "*bold*", "=1+1", "<@U0BOB>", "`x`", "@here", "a\u202eb")


class Strict(Service):
    """The real service, which can be told to let nobody read."""

    is_closed = False

    def demand_reading(self, command: str, actor: Actor, channel: str) -> None:
        if self.is_closed:
            raise NotAllowed(f"{actor.name} may not read.")


@dataclass
class World:
    db: Database
    slack: LocalSlack
    service: Strict
    client: WebClient

    def typed(self, text: str, user: str = "alice") -> str:
        ack = self.slack.command(user, "ops", text)
        assert ack.ok, ack
        return ack.text or ""

    def shown(self, user: str = "alice") -> list[Any]:
        """The private messages in #ops, oldest first."""
        return [change for change in self.slack.conversation("ops") if change.only_for]

    def table(self) -> Json:
        """The table block of the newest private message."""
        until(self._tables, "a table")
        return self._tables()[-1]

    def _tables(self) -> list[Json]:
        payloads = [row["args"] for row in rows(self.slack, "response_url") if row["answer"]["status"] == 200]
        return [block for payload in payloads for block in payload.get("blocks") or () if block["type"] == "table"]

    def names(self) -> list[str]:
        return [row[0]["text"] for row in self.table()["rows"][1:]]

    def courier(self, clock: Any = None) -> Courier:
        return Courier(self.service, self.client, clock or SystemClock())

    def see(self, *vms: Vm) -> None:
        with self.db.unit() as unit:
            unit.inventory.refresh("vmstore", vms)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with database(tmp_path) as db, LocalSlack() as slack:
        service = Strict(db, SystemClock(), vmstores=("vmstore",), targets=("s3",))
        with bot_on(slack, service):
            yield World(db, slack, service, client_of(slack))


def begins(world: World, name: str) -> bool:
    return world.names()[0] == name


def has_more(world: World, count: int) -> bool:
    return len(rows(world.slack, "response_url")) > count


def many(count: int) -> list[Vm]:
    return [Vm(uuid=f"u{i}", name=f"vm{i:03}", vmstore="vmstore", used_bytes=i << 30) for i in range(count)]


# --- tables and pages ---


def test_vms_come_as_a_table_after_an_acknowledgement_that_counts_them(world: World) -> None:
    world.see(*many(3))
    said = world.typed("/vms")
    assert "VMs: 3" in said
    table = world.table()
    assert "3 without a recovery point" in rows(world.slack, "response_url")[0]["args"]["text"]
    assert [cell["text"] for cell in table["rows"][0]] == [
        "VM", "VMstore", "Used", "State", "Newest recovery point", "Targets",
    ]  # fmt: skip
    assert world.names() == ["vm000", "vm001", "vm002"]
    assert table["rows"][1][3]["text"] == "❌ never"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("/vms vm00?", ["vm000", "vm001"]),
        ("/cloudy vms 001", ["vm001"]),
        ("/cloudy vms unprotected", ["vm000", "vm001"]),
        ("/cloudy VMS big", ["vm001", "vm000"]),
    ],
)
def test_aliases_and_filters(world: World, typed: str, expected: list[str]) -> None:
    world.see(*many(2))
    world.typed(typed)
    assert world.names() == expected


def test_pages_are_turned_in_place_and_back(world: World) -> None:
    world.see(*many(45))
    world.typed("/vms")
    assert world.names()[-1] == "vm019"
    for label, first in (("Next", "vm020"), ("Next", "vm040"), ("Previous", "vm020")):
        assert world.slack.click("alice", label).ok
        until(partial(begins, world, first), f"the page that begins with {first}")
    tables_seen = [change for change in world.shown() if "VMs: 21 to 40 of 45" in change.text]
    assert len(tables_seen) == 1
    assert len(world.shown()) == 2  # the acknowledgement and one table, however often it is turned


def test_from_behind_the_end_of_a_list_one_step_leads_back_to_its_last_page(world: World) -> None:
    world.see(*many(45))
    inquiry = asked.Inquiry(verb=asked.VMS, offset=4980)
    table = lists.table(world.service.questions, inquiry, SystemClock().now())
    assert "none from number 4,981 on" in table.title
    (turn,) = table.turns
    assert asked.of_button(turn.value).offset == 40


def test_a_page_is_not_turned_for_one_who_may_not_read_any_more(world: World) -> None:
    world.see(*many(45))
    world.typed("/vms")
    assert world.names()
    world.service.is_closed = True
    assert world.slack.click("alice", "Next").ok
    until(lambda: any("may not read" in change.text for change in world.shown()), "the refusal")
    assert world.names()[0] == "vm000"
    assert "may not read" in world.typed("/vms")


@pytest.mark.parametrize(
    "value",
    [
        "", "x", "[]", "{}", "null", '{"verb":"vms","offset":-1}', '{"verb":"vms","offset":true}', '{"verb":"rm"}',
        '{"verb":"vms","text":1,"offset":0}', '{"verb":"vms","more":1,"offset":0}', "[" * 1900,
        '{"verb":"vms","text":"' + "*a" * 200 + '","offset":0}', '{"verb":"audit","since":"soon","offset":0}',
    ],
)  # fmt: skip
def test_a_button_of_somebody_elses_making_is_answered_and_does_nothing(value: str) -> None:
    from bot.errors import UsageError

    with pytest.raises(UsageError):
        asked.of_button(value)


def test_a_slack_that_takes_no_tables_gets_lines_and_then_text(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.see(*many(30))
    refused: list[str] = []

    def check(blocks: list[Json]) -> None:
        kinds = [block["type"] for block in blocks]
        if "table" in kinds or (len(refused) < 2 and blocks):
            refused.append(",".join(kinds))
            raise SlackError("invalid_blocks")

    monkeypatch.setattr(simulated, "check_blocks", check)
    world.typed("/vms")
    until(lambda: any("vm019" in change.text for change in world.shown()), "the text")
    assert refused == ["section,table,actions", "section,section,actions"]

    world.typed("/vms vm02")  # remembered: no table is tried again
    until(lambda: any("vm029" in change.text for change in world.shown()), "the second answer")
    assert len(refused) == 2


def test_an_answer_that_the_url_takes_no_more_comes_by_another_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.see(*many(2))

    def used(_self: object, _key: str, _payload: object) -> tuple[int, str]:
        return 404, "used_url"

    monkeypatch.setattr(simulated.Answers, "take", used)
    world.typed("/vms")
    until(lambda: any("vm001" in change.text for change in world.shown()), "the card")


def test_hostile_names_neither_ping_nor_format(world: World) -> None:
    world.see(*(Vm(uuid=f"u{i}", name=name, vmstore="vmstore") for i, name in enumerate(HOSTILE)))
    world.typed("/vms")
    assert "<!channel>" in world.names()  # raw_text is never parsed
    (text,) = [row["args"]["text"] for row in rows(world.slack, "response_url")]
    for raw in ("<!channel>", "<@U0BOB>", "*bold*", "`x`", "\u202e"):
        assert raw not in text
    world.typed("/recovery-points <!channel>")
    until(lambda: len(rows(world.slack, "response_url")) == 2, "the points")
    assert "<!channel>" not in rows(world.slack, "response_url")[1]["args"]["text"]


def test_recovery_points_of_two_vms_of_one_name_are_told_apart_by_uuid(world: World) -> None:
    world.see(Vm(uuid="new", name="vm01", vmstore="vmstore"))
    now = SystemClock().now()
    with world.db.unit() as unit:
        for uuid, hours in (("new", 1), ("old", 9)):
            point = RecoveryPoint(
                transaction_id=f"t-{uuid}", target="s3", vm_uuid=uuid, vm_name="vm01", manifest_key="m",
                taken_at=now - timedelta(hours=hours), consistency="crash", size=5 << 30,
            )  # fmt: skip
            unit.points.put(point)
    assert "Recovery points of vm01: 2" in world.typed("/cloudy points vm01")
    assert [row[-1]["text"] for row in world.table()["rows"]] == ["VM", "vm01 new", "vm01 old"]
    assert "2 VMs are or were called so" in rows(world.slack, "response_url")[0]["args"]["text"]
    assert "No VM called nope" in world.typed("/recovery-points nope")
    assert "Say which VM" in world.typed("/recovery-points")


def test_the_audit_is_asked_by_user_vm_and_time(world: World) -> None:
    world.typed("/protect vm01 to s3")
    world.typed("/protect vm02 to s3", "bob")
    for text in ("/audit bob", "/audit vm02", "/audit <@U0BOB|bob> since 1h", "/cloudy audit last since 2020-01-01"):
        before = len(rows(world.slack, "response_url"))
        assert "Audit" in world.typed(text.replace("U0BOB", world.slack.user_id("bob")))
        until(partial(has_more, world, before), text)
        assert {row[2]["text"] for row in world.table()["rows"][1:]} == {"bob"}
    assert "is no time" in world.typed("/audit since yesterday")
    before = len(rows(world.slack, "response_url"))
    world.typed("/audit last")
    until(partial(has_more, world, before), "the audit of one")
    assert [cell["text"] for cell in world.table()["rows"][0]] == ["No.", "At (UTC)", "Who", "What", "Details"]


def test_a_mention_gets_the_first_page_as_lines(world: World) -> None:
    world.see(*many(2))
    world.slack.mention("alice", "vms")
    until(lambda: any("vm001" in change.text for change in world.shown()), "the answer")


def test_a_mention_says_how_to_see_the_rest(world: World) -> None:
    world.see(*many(45))
    world.slack.mention("alice", "vms vm0")
    until(lambda: any("25 more: /cloudy vms vm0 has" in change.text for change in world.shown()), "the answer")


def test_the_audit_says_why_something_was_refused(world: World) -> None:
    target = "x" * 60
    world.typed(f"/protect vm01 to {target}")
    world.typed("/audit alice")
    assert f"There is no target called {target}. The targets are: s3." in world.table()["rows"][1][5]["text"]


def test_the_same_delivery_twice_is_shown_once(world: World) -> None:
    world.see(*many(2))
    world.slack.duplicate()
    world.typed("/vms")
    assert world.names()
    world.slack.duplicate(False)
    world.typed("/vms vm000")
    until(lambda: world.names() == ["vm000"], "the second command's table")
    assert len(rows(world.slack, "response_url")) == 2


# --- files ---


def file_of(world: World) -> tuple[str, list[list[str]]]:
    """Title and rows of the newest file."""
    shared = [row for row in rows(world.slack, "call") if row["method"] == "files.completeUploadExternal"]
    files = shared[-1]["args"]["files"]
    title = (json.loads(files) if isinstance(files, str) else files)[0]["title"]
    return title, list(csv.reader(io.StringIO(world.slack.file(title).decode("utf-8-sig"))))


def test_more_than_a_hundred_rows_come_as_a_file_to_the_askers_own_conversation(world: World) -> None:
    world.see(
        *many(99),
        Vm(uuid="x", name='=HYPERLINK("http://x")', vmstore="vmstore"),
        Vm(uuid="y", name="-1", vmstore="vmstore"),
    )
    assert "CSV file" in world.typed("/vms")
    assert world.courier().tick()
    title, sheet = file_of(world)
    assert title.startswith("vms-")
    assert title.endswith(".csv")
    assert len(sheet) == 102
    assert sheet[0][:3] == ["vm", "vmstore", "uuid"]
    assert [row[0] for row in sheet[1:3]] == ["'-1", '\'=HYPERLINK("http://x")']
    assert any("/cloudy vms: 101 rows" in change.text for change in world.slack.conversation("alice"))
    assert not any("rows" in change.text for change in world.slack.conversation("ops"))
    assert not world.courier().tick()  # once


def test_who_says_it_to_the_bot_alone_gets_the_file_too(world: World) -> None:
    world.see(*many(101))
    assert world.slack.say("alice", "vms", "@cloudy").ok
    until(lambda: any("81 more" in one.text for one in world.slack.conversation("alice")), "the answer")
    (said,) = [one.text for one in world.slack.conversation("alice") if "81 more" in one.text]
    assert "CSV file" in said
    assert world.courier().tick()
    assert shared(world) == 1


def test_a_hundred_rows_need_no_file(world: World) -> None:
    world.see(*many(100))
    assert "CSV" not in world.typed("/vms")
    assert not world.courier().tick()


@pytest.mark.parametrize("method", ["conversations.open", "files.getUploadURLExternal", "files.completeUploadExternal"])
def test_a_file_waits_out_a_429_and_an_outage_also_over_a_restart(world: World, method: str) -> None:
    world.see(*many(101))
    world.typed("/vms")
    clock = FakeClock()
    clock.sleep((SystemClock().now() - clock.now()).total_seconds())
    world.slack.fail_next(method, status=429, retry_after_s=30)
    assert world.courier(clock).tick()
    assert not world.courier(clock).tick()  # a new one, as after a restart: it is not time yet
    clock.sleep(31)
    world.slack.fail_next(method, error="internal_error", status=500)
    assert world.courier(clock).tick()
    clock.sleep(600)
    assert world.courier(clock).tick()
    assert len(file_of(world)[1]) == 102
    assert not world.courier(clock).tick()


def shared(world: World, user: str = "alice") -> int:
    return sum("[file:" in change.text for change in world.slack.conversation(user))


def test_a_file_whose_answer_was_lost_or_that_was_sent_before_a_kill_is_not_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.see(*many(101))
    world.typed("/vms")
    clock = FakeClock()
    clock.sleep((SystemClock().now() - clock.now()).total_seconds())
    world.slack.fail_next("files.completeUploadExternal", lose_answer=True)
    assert world.courier(clock).tick()
    clock.sleep(600)
    assert world.courier(clock).tick()
    assert not world.courier(clock).tick()
    assert shared(world) == 1

    world.typed("/vms late")  # too few for a file
    world.typed("/vms vm")

    def killed(_handouts: object, _key: str) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Handouts, "delivered", killed)
        with pytest.raises(SystemExit):
            world.courier(clock).tick()
    assert world.courier(clock).tick()
    assert not world.courier(clock).tick()
    assert shared(world) == 2


def test_without_the_right_to_look_it_is_sent_again(world: World) -> None:
    world.see(*many(101))
    world.typed("/vms")
    clock = FakeClock()
    clock.sleep((SystemClock().now() - clock.now()).total_seconds())
    world.slack.fail_next("files.completeUploadExternal", lose_answer=True)
    assert world.courier(clock).tick()
    world.slack.remove_scopes("im:history")
    clock.sleep(600)
    assert world.courier(clock).tick()
    assert shared(world) == 2


def test_who_may_not_read_any_more_gets_no_file(world: World) -> None:
    world.see(*many(101))
    world.typed("/vms")
    world.service.is_closed = True
    assert world.courier().tick()
    assert not [row for row in rows(world.slack, "call") if row["method"].startswith("files.")]
    assert not world.courier().tick()


def test_a_file_that_can_never_be_delivered_is_given_up_and_keeps_no_other_waiting(world: World) -> None:
    world.see(*many(101))
    world.typed("/vms")
    world.typed("/vms", "bob")
    world.slack.fail_next("conversations.open", error="user_not_found")
    courier = world.courier()
    assert courier.tick()
    assert courier.tick()
    assert any("rows" in change.text for change in world.slack.conversation("bob"))
    with pytest.raises(LookupError):  # her conversation with the bot was never opened
        world.slack.conversation("alice")


def test_ids_and_levels_are_what_the_answers_say() -> None:
    assert {ids.PREVIOUS_PAGE, ids.NEXT_PAGE} == {"cloudy.page.previous", "cloudy.page.next"}
    assert tables.TABLE == 3


# --- charts ---


def protected(world: World) -> None:
    """Three VMs of different ages, and what one day moved."""
    world.see(*many(3))
    now = SystemClock().now()
    with world.db.unit() as unit:
        for number, hours in ((0, 1), (1, 31)):
            point = RecoveryPoint(
                transaction_id=f"t{number}", target="s3", vm_uuid=f"u{number}", vm_name=f"vm00{number}",
                manifest_key="m", taken_at=now - timedelta(hours=hours), consistency="crash", size=5 << 30,
            )  # fmt: skip
            unit.points.put(point)
        asked_for = Transaction(
            id="20261125T120000Z-abcdef", workflow="protect", vm="vm000", targets=("s3",), actor=ALICE,
            state=State.SUCCEEDED, created_at=now, request_key="r", ended_at=now,
        )  # fmt: skip
        unit.transactions.insert(asked_for)
        unit.transactions.update(asked_for.id, bytes=Bytes(read=4 << 30, sent=1 << 30))


def test_charts_tell_their_numbers_and_come_as_pictures(world: World) -> None:
    pytest.importorskip("matplotlib")
    protected(world)
    assert "PNG" in world.typed("/cloudy chart rpo")
    assert [[cell["text"] for cell in row] for row in world.table()["rows"]] == [
        ["VM", "VMstore", "Age", "Times the RPO (1d)"],
        ["vm001", "vmstore", "31.0 h", "1.3"],
        ["vm000", "vmstore", "1.0 h", "0.0"],
    ]
    assert "PNG" in world.typed("/cloudy chart sent")
    until(lambda: world.table()["rows"][0][0]["text"] == "Day (UTC)", "the second table")
    assert [cell["text"] for cell in world.table()["rows"][1]][1:] == ["4.0 GiB", "1.0 GiB", "25 %", "1"]
    courier = world.courier()
    for kind in ("rpo", "sent"):
        assert courier.tick()
        name = next(row["args"]["filename"] for row in reversed(rows(world.slack, "call")) if "filename" in row["args"])
        assert name.startswith(kind)
        assert world.slack.file(name).startswith(b"\x89PNG")


def test_without_matplotlib_a_chart_is_its_numbers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "is_there", lambda: False)
    protected(world)
    assert "PNG" not in world.typed("/cloudy chart rpo")
    assert world.names() == ["vm001", "vm000"]
    assert not world.courier().tick()
    assert "Say which chart" in world.typed("/cloudy chart pie")


def ended(world: World, state: State = State.SUCCEEDED, workflow: str = "protect") -> Transaction:
    """A transaction whose receipt is to be sent."""
    now, ops = SystemClock().now(), world.slack.channel_id("ops")
    made = Transaction(
        id="20261125T120000Z-abcdef", workflow=workflow, vm="<!channel> $x^{$", vm_uuid="u1", targets=("s3",),
        actor=ALICE, state=state, created_at=now, request_key="r", ended_at=now,
    )  # fmt: skip
    with world.db.unit() as unit:
        unit.transactions.insert(made)
        unit.transactions.update(made.id, bytes=Bytes(read=4 << 30, sent=1 << 30), vm_uuid="u1", ended_at=now)
        for name in ("root", "receipt"):
            view = {"kind": name, "transaction": made.id, "state": state.value, "headline": "It is", "title": "It"}
            thread = "" if name == "root" else f"{made.id}:root"
            unit.outbox.put(Message(key=f"{made.id}:{name}", channel=ops, thread_key=thread, view=view))
    return made


def send_all(world: World, *, is_wanted: bool = True) -> None:
    on_sent = receiptcharts.promiser(is_wanted=is_wanted)
    sender = Sender(world.db, world.client, clock=SystemClock(), installation="here", on_sent=on_sent)

    def is_empty() -> bool:
        sender.tick()
        with world.db.read() as unit:
            return not unit.outbox.pending()

    until(is_empty, "all is sent")


def test_where_it_is_wanted_a_chart_follows_the_receipt_in_its_thread_once(world: World) -> None:
    pytest.importorskip("matplotlib")
    made = ended(world)
    send_all(world)
    with world.db.unit() as unit:  # the receipt changes: it is sent again
        unit.outbox.put(
            Message(
                key=f"{made.id}:receipt",
                channel="",
                view={"kind": "receipt", "transaction": made.id, "state": "succeeded", "headline": "It is so"},
            )
        )
    send_all(world)
    courier = world.courier()
    assert courier.tick()
    assert not courier.tick()
    assert world.slack.file(f"sent-{made.id}.png").startswith(b"\x89PNG")
    (call,) = [row["args"] for row in rows(world.slack, "call") if row["method"] == "files.completeUploadExternal"]
    assert call["thread_ts"] == world.slack.newest_thread("ops")
    assert "<!channel>" not in call["initial_comment"]
    (asked_url,) = [row["args"] for row in rows(world.slack, "call") if row["method"] == "files.getUploadURLExternal"]
    assert "1.0 GiB were sent for 4.0 GiB" in asked_url["alt_txt"]


@pytest.mark.parametrize(
    ("state", "workflow", "is_wanted"),
    [(State.SUCCEEDED, "protect", False), (State.FAILED, "protect", True), (State.SUCCEEDED, "verify", True)],
)
def test_no_chart_follows_otherwise(world: World, state: State, workflow: str, is_wanted: bool) -> None:
    ended(world, state, workflow)
    send_all(world, is_wanted=is_wanted)
    assert not world.courier().tick()


def test_without_matplotlib_no_chart_is_promised(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "is_there", lambda: False)
    ended(world)
    send_all(world)
    assert not world.courier().tick()


# --- SLAs ---


def promised(world: World) -> None:
    """db1 is protected by its SLA, though older than a day; the others go by the last resort, or need nothing."""
    world.service.questions.slas = Slas(
        listed=(
            Sla(name="gold", vms=("@data",), rpo=timedelta(days=3), targets=("s3",)),
            Sla(name="none", vms=("tmp*",), is_exempt=True),
        ),
        groups={"data": ("db*",)},
    )
    world.see(*(Vm(uuid=name, name=name, vmstore="vmstore") for name in ("db1", "tmp1", "web")))
    with world.db.unit() as unit:
        for name in ("db1", "web"):
            unit.points.put(
                RecoveryPoint(
                    transaction_id=f"t-{name}", target="s3", vm_uuid=name, vm_name=name, manifest_key="m",
                    taken_at=SystemClock().now() - timedelta(days=2), consistency="crash", size=1 << 30,
                )
            )  # fmt: skip


def test_lists_of_vms_go_by_the_sla_of_each(world: World) -> None:
    promised(world)
    world.typed("/vms")
    shown = {row[0]["text"]: row[3]["text"] for row in world.table()["rows"][1:]}
    assert {name: state.split(maxsplit=1)[1] for name, state in shown.items()} == {
        "db1": "protected", "tmp1": "exempt", "web": "late",
    }  # fmt: skip
    said = rows(world.slack, "response_url")[0]["args"]["text"]
    assert (
        "All 3 VMs: 1 protected, 1 late (older than the RPO of their SLA), 0 without a recovery point, 1 exempt" in said
    )


def test_all_slas_are_told_with_their_counts(world: World) -> None:
    promised(world)
    assert "What is promised for which VMs" in world.typed("/cloudy sla")
    shown = [[cell["text"] for cell in row] for row in world.table()["rows"]]
    assert [row[0] for row in shown] == ["SLA", "gold", "none", "default"]
    assert shown[1][1:] == ["1: @data", "RPO 3d in s3, a drill every 30d", "1", "0", "0"]


def test_one_vm_is_told_with_its_sla_and_what_needs_a_look(world: World) -> None:
    promised(world)
    assert "How db1 stands" in world.typed("/cloudy sla db1")
    shown = dict([cell["text"] for cell in row] for row in world.table()["rows"])
    assert shown["SLA"] == 'gold (by "db*" of the group @data): RPO 3d in s3, a drill every 30d'
    assert shown["State"] == "protected"
    assert shown["Needs a look"] == "db1: never proven by a drill"
    assert "No VMstore has a VM called db9, so no SLA is for it. Did you mean db1" in world.typed("/cloudy sla db9")
