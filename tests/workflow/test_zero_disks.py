"""A disk without data is protected as any other: nothing of it travels, and nothing of it goes into the index."""

from pathlib import Path

import pytest

from bot import lane, zeros
from bot.model import State, Transaction
from tests.workflow.house import House
from tests.workflow.stored import opened, samples

GRAIN = 64
EMPTY = bytes(GRAIN * 300)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "_WORTH_DIGESTS", 1024)
    monkeypatch.setattr(zeros, "SIZES", (1024, 8192, 65536))


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    for path in house.share.files:
        if path.endswith("-flat.vmdk"):
            house.share.files[path] = EMPTY
    return house


def held(house: House, done: Transaction) -> list[bytes]:
    objects = house.targets["s3"].objects
    return [objects[key] for key in objects if key.startswith(done.id) and key.endswith("-flat.vmdk")]


def test_a_disk_of_zeros_is_protected_and_again_and_has_no_samples(house: House) -> None:
    for number in range(2):
        done = house.protect(key=f"protect {number}")
        assert done.state is State.SUCCEEDED
        assert held(house, done) == [EMPTY]
        assert done.bytes.zero == len(EMPTY)
        assert samples(house.db) == 0
    assert not [each for each in house.left() if "/zero/" not in each]


def test_an_object_without_samples_forgets_those_that_it_had(tmp_path: Path) -> None:
    with opened(tmp_path) as db:
        for kept, count in (([(1, 0), (2, 1)], 2), ([], 0), ([], 0)):
            with db.unit() as unit:
                unit.samples.put("t", "s3", "t/x", GRAIN, kept)
            assert samples(db) == count
