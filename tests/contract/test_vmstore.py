"""What every VMstore adapter must do, over real sockets. A new one adds a line to WORLDS."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.definition import decode, examine, texts_needed
from bot.errors import AmbiguousName, DeniedError, MissingError, NotFound, NotRestorable, PermanentError, TransientError
from bot.model import Entry, Snapshot, Task, TaskState, Vm
from bot.ports import VMstore
from integrations.shares import OPENERS as SHARES
from integrations.simulators.vmstore import VmstoreSimulator
from integrations.simulators.vmstore.sample_vms import create_vm
from integrations.vmstores import OPENERS
from tests.e2e.waiting import answered

LABEL = "20261123T142233Z-7f3k9q"
MIB = 1 << 20


class TintriWorld:
    """The VMstore simulator with one small VM."""

    def __init__(self, folder: Path) -> None:
        self.export = folder / "export"
        create_vm(self.export, "vm01", 4 * MIB, MIB)
        self.simulator = VmstoreSimulator(self.export, clone_seconds=0.1)
        self.url = self.simulator.start()

    def open(self, **changes: Any) -> VMstore:
        settings = {"url": self.url, "user": "admin", "password": "secret", "ca": self.simulator.ca, **changes}
        return OPENERS["tintri"]("vmstore", **settings)

    def restart(self, **options: Any) -> None:
        self.simulator.stop()
        self.simulator = VmstoreSimulator(self.export, **options)
        self.url = self.simulator.start()

    def asked(self) -> list[tuple[str, str]]:
        return [(one["method"], one["path"].removeprefix("/api/v310")) for one in self.simulator.requests]

    def close(self) -> None:
        self.simulator.stop()


WORLDS: dict[str, Callable[[Path], TintriWorld]] = {"tintri": TintriWorld}


@pytest.fixture(params=sorted(OPENERS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TintriWorld]:
    one = WORLDS[str(request.param)](tmp_path)
    yield one
    one.close()


@pytest.fixture
def vmstore(world: TintriWorld) -> Iterator[VMstore]:
    one = world.open()
    one.login()
    yield one
    one.logout()


def take(vmstore: VMstore, vm: Vm, label: str = LABEL, consistency: str = "crash") -> Snapshot:
    return vmstore.create_snapshot(vm.uuid, label, consistency=consistency, note="by Cloudy", retention_minutes=4320)


def finished(vmstore: VMstore, task_id: str) -> Task:
    """Ask until the task has ended; the test's own time-out is the deadline."""
    pause = threading.Event()
    while not (task := vmstore.task(task_id)).is_final:
        pause.wait(0.02)
    return task


# --- who it is, and the session ---


def test_it_says_what_it_is_before_login(world: TintriWorld) -> None:
    assert world.open().info().product == "Tintri VMstore"
    assert world.open().info().api_version == "v310.191"


def test_an_old_api_is_refused(world: TintriWorld) -> None:
    world.simulator.options.api_version = "v310.11"
    with pytest.raises(PermanentError, match=r"v310\.11.*Upgrade"):
        world.open().info()


def test_a_wrong_password_is_denied_and_not_told(world: TintriWorld) -> None:
    vmstore = world.open(password="hunter22")
    with pytest.raises(DeniedError) as caught:
        vmstore.login()
    assert "hunter22" not in caught.value.message + repr(caught.value) + repr(vmstore)


def test_an_unknown_authority_is_refused_with_the_cure(world: TintriWorld) -> None:
    with pytest.raises(PermanentError, match="set `ca`"):
        world.open(ca=None).info()


def test_login_and_logout_may_be_repeated(world: TintriWorld) -> None:
    vmstore = world.open()
    vmstore.login()
    vmstore.login()
    vmstore.logout()
    vmstore.logout()
    vmstore.login()
    assert vmstore.find_vm("vm01").name == "vm01"
    world.simulator.expire_sessions()
    vmstore.logout()


def test_an_expired_session_is_not_noticed(world: TintriWorld, vmstore: VMstore) -> None:
    vm = vmstore.find_vm("vm01")
    world.simulator.expire_sessions()
    assert vmstore.get_vm(vm.uuid) == vm
    world.simulator.expire_sessions()
    made = take(vmstore, vm)
    world.simulator.expire_sessions()
    vmstore.delete_snapshot(made.uuid)


def test_a_clone_request_in_an_expired_session_is_told_and_works_when_asked_again(
    world: TintriWorld, vmstore: VMstore
) -> None:
    made = take(vmstore, vmstore.find_vm("vm01"))
    world.simulator.expire_sessions()
    with pytest.raises(TransientError, match="nothing was done"):
        vmstore.clone_files(made.uuid, LABEL)
    assert not (world.export / LABEL).exists()
    assert finished(vmstore, vmstore.clone_files(made.uuid, LABEL)).state is TaskState.SUCCEEDED


def test_a_vmstore_that_hangs_is_given_up(world: TintriWorld) -> None:
    vmstore = world.open(timeout_s=0.3)
    answered(vmstore.login)
    world.simulator.hang("GET", "/api/v310/vm", 5)
    with pytest.raises(TransientError, match="in time"):
        vmstore.find_vm("vm01")


def test_a_vmstore_that_is_down_is_transient(world: TintriWorld) -> None:
    vmstore = world.open()
    world.simulator.stop()
    with pytest.raises(TransientError):
        vmstore.info()


# --- VMs ---


def test_a_vm_is_found_by_its_name_with_its_disks(world: TintriWorld, vmstore: VMstore) -> None:
    found = vmstore.find_vm("vm01")
    assert (found.name, found.vmstore, found.hypervisor) == ("vm01", "vmstore", "VMWARE")
    assert [(disk.name, disk.path) for disk in found.disks] == [("scsi0:0", "vm01/vm01.vmdk")]
    assert found.consistencies == ("crash", "vm")
    assert found == vmstore.get_vm(found.uuid)


def test_disk_paths_are_the_same_where_the_api_begins_them_with_the_export(
    world: TintriWorld, vmstore: VMstore
) -> None:
    world.simulator.options.disk_paths = "absolute"
    assert [disk.path for disk in vmstore.find_vm("vm01").disks] == ["vm01/vm01.vmdk"]


@pytest.mark.parametrize("match", ["exact", "substring"])
def test_a_name_is_exact_whatever_the_filter_does(world: TintriWorld, vmstore: VMstore, match: Any) -> None:
    world.simulator.options.name_match = match
    create_vm(world.export, "vm010", MIB, 4096)
    assert vmstore.find_vm("vm01").name == "vm01"
    for wrong in ("vm0", "VM01", "vm01 ", ""):
        with pytest.raises(NotFound):
            vmstore.find_vm(wrong)


def test_an_unknown_name_brings_the_near_ones(vmstore: VMstore) -> None:
    with pytest.raises(NotFound) as caught:
        vmstore.find_vm("wm01")
    assert caught.value.suggestions == ("vm01",)


def test_a_name_of_two_vms_brings_a_line_for_each(world: TintriWorld, vmstore: VMstore) -> None:
    first = vmstore.find_vm("vm01")
    shutil.copytree(world.export / "vm01", world.export / "copy")
    with pytest.raises(AmbiguousName) as caught:
        vmstore.find_vm("vm01")
    assert len(set(caught.value.candidates)) == 2
    assert any(first.uuid in line for line in caught.value.candidates)


def test_all_vms_are_listed_over_many_pages(world: TintriWorld) -> None:
    world.restart(vms=1203)
    vmstore = world.open()
    names = [vm.name for vm in vmstore.list_vms()]
    assert len(names) == len(set(names)) == 1204
    assert world.asked().count(("GET", "/vm")) == 3


def test_a_vm_whose_files_are_gone_is_missing_and_not_listed(world: TintriWorld, vmstore: VMstore) -> None:
    vm = vmstore.find_vm("vm01")
    take(vmstore, vm)  # so that the VMstore keeps it as a historical one
    shutil.rmtree(world.export / "vm01")
    assert list(vmstore.list_vms()) == []
    with pytest.raises(MissingError):
        vmstore.get_vm(vm.uuid)
    with pytest.raises(NotFound):
        vmstore.find_vm("vm01")


# --- snapshots ---


def test_a_snapshot_is_made_once_for_a_label(world: TintriWorld, vmstore: VMstore) -> None:
    vm = vmstore.find_vm("vm01")
    made = take(vmstore, vm)
    assert made == take(vmstore, vm)
    assert made.description == f"{LABEL} by Cloudy"
    assert (made.vm_uuid, made.vm_name, made.consistency) == (vm.uuid, "vm01", "crash")
    assert vmstore.find_snapshots(LABEL) == (made,)
    assert world.asked().count(("POST", "/snapshot")) == 1


def test_a_snapshot_is_as_consistent_as_was_asked(vmstore: VMstore) -> None:
    assert take(vmstore, vmstore.find_vm("vm01"), consistency="vm").consistency == "vm"


def test_a_consistency_that_is_not_known_is_refused(vmstore: VMstore) -> None:
    with pytest.raises(PermanentError, match="use crash or vm"):
        take(vmstore, vmstore.find_vm("vm01"), consistency="app")


def test_a_snapshot_whose_answer_was_lost_is_found(world: TintriWorld, vmstore: VMstore) -> None:
    vm = vmstore.find_vm("vm01")
    world.simulator.fail("POST", "/api/v310/snapshot", status=500, after=True)
    with pytest.raises(TransientError):
        take(vmstore, vm)
    assert vmstore.find_snapshots(LABEL) == (take(vmstore, vm),)


def test_a_busy_inventory_is_transient(world: TintriWorld, vmstore: VMstore) -> None:
    vm = vmstore.find_vm("vm01")
    world.simulator.fail("GET", "/api/v310/snapshot/*", status=503, code="ERR-API-9013", message="Busy.")
    with pytest.raises(TransientError) as caught:
        take(vmstore, vm)
    assert caught.value.code == "ERR-API-9013"
    assert len({take(vmstore, vm).uuid, *(one.uuid for one in vmstore.find_snapshots(LABEL))}) == 1


def test_only_snapshots_of_the_label_are_found(vmstore: VMstore) -> None:
    vm = vmstore.find_vm("vm01")
    mine, other = take(vmstore, vm, "T1"), take(vmstore, vm, "T12")
    assert mine.uuid != other.uuid
    assert vmstore.find_snapshots("T1") == (mine,)
    assert vmstore.find_snapshots("T") == ()


def test_snapshots_are_listed_by_what_their_description_contains_whoever_took_them(vmstore: VMstore) -> None:
    vm = vmstore.find_vm("vm01")
    ours = take(vmstore, vm)
    take(vmstore, vm, "vm01 by cloudy")
    take(vmstore, vm, "nightly")
    assert [one.uuid for one in vmstore.list_snapshots("Z-7f3k9q by Cloudy")] == [ours.uuid]
    assert vmstore.list_snapshots("weekly") == ()


def test_a_snapshot_is_deleted_and_may_be_deleted_again(vmstore: VMstore) -> None:
    made = take(vmstore, vmstore.find_vm("vm01"))
    vmstore.delete_snapshot(made.uuid)
    vmstore.delete_snapshot(made.uuid)
    assert vmstore.find_snapshots(LABEL) == ()


def test_a_snapshot_is_kept_while_its_clone_is_there(world: TintriWorld, vmstore: VMstore) -> None:
    world.simulator.options.refuse_snapshot_delete_while_clone = True
    made = take(vmstore, vmstore.find_vm("vm01"))
    finished(vmstore, vmstore.clone_files(made.uuid, LABEL))
    with pytest.raises(TransientError, match="clone of it"):
        vmstore.delete_snapshot(made.uuid)
    SHARES["path"](f"path:{world.export}", export="/tintri").remove_tree(LABEL)
    vmstore.delete_snapshot(made.uuid)
    assert vmstore.find_snapshots(LABEL) == ()


# --- clones ---


def examined(world: TintriWorld, vm: Vm) -> tuple[str, ...]:
    """What the definition says of the clone's files, read as they are now."""
    folder = world.export / LABEL / "vm01"
    entries = [Entry(path=one.name, size=one.stat().st_size) for one in folder.iterdir() if one.is_file()]
    texts = {name: decode((folder / name).read_bytes()) for name in texts_needed(entries)}
    return examine(entries, texts, vm.disks).files


def test_a_clone_has_the_files_as_they_were_at_the_snapshot(world: TintriWorld, vmstore: VMstore) -> None:
    vm = vmstore.find_vm("vm01")
    before = {one.name: one.read_bytes() for one in (world.export / "vm01").iterdir() if one.is_file()}
    made = take(vmstore, vm)
    (world.export / "vm01" / "vm01-flat.vmdk").write_bytes(b"later")
    task = finished(vmstore, vmstore.clone_files(made.uuid, LABEL))
    assert (task.state, task.percent) == (TaskState.SUCCEEDED, 100.0)
    names = examined(world, vm)
    assert {"vm01.vmx", "vm01.vmdk", "vm01-flat.vmdk", "vm01.nvram", "vmware.log"} == set(names)
    assert {name: (world.export / LABEL / "vm01" / name).read_bytes() for name in names} == {
        name: before[name] for name in names
    }


def test_a_clone_that_still_grows_is_an_open_task_and_not_restorable(world: TintriWorld, vmstore: VMstore) -> None:
    world.simulator.options.clone_seconds = 30
    vm = vmstore.find_vm("vm01")
    task_id = vmstore.clone_files(take(vmstore, vm).uuid, LABEL)
    assert vmstore.task(task_id).state in (TaskState.QUEUED, TaskState.RUNNING)
    assert [task.id for task in vmstore.open_clone_tasks()] == [task_id]
    with pytest.raises(NotRestorable):
        examined(world, vm)


def test_a_finished_clone_is_no_open_task(vmstore: VMstore) -> None:
    finished(vmstore, vmstore.clone_files(take(vmstore, vmstore.find_vm("vm01")).uuid, LABEL))
    assert vmstore.open_clone_tasks() == ()


def test_a_clone_that_fails_says_why_with_the_vmstores_code(world: TintriWorld, vmstore: VMstore) -> None:
    world.simulator.fail_clones()
    task = finished(vmstore, vmstore.clone_files(take(vmstore, vmstore.find_vm("vm01")).uuid, LABEL))
    assert task.state is TaskState.FAILED
    assert "ERR-API-3213" in task.message


def test_a_directory_that_is_there_is_refused_with_the_vmstores_code(world: TintriWorld, vmstore: VMstore) -> None:
    made = take(vmstore, vmstore.find_vm("vm01"))
    (world.export / LABEL).mkdir()
    with pytest.raises(PermanentError) as caught:
        vmstore.clone_files(made.uuid, LABEL)
    assert caught.value.code == "ERR-API-3205"


def test_what_the_vmstore_does_not_know_is_missing(vmstore: VMstore) -> None:
    with pytest.raises(MissingError):
        vmstore.task("cloneVM@01-01-00:00:00.000")
    with pytest.raises(MissingError):
        vmstore.get_vm("no-such-vm")
    made = take(vmstore, vmstore.find_vm("vm01"))
    vmstore.delete_snapshot(made.uuid)
    with pytest.raises(MissingError):
        vmstore.clone_files(made.uuid, LABEL)


def changed(world: TintriWorld, vmstore: VMstore) -> tuple[Vm, Snapshot, bytes]:
    """A VM that was written to after its snapshot; with what its disk was then."""
    vm, disk = vmstore.find_vm("vm01"), world.export / "vm01" / "vm01-flat.vmdk"
    before, made = disk.read_bytes(), take(vmstore, vmstore.find_vm("vm01"))
    disk.write_bytes(b"later" + before[5:])
    return vm, made, before


@pytest.mark.parametrize("disks", [(), (("scsi0:0", "scsi0:0"),)])
def test_a_vm_is_put_back_in_place(world: TintriWorld, vmstore: VMstore, disks: tuple[tuple[str, str], ...]) -> None:
    vm, made, before = changed(world, vmstore)
    assert finished(vmstore, vmstore.sync_vm(vm.uuid, made.uuid, disks)).state is TaskState.SUCCEEDED
    assert (world.export / "vm01" / "vm01-flat.vmdk").read_bytes() == before
    assert vmstore.find_vm("vm01").uuid == vm.uuid
    assert [one.uuid for one in vmstore.list_snapshots("")] == [made.uuid]
    assert vmstore.open_sync_tasks() == ()


def test_putting_a_vm_back_is_an_open_task_that_is_no_clone(world: TintriWorld, vmstore: VMstore) -> None:
    vm, made, _before = changed(world, vmstore)
    world.simulator.options.clone_seconds = 30
    task_id = vmstore.sync_vm(vm.uuid, made.uuid)
    assert [task.id for task in vmstore.open_sync_tasks()] == [task_id]
    assert vmstore.open_clone_tasks() == ()


def test_a_vm_is_not_put_back_to_what_is_not_there_and_a_failure_says_why(world: TintriWorld, vmstore: VMstore) -> None:
    vm, made, _before = changed(world, vmstore)
    with pytest.raises(MissingError):
        vmstore.sync_vm(vm.uuid, made.uuid[:-1] + "F")
    world.simulator.order("task-fails")
    task = finished(vmstore, vmstore.sync_vm(vm.uuid, made.uuid))
    assert task.state is TaskState.FAILED
    assert "ERR-API-3701" in task.message


def test_a_session_serves_many_threads(world: TintriWorld, vmstore: VMstore) -> None:
    found: list[Vm] = []
    world.simulator.expire_sessions()
    threads = [threading.Thread(target=lambda: found.append(vmstore.find_vm("vm01"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert world.asked().count(("POST", "/session/login")) == 2
