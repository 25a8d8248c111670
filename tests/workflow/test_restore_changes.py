"""The world is another one when the next process goes on: a restore ends well, or says why not and leaves nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.model import State, Transaction
from tests.memory import Crash
from tests.memory_hypervisor import Host
from tests.workflow.house import House
from tests.workflow.test_restore import KEPT, asked, files_in, known, left, protected_with_host, view

NAME, FLAT = "vm01-restored", "vm01-flat.vmdk"
Change = Callable[[House, Host, Transaction], None]


class DieAt:
    """The process dies at the nth time that it is told this call."""

    def __init__(self, call: str, nth: int) -> None:
        self._call, self._left = call, nth
        self.died = False

    def __call__(self, call: str) -> None:
        self._left -= call == self._call
        if self.died or self._left <= 0:
            self.died = True
            raise Crash(call)


def died(folder: Path, call: str, nth: int = 1, **wish: object) -> tuple[House, Host, Transaction]:
    house, host = protected_with_host(folder)
    house.share.files = {path: body for path, body in house.share.files.items() if not path.endswith(FLAT)}
    transaction = asked(house, **wish)  # type: ignore[arg-type]
    house.dispatch()
    house.watch(DieAt(call, nth))
    with pytest.raises(Crash):
        house.engine.run_all()
    house.watch(lambda _call: None)
    return house, host, transaction


def hidden(transaction: Transaction) -> str:
    return f".cloudy-{transaction.id}"


def without(house: House, beginning: str) -> None:
    house.share.files = {path: body for path, body in house.share.files.items() if not path.startswith(beginning)}
    house.share.directories = {path for path in house.share.directories if not path.startswith(beginning)}


def part_is_gone(house: House, _host: Host, transaction: Transaction) -> None:
    without(house, f"{hidden(transaction)}/{FLAT}")


def folder_is_gone(house: House, _host: Host, transaction: Transaction) -> None:
    without(house, hidden(transaction))


def part_is_cut(house: House, _host: Host, transaction: Transaction) -> None:
    path = f"{hidden(transaction)}/{FLAT}.part"
    house.share.files[path] = house.share.files[path][:70]


def part_has_other_bytes(house: House, _host: Host, transaction: Transaction) -> None:
    path = f"{hidden(transaction)}/{FLAT}.part"
    house.share.files[path] = b"x" * len(house.share.files[path])


def whole_file_is_gone(house: House, _host: Host, transaction: Transaction) -> None:
    del house.share.files[f"{hidden(transaction)}/{FLAT}"]


def object_is_gone(house: House, _host: Host, _transaction: Transaction) -> None:
    store = house.targets["s3"]
    store.delete(next(key for key in store.objects if key.endswith(f"/{FLAT}")))


def manifest_is_another(house: House, _host: Host, _transaction: Transaction) -> None:
    store = house.targets["s3"]
    key = next(key for key in store.objects if key.endswith("/manifest.json"))
    store.overwrite(key, store.objects[key] + b" ")


def share_is_full(house: House, _host: Host, _transaction: Transaction) -> None:
    house.share.room = 1


def name_is_taken(house: House, _host: Host, _transaction: Transaction) -> None:
    house.share.files[f"{NAME}/theirs.vmx"] = b"theirs"


def nothing(_house: House, _host: Host, _transaction: Transaction) -> None:
    return


WELL: dict[str, tuple[str, int, Change]] = {
    "nothing": ("share.write_from", 5, nothing),
    "the part file is gone": ("share.write_from", 5, part_is_gone),
    "its folder is gone, mid-download": ("share.write_from", 5, folder_is_gone),
    "the part file was cut": ("share.write_from", 5, part_is_cut),
    "the part file has other bytes": ("share.write_from", 5, part_has_other_bytes),
}
TOLD: dict[str, tuple[str, int, Change]] = {
    "the object is gone": ("share.write_from", 5, object_is_gone),
    "the manifest is another": ("share.write_from", 5, manifest_is_another),
    "the share is full": ("share.write_from", 5, share_is_full),
    "the folder is gone before it has its name": ("share.rename", 5, folder_is_gone),
    "a whole file is gone": ("share.rename", 5, whole_file_is_gone),
    "the name was taken": ("share.rename", 5, name_is_taken),
}


@pytest.mark.parametrize("what", WELL)
def test_what_can_be_mended_ends_well(tmp_path: Path, what: str) -> None:
    call, nth, change = WELL[what]
    house, host, transaction = died(tmp_path, call, nth)
    change(house, host, transaction)
    house.engine.run_all()
    done = house.read(transaction.id)
    assert done.state is State.SUCCEEDED, done.failure
    assert files_in(house, NAME) == KEPT
    assert len(known(host, NAME)) == 1
    assert left(house) == []


@pytest.mark.parametrize("what", TOLD)
def test_what_cannot_is_told_and_nothing_of_it_stays(tmp_path: Path, what: str) -> None:
    call, nth, change = TOLD[what]
    house, host, transaction = died(tmp_path, call, nth)
    change(house, host, transaction)
    theirs = files_in(house, NAME) if change is name_is_taken else {}
    machines = known(host, NAME)
    house.engine.run_all()
    ended = house.read(transaction.id)
    assert ended.state is State.FAILED
    assert view(house, ended, "receipt")["why"]
    assert files_in(house, NAME) == theirs
    assert known(host, NAME) == machines
    assert left(house) == []


def test_files_stay_and_are_told_where_a_vm_of_that_name_lives_by_now_and_may_use_them(tmp_path: Path) -> None:
    house, host, transaction = died(tmp_path, "hypervisor.register_vm")
    host.keep(NAME, ())
    house.engine.run_all()
    ended = house.read(transaction.id)
    assert ended.state is State.FAILED
    assert len(known(host, NAME)) == 1
    assert any(f"a VM called {NAME}, which Cloudy did not register" in line for line in ended.left_behind)


def test_a_vm_that_somebody_renamed_after_it_was_registered_is_the_one_that_was_restored(tmp_path: Path) -> None:
    house, host, transaction = died(tmp_path, "hypervisor.power_on", is_on=True)
    (machine,) = [each for each in host.machines.values() if each.told.name == NAME]
    machine.told = replace(machine.told, name="theirs-now")
    house.engine.run_all()
    assert house.read(transaction.id).state is State.SUCCEEDED
    assert [each.is_on for each in known(host, "theirs-now")] == [True]
    assert left(house) == []


def test_a_vm_that_somebody_removed_before_it_was_started_is_told(tmp_path: Path) -> None:
    house, host, transaction = died(tmp_path, "hypervisor.power_on", is_on=True)
    (machine,) = [each for each in host.machines.values() if each.told.name == NAME]
    del host.machines[machine.told.id]
    house.engine.run_all()
    ended = house.read(transaction.id)
    assert ended.state is State.PARTIAL
    assert "Power on failed" in view(house, ended, "receipt")["headline"]
    assert files_in(house, NAME) == KEPT
    assert left(house) == []


def test_a_folder_that_somebody_moved_after_it_had_its_place_is_left_alone_and_told(tmp_path: Path) -> None:
    house, host, transaction = died(tmp_path, "hypervisor.register_vm")
    house.share.rename(NAME, "moved")
    house.engine.run_all()
    ended = house.read(transaction.id)
    assert ended.state is State.FAILED
    assert files_in(house, "moved") == KEPT
    assert known(host, NAME) == []
    assert left(house) == []
