"""Transactions and steps: asked twice is once, and one runs per VM."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from bot.errors import AmbiguousName, MissingError, NotFound, UsageError
from bot.model import (
    Bytes,
    Carried,
    Failure,
    Place,
    State,
    StepState,
)
from bot.store import Database
from tests.workflow.stored import ID, NOON, asked, kept, opened


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with opened(tmp_path) as db:
        yield db


# --- transactions ---


def test_a_transaction_comes_back_as_it_went_in(db: Database) -> None:
    whole = asked(
        consistency="vm",
        place=Place(channel="C1", thread="1.2"),
        vm_uuid="u-1",
        vmstore="vmstore",
        frozen={"step": [{"id": "check"}]},
        plan={"bytes": 2**40},
        started_at=NOON,
        ended_at=NOON + timedelta(microseconds=1),
        stop_asked_by="bob",
        bytes=Bytes(read=2**50, sent=1, targets={"s3": Carried(sent=1)}),
        failure=Failure(what="no", code="ERR-1"),
        left_behind=("snapshot x",),
    )
    kept(db, whole)

    with db.read() as u:
        assert u.transactions.get(ID) == whole


def test_the_same_request_twice_is_the_first_transaction_unchanged(db: Database) -> None:
    kept(db, asked(request_key="r"))

    with db.unit() as u:
        again = u.transactions.insert(asked("20261123T120001Z-aaaaaa", request_key="r", vm="other"))
        assert (again.id, again.vm) == (ID, "vm01")
        assert len(u.transactions.list()) == 1


def test_the_same_request_from_many_threads_is_one_transaction(db: Database) -> None:
    def insert(n: int) -> str:
        with db.unit() as u:
            return u.transactions.insert(asked(f"20261123T12000{n}Z-aaaaaa", request_key="r")).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(insert, range(8)))) == 1


def test_times_come_back_aware_in_utc_whatever_zone_they_had(db: Database) -> None:
    kept(db, asked(created_at=NOON.astimezone(timezone(timedelta(hours=5)))))

    with db.read() as u:
        created = u.transactions.get(ID).created_at
    assert (created, created.tzinfo) == (NOON, UTC)


def test_an_update_changes_what_is_named_and_nothing_else(db: Database) -> None:
    kept(db, asked())
    changes: dict[str, Any] = {
        "state": State.FAILED,
        "vm": "VM01",
        "vm_uuid": "u",
        "vmstore": "v",
        "frozen": {"a": 1},
        "plan": {"b": 2},
        "started_at": NOON,
        "ended_at": NOON,
        "bytes": Bytes(sent=3),
        "failure": Failure(what="x"),
        "left_behind": ("y",),
        "place": Place(channel="C", thread="t"),
    }

    with db.unit() as u:
        u.transactions.update(ID, **changes)
    with db.read() as u:
        assert u.transactions.get(ID) == replace(asked(), **changes)


def test_an_update_of_what_there_is_not_is_refused(db: Database) -> None:
    kept(db, asked())

    with db.unit() as u:
        with pytest.raises(MissingError, match="no transaction nothing"):
            u.transactions.update("nothing", vm="x")
        with pytest.raises(KeyError):
            u.transactions.update(ID, colour="x")


def test_an_exception_undoes_the_whole_unit(db: Database) -> None:
    def half() -> None:
        with db.unit() as u:
            u.transactions.insert(asked())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    with db.unit() as u:
        assert u.transactions.list() == ()


def test_only_one_of_a_vm_is_claimed_whichever_thread_comes_first(db: Database) -> None:
    ids = [f"20261123T12000{n}Z-aaaaaa" for n in range(8)]
    kept(db, *(asked(each, vm_uuid="u-1") for each in ids), asked(vm_uuid="u-2"))

    def claim(tx_id: str) -> bool:
        with db.unit() as u:
            return u.transactions.claim(tx_id)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(claim, ids)) == [False] * 7 + [True]
    assert claim(ID)
    assert not claim(ID)
    with db.read() as u:
        assert len(u.transactions.list(states={State.RUNNING})) == 2
        assert u.transactions.get(ID).started_at is not None


def test_a_claim_works_again_once_the_first_has_ended(db: Database) -> None:
    kept(db, asked(vm_uuid="u"), asked("20261123T120001Z-bbbbbb", vm_uuid="u"))

    with db.unit() as u:
        assert u.transactions.claim(ID)
        assert not u.transactions.claim("20261123T120001Z-bbbbbb")
        u.transactions.update(ID, state=State.SUCCEEDED)
        assert u.transactions.claim("20261123T120001Z-bbbbbb")


def test_the_database_itself_refuses_two_running_of_one_vm(db: Database) -> None:
    kept(db, asked(vm_uuid="u"), asked("20261123T120001Z-bbbbbb", vm_uuid="u"))

    with sqlite3.connect(db.path) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute("UPDATE transactions SET state = 'running'")
    raw.close()


def test_lists_are_newest_first_and_the_active_oldest_first(db: Database) -> None:
    first, second, third = (f"20261123T120000Z-{c * 6}" for c in "zab")
    kept(db, asked(first), asked(second, state=State.FAILED), asked(third, vm="vm02", state=State.PLANNING))

    with db.read() as u:
        assert [tx.id for tx in u.transactions.list()] == [third, second, first]
        assert [tx.id for tx in u.transactions.list(limit=1)] == [third]
        assert [tx.id for tx in u.transactions.list(vm="vm01")] == [second, first]
        assert [tx.id for tx in u.transactions.list(states=[State.FAILED])] == [second]
        assert [tx.id for tx in u.transactions.active()] == [first, third]


def test_an_unambiguous_part_of_an_id_is_enough(db: Database) -> None:
    other = "20261123T130000Z-aaaaaa"
    kept(db, asked(), asked(other))

    with db.read() as u:
        assert u.transactions.resolve("7F3K").id == ID
        assert u.transactions.resolve(f" {ID} ").id == ID
        assert u.transactions.resolve("t1300").id == other
        assert u.transactions.resolve("last").id == other
        with pytest.raises(AmbiguousName) as several:
            u.transactions.resolve("2026")
        assert set(several.value.candidates) == {ID, other}
        with pytest.raises(NotFound) as missing:
            u.transactions.resolve("7f3k9x")
        assert missing.value.suggestions == (ID,)
        with pytest.raises(UsageError, match="at least 4"):
            u.transactions.resolve("7f3")
        with pytest.raises(NotFound):
            u.transactions.resolve("%%%%")


def test_last_of_nothing_is_not_found(db: Database) -> None:
    with db.read() as u, pytest.raises(NotFound, match="no transaction yet"):
        u.transactions.resolve("last")


def test_the_first_who_asks_for_a_stop_stays(db: Database) -> None:
    kept(db, asked())

    with db.unit() as u:
        assert not u.transactions.stop_asked(ID)
        u.transactions.ask_stop(ID, "alice")
        assert u.transactions.ask_stop(ID, "bob").stop_asked_by == "alice"
        assert u.transactions.stop_asked(ID)


# --- steps ---


def test_steps_are_prepared_once_and_keep_their_first_start_and_progress(db: Database) -> None:
    kept(db, asked())
    with db.unit() as u:
        u.steps.prepare(ID, [("check", "Check"), ("upload", "Upload")])
        first = u.steps.begin(ID, "upload")
        u.steps.progress(ID, "upload", 2**40, 2**41)
        u.steps.finish(ID, "upload", StepState.FAILED, failure=Failure(what="no"))
        u.steps.prepare(ID, [("check", "Check"), ("upload", "Upload")])
        again = u.steps.begin(ID, "upload")

    assert (first.attempt, again.attempt) == (1, 2)
    assert again.started_at == first.started_at
    assert (again.state, again.ended_at, again.failure, again.done) == (StepState.RUNNING, None, None, 2**40)
    with db.read() as u:
        assert [(step.id, step.position) for step in u.steps.of(ID)] == [("check", 0), ("upload", 1)]


def test_a_step_that_is_finished_twice_keeps_its_first_end(db: Database) -> None:
    kept(db, asked())
    with db.unit() as u:
        u.steps.prepare(ID, [("check", "Check"), ("find", "Find")])
        u.steps.begin(ID, "check")
        u.steps.finish(ID, "check", StepState.COMPLETE, outputs={"version": "v310"})
        once = u.steps.of(ID)[0]
        u.steps.finish(ID, "check", StepState.COMPLETE)
        u.steps.finish(ID, "find", StepState.SKIPPED)
        twice, skipped = u.steps.of(ID)

    assert once == twice
    assert (twice.outputs, twice.ended_at is not None, skipped.ended_at) == ({"version": "v310"}, True, None)


def test_a_step_that_there_is_not_is_missing(db: Database) -> None:
    with db.unit() as u, pytest.raises(MissingError, match="has no step check"):
        u.steps.begin(ID, "check")


def test_an_outline_says_what_a_list_needs_and_leaves_out_what_is_large(db: Database) -> None:
    with db.unit() as u:
        for number in range(4):
            u.transactions.insert(asked(id=f"2026112{number}T000000Z-aaaaa{number}", request_key=f"k{number}"))
        whole = u.transactions.update(
            "20261121T000000Z-aaaaa1", frozen={"title": "x"}, plan={"y": 1}, state=State.FAILED
        )
        newest, active = u.transactions.outline(2), u.transactions.active_outline()
        assert [each.id[7] for each in newest] == ["3", "2"]
        assert [each.id[7] for each in active] == ["0", "2", "3"]
        assert u.transactions.outline(10)[2] == replace(whole, frozen={}, plan={})
