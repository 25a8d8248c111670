"""The inventory: what it keeps of each look, and the thread that looks."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import Stopped, TransientError
from bot.inventory import AFTER_FAULT, Refresher
from bot.model import Look, RecoveryPoint, SeenVm, Vm
from bot.ports import VMstore
from bot.store import Database
from tests.workflow.house import House
from tests.workflow.stored import NOON, opened

VM = Vm(uuid="1", name="vm01", vmstore="vmstore", used_bytes=5 << 40, provisioned_bytes=6 << 40, powered=True)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with opened(tmp_path) as db:
        yield db


def vms(*named: str) -> list[Vm]:
    return [replace(VM, uuid=one.partition("=")[0], name=one.partition("=")[2]) for one in named]


def until(holds: Callable[[], bool]) -> None:
    deadline = threading.Event()
    for _ in range(3000):
        if holds():
            return
        deadline.wait(0.02)
    raise AssertionError("it never held")


# --- what is kept ---


def test_what_a_vmstore_told_of_a_vm_is_kept(db: Database) -> None:
    with db.unit() as u:
        u.inventory.refresh("vmstore", [VM])
        (seen,) = u.inventory.named("vm01")
        assert replace(seen, seen_at=NOON) == SeenVm(
            uuid="1", name="vm01", vmstore="vmstore", used_bytes=5 << 40, provisioned_bytes=6 << 40,
            hypervisor="VMWARE", powered=True, seen_at=NOON,
        )  # fmt: skip


def test_a_vm_that_vanished_is_kept_as_gone_and_comes_back(db: Database) -> None:
    with db.unit() as u:
        u.inventory.refresh("vmstore", vms("1=vm01", "2=vm02"))
        u.inventory.refresh("vmstore2", vms("1=vm01"))
        u.inventory.refresh("vmstore", vms("2=vm02"))
        gone = {seen.vmstore: seen.gone_at is not None for seen in u.inventory.named("vm01")}
        assert gone == {"vmstore": True, "vmstore2": False}
        assert [seen.vmstore for seen in u.inventory.search("VM0")] == ["vmstore2", "vmstore"]

        u.inventory.refresh("vmstore", vms("1=renamed"))
        assert [(seen.name, seen.gone_at) for seen in u.inventory.named("1") if seen.vmstore == "vmstore"] == [
            ("renamed", None)
        ]


def test_the_time_of_vanishing_stays_that_of_the_first_look_without_it(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.db.unit() as u:
        u.inventory.refresh("vmstore", vms("1=vm01", "2=vm02"))
        u.inventory.refresh("vmstore", vms("2=vm02"))
        (first,) = u.inventory.named("vm01")
    house.clock.sleep(3600)
    with house.db.unit() as u:
        u.inventory.refresh("vmstore", vms("2=vm02"))
        assert u.inventory.named("vm01") == (first,)


def test_a_vm_gone_for_a_month_is_forgotten_unless_it_has_a_recovery_point(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.db.unit() as u:
        u.inventory.refresh("vmstore", vms("1=vm01", "2=vm02"))
        u.points.put(
            RecoveryPoint(
                transaction_id="a",
                target="s3",
                vm_uuid="2",
                vm_name="vm02",
                manifest_key="m",
                taken_at=NOON,
                consistency="crash",
                size=1,
            )
        )
        u.inventory.refresh("vmstore", [])
    house.clock.sleep(31 * 24 * 3600)
    with house.db.unit() as u:
        u.inventory.refresh("vmstore", [])
        assert (u.inventory.named("vm01"), len(u.inventory.named("vm02"))) == ((), 1)


def test_vms_of_a_vmstore_that_is_not_configured_any_more_are_gone(db: Database) -> None:
    with db.unit() as u:
        u.inventory.refresh("old", vms("1=vm01"))
        u.inventory.refresh("vmstore", vms("2=vm02"))
        u.inventory.keep_only(("vmstore",))
        assert [seen.name for seen in u.inventory.search("")] == ["vm02"]
        assert [look.vmstore for look in u.inventory.looks()] == ["vmstore"]


def test_near_names_are_found_by_likeness_and_by_part_in_any_case(db: Database) -> None:
    with db.unit() as u:
        u.inventory.refresh("vmstore", vms("1=gone", "4=gone too"))
        u.inventory.refresh("vmstore", vms("1=VM01", "2=vm02", "3=prod-database-01"))
        u.inventory.refresh("vmstore2", vms("1=vm01", "9=mail"))
        assert set(u.inventory.near("vm1")) == {"VM01", "vm01", "vm02"}
        assert u.inventory.near("Database") == ("prod-database-01",)
        assert u.inventory.near("gone too") == ()
        assert len(u.inventory.near("vm", limit=2)) == 2


def test_a_search_gives_the_name_itself_then_beginnings_then_parts_and_takes_wildcards_literally(db: Database) -> None:
    with db.unit() as u:
        u.inventory.refresh("vmstore", vms("1=old-web", "2=web-2", "3=WEB", "4=100%_sure", "5=Ärger", "6=100xysure"))
        assert [seen.name for seen in u.inventory.search("web")] == ["WEB", "web-2", "old-web"]
        assert [seen.name for seen in u.inventory.search("0%_s")] == ["100%_sure"]
        assert [seen.name for seen in u.inventory.search("äRG")] == ["Ärger"]
        assert len(u.inventory.search("", limit=2)) == 2


def test_five_thousand_vms_are_kept_and_searched_in_one_unit_each(db: Database) -> None:
    many = vms(*(f"{i}=vm{i:04}" for i in range(5000)))
    for seen in (many, many[10:]):
        with db.unit() as u:
            u.inventory.refresh("vmstore", seen)
    with db.read() as u:
        assert len(u.inventory.search("vm", limit=6000)) == 4990
        assert u.inventory.looks()[0].vms == 4990


# --- the looker ---


def looks(house: House) -> tuple[Look, ...]:
    with house.db.read() as unit:
        return unit.inventory.looks()


def test_a_look_lists_all_vms_and_logs_out(tmp_path: Path) -> None:
    house = House(tmp_path)
    Refresher(house.db, house.systems, house.clock).look("vmstore")

    with house.db.read() as unit:
        assert [seen.name for seen in unit.inventory.search("")] == ["vm01"]
    assert house.array.open_sessions == 0


def test_a_look_that_fails_keeps_what_was_known_logs_out_and_is_told(tmp_path: Path) -> None:
    house = House(tmp_path)
    refresher = Refresher(house.db, house.systems, house.clock)
    refresher.look("vmstore")

    def down(call: str) -> None:
        if call == "vmstore.list_vms":
            raise TransientError("inventory busy", system="vmstore")

    house.watch(down)
    refresher.look("vmstore")

    (look,) = looks(house)
    assert (look.error, look.well_at is not None and look.well_at < look.at) == ("inventory busy", True)
    with house.db.read() as unit:
        assert unit.inventory.search("vm01")[0].gone_at is None
    assert house.array.open_sessions == 0


def test_one_vmstore_that_hangs_keeps_no_other_from_being_looked_at(tmp_path: Path) -> None:
    house, let_go = House(tmp_path), threading.Event()

    class Two:
        vmstore_names = ("hangs", "vmstore")

        def open_vmstore(self, name: str) -> VMstore:
            if name == "hangs":
                let_go.wait(60)
            return house.systems.open_vmstore(name)

    stop = threading.Event()
    thread = threading.Thread(target=Refresher(house.db, Two(), house.clock).run, args=(stop,))  # type: ignore[arg-type]
    thread.start()
    until(lambda: any(look.vmstore == "vmstore" for look in looks(house)))
    stop.set()
    let_go.set()
    thread.join(60)
    assert not thread.is_alive()
    assert [look.vmstore for look in looks(house)] == ["vmstore"]  # drained: nothing was changed any more


def test_a_look_from_before_a_restart_counts(tmp_path: Path) -> None:
    house = House(tmp_path)
    refresher = Refresher(house.db, house.systems, house.clock)
    assert refresher._due_in_s("vmstore") == 0
    refresher.look("vmstore")
    assert 590 < refresher._due_in_s("vmstore") <= 600
    house.clock.sleep(700)
    assert refresher._due_in_s("vmstore") == 0
    with house.db.unit() as unit:
        unit.inventory.fail("vmstore", "down")
    assert refresher._due_in_s("vmstore") <= AFTER_FAULT.total_seconds()


def test_nothing_is_asked_or_changed_once_it_drains(tmp_path: Path) -> None:
    house = House(tmp_path)
    refresher = Refresher(house.db, house.systems, house.clock)
    refresher._stop.set()
    with pytest.raises(Stopped):
        refresher.look("vmstore")
    assert looks(house) == ()
    assert house.array.open_sessions == 0
