"""A second protect of a VM that has changed a little: little travels, and both recovery points are whole copies."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.simulators.vmstore import sample_vms
from tests.e2e.demo import LEFT_OUT, Demo, files_of
from tests.e2e.test_demo import play

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SCRIPT = """
alice> /protect vm01 to s3
wait done 120
expect "is protected"
world touch vm01 2% in 16MiB runs
alice> /protect vm01 to s3
wait done 120
expect "copied in the store"
"""
BESIDE = 16 << 20  # bytes on the wire for the zero object, what probing sends, digests and manifests


@pytest.fixture(scope="module")
def touched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    yield from play(tmp_path_factory.mktemp("touched") / "demo", SCRIPT)


def held(demo: Demo, transaction: str) -> dict[str, str]:
    """SHA-256 of the files of a recovery point, as any client of the bucket reads them, by their names."""
    prefix = f"{transaction}/tintri/{transaction}/"
    return {key.removeprefix(prefix): demo.digest(key) for key in demo.objects() if key.startswith(prefix)}


def files(export: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in export.items() if name.startswith("vm01/") and not name.endswith(LEFT_OUT)}


def test_only_what_changed_has_travelled_and_the_wire_says_the_same(touched: Demo) -> None:
    second, first = (transaction["bytes"] for transaction in touched.transactions())
    assert second["read"] == first["read"] == second["sent"] + second["copied"] + second["zero"]
    assert 0 < second["sent"] < second["read"] * 0.05
    wire = json.loads((touched.data / "wire.json").read_text())
    sent = first["sent"] + second["sent"]
    assert sent <= wire["PUT"]["up"] <= sent * 1.05 + BESIDE


def test_both_recovery_points_are_their_snapshots_and_each_stands_alone(
    touched: Demo, tmp_path_factory: pytest.TempPathFactory
) -> None:
    second, first = (transaction["id"] for transaction in touched.transactions())
    before: Path = tmp_path_factory.mktemp("before")
    sample_vms.create(before, ["vm01"])
    assert held(touched, first) == files(files_of(before))
    assert held(touched, second) == files(touched.export()) != held(touched, first)
    client, bucket = touched.s3(), touched.world["s3"]["bucket"]
    for key in touched.objects():
        if key.startswith(f"{first}/"):
            client.delete_object(Bucket=bucket, Key=key)
    assert held(touched, second) == files(touched.export())
    assert touched.unfinished_uploads() == []
