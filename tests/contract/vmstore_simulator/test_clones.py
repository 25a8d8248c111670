"""Copy-out clones and their tasks."""

import re
import shutil

from integrations.simulators.vmstore import VmstoreSimulator
from tests.contract.vmstore_simulator.caller import FS, MIB, Caller, clone_spec, error_of, until


def test_a_clone_grows_file_by_file_while_its_task_runs(simulator: VmstoreSimulator, caller: Caller) -> None:
    simulator.options.clone_seconds = 0.6
    snapshot = caller.snapshot(caller.vm_id("vm01"))
    task = caller.clone(snapshot, "out")
    assert re.fullmatch(r"cloneVM@\d\d-\d\d-\d\d:\d\d:\d\d\.\d{3}", task)
    disk = simulator.export / "out" / "vm01" / "vm01-flat.vmdk"
    sizes, states = set(), []

    def is_done() -> bool:
        found = caller.get(f"/task/{task.replace('@', '%40').replace(':', '%3A')}")
        states.append((found["state"], found["progressPercent"]))
        sizes.add(disk.stat().st_size if disk.exists() else -1)
        return bool(found["jobDone"])

    until(is_done)
    assert states[0][0] == "RUNNING"
    assert states[-1] == ("SUCCESS", 100.0)
    assert sorted(states, key=lambda state: state[1]) == states
    assert -1 in sizes
    assert any(0 < size < 8 * MIB for size in sizes)
    assert disk.stat().st_size == 8 * MIB


def test_a_clone_is_no_vm_and_is_forgotten_with_its_directory(simulator: VmstoreSimulator, caller: Caller) -> None:
    snapshot = caller.snapshot(caller.vm_id("vm01"))
    caller.wait(caller.clone(snapshot, "out"))
    assert len(caller.get("/vm", live="true")["items"]) == 2
    shutil.rmtree(simulator.export / "out")
    caller.get("/vm")
    assert caller.get(f"/snapshot/{snapshot}")["cloneReferenceCount"] == 0


def test_the_direct_layout_is_a_switch(simulator: VmstoreSimulator, caller: Caller) -> None:
    simulator.options.layout = "direct"
    caller.wait(caller.clone(caller.snapshot(caller.vm_id("vm01")), "out"))
    assert (simulator.export / "out" / "vm01.vmx").is_file()


def test_running_tasks_are_found_by_state(simulator: VmstoreSimulator, caller: Caller) -> None:
    simulator.options.clone_seconds = 30
    task = caller.clone(caller.snapshot(caller.vm_id("vm01")), "out")
    running = caller.get("/task", state="RUNNING,QUEUED", jobType="CLONE")["items"]
    assert [item["uuid"]["uuid"] for item in running] == [task]
    assert caller.get("/task", state="SUCCESS")["items"] == []
    assert error_of(caller.call("GET", "/api/v310/task/cloneVM@nothing"))[0] == 404


def test_wrong_clone_requests_are_refused_and_make_nothing(simulator: VmstoreSimulator, caller: Caller) -> None:
    snapshot = caller.snapshot(caller.vm_id("vm01"))
    before = sorted(simulator.export.iterdir())
    for body in (
        None,
        {"snapshotId": snapshot},
        clone_spec(snapshot, "vm011"),  # there already
        clone_spec(snapshot, "../out"),
        clone_spec(snapshot, ""),
        {**clone_spec(snapshot, "out"), "snapshotId": None},
    ):
        assert error_of(caller.call("POST", "/api/v310/vm", body))[:2] == (400, "ERR-API-3205")
    assert error_of(caller.call("POST", "/api/v310/vm", clone_spec(snapshot, "a" * 300)))[1] == "ERR-API-3206"
    missing = clone_spec(f"{FS}-SST-00000000000000FF", "out")
    assert error_of(caller.call("POST", "/api/v310/vm", missing))[:2] == (404, "ERR-API-3214")
    assert sorted(simulator.export.iterdir()) == before


def test_a_clone_whose_directory_is_removed_meanwhile_fails_and_stays_removed(
    simulator: VmstoreSimulator, caller: Caller
) -> None:
    simulator.options.clone_seconds = 0.5
    task = caller.clone(caller.snapshot(caller.vm_id("vm01")), "out")
    (simulator.export / "out").rename(simulator.export.parent / "away")
    found = caller.wait(task)
    assert (found["state"], found["error"]["code"]) == ("FAILED", "ERR-API-3213")
    assert not (simulator.export / "out").exists()


def test_a_clones_file_that_is_removed_while_it_grows_is_not_made_again(
    simulator: VmstoreSimulator, caller: Caller
) -> None:
    simulator.options.clone_seconds = 1.5
    task = caller.clone(caller.snapshot(caller.vm_id("vm01")), "out")
    disk = simulator.export / "out" / "vm01" / "vm01-flat.vmdk"
    until(lambda: disk.exists() and disk.stat().st_size > 0)
    disk.unlink()
    assert caller.wait(task)["state"] == "FAILED"
    assert not disk.exists()


def test_a_clone_can_be_made_to_fail_half_way(simulator: VmstoreSimulator, caller: Caller) -> None:
    simulator.fail_clones()
    snapshot = caller.snapshot(caller.vm_id("vm01"))
    assert caller.wait(caller.clone(snapshot, "one"))["state"] == "FAILED"
    assert caller.wait(caller.clone(snapshot, "two"))["state"] == "SUCCESS"


def test_a_snapshot_deleted_while_its_clone_grows_lets_the_clone_end_well(
    simulator: VmstoreSimulator, caller: Caller
) -> None:
    simulator.options.clone_seconds = 0.4
    snapshot = caller.snapshot(caller.vm_id("vm01"))
    task = caller.clone(snapshot, "out")
    assert caller.call("DELETE", f"/api/v310/snapshot/{snapshot}").status_code == 200
    assert caller.wait(task)["state"] == "SUCCESS"
    frozen = simulator.export.with_name("export.state") / "snapshots"
    until(lambda: not list(frozen.iterdir()))
