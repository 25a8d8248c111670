"""Clones of one VM: of each only what is its own travels, also when what they were cloned from is gone."""

import hashlib
from collections.abc import Iterator

import pytest

from tests.e2e.demo import LEFT_OUT, Demo
from tests.e2e.test_demo import play

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(400)]

CLONES = 3
LINES = [
    line
    for number in range(1, CLONES + 1)
    for line in (
        f"world clone vm01 as web1{number}",
        f"world touch web1{number} 1% in 1MiB runs",
        f"alice> /protect web1{number} to s3",
        "wait done 120",
        'expect "is protected"',
    )
]


@pytest.fixture(scope="module")
def cloned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    first = ["alice> /protect vm01 to s3", "wait done 120"]
    yield from play(tmp_path_factory.mktemp("cloned") / "demo", "\n".join([*first, *LINES]))


def test_of_each_clone_less_than_a_tenth_travels(cloned: Demo) -> None:
    *clones, first = (transaction["bytes"] for transaction in cloned.transactions())
    assert len(clones) == CLONES
    assert first["sent"] > first["read"] * 0.1
    for moved in clones:
        assert 0 < moved["sent"] < moved["read"] * 0.1
        assert moved["sent"] < first["sent"] * 0.6
        assert moved["copied"] > first["sent"] * 0.5


def test_each_recovery_point_is_its_own_vm(cloned: Demo) -> None:
    for transaction in cloned.transactions()[:CLONES]:
        vm, prefix = transaction["vm"], f"{transaction['id']}/tintri/{transaction['id']}/"
        there = {key.removeprefix(prefix): cloned.digest(key) for key in cloned.objects() if key.startswith(prefix)}
        here = {
            name: digest
            for name, digest in cloned.export().items()
            if name.startswith(f"{vm}/") and not name.endswith(LEFT_OUT)
        }
        assert there == here


def test_no_two_of_them_are_the_same(cloned: Demo) -> None:
    disks = {name: digest for name, digest in cloned.export().items() if name.endswith("-flat.vmdk") and "web1" in name}
    assert len(disks) == len(set(disks.values())) == CLONES
    assert all(len(digest) == hashlib.sha256().digest_size * 2 for digest in disks.values())
