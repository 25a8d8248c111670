"""A deep verification: every byte is read, damage is named by file and offset, and what was found is kept."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bot.choosing import choose
from bot.errors import RequesterError
from bot.model import Proof, ProofKind, RestoreRequest, State, Transaction
from bot.proofs import standings
from bot.rebuilding import rebuild
from tests.memory import Crash
from tests.workflow.house import ALICE, DISK, OPS, PART, House
from tests.workflow.test_approvals import BOB, GRANTS, click
from tests.workflow.test_upload_window import Window, run
from tests.workflow.test_verify import disk_key, receipt


@pytest.fixture(autouse=True)
def digests_of_small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.lane.is_worth_digests", lambda file, _target: file.size > PART)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def asked(house: House, text: str = "last", key: str = "v", *, deep: bool = True) -> Transaction:
    return house.service.verify(text, ALICE, request_key=key, place=OPS, deep=deep)


def verified(house: House, text: str = "last", key: str = "v", *, deep: bool = True) -> Transaction:
    transaction = asked(house, text, key, deep=deep)
    house.dispatch()
    house.engine.run_all()
    return house.read(transaction.id)


def proofs(house: House, point: Transaction) -> tuple[Proof, ...]:
    with house.db.read() as unit:
        return unit.proofs.of([point.id])


def rotted(house: House, point: Transaction, *offsets: int) -> None:
    """The store's checksum stays as it was, the bytes do not."""
    store, key = house.targets["s3"], disk_key(point)
    body = bytearray(store.objects[key])
    for offset in offsets:
        body[offset] ^= 0xFF
    good = store.objects[key]
    ask = store.head

    def head(asked_for: str):  # type: ignore[no-untyped-def]
        if asked_for != key:
            return ask(asked_for)
        store.objects[key] = good
        try:
            return ask(asked_for)
        finally:
            store.objects[key] = bytes(body)

    store.objects[key] = bytes(body)
    store.head = head  # type: ignore[method-assign,assignment]


def test_every_byte_of_every_object_is_read_and_that_is_told(house: House) -> None:
    point = house.protect()
    store = house.targets["s3"]
    store.given.clear()
    done = verified(house)
    assert done.state is State.SUCCEEDED
    ranges = [(offset, length) for key, offset, length in store.given if key == disk_key(point)]
    assert sum(length for _offset, length in ranges) == len(DISK)
    assert max(length for _offset, length in ranges) <= PART
    told = receipt(house, done)
    assert "read, every block as it was" in dict(told["facts"])["Read back"]
    (proof,) = proofs(house, point)
    assert (proof.kind, proof.is_good, proof.run) == (ProofKind.READ_BACK, True, done.id)
    with house.db.read() as unit:
        (row,) = [row for row in unit.audit.list(transaction_id=done.id) if row.action == "proof"]
    assert (row.body["kind"], row.body["result"]) == ("read back", "good")
    assert house.left() == []


def test_what_the_stores_checksum_does_not_show_is_named_by_file_and_offset(house: House) -> None:
    point = house.protect()
    rotted(house, point, 3 * PART + 1, 4 * PART, 9 * PART + 5)
    assert verified(house, key="1", deep=False).state is State.SUCCEEDED
    done = verified(house, point.id, key="2")
    assert done.state is State.FAILED
    why = receipt(house, done)["why"]
    assert f"vm01-flat.vmdk at byte {3 * PART} ({2 * PART} bytes); vm01-flat.vmdk at byte {9 * PART} ({PART} by" in why
    assert receipt(house, done)["headline"] == "The recovery point of vm01 is damaged"
    newest, older = proofs(house, point)
    assert (older.kind, older.is_good) == (ProofKind.CHECKSUMS, True)
    assert [(each.offset, each.length) for each in newest.damage] == [(3 * PART, 2 * PART), (9 * PART, PART)]
    # checksums, asked once more, do not take that back
    assert verified(house, point.id, key="3", deep=False).state is State.SUCCEEDED
    with pytest.raises(RequesterError, match=f"{point.id} is damaged, as {done.id} found"), house.db.read() as unit:
        choose(unit, RestoreRequest(what="vm01"), house.clock.now())


def test_without_digests_the_checksum_of_the_whole_tells(house: House) -> None:
    point = house.protect()
    store = house.targets["s3"]
    for key in [key for key in store.objects if "/blocks/" in key]:
        del store.objects[key]
    done = verified(house, key="1")
    assert done.state is State.SUCCEEDED
    assert "only the CRC-64 of the whole file tells" in dict(receipt(house, done)["facts"])["Mind"]
    rotted(house, point, 5)
    done = verified(house, point.id, key="2")
    assert "vm01-flat.vmdk at byte 0 (768 bytes): together its bytes have CRC-64" in receipt(house, done)["why"]


def test_an_object_that_is_gone_or_shorter_is_damage_too(house: House) -> None:
    point = house.protect()
    del house.targets["s3"].objects[disk_key(point)]
    assert verified(house, point.id).state is State.FAILED
    (proof,) = proofs(house, point)
    assert (proof.kind, proof.is_damaged) == (ProofKind.CHECKSUMS, True)  # asked before anything was read


def test_a_target_that_refuses_says_nothing_of_the_recovery_point(house: House) -> None:
    from bot.errors import DeniedError

    point = house.protect()

    def refuse(call: str) -> None:
        if call.endswith("get_into"):
            raise DeniedError("AccessDenied", system="s3")

    house.watch(refuse)
    assert verified(house).state is State.FAILED
    assert proofs(house, point) == ()


def test_damage_in_one_target_passes_over_that_target_alone(tmp_path: Path) -> None:
    house = House(tmp_path, targets=("s3", "other"))
    point = house.protect(targets=("s3", "other"))
    rotted(house, point, 5)
    done = verified(house)
    assert done.state is State.PARTIAL
    with house.db.read() as unit:
        for what in ("vm01", point.id):
            chosen = choose(unit, RestoreRequest(what=what), house.clock.now())
            assert chosen.targets == ("other",)
            assert chosen.passed == (f"{point.id} is damaged in s3, as {done.id} found",)
        found = standings(unit.proofs.of([point.id]))
    assert found[point.id, "s3"].damage
    assert found[point.id, "other"].verified


def test_it_waits_for_the_hours_of_its_targets_and_goes_on_where_it_was(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.readback.KEEP_BYTES", 2 * PART)
    point = house.protect()
    window = Window(house)
    store = house.targets["s3"]
    store.given.clear()

    def shut(call: str) -> None:
        if call.endswith("get_into done") and len(store.given) == 8:
            window.shut(timedelta(hours=1))

    house.watch(shut)
    transaction = asked(house)
    run(house)
    assert house.read(transaction.id).state is State.QUEUED
    house.watch(lambda _call: None)
    window.pass_by()
    run(house)
    assert house.read(transaction.id).state is State.SUCCEEDED
    read = sum(length for key, _offset, length in store.given if key == disk_key(point))
    assert len(DISK) <= read <= len(DISK) + 2 * PART
    with house.db.read() as unit:
        assert unit.parts.of(transaction.id, "verify:s3", disk_key(point)) == {}


@pytest.mark.parametrize("death", [3, 9, 15])
def test_a_death_while_it_reads_costs_only_what_was_not_kept(
    house: House, monkeypatch: pytest.MonkeyPatch, death: int
) -> None:
    monkeypatch.setattr("bot.readback.KEEP_BYTES", PART)
    point = house.protect()
    transaction = asked(house)
    house.dispatch()
    store = house.targets["s3"]
    store.given.clear()

    def die(call: str) -> None:
        if call.endswith("get_into done") and len(store.given) == death:
            raise Crash(call)

    house.watch(die)
    with pytest.raises(Crash):
        house.engine.run_all()
    house.watch(lambda _call: None)
    house.engine.run_all()
    assert house.read(transaction.id).state is State.SUCCEEDED
    assert [proof.is_good for proof in proofs(house, point)] == [True]


# --- what only a rebuild knows ---


def rebuilt(tmp_path: Path, policy: object = None) -> tuple[House, str]:
    """A machine that never saw the backup, with a catalogue made of the bucket alone."""
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old = House(tmp_path / "old")
    point = old.protect()
    house = House(tmp_path / "new", policy=policy)  # type: ignore[arg-type]
    store, new = old.targets["s3"], house.targets["s3"]
    new.objects, new.etags, new.metadata = dict(store.objects), dict(store.etags), dict(store.metadata)
    rebuild(house.db, new)
    return house, point.id


@pytest.mark.parametrize("part", [lambda point: point, lambda point: point[-6:]])
def test_a_recovery_point_that_only_a_rebuild_knows_is_verified(tmp_path: Path, part: Callable[[str], str]) -> None:
    house, point = rebuilt(tmp_path)
    done = verified(house, part(point))
    assert done.state is State.SUCCEEDED
    assert done.vm == "vm01"
    assert done.request["point"] == point
    again = verified(house, "last", key="2")  # the last is about that recovery point
    assert again.request["point"] == point
    assert house.service.again  # a failed one may be asked for anew
    house.targets["s3"].objects[f"{point}/tintri/{point}/vm01/vm01-flat.vmdk"] = b"other"
    failed = verified(house, point, key="3")
    assert failed.state is State.FAILED
    anew = house.service.again.retry(failed.id, ALICE, request_key="4", place=OPS)
    assert anew.request == {"point": point, "is_deep": True}


def test_a_recovery_point_that_only_a_rebuild_knows_is_deleted_by_approval(tmp_path: Path) -> None:
    from bot.policy import Policy

    house, point = rebuilt(tmp_path, Policy(grants=GRANTS))
    deletion = house.service.delete(point[-6:], ALICE, request_key="d", place=OPS)
    house.dispatch()
    assert house.read(deletion.id).state is State.AWAITING_APPROVAL
    click(house, deletion, BOB)
    house.dispatch()
    house.dispatch()
    house.engine.run_all()
    assert house.read(deletion.id).state is State.SUCCEEDED
    assert [key for key in house.targets["s3"].objects if key.startswith(point)] == []
    with house.db.read() as unit:
        assert unit.points.containing(point) == ()


def test_what_may_be_done_with_it_is_told_too(tmp_path: Path) -> None:
    from bot.opinions import Question

    house, point = rebuilt(tmp_path)
    (opinion,) = house.service.opinions_on(Question(command="verify", id=point[-6:]), ALICE)
    assert opinion.verdict.allowed
    assert opinion.asked == "verify vm01 to s3"
