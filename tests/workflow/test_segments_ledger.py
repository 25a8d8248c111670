"""Temporary objects in the whole product: whatever ends a run, the ledger knows of them, and none stays."""

from collections import Counter
from pathlib import Path

import pytest

from bot import transfer
from bot.checksum import crc64
from bot.errors import PermanentError
from bot.model import PartLimits, Resource, ResourceKind, State
from bot.store import parts
from tests.memory import Crash, CrashAt
from tests.workflow.house import ALICE, DISK, PART, House

FEW = PartLimits(smallest=PART, largest=5 * PART, most=6, largest_object=30 * PART, smallest_source=PART + 1)
TEMPORARY = ".cloudy/segment/"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "LOOK_AHEAD", 2 * PART)


def house_in(folder: Path) -> House:
    folder.mkdir(exist_ok=True)
    house = House(folder)
    house.targets["s3"].limits = FEW
    return house


def joined(house: House) -> set[str]:
    return {source.key for _, _, source in house.targets["s3"].copied if source.key.startswith(TEMPORARY)}


def test_a_protection_through_segments_leaves_nothing_and_tells_the_bytes_once(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    done = house.protect()
    assert done.state is State.SUCCEEDED
    assert len(joined(house)) >= 2
    assert house.left() == []
    assert done.bytes.copied == 0
    assert done.bytes.sent == done.bytes.read
    assert any(body == DISK for body in house.targets["s3"].objects.values())
    with house.db.read() as unit:  # nor in the database: a large disk has thousands of them
        assert not unit.ledger.ever(ResourceKind.OBJECT)
        assert not [name for _, name in unit.ledger.ever(ResourceKind.UPLOAD) if name.startswith(TEMPORARY)]
        assert unit.parts.tally(done.id, "s3") == (0, 0, 0)


def test_the_requests_of_a_run_through_segments_are_those_that_were_made(tmp_path: Path) -> None:
    house, asked = house_in(tmp_path), Counter[str]()
    house.watch(lambda call: asked.update([call]))
    done = house.protect()
    kept = done.plan["requests"]["s3"]["writes"]
    calls = ("put", "put_part", "copy_part", "begin_upload", "complete_upload", "delete")
    zeros = sum(key.startswith(".cloudy/zero/") for key in house.targets["s3"].objects)
    assert kept == sum(asked[f"s3.{call}"] for call in calls) - zeros


@pytest.mark.parametrize("key", ["somebody/else", "{id}x/disk", ".cloudy/segment/20261123T120000Z-7f3k9q/0/1"])
def test_an_object_of_somebody_else_is_never_removed_whatever_the_ledger_says(tmp_path: Path, key: str) -> None:
    house = house_in(tmp_path)
    store, transaction = house.targets["s3"], house.ask()
    key = key.format(id=transaction.id)
    store.put(key, b"bytes", crc64=crc64(b"bytes"), metadata={})
    with house.db.unit() as unit:
        unit.ledger.register(
            Resource(transaction_id=transaction.id, kind=ResourceKind.OBJECT, system="s3", name=key, detail={})
        )
    house.dispatch()
    house.engine.run_all()
    done = house.read(transaction.id)
    assert key in store.objects
    assert f"{key} is no object of transaction {transaction.id}" in "".join(done.left_behind)


def test_every_temporary_object_is_promised_before_it_is_begun(tmp_path: Path) -> None:
    house, promised = house_in(tmp_path), list[bool]()

    def look(call: str) -> None:
        if call == "s3.complete_upload":
            with house.db.read() as unit:
                opened = {key for key, _ in list(house.targets["s3"].uploads.values())}
                names = {each.name for each in unit.ledger.open() if each.kind is ResourceKind.OBJECT}
            promised.append({key for key in opened if key.startswith(TEMPORARY)} <= names)

    house.watch(look)
    house.protect()
    assert promised
    assert all(promised)


def test_many_parts_are_forgotten_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SLICE", 2)
    house, slices = house_in(tmp_path), list[bool]()
    forget = parts.Parts.forget_some

    def watched(self: parts.Parts, tx_id: str, target: str) -> bool:
        slices.append(forget(self, tx_id, target))
        return slices[-1]

    monkeypatch.setattr(parts.Parts, "forget_some", watched)
    done = house.protect()
    assert slices.count(True) > 3
    assert slices[-1] is False
    with house.db.read() as unit:
        assert unit.parts.tally(done.id, "s3") == (0, 0, 0)
        assert unit.transactions.get(done.id).plan["requests"]["s3"]


def calls(folder: Path) -> int:
    house, watch = house_in(folder), CrashAt(10**9)
    house.ask()
    house.dispatch()
    house.watch(watch)
    house.engine.run_all()
    return len(watch.told)


@pytest.mark.slow
@pytest.mark.parametrize("every", [17, pytest.param(1, marks=pytest.mark.long)])
def test_a_death_at_any_call_leaves_no_temporary_object(tmp_path: Path, every: int) -> None:
    points = calls(tmp_path / "counted")
    assert points > 100
    for nth in range(0, points, every):
        house = house_in(tmp_path / str(nth))
        transaction = house.ask()
        house.dispatch()
        house.watch(CrashAt(nth))
        with pytest.raises(Crash):
            house.engine.run_all()
        house.watch(lambda _call: None)
        house.engine.run_all()
        assert house.read(transaction.id).state is State.SUCCEEDED, f"died at {nth}"
        assert house.left() == [], f"died at {nth}"
        done = house.read(transaction.id).bytes
        assert done.sent >= len(DISK), f"died at {nth}"
        assert done.copied == 0, f"died at {nth}"
        house.db.close()


@pytest.mark.parametrize("nth", [60, 75, 90])
def test_a_stop_after_a_death_in_the_middle_of_segments_leaves_nothing(tmp_path: Path, nth: int) -> None:
    house = house_in(tmp_path)
    transaction = house.ask()
    house.dispatch()
    house.watch(CrashAt(nth))
    with pytest.raises(Crash):
        house.engine.run_all()
    house.watch(lambda _call: None)
    house.service.stop(transaction.id, ALICE, request_key="stop")
    house.engine.run_all()
    assert house.read(transaction.id).state is State.STOPPED
    assert house.left() == []


@pytest.mark.parametrize("call", ["copy_part", "complete_upload", "put_part"])
def test_a_target_that_fails_in_the_middle_of_segments_leaves_nothing(tmp_path: Path, call: str) -> None:
    house, told = house_in(tmp_path), list[str]()

    def fail(each: str) -> None:
        if each == f"s3.{call}":
            told.append(each)
            if len(told) > 1:
                raise PermanentError("no room", system="s3")

    house.watch(fail)
    done = house.protect()
    assert done.state is State.FAILED
    assert house.left() == []
