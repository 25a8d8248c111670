"""Finding the VM that a person named: over several VMstores, without listing all their VMs where that can be helped."""

from pathlib import Path

import pytest

from bot.errors import AmbiguousName, NotFound, TransientError
from bot.model import Actor, Place, State, Transaction, Vm
from bot.planner import Planner
from bot.ports import VMstore
from bot.store import Database
from bot.worker import shipped_workflow
from tests.memory import MemoryShare
from tests.memory_vmstore import Array, MemoryVMstore
from tests.workflow.house import VM01, FakeClock, MemorySystems


class TwoArrays(MemorySystems):
    """Two VMstores, no target; what they are asked is written down."""

    def __init__(self) -> None:
        self.arrays = {name: Array(MemoryShare({}), name) for name in ("vmstore", "vmstore2")}
        super().__init__(self.arrays["vmstore"], ())
        self.calls: list[str] = []
        for array in self.arrays.values():
            array.watch = self.calls.append

    @property
    def vmstore_names(self) -> tuple[str, ...]:
        return tuple(self.arrays)

    def open_vmstore(self, name: str) -> VMstore:
        return MemoryVMstore(self.arrays[name])

    def put(self, store: str) -> None:
        self.arrays[store].share.files.update(VM01)

    def lists(self) -> int:
        return sum(call.endswith("list_vms") for call in self.calls)


class World:
    def __init__(self, folder: Path) -> None:
        Database.migrate(folder / "cloudy.db")
        self.clock = FakeClock()
        self.db = Database.open(folder / "cloudy.db", audit_key=None, clock=self.clock)
        self.systems = TwoArrays()

    def plan(self, vm: str = "vm01") -> str:
        """On which VMstore it was found."""
        planner = Planner(self.db, self.systems, shipped_workflow, self.clock.sleep)
        asked = Transaction(
            id="20261123T142233Z-7f3k9q", workflow="protect", vm=vm, targets=(), state=State.PLANNING, place=Place(),
            actor=Actor(id="U1", name="alice", source="slack"), created_at=self.clock.now(), request_key="r",
        )  # fmt: skip
        return planner.plan(asked).vmstore


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_name_that_one_vmstore_has_lists_all_vms_of_none(world: World) -> None:
    world.systems.put("vmstore2")
    assert world.plan() == "vmstore2"
    assert world.systems.lists() == 0


def test_a_name_that_nobody_has_lists_each_vmstore_once_and_brings_near_names(world: World) -> None:
    world.systems.put("vmstore2")
    with pytest.raises(NotFound, match="Did you mean vm01"):
        world.plan("vm1")
    assert world.systems.lists() == 2


def test_one_that_the_filter_overlooks_is_found_all_the_same(world: World) -> None:
    world.systems.put("vmstore2")
    world.systems.arrays["vmstore2"].overlooked = frozenset({"vm01"})
    assert world.plan() == "vmstore2"


def test_a_twin_that_the_filter_overlooks_is_not_forgotten_where_it_was_seen_lately(world: World) -> None:
    for store in world.systems.vmstore_names:
        world.systems.put(store)
    world.systems.arrays["vmstore2"].overlooked = frozenset({"vm01"})
    with world.db.unit() as unit:
        unit.inventory.refresh("vmstore2", [Vm(uuid="FS-VIM-vm01", name="vm01", vmstore="vmstore2")])
    with pytest.raises(AmbiguousName, match="vmstore/vm01, vmstore2/vm01"):
        world.plan()


def test_a_vmstore_that_does_not_answer_is_asked_in_one_round_only(world: World) -> None:
    def fail(call: str) -> None:
        world.systems.calls.append(call)
        raise TransientError("no answer", system="vmstore")

    world.systems.arrays["vmstore"].watch = fail
    with pytest.raises(TransientError):
        world.plan()
    assert sum(call.endswith("info") for call in world.systems.calls) == 5  # three tries there, two looks elsewhere
    world.systems.put("vmstore2")
    assert world.plan() == "vmstore2"
