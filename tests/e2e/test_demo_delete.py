"""`/cloudy delete` in the demo, from outside: refused to who may not, approved once, gone from the bucket, audited."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.demo import Demo, Json

pytestmark = pytest.mark.slow
SCRIPT = """
alice> /protect web01 to s3
wait done 120
expect "is protected"
carol> /cloudy delete last
expect "takes the role operator"
alice> /cloudy delete last
wait approval 60
expect "Removes all under"
alice> click "Approve"
expect "You cannot approve your own request"
restart kill
bob> click "Approve"
bob> click "Approve"
expect "already executed"
wait done 60
expect "Deleted: the recovery point"
"""
VETOED = """
alice> /protect web01 to s3
wait done 120
alice> /cloudy delete last because "a mistake"
wait approval 60
expect "Because: a mistake"
dave> click "Veto"
wait done 60
expect "Vetoed by dave"
"""


@pytest.fixture(scope="module")
def deleted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    yield from _played(tmp_path_factory.mktemp("deleted"), SCRIPT)


@pytest.fixture(scope="module")
def vetoed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    yield from _played(tmp_path_factory.mktemp("vetoed"), VETOED)


def _played(folder: Path, script: str) -> Iterator[Demo]:
    demo = Demo(folder / "demo", script)
    try:
        demo.wait(300)
        yield demo
    finally:
        demo.end()


def audited(demo: Demo) -> list[Json]:
    return [json.loads(line) for line in demo.ask("audit", "export", "--format", "jsonl").splitlines()]


def test_the_prefix_is_gone_from_the_bucket(deleted: Demo) -> None:
    assert deleted.objects() == []
    assert deleted.unfinished_uploads() == []


def test_the_audit_has_one_executed_row_and_every_click(deleted: Demo) -> None:
    acts = [(row["action"], row["actor"]) for row in audited(deleted)]
    assert [who for what, who in acts if what == "executed"] == ["alice"]
    assert [who for what, who in acts if what == "decision"] == ["bob"]
    assert [who for what, who in acts if what == "refused"] == ["carol", "alice", "bob"]
    assert deleted.ask("audit", "verify")  # its exit status is 0


def test_a_veto_leaves_everything(vetoed: Demo) -> None:
    assert any(key.endswith("/manifest.json") for key in vetoed.objects())
    assert "executed" not in [row["action"] for row in audited(vetoed)]
