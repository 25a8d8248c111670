"""What every hypervisor adapter must do, against a peer that is as real as can be. A new one adds a line to WORLDS."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import MissingError, PermanentError
from bot.model import Registered, Vm
from bot.ports import Hypervisor
from integrations.hypervisors import OPENERS
from tests.contract.hypervisor_world import HypervisorWorld
from tests.contract.memory_world import MemoryWorld
from tests.hyperv_world import HypervWorld
from tests.libvirt_world import LibvirtWorld
from tests.vsphere_world import VsphereWorld

LABEL = "20261123T142233Z-7f3k9q"
WORLDS: dict[str, Callable[[Path], HypervisorWorld]] = {
    "memory": MemoryWorld,
    "hyperv": HypervWorld,
    "libvirt": LibvirtWorld,
    "vsphere": VsphereWorld,
}


@pytest.fixture(params=["memory", *sorted(OPENERS)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HypervisorWorld]:
    one = WORLDS[str(request.param)](tmp_path)
    yield one
    one.close()


@pytest.fixture
def hypervisor(world: HypervisorWorld) -> Iterator[Hypervisor]:
    one = world.open()
    yield one
    one.close()


def seen(hypervisor: Hypervisor, vm_id: str, pattern: str) -> str:
    """Look until it lives; the test's own time-out is the deadline."""
    pause = threading.Event()
    while not (found := hypervisor.alive(vm_id, pattern)):
        pause.wait(0.05)
    return found.text


# --- what it is, what it knows ---


def test_it_says_what_it_is(hypervisor: Hypervisor) -> None:
    info = hypervisor.info()
    assert info.product
    assert info.version


def test_it_is_asked_again_after_close(hypervisor: Hypervisor) -> None:
    before = hypervisor.info()
    hypervisor.close()
    hypervisor.close()
    assert hypervisor.info() == before


def test_a_vm_tells_its_shape(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    vm = world.original("vm01")
    shape = hypervisor.shape(vm)
    assert shape.kind == hypervisor.kind
    assert shape.cpus >= 1
    assert shape.memory_mib >= 1
    assert shape.disks == tuple(disk.path for disk in vm.disks)
    assert shape.definition


def test_a_vm_that_it_does_not_know_has_no_shape(hypervisor: Hypervisor) -> None:
    with pytest.raises(MissingError):
        hypervisor.shape(Vm(uuid="nobody", name="nobody", vmstore="vmstore"))


def test_vms_are_found_by_their_whole_name(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    world.original("vm01")
    assert [found.name for found in hypervisor.find("vm01")] == ["vm01"]
    assert [found.label for found in hypervisor.find("vm01")] == [""]
    assert [hypervisor.find(other) for other in ("vm0", "vm011", "VM01", "")] == [(), (), (), ()]


def test_no_secret_is_told(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    assert world.secret not in repr(hypervisor)
    assert world.secret not in hypervisor.shape(world.original("vm01")).definition


# --- registering ---


def test_what_is_registered_is_off_and_found_by_label_and_name(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    made = hypervisor.register_vm(LABEL, world.copied("vm01", "vm01-restored"))
    assert (made.name, made.label, made.is_on) == ("vm01-restored", LABEL, False)
    assert hypervisor.registered(LABEL) == made
    assert hypervisor.find("vm01-restored") == (made,)
    assert world.open().registered(LABEL) == made


def test_registering_twice_gives_the_same_vm(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    spec = world.copied("vm01", "vm01-restored")
    made = hypervisor.register_vm(LABEL, spec)
    assert hypervisor.register_vm(LABEL, spec) == made
    assert world.open().register_vm(LABEL, spec) == made
    assert hypervisor.find("vm01-restored") == (made,)


def test_registering_at_the_same_time_gives_the_same_vm(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    spec = world.copied("vm01", "vm01-restored")
    made: list[Registered] = []
    threads = [threading.Thread(target=lambda: made.append(hypervisor.register_vm(LABEL, spec))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert {one.id for one in made} == {one.id for one in hypervisor.find("vm01-restored")}


def test_a_label_is_another_than_one_that_begins_with_it(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    spec = world.copied("vm01", "vm01-restored")
    made = hypervisor.register_vm("T1", spec)
    assert [hypervisor.registered(label) for label in ("T", "T12", "t1")] == [None, None, None]
    other = hypervisor.register_vm("T12", world.copied("vm01", "vm01-again"))
    assert made.id != other.id
    assert hypervisor.registered("T1") == made


def test_a_clone_of_what_was_registered_is_not_taken_for_it(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    made = hypervisor.register_vm(LABEL, world.copied("vm01", "vm01-restored"))
    world.clone(made.id, "vm01-clone")
    assert hypervisor.registered(LABEL) == made
    assert [found.label for found in hypervisor.find("vm01-clone")] == [""]
    hypervisor.unregister(made.id)
    assert hypervisor.registered(LABEL) is None
    assert [found.name for found in hypervisor.find("vm01-clone")] == ["vm01-clone"]


def test_of_two_vms_with_one_label_none_is_chosen_and_both_are_named(
    world: HypervisorWorld, hypervisor: Hypervisor
) -> None:
    spec = world.copied("vm01", "vm01-restored")
    made = hypervisor.register_vm(LABEL, spec)
    world.clone(made.id, "vm01-clone", is_forged=True)
    both = r"(?s)vm01-(clone.*vm01-restored|restored.*vm01-clone)"
    with pytest.raises(PermanentError, match=both):
        hypervisor.registered(LABEL)
    with pytest.raises(PermanentError, match=both):
        hypervisor.register_vm(LABEL, spec)
    assert [len(hypervisor.find(name)) for name in ("vm01-restored", "vm01-clone")] == [1, 1]


def test_a_name_that_is_taken_is_refused_and_nothing_is_registered(
    world: HypervisorWorld, hypervisor: Hypervisor
) -> None:
    with pytest.raises(PermanentError, match="vm01"):
        hypervisor.register_vm(LABEL, replace(world.copied("vm01", "vm01-restored"), name="vm01"))
    assert hypervisor.registered(LABEL) is None
    assert [found.label for found in hypervisor.find("vm01")] == [""]


def test_a_file_that_is_not_there_is_refused_and_nothing_is_registered(
    world: HypervisorWorld, hypervisor: Hypervisor
) -> None:
    spec = world.copied("vm01", "vm01-restored")
    world.lose(spec.files)
    with pytest.raises(PermanentError):
        hypervisor.register_vm(LABEL, spec)
    assert hypervisor.registered(LABEL) is None
    assert hypervisor.find("vm01-restored") == ()


def test_files_outside_of_the_directory_are_refused(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    spec = world.copied("vm01", "vm01-restored")
    for wrong in ("../elsewhere.vmx", f"{spec.directory}/../vm01/disk.raw", "/etc/passwd", "vm01/vm01.raw"):
        with pytest.raises(PermanentError):
            hypervisor.register_vm(LABEL, replace(spec, files=(*spec.files, wrong)))
    for wrong in ("..", "", "/", "../export", "vm01/../.."):
        with pytest.raises(PermanentError):
            hypervisor.register_vm(LABEL, replace(spec, directory=wrong))
    assert hypervisor.registered(LABEL) is None


def test_a_new_vm_has_another_identity_than_its_original(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    (original,) = (world.original("vm01") and hypervisor.find("vm01")) or ()
    made = hypervisor.register_vm(LABEL, world.copied("vm01", "vm01-restored"))
    assert world.identity(made.id) != world.identity(original.id)


def test_the_same_vm_comes_back_with_its_identity(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    world.original("vm01")
    (original,) = hypervisor.find("vm01")
    identity, spec = world.identity(original.id), world.copied("vm01", "vm01-restored")
    hypervisor.unregister(original.id)
    made = hypervisor.register_vm(LABEL, replace(spec, name="vm01", keeps_identity=True))
    assert world.identity(made.id) == identity
    assert hypervisor.find("vm01") == (made,)


def test_network_cards_are_not_connected_unless_that_is_asked_for(
    world: HypervisorWorld, hypervisor: Hypervisor
) -> None:
    made = hypervisor.register_vm(LABEL, world.copied("vm01", "vm01-restored"))
    assert not world.is_connected(made.id)


# --- power, and signs of life ---


def test_it_boots_from_the_restored_disk(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    made = hypervisor.register_vm(LABEL, world.copied("vm01", "vm01-restored"))
    assert hypervisor.alive(made.id, world.marker) is None
    hypervisor.power_on(made.id)
    hypervisor.power_on(made.id)
    assert [found.is_on for found in hypervisor.find("vm01-restored")] == [True]
    world.boots(made.id)
    assert world.marker in seen(hypervisor, made.id, world.marker) or not world.has_console
    hypervisor.power_off(made.id)
    hypervisor.power_off(made.id)
    assert [found.is_on for found in hypervisor.find("vm01-restored")] == [False]
    assert hypervisor.alive(made.id, world.marker) is None


def test_a_vm_that_does_not_start_stays_registered(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    spec = world.copied("vm01", "vm01-restored")
    made = hypervisor.register_vm(LABEL, spec)
    world.cannot_start(spec)
    with pytest.raises(PermanentError):
        hypervisor.power_on(made.id)
    assert hypervisor.registered(LABEL) == made
    hypervisor.unregister(made.id)
    assert hypervisor.find("vm01-restored") == ()


def test_what_is_not_there_cannot_be_started_but_stopped_and_forgotten(
    world: HypervisorWorld, hypervisor: Hypervisor
) -> None:
    made = hypervisor.register_vm(LABEL, world.copied("vm01", "vm01-restored"))
    hypervisor.unregister(made.id)
    hypervisor.unregister(made.id)
    hypervisor.power_off(made.id)
    for call in (hypervisor.power_on, hypervisor.alive):
        with pytest.raises(MissingError):
            call(made.id)
    assert hypervisor.registered(LABEL) is None


def test_a_vm_that_runs_is_forgotten_and_its_files_stay(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    spec = world.copied("vm01", "vm01-restored")
    made = hypervisor.register_vm(LABEL, spec)
    hypervisor.power_on(made.id)
    hypervisor.unregister(made.id)
    assert hypervisor.find("vm01-restored") == ()
    assert hypervisor.registered(LABEL) is None
    assert world.there(spec.files)


def test_it_can_be_registered_again_after_it_was_forgotten(world: HypervisorWorld, hypervisor: Hypervisor) -> None:
    spec = world.copied("vm01", "vm01-restored")
    hypervisor.unregister(hypervisor.register_vm(LABEL, spec).id)
    made = hypervisor.register_vm(LABEL, spec)
    assert hypervisor.registered(LABEL) == made
    assert made.name == spec.name
