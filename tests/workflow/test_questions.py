"""What a person can ask, answered from the database alone, a page at a time."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import AmbiguousName, NotFound
from bot.model import (
    Actor,
    AuditEvent,
    Protection,
    RecoveryPoint,
    Subject,
    Tally,
    Vm,
    VmKind,
)
from bot.questions import Questions
from bot.store import Database
from tests.workflow.stored import ALICE, ID, NOON, SteppingClock, asked, kept, opened

BOB = Actor(id="U2", name="bob", source="slack")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with opened(tmp_path) as db:
        yield db


@pytest.fixture
def questions(db: Database) -> Questions:
    return Questions(db, SteppingClock())


def vm(uuid: str, name: str, size: int = 0, vmstore: str = "vmstore") -> Vm:
    return Vm(uuid=uuid, name=name, vmstore=vmstore, used_bytes=size)


def point(uuid: str, hours: float, target: str = "s3", name: str = "") -> RecoveryPoint:
    return RecoveryPoint(
        transaction_id=f"{uuid}-{hours}", target=target, vm_uuid=uuid, vm_name=name or uuid, manifest_key="m",
        taken_at=NOON - timedelta(hours=hours), consistency="crash", size=1 << 30,
    )  # fmt: skip


def seen(db: Database, *vms: Vm, points: tuple[RecoveryPoint, ...] = ()) -> None:
    with db.unit() as unit:
        for vmstore in {each.vmstore for each in vms}:
            unit.inventory.refresh(vmstore, [each for each in vms if each.vmstore == vmstore])
        for each in points:
            unit.points.put(each)


def names(questions: Questions, pattern: str = "", kind: VmKind = VmKind.ALL) -> list[str]:
    return [line.vm.name for line in questions.vms(pattern, kind).rows]


# --- VMs ---


def test_a_vm_is_protected_late_or_never_by_its_newest_point_in_any_target(db: Database, questions: Questions) -> None:
    fresh = (point("1", 30), point("1", 2, target="azure"))
    seen(db, vm("1", "a"), vm("2", "b"), vm("3", "c"), points=(*fresh, point("2", 30), point("2", 300)))

    lines = {line.vm.name: line for line in questions.vms().rows}

    assert {name: line.protection for name, line in lines.items()} == {
        "a": Protection.PROTECTED, "b": Protection.LATE, "c": Protection.NEVER,
    }  # fmt: skip
    assert (lines["a"].newest, lines["a"].targets) == (NOON - timedelta(hours=2), ("azure", "s3"))
    assert (lines["c"].newest, lines["c"].targets) == (None, ())
    assert questions.tally() == Tally(protected=1, late=1, never=1)


def test_the_rpo_says_what_late_is(db: Database) -> None:
    seen(db, vm("1", "a"), points=(point("1", 30),))
    week = Questions(db, SteppingClock(), rpo=timedelta(days=7))
    assert week.vms().rows[0].protection is Protection.PROTECTED
    assert week.vms(kind=VmKind.LATE).total == 0


def test_kinds_choose_and_order(db: Database, questions: Questions) -> None:
    vms = (vm("1", "a", 5), vm("2", "b", 9), vm("3", "c"), vm("4", "d", 7))
    seen(db, *vms, points=(point("1", 1), point("2", 30), point("4", 99)))
    assert names(questions) == ["a", "b", "c", "d"]
    assert names(questions, kind=VmKind.LATE) == ["d", "b"]
    assert names(questions, kind=VmKind.UNPROTECTED) == ["c"]
    assert names(questions, kind=VmKind.BIG) == ["b", "d", "a", "c"]


def test_patterns_are_parts_or_wildcards_in_any_case_and_never_sql(db: Database, questions: Questions) -> None:
    seen(
        db, vm("1", "web-01"), vm("2", "WEB-02"), vm("3", "old-web"), vm("4", "100%"), vm("5", "a_b"),
        vm("6", "axb"), vm("7", "back\\slash"), vm("8", "Übung"), vm("9", "web-01", vmstore="two"),
    )  # fmt: skip
    assert names(questions, "web") == ["old-web", "web-01", "web-01", "WEB-02"]
    assert names(questions, "WEB*") == ["web-01", "web-01", "WEB-02"]
    assert names(questions, "web-0?") == ["web-01", "web-01", "WEB-02"]
    assert names(questions, "%") == ["100%"]
    assert names(questions, "a_b") == ["a_b"]
    assert names(questions, "k\\s") == ["back\\slash"]
    assert names(questions, "übung") == ["Übung"]
    assert names(questions, "two/web*") == ["web-01"]
    assert names(questions, "6") == ["axb"]
    assert names(questions, "'; DROP TABLE inventory; --") == []


def test_a_vm_that_is_gone_is_not_in_the_list(db: Database, questions: Questions) -> None:
    seen(db, vm("1", "a"), vm("2", "b"))
    seen(db, vm("2", "b"))
    assert names(questions) == ["b"]
    assert questions.tally().total == 1


def test_pages_meet_without_a_gap_and_know_the_whole(db: Database, questions: Questions) -> None:
    seen(db, *(vm(f"u{i}", f"vm{i:03}") for i in range(45)))
    found, offset = [], 0
    while offset < 45:
        page = questions.vms(offset=offset)
        assert page.total == 45
        found += [line.vm.name for line in page.rows]
        offset = page.end
    assert found == [f"vm{i:03}" for i in range(45)]
    assert questions.vms(offset=1000).rows == ()


# --- recovery points ---


def test_points_are_found_by_name_uuid_and_vmstore_newest_first(db: Database, questions: Questions) -> None:
    seen(db, vm("uuid-1", "vm01"), points=(point("uuid-1", 5, name="vm01"), point("uuid-1", 1, name="vm01")))
    for text in ("vm01", "VM01", "uuid-1", "vmstore/vm01"):
        answer = questions.recovery_points(text)
        assert [each.taken_at for each in answer.page.rows] == [NOON - timedelta(hours=h) for h in (1, 5)]
        assert answer.uuids == ("uuid-1",)


def test_two_vms_that_had_one_name_are_both_given_with_their_uuids(db: Database, questions: Questions) -> None:
    seen(db, vm("new", "vm01"), points=(point("old", 9, name="vm01"), point("new", 1, name="vm01")))
    answer = questions.recovery_points("vm01")
    assert answer.uuids == ("new", "old")
    assert [each.vm_uuid for each in answer.page.rows] == ["new", "old"]
    assert [each.uuid for each in answer.vms] == ["new"]


def test_a_renamed_vm_is_found_by_both_names(db: Database, questions: Questions) -> None:
    seen(db, vm("1", "new name"), points=(point("1", 1, name="old name"),))
    for text in ("new name", "old name"):
        assert questions.recovery_points(text).page.total == 1


def test_a_vm_without_points_has_none_and_an_unknown_one_is_not_found(db: Database, questions: Questions) -> None:
    seen(db, vm("1", "vm01"))
    assert questions.recovery_points("vm01").page.total == 0
    with pytest.raises(NotFound, match="vm01") as caught:
        questions.recovery_points("vm011")
    assert caught.value.suggestions == ("vm01",)


# --- audit ---


def told(db: Database, transaction_id: str, actor: Actor = ALICE, count: int = 1) -> None:
    with db.unit() as unit:
        for i in range(count):
            event = AuditEvent(key=f"{transaction_id}:{i}", action="step", actor=actor, transaction_id=transaction_id)
            unit.audit.append(event)


def test_the_audit_is_given_by_transaction_vm_user_and_part_newest_first(db: Database, questions: Questions) -> None:
    other = "20261123T120001Z-abcdef"
    kept(db, asked(), asked(other, vm="vm02", vm_uuid="u-2", actor=BOB))
    seen(db, vm("u-2", "renamed"))
    told(db, ID, count=2)
    told(db, other, BOB)

    def about(what: str) -> tuple[Subject, str, list[str]]:
        subject, name, page = questions.audit(what)
        return subject, name, [row.transaction_id for row in page.rows]

    assert about("") == (Subject.ALL, "", [other, ID, ID])
    assert about(ID) == (Subject.TRANSACTION, ID, [ID, ID])
    assert about("7f3k9q") == (Subject.TRANSACTION, ID, [ID, ID])
    assert about("last") == (Subject.TRANSACTION, other, [other])
    assert about("vm02") == (Subject.VM, "vm02", [other])
    assert about("renamed") == (Subject.VM, "renamed", [other])
    assert about("u-2") == (Subject.VM, "renamed", [other])
    assert about("bob") == (Subject.USER, "bob", [other])
    assert about("U1") == (Subject.USER, "U1", [ID, ID])


def test_the_audit_since_a_time_leaves_out_what_is_older(db: Database, questions: Questions) -> None:
    kept(db, asked())
    told(db, ID, count=4)
    with db.read() as unit:
        third = unit.audit.list()[2].at
    assert questions.audit(since=third)[2].total == 2
    assert questions.audit(ID, third, limit=1)[2].total == 2


def test_what_is_nothing_of_the_audit_is_told_with_near_names(db: Database, questions: Questions) -> None:
    seen(db, vm("1", "vm01"))
    kept(db, asked(), asked("20261123T120001Z-7f3k9x"))
    for text in ("vm011", "x", "🦆"):
        with pytest.raises(NotFound, match="no transaction, no VM and no user"):
            questions.audit(text)
    with pytest.raises(AmbiguousName):
        questions.audit("7f3k9")


# --- many ---


@pytest.mark.slow
def test_five_thousand_vms_and_a_hundred_thousand_audit_rows_are_answered_from_indexes(
    db: Database, questions: Questions
) -> None:
    """Not the time is asserted, which is the machine's, but that no answer reads a whole table row by row."""
    seen(db, *(vm(f"u{i}", f"vm{i:04}", i) for i in range(5000)))
    with db.unit() as unit:
        for i in range(0, 5000, 2):
            unit.points.put(point(f"u{i}", i % 50))
        raw = unit.audit._session.connection()
        raw.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO audit"
            " (seq, at, key, action, actor_id, actor_name, source, transaction_id, body, prev, hash) SELECT i,"
            " '2026-11-23 12:00:00.000000', 'k' || i, 'step', 'U' || (i % 50), 'user' || (i % 50), 'slack',"
            " 't' || (i % 1000), '{}', '', '' FROM n"
        )
    assert questions.vms(kind=VmKind.LATE).total == 1300
    assert questions.vms("vm1*", VmKind.BIG, offset=900).total == 1000
    assert questions.audit("user7", offset=1900)[2].total == 2000
    assert questions.audit(since=NOON, offset=99_990)[2].total == 100_000

    plans = []
    with db.read() as unit:
        raw = unit.audit._session.connection()
        for query in (
            "SELECT max(taken_at) FROM recovery_points WHERE vm_uuid = 'u2'",
            "SELECT * FROM audit WHERE actor_id = 'U7' ORDER BY seq DESC LIMIT 20",
            "SELECT count(*) FROM audit WHERE transaction_id IN (SELECT id FROM transactions WHERE vm = 'x')",
            "SELECT id FROM transactions WHERE vm IN ('x') OR (vm_uuid IN ('x') AND vm_uuid <> '')",
        ):
            plans += [str(row) for row in raw.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
    assert [plan for plan in plans if "SCAN" in plan and "MULTI-INDEX" not in plan] == []
