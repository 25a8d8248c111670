"""The VMs that may be meant by what somebody types, and a recovery point by its id, among many."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from bot.model import RecoveryPoint, Vm
from bot.recoverable import Recoverable
from bot.store import Database

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    Database.migrate(tmp_path / "cloudy.db")
    made = Database.open(tmp_path / "cloudy.db", audit_key=None)
    yield made
    made.close()


def put(db: Database, uuid: str, *names: str, targets: tuple[str, ...] = ("s3",)) -> None:
    """A recovery point a day, under each of these names."""
    with db.unit() as unit:
        for day, name in enumerate(names):
            for target in targets:
                unit.points.put(
                    RecoveryPoint(
                        transaction_id=f"{BEGIN + timedelta(days=day):%Y%m%dT%H%M%SZ}-{uuid}", target=target,
                        vm_uuid=uuid, vm_name=name, manifest_key="m", taken_at=BEGIN + timedelta(days=day),
                        consistency="crash", size=1, vmstore="vmstore",
                    )
                )  # fmt: skip


def found(db: Database, text: str, limit: int = 100) -> list[str]:
    return [vm.uuid for vm in Recoverable(db, vmstores=("vmstore",), targets=("s3",)).vms(text, limit)]


def test_the_same_name_comes_first_then_beginnings_then_parts_by_any_name_that_a_vm_has_or_had(db: Database) -> None:
    put(db, "part", "my-web")
    put(db, "begins", "web2", targets=("azure", "s3"))
    put(db, "same", "WEB")
    put(db, "had", "web-old", "new")
    put(db, "has", "plain")
    put(db, "none", "other")
    with db.unit() as unit:
        unit.inventory.refresh(
            "vmstore",
            [Vm(uuid="has", name="webs", vmstore="vmstore"), Vm(uuid="pointless", name="web", vmstore="vmstore")],
        )
    assert found(db, " web ") == ["same", "had", "begins", "has", "part"]
    assert found(db, "web", 2) == ["same", "had"]
    assert len(found(db, "")) == 6


def test_upper_and_lower_case_are_the_same_in_any_alphabet_also_of_a_vm_that_is_gone(db: Database) -> None:
    put(db, "gone", "ÄRZTE-Straße_1%")
    for text in ("ärzte", "STRASSE", "e_1%", "ÄRZTE-STRASSE_1%"):
        assert found(db, text) == ["gone"], text
    assert found(db, "e-1") == []


def test_many_vms_are_no_more_questions_to_the_database_than_one(db: Database) -> None:
    put(db, "one", "single")
    for number in range(30):
        put(db, f"vm{number}", f"many{number}", f"many{number}")
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        asked.append(statement)

    with db.unit() as unit:  # known with their VMstore
        vms = [Vm(uuid=f"vm{number}", name=f"many{number}", vmstore="vmstore") for number in range(30)]
        unit.inventory.refresh("vmstore", [*vms, Vm(uuid="one", name="single", vmstore="vmstore")])
    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert len(found(db, "single")) == 1
        one, asked[:] = len(asked), []
        assert len(found(db, "many")) == 30
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert one
    assert len(asked) == one


def test_a_whole_id_is_that_one_and_a_part_of_it_in_any_case_is_found_too(db: Database) -> None:
    put(db, "abcdef", "vm01", targets=("s3", "azure"))
    put(db, "abcdefgh", "vm02")
    with db.read() as unit:
        whole = unit.points.containing("20261101T000000Z-abcdef")
        assert [point.target for point in whole] == ["azure", "s3"]
        assert len(unit.points.containing("20261101t000000z-ABC")) == 3
