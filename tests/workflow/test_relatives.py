"""VMs of one template: the first one travels, of the others only what is their own, whichever of them is gone."""

import random
from pathlib import Path

import pytest

from bot import lane, zeros
from bot.journal import DatabaseIndex
from bot.model import Choice, RestoreRequest, State, Transaction
from tests.memory import Crash
from tests.workflow.house import ALICE, OPS, House, unwatched
from tests.workflow.stored import samples
from tests.workflow.test_delete import BOB, POLICY

GRAIN, GRAINS = 64, 300  # of a disk, in the house's grain
TEMPLATE = random.Random(0).randbytes(GRAIN * GRAINS // 2) + bytes(GRAIN * GRAINS // 2)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "_WORTH_DIGESTS", 1024)
    monkeypatch.setattr(zeros, "SIZES", (1024, 8192, 65536))


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path, policy=POLICY)
    house.share.files.clear()
    put(house, "template", TEMPLATE)
    return house


def put(house: House, name: str, disk: bytes, origin: str = "") -> None:
    """A VM as a hypervisor would make it: its disk has its own name."""
    flat = f"{name}-flat.vmdk"
    house.share.files |= {
        f"{name}/{name}.vmx": f'scsi0:0.present = "TRUE"\nscsi0:0.fileName = "{name}.vmdk"\n'.encode(),
        f"{name}/{name}.vmdk": f'# Disk DescriptorFile\ncreateType="vmfs"\nRW 1 VMFS "{flat}"\n'.encode(),
        f"{name}/{flat}": disk,
    }
    if origin:
        house.array.origins[name] = origin


def cloned(seed: int, runs: int = 3) -> bytes:
    """The template's disk with some grains of its own."""
    dice, body = random.Random(seed), bytearray(TEMPLATE)
    for _ in range(runs):
        at = dice.randrange(GRAINS - 2) * GRAIN
        body[at : at + 2 * GRAIN] = dice.randbytes(2 * GRAIN)
    return bytes(body)


def protect(house: House, name: str) -> Transaction:
    """Protected, and what lies in the target is the VM's disk."""
    transaction = house.protect(vm=name, key=f"protect {name} {len(house.targets['s3'].objects)}")
    assert transaction.state is State.SUCCEEDED
    assert held(house, transaction, name) == house.share.files[f"{name}/{name}-flat.vmdk"]
    return transaction


def held(house: House, transaction: Transaction, name: str) -> bytes:
    [key] = [
        key for key in house.targets["s3"].objects if key.startswith(transaction.id) and key.endswith("-flat.vmdk")
    ]
    assert name in key
    return house.targets["s3"].objects[key]


def share_sent(transaction: Transaction) -> float:
    return transaction.bytes.sent / transaction.bytes.read


def delete(house: House, transaction: Transaction) -> None:
    asked = house.service.delete(transaction.id, ALICE, request_key=f"delete {transaction.id}", place=OPS)
    house.look()
    approve(house, asked)
    assert house.read(asked.id).state is State.SUCCEEDED


def approve(house: House, asked: Transaction) -> None:
    with house.db.read() as unit:
        approval = unit.approvals.newest(asked.id)
    assert approval is not None
    house.service.decide(approval.token, Choice.APPROVE, BOB, request_key=f"yes to {asked.id}")
    house.dispatch()
    house.engine.run_all()


@pytest.mark.parametrize("tells_origin", [True, False], ids=["the VMstore tells the origin", "nobody tells it"])
def test_of_each_further_vm_of_a_template_little_travels(house: House, tells_origin: bool) -> None:
    template = protect(house, "template")
    assert share_sent(template) > 0.4
    for number in range(6):
        put(house, f"vm{number}", cloned(number + 1), "template" if tells_origin else "")
        transaction = protect(house, f"vm{number}")
        assert 0 < share_sent(transaction) < 0.1
        assert transaction.plan["others"]["s3"]
        if number == 2:
            delete(house, template)
            house.share.files = {path: it for path, it in house.share.files.items() if not path.startswith("template")}
    assert not [each for each in house.left() if not each.startswith(("file vm", "object .cloudy/zero/"))]


def test_a_vm_whose_template_was_never_protected_is_compared_with_another_clone(house: House) -> None:
    put(house, "vm1", cloned(1), "template")
    put(house, "vm2", cloned(2), "template")
    assert share_sent(protect(house, "vm1")) > 0.4
    assert share_sent(protect(house, "vm2")) < 0.1


def test_a_vm_of_its_own_history_is_compared_with_that(house: House) -> None:
    protect(house, "template")
    put(house, "vm1", cloned(1), "template")
    first = protect(house, "vm1")
    house.targets["s3"].copied.clear()
    again = protect(house, "vm1")
    assert "others" not in again.plan
    assert again.plan["bases"] == {"s3": first.id}
    assert {source.key.split("/")[0] for _, _, source in house.targets["s3"].copied} <= {first.id, ".cloudy"}


def test_only_a_target_without_a_recovery_point_of_the_vm_looks_at_its_relatives(tmp_path: Path) -> None:
    house = House(tmp_path, ("s3", "other"))
    house.share.files.clear()
    put(house, "template", TEMPLATE)
    template = house.protect(vm="template", targets=("s3", "other"), key="1")
    put(house, "vm1", cloned(1), "template")
    own = house.protect(vm="vm1", targets=("s3",), key="2")
    both = house.protect(vm="vm1", targets=("s3", "other"), key="3")
    assert both.plan["bases"] == {"s3": own.id}
    assert both.plan["others"] == {"other": [template.id]}
    assert both.bytes.sent < both.bytes.read * 0.1
    for name in ("s3", "other"):
        assert cloned(1) in house.targets[name].objects.values()


def test_a_disk_that_is_new_to_a_vm_is_found_elsewhere(house: House) -> None:
    put(house, "vm1", random.Random(5).randbytes(GRAIN * 40))
    protect(house, "vm1")
    protect(house, "template")
    house.share.files["vm1/vm1.vmx"] += b'scsi0:1.present = "TRUE"\nscsi0:1.fileName = "more.vmdk"\n'
    house.share.files["vm1/more.vmdk"] = b'# Disk DescriptorFile\ncreateType="vmfs"\nRW 1 VMFS "more-flat.vmdk"\n'
    house.share.files["vm1/more-flat.vmdk"] = bytes(7 * GRAIN) + TEMPLATE
    again = house.protect(vm="vm1", key="again")
    assert again.state is State.SUCCEEDED
    [key] = [key for key in house.targets["s3"].objects if key.startswith(again.id) and "more-flat" in key]
    assert house.targets["s3"].objects[key] == house.share.files["vm1/more-flat.vmdk"]
    assert share_sent(again) < 0.1


def waiting(house: House, name: str) -> Transaction:
    """One that dies while it uploads."""

    def die(told: str) -> None:
        if told == "s3.complete_upload":
            raise Crash(told)

    house.watch(die)
    transaction = house.ask(vm=name, key=name)
    house.dispatch()
    with pytest.raises(Crash):
        house.engine.run_all()
    house.watch(unwatched)
    return house.read(transaction.id)


@pytest.mark.parametrize("tells_origin", [True, False])
def test_what_a_run_copies_from_is_not_deleted_meanwhile(house: House, tells_origin: bool) -> None:
    template = protect(house, "template")
    put(house, "vm1", cloned(1), "template" if tells_origin else "")
    transaction = waiting(house, "vm1")
    assert transaction.plan["others"] == {"s3": [template.id]}
    asked = house.service.delete(template.id, ALICE, request_key="delete", place=OPS)
    house.look()
    refused = house.read(asked.id)
    assert refused.state is State.REFUSED
    assert f"{transaction.id} copies from it just now" in (refused.failure.what if refused.failure else "")
    house.engine.run_all()
    again = house.read(transaction.id)
    assert again.state is State.SUCCEEDED
    assert share_sent(again) < 0.2  # it was read twice, and what was there is not sent again
    delete(house, template)
    assert held(house, again, "vm1") == cloned(1)


def test_what_the_index_found_and_nothing_could_be_read_of_may_be_deleted(house: House) -> None:
    template = protect(house, "template")
    for key in house.targets["s3"].objects:
        if key.startswith(f"{template.id}/blocks/"):
            house.targets["s3"].objects[key] = b"garbled"
    put(house, "vm1", cloned(1))
    transaction = waiting(house, "vm1")
    assert "others" not in transaction.plan
    delete(house, template)
    house.engine.run_all()
    assert held(house, house.read(transaction.id), "vm1") == cloned(1)


def test_what_is_about_to_be_deleted_is_not_copied_from(house: House) -> None:
    template = protect(house, "template")
    asked = house.service.delete(template.id, ALICE, request_key="delete", place=OPS)
    house.look()
    assert house.read(asked.id).state is State.AWAITING_APPROVAL
    put(house, "vm1", cloned(1), "template")
    transaction = house.ask(vm="vm1", key="vm1")
    house.look()
    assert "others" not in house.read(transaction.id).plan
    approve(house, asked)
    assert house.read(asked.id).state is State.SUCCEEDED
    assert share_sent(house.read(transaction.id)) > 0.4


def read_again(house: House, point: Transaction, how: str) -> Transaction:
    """Somebody wants that recovery point, and is not done."""
    if how == "verify":
        return house.service.verify(point.id, ALICE, request_key="v", place=OPS)
    return house.service.restores.restore(RestoreRequest(what=point.id), ALICE, request_key="r", place=OPS)


@pytest.mark.parametrize("how", ["verify", "restore"])
def test_what_is_only_read_meanwhile_is_copied_from(house: House, how: str) -> None:
    template = protect(house, "template")
    reads = read_again(house, template, how)
    assert not reads.state.is_final
    again = house.ask(vm="template", key="again")
    house.look()
    assert house.read(again.id).plan["bases"] == {"s3": template.id}
    assert DatabaseIndex(house.db, house.clock, again.id).pin("s3", template.id)


def test_when_one_base_is_lost_the_others_do(house: House) -> None:
    """The template's object is damaged: what was to be copied of it is found out, and only it is avoided."""
    template = protect(house, "template")
    put(house, "vm1", cloned(1), "template")
    protect(house, "vm1")
    key = next(key for key in house.targets["s3"].objects if key.startswith(template.id) and "flat" in key)
    body = bytearray(house.targets["s3"].objects[key])
    body[::GRAIN] = bytes(len(body[::GRAIN]))
    house.targets["s3"].objects[key] = bytes(body)
    put(house, "vm2", cloned(2), "template")
    transaction = protect(house, "vm2")
    assert share_sent(transaction) < 0.1


def test_the_index_has_only_the_newest_recovery_point_of_each_vm(house: House) -> None:
    first = protect(house, "template")
    size = samples(house.db)
    assert 16 <= size <= 2 * 16 + 10
    second = protect(house, "template")
    assert samples(house.db) == size
    delete(house, first)
    assert samples(house.db) == size
    delete(house, second)
    assert samples(house.db) == 0


def test_the_manifest_and_the_catalogue_tell_the_origin(house: House) -> None:
    put(house, "vm1", cloned(1), "template")
    transaction = protect(house, "vm1")
    assert b'"origin": "template"' in house.targets["s3"].objects[f"{transaction.id}/manifest.json"]
    with house.db.read() as unit:
        [point] = unit.points.of_vm("FS-VIM-vm1")
    assert point.origin == "template"
