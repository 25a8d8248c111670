"""The index of grains finds what lies in the target that is asked about, however much newer lies elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.model import RecoveryPoint, StoredFile
from bot.store import Database
from tests.workflow.stored import NOON, opened

MARKS = [(mark, position) for position, mark in enumerate(range(1000, 1016))]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with opened(tmp_path) as db:
        yield db


def store(db: Database, number: int, target: str, *, is_whole: bool = True) -> str:
    """Another VM of one template; not whole: its recovery point does not stand yet."""
    tx_id = f"20261123T{number:06}Z-7f3k9q"
    key = f"{tx_id}/disk"
    file = StoredFile(path="p", name="n", key=key, size=5, crc64=1, etag="e", digests=f"{tx_id}/blocks/0")
    point = RecoveryPoint(
        transaction_id=tx_id,
        target=target,
        vm_uuid=f"vm {number}",
        vm_name=f"vm {number}",
        manifest_key="m",
        taken_at=NOON,
        consistency="crash",
        size=5,
    )
    with db.unit() as unit:
        unit.samples.put(tx_id, target, key, 1 << 20, MARKS)
        unit.files.put(tx_id, target, file)
        if is_whole:
            unit.points.put(point)
            unit.samples.replace(point)
    return tx_id


def found(db: Database, target: str) -> list[str]:
    with db.read() as unit:
        return list(dict.fromkeys(each.point for each in unit.samples.find(target, [mark for mark, _ in MARKS])))


@pytest.mark.parametrize(("newer", "is_whole"), [("s3", True), ("azure", False)])
def test_what_is_newer_elsewhere_or_not_whole_hides_nothing(db: Database, newer: str, is_whole: bool) -> None:
    older = [store(db, number, "azure") for number in range(3)]
    for number in range(100, 180):
        store(db, number, newer, is_whole=is_whole)
    assert found(db, "azure") == older[::-1]
    assert len(found(db, "s3")) == (16 if newer == "s3" else 0)
