"""The ways of a restore on the VMstore simulator's REST API and a real folder, over sockets."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bot.arena import Arena
from bot.limits import Limits
from bot.model import State, Transaction
from bot.ports import Share, VMstore
from bot.runner import Runner
from bot.transfer import TransferSettings
from integrations.shares import OPENERS as SHARES
from integrations.simulators.vmstore import VmstoreSimulator
from integrations.simulators.vmstore.sample_vms import create_vm, touch
from integrations.vmstores import OPENERS
from tests.workflow.house import House, MemorySystems
from tests.workflow.test_restore import left, restored
from tests.workflow.test_restore_over import AT_ONCE, overwritten

MIB = 1 << 20
Content = dict[str, bytes]


class SimulatedSystems(MemorySystems):
    """The VMstore is the simulator, reached as a real one is."""

    simulator: VmstoreSimulator

    def open_vmstore(self, name: str) -> VMstore:
        simulator = self.simulator
        return OPENERS["tintri"](name, url=simulator.url, user="admin", password="secret", ca=simulator.ca)

    def share(self, vmstore: str) -> Share:
        return SHARES["path"](f"path:{self.simulator.export}", export="/tintri")

    def cleanup_share(self, vmstore: str) -> Share | None:
        return self.share(vmstore)


class SimulatedHouse(House):
    """Memory for what is in targets, real files for what is on the export."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, policy=AT_ONCE)
        self.export = folder / "export"
        create_vm(self.export, "vm01", 4 * MIB, MIB)
        create_vm(self.export, "vm02", MIB, MIB // 4)
        self.simulator = VmstoreSimulator(self.export, clone_seconds=0.1)
        self.simulator.start()
        systems = SimulatedSystems(self.array, tuple(self.targets.values()))
        systems.simulator, systems.kept_snapshots = self.simulator, 1
        self.systems = systems

    def process(self) -> Runner:
        def settings(_vmstore: str, _targets: Sequence[str]) -> TransferSettings:
            return TransferSettings(threads=2, part_bytes=MIB, arena=Arena(8, window=MIB), tell_s=0)

        limits = Limits(transfer_settings=settings, hold=self.hold)
        return Runner(self.db, self.systems, self.clock, limits, installation="test0001", version="0.0")

    def files(self, name: str) -> Content:
        found = (path for path in (self.export / name).rglob("*") if path.is_file())
        return {path.relative_to(self.export / name).as_posix(): path.read_bytes() for path in found}

    def descriptions(self) -> list[str]:
        client = self.systems.open_vmstore("vmstore")
        client.login()
        return sorted(snapshot.description for snapshot in client.list_snapshots(""))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[SimulatedHouse]:
    made = SimulatedHouse(tmp_path)
    assert made.protect().state is State.SUCCEEDED
    yield made
    made.simulator.stop()


def kept(content: Content) -> Content:
    return {name: body for name, body in content.items() if not name.endswith((".vswp", ".lck"))}


def changed(house: SimulatedHouse) -> tuple[Content, Content]:
    """The VM then and now, when it is off and was written to."""
    then = house.files("vm01")
    touch(house.export, "vm01", 30, MIB)
    house.simulator.options.powered_off = ("vm01",)
    now = house.files("vm01")
    assert now != then
    return then, now


def tidy(house: SimulatedHouse, done: Transaction) -> None:
    assert left(house) == []
    assert sorted(path.name for path in house.export.iterdir() if done.id in path.name) == []


@pytest.mark.parametrize("layout", ["nested", "direct"])
def test_a_clone_of_the_snapshot_is_a_whole_vm_beside_it(house: SimulatedHouse, layout: str) -> None:
    house.simulator.options.layout = layout  # type: ignore[assignment]
    then, now = changed(house)
    done = restored(house)
    assert (done.state, done.plan["way"]) == (State.SUCCEEDED, "snapshot"), done.failure
    assert house.files("vm01-restored") == kept(then)
    assert house.files("vm01") == now
    tidy(house, done)
    assert len(house.descriptions()) == 1


@pytest.mark.parametrize("way", ["snapshot", "target"])
def test_the_vm_itself_is_put_back_in_place_and_stays_the_same_vm(house: SimulatedHouse, way: str) -> None:
    then, _now = changed(house)
    client = house.systems.open_vmstore("vmstore")
    client.login()
    uuid = client.find_vm("vm01").uuid
    done = overwritten(house, via=way)
    assert done.state is State.SUCCEEDED, done.failure
    assert kept(house.files("vm01")) == kept(then)
    assert client.find_vm("vm01").uuid == uuid == done.vm_uuid
    tidy(house, done)
    point = str(done.request["point"])
    own = [one for one in house.descriptions() if one.startswith(done.id)]
    assert house.descriptions() == sorted([f"{point} Cloudy test0001", *own])
    assert own == [f"{done.id} before it was overwritten, Cloudy test0001"]


def test_a_syncvm_that_breaks_off_leaves_the_vm_as_it_was(house: SimulatedHouse) -> None:
    _then, now = changed(house)
    transaction = overwritten_with(house, "task-fails")
    assert transaction.state is State.FAILED
    assert house.files("vm01") == now
    tidy(house, transaction)
    assert len(house.descriptions()) == 1


def test_a_lost_answer_to_syncvm_is_waited_out_and_it_comes_to_its_end(house: SimulatedHouse) -> None:
    then, _now = changed(house)
    transaction = overwritten_with(house, "sync=lost")
    assert transaction.state is State.SUCCEEDED, transaction.failure
    assert kept(house.files("vm01")) == kept(then)


def test_one_that_the_vmstore_says_is_on_is_refused(house: SimulatedHouse) -> None:
    done = overwritten(house)
    assert done.state is State.REFUSED
    assert "do that by hand" in (done.failure.what if done.failure else "")


def overwritten_with(house: SimulatedHouse, fault: str) -> Transaction:
    house.simulator.order(fault)
    return overwritten(house, via="snapshot")
