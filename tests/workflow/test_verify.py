"""Verify on memory adapters: what a good, a damaged and a lost recovery point is told to be; what the audit shows."""

import sqlite3
from pathlib import Path

import pytest

from bot.errors import NotFound, RequesterError, UsageError
from bot.model import Actor, Json, State, Transaction
from handlers import history
from tests.memory import MemoryStore
from tests.workflow.house import DISK, OPS, House

BOB = Actor(id="U_BOB", name="bob", source="slack")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def verify(house: House, text: str = "last", key: str = "v1") -> Transaction:
    asked = house.service.verify(text, BOB, request_key=key, place=OPS)
    house.dispatch()
    house.engine.run_all()
    return house.read(asked.id)


def receipt(house: House, transaction: Transaction) -> Json:
    with house.db.read() as unit:
        message = unit.outbox.get(f"{transaction.id}:receipt")
    assert message is not None
    return message.view


def disk_key(protected: Transaction) -> str:
    return f"{protected.id}/tintri/{protected.id}/vm01/vm01-flat.vmdk"


def test_a_good_recovery_point_is_told_good_in_a_thread_of_its_own(house: House) -> None:
    protected = house.protect()
    before = dict(house.targets["s3"].objects)
    done = verify(house)
    assert done.state is State.SUCCEEDED
    told = receipt(house, done)
    facts = dict(told["facts"])
    assert told["headline"] == "The recovery point of vm01 is good in s3"
    assert facts["Recovery point"] == protected.id
    assert facts["Verified by"] == "s3: store's checksum"
    assert facts["Objects"].startswith("s3: 4 objects")
    assert told["buttons"] == ["audit"]
    assert house.targets["s3"].objects == before
    assert house.left() == []
    assert house.read(protected.id).state is State.SUCCEEDED


def test_a_damaged_object_is_named_and_the_next_step_is_to_protect_anew(house: House) -> None:
    protected = house.protect()
    house.targets["s3"].objects[disk_key(protected)] = DISK[:-1] + b"\x00"
    done = verify(house)
    told = receipt(house, done)
    assert done.state is State.FAILED
    assert told["headline"] == "The recovery point of vm01 is damaged"
    assert "vm01-flat.vmdk" in told["why"]
    assert told["next"].startswith("Do not restore from it")
    assert told["next"].endswith("/protect vm01 to s3")
    assert told["buttons"] == ["retry", "audit"]


def test_every_object_that_is_lost_is_named(house: House) -> None:
    protected = house.protect()
    for name in ("vm01-flat.vmdk", "vm01.nvram"):
        del house.targets["s3"].objects[disk_key(protected).replace("vm01-flat.vmdk", name)]
    told = receipt(house, verify(house))
    assert "vm01-flat.vmdk" in told["why"]
    assert "vm01.nvram" in told["why"]


def test_without_its_manifest_there_is_no_recovery_point(house: House) -> None:
    protected = house.protect()
    del house.targets["s3"].objects[f"{protected.id}/manifest.json"]
    told = receipt(house, verify(house))
    assert "there is no recovery point" in told["why"]


def test_where_the_stores_checksum_is_no_proof_every_byte_is_read_back(tmp_path: Path) -> None:
    house = House(tmp_path)
    weak = MemoryStore("s3", checks_crc=False)
    house.targets["s3"] = house.systems._targets["s3"] = weak
    protected = house.protect()
    facts = dict(receipt(house, verify(house))["facts"])
    assert facts["Verified by"] == "s3: read back"
    weak.objects[disk_key(protected)] = DISK[:-1] + b"\x00"
    told = receipt(house, verify(house, key="v2"))
    assert told["headline"] == "The recovery point of vm01 is damaged"
    assert told["why"].startswith("Read back:")


def test_one_bad_target_of_two_is_told_and_the_other_is_good(tmp_path: Path) -> None:
    house = House(tmp_path, targets=("s3", "other"))
    protected = house.protect(targets=("s3", "other"))
    del house.targets["other"].objects[disk_key(protected)]
    done = verify(house)
    told = receipt(house, done)
    assert done.state is State.PARTIAL
    assert dict(told["facts"])["Good in"] == "s3"
    assert told["why"].startswith("Compare checksums: other:")
    assert told["next"].endswith(f"/cloudy verify {protected.id}")


def test_verify_of_the_last_means_the_recovery_point_that_the_last_was_about(house: House) -> None:
    protected = house.protect()
    verify(house)
    again = verify(house, "last", key="v2")
    assert again.request == {"point": protected.id}


def test_the_same_click_delivered_twice_is_one_verify(house: House) -> None:
    house.protect()
    first = house.service.verify("last", BOB, request_key="same", place=OPS)
    assert house.service.verify("last", BOB, request_key="same", place=OPS).id == first.id


@pytest.mark.parametrize(("text", "error"), [("zzzz", NotFound), ("z", UsageError)])
def test_what_names_no_transaction_is_refused_and_audited(house: House, text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        house.service.verify(text, BOB, request_key="v", place=OPS)
    with house.db.read() as unit:
        assert [row.body["text"] for row in unit.audit.list() if row.action == "refused"] == [f"verify {text}"]


def test_a_transaction_without_a_recovery_point_is_refused_in_words(house: House) -> None:
    asked = house.ask()
    with pytest.raises(RequesterError) as error:
        house.service.verify("last", BOB, request_key="v", place=OPS)
    assert error.value.message == (
        f"{asked.id} (protect: planning) has no recovery point. /recovery-points <vm> lists them."
    )


def test_a_stop_ends_a_verify_and_nothing_is_said_of_the_vm_being_protected(house: House) -> None:
    house.protect()
    asked = house.service.verify("last", BOB, request_key="v1", place=OPS)
    house.dispatch()

    def stop(call: str) -> None:
        if call.endswith("head"):
            house.clock.sleep(1.0)
            house.service.stop(asked.id, BOB, request_key="stop")

    house.watch(stop)
    house.engine.run_all()
    assert house.read(asked.id).state is State.STOPPED
    told = receipt(house, house.read(asked.id))
    assert told["headline"] == "Stopped by bob; the recovery point of vm01 is not verified by this run"


def test_the_receipt_of_a_protection_tells_keys_checksum_and_offers_verify_and_audit(house: House) -> None:
    protected = house.protect()
    told = receipt(house, protected)
    facts = dict(told["facts"])
    with house.db.read() as unit:
        crc = {file.name: file.crc64 for file in unit.files.of(protected.id, "s3")}["vm01-flat.vmdk"]
    assert facts["Manifest"] == f"s3: {protected.id}/manifest.json"
    assert facts["Prefix"] == f"{protected.id}/"
    assert facts["CRC-64/NVME"] == f"vm01-flat.vmdk {crc:016x}"
    assert told["buttons"] == ["verify", "restore", "audit"]


def test_of_many_disks_the_manifests_checksum_is_told(house: House) -> None:
    for number in range(4):
        house.share.files[f"vm01/data{number}-flat.vmdk"] = DISK
        descriptor = house.share.files["vm01/vm01.vmdk"].replace(b"vm01-flat", f"data{number}-flat".encode())
        house.share.files[f"vm01/data{number}.vmdk"] = descriptor
    facts = dict(receipt(house, house.protect())["facts"])
    assert facts["Manifest's CRC-64/NVME"].startswith("s3: ")
    assert "CRC-64/NVME" not in facts


def test_the_audit_of_a_transaction_tells_who_what_when_and_that_its_rows_are_unchanged(house: House) -> None:
    protected = house.protect()
    found = house.service.audit_of("last")
    card = history.audit(found)
    lines = [item for _, items in card.lists for item in items]
    assert found.transaction.id == protected.id
    assert "alice · command: command protect, vm vm01" in lines[0]
    assert any("· alice · upload complete ·" in line for line in lines)
    assert all(line.endswith(row.hash[:8]) for line, row in zip(lines, found.rows, strict=True))
    assert card.closing[0].startswith(f"Each of these {len(found.rows)} rows is as it was written")


def test_a_row_that_was_changed_is_told_with_the_audit_of_its_transaction_and_of_no_other(
    house: House, tmp_path: Path
) -> None:
    house.protect()
    (row, *_) = house.service.audit_of("last").rows
    with sqlite3.connect(tmp_path / "cloudy.db") as raw:
        raw.execute("DROP TRIGGER audit_never_changed")
        raw.execute("UPDATE audit SET actor_name = 'mallory' WHERE seq = ?", (row.seq,))
    assert f"Row {row.seq} was changed" in history.audit(house.service.audit_of("last")).closing[0]
    house.protect(key="again")
    assert "as it was written" in history.audit(house.service.audit_of("last")).closing[0]


def test_why_tells_cause_undone_left_and_next_of_a_failure_and_of_a_success_that_nothing_failed(house: House) -> None:
    house.array.fails_clones = "ERR-API-3213 clone workflow task failed"
    house.protect()
    card = history.why(*house.service.show("last")[:2])
    assert card.title == "vm01 is not protected: Clone failed"
    assert "ERR-API-3213" in card.lines[0]
    assert any(heading == "Undone" for heading, _ in card.lists)
    assert card.closing[0] == "Nothing is left behind."
    assert card.closing[1].startswith("Next: ")
    assert [task.id for task in card.tasks] == ["clone"]
    assert card.more == ()
    house.array.fails_clones = ""
    house.protect(key="again")
    assert history.why(*house.service.show("last")[:2]).lines == ("Nothing failed.",)


def test_status_of_one_transaction_tells_its_step(house: House) -> None:
    lines: list[str] = []

    def look(call: str) -> None:
        if call.endswith("put_part") and not lines:
            lines.extend(history.status(*house.service.show("last")[:2]).lines)

    house.watch(look)
    house.protect()
    assert lines == ["7/10 Upload"]


def test_a_retry_of_a_failed_verify_looks_anew(house: House) -> None:
    protected = house.protect()
    content = house.targets["s3"].objects.pop(disk_key(protected))
    failed = verify(house)
    house.targets["s3"].objects[disk_key(protected)] = content
    asked = house.service.again.retry(failed.id, BOB, request_key="retry", place=OPS)
    house.dispatch()
    house.engine.run_all()
    assert asked.id != failed.id
    assert house.read(asked.id).state is State.SUCCEEDED
