"""Taking a restore back while the world outside has changed: what is not ours is never moved, nor removed."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import PermanentError
from bot.janitor import Janitor
from bot.model import State, Transaction
from tests.memory import Crash, MemoryShare
from tests.workflow.house import ALICE, OPS, House
from tests.workflow.test_restore import KEPT, asked, files_in, known, left, protected, protected_with_host, with_host

THEIRS = {"precious.txt": b"precious"}


def folder(transaction: Transaction) -> str:
    return f".cloudy-{transaction.id}"


def run(house: House) -> None:
    house.engine.run_all()


def dies(house: House, at: str) -> Transaction:
    """A restore whose process dies at a call."""

    def watch(call: str) -> None:
        if call == at:
            raise Crash(call)

    transaction = asked(house)
    house.dispatch()
    house.watch(watch)
    with pytest.raises(Crash):
        run(house)
    house.watch(lambda _call: None)
    return transaction


def stop(house: House, transaction: Transaction) -> Transaction:
    house.clock.sleep(5)
    house.service.stop(transaction.id, ALICE, request_key="stop")
    house.dispatch()
    run(house)
    return house.read(transaction.id)


def clear(house: House) -> None:
    Janitor(house.db, house.systems, house.clock, installation="test0001").clear_ledger()


def open_rows(house: House) -> int:
    with house.db.read() as unit:
        return len(unit.ledger.open())


def remove(house: House, name: str) -> None:
    house.share.remove_tree(name)


def put(house: House, name: str) -> None:
    house.share.files |= {f"{name}/{path}": body for path, body in THEIRS.items()}


def intruded(house: House) -> Transaction:
    """Somebody makes a folder of the name after it was seen to be free and before it is given."""
    house.hold = timedelta(hours=1)

    def intrude(call: str) -> None:
        if call == "share.rename" and not any(path.endswith(".part") for path in house.share.files):
            put(house, "vm01-restored")

    transaction = asked(house)
    house.dispatch()
    house.watch(intrude)
    run(house)
    house.watch(lambda _call: None)
    assert house.read(transaction.id).state is State.HELD
    return transaction


def test_the_folder_of_whoever_was_quicker_is_theirs_whatever_becomes_of_ours(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    transaction = intruded(house)
    remove(house, folder(transaction))
    stop(house, transaction)
    clear(house)
    assert files_in(house, "vm01-restored") == THEIRS
    assert left(house) == []


def test_a_retry_takes_no_folder_for_its_own_that_is_not(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    transaction = intruded(house)
    remove(house, folder(transaction))
    house.service.again.retry(transaction.id, ALICE, request_key="again", place=OPS)
    house.dispatch()
    run(house)
    assert house.read(transaction.id).state is not State.SUCCEEDED
    assert files_in(house, "vm01-restored") == THEIRS


def test_after_a_death_before_the_name_was_given_it_is_another_s_folder_and_neither_taken_nor_removed(
    tmp_path: Path,
) -> None:
    house, _point = protected(tmp_path)
    renames: list[str] = []

    def watch(call: str) -> None:
        if call == "share.rename" and not any(path.endswith(".part") for path in house.share.files):
            renames.append(call)
            raise Crash(call)

    house.hold = timedelta(hours=1)
    transaction = asked(house)
    house.dispatch()
    house.watch(watch)
    with pytest.raises(Crash):
        run(house)
    house.watch(lambda _call: None)
    put(house, "vm01-restored")
    remove(house, folder(transaction))
    run(house)
    held = house.read(transaction.id)
    assert held.state is State.HELD
    assert "somebody else's" in (held.failure.what if held.failure else "")
    stopped = stop(house, transaction)
    assert files_in(house, "vm01-restored") == THEIRS
    (told,) = stopped.left_behind
    assert "somebody else's" in told
    assert "only when nothing but the restored files" in told


def test_on_another_share_nothing_is_touched_and_that_is_told(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    transaction = placed_and_dead(house)
    ours = house.share
    other = MemoryShare({f"vm01-restored/{path}": body for path, body in KEPT.items()})
    house.array.share, house.systems.restore_url = other, "memory://other"
    stopped = stop(house, transaction)
    assert other.files
    assert any("memory://export" in told and "memory://other" in told for told in stopped.left_behind)
    house.array.share, house.systems.restore_url = ours, "memory://export"
    clear(house)
    assert files_in(house, "vm01-restored") == {}
    assert open_rows(house) == 0


def placed_and_dead(house: House) -> Transaction:
    """A restore that died once its folder had its name."""

    def watch(call: str) -> None:
        if call == "share.rename done" and f"vm01-restored/{next(iter(KEPT))}" in house.share.files:
            raise Crash(call)

    transaction = asked(house)
    house.dispatch()
    house.watch(watch)
    with pytest.raises(Crash):
        run(house)
    house.watch(lambda _call: None)
    assert files_in(house, "vm01-restored") == KEPT
    return transaction


def test_an_export_that_is_not_mounted_does_not_lose_what_is_to_be_undone(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    transaction = placed_and_dead(house)
    mounted, house.array.share = house.share, MemoryShare({})
    stopped = stop(house, transaction)
    assert any("mounted" in told for told in stopped.left_behind)
    house.array.share = mounted
    clear(house)
    assert files_in(house, "vm01-restored") == {}
    assert left(house) == []


def test_files_of_a_vm_that_somebody_registered_by_hand_stay(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    transaction = placed_and_dead(house)
    house.array.registered.add("vm01-restored")
    stopped = stop(house, transaction)
    assert files_in(house, "vm01-restored") == KEPT
    assert any("a living VM" in told for told in stopped.left_behind)
    house.array.registered.clear()
    clear(house)
    assert files_in(house, "vm01-restored") == {}
    assert left(house) == []


def test_what_a_vmstore_lists_for_its_files_alone_goes_where_the_hypervisor_knows_no_vm_of_the_name(
    tmp_path: Path,
) -> None:
    house, _host = protected_with_host(tmp_path)
    transaction = placed_and_dead(house)
    house.array.registered.add("vm01-restored")
    assert stop(house, transaction).left_behind == ()
    assert files_in(house, "vm01-restored") == {}
    assert left(house) == []


def test_files_of_a_vm_that_the_hypervisor_knows_by_another_s_hand_stay(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)
    transaction = placed_and_dead(house)
    host.keep("vm01-restored", ())
    stopped = stop(house, transaction)
    assert files_in(house, "vm01-restored") == KEPT
    assert any("Cloudy did not register" in told for told in stopped.left_behind)


def test_a_file_that_somebody_put_beside_the_restored_ones_stays(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    transaction = placed_and_dead(house)
    put(house, "vm01-restored")
    stopped = stop(house, transaction)
    assert files_in(house, "vm01-restored") == KEPT | THEIRS
    assert stopped.left_behind


def test_what_a_hypervisor_writes_beside_the_files_that_it_registers_goes_with_them(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)

    def write(call: str) -> None:
        if call == "hypervisor.register_vm done":
            house.share.files["vm01-restored/vm01.vmx"] += b"cloudy = true\n"
            house.share.files["vm01-restored/vmware.log"] = b"log"
            raise PermanentError("refused, after it was done", system="host")

    transaction = asked(house)
    house.dispatch()
    house.watch(write)
    run(house)
    house.watch(lambda _call: None)
    assert house.read(transaction.id).state is State.FAILED
    assert known(host, "vm01-restored") == []
    assert files_in(house, "vm01-restored") == {}
    assert left(house) == []


@pytest.mark.parametrize("way", ["host", "datastore", "none"])
def test_a_vm_is_not_taken_for_gone_where_another_hypervisor_is_asked(tmp_path: Path, way: str) -> None:
    house, host = protected_with_host(tmp_path)
    transaction = dies(house, "hypervisor.register_vm done")
    if way == "none":
        house.systems.host = None
    elif way == "host":
        with_host(house).name = "other"
    else:
        house.systems.datastore = "elsewhere"
    stopped = stop(house, transaction)
    assert files_in(house, "vm01-restored") == KEPT
    assert len(known(host, "vm01-restored")) == 1
    assert any("host, export" in told for told in stopped.left_behind)
    house.systems.host, house.systems.datastore = host, "export"
    clear(house)
    assert known(host, "vm01-restored") == []
    assert files_in(house, "vm01-restored") == {}
    assert left(house) == []


def test_a_restore_that_goes_on_registers_nothing_with_another_hypervisor(tmp_path: Path) -> None:
    house, host = protected_with_host(tmp_path)
    transaction = dies(house, "hypervisor.register_vm done")
    other = with_host(house)
    other.name = "other"
    run(house)
    assert known(other, "vm01-restored") == []
    assert house.read(transaction.id).state is State.FAILED
    assert len(known(host, "vm01-restored")) == 1
    assert open_rows(house) == 2
