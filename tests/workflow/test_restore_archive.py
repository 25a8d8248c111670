"""A recovery point in an archive is brought back: asked for once, waited for without holding anything, told."""

from datetime import timedelta
from pathlib import Path

import pytest
from azure.storage.blob import StandardBlobTier

from bot.errors import DeniedError, TransientError
from bot.model import Price, State, Transaction
from bot.ports import ObjectStore
from bot.prices import Prices
from integrations.objectstores import OPENERS
from tests import azurite, peers
from tests.memory import Crash, CrashAt
from tests.workflow.house import ALICE, House
from tests.workflow.test_restore import KEPT, asked, files_in, left, protected, view

HALF = timedelta(minutes=31)


def frozen(folder: Path, targets: tuple[str, ...] = ("s3",)) -> tuple[House, Transaction]:
    house, point = protected(folder, targets)
    store = house.targets["s3"]
    store.archived = {key for key in store.objects if key.startswith(point.id) and not key.endswith("/manifest.json")}
    store.is_slow = True
    return house, point


def run(house: House) -> None:
    house.dispatch()
    house.engine.run_all()


def told(house: House, transaction: Transaction) -> list[str]:
    with house.db.read() as unit:
        found = [unit.outbox.get(key) for key in sorted(unit.outbox.keys_under(f"{transaction.id}:milestone:archive"))]
    return [str(message.view["text"]) for message in found if message]


def test_it_waits_with_nothing_held_and_goes_on_when_all_is_back(tmp_path: Path) -> None:
    house, _point = frozen(tmp_path)
    store, wanted = house.targets["s3"], set(house.targets["s3"].archived)
    transaction = asked(house)
    run(house)
    waits = house.read(transaction.id)
    assert waits.state is State.QUEUED
    assert sorted(store.asked_back) == sorted(wanted)
    assert house.array.open_sessions == 0
    assert left(house) == []
    (said,) = told(house, transaction)
    assert "GLACIER" in said
    assert "back by 17:00 UTC on 25 Nov" in said
    assert view(house, transaction, "root")["line"].startswith("Waiting for the archive, until 17:00 UTC on 25 Nov")
    run(house)  # it is not the time to look yet
    house.clock.sleep(HALF.total_seconds())
    run(house)  # and nothing is back
    assert sorted(store.asked_back) == sorted(wanted)
    store.archived.clear()
    house.clock.sleep(HALF.total_seconds())
    run(house)
    done = house.read(transaction.id)
    assert done.state is State.SUCCEEDED
    assert files_in(house, "vm01-restored") == KEPT
    assert f"{len(wanted)} objects" in dict(view(house, done, "receipt")["facts"])["Back from the archive"]
    assert len(told(house, transaction)) == 1


def test_digests_alone_are_not_waited_for(tmp_path: Path) -> None:
    house, _point = frozen(tmp_path)
    house.share.files = {"other/other.vmx": b""}
    store = house.targets["s3"]
    store.archived = {key for key in store.archived if "/blocks/" in key}
    assert store.archived
    transaction = asked(house)
    run(house)
    assert house.read(transaction.id).state is State.SUCCEEDED
    assert store.asked_back == []


def test_the_plan_says_the_class_how_long_and_what_it_costs(tmp_path: Path) -> None:
    house, _point = frozen(tmp_path)
    transaction = asked(house)
    house.dispatch()
    (warning,) = [each for each in house.read(transaction.id).plan["warnings"] if "archive" in each]
    assert "(GLACIER)" in warning
    assert "up to 5 h" in warning
    assert "price is not known" in warning


def test_what_bringing_back_costs_is_told_by_the_list_price_alone() -> None:
    listed = Prices({"s3": Price(storage=0.023, listed="AWS, S3 Standard, us-east-1, 2026-11")})
    assert listed.thaw("s3", 10, 100 << 30, ("GLACIER",)) == "about 1.00 USD"
    assert listed.thaw("s3", 10, 100 << 30, ("DEEP_ARCHIVE", "GLACIER")) == "about 2.00 USD"
    assert listed.thaw("s3", 10, 100 << 30, ("ODD",)) == ""
    assert Prices({"s3": Price(storage=0.1)}).thaw("s3", 10, 1 << 30, ("GLACIER",)) == ""
    assert listed.thaw("other", 1, 1, ("GLACIER",)) == ""


def test_a_target_that_has_it_at_hand_goes_before_the_archive(tmp_path: Path) -> None:
    house, _point = frozen(tmp_path, ("s3", "azure"))
    transaction = asked(house)
    run(house)
    done = house.read(transaction.id)
    assert (done.state, done.settled["target"]) == (State.SUCCEEDED, "azure")
    assert "s3 is not taken: it lies in an archive" in done.plan["warnings"]
    assert house.targets["s3"].asked_back == []


def test_a_stop_ends_the_wait_at_once(tmp_path: Path) -> None:
    house, _point = frozen(tmp_path)
    transaction = asked(house)
    run(house)
    house.service.stop(transaction.id, ALICE, request_key="stop")
    run(house)
    assert house.read(transaction.id).state is State.STOPPED
    assert files_in(house, "vm01-restored") == {}
    assert left(house) == []


def test_who_waits_is_reminded_each_half_day_and_told_that_it_is_late(tmp_path: Path) -> None:
    house, _point = frozen(tmp_path)
    transaction = asked(house)
    for _ in range(60):
        run(house)
        house.clock.sleep(HALF.total_seconds())
    said = told(house, transaction)
    assert len(said) == 3
    assert "is late" in said[-1]


def test_an_outage_of_the_target_ends_no_wait(tmp_path: Path) -> None:
    house, _point = frozen(tmp_path)
    transaction = asked(house)
    run(house)

    def silent(call: str) -> None:
        if call in ("s3.get", "s3.head"):
            raise TransientError("s3 does not answer", system="s3")

    house.watch(silent)
    house.clock.sleep(HALF.total_seconds())
    run(house)
    house.watch(lambda _call: None)
    assert house.read(transaction.id).state is State.QUEUED
    house.targets["s3"].archived.clear()
    house.clock.sleep(HALF.total_seconds())
    run(house)
    assert house.read(transaction.id).state is State.SUCCEEDED


def test_what_may_not_be_asked_for_fails_with_the_reason_and_nothing_stays(tmp_path: Path) -> None:
    house, _point = frozen(tmp_path)

    def refuse(call: str) -> None:
        if call == "s3.thaw":
            raise DeniedError("AccessDenied: s3:RestoreObject", system="s3")

    transaction = asked(house)
    house.watch(refuse)
    run(house)
    house.watch(lambda _call: None)
    failed = house.read(transaction.id)
    assert failed.state is State.FAILED
    assert failed.failure is not None
    assert "s3:RestoreObject" in failed.failure.what
    assert left(house) == []


def test_what_is_archived_again_while_it_was_held_is_brought_back_once_more(tmp_path: Path) -> None:
    house, point = protected(tmp_path)
    house.share.files = {"other/other.vmx": b""}
    transaction, store = asked(house), house.targets["s3"]
    house.dispatch()
    store.is_slow = True

    def freeze(call: str) -> None:
        if call == "share.create" and not store.asked_back:
            store.archived = {key for key in store.objects if key.startswith(point.id) and "manifest" not in key}

    house.watch(freeze)
    house.engine.run_all()
    house.watch(lambda _call: None)
    assert house.read(transaction.id).state is State.QUEUED
    store.archived.clear()
    house.clock.sleep(HALF.total_seconds())
    run(house)
    assert house.read(transaction.id).state is State.SUCCEEDED
    assert files_in(house, "vm01-restored") == KEPT
    assert left(house) == []


def test_a_death_at_any_call_before_and_while_it_waits_asks_anew_at_most(tmp_path: Path) -> None:
    for nth in range(1, 40, 9):
        folder = tmp_path / str(nth)
        folder.mkdir()
        house, _point = frozen(folder)
        transaction = asked(house)
        house.dispatch()
        house.watch(CrashAt(nth))
        try:
            house.engine.run_all()
        except Crash:
            house.watch(lambda _call: None)
            house.engine.run_all()
        house.watch(lambda _call: None)
        assert house.read(transaction.id).state is State.QUEUED
        house.targets["s3"].archived.clear()
        house.clock.sleep(HALF.total_seconds())
        run(house)
        assert house.read(transaction.id).state is State.SUCCEEDED, nth
        assert files_in(house, "vm01-restored") == KEPT
        house.db.close()


@pytest.fixture(autouse=True)
def digests_of_small_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.lane._WORTH_DIGESTS", 1)


def with_store(folder: Path, store: ObjectStore) -> tuple[House, Transaction]:
    """A recovery point in a store that is not of these tests; the VM is gone from the VMstore."""
    house = House(folder)
    house.systems._targets["s3"] = store  # type: ignore[assignment]
    point = house.protect()
    assert point.state is State.SUCCEEDED, point.failure
    house.share.files = {"other/other.vmx": b""}
    return house, point


def test_s3_gives_back_what_glacier_has(tmp_path: Path) -> None:
    with peers.moto() as peer:
        house, point = with_store(tmp_path, OPENERS["s3"]("s3", peer.url("vms"), peer.options))
        listed = peer.client.list_objects_v2(Bucket=peer.bucket, Prefix=f"vms/{point.id}/")["Contents"]
        for key in [each["Key"] for each in listed if not each["Key"].endswith("manifest.json")]:
            content = peer.client.get_object(Bucket=peer.bucket, Key=key)
            peer.client.put_object(
                Bucket=peer.bucket,
                Key=key,
                Body=content["Body"].read(),
                Metadata=content["Metadata"],
                StorageClass="DEEP_ARCHIVE",
            )
        transaction = asked(house)
        for _ in range(4):
            run(house)
            if house.read(transaction.id).state is not State.QUEUED:
                break
            assert "DEEP_ARCHIVE" in told(house, transaction)[0]
            house.clock.sleep(HALF.total_seconds())
        done = house.read(transaction.id)
        assert done.state is State.SUCCEEDED, done.failure
        assert files_in(house, "vm01-restored") == KEPT
        assert int(done.plan["rests"]) >= 1


def test_azure_gives_back_what_its_archive_has(tmp_path: Path) -> None:
    with azurite.azurite() as peer:
        house, point = with_store(tmp_path, OPENERS["azure"]("s3", peer.url("vms"), peer.options))
        for blob in list(peer.client.list_blobs(name_starts_with=f"vms/{point.id}/")):
            if not blob.name.endswith("manifest.json"):
                peer.client.get_blob_client(blob.name).set_standard_blob_tier(StandardBlobTier.ARCHIVE)
        transaction = asked(house)
        run(house)  # azurite needs no hours
        done = house.read(transaction.id)
        assert done.state is State.SUCCEEDED, done.failure
        assert files_in(house, "vm01-restored") == KEPT
