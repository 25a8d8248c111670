"""Over the original, when somebody else acts meanwhile: no work of theirs is undone, and no lie is told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.actions import originals
from bot.errors import PermanentError, RequesterError, TransientError
from bot.janitor import Janitor
from bot.model import State, Transaction
from bot.original import Original, look
from bot.ports import Hypervisor, VMstore
from tests.memory_hypervisor import Host
from tests.workflow.house import ALICE, House
from tests.workflow.test_restore import files_in, left, notice
from tests.workflow.test_restore_over import WAS, WAYS, Template, before, is_on, over, overwritten, ready
from tests.workflow.test_restore_over import template as template

WORK = {"vm01-flat.vmdk": b"what somebody has worked since"}


def janitor(house: House) -> Janitor:
    return Janitor(house.db, house.systems, house.clock, installation="test0001")


def power(host: Host, *, on: bool) -> None:
    (machine,) = host.machines.values()
    machine.told = replace(machine.told, is_on=on)


def watched(house: House, watch: Callable[[str], None]) -> Transaction:
    transaction = over(house)
    house.dispatch()
    house.watch(watch)
    house.engine.run_all()
    house.watch(lambda _call: None)
    return house.read(transaction.id)


def not_put_back(house: House, way: str) -> Transaction:
    """One that failed in the middle, and whose undoing failed too."""
    if way == "snapshot":
        house.array.fails_syncs = 2
        return overwritten(house)

    def refuse(call: str) -> None:
        if call == "share.rename" and any(".cloudy-aside/vm01-flat" in path for path in house.share.files):
            raise PermanentError("no", system="share")

    return watched(house, refuse)


def by_hand(house: House, host: Host) -> None:
    """The way back that was told: off, SyncVM to the snapshot, on; and then somebody works in it."""
    for path in [path for path in house.share.files if path.startswith("vm01/")]:
        del house.share.files[path]
    house.share.files |= {f"vm01/{name}": body for name, body in (WAS | WORK).items()}
    power(host, on=True)


@pytest.mark.parametrize("way", WAYS)
def test_one_that_was_put_back_by_hand_and_started_is_never_put_back_again(
    template: Template, tmp_path: Path, way: str
) -> None:
    house, host = ready(template, tmp_path, way)
    done = not_put_back(house, way)
    assert done.state is State.FAILED
    by_hand(house, host)
    janitor(house).clear_ledger()
    assert files_in(house, "vm01") == WAS | WORK
    assert is_on(host)
    told = " ".join(house.read(done.id).left_behind)
    assert "vm01 was started" in told
    assert f"cloudy orphans --let-go {done.id}" in told
    power(host, on=False)  # the next night
    janitor(house).clear_ledger()
    assert files_in(house, "vm01") == WAS | WORK
    assert before(house, done) == [WAS]


@pytest.mark.parametrize("way", WAYS)
def test_one_that_is_let_go_stays_as_it_is_with_its_snapshot(template: Template, tmp_path: Path, way: str) -> None:
    house, host = ready(template, tmp_path, way)
    done = not_put_back(house, way)
    by_hand(house, host)
    power(host, on=False)
    janitor(house).let_go(done.id)
    janitor(house).clear_ledger()
    assert files_in(house, "vm01") == WAS | WORK
    assert before(house, done) == [WAS]
    assert left(house) == []
    assert not any(path.startswith(".cloudy-") for path in house.share.files)
    with house.db.read() as unit:
        assert any(
            row.body["event"] == "let go"
            for row in unit.audit.list(transaction_id=done.id, limit=1000)
            if row.action == "janitor"
        )
    with pytest.raises(RequesterError, match="nothing to let go"):
        janitor(house).let_go(done.id)


@pytest.mark.parametrize("way", WAYS)
def test_another_one_over_a_vm_that_is_not_put_back_yet_is_refused(
    template: Template, tmp_path: Path, way: str
) -> None:
    house, _host = ready(template, tmp_path, way)
    waits = over(house, key="2")
    first = not_put_back(house, way)
    house.dispatch()
    house.engine.run_all()
    second = house.read(waits.id)
    assert second.state in (State.FAILED, State.REFUSED)
    janitor(house).clear_ledger()
    assert files_in(house, "vm01") == WAS
    assert before(house, first) == []
    assert before(house, second) == []


@pytest.mark.parametrize("way", WAYS)
def test_the_plan_says_that_a_vm_is_not_put_back_yet(template: Template, tmp_path: Path, way: str) -> None:
    house, _host = ready(template, tmp_path, way)
    first = not_put_back(house, way)
    second = overwritten(house, key="2")
    assert second.state is State.REFUSED
    assert f"vm01 is not put back yet, as {first.id} has left it" in notice(house, second)


def test_new_files_that_vanish_are_not_taken_for_exchanged_ones(template: Template, tmp_path: Path) -> None:
    house, host = ready(template, tmp_path)

    def lose(call: str) -> None:
        if call == "vmstore.create_snapshot done":
            for path in [path for path in house.share.files if path.startswith(".cloudy-")]:
                del house.share.files[path]

    done = watched(house, lose)
    assert done.state is State.FAILED
    assert files_in(house, "vm01") == WAS
    assert (done.left_behind, is_on(host), left(house)) == ((), True, [])


def test_an_old_file_that_vanishes_while_it_is_aside_keeps_the_snapshot(template: Template, tmp_path: Path) -> None:
    house, _host = ready(template, tmp_path)
    gone: list[str] = []

    def lose(call: str) -> None:
        aside = [path for path in house.share.files if path.endswith("/.cloudy-aside/vm01-flat.vmdk")]
        if call == "share.rename" and aside and not gone:
            gone.extend(aside)
            del house.share.files[aside[0]]
        elif call == "share.rename" and gone and len(gone) == 1:
            gone.append("failed")
            raise PermanentError("no", system="share")

    done = watched(house, lose)
    assert gone
    assert done.state is State.FAILED
    assert before(house, done) == [WAS]
    assert any("changes to the VM vm01" in line for line in done.left_behind)
    janitor(house).clear_ledger()
    assert before(house, done) == [WAS]


def test_one_that_was_moved_while_it_was_fetched_is_not_overwritten(
    template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, _host = ready(template, tmp_path, is_on=False)
    moved: list[str] = []

    def looked(client: VMstore, host: Hypervisor | None, uuid: str) -> Original:
        found = look(client, host, uuid)
        return replace(found, folder="moved") if moved else found

    monkeypatch.setattr(originals, "look", looked)
    done = watched(house, lambda call: moved.append(call) if call == "vmstore.create_snapshot done" else None)
    assert done.state is State.FAILED
    assert done.failure is not None
    assert "lies in moved by now" in done.failure.what
    assert files_in(house, "vm01") == WAS


def test_a_syncvm_that_is_asked_for_again_does_not_roll_over_a_vm_that_was_started(
    template: Template, tmp_path: Path
) -> None:
    house, host = ready(template, tmp_path, "snapshot")
    begun: list[str] = []

    def start(call: str) -> None:
        if call == "vmstore.sync_vm":
            begun.append(call)
            if len(begun) == 1:
                power(host, on=True)
                raise TransientError("no answer", system="vmstore")

    done = watched(house, start)
    assert done.state is State.FAILED
    assert len(begun) == 1
    assert files_in(house, "vm01") == WAS


def test_a_retry_of_one_that_has_ended_wants_the_name_typed_again(template: Template, tmp_path: Path) -> None:
    house, _host = ready(template, tmp_path, "snapshot")
    house.array.fails_syncs = 1
    done = overwritten(house)
    with pytest.raises(RequesterError, match="over original confirm"):
        house.service.again.retry(done.id, ALICE, request_key="again", place=done.place)
    assert files_in(house, "vm01") == WAS


def test_one_whose_name_went_to_another_vm_since_it_was_typed_is_not_overwritten(
    template: Template, tmp_path: Path
) -> None:
    house, _host = ready(template, tmp_path, is_on=False)
    transaction = over(house)
    house.dispatch()
    with house.db.unit() as unit:
        held = unit.transactions.get(transaction.id)
        unit.transactions.update(held.id, plan=held.plan | {"request": held.request | {"confirmed": "another"}})
    house.engine.run_all()
    done = house.read(transaction.id)
    assert done.state is State.FAILED
    assert done.failure is not None
    assert "is called vm01 by now" in done.failure.what
    assert files_in(house, "vm01") == WAS


@pytest.mark.parametrize("way", WAYS)
def test_a_vm_that_is_not_put_back_yet_is_not_protected(template: Template, tmp_path: Path, way: str) -> None:
    house, _host = ready(template, tmp_path, way)
    half = not_put_back(house, way)
    tried = house.protect(key="p")
    assert tried.state is State.FAILED
    assert tried.failure is not None
    assert f"vm01 is being overwritten by {half.id}" in tried.failure.what
    janitor(house).clear_ledger()
    assert house.protect(key="q").state is State.SUCCEEDED
