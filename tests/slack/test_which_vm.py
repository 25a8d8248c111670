"""Two VMs that had one name: the question, and what its buttons do; a real Bolt app over Socket Mode."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.cli import restore
from bot.errors import AmbiguousName, NotAllowed, UsageError
from bot.model import RestoreRequest, Vm
from bot.recoverable import KeptVm
from handlers import blocks, ids, namesakes, which
from handlers.teller import Draw, Teller
from integrations.simulators.slack.blocks import problems_of
from tests.slack.local import client_of, rows, until
from tests.slack.recoverable import NOW, World, recoverable_world

Json = dict[str, Any]
ORDER = "/restore twin to vmstore2 as new from s3 power on"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with recoverable_world(tmp_path) as made:
        with made.db.unit() as unit:
            unit.inventory.refresh("vmstore", [Vm(uuid="uuid-one", name="twin", vmstore="vmstore")])
        made.point("twin", "uuid-one", 3)
        made.point("twin", "uuid-two", 2, vmstore="vmstore2")
        made.point("other", "uuid-two", 1, vmstore="vmstore2")
        yield made


def asked(world: World, text: str = ORDER, user: str = "alice") -> str:
    """Ask; the question as that person sees it."""
    ack = world.slack.command(user, "ops", text)
    assert ack.ok
    assert world.orders() == ()
    return ack.text or ""


def press(world: World, vm: str, user: str = "alice", channel: str = "ops") -> None:
    """Press the button beside a VM."""
    assert world.slack.click(user, f"Restore {vm}", channel).ok


class Told(Teller):
    """Keeps what would be shown in the place of the question."""

    text = ""

    def tell(self, url: str, draw: Draw, otherwise: Callable[[], None], *, replace: bool = False) -> None:
        assert replace
        self.text = draw(blocks.TEXT).text


def values(world: World) -> list[str]:
    """What the buttons of the newest question carry, the newest VM's first."""
    acks = [row["answer"] for row in rows(world.slack, "ack") if (row["answer"] or {}).get("blocks")]
    return [block["accessory"]["value"] for block in acks[-1]["blocks"] if "accessory" in block]


def pressed(world: World, value: str, user: str = "alice") -> str:
    """The answer to a press, as Slack delivers it: the same button may be pressed again before the answer is there."""
    action = {"action_id": ids.WHICH_VM, "value": value, "action_ts": str(time.monotonic_ns())}
    person, place = {"id": world.slack.user_id(user), "name": user}, {"channel_id": world.slack.channel_id("ops")}
    body = {"user": person, "actions": [action], "container": {"message_ts": "1.1", **place}, "response_url": "x"}
    told = Told()
    which.chosen(world.service, told, lambda: None, body, action, client_of(world.slack))  # type: ignore[arg-type]
    return told.text


def test_the_question_tells_the_vms_apart_and_the_order_goes_on_with_the_one_that_is_chosen(world: World) -> None:
    question = asked(world)
    assert "twin was the name of 2 VMs. Which one?" in question
    assert "uuid-one · on vmstore" in question
    assert "has the name now" in question
    assert "uuid-two · gone, was on vmstore2" in question
    assert f"last seen with the name {NOW:%Y}" in question
    press(world, "uuid-two")
    (made,) = world.orders()
    assert made.vm == "other"  # as it is called in its newest recovery point
    assert {name: made.request[name] for name in ("to", "as", "from", "is_on")} == {
        "to": "vmstore2", "as": "new", "from": "s3", "is_on": True
    }  # fmt: skip
    until(lambda: world.said("Asked for: restore other"), "the answer")
    assert not world.said("Which one?")  # the answer stands in its place
    (answer,) = [change for change in world.slack.conversation("ops") if made.id in change.text]
    assert answer.only_for == "alice"


def test_however_often_and_whatever_is_pressed_it_is_one_order_and_the_first_choice_counts(world: World) -> None:
    asked(world)
    two, one = values(world)
    with ThreadPoolExecutor(4) as people:
        answers = list(people.map(partial(pressed, world), [one] * 4))
    (made,) = world.orders()
    assert all(made.id in answer and "first choice" not in answer for answer in answers)
    late = pressed(world, two)
    assert "the first choice counts" in late
    assert made.id in late
    assert len(world.orders()) == 1
    asked_again = world.slack.command("alice", "ops", ORDER)  # another question is another order
    assert "Which one?" in (asked_again.text or "")
    assert made.id not in pressed(world, values(world)[0])
    assert len(world.orders()) == 2


def test_somebody_else_cannot_answer_and_gets_the_command_for_it(world: World) -> None:
    asked(world)
    with pytest.raises(NotAllowed, match='/restore uuid-two to "vmstore2" as "new" from "s3" power on'):
        pressed(world, values(world)[0], "bob")
    assert world.orders() == ()


def test_rights_are_judged_when_it_is_answered(tmp_path: Path) -> None:
    with recoverable_world(tmp_path, is_strict=True) as strict:
        strict.point("prod01", "uuid-one", 3)
        strict.point("prod01", "uuid-two", 2)
        asked(strict, "/restore prod01")
        with pytest.raises(NotAllowed, match="admin"):
            pressed(strict, values(strict)[0])
        assert strict.orders() == ()


def test_a_mention_in_a_thread_and_a_direct_message_ask_too(world: World) -> None:
    assert world.slack.say("alice", "restore twin", "@cloudy").ok
    until(lambda: world.said("Which one?", "alice"), "the question")
    press(world, "uuid-one", channel="@cloudy")
    until(lambda: world.said("Asked for: restore twin", "alice"), "the answer")
    (made,) = world.orders()
    assert made.place.channel == world.slack.channel_id("alice")


def test_the_command_line_lists_the_same_with_how_to_say_it(world: World) -> None:
    request = RestoreRequest(what="twin", vmstore="vmstore2", name="a new one", is_on=True)
    with pytest.raises(AmbiguousName) as asked:
        restore.ask(request, world.service)
    said = asked.value.message
    assert said.startswith("twin was the name of 2 VMs. Say which, by its uuid:")
    assert "uuid-two · gone, was on vmstore2" in said
    assert "cloudy restore uuid-one --to vmstore2 --as 'a new one' --power-on" in said
    (made,) = restore.ask(replace(request, what="uuid-one"), world.service)
    assert made.actor.source == "cli"


@pytest.mark.parametrize(
    "value",
    [
        "", "{", "[]", "null", '{"by":"U1"}', '{"by":"U1","key":"k","request":{"what":""}}',
        '{"by":"U1","key":"k","request":{"what":"x","is_on":"yes"}}', '{"by":5,"key":"k","request":{"what":"x"}}',
        '{"by":"U1","key":"k","request":{"what":"x","more":"y"}}', "[" * 5000, "x" * 3000,
    ],
)  # fmt: skip
def test_a_button_that_is_none_of_ours_is_not_understood(value: str) -> None:
    with pytest.raises(UsageError, match="not understood"):
        namesakes.of_button(value)


def test_the_question_is_one_that_slack_takes_and_says_the_commands_where_there_are_no_buttons() -> None:
    names = [
        KeptVm(uuid=f"{i}" * 36, name="<!here>" * 5, vmstore="", newest=NOW, point="p", is_gone=True, called_until=NOW)
        for i in range(15)
    ]
    request = RestoreRequest(what="twin", vmstore="vmstore2", name='say "hi" & <b>', at="7d", is_on=True)
    card = namesakes.question(names, request, "U1", "command:T:1.2")
    for level in (blocks.PLAN, blocks.SECTIONS):
        drawn = blocks.render_card(card, level)
        assert problems_of(list(drawn.blocks)) == []
        assert "<!here>" not in drawn.text
    assert "5 more: say the uuid" in drawn.text
    told = blocks.render_card(card, blocks.TEXT).text
    assert f"/restore {'0' * 36}" in told
    answer = namesakes.of_button(card.picks[0].value)
    assert answer.request == replace(request, what="0" * 36)
    too_long = replace(request, name="n" * 1900)
    assert namesakes.question(names, too_long, "U1", "k").picks == ()


def test_a_question_is_noted_until_it_is_answered_by_whatever_order(world: World) -> None:
    def open_() -> list[tuple[str, ...]]:
        with world.db.read() as unit:
            return [each.about for each in unit.questions.of(world.slack.user_id("alice"))]

    asked(world)
    asked(world)
    assert [sorted(about) for about in open_()] == [["uuid-one", "uuid-two"]] * 2
    with world.db.read() as unit:
        text = unit.questions.of(world.slack.user_id("alice"))[0].text
    assert "twin was the name of 2 VMs. Which one?" in text
    assert '/restore uuid-two to "vmstore2" as "new" from "s3" power on' in text
    press(world, "uuid-two")
    until(lambda: open_() == [], "the answer")
    assert world.slack.command("alice", "ops", ORDER).ok
    assert len(open_()) == 1
    assert world.slack.command("alice", "ops", "/restore uuid-one as other-name").ok
    until(lambda: open_() == [], "the order that names it")
