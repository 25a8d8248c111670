"""How VMs stand, from the database: the same by its conditions as by bot/sla.py, in a few queries for any number."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from bot.model import (
    Failure,
    Proof,
    ProofKind,
    Protection,
    RecoveryPoint,
    Sla,
    Slas,
    Standing,
    State,
    Tally,
    Transaction,
    Vm,
    VmFacts,
    VmKind,
)
from bot.proofs import standings
from bot.sla import stand_all
from bot.store import Database, Yardstick
from tests.workflow.stored import NOON, asked, kept, opened

HOUR = timedelta(hours=1)
TARGETS = ("s3", "azure")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with opened(tmp_path) as db:
        yield db


def vm(uuid: str, name: str = "", vmstore: str = "vmstore") -> Vm:
    return Vm(uuid=uuid, name=name or uuid, vmstore=vmstore)


def seen(db: Database, *vms: Vm) -> None:
    with db.unit() as unit:
        for vmstore in ("vmstore", "vmstore2"):
            unit.inventory.refresh(vmstore, [each for each in vms if each.vmstore == vmstore])


def point(uuid: str, hours: float, target: str = "s3", number: int = 0) -> RecoveryPoint:
    return RecoveryPoint(
        transaction_id=f"{uuid}-{hours}-{number}", target=target, vm_uuid=uuid, vm_name=uuid, manifest_key="m",
        taken_at=NOON - timedelta(hours=hours), consistency="crash", size=1,
    )  # fmt: skip


def points(db: Database, *some: RecoveryPoint) -> None:
    with db.unit() as unit:
        for each in some:
            unit.points.put(each)


def facts(db: Database, *uuids: str) -> tuple[VmFacts, ...]:
    with db.read() as unit:
        return unit.standings.facts(TARGETS, uuids or None)


_NUMBERS = count()


def run(state: State, hours: float, *, uuid: str = "1", kind: str = "", name: str = "vm01") -> Transaction:
    begun = NOON - timedelta(hours=hours)
    return asked(
        f"tx-{next(_NUMBERS)}", vm=name, vm_uuid=uuid, state=state, targets=("s3",), started_at=begun,
        ended_at=begun + HOUR if state.is_final else None, failure=Failure(what="x", kind=kind) if kind else None,
    )  # fmt: skip


# --- the database and the arithmetic mean the same ---

SLAS = st.builds(
    Sla,
    name=st.sampled_from(["x", "y", "z"]),
    vms=st.lists(st.sampled_from(["a*", "b", "vmstore2/*", "@some", "1"]), min_size=1, max_size=2).map(tuple),
    rpo=st.sampled_from([2 * HOUR, 5 * HOUR]),
    targets=st.sampled_from([(), ("s3",), ("azure",), ("s3", "azure")]),
    is_exempt=st.sampled_from([False, False, True]),
)
VMS = st.lists(
    st.builds(
        vm, st.sampled_from("123456"), st.sampled_from(["a", "A1", "b", "c"]), st.sampled_from(["vmstore", "vmstore2"])
    ),
    unique_by=lambda each: each.uuid,
)  # fmt: skip
POINTS = st.lists(
    st.tuples(st.sampled_from("123456"), st.sampled_from([0, 2, 6]), st.sampled_from(["s3", "azure", "old"]))
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VMS, POINTS, st.lists(SLAS, max_size=3, unique_by=lambda sla: sla.name), st.sampled_from([HOUR, 3 * HOUR]))
def test_lists_and_arithmetic_say_the_same_of_each_vm(
    db: Database, vms: list[Vm], taken: list[tuple[str, int, str]], listed: list[Sla], rpo: timedelta
) -> None:
    slas = Slas(listed=tuple(listed), last=Sla(name="default", rpo=rpo), groups={"some": ("c", "b*")})
    seen(db, *vms)
    with db.unit() as unit:
        for known in [each for uuid in "123456" for each in unit.points.of_vm(uuid)]:
            unit.points.forget(known.transaction_id, known.target)
    points(db, *(point(uuid, hours, target) for uuid, hours, target in taken))
    by = Yardstick(slas, NOON)
    with db.read() as unit:
        lines = {each.vm.uuid: each for each in unit.lists.vms("", VmKind.ALL, by=by, offset=0, limit=99).rows}
        late, never, well = (
            unit.lists.vms("", kind, by=by, offset=0, limit=99).rows
            for kind in (VmKind.LATE, VmKind.UNPROTECTED, VmKind.PROTECTED)
        )
        tallies = unit.lists.tallies(by=by)
        standings = {each.vm.uuid: each for each in stand_all(slas, unit.standings.facts(TARGETS), NOON)}
    assert {uuid: each.protection for uuid, each in lines.items()} == {u: e.protection for u, e in standings.items()}
    assert {uuid: (e.newest, e.sla) for uuid, e in lines.items()} == {
        u: (e.newest, e.sla.name) for u, e in standings.items()
    }
    assert [each.vm.uuid for each in late] == [
        each.vm.uuid for each in sorted(late, key=lambda e: _age(standings[e.vm.uuid]))
    ]
    for some, protection in ((late, "late"), (never, "never"), (well, "protected")):
        assert {each.vm.uuid for each in some} == {u for u, e in standings.items() if e.protection == protection}
    assert sum((each.tally for each in tallies), Tally()).total == len(vms)
    for each in tallies:
        mine = [one for one in standings.values() if one.sla.name == each.sla.name]
        assert each.tally.late == sum(one.protection is Protection.LATE for one in mine)
        assert each.tally.exempt == sum(one.protection is Protection.EXEMPT for one in mine)


def _age(standing: Standing) -> tuple[bool, float, str, str, str]:
    """As a list of late VMs goes: what is missing first, then the oldest."""
    times = [place.newest for place in standing.targets]
    known = [at.timestamp() for at in times if at is not None]
    is_whole = len(known) == len(times)
    name = standing.vm.name.casefold()
    return is_whole, min(known) if is_whole else 0.0, name, standing.vm.vmstore, standing.vm.uuid


def test_a_list_has_those_that_stand_so(db: Database) -> None:
    both = Sla(name="both", vms=("b*",), rpo=2 * HOUR, targets=TARGETS)
    slas = Slas(listed=(both, Sla(name="none", vms=("tmp*",), is_exempt=True)), last=Sla(name="default", rpo=2 * HOUR))
    names = ("b-well", "b-due", "b-old", "b-missing", "b-elsewhere", "b-none", "tmp-old", "tmp-none", "old", "none")
    seen(db, *(vm(name) for name in names))
    points(
        db,
        *(point("b-well", 1, target) for target in TARGETS),
        *(point("b-due", 2, target) for target in TARGETS),
        *(point("b-old", hours, target) for hours, target in ((1, "s3"), (3, "azure"))),
        point("b-missing", 1),
        point("b-elsewhere", 1, "old"),
        point("tmp-old", 99),
        point("old", 9),
    )
    by = Yardstick(slas, NOON)
    with db.read() as unit:
        found = {
            kind: [each.vm.name for each in unit.lists.vms("", kind, by=by, offset=0, limit=99).rows]
            for kind in (VmKind.LATE, VmKind.UNPROTECTED, VmKind.PROTECTED)
        }
        assert unit.lists.tally(by=by) == Tally(protected=2, late=4, never=2, exempt=2)
    assert found == {
        VmKind.LATE: ["b-elsewhere", "b-missing", "old", "b-old"],
        VmKind.UNPROTECTED: ["b-none", "none"],
        VmKind.PROTECTED: ["b-due", "b-well"],
    }


# --- what is read ---


def test_runs_are_given_newest_first_with_those_that_are_not_over_and_without_other_workflows(db: Database) -> None:
    seen(db, vm("1"), vm("2"))
    runs = [run(State.SUCCEEDED, 9), run(State.FAILED, 5), run(State.RUNNING, 1)]
    kept(db, *runs, replace(run(State.FAILED, 0.5), workflow="verify"), run(State.FAILED, 2, uuid="2"))
    first, second = facts(db)
    assert [each.id for each in first.runs] == [each.id for each in reversed(runs)]
    assert [each.state for each in second.runs] == [State.FAILED]
    assert facts(db, "2") == (second,)


def test_a_run_that_was_refused_before_its_vm_was_known_counts_for_the_vm_of_that_name(db: Database) -> None:
    seen(db, vm("1", "vm01"), vm("2", "twin"), vm("3", "twin", "vmstore2"))
    kept(
        db,
        run(State.REFUSED, 9, uuid="", kind="TransientError"),
        run(State.REFUSED, 8, uuid="", kind="TransientError", name="vmstore/vm01"),
        run(State.REFUSED, 7, uuid="", kind="Joined"),
        run(State.REFUSED, 7, uuid="1", kind="NotApproved"),
        run(State.REFUSED, 6, uuid="", kind="TransientError", name="twin"),
        run(State.REFUSED, 5, uuid="", kind="TransientError", name="vmstore2/twin"),
    )
    assert [(each.vm.uuid, len(each.runs)) for each in facts(db)] == [("2", 0), ("3", 1), ("1", 2)]


def test_only_the_newest_runs_are_read(db: Database) -> None:
    seen(db, vm("1"))
    runs = [run(State.SUCCEEDED, hours) for hours in range(20, 0, -1)]
    kept(db, *runs)
    (only,) = facts(db)
    assert [each.id for each in only.runs] == [each.id for each in reversed(runs[-12:])]


def test_a_vm_that_is_gone_does_not_stand_and_one_on_two_vmstores_stands_once(db: Database) -> None:
    seen(db, vm("1"), vm("2"))
    seen(db, vm("2"), vm("2", vmstore="vmstore2"))
    assert [each.vm.uuid for each in facts(db)] == ["2"]


def test_however_many_vms_there_are_the_queries_are_as_many(db: Database) -> None:
    with closing(sqlite3.connect(db.path)) as raw:
        asked_of = []
        for many in (1, 60):
            seen(db, *(vm(f"{i}") for i in range(many)))
            points(db, *(point(f"{i}", 1, number=i) for i in range(many)))
            kept(db, *(run(State.SUCCEEDED, 2, uuid=f"{i}") for i in range(many)))
            asked_of.append(_queries(db))
        assert raw.execute("SELECT count(*) FROM transactions").fetchone() == (61,)
    assert asked_of[0] == asked_of[1] <= 12


def _queries(db: Database) -> int:
    counted = []

    def note(*_: object) -> None:
        counted.append(1)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        slas = Slas(listed=(Sla(name="x", vms=("1*",), targets=TARGETS),))
        with db.read() as unit:
            by = Yardstick(slas, NOON)
            assert tuple(stand_all(slas, unit.standings.facts(TARGETS), NOON))
            unit.lists.tallies(by=by)
            unit.lists.vms("", VmKind.LATE, by=by, offset=0, limit=20)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return len(counted)


SOME_PROOFS = st.lists(
    st.tuples(
        st.sampled_from(ProofKind),
        st.sampled_from([(True, False), (False, False), (False, True)]),
        st.sampled_from(TARGETS),
    ),
    max_size=5,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SOME_PROOFS)
@example([(ProofKind.READ_BACK, (False, True), "s3"), (ProofKind.CHECKSUMS, (True, False), "s3")])
@example([(ProofKind.READ_BACK, (False, True), "s3"), (ProofKind.READ_BACK, (True, False), "s3")])
def test_a_recovery_point_that_is_damaged_protects_nobody(
    db: Database, told: list[tuple[ProofKind, tuple[bool, bool], str]]
) -> None:
    newest = point("1", 1, number=next(_NUMBERS))  # one of its own for each example
    seen(db, vm("1"))
    points(db, newest, replace(newest, target="azure"))
    proofs = [
        Proof(
            point=newest.transaction_id, target=target, vm_uuid="1", run=f"run-{place}", kind=kind, is_good=good,
            is_damaged=bad, at=NOON + timedelta(minutes=place),
        )
        for place, (kind, (good, bad), target) in enumerate(told)
    ]  # fmt: skip
    with db.unit() as unit:
        for each in proofs:
            unit.proofs.append(each)
        found = unit.standings.facts(TARGETS)[0].newest
        damaged = {place for place, known in standings(unit.proofs.suspected()).items() if known.damage}
        assert {name for name in TARGETS if name in found} == {
            name for name in TARGETS if (newest.transaction_id, name) not in damaged
        }
        assert ("" in found) == any(name in found for name in TARGETS)
        for name in TARGETS:
            unit.points.forget(newest.transaction_id, name)
