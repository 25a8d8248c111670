"""The form of a restore at its edges: a VM renamed since, points beyond the menu, an answer that cannot be read."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from bot.errors import BusyError
from bot.model import RestoreRequest
from bot.policy import Operation, Policy, Role, Rule
from bot.recoverable import MOST_POINTS, KeptVm
from handlers import namesakes, parse, restoreforms, restoreviews
from handlers.restoreviews import RestoreForm
from integrations.simulators.slack.blocks import view_problems
from tests.slack.recoverable import NOW, World, recoverable_world


@pytest.mark.parametrize("typed", ["vm01", "vm01-before"])
def test_over_the_original_takes_the_name_that_the_form_asks_for_also_where_the_vm_was_renamed_since(
    world: World, typed: str
) -> None:
    world.point("vm01-before", "uuid-vm01", 1)
    world.open()
    world.choose_vm("vm01")
    world.shows("vm01 as it is now is overwritten")
    assert world.slack.fill("alice", "How", "Over the original").ok
    assert world.slack.fill("alice", "Name of the VM that is overwritten", "vm02").ok
    assert "This overwrites vm01 as it is now" in (world.slack.submit("alice").text or "")
    assert world.slack.fill("alice", "Name of the VM that is overwritten", typed).ok
    assert world.slack.submit("alice").text is None
    (made,) = world.orders()
    assert made.request["confirmed"] == typed  # which of them it is, the plan asks the VMstore


def test_a_command_asks_for_the_name_that_the_vm_has_now_and_tells_it(world: World) -> None:
    world.point("vm01-before", "uuid-vm01", 1)
    assert world.slack.command("alice", "ops", "/restore vm01-before over original").ok
    assert world.said("type its name: over original confirm vm01 ")


def test_a_point_that_is_older_than_the_menu_is_long_stands_in_it_where_it_was_asked_for(world: World) -> None:
    old = world.point("vm01", "uuid-vm01", 999)
    for hour in range(MOST_POINTS):
        world.point("vm01", "uuid-vm01", hour / 24)
    kept = world.service.recoverable.points("uuid-vm01", old)
    assert len(kept) == MOST_POINTS
    assert kept[-1].id == old
    assert old not in {point.id for point in world.service.recoverable.points("uuid-vm01")}


def test_a_form_without_anything_to_choose_from_leaves_that_menu_out() -> None:
    vm = KeptVm(uuid="u", name="vm01", vmstore="", newest=NOW, point="p", is_gone=True)
    form = RestoreForm(memo="{}", where="here", vmstores=(), targets=(), now=NOW, vm=vm)
    assert view_problems(restoreviews.draw(form)) == []


def test_why_the_points_of_a_vm_cannot_be_shown_is_said_in_the_form(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_args: object) -> None:
        raise BusyError

    world.point("vm01", "uuid-vm01", 1)
    world.open()
    monkeypatch.setattr(world.service.recoverable, "points", busy)
    assert world.slack.fill("alice", "VM", "vm01").ok
    world.shows("busy")
    assert world.slack.submit("alice").text is None  # of the newest
    assert len(world.orders()) == 1


def test_a_policy_that_wants_to_know_why_is_told_it_in_the_form(tmp_path: Path) -> None:
    rule = Rule(name="rule 1 of policy.rules", operation=Operation.RESTORE, reason_required=True)
    with recoverable_world(tmp_path, policy=Policy(rules=(rule,))) as asks:
        asks.point("vm01", "uuid-vm01", 1)
        asks.open()
        asks.choose_vm("vm01")
        assert "Reason: The policy wants to know why" in (asks.slack.submit("alice").text or "")
        assert asks.slack.fill("alice", "Reason", " the  disk is gone ").ok
        assert asks.slack.submit("alice").text is None
        (made,) = asks.orders()
        assert made.note == "the disk is gone"


@pytest.mark.parametrize(
    "more",
    [
        {"is_over_original": True, "is_off_allowed": True},
        {"is_over_original": True, "confirmed": "vm <1> & to", "is_on": True, "via": "snapshot"},
        {"vmstore": "s", "name": "as to", "target": "t", "at": "2026-11-01 14:30", "reason": "a, b & because <c>"},
    ],
)
def test_an_order_is_written_so_that_it_is_read_the_same_again(more: dict[str, Any]) -> None:
    order = RestoreRequest(what="uuid-1", **more)
    assert parse.restore(namesakes.typed(order).removeprefix("/restore ")) == order


def test_who_may_not_restore_any_more_is_shown_and_told_nothing_by_a_form_that_is_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.point("vm01", "uuid-vm01", 1)
    world.open()
    world.choose_vm("vm01")
    assert world.slack.fill("alice", "As name", "vm01").ok  # taken
    policy = Policy(default_role=Role.VIEWER)
    rights = replace(world.service._rights, policy=policy)  # as after a restart with another policy
    monkeypatch.setattr(world.service, "_rights", rights)
    monkeypatch.setattr(world.service.restores, "_rights", rights)
    body = {"user": {"id": world.slack.user_id("alice")}, "view": {"id": "V1"}, "value": "vm"}
    ack = Mock()
    restoreforms.suggested(world.service, ack, body)
    ack.assert_called_once_with(options=[])
    said = world.slack.submit("alice").text or ""
    assert "viewer" in said
    assert "There is a VM" not in said
    assert world.orders() == ()
