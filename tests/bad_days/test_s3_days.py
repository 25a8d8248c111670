"""Bad days of the bucket."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from bot.model import ProtectRequest, State
from tests.bad_days.conftest import BadDay
from tests.bad_days.troubled_s3 import Asked, TroubledS3
from tests.bad_days.world import QuickClock, Told, World
from tests.workflow.house import ALICE, OPS

pytestmark = pytest.mark.slow


class QuickerClock(QuickClock):
    """Minutes pass in a second or two."""

    def sleep(self, seconds: float) -> None:
        taken = min(seconds / 100, 0.02)
        time.sleep(taken)
        with self._lock:
            self._skipped += timedelta(seconds=seconds - taken)


@pytest.fixture
def s3(world: World) -> Iterator[TroubledS3]:
    """The bucket as the world reaches it: through something that can be told to spoil requests."""
    troubled = TroubledS3(world.peer.endpoint)
    world.clock = QuickerClock()
    world.target["endpoint"] = troubled.url
    world.open()
    yield troubled
    troubled.close()


def work(asked: Asked) -> bool:
    """What is not the probe of what a store can do."""
    return not asked.is_probe


def whatever(text: str) -> str:
    """Without what depends on which of the threads met the trouble first, and how the connection ended."""
    text = re.sub(r"Target s3: [^:]*? in (s3://)", r"Target s3: <call> in \1", text)
    return re.sub(
        r"did not answer: .*?(?= To remove| It is tried|;|$)", "did not answer: <why>.", text, flags=re.DOTALL
    )


def receipts_row(bad_day: BadDay, day: str, told: Told, same: Callable[[str], str] = str) -> None:
    """What everybody was told of a run that failed is the row of the page."""
    assert told.transaction.state is State.FAILED
    assert told.transaction.failure is not None
    for said in (told.thread, told.cli):
        assert told.transaction.failure.what[:60] in said
    (end,) = [row for row in told.audit if row.action == "outcome"]
    assert end.body["why"] == told.transaction.failure.what
    assert end.transaction_id == told.transaction.id
    bad_day.row(
        area="S3",
        day=day,
        message=same(told.transaction.failure.what),
        left="; ".join(map(same, told.transaction.left_behind)) or "nothing",
        cure=told.transaction.failure.next,
    )


def test_the_bucket_is_missing(world: World, bad_day: BadDay) -> None:
    world.target["url"] = "s3://nobody-made-it"
    world.open()
    told = world.protect()
    assert "create it, or correct the target's url" in told.receipt
    assert world.left() == []
    assert told.transaction.left_behind == ()
    receipts_row(bad_day, "bucket missing", told)


def test_access_is_denied(world: World, s3: TroubledS3, bad_day: BadDay) -> None:
    s3.refuse(lambda asked: asked.is_write, (403, "AccessDenied", "Access Denied"))
    told = world.protect()
    assert "rights to read, write, list and delete" in told.receipt
    assert world.left() == []
    receipts_row(bad_day, "access denied", told)


def test_access_is_denied_from_the_second_part_on(world: World, s3: TroubledS3, bad_day: BadDay) -> None:
    seen: list[Asked] = []

    def later_parts(asked: Asked) -> bool:
        if asked.is_part and not asked.is_probe:
            seen.append(asked)
        return asked.is_part and not asked.is_probe and len(seen) > 1

    s3.refuse(later_parts, (403, "AccessDenied", "Access Denied"))
    told = world.protect()
    assert world.left() == []
    assert "removed" in told.thread.lower()
    receipts_row(bad_day, "access denied in the middle of an upload", told)


def test_what_may_not_be_deleted_is_told_with_the_way_to_remove_it(
    world: World, s3: TroubledS3, bad_day: BadDay
) -> None:
    denied = (403, "AccessDenied", "Access Denied")
    s3.refuse(lambda asked: asked.method == "PUT" and "flat.vmdk" in asked.path, denied)
    s3.refuse(lambda asked: asked.method == "DELETE" and work(asked), denied)
    told = world.protect()
    left = world.left()
    assert left
    assert told.transaction.left_behind
    for thing in told.transaction.left_behind:
        assert thing in " ".join(told.cli.split("\n"))
        assert world.peer.bucket in thing
    assert not [thing for thing in left if thing.startswith(("file", "snapshot"))]
    receipts_row(bad_day, "parts denied, and deleting too", told)


def test_the_store_answers_503_for_a_while(world: World, s3: TroubledS3, bad_day: BadDay) -> None:
    s3.refuse(work, (503, "SlowDown", "Please reduce your request rate."), times=12)
    told = world.protect()
    assert told.transaction.state is State.SUCCEEDED
    assert world.left() == []
    bad_day.row(area="S3", day="503 for a while", message=told.cli, cure="nothing: it is waited out")


def test_a_connection_is_cut_in_the_middle_of_a_part(world: World, s3: TroubledS3, bad_day: BadDay) -> None:
    s3.cut(lambda asked: asked.is_part and work(asked), times=3)
    told = world.protect()
    assert told.transaction.state is State.SUCCEEDED
    assert world.left() == []
    bad_day.row(area="S3", day="connection cut in a part", message=told.cli, cure="nothing: the part is sent again")


def outage(world: World, s3: TroubledS3, minutes: float) -> None:
    """From the second part on nothing gets through, for minutes of the world's time."""
    begun: list[float] = []

    def down(asked: Asked) -> bool:
        now = world.clock.now().timestamp()
        if not begun and asked.is_part and "partNumber=2" in asked.path and work(asked):
            begun.append(now)
        return bool(begun) and now - begun[0] < minutes * 60

    s3.cut(down)


def test_an_outage_of_minutes_in_the_middle_of_an_upload_does_not_fail_it(
    world: World, s3: TroubledS3, bad_day: BadDay
) -> None:
    outage(world, s3, minutes=8)
    told = world.protect()
    assert told.transaction.state is State.SUCCEEDED
    assert told.transaction.ended_at is not None
    assert told.transaction.started_at is not None
    assert told.transaction.ended_at - told.transaction.started_at >= timedelta(minutes=8)
    assert world.left() == []
    waiting = [line for line in told.thread.splitlines() if "Waiting: " in line]
    assert len(waiting) == 1
    bad_day.row(area="S3", day="out of reach for 8 minutes in the middle of an upload", message=whatever(waiting[0]))


def test_an_outage_without_an_end_fails_the_run_and_what_could_not_be_removed_is_told(
    world: World, s3: TroubledS3, bad_day: BadDay
) -> None:
    outage(world, s3, minutes=600)
    told = world.protect()
    assert told.transaction.left_behind
    assert any("upload" in thing for thing in told.transaction.left_behind)
    assert not [thing for thing in world.left() if thing.startswith(("file", "snapshot"))]
    receipts_row(bad_day, "out of reach for good in the middle of an upload", told, whatever)


def test_stop_is_heard_while_the_store_is_out_of_reach(world: World, s3: TroubledS3, bad_day: BadDay) -> None:
    outage(world, s3, minutes=600)
    asked = world.service.protect(ProtectRequest(vms=("web01",), targets=("s3",)), ALICE, request_key="r", place=OPS)[0]
    world.dispatch()
    running = threading.Thread(target=world.engine.run_all)
    running.start()
    _until(lambda: len([one for one in s3.seen if one.is_part and work(one)]) > 6)
    stopped_at = world.clock.now()
    world.service.stop(asked.id, ALICE, request_key="s")
    running.join(60)
    told = world.told(asked.id)
    assert told.transaction.state is State.STOPPED
    with world.db.read() as unit:
        upload = next(step for step in unit.steps.of(asked.id) if step.id == "upload")
    assert upload.ended_at is not None
    assert upload.ended_at - stopped_at < timedelta(minutes=1)  # threads that wait move the clock on
    assert told.transaction.ended_at is not None
    assert told.transaction.ended_at - stopped_at < timedelta(minutes=2)
    bad_day.row(
        area="S3",
        day="Stop while the bucket is out of reach",
        message=told.receipt.splitlines()[0],
        left="; ".join(map(whatever, told.transaction.left_behind)),
    )


def _until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_store_says_that_it_got_other_bytes(world: World, s3: TroubledS3, bad_day: BadDay) -> None:
    wrong = (400, "BadDigest", "The CRC64NVME you specified did not match the calculated checksum.")
    s3.refuse(lambda asked: asked.is_part and work(asked), wrong)
    told = world.protect()
    assert world.left() == []
    receipts_row(bad_day, "wrong checksum told by the store", told)


def test_an_object_was_changed_in_the_bucket_before_it_was_verified(
    world: World, s3: TroubledS3, bad_day: BadDay
) -> None:
    def spoil() -> None:
        client, bucket = world.peer.client, world.peer.bucket
        for each in client.list_objects_v2(Bucket=bucket).get("Contents", []):
            if each["Key"].endswith("-flat.vmdk"):
                client.put_object(Bucket=bucket, Key=each["Key"], Body=b"\0" * each["Size"])

    s3.refuse(lambda asked: asked.method == "HEAD" and "flat.vmdk" in asked.path, (503, "", ""), times=1, then=spoil)
    told = world.protect()
    assert "must not be used" in told.receipt
    assert world.left() == []
    receipts_row(bad_day, "wrong checksum found when verified", told)


def test_the_clock_of_this_machine_is_wrong(world: World, s3: TroubledS3, bad_day: BadDay) -> None:
    skewed = (403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
    s3.refuse(lambda _asked: True, skewed)
    told = world.protect()
    assert "set it, best by NTP" in told.receipt
    assert "rights" not in told.receipt
    receipts_row(bad_day, "clock skew", told)


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using another endpoint."),
        (400, "AuthorizationHeaderMalformed", "The region 'us-east-1' is wrong; expecting 'eu-central-1'."),
    ],
)
def test_the_bucket_is_in_another_region(
    world: World, s3: TroubledS3, bad_day: BadDay, status: int, code: str, said: str
) -> None:
    s3.refuse(lambda _asked: True, (status, code, said))
    told = world.protect()
    assert "correct the target's region" in told.receipt.lower()
    receipts_row(bad_day, f"bucket in another region ({code})", told)


def test_the_store_refuses_multipart_uploads(world: World, s3: TroubledS3, bad_day: BadDay) -> None:
    refused = (501, "NotImplemented", "A header you provided implies functionality that is not implemented.")
    s3.refuse(lambda asked: "uploads" in asked.path and work(asked) and asked.method == "POST", refused)
    told = world.protect()
    assert world.left() == []
    receipts_row(bad_day, "multipart refused", told)


def test_the_disk_of_the_store_is_full(world: World, s3: TroubledS3, bad_day: BadDay) -> None:
    full = (507, "XMinioStorageFull", "Storage backend has reached its minimum free drive threshold.")
    s3.refuse(lambda asked: asked.is_part and work(asked), full)
    told = world.protect()
    assert "full" in told.receipt.lower()
    assert world.left() == []
    receipts_row(bad_day, "disk of the store full", told)


def test_the_quota_of_the_bucket_is_reached(world: World, s3: TroubledS3, bad_day: BadDay) -> None:
    s3.refuse(lambda asked: asked.is_part and work(asked), (403, "QuotaExceeded", "The bucket's quota is used up."))
    told = world.protect()
    assert "rights" not in told.receipt
    assert world.left() == []
    receipts_row(bad_day, "quota of the bucket used up", told)


def test_the_bucket_is_removed_in_the_middle(world: World, s3: TroubledS3, bad_day: BadDay) -> None:
    gone = (404, "NoSuchBucket", "The specified bucket does not exist")
    seen: list[int] = []

    def after_the_first_part(asked: Asked) -> bool:
        seen.append(1 if asked.is_part and work(asked) else 0)
        return sum(seen) > 1

    s3.refuse(after_the_first_part, gone)
    told = world.protect()
    assert "no such bucket" in told.receipt.lower()
    assert told.transaction.left_behind == ()
    receipts_row(bad_day, "bucket removed in the middle of an upload", told, whatever)
