"""Retention in the database: what is in force, by SLA and by VM, and holds."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import MissingError
from bot.model import Hold, InForce, Retained, Retention
from bot.store import Database
from tests.workflow.house import FakeClock


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "cloudy.db"
    Database.migrate(path)
    opened = Database.open(path, audit_key=b"k" * 32, clock=FakeClock())
    yield opened
    opened.close()


def test_what_is_in_force_is_kept_by_sla_and_replaced(db: Database) -> None:
    now = FakeClock().now()
    first = InForce(sla="gold", retention=Retention(), since=now, by="cloudy.toml", text="keep everything")
    rules = Retention(last=7, minimum_age=timedelta(hours=36), zone="Europe/Berlin", daily=3)
    second = InForce(sla="gold", retention=rules, since=now, by="dave", text="keep everything")
    with db.unit() as unit:
        unit.retentions.put(first)
        unit.retentions.put(second)
    with db.read() as unit:
        assert unit.retentions.in_force() == {"gold": second}


def test_what_vms_are_judged_by_is_kept_by_vm(db: Database) -> None:
    gold, bronze = Retained(sla="gold", retention=Retention(daily=9)), Retained(sla="b", retention=Retention(last=1))
    with db.unit() as unit:
        unit.retentions.retain({"u1": gold, "u2": gold})
        unit.retentions.retain({"u2": bronze})
    with db.read() as unit:
        assert unit.retentions.retained() == {"u1": gold, "u2": bronze}
        assert unit.retentions.of_vm("u2") == bronze
        assert unit.retentions.of_vm("u3") is None


def test_a_hold_ends_by_its_date_or_when_it_is_released_and_is_never_forgotten(db: Database) -> None:
    now = FakeClock().now()
    for_ever = Hold(id="aaaa", vm_uuid="u1", vm="vm01", reason="audit", by="dave", at=now)
    an_hour = Hold(id="bbbb", point="p1", until=now + timedelta(hours=1), reason="move", by="dave", at=now)
    with db.unit() as unit:
        unit.holds.put(for_ever)
        unit.holds.put(an_hour)
        assert unit.holds.put(Hold(id="aaaa", reason="other", by="bob", at=now)) == for_ever
    with db.unit() as unit:
        assert unit.holds.active(now) == (for_ever, an_hour)
        assert unit.holds.active(now + timedelta(hours=1)) == (for_ever,)
        assert unit.holds.release("aaaa", "bob", now)
        assert not unit.holds.release("aaaa", "carol", now)
        assert unit.holds.active(now) == (an_hour,)
        assert unit.holds.get("aaaa") == for_ever
        with pytest.raises(MissingError):
            unit.holds.get("zzzz")
