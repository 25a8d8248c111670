"""Restarts, the record of requests, faults on order, sample VMs."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import requests

from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from tests.contract.vmstore_simulator.caller import FS, MIB, Caller, error_of, spec, until


def test_a_restart_keeps_ids_snapshots_and_clones(simulator: VmstoreSimulator, caller: Caller) -> None:
    vm, url = caller.vm_id("vm01"), simulator.url
    snapshot = caller.snapshot(vm, "kept")
    simulator.options.clone_seconds = 30
    task = caller.clone(snapshot, "out")
    simulator.stop()
    assert simulator.start() == url
    again = Caller(simulator)
    again.login()
    assert again.vm_id("vm01") == vm
    assert again.get(f"/snapshot/{snapshot}")["description"] == "kept"
    assert again.get(f"/task/{task}")["state"] == "FAILED"  # what was being made did not survive
    assert len(again.get("/vm", live="true")["items"]) == 2  # its half-made directory is no VM
    simulator.options.clone_seconds = 0
    assert again.wait(again.clone(snapshot, "out2"))["state"] == "SUCCESS"


def test_requests_are_recorded_without_passwords(simulator: VmstoreSimulator, caller: Caller) -> None:
    caller.call("GET", "/api/v310/vm", name="x")
    login, listing = simulator.requests
    assert login["body"] == {"username": "admin", "password": "***"}
    assert (listing["method"], listing["path"], listing["query"]) == ("GET", "/api/v310/vm", {"name": "x"})
    assert (listing["status"], listing["at"] >= login["at"]) == (200, True)
    assert "secret" not in repr(simulator.options)


def test_ordered_faults_hit_the_next_calls_before_or_after_their_work(
    simulator: VmstoreSimulator, caller: Caller
) -> None:
    vm = caller.vm_id("vm01")
    simulator.fail("GET", "/api/v310/vm*", status=503, code="ERR-API-9013", times=2)
    for _ in range(2):
        assert error_of(caller.call("GET", f"/api/v310/vm/{vm}"))[:2] == (503, "ERR-API-9013")
    assert caller.call("GET", f"/api/v310/vm/{vm}").status_code == 200
    simulator.fail("POST", "/api/v310/snapshot", after=True)
    assert caller.call("POST", "/api/v310/snapshot", [spec(vm)]).status_code == 500
    assert len(caller.get("/snapshot")["items"]) == 1


def test_a_call_can_hang_and_a_stop_does_not_wait_for_it(simulator: VmstoreSimulator, caller: Caller) -> None:
    simulator.hang("GET", "/api/v310/task", 600)
    failures: list[Exception] = []

    def ask() -> None:
        try:
            caller.call("GET", "/api/v310/task")
        except requests.RequestException as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: simulator.requests[-1]["path"].endswith("/task"))
    assert simulator.requests[-1]["status"] == 0
    simulator.stop()
    thread.join(60)
    assert len(failures) == 1


def test_two_clients_at_once_get_different_snapshots_and_tasks(simulator: VmstoreSimulator, caller: Caller) -> None:
    vm, made, tasks = caller.vm_id("vm011"), [], []

    def work(number: int) -> None:
        own = Caller(simulator)
        own.login()
        made.append(own.snapshot(vm))
        tasks.append(own.clone(made[-1], f"out{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == len(set(tasks)) == 6
    assert {caller.wait(task)["state"] for task in tasks} == {"SUCCESS"}


def test_appliance_and_datastore_answer_as_lists_and_by_default(caller: Caller) -> None:
    (listed,), (default,) = caller.get("/appliance"), caller.get("/appliance/default")
    assert listed["uuid"] == default["uuid"]
    assert caller.get("/appliance/default/info")["filesystemId"] == FS
    assert caller.get("/datastore/default")["displayName"] == "vmstore"
    assert error_of(caller.call("GET", "/api/v310/datastore/other"))[:2] == (501, "ERR-API-2001")


def test_run_prints_its_url_first_and_ends_on_sigterm(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from integrations.simulators.vmstore import run; "
        "sys.exit(run(Path(sys.argv[1]), http=True, vms=3))"
    )
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "export")], stdout=subprocess.PIPE, text=True, cwd=root
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        control = process.stdout.readline().strip().removeprefix("control: ")
        session = requests.Session()
        session.trust_env = False
        assert session.get(f"{url}/api/info", timeout=60).status_code == 200
        assert session.get(f"{control}/faults", timeout=60).json() == {"calls": [], "tasks": []}
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def test_sample_vms_are_the_same_for_the_same_seed_and_differ_for_another(tmp_path: Path) -> None:
    def disk(folder: str, seed: int) -> bytes:
        made = sample_vms.create(tmp_path / folder, ["vm02"], seed)
        return (made["vm02"] / "vm02_1-flat.vmdk").read_bytes()

    assert disk("a", 1) == disk("b", 1) != disk("c", 2)


def test_the_demos_vm01_is_one_gib_with_about_150_mb_in_it(tmp_path: Path) -> None:
    folder = sample_vms.create(tmp_path, ["vm01"])["vm01"]
    status = (folder / "vm01-flat.vmdk").stat()
    assert status.st_size == 1024 * MIB
    assert 145 * MIB < status.st_blocks * 512 < 160 * MIB
    assert 'RW 2097152 VMFS "vm01-flat.vmdk"' in (folder / "vm01.vmdk").read_text()
