"""Objects on S3 that are made anew in another class: killed anywhere, lied to, with versions, locks, tags and keys."""

import itertools
import random
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot import undoing
from bot.checksum import crc64
from bot.errors import (
    ChangedError,
    CloudyError,
    DeniedError,
    IntegrityError,
    LockedError,
    MissingError,
    PermanentError,
    Stopped,
    TransientError,
)
from bot.model import Capabilities, ObjectInfo, ObjectLock
from bot.ports import ObjectStore
from integrations.objectstores.s3 import moves
from integrations.objectstores.s3.moving import MovingBucket
from integrations.objectstores.s3.options import read_options
from integrations.objectstores.s3.store import S3Store
from tests import peers
from tests.contract import s3_liar as lies
from tests.contract.s3_liar import Answer, Asked, Liar, Lie, Pass

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40
KEY, COLD = "run/disk", "GLACIER_IR"
BODY = b"123456789"
LONG = random.Random(11).randbytes(11 * MIB + 5)
WHO = {"cloudy-transaction": "20261124T101010Z-7f3k9q", "cloudy-requester": "Zoë"}
HONEST = Capabilities(
    checks_crc=True, conditional_complete=True, copies_parts=True, copy_tells_crc=True, copy_checks_etag=True
)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def running() -> Iterator[Liar]:
    with peers.weed() as peer, lies.liar(peer) as server:
        yield server


@pytest.fixture(scope="module")
def client(running: Liar) -> Any:
    return running.peer.client


@pytest.fixture(scope="module")
def usual(running: Liar) -> Any:
    """A bucket whose connections all others share, since opening them is what costs."""
    return MovingBucket("cloud", "none", "vms", read_options("cloud", running.options))


@dataclass(frozen=True)
class Place:
    """A bucket behind a server that may lie."""

    liar: Liar
    bucket: str
    client: Any
    usual: Any

    def open(self, **options: object) -> ObjectStore:
        """As a process does that has just begun, and knows the store."""
        other = copy(self.usual)
        other._bucket = self.bucket
        if options:
            other = MovingBucket("cloud", self.bucket, "vms", read_options("cloud", {**self.liar.options, **options}))
        store = S3Store("cloud", other)
        store._capabilities = [HONEST]
        return store

    def put(self, body: bytes = BODY, key: str = KEY, **options: object) -> ObjectInfo:
        store = self.open(**options)
        store.put(key, body, crc64=crc64(body), metadata=WHO)
        return store.head(key)

    def overwrite(self, body: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"vms/{KEY}", Body=body)

    def head(self, **which: str) -> dict[str, Any]:
        return dict(self.client.head_object(Bucket=self.bucket, Key=f"vms/{KEY}", **which))

    def versions(self, key: str = KEY) -> list[str]:
        told = self.client.list_object_versions(Bucket=self.bucket, Prefix=f"vms/{key}")
        return [each["VersionId"] for each in told.get("Versions", ())]

    def suspend(self) -> None:
        self.client.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Suspended"})


@pytest.fixture
def new_place(running: Liar, client: Any, usual: Any) -> Iterator[Callable[..., Place]]:
    def made(*, versioned: bool = False, locks: bool = False) -> Place:
        bucket = f"tiers-{next(_numbers)}"
        client.create_bucket(Bucket=bucket, **({"ObjectLockEnabledForBucket": True} if locks else {}))
        if versioned:
            client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        return Place(running, bucket, client, usual)

    running.lies, running.asked = [], []
    yield made
    running.lies = []


@pytest.fixture
def place(new_place: Callable[..., Place]) -> Place:
    return new_place()


@pytest.fixture
def versioned(new_place: Callable[..., Place]) -> Place:
    return new_place(versioned=True)


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an object of 11 MiB have three pieces, one copied after the other."""
    monkeypatch.setattr(moves, "_PIECE", 5 * MIB)
    monkeypatch.setattr(moves, "_AT_ONCE", 1)


def stands(place: Place, made: ObjectInfo, body: bytes = BODY) -> None:
    """Nothing is changed, and nothing left behind."""
    store = place.open()
    assert store.head(KEY) == made
    assert store.get(KEY) == body
    assert store.list_uploads("") == ()


def is_opening(asked: Asked) -> bool:
    return asked.method == "POST" and asked.path.endswith("?uploads")


# --- how an object is cut ---


@pytest.mark.parametrize(
    "size",
    [0, 1, 5 * MIB, 256 * MIB, 256 * MIB + 1, 5 * GIB, 5 * GIB + 1, 10_000 * 256 * MIB, 10_000 * 256 * MIB + 1]
    + [TIB, 5 * TIB, 10_000 * 5 * GIB - 1, 10_000 * 5 * GIB]
    + [random.Random(seed).randrange(1, 10_000 * 5 * GIB) for seed in range(20)],
)
def test_an_object_of_any_size_is_cut_as_every_store_takes_it(size: int) -> None:
    cut = list(moves.pieces(size))
    lengths = [length for _, length in cut]
    assert [offset for offset, _ in cut] == list(itertools.accumulate(lengths[:-1], initial=0))
    assert sum(lengths) == size
    assert 1 <= len(cut) <= 10_000
    assert len(set(lengths[:-1])) <= 1, "some stores want equal parts"
    assert all(256 * MIB <= length <= 5 * GIB for length in lengths[:-1])
    assert 0 <= lengths[-1] <= max(lengths)
    assert lengths[-1] > 0 or size == 0


def test_an_object_in_many_pieces_is_made_anew_of_its_ranges(place: Place, in_pieces: None) -> None:
    made = place.put(LONG)
    moved = place.open().retier(made, COLD)
    assert (moved.storage_class, moved.size, moved.crc64) == (COLD, len(LONG), crc64(LONG))
    assert place.open().get(KEY) == LONG
    ranges = [asked.headers[lies.RANGE] for asked in place.liar.asked if asked.is_copy]
    assert ranges == [f"bytes=0-{5 * MIB - 1}", f"bytes={5 * MIB}-{10 * MIB - 1}", f"bytes={10 * MIB}-{len(LONG) - 1}"]


def wants_large_sources_of_ranges(asked: Asked, passing: Pass) -> Answer:
    return lies.wants_large_sources(asked, passing) if lies.RANGE in asked.headers else passing(asked)


def test_a_small_object_is_copied_whole_since_no_range_of_it_may_be(place: Place) -> None:
    place.liar.lies = [wants_large_sources_of_ranges]
    for body in (b"", b"1"):
        made = place.put(body)
        assert place.open().retier(made, COLD).crc64 == crc64(body)
        assert place.open().get(KEY) == body


# --- everything stays but the class ---


def test_metadata_tags_and_type_stay(place: Place) -> None:
    made = place.put(tags={"department": "IT a+b", "cost:centre": "a=b@c"})
    before = place.head()
    place.open().retier(made, COLD)
    now = place.head()
    assert (now["Metadata"], now["ContentType"]) == (before["Metadata"], before["ContentType"])
    told = place.client.get_object_tagging(Bucket=place.bucket, Key=f"vms/{KEY}")["TagSet"]
    assert {each["Key"]: each["Value"] for each in told} == {"department": "IT a+b", "cost:centre": "a=b@c"}


SEALED = {
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:us-east-1:1:key/2",
    "x-amz-server-side-encryption-bucket-key-enabled": "true",
}


def seals(asked: Asked, passing: Pass) -> Answer:
    """Plays a store with KMS, which SeaweedFS has not."""
    answer = passing(replace(asked, headers={name: each for name, each in asked.headers.items() if name not in SEALED}))
    return replace(answer, headers={**answer.headers, **SEALED}) if asked.method == "HEAD" else answer


def test_it_is_encrypted_by_the_key_that_it_was_and_not_by_that_of_the_target(place: Place) -> None:
    made = place.put()
    place.liar.lies = [seals]
    place.open(sse="AES256").retier(made, COLD)
    [opening] = [asked.headers for asked in place.liar.asked if is_opening(asked)]
    assert {name: opening.get(name) for name in SEALED} == SEALED


def test_no_lock_is_made_though_the_target_has_one_for_what_is_new(new_place: Callable[..., Place]) -> None:
    place = new_place(locks=True)
    made = place.put()
    place.open(lock="COMPLIANCE", lock_for=timedelta(days=3)).retier(made, COLD)
    assert "ObjectLockMode" not in place.head()
    assert len(place.versions()) == 1


def test_who_may_not_read_tags_is_told_the_right_and_nothing_is_begun(place: Place) -> None:
    made = place.put()

    def denies(asked: Asked, passing: Pass) -> Answer:
        return lies.error(403, "AccessDenied", "No.") if "tagging" in asked.path else passing(asked)

    place.liar.lies = [denies]
    with pytest.raises(DeniedError, match="s3:GetObjectTagging"):
        place.open().retier(made, COLD)
    assert [asked for asked in place.liar.asked if is_opening(asked)] == []
    stands(place, made)


def test_a_store_without_tags_has_none_to_keep(place: Place) -> None:
    made = place.put()

    def knows_none(asked: Asked, passing: Pass) -> Answer:
        return lies.error(501, "NotImplemented", "No.") if "tagging" in asked.path else passing(asked)

    place.liar.lies = [knows_none]
    assert place.open().retier(made, COLD).storage_class == COLD


# --- versions and locks ---


def test_one_version_is_left_and_the_old_one_goes_last(versioned: Place) -> None:
    made = versioned.put()
    moved = versioned.open().retier(made, COLD)
    assert versioned.versions() == [moved.version_id]
    assert moved.version_id not in ("", made.version_id)
    changes = [asked.method for asked in versioned.liar.asked if asked.is_completion or asked.method == "DELETE"]
    assert changes == ["POST", "DELETE"]


def test_a_version_of_other_bytes_is_not_ours_to_remove(versioned: Place) -> None:
    other = versioned.put(b"other bytes")
    moved = versioned.open().retier(versioned.put(), COLD)
    assert sorted(versioned.versions()) == sorted([other.version_id, moved.version_id])


def test_where_versions_are_kept_no_longer_the_object_stays(versioned: Place) -> None:
    old = versioned.put()
    versioned.suspend()
    moved = versioned.open().retier(old, COLD)
    assert versioned.versions() == [moved.version_id]
    again = versioned.open().retier(moved, "GLACIER")
    assert (versioned.versions(), again.storage_class) == ([again.version_id], "GLACIER")
    assert versioned.open().get(KEY) == BODY


def test_where_no_versions_are_kept_what_is_called_null_is_the_object_itself(place: Place) -> None:
    made = place.put()

    def names_it(asked: Asked, passing: Pass) -> Answer:
        answer = passing(asked)
        is_head = asked.method == "HEAD" and answer.status == 200
        return replace(answer, headers={**answer.headers, "x-amz-version-id": "null"}) if is_head else answer

    place.liar.lies = [names_it]
    assert place.open().retier(made, COLD).version_id == "null"
    assert place.open().get(KEY) == BODY


@pytest.mark.parametrize("held", [False, True], ids=["locked", "held"])
def test_what_is_locked_is_not_moved_and_the_refusal_says_why(new_place: Callable[..., Place], held: bool) -> None:
    place = new_place(locks=True)
    made = place.put()
    if held:
        place.client.put_object_legal_hold(Bucket=place.bucket, Key=f"vms/{KEY}", LegalHold={"Status": "ON"})
    else:
        locking = place.open().locking(ObjectLock(lasts=timedelta(days=30)))
        locking.put(KEY, BODY, crc64=crc64(BODY), metadata=WHO)
    made, before = place.open().head(KEY), place.versions()
    with pytest.raises(LockedError, match="legal hold" if held else "locked until") as told:
        place.open().retier(made, COLD)
    assert (told.value.until, told.value.is_held) == (made.locked_until, held)
    assert place.versions() == before
    stands(place, made)


def test_an_old_version_that_got_a_lock_meanwhile_stays_and_is_told(new_place: Callable[..., Place]) -> None:
    place = new_place(locks=True)
    made, until = place.put(), datetime.now(UTC) + timedelta(days=3)

    def locks(asked: Asked, passing: Pass) -> Answer:
        if asked.is_completion:
            retention = {"Mode": "COMPLIANCE", "RetainUntilDate": until}
            place.client.put_object_retention(
                Bucket=place.bucket, Key=f"vms/{KEY}", VersionId=made.version_id, Retention=retention
            )
        return passing(asked)

    place.liar.lies = [locks]
    for _ in range(2):
        with pytest.raises(LockedError, match="locked until"):
            place.open().retier(made, COLD)
    assert place.open().head(KEY).storage_class == COLD
    assert made.version_id in place.versions()
    assert len(place.versions()) == 2


def test_who_may_not_see_versions_is_told_before_anything_is_doubled(versioned: Place) -> None:
    made = versioned.put()

    def denies(asked: Asked, passing: Pass) -> Answer:
        return lies.error(403, "AccessDenied", "No.") if "versions" in asked.path else passing(asked)

    versioned.liar.lies = [denies]
    with pytest.raises(DeniedError):
        versioned.open().retier(made, COLD)
    assert versioned.versions() == [made.version_id]


# --- killed ---


def dies_after(requests: int) -> Lie:
    """Lets so many requests through; then nothing reaches the store any more, as if the process were dead."""
    passed = itertools.count(1)

    def lie(asked: Asked, passing: Pass) -> Answer:
        return passing(asked) if next(passed) <= requests else lies.error(503, "SlowDown", "dead")

    return lie


def test_killed_at_any_request_the_object_is_whole_and_the_next_try_ends_it(versioned: Place) -> None:
    """What is left of the try is either cleaned up first, as the one who promised it does, or found by the next try."""
    for requests in itertools.count():
        made = versioned.put(key=f"run/{requests}/disk")
        versioned.liar.lies = [dies_after(requests)]
        try:
            versioned.open().retier(made, COLD)
            break
        except TransientError:
            versioned.liar.lies = []
        check_killed(versioned, made.key, is_cleaned=requests % 2 == 0)
    assert requests > 10


def check_killed(place: Place, key: str, *, is_cleaned: bool) -> None:
    store = place.open()
    now = store.head(key)
    assert (now.crc64, store.get(key), now.storage_class in ("", COLD)) == (crc64(BODY), BODY, True)
    if is_cleaned:
        undoing.abort(store, key)
        assert store.list_uploads("") == ()
    moved = store.retier(now, COLD)
    assert (moved.storage_class, moved.crc64, dict(moved.metadata)) == (COLD, crc64(BODY), WHO)
    assert store.get(key) == BODY
    assert place.versions(key) == [moved.version_id]
    assert store.list_uploads("") == ()


def test_an_upload_that_was_begun_otherwise_is_given_up_and_not_gone_on_with(place: Place) -> None:
    made, store = place.put(), place.open()
    left = store.begin_upload(KEY, metadata={"who": "knows"})
    store.put_part(left, 1, b"half", crc64=crc64(b"half"))
    assert store.retier(made, COLD).storage_class == COLD
    with pytest.raises(MissingError):
        store.list_parts(left)
    assert store.get(KEY) == BODY


# --- errors that pass, and people who stop it ---


def fails(number: int) -> Lie:
    """Does not make the part of that number."""

    def lie(asked: Asked, passing: Pass) -> Answer:
        hit = asked.is_copy and f"partNumber={number}&" in f"{asked.path}&"
        return lies.error(503, "SlowDown", "Later.") if hit else passing(asked)

    return lie


def copied(place: Place) -> list[str]:
    return [asked.headers[lies.RANGE] for asked in place.liar.asked if asked.is_copy]


def test_a_try_after_an_error_that_passes_goes_on_where_the_first_was(place: Place, in_pieces: None) -> None:
    made, store = place.put(LONG), place.open()
    place.liar.lies = [fails(3)]
    with pytest.raises(TransientError):
        store.retier(made, COLD)
    place.liar.lies = []
    first = copied(place)
    assert store.retier(made, COLD).storage_class == COLD
    assert copied(place)[len(first) :] == first[2:]
    assert len([asked for asked in place.liar.asked if is_opening(asked)]) == 1
    assert store.get(KEY) == LONG


def test_a_try_after_its_upload_was_given_up_begins_anew(place: Place, in_pieces: None) -> None:
    made, store = place.put(LONG), place.open()
    place.liar.lies = [fails(3)]
    with pytest.raises(TransientError):
        store.retier(made, COLD)
    place.liar.lies = []
    undoing.abort(store, KEY)
    assert store.retier(made, COLD).storage_class == COLD
    assert store.get(KEY) == LONG


def test_a_try_after_a_conflict_begins_anew_since_the_upload_is_good_for_nothing(place: Place) -> None:
    made, store = place.put(), place.open()

    def conflicts(asked: Asked, passing: Pass) -> Answer:
        return lies.error(409, "ConditionalRequestConflict", "Now.") if asked.is_completion else passing(asked)

    place.liar.lies = [conflicts]
    with pytest.raises(TransientError):
        store.retier(made, COLD)
    place.liar.lies = []
    stands(place, made)
    assert store.retier(made, COLD).storage_class == COLD


def test_whose_completion_was_not_answered_is_found_to_be_done(versioned: Place) -> None:
    made, store = versioned.put(), versioned.open()

    def swallows(asked: Asked, passing: Pass) -> Answer:
        answer = passing(asked)
        return lies.error(500, "InternalError", "Lost.") if asked.is_completion else answer

    versioned.liar.lies = [swallows]
    with pytest.raises(TransientError):
        store.retier(made, COLD)
    versioned.liar.lies = []
    moved = store.retier(made, COLD)
    assert versioned.versions() == [moved.version_id]


def test_who_stops_it_between_two_pieces_leaves_nothing(place: Place, in_pieces: None) -> None:
    made, pieces = place.put(LONG), itertools.count(1)

    def stop() -> None:
        if next(pieces) == 2:
            raise Stopped("by alice")

    with pytest.raises(Stopped):
        place.open().retier(made, COLD, check=stop)
    stands(place, made, LONG)


# --- stores that lie, or know less ---


def of_the_first(lie: Lie) -> Lie:
    """Of the first part only: the last ends with the object, so that no byte is behind it."""
    return lambda asked, passing: lie(asked, passing) if "partNumber=1" in asked.path else passing(asked)


@pytest.mark.parametrize("lie", [lies.other_bytes, lies.other_bytes_said_to_be_right], ids=lambda lie: lie.__name__)
def test_other_bytes_never_take_the_place_of_the_object(place: Place, in_pieces: None, lie: Lie) -> None:
    made = place.put(LONG)
    place.liar.lies = [of_the_first(lie)]
    with pytest.raises(IntegrityError):
        place.open().retier(made, COLD)
    place.liar.lies = []
    stands(place, made, LONG)


def test_a_store_that_says_no_checksum_of_a_copy_moves_nothing(place: Place) -> None:
    made = place.put()
    place.liar.lies = [lies.no_crc]
    with pytest.raises(CloudyError):
        place.open().retier(made, COLD)
    assert place.open().head(KEY) == made


def test_an_object_without_a_checksum_of_the_store_is_not_moved(place: Place) -> None:
    place.overwrite(BODY)
    made = place.open().head(KEY)
    with pytest.raises(PermanentError, match="CRC-64/NVME"):
        place.open().retier(made, COLD)
    stands(place, made)


def overwrites(place: Place, body: bytes) -> Lie:
    """Somebody else is faster than the completion."""

    def lie(asked: Asked, passing: Pass) -> Answer:
        if asked.is_completion:
            place.overwrite(body)
        return passing(asked)

    return lie


def test_what_is_written_right_before_the_end_is_not_touched(place: Place) -> None:
    made = place.put()
    place.liar.lies = [overwrites(place, b"another's")]
    with pytest.raises(ChangedError):
        place.open().retier(made, COLD)
    place.liar.lies = []
    assert place.open().get(KEY) == b"another's"
    assert place.open().list_uploads("") == ()


def knows_no_condition(asked: Asked, passing: Pass) -> Answer:
    """Refuses the condition of a completion as a thing that it does not know."""
    if asked.is_completion and "if-match" in asked.headers:
        return lies.error(501, "NotImplemented", "Header 'if-match' not implemented")
    return passing(asked)


def heeds_no_condition(asked: Asked, passing: Pass) -> Answer:
    """Takes the condition of a completion and does not look at it, as moto."""
    headers = {name: value for name, value in asked.headers.items() if name != "if-match"}
    return passing(replace(asked, headers=headers) if asked.is_completion else asked)


@pytest.mark.parametrize("lie", [knows_no_condition, heeds_no_condition], ids=lambda lie: lie.__name__)
def test_a_store_that_knows_no_condition_moves_all_the_same(place: Place, lie: Lie) -> None:
    made = place.put()
    place.liar.lies = [lie]
    assert place.open().retier(made, COLD).storage_class == COLD


@pytest.mark.parametrize("lie", [knows_no_condition, heeds_no_condition], ids=lambda lie: lie.__name__)
def test_what_is_written_while_such_a_store_copies_is_not_touched(place: Place, lie: Lie) -> None:
    made = place.put()

    def meanwhile(asked: Asked, passing: Pass) -> Answer:
        answer = lie(asked, passing)
        if asked.is_copy:
            place.overwrite(b"another's")
        return answer

    place.liar.lies = [meanwhile]
    with pytest.raises(ChangedError):
        place.open().retier(made, COLD)
    place.liar.lies = []
    assert place.open().get(KEY) == b"another's"
    assert place.open().list_uploads("") == ()


def test_a_store_that_keeps_no_class_is_told_and_loses_nothing(versioned: Place) -> None:
    made = versioned.put()

    def forgets(asked: Asked, passing: Pass) -> Answer:
        headers = {name: value for name, value in asked.headers.items() if name != "x-amz-storage-class"}
        return passing(replace(asked, headers=headers))

    versioned.liar.lies = [forgets]
    with pytest.raises(PermanentError, match="usual class"):
        versioned.open().retier(made, COLD)
    now = versioned.open().head(KEY)
    assert (now.crc64, versioned.versions()) == (crc64(BODY), [now.version_id])


def test_a_class_that_the_store_does_not_have_is_told_with_the_setting(place: Place) -> None:
    made = place.put()

    def knows_none(asked: Asked, passing: Pass) -> Answer:
        return lies.error(400, "InvalidStorageClass", "No.") if is_opening(asked) else passing(asked)

    place.liar.lies = [knows_none]
    with pytest.raises(PermanentError, match="cold_class or archive_class"):
        place.open().retier(made, COLD)
    stands(place, made)
