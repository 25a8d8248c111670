"""The form of a restore: a real Bolt app over Socket Mode, without a worker."""

import json
from datetime import timedelta
from typing import Any

import pytest

from bot.errors import BusyError
from bot.model import ProofKind, State
from bot.purposes.protect import PURPOSE
from bot.recoverable import KeptPoint, KeptVm
from handlers import blocks, restoreviews
from integrations.simulators.slack import Ack
from integrations.simulators.slack.blocks import view_problems
from tests.slack.local import client_of, rows, until
from tests.slack.recoverable import NOW, World

Json = dict[str, Any]


# --- the form ---


def test_restore_alone_opens_a_form_whose_newest_good_point_is_chosen_already(world: World) -> None:
    world.point("vm01", "uuid-vm01", 9, "s3", "azure")
    good = world.point("vm01", "uuid-vm01", 2, "s3", "azure")
    bad = world.point("vm01", "uuid-vm01", 1)
    world.looked("vm01", good, ProofKind.DRILL)
    world.looked("vm01", bad, ProofKind.READ_BACK, good=False)
    world.open()
    world.choose_vm("vm01")
    damaged, best, oldest = offered(world, "Recovery point")
    assert ["not good" in note or "proven" in note for note in offered(world, "Recovery point", "description")] == [
        True, True, False
    ]  # fmt: skip
    assert "newest good" in best
    assert "newest good" not in damaged + oldest
    assert world.slack.submit("alice") == Ack(ok=True)
    (made,) = world.orders()
    assert made.request == {"point": good, "to": "", "as": "", "from": "", "is_on": False}
    assert made.targets == ("azure", "s3")
    assert made.place.channel == world.slack.channel_id("ops")
    until(lambda: world.said(made.id), "the private answer")


def test_cloudy_restore_alone_and_the_global_shortcut_open_it_too(world: World) -> None:
    world.point("vm01", "uuid-vm01", 1)
    world.open("/cloudy Restore ")
    assert world.slack.close("alice").ok
    assert world.slack.menu("alice", "Restore a VM").ok
    world.await_form()
    world.choose_vm("vm01")
    assert world.slack.submit("alice").ok
    (made,) = world.orders()
    assert made.place.channel == world.slack.channel_id("alice")


def test_what_a_form_says_is_what_a_command_would_say(world: World) -> None:
    old = world.point("vm01", "uuid-vm01", 9, "s3", "azure")
    world.point("vm01", "uuid-vm01", 1, "azure")
    world.open()
    world.choose_vm("vm01")
    label = next(each for each in offered(world, "Recovery point") if "9 days ago" in each)
    for name, value in {
        "Recovery point": label, "To VMstore": "vmstore2", "As name": " vm01 again ", "From target": "azure",
        "How": "Power it on at the end", "Way": "What lies in the target",
    }.items():  # fmt: skip
        assert world.slack.fill("alice", name, value).ok
    assert world.slack.submit("alice").text is None
    assert world.slack.command(
        "alice", "ops", f'/restore {old} to vmstore2 as "vm01 again" from azure via target power on'
    ).ok
    typed, filled = world.orders()
    assert filled.request == typed.request
    assert filled.request["as"] == "vm01 again"
    assert (filled.targets, filled.plan, filled.actor) == (typed.targets, typed.plan, typed.actor)


def offered(world: World, label: str, part: str = "text") -> list[str]:
    """The options of a menu of the view that was drawn last, which is recorded a moment after it is shown."""

    def menus() -> list[Json]:
        drawn = [row["args"]["view"]["blocks"] for row in rows(world.slack, "call") if row["method"] == "views.update"]
        return [block for block in (drawn or [[]])[-1] if (block.get("label") or {}).get("text") == label]

    until(menus, f"a menu {label}")
    return [option[part]["text"] for option in menus()[0]["element"]["options"]]


def test_a_vm_that_is_gone_can_be_chosen_by_any_name_that_it_had_and_without_a_point_it_is_the_newest(
    world: World,
) -> None:
    world.point("old-name", "uuid-gone", 20)
    newest = world.point("new-name", "uuid-gone", 10)
    world.open()
    assert world.slack.options("alice", "VM", "OLD") == ["new-name"]
    assert world.slack.options("alice", "VM", "") == ["new-name"]
    assert world.slack.options("alice", "VM", "vm01") == []  # it has none
    assert world.slack.fill("alice", "VM", "new-name").ok
    assert world.slack.submit("alice").ok  # at once, whether the points are drawn or not
    (made,) = world.orders()
    assert made.request["point"] == newest


def test_two_vms_of_one_name_are_told_apart_and_another_choice_drops_the_points_of_the_one_before(
    world: World,
) -> None:
    first = world.point("twin", "uuid-one", 3)
    second = world.point("twin", "uuid-two", 2)
    world.open()
    assert world.slack.options("alice", "VM", "twin") == ["twin (uuid-one)", "twin (uuid-two)"]
    world.choose_vm("twin (uuid-two)")
    until(lambda: "2 days ago" in offered(world, "Recovery point")[0], "the points of the second")
    assert world.slack.fill("alice", "Recovery point", offered(world, "Recovery point")[0]).ok
    assert world.slack.fill("alice", "As name", "typed before").ok
    assert world.slack.fill("alice", "VM", "twin (uuid-one)").ok
    until(lambda: "3 days ago" in offered(world, "Recovery point")[0], "the points of the first")
    assert world.slack.submit("alice").ok
    (made,) = world.orders()
    assert made.request["point"] == first != second
    assert made.request["as"] == "typed before"


def test_points_of_another_vm_are_never_restored_however_the_answers_to_two_choices_came(world: World) -> None:
    world.point("one", "uuid-one", 3)
    second = world.point("two", "uuid-two", 2)
    world.open()
    world.choose_vm("one")
    world.slack.fail_next("views.update", error="internal_error")
    assert world.slack.fill("alice", "VM", "two").ok  # its points do not come
    assert world.slack.submit("alice").ok
    world.shows("Look again: those were the recovery points of another VM")
    assert world.orders() == ()
    assert "2 days ago" in updated(world)
    assert world.slack.submit("alice").ok
    (made,) = world.orders()
    assert made.request["point"] == second


def updated(world: World) -> str:
    """What the answer to a submission drew."""
    answers = [row["answer"] for row in rows(world.slack, "ack") if (row["answer"] or {}).get("response_action")]
    return json.dumps(answers[-1]["view"])


def test_a_later_choice_is_drawn_over_what_came_between(world: World) -> None:
    world.point("one", "uuid-one", 3)
    world.point("two", "uuid-two", 2)
    world.open()
    world.choose_vm("one")
    world.slack.fail_next("views.update", error="hash_conflict")
    assert world.slack.fill("alice", "VM", "two").ok
    until(lambda: "2 days ago" in offered(world, "Recovery point")[0], "the points of the second")


def test_errors_stand_beside_their_fields_and_nothing_that_was_typed_is_lost(world: World) -> None:
    world.point("vm01", "uuid-vm01", 1, "s3")
    world.open()
    assert world.slack.submit("alice").error == "incomplete"
    world.choose_vm("vm01")
    for name, value in (("As name", "a/b"), ("From target", "azure")):
        assert world.slack.fill("alice", name, value).ok
    said = world.slack.submit("alice").text or ""
    assert "As name: A VM cannot be called 'a/b'" in said
    assert "From target: It is not in azure, but in s3." in said
    assert world.slack.fill("alice", "As name", "vm01").ok
    assert "As name: There is a VM called vm01 on vmstore already" in (world.slack.submit("alice").text or "")
    assert world.orders() == ()
    _, _, page = world.service.questions.audit()
    assert len([row for row in page.rows if row.action == "refused"]) == 2
    for name, value in (("To VMstore", "vmstore2"), ("From target", "s3")):  # there the name is free
        assert world.slack.fill("alice", name, value).ok
    assert world.slack.submit("alice").text is None
    (made,) = world.orders()
    assert (made.request["as"], made.request["to"]) == ("vm01", "vmstore2")


def test_over_the_original_the_name_is_to_be_typed_and_both_ways_of_asking_are_one(world: World) -> None:
    point = world.point("vm01", "uuid-vm01", 1)
    world.open()
    world.choose_vm("vm01")
    wrong = {"As name": "new", "How": "Over the original, It may be powered off for that", "From target": "s3"}
    for name, value in (wrong | {"Way": "The snapshot that the VMstore still has"}).items():
        assert world.slack.fill("alice", name, value).ok
    said = world.slack.submit("alice").text or ""
    assert "As name: Over the original it keeps its name" in said
    assert "From target: By the snapshot nothing is fetched" in said
    assert "overwritten: This overwrites vm01 as it is now. If that is meant, type its name here." in said
    for name, value in {"As name": "", "From target": "", "Name of the VM that is overwritten": "vm01"}.items():
        assert world.slack.fill("alice", name, value).ok
    assert world.slack.submit("alice").text is None
    order = f"/restore {point} via snapshot over original confirm vm01 power off"
    assert world.slack.command("alice", "ops", order).ok
    typed, filled = world.orders()
    assert typed.request == filled.request
    assert filled.request["is_over"]


def test_what_belongs_to_over_the_original_is_refused_without_it(world: World) -> None:
    world.point("vm01", "uuid-vm01", 1)
    world.open()
    world.choose_vm("vm01")
    assert world.slack.fill("alice", "Name of the VM that is overwritten", "vm01").ok
    assert "Only for “over the original”" in (world.slack.submit("alice").text or "")
    assert world.slack.fill("alice", "Name of the VM that is overwritten", "").ok
    assert world.slack.fill("alice", "How", "It may be powered off for that").ok
    assert "How: “confirm” and “power off” belong to “over original”" in (world.slack.submit("alice").text or "")
    assert world.orders() == ()


def test_a_point_that_is_gone_by_then_is_told_beside_it(world: World) -> None:
    point = world.point("vm01", "uuid-vm01", 1)
    world.open()
    world.choose_vm("vm01")
    with world.db.unit() as unit:
        unit.points.forget(point, "s3")
    assert "Recovery point: " in (world.slack.submit("alice").text or "")
    assert world.orders() == ()


@pytest.mark.parametrize("part", ["recoverable.flaws", "restores.restore"])
def test_a_busy_database_is_said_in_the_form_which_can_be_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    world.point("vm01", "uuid-vm01", 1)
    world.open()
    world.choose_vm("vm01")
    owner, name = part.split(".")
    with monkeypatch.context() as patch:
        patch.setattr(getattr(world.service, owner), name, busy)
        assert "VM: " in (said := world.slack.submit("alice").text or "")
        assert "busy" in said
    assert world.slack.submit("alice").text is None
    assert len(world.orders()) == 1


def busy(*_args: object, **_named: object) -> None:
    raise BusyError


def test_a_form_delivered_twice_is_one_order_and_one_answer(world: World) -> None:
    world.point("vm01", "uuid-vm01", 1)
    world.open()
    world.choose_vm("vm01")
    world.slack.duplicate()
    assert world.slack.submit("alice").ok
    until(lambda: world.said("Asked for: restore vm01"), "the private answer")
    until(lambda: len([row for row in rows(world.slack, "ack")]) >= 5, "both deliveries")
    assert len(world.orders()) == 1
    assert world.said("Asked for: restore vm01") == 1


def test_without_any_recovery_point_the_form_says_how_to_make_one(world: World) -> None:
    assert world.slack.command("alice", "ops", "/restore").ok
    world.shows("/protect <vm> to <target> makes one")


def test_who_may_not_is_told_why_where_the_form_would_stand_and_a_rule_for_one_vm_beside_it(strict: World) -> None:
    point = strict.point("prod01", "uuid-prod", 1)
    assert strict.slack.command("carol", "ops", "/restore").ok
    strict.shows("viewer", "carol")
    strict.open()
    strict.choose_vm("prod01")
    assert "VM: " in (said := strict.slack.submit("alice").text or "")
    assert "admin" in said
    assert strict.orders() == ()
    assert strict.slack.command("alice", "ops", f"/restore {point}").ok
    assert strict.orders() == ()


def test_every_view_is_one_that_slack_takes(world: World) -> None:
    vm = KeptVm(uuid="u" * 36, name="<!here> " * 30, vmstore="", newest=NOW, point="p", is_gone=True)
    points = tuple(
        KeptPoint(
            id=f"20261101T0000{i:02d}Z-abcdef", vm_uuid=vm.uuid, taken_at=NOW - timedelta(hours=i), size=1 << 60,
            consistency="crash", targets=tuple(f"target-{each}" for each in range(20)),
            flaw="damaged" if i % 2 else "", verified_at=NOW if i % 3 else None, proven_at=NOW if i % 5 else None,
            locked_until=NOW + timedelta(days=9) if i % 4 else None,
        )
        for i in range(150)
    )  # fmt: skip
    names = tuple(f"store-{i}-{'x' * 80}" for i in range(150))
    known: Json = {"memo": "{}", "where": "here " * 500, "vmstores": names, "targets": names, "now": NOW}
    for more in ({}, {"vm": vm, "points": points}, {"vm": vm}, {"vm": vm, "points": points, "point": points[1].id}):
        assert view_problems(restoreviews.draw(restoreviews.RestoreForm(**known, **more))) == []
    assert len(restoreviews.vm_options([vm] * 150)) == 100


# --- buttons that open it ---


def test_the_button_of_a_receipt_opens_it_with_that_point_and_of_one_that_is_gone_says_so(world: World) -> None:
    point = world.point("vm01", "uuid-vm01", 3)
    world.point("vm01", "uuid-vm01", 1)
    receipt(world, point)
    assert world.slack.click("bob", "Restore…").ok
    world.await_form("bob")
    assert world.slack.submit("bob").ok
    (made,) = world.orders()
    assert (made.request["point"], made.actor.name) == (point, "bob")
    with world.db.unit() as unit:
        unit.points.forget(point, "s3")
    assert world.slack.click("bob", "Restore…").ok
    world.shows("recovery point", "bob")
    assert "As name" not in (world.slack.modal("bob") or "")


def receipt(world: World, point: str) -> None:
    """Post the receipt of a protect of that id."""
    view = {"kind": "receipt", "transaction": point, "state": "succeeded", "buttons": ["verify", "restore", "audit"]}
    message = blocks.render(view)
    client_of(world.slack).chat_postMessage(
        channel=world.slack.channel_id("ops"), text=message.text, blocks=list(message.blocks)
    )


def test_a_protects_receipt_has_that_button_and_where_there_are_none_the_command() -> None:
    told = blocks.render({"kind": "receipt", "transaction": "T1", "buttons": ["verify", "restore"]}, blocks.TEXT)
    assert "/cloudy restore T1" in told.text
    assert PURPOSE.buttons == ("verify", "restore")


def test_a_row_of_the_recovery_points_opens_it_with_that_point(world: World) -> None:
    old = world.point("vm01", "uuid-vm01", 9, "s3", "azure")
    world.point("vm01", "uuid-vm01", 1)
    assert world.slack.command("alice", "ops", "/recovery-points vm01").ok
    until(lambda: world.said("9 days ago"), "the table")
    label = next(each for each in row_labels(world) if old in each)
    assert world.slack.choose("alice", "Restore…", label).ok
    world.await_form()
    assert world.slack.submit("alice").ok
    (made,) = world.orders()
    assert made.request["point"] == old


def row_labels(world: World) -> list[str]:
    posted = rows(world.slack, "response_url")[-1]["args"]["blocks"]
    menus = [one for block in posted for one in block.get("elements", ()) if "options" in one]
    return [option["text"]["text"] for option in menus[0]["options"]]


def test_who_may_not_restore_sees_no_menu_there(strict: World) -> None:
    strict.point("vm01", "uuid-vm01", 1)
    assert strict.slack.command("carol", "ops", "/recovery-points vm01").ok
    until(lambda: strict.said("24 h ago"), "the table")
    with pytest.raises(LookupError):
        strict.slack.choose("carol", "Restore…", "x")


def test_the_app_home_opens_it_too_for_a_vm_or_for_any_and_tells_what_became_of_it(world: World) -> None:
    point = world.point("vm01", "uuid-vm01", 3)
    world.looked("vm01", point, ProofKind.DRILL)
    assert world.slack.open_home("alice").ok
    until(lambda: "1 recovery point, not verified since, proven" in (world.slack.home("alice") or ""), "the App Home")
    assert world.slack.click("alice", "Restore a VM", "home").ok
    world.await_form()
    assert "Recovery point" not in (world.slack.modal("alice") or "")
    assert world.slack.close("alice").ok
    assert world.slack.click("alice", "Restore…", "home").ok
    world.shows("Recovery point")
    assert world.slack.fill("alice", "As name", "vm01-new").ok
    assert world.slack.submit("alice").text is None
    (made,) = world.orders()
    assert made.request["point"] == point
    until(lambda: world.said(made.id, "alice"), "the answer in the conversation with the bot")
    assert world.slack.open_home("alice").ok
    until(lambda: f"🔎 restore vm01 of {NOW - timedelta(days=3):%Y-%m-%d}" in (world.slack.home("alice") or ""), "it")
    with world.db.unit() as unit:
        unit.transactions.update(made.id, state=State.SUCCEEDED, ended_at=NOW)
    assert world.slack.open_home("alice").ok
    ended = f"✅ {made.id} restore vm01 of"
    until(lambda: ended in (world.slack.home("alice") or ""), "that it has ended")


def test_who_may_not_restore_sees_no_button_in_the_app_home(strict: World) -> None:
    strict.point("vm01", "uuid-vm01", 3)
    for user, may in (("carol", False), ("alice", True)):
        assert strict.slack.open_home(user).ok
        until(lambda: "1 recovery point" in (strict.slack.home(user) or ""), "the App Home")  # noqa: B023
        assert ("Restore" in (strict.slack.home(user) or "")) is may
