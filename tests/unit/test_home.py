"""The App Home as it is drawn: within Slack's limits whatever there is, and text from outside stays text."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model import Actor, Fared, Page, Protection, SeenVm, State, Tally, Transaction, VmKind, VmLine
from bot.overview import ROWS, Kept, Running, Shared, View
from handlers import home
from handlers.cards import Card, of_view
from handlers.home import Home, draw, kind_chosen, view_of
from integrations.simulators.slack.blocks import view_problems

NOW = datetime(2026, 11, 23, 14, 22, tzinfo=UTC)
ALICE = Actor(id="U1", name="alice", source="slack")


def a_transaction(number: int = 1, vm: str = "vm01", state: State = State.RUNNING, stop: str = "") -> Transaction:
    return Transaction(
        id=f"20261123T142233Z-{number:06d}", workflow="protect", vm=vm, targets=("s3",), actor=ALICE, state=state,
        created_at=NOW, request_key=str(number), stop_asked_by=stop,
    )  # fmt: skip


def a_line(name: str, protection: Protection = Protection.NEVER) -> VmLine:
    newest = None if protection is Protection.NEVER else NOW
    vm = SeenVm(uuid="u", name=name, vmstore="vmstore", seen_at=NOW)
    return VmLine(vm=vm, protection=protection, newest=newest, targets=("s3",) if newest else ())


def a_home(
    running: tuple[Running, ...] = (), names: tuple[str, ...] = ("vm01",), total: int = 1, view: View | None = None,
    fared: tuple[Fared, ...] = (),
) -> Home:  # fmt: skip
    view = view or View()
    page = Page(rows=tuple(a_line(name) for name in names), total=total, offset=view.offset)
    shared = Shared(
        view=view, tally=Tally(protected=1, late=2, never=3), page=page, rpo=timedelta(hours=24), vmstores=fared,
        targets=(Fared(name="s3"),), last=(a_transaction(state=State.SUCCEEDED),),
    )  # fmt: skip
    return Home(running=running, shared=shared)


def buttons(home: Home) -> list[str]:
    drawn = draw(home)["blocks"]
    elements = [element for block in drawn if block["type"] == "actions" for element in block["elements"]]
    return [element["text"]["text"] for element in elements if element["type"] == "button"]


def words(home: Home) -> str:
    return json.dumps(draw(home), ensure_ascii=False)


def test_it_tells_what_runs_with_its_buttons() -> None:
    running = Running(transaction=a_transaction(), line="5/10 Clone")
    assert buttons(a_home((running,))) == ["Protect a VM", "Stop", "Details"]
    held = Running(transaction=a_transaction(state=State.HELD), line="Held until 15:22 UTC: Upload failed")
    assert buttons(a_home((held,))) == ["Protect a VM", "Retry", "Clean up now", "Details"]
    stopping = Running(transaction=a_transaction(stop="alice"), line="Stopping: 5/10 Clone")
    assert buttons(a_home((stopping,))) == ["Protect a VM", "Details"]


def test_it_counts_vms_by_how_they_stand() -> None:
    said = words(a_home())
    assert all(count in said for count in ("6 VMs", "1 protected within 1d", "2 late", "3 never protected"))


def test_where_there_are_slas_each_vm_goes_by_its_own_and_exempt_ones_are_counted() -> None:
    home = a_home()
    tally = Tally(protected=1, late=2, never=3, exempt=4)
    said = words(replace(home, shared=replace(home.shared, rpo=None, tally=tally)))
    assert all(count in said for count in ("10 VMs", "1 protected within the RPO of their SLA", "⚪ 4 exempt"))


def test_a_vm_that_has_recovery_points_can_be_restored_from_there_by_who_may() -> None:
    known = a_home(names=("vm01", "vm02"), total=2)
    kept = {"u": Kept(points=3, verified_at=NOW)}
    may = replace(known, shared=replace(known.shared, kept=kept), may_restore=True)
    assert buttons(may) == ["Protect a VM", "Restore a VM"]
    accessories = [block["accessory"] for block in draw(may)["blocks"] if "accessory" in block]
    assert [each["accessibility_label"] for each in accessories] == ["Restore vm01", "Restore vm02"]
    assert "3 recovery points, verified 23 Nov 14:22 UTC, never proven by a drill" in words(may)
    proven = replace(may, shared=replace(may.shared, kept={"u": Kept(points=1, proven_at=NOW)}))
    assert "1 recovery point, not verified since, proven by a drill 23 Nov 14:22 UTC" in words(proven)
    may_not = replace(may, may_restore=False)
    assert buttons(may_not) == ["Protect a VM"]
    assert not [block for block in draw(may_not)["blocks"] if "accessory" in block]


def test_pages_are_turned_by_buttons_where_there_are_more() -> None:
    names = tuple(f"vm{i}" for i in range(ROWS))
    assert buttons(a_home(names=names, total=ROWS)) == ["Protect a VM"]
    assert buttons(a_home(names=names, total=25)) == ["Protect a VM", "Next"]
    assert buttons(a_home(names=names, total=25, view=View(offset=10))) == ["Protect a VM", "Previous", "Next"]
    assert buttons(a_home(names=names[:5], total=25, view=View(offset=20))) == ["Protect a VM", "Previous"]


def test_another_filter_has_blocks_of_its_own_so_that_no_choice_of_before_stays() -> None:
    every, late = (draw(a_home(view=View(kind=kind)))["blocks"] for kind in (VmKind.ALL, VmKind.LATE))
    assert not {block["block_id"] for block in every} & {block["block_id"] for block in late}


def a_card(number: int) -> Card:
    return of_view(
        {
            "kind": "approval",
            "transaction": f"20261123T142233Z-{number:06d}",
            "title": "Delete <!channel>",
            "state": "pending",
            "line": "Waiting for 1 approval",
            "facts": [[f"Fact {i}", "v" * 400] for i in range(40)],
            "by": "U1",
            "buttons": ["approve", "veto"],
            "token": "t" * 43,
        }
    )


def test_what_waits_for_a_persons_word_stands_there_with_its_buttons() -> None:
    waits = replace(a_home(), waiting=(a_card(1),))
    assert {"Approve", "Veto"} <= set(buttons(waits))
    assert "Waiting for my word" in words(waits)
    assert "Waiting for my word" not in words(a_home())


def test_many_approvals_still_make_a_view_that_slack_takes() -> None:
    many = tuple(Running(transaction=a_transaction(i), line="l") for i in range(100))
    full = a_home(many, tuple(f"vm{i}" for i in range(ROWS)), 25)
    full = replace(full, shared=replace(full.shared, kept={"u": Kept(points=3)}), may_restore=True)
    drawn = draw(replace(full, waiting=tuple(a_card(i) for i in range(30))))
    assert view_problems(drawn) == []
    assert len(drawn["blocks"]) <= 100
    assert "and 25 more" in json.dumps(drawn)


def test_health_is_told_by_the_newer_of_success_and_failure() -> None:
    later = NOW + timedelta(hours=1)
    said = words(
        a_home(
            fared=(
                Fared(name="one", well_at=later, failed_at=NOW, why="was down"),
                Fared(name="two", well_at=NOW, failed_at=later, why="is down"),
                Fared(name="three"),
            )
        )
    )
    assert "✅ one: well 23 Nov 15:22 UTC; failed 23 Nov 14:22 UTC: was down" in said
    assert "❌ two: well 23 Nov 14:22 UTC; failed 23 Nov 15:22 UTC: is down" in said
    assert "⚪ three: not used yet" in said


def test_it_is_one_that_slack_takes_however_much_there_is() -> None:
    many = tuple(Running(transaction=a_transaction(i, "v" * 300), line="l" * 500) for i in range(100))
    fared = tuple(Fared(name=f"store{i}" * 20, well_at=NOW, failed_at=NOW, why="w" * 5000) for i in range(60))
    drawn = draw(a_home(many, tuple("n" * 300 for _ in range(ROWS)), 5000, View(kind=VmKind.LATE, offset=20), fared))
    assert view_problems(drawn) == []
    assert len(drawn["blocks"]) <= 100
    assert "and 90 more" in json.dumps(drawn)
    assert view_problems(home.refused("You may not. " * 1000)) == []


@settings(max_examples=50)
@given(st.text(max_size=60), st.text(max_size=200))
def test_text_from_outside_is_never_parsed(name: str, why: str) -> None:
    fared = (Fared(name="vmstore", failed_at=NOW, why=why),)
    drawn = draw(a_home((Running(transaction=a_transaction(vm=name), line=why),), (name,), fared=fared))
    assert view_problems(drawn) == []
    assert "mrkdwn" not in json.dumps(drawn)


@pytest.mark.parametrize(
    "view", [View(), View(kind=VmKind.LATE, offset=40), View(kind=VmKind.PROTECTED), View(kind=VmKind.BIG, offset=10)]
)
def test_what_is_looked_at_comes_back(view: View) -> None:
    assert view_of(home.memo(view)) == view


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"kind": "x"}', '{"kind": 5}', '{"kind": []}', "[" * 100_000])
def test_anything_else_means_the_beginning(text: str) -> None:
    assert view_of(text) == View()


def test_an_offset_that_is_none_means_the_beginning() -> None:
    for offset in ("true", "-1", "1e99", "99999999999", '"5"', "null"):
        assert view_of(f'{{"kind": "late", "offset": {offset}}}') == View(kind=VmKind.LATE)


def test_an_entry_of_the_filter_is_a_kind_and_anything_else_is_all() -> None:
    assert [kind_chosen(value) for value in ("late", "all", "protected", "x")] == [
        VmKind.LATE, VmKind.ALL, VmKind.PROTECTED, VmKind.ALL,
    ]  # fmt: skip
