"""Whether an S3 place lets go of what is written to it; where it does not, nothing can be made there for a while."""

from collections.abc import Iterator
from typing import Any

import pytest

from bot.checksum import crc64
from bot.lenient import was_erased
from bot.ports import ObjectStore
from integrations.objectstores import OPENERS
from tests import peers
from tests.contract.s3_liar import Answer, Asked, Liar, Lie, Pass, liar

RULE = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}


@pytest.fixture(scope="module")
def running() -> Iterator[Liar]:
    with peers.weed() as peer, liar(peer) as server:
        for bucket in ("plain", "versions", "locks"):
            peer.client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=bucket == "locks")
        peer.client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
        peer.client.put_object_lock_configuration(
            Bucket="locks", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": RULE}
        )
        yield server


@pytest.fixture
def server(running: Liar) -> Iterator[Liar]:
    yield running
    running.lies = []


def opened(server: Liar, bucket: str, *denied: str) -> ObjectStore:
    """As an identity that may not ask that; each a piece of a request's line."""
    server.lies = [denies(each) for each in denied]
    given: dict[str, Any] = {**server.options}
    return OPENERS["s3"]("cloud", f"s3://{bucket}/vms", given)


def denies(piece: str) -> Lie:
    def lie(asked: Asked, passing: Pass) -> Answer:
        if piece not in f"{asked.method} {asked.path}":
            return passing(asked)
        return Answer(status=403, headers={}, body=b"<Error><Code>AccessDenied</Code></Error>")

    return lie


ASK_LOCK, SEE_VERSIONS, REMOVE_VERSION = "?object-lock", "?versions", "versionId="
SEE_VERSIONING = "?versioning"


@pytest.mark.parametrize(
    ("bucket", "denied", "keeps"),
    [
        ("plain", (), False),
        ("plain", (ASK_LOCK,), False),
        ("plain", (ASK_LOCK, SEE_VERSIONING, SEE_VERSIONS, REMOVE_VERSION), False),
        ("versions", (), False),
        ("versions", (ASK_LOCK,), False),
        ("versions", (REMOVE_VERSION,), True),
        ("versions", (SEE_VERSIONING, SEE_VERSIONS), True),
        ("locks", (), True),
        ("locks", (ASK_LOCK,), True),
    ],
)
def test_a_place_that_does_not_let_go_is_known_whatever_may_be_asked(
    server: Liar, bucket: str, denied: tuple[str, ...], keeps: bool
) -> None:
    assert opened(server, bucket, *denied).capabilities().locks_all is keeps


@pytest.mark.parametrize(
    ("bucket", "denied", "goes"),
    [
        ("plain", (), True),
        ("plain", (SEE_VERSIONING, SEE_VERSIONS), True),
        ("versions", (), True),
        ("versions", (REMOVE_VERSION,), False),
        ("versions", (SEE_VERSIONING, SEE_VERSIONS), False),
        ("locks", (), False),
    ],
)
def test_what_could_only_be_hidden_was_not_erased(
    server: Liar, bucket: str, denied: tuple[str, ...], goes: bool
) -> None:
    store, key = opened(server, bucket, *denied), f".cloudy/segment/of-{len(denied)}"
    store.put(key, b"bytes", crc64=crc64(b"bytes"), metadata={})
    assert was_erased(store, key) is goes
    assert not list(store.list(key))
    server.lies = []
    assert [each for each in store.list_versions(key) if not each.is_marker] == [] or not goes
