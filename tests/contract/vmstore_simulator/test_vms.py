"""VMs, their disks, and pages."""

import re
import shutil
from pathlib import Path

from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from tests.contract.vmstore_simulator.caller import FS, MIB, Caller, error_of


def test_pages_follow_next_until_it_is_absent(tmp_path: Path) -> None:
    simulator = VmstoreSimulator(tmp_path / "export", http=True, vms=5)
    simulator.start()
    try:
        caller = Caller(simulator)
        caller.login()
        seen: list[str] = []
        links: list[bool] = []
        query = "limit=2&live=true&isDeleted=True"
        while query and len(links) < 9:
            page = caller.call("GET", f"/api/v310/vm?{query}").json()
            assert page["typeId"] == "com.tintri.api.rest.v310.dto.Page"
            assert page["filteredTotal"] == 5
            seen += [item["vmware"]["name"] for item in page["items"]]
            query = page.get("next", "")
            links.append("next" in page)
    finally:
        simulator.stop()
    assert len(set(seen)) == 5
    assert links == [True, True, False]


def test_five_thousand_vms_are_listed(tmp_path: Path) -> None:
    simulator = VmstoreSimulator(tmp_path / "export", http=True, vms=5000)
    simulator.start()
    try:
        caller = Caller(simulator)
        caller.login()
        assert len(caller.get("/vm")["items"]) == 2000
        assert len(caller.get("/vm", limit=5000)["items"]) == 5000
    finally:
        simulator.stop()


def test_an_impossible_page_is_refused(caller: Caller) -> None:
    assert error_of(caller.call("GET", "/api/v310/vm", limit="many"))[:2] == (400, "ERR-API-4003")


def test_a_vm_is_what_its_vmx_says(caller: Caller) -> None:
    vm = caller.get("/vm/" + caller.vm_id("vm01"))
    assert re.fullmatch(rf"{FS}-VIM-[0-9A-F]{{16}}", vm["uuid"]["uuid"])
    assert (vm["isLive"], vm["vmware"]["subdir"], vm["vmware"]["numberCpu"]) == (True, "vm01", 2)
    disks = caller.get("/virtualDisk", vmUuid=vm["uuid"]["uuid"])["items"]
    assert [(d["name"], d["path"]) for d in disks if d["isDiskDrive"]] == [("scsi0:0", "vm01/vm01.vmdk")]
    assert [d["path"].endswith(".vswp") for d in disks if not d["isDiskDrive"]] == [True]


def test_a_name_matches_in_part_or_exactly_by_switch_and_the_exact_one_comes_first(
    simulator: VmstoreSimulator, caller: Caller
) -> None:
    sample_vms.create_vm(simulator.export, "a-vm01", MIB, 4096)
    names = [item["vmware"]["name"] for item in caller.get("/vm", name="vm01")["items"]]
    assert names == ["vm01", "a-vm01", "vm011"]
    simulator.options.name_match = "exact"
    assert len(caller.get("/vm", name="vm01")["items"]) == 1


def test_a_vm_whose_folder_is_gone_is_history_while_it_has_snapshots(
    simulator: VmstoreSimulator, caller: Caller
) -> None:
    vm = caller.vm_id("vm01")
    snapshot = caller.snapshot(vm)
    shutil.rmtree(simulator.export / "vm01")
    assert [item["vmware"]["name"] for item in caller.get("/vm", live="true")["items"]] == ["vm011"]
    assert caller.get(f"/vm/{vm}")["isLive"] is False
    caller.call("DELETE", f"/api/v310/snapshot/{snapshot}")
    assert error_of(caller.call("GET", f"/api/v310/vm/{vm}"))[0] == 404


def test_disk_paths_begin_with_the_export_by_switch(simulator: VmstoreSimulator, caller: Caller) -> None:
    simulator.options.disk_paths = "absolute"
    disks = caller.get("/virtualDisk", vmUuid=caller.vm_id("vm01"), isDiskDrive="true")["items"]
    assert [disk["path"] for disk in disks] == ["/tintri/vm01/vm01.vmdk"]


def test_two_vms_may_have_one_name_and_a_folder_below_a_folder_counts(
    simulator: VmstoreSimulator, caller: Caller
) -> None:
    sample_vms.create_vm(simulator.export / "submount", "vm01", MIB, 4096, seed=2)
    items = caller.get("/vm", name="vm01", live="true")["items"]
    assert {item["vmware"]["subdir"] for item in items[:2]} == {"vm01", "submount/vm01"}
    assert len({item["uuid"]["uuid"] for item in items}) == 3
