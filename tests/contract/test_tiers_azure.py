"""Blobs that go into another tier, as Azure does it and Azurite does not: versions, locks, what is not listed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.errors import CloudyError, IntegrityError, PermanentError
from bot.model import ObjectInfo
from tests.contract.test_azure_wire import OK, Answer, fake, open_store, refusal

KNOWN = ObjectInfo(key="run/a", size=5, etag="0x1")
DONE: Answer = (200, {}, "")


def facts(tier: str = "", **more: str) -> Answer:
    told = {"Content-Length": "5", "x-ms-blob-type": "BlockBlob"} | ({"x-ms-access-tier": tier} if tier else {})
    return 200, told | {name.replace("_", "-"): value for name, value in more.items()}, ""


def test_where_versions_are_kept_the_version_that_was_looked_at_is_moved_and_none_is_made() -> None:
    seen = [facts("Hot", x_ms_version_id="1"), facts("Cold", x_ms_version_id="1")]
    with fake(HEAD_blob=seen, PUT_tier_version=[DONE]) as server:
        assert open_store(server).retier(KNOWN, "Cold").storage_class == "Cold"
        assert server.asked == ["HEAD blob", "PUT tier version", "HEAD blob"]
        assert server.headers[1]["x-ms-access-tier"] == "Cold"


def test_what_is_locked_is_moved_in_place_and_stays_locked() -> None:
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    lock = {"x_ms_immutability_policy_until_date": until.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    with fake(HEAD_blob=[facts("Hot", **lock), facts("Archive", **lock)], PUT_tier=[DONE]) as server:
        moved = open_store(server).retier(KNOWN, "Archive")
    assert (moved.locked_until, moved.is_archived) == (until, True)


def test_an_archived_blob_whose_blocks_are_not_listed_has_no_checksum() -> None:
    marks = {"x_ms_meta_cloudy_crc64": "0" * 16, "x_ms_meta_cloudy_parts": "1"}
    with fake(HEAD_blob=[facts("Archive", **marks)], GET_blocklist=[refusal(409, "BlobArchived")]) as server:
        info = open_store(server).head("run/a")
    assert (info.is_archived, info.crc64, info.size) == (True, None, 5)


@pytest.mark.parametrize(
    ("after", "kind", "told"),
    [
        (facts("Hot"), PermanentError, "keeps it in Hot"),
        (facts("Cold", ETag='"0x2"'), IntegrityError, "etag 0x2"),
    ],
    ids=["another tier", "another blob"],
)
def test_what_is_there_afterwards_is_looked_at(after: Answer, kind: type[CloudyError], told: str) -> None:
    with fake(HEAD_blob=[facts("Hot"), after], PUT_tier=[DONE]) as server, pytest.raises(kind, match=told):
        open_store(server).retier(KNOWN, "Cold")


def test_a_tier_that_the_account_does_not_have_is_told() -> None:
    said = refusal(400, "InvalidHeaderValue", "The tier is not there in accounts of ZRS.")
    with fake(HEAD_blob=[facts("Hot")], PUT_tier=[said]) as server:
        with pytest.raises(PermanentError, match="not there in accounts of ZRS"):
            open_store(server).retier(KNOWN, "Archive")
        assert server.asked == ["HEAD blob", "PUT tier"]


def test_another_blob_is_not_moved() -> None:
    with fake(HEAD_blob=[facts("Hot")], PUT_tier=[OK]) as server:
        with pytest.raises(IntegrityError, match="0x1"):
            open_store(server).retier(replace(KNOWN, etag="0x9"), "Cold")
        assert server.asked == ["HEAD blob"]
