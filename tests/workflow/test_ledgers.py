"""Ledgers, catalogue, inventory and outbox: what is told twice stands there once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from bot.errors import MissingError
from bot.model import Message, PartDone, PartSource, RecoveryPoint, Resource, ResourceKind, StoredFile
from bot.store import Database, change
from tests.workflow.stored import ID, NOON, asked, kept, opened


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with opened(tmp_path) as db:
        yield db


# --- clean-up ledger ---


def resource(kind: ResourceKind, name: str, **detail: object) -> Resource:
    return Resource(transaction_id=ID, kind=kind, system="vmstore", name=name, detail=detail)


def test_a_resource_is_new_once_and_opens_again_after_its_release(db: Database) -> None:
    kept(db, asked())
    clone = (ID, ResourceKind.CLONE, "vmstore", ID)
    with db.unit() as u:
        assert u.ledger.register(resource(ResourceKind.SNAPSHOT, ID))
        assert u.ledger.register(resource(ResourceKind.CLONE, ID, try_no=1))
        u.ledger.describe(*clone, task_id="t-1")
        assert not u.ledger.register(resource(ResourceKind.CLONE, ID, try_no=2))
        assert u.ledger.get(*clone) == resource(ResourceKind.CLONE, ID, try_no=1, task_id="t-1")
        assert [each.kind for each in u.ledger.open(ID)] == [ResourceKind.SNAPSHOT, ResourceKind.CLONE]

        u.ledger.release(*clone)
        u.ledger.release(*clone)
        assert u.ledger.get(*clone) is None
        assert [each.kind for each in u.ledger.open()] == [ResourceKind.SNAPSHOT]

        assert not u.ledger.register(resource(ResourceKind.CLONE, ID, try_no=2))
        assert u.ledger.get(*clone) == resource(ResourceKind.CLONE, ID, try_no=2)
        assert u.ledger.open("another") == ()


def test_what_was_never_registered_cannot_be_described_but_released(db: Database) -> None:
    with db.unit() as u:
        u.ledger.release(ID, ResourceKind.UPLOAD, "s3", "k")
        with pytest.raises(MissingError, match="no upload k"):
            u.ledger.describe(ID, ResourceKind.UPLOAD, "s3", "k", upload_id="1")


def test_nothing_is_registered_for_a_transaction_that_there_is_not(db: Database) -> None:
    def register() -> None:
        with db.unit() as u:
            u.ledger.register(resource(ResourceKind.CLONE, ID))

    with pytest.raises(Exception, match="FOREIGN KEY"):
        register()


# --- parts, files, recovery points, inventory, settings ---


def test_parts_are_replaced_by_number_and_keep_the_largest_crc(db: Database) -> None:
    kept(db, asked())
    one = PartDone(number=1, offset=0, length=2**33, etag="a", crc64=2**64 - 1, source=PartSource.COPY)
    two = PartDone(number=2, offset=2**33, length=5, etag="b", crc64=0)
    db.keep([change.part(ID, "s3", "k", part) for part in (two, one, replace(two, etag="c"))])
    db.keep([change.part(ID, "s3", "other", one)])
    with db.unit() as u:
        assert list(u.parts.of(ID, "s3", "k").items()) == [(1, one), (2, replace(two, etag="c"))]
        u.parts.forget(ID, "s3", "k")
        assert u.parts.of(ID, "s3", "k") == {}
        assert u.parts.of(ID, "s3", "other") == {1: one}


def test_files_are_replaced_by_key_and_listed_by_path(db: Database) -> None:
    file = StoredFile(path="/tintri/x/vm01/b", name="vm01/b", key="x/b", size=2**40, crc64=2**64 - 2, etag="e")
    with db.unit() as u:
        u.files.put(ID, "s3", file)
        u.files.put(ID, "s3", replace(file, etag="f"))
        u.files.put(ID, "s3", replace(file, path="/tintri/x/vm01/a", key="x/a"))
        assert [(each.path[-1], each.etag) for each in u.files.of(ID, "s3")] == [("a", "e"), ("b", "f")]
        assert u.files.of(ID, "s3")[1] == replace(file, etag="f")
        u.files.forget(ID, "s3")
        assert u.files.of(ID, "s3") == ()


def test_recovery_points_of_a_vm_are_newest_first(db: Database) -> None:
    old = RecoveryPoint(
        transaction_id="a", target="s3", vm_uuid="u", vm_name="vm01", manifest_key="m", taken_at=NOON,
        consistency="crash", size=2**40,
    )  # fmt: skip
    new = replace(old, transaction_id="b", taken_at=NOON + timedelta(days=1))
    with db.unit() as u:
        for point in (old, new, new, replace(new, vm_uuid="other", transaction_id="c")):
            u.points.put(point)
        assert u.points.of_vm("u") == (new, old)
        assert u.points.get("b", "s3") == new
        u.points.forget("b", "s3")
        assert u.points.get("b", "s3") is None


def test_a_setting_is_kept_and_replaced(db: Database) -> None:
    with db.unit() as u:
        assert u.settings.get("installation") is None
        u.settings.put("installation", "a")
        u.settings.put("installation", "b")
    with db.read() as u:
        assert u.settings.get("installation") == "b"


# --- outbox ---


def test_what_was_sent_long_ago_is_not_looked_through_for_what_waits(db: Database) -> None:
    asked_for: list[str] = []
    event.listen(db._reader, "before_cursor_execute", lambda *given: asked_for.append(given[2]))
    with db.read() as u:
        assert u.outbox.pending() == ()
    with closing(sqlite3.connect(db.path)) as raw:
        (plan,) = raw.execute(f"EXPLAIN QUERY PLAN {asked_for[-1]}").fetchall()
    assert "ix_outbox_waiting" in plan[3]


def message(key: str = "m", **changes: Any) -> Message:
    return replace(Message(key=key, channel="C", view={"kind": "plan", "line": "1"}), **changes)


def test_changes_between_two_sends_are_one_pending_version(db: Database) -> None:
    with db.unit() as u:
        u.outbox.put(message())
        u.outbox.put(message())
        assert [each.version for each in u.outbox.pending()] == [1]
        u.outbox.put(message(view={"line": "2"}))
        u.outbox.put(message(view={"line": "3"}))
        (one,) = u.outbox.pending()
        assert (one.version, one.view, one.sent_version) == (3, {"line": "3"}, 0)


def test_a_change_during_a_send_stays_pending_and_the_send_is_known(db: Database) -> None:
    with db.unit() as u:
        u.outbox.put(message())
        u.outbox.intend("m", "token")
        u.outbox.defer("m", NOON, "429")
        deferred = u.outbox.get("m")
        u.outbox.put(message(view={"line": "2"}))
        u.outbox.sent("m", 1, "1.5")
        (one,) = u.outbox.pending()

        assert deferred is not None
        assert (deferred.intent, deferred.attempts, deferred.not_before) == ("token", 1, NOON)
        assert (one.intent, one.attempts, one.not_before, one.ts) == ("", 0, None, "1.5")
        assert (one.version, one.sent_version, one.last_sent_at is not None) == (2, 1, True)
        u.outbox.sent("m", 2, "1.5")
        assert u.outbox.pending() == ()
        assert u.outbox.by_ts("C", "1.5") == u.outbox.get("m")
        assert u.outbox.by_ts("other", "1.5") is None


def test_what_is_given_up_is_never_pending_again_and_the_rest_is_oldest_first(db: Database) -> None:
    with db.unit() as u:
        for key in ("z", "a", "m"):
            u.outbox.put(message(key))
        u.outbox.give_up("a", "channel_not_found")
        u.outbox.put(message("a", view={"line": "9"}))
        assert [each.key for each in u.outbox.pending()] == ["z", "m"]
        assert u.outbox.by_ts("C", "") is None
        with pytest.raises(MissingError):
            u.outbox.sent("nothing", 1, "1")
