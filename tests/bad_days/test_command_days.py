"""Bad days of what people type: each answer, and that it is kept."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from slack_bolt import BoltRequest
from slack_sdk import WebClient

from bot.errors import RequesterError
from bot.model import AuditRow, State
from handlers import blocks
from handlers.connection import slack_app
from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from tests.bad_days.conftest import BadDay
from tests.bad_days.world import World
from tests.workflow.house import ALICE, OPS

_TRIGGERS = itertools.count()


@dataclass
class Desk:
    """The app with its listeners and no Slack behind it: answers of commands ride in the acknowledgement."""

    world: World

    def __post_init__(self) -> None:
        self._app = slack_app(WebClient(token="xoxb-nothing", base_url="http://127.0.0.1:9/"), self.world.service)

    def say(self, text: str) -> str:
        """A command as alice in #ops; gives the text of the private answer."""
        command, _, rest = text.partition(" ")
        body = {
            "command": command,
            "text": rest,
            "user_id": ALICE.id,
            "user_name": ALICE.name,
            "team_id": "T1",
            "channel_id": OPS.channel,
            "trigger_id": f"trigger-{next(_TRIGGERS)}",
        }
        answer = self._app.dispatch(BoltRequest(body=body, mode="socket_mode"))
        assert answer.status == 200
        return str(json.loads(answer.body)["text"])

    def planned(self, text: str) -> str:
        """A command that is understood, and what was told privately once it was looked up."""
        assert "Asked for" in self.say(text)
        newest = self.world.service.runs(1)[0]
        self.world.dispatch()
        return self.world.told(newest.id).receipt

    def refused(self) -> list[AuditRow]:
        """What the audit has of commands that became no request."""
        with self.world.db.read() as unit:
            return [row for row in unit.audit.list() if row.action == "refused"]


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


LONG = "v" * 4000

NOT_UNDERSTOOD = [
    ("unknown verb", "/cloudy frobnicate vm01", "There is no “frobnicate” here"),
    ("more than 4,000 characters", f"/protect {LONG} to s3", "longer than 4000 characters"),
    ("a name of 3,900 characters", f"/protect {LONG[:3900]} to s3", "longer than 255 characters"),
    ("a line break", "/protect web01\nto s3", "line break"),
    ("a quote that is not closed", '/protect "web01 to s3', "never closed"),
    ("a quote in the middle of a name", '/protect we"b01 to s3', "Quote the whole name"),
    ("a name that turns the text around", "/protect web\u202e01 to s3", "control character"),
    ("no target", "/protect web01", "“to” is missing"),
    ("two VMs without a comma", "/protect web01 and web02 to s3", "comma"),
    ("an id that is too short", "/cloudy stop 7f", "too short"),
    ("an id that is none", "/cloudy show ../../etc", "is not a transaction id"),
]


@pytest.mark.parametrize(("day", "text", "words"), NOT_UNDERSTOOD, ids=[row[0] for row in NOT_UNDERSTOOD])
def test_what_is_not_understood_is_refused_with_the_way_to_say_it_and_kept(
    desk: Desk, bad_day: BadDay, day: str, text: str, words: str
) -> None:
    answer = desk.say(text)
    assert words in answer
    assert len(answer) < 1000
    assert desk.world.service.runs() == ()
    (kept,) = desk.refused()
    assert kept.actor_name == ALICE.name
    assert len(kept.body["text"]) <= 500
    assert words.split()[0] in kept.body["why"]
    bad_day.row(area="Commands", day=day, message=answer, cure="type it as the usage line says")


def test_nothing_after_cloudy_is_the_help(desk: Desk, bad_day: BadDay) -> None:
    answer = desk.say("/cloudy")
    assert "/protect <vm>" in answer.replace("&lt;", "<").replace("&gt;", ">")
    bad_day.row(area="Commands", day="/cloudy alone", message=answer)


STRANGE = [
    ("emoji in a name", "🔥💾", "🔥💾"),
    ("a mention", "<@U0123ABC|bob>", "bob"),
    ("a ping of the channel", "<!channel>", "channel"),
    ("a ping, typed as text", "&lt;!channel&gt;", "channel"),
    ("a name like a pattern", "web.*[01]+", "web.\\*[01]+"),
    ("a name like SQL", "x'; drop table transactions;--", "drop table"),
    ("a name that is not ASCII", "Bücher-Straße", "Bücher-Straße"),
    ("a name with the VMstore's wildcard", "%25", "%25"),
]


@pytest.mark.parametrize(("day", "name", "words"), STRANGE, ids=[row[0] for row in STRANGE])
def test_a_strange_name_is_looked_up_as_it_stands_pings_nobody_and_is_told_as_unknown(
    desk: Desk, bad_day: BadDay, day: str, name: str, words: str
) -> None:
    told = desk.planned(f'/protect "{name}" to s3')
    assert "There is no live VM called" in told
    assert "<!" not in told
    assert "<@" not in told
    (asked,) = desk.world.service.runs()
    assert asked.state is State.REFUSED
    audit = desk.world.told(asked.id).audit
    assert [row.body.get("event") or row.action for row in audit][-1] == "refused"
    bad_day.row(area="Commands", day=day, message=told, cure="type the name as the VMstore has it")


@pytest.mark.parametrize("name", ["ビーエム 01", "Bücher Straße", "web [01]", "a+b (old)", "50% off", "<b>&co"])
def test_a_vm_with_a_strange_name_is_found_by_it(desk: Desk, name: str) -> None:
    sample_vms.create_vm(desk.world.export, name, 1 << 20, 1 << 19)
    typed = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert "Asked for" in desk.say(f'/protect "{typed}" to s3')
    asked = desk.world.service.runs(1)[0]
    desk.world.dispatch()
    desk.world.engine.run_all()
    told = desk.world.told(asked.id)
    assert told.transaction.state is State.SUCCEEDED, told.thread
    assert told.transaction.vm == name
    assert desk.world.left() == []


def test_a_name_with_a_slip_is_answered_with_the_near_ones(desk: Desk, bad_day: BadDay) -> None:
    told = desk.planned("/protect wbe01 to s3")
    assert "Did you mean web01?" in told
    bad_day.row(area="Commands", day="a slip in the VM's name", message=told, cure="/protect web01 to s3")


@pytest.fixture
def second(world: World, tmp_path: Path) -> Iterator[VmstoreSimulator]:
    """A second VMstore that has a VM of the same name."""
    export = tmp_path / "export2"
    export.mkdir()
    sample_vms.create(export, ["web01"], seed=2)
    simulator = VmstoreSimulator(export, clone_seconds=0.2)
    told = {"url": simulator.start(), "user": "admin", "ca": str(simulator.ca)}
    world.others["vmstore2"] = told | {"share": "path:export2", "cleanup_share": "path:export2"}
    world.secrets["VMSTORES__VMSTORE2__PASSWORD"] = "secret"
    world.open()
    yield simulator
    simulator.stop()


def test_a_vm_in_two_vmstores_is_asked_back_and_said_with_the_vmstore(
    world: World, second: VmstoreSimulator, bad_day: BadDay
) -> None:
    desk = Desk(world)
    told = desk.planned("/protect web01 to s3")
    assert "vmstore/web01, vmstore2/web01" in told
    assert world.service.runs()[0].state is State.REFUSED
    bad_day.row(area="Commands", day="a VM in two VMstores", message=told, cure="/protect vmstore2/web01 to s3")
    desk.say("/protect vmstore2/web01 to s3")
    world.dispatch()
    assert world.service.runs()[0].vmstore == "vmstore2"


def test_a_vm_is_found_though_the_other_vmstore_does_not_answer(
    world: World, second: VmstoreSimulator, bad_day: BadDay
) -> None:
    """An array that is down keeps nobody from protecting what lies on another; the thread says which it is."""
    second.stop()
    told = world.protect()
    assert told.transaction.state is State.SUCCEEDED
    assert "web01 on vmstore" in told.thread
    bad_day.row(area="Commands", day="one of two VMstores does not answer", message=told.cli)


def test_two_vms_of_one_name_on_a_vmstore_are_told_apart(desk: Desk, bad_day: BadDay) -> None:
    folder = sample_vms.create_vm(desk.world.export, "twin", 1 << 20, 1 << 19)
    other = sample_vms.create_vm(desk.world.export, "twin2", 1 << 20, 1 << 19, seed=3)
    for file in other.glob("*.vmx"):
        file.write_text(file.read_text().replace('displayName = "twin2"', 'displayName = "twin"'))
    assert folder != other
    told = desk.planned("/protect twin to s3")
    assert desk.world.service.runs()[0].state is State.REFUSED
    uuids = re.findall(r"twin, ([0-9A-Za-z-]{16,}),", told)
    assert len(uuids) == 2
    shown = told.replace(uuids[0], "<uuid>").replace(uuids[1], "<uuid>")
    bad_day.row(area="Commands", day="two VMs of one name", message=shown, cure="/protect <uuid> to s3")
    desk.say(f"/protect {uuids[1]} to s3")
    desk.world.dispatch()
    assert (desk.world.service.runs(1)[0].vm_uuid, desk.world.service.runs(1)[0].vm) == (uuids[1], "twin")


# --- refused after it was understood ---


def test_an_unknown_target_is_told_with_those_there_are_and_kept(desk: Desk, bad_day: BadDay) -> None:
    answer = desk.say("/protect web01 to azure")
    assert "The targets are: s3" in answer
    (kept,) = desk.refused()
    assert kept.body["why"] == "There is no target called azure. The targets are: s3."
    assert "web01" in kept.body["text"]
    bad_day.row(area="Commands", day="unknown target", message=answer, cure="/protect web01 to s3")


@pytest.mark.parametrize("verb", ["stop", "show"])
def test_an_unknown_id_is_told_and_kept(desk: Desk, bad_day: BadDay, verb: str) -> None:
    answer = desk.say(f"/cloudy {verb} zzzzzz")
    assert "There is no transaction" in answer
    (kept,) = desk.refused()
    assert "zzzzzz" in kept.body["text"]
    bad_day.row(area="Commands", day=f"{verb}: unknown id", message=answer, cure="/cloudy runs")


def test_stop_that_comes_too_late_is_told_and_kept_with_its_transaction(
    world: World, desk: Desk, bad_day: BadDay
) -> None:
    done = world.protect().transaction
    answer = desk.say(f"/cloudy stop {done.id[-6:]}")
    assert "Already protected" in answer
    (kept,) = desk.refused()
    assert kept.transaction_id == done.id
    assert kept.body["why"].startswith("Already protected")
    bad_day.row(area="Commands", day="Stop after the end", message=answer)


TO_THE_SERVICE: list[tuple[str, Callable[[World], object]]] = [
    ("unknown id", lambda world: world.service.stop("zzzzzz", ALICE, request_key="cli:1")),
    ("thread of nobody", lambda world: world.service.stop_thread("C1", "1.2", ALICE, request_key="cli:1")),
]


@pytest.mark.parametrize(("day", "ask"), TO_THE_SERVICE, ids=[row[0] for row in TO_THE_SERVICE])
def test_what_the_command_line_asks_in_vain_is_kept_too(world: World, day: str, ask: Callable[[World], object]) -> None:
    with pytest.raises(RequesterError):
        ask(world)
    (kept,) = Desk(world).refused()
    assert kept.actor_name == ALICE.name
    assert kept.body["why"]


def test_more_vms_than_one_request_takes_are_refused_and_kept(desk: Desk, bad_day: BadDay) -> None:
    answer = desk.say(f"/protect {', '.join(f'vm{number}' for number in range(51))} to s3")
    assert "at most 50" in answer
    assert len(desk.refused()) == 1
    bad_day.row(area="Commands", day="51 VMs at once", message=answer, cure="ask in several commands")


def test_private_answers_are_drawn_at_every_level_without_a_ping(desk: Desk) -> None:
    desk.planned('/protect "<!channel>" to s3')
    asked = desk.world.service.runs(1)[0]
    with desk.world.db.read() as unit:
        notice = unit.outbox.get(f"{asked.id}:notice")
    assert notice is not None
    for level in (blocks.PLAN, blocks.SECTIONS, blocks.TEXT):
        drawn = blocks.render(notice.view, level)
        assert "<!channel>" not in drawn.text
        assert "mrkdwn" not in str(drawn.blocks)
