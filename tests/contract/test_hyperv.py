"""What only Hyper-V has: logins, runspaces, the copy of the .vmcx, what a VM without one is made of, half-made VMs.

The counterpart is the stand-in of integrations/simulators/hyperv. What it is not stands in docs/hypervisors.md.
"""

import json
import threading
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.errors import ConfigError, DeniedError, PermanentError, TransientError
from bot.model import RegisterSpec, VmShape
from bot.ports import Hypervisor
from integrations.hypervisors import OPENERS
from integrations.simulators.hyperv import Card, Drive, Machine
from integrations.simulators.hyperv.call import cmdlet
from integrations.simulators.hyperv.pipeline import CMDLETS
from integrations.simulators.vmstore import tls
from tests.contract.test_hypervisor import LABEL
from tests.e2e.waiting import answered, until
from tests.hyperv_world import PASSWORD, SHARE, USER, HypervWorld

DISK = "Virtual Hard Disks/vm01.vhdx"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[HypervWorld]:
    one = HypervWorld(tmp_path)
    yield one
    one.close()


@pytest.fixture
def light(world: HypervWorld) -> HypervWorld:
    """The same, with disks that nothing boots from: they need no QEMU."""
    world.is_light = True
    return world


def change(world: HypervWorld, spec: RegisterSpec, change: Callable[[Machine], None]) -> None:
    """Change what the restored .vmcx holds, as somebody who writes to the bucket could."""
    (file,) = [file for file in spec.files if file.endswith(".vmcx")]
    made = deepcopy(world.host.named("vm01"))
    change(made)
    (world.export / file).write_text(made.text())


def without_vmcx(spec: RegisterSpec, **definition: Any) -> RegisterSpec:
    """The recovery point of a VM whose configuration lay elsewhere."""
    assert spec.shape is not None
    text = json.dumps({**json.loads(spec.shape.definition), **definition})
    files = tuple(file for file in spec.files if not file.endswith(".vmcx"))
    return replace(spec, files=files, shape=replace(spec.shape, definition=text))


def no_trace_of_the_way(error: BaseException) -> None:
    """The library's errors carry the request, and with it the password."""
    assert error.__cause__ is None
    assert error.__context__ is None
    assert PASSWORD not in str(error) + repr(error)


# --- the login ---


def test_a_wrong_password_is_told_without_it(light: HypervWorld) -> None:
    for auth in ("basic", "ntlm"):
        with pytest.raises(DeniedError, match=r"refused the login; look at `user`, `password` and `auth`") as told:
            light.open(password="not-the-word", auth=auth).info()
        assert "not-the-word" not in str(told.value)


def test_an_unknown_authority_is_refused(light: HypervWorld, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other, _, _ = tls.ensure(tmp_path / "other", "other")
    with pytest.raises(DeniedError, match="certificate was not accepted") as told:
        light.open(ca=str(other)).info()
    no_trace_of_the_way(told.value)
    with pytest.raises(DeniedError, match="certificate was not accepted"):
        light.open(ca="").info()
    with pytest.raises(DeniedError, match="is not there"):
        light.open(ca=str(tmp_path / "gone.pem")).info()


def test_the_environments_authorities_do_not_count(
    light: HypervWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert light.open().info().version
    with pytest.raises(DeniedError, match="certificate was not accepted"):
        light.open(ca="").info()


@pytest.mark.parametrize("auth", ["ntlm", "negotiate"])
def test_it_logs_in_by_ntlm_too(light: HypervWorld, auth: str) -> None:
    assert light.open(auth=auth).info().product == "Hyper-V, Microsoft Windows Server 2022 Datacenter"


def test_it_logs_in_by_a_certificate_of_its_own(light: HypervWorld) -> None:
    pems = {"certificate": str(light.client[0]), "certificate_key": str(light.client[1])}
    assert light.open(auth="certificate", user="", password="", **pems).info().version


def test_over_plain_http_every_message_is_encrypted(tmp_path: Path) -> None:
    world = HypervWorld(tmp_path, is_tls=False)
    world.is_light = True
    hypervisor = world.open(auth="ntlm")
    made = hypervisor.register_vm(LABEL, world.copied("vm01", "vm01-restored"))
    assert hypervisor.registered(LABEL) == made
    assert world.server.kinds == {"multipart/encrypted"}
    world.close()


@pytest.mark.parametrize(
    ("url", "settings", "told"),
    [
        ("hv1", {}, "takes https://host:5986/wsman"),
        ("ftp://hv1", {}, "takes https://host:5986/wsman"),
        ("https://", {}, "takes https://host:5986/wsman"),
        (f"https:///bot:{PASSWORD}@hv1", {}, "takes https://host:5986/wsman"),
        (f"bot:{PASSWORD}@hv1", {}, "takes https://host:5986/wsman"),
        ("https://hv1:port", {}, "no address"),
        (f"https://bot:{PASSWORD}@hv1", {}, "holds a user or password"),
        ("https://hv1", {"user": ""}, "needs `user` and `password`"),
        ("https://hv1", {"password": ""}, "needs `user` and `password`"),
        ("https://hv1", {"auth": "digest"}, "auth is 'digest'; there are: negotiate"),
        ("https://hv1", {"auth": "certificate"}, "needs `certificate` and `certificate_key`"),
        ("https://hv1", {"auth": "certificate", "certificate": "a.pem"}, "needs `certificate` and `certificate_key`"),
        ("https://hv1", {"auth": "kerberos", "user": ""}, "a password needs its `user`"),
        ("http://hv1", {"auth": "basic"}, "nothing would be encrypted over http"),
        ("http://hv1", {"auth": "certificate"}, "nothing would be encrypted over http"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(url: str, settings: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as error:
        OPENERS["hyperv"]("hv1", url, SHARE, {"user": USER, "password": PASSWORD, **settings})
    assert PASSWORD not in str(error.value)


@pytest.mark.parametrize("datastore", ["/mnt/tintri", "tintri", "\\\\vmstore", "\\\\vmstore\\share\\..", "D:\\share"])
def test_a_datastore_that_is_no_share_is_refused_at_once(datastore: str) -> None:
    with pytest.raises(ConfigError, match="for hyperv it is a share"):
        OPENERS["hyperv"]("hv1", "https://hv1", datastore, {"user": USER, "password": PASSWORD})


# --- runspaces, and hosts that do not answer ---


def test_one_runspace_serves_many_calls_and_ends_at_close(light: HypervWorld) -> None:
    hypervisor = light.open()
    for _ in range(3):
        hypervisor.info()
        hypervisor.find("vm01")
    assert light.server.seen.count("Create") == 1
    assert len(light.server.shells) == 1
    hypervisor.close()
    assert light.server.shells == {}
    hypervisor.info()
    assert light.server.seen.count("Create") == 2


def test_a_runspace_that_the_host_has_ended_is_opened_again(light: HypervWorld) -> None:
    hypervisor = light.open()
    before = hypervisor.info()
    light.server.shells.clear()
    assert hypervisor.info() == before


def test_a_host_that_answers_nothing_is_given_up_and_asked_again(light: HypervWorld) -> None:
    hypervisor, other = light.open(timeout_s=4.0), light.open(timeout_s=4.0)
    answered(hypervisor.info)
    light.original("vm01")
    light.server.faults.freeze()
    errors: list[BaseException] = []

    def ask(one: Hypervisor) -> None:
        try:
            one.find("vm01")
        except TransientError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(one,)) for one in (hypervisor, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    light.server.faults.thaw()
    assert ["did not answer in time" in str(error) for error in errors] == [True, True]
    for error in errors:
        no_trace_of_the_way(error)
    for one in (hypervisor, other):
        assert [found.name for found in answered(partial(one.find, "vm01"))] == ["vm01"]
    light.server.shells.clear()  # those that nobody could end


def test_a_cmdlet_that_does_not_end_is_given_up(light: HypervWorld) -> None:
    hypervisor = light.open(timeout_s=4.0)
    light.server.faults.stall("Get-VM")
    with pytest.raises(TransientError, match="did not answer in time"):
        hypervisor.find("vm01")
    light.server.faults.thaw()
    until(lambda: light.server.shells == {}, "its runspace was ended")
    assert answered(lambda: hypervisor.find("vm01")) == ()


def test_a_host_that_dies_and_comes_back_is_asked_again(light: HypervWorld) -> None:
    hypervisor = light.open()
    hypervisor.info()
    light.server.stop()
    with pytest.raises(TransientError, match="does WinRM listen"):
        hypervisor.find("vm01")
    light.server.start()
    assert hypervisor.find("vm01") == ()


def test_a_slow_host_is_waited_for(light: HypervWorld) -> None:
    light.server.faults.slow_s = 0.1
    assert light.open().info().version


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (503, TransientError, "does not work now"),
        (403, DeniedError, "Remote Management Users"),
        (404, PermanentError, "no address of WinRM"),
    ],
)
def test_what_the_web_server_says_is_told(light: HypervWorld, status: int, kind: type[Exception], told: str) -> None:
    light.server.faults.status = status
    with pytest.raises(kind, match=told):
        light.open().info()


def test_what_is_no_winrm_is_told(light: HypervWorld) -> None:
    with pytest.raises(PermanentError, match="no address of WinRM"):
        light.open(url=f"{light.server.url}/other").info()


def test_calls_of_several_threads_do_not_wait_for_each_other(light: HypervWorld) -> None:
    hypervisor = light.open()
    light.server.faults.stall("Get-VMHost")
    slow = threading.Thread(target=hypervisor.info)
    slow.start()
    while light.server.faults.is_planned:
        threading.Event().wait(0.01)
    assert hypervisor.find("vm01") == ()
    light.server.faults.thaw()
    slow.join()


def test_a_share_that_the_host_does_not_reach_is_told_with_what_lacks(light: HypervWorld) -> None:
    with pytest.raises(DeniedError, match=r"HYPERV1 does not reach \\\\other\\share.*delegation"):
        light.open(datastore="\\\\other\\share").info()


def test_a_host_that_tells_something_else_is_told(light: HypervWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = cmdlet(lambda _call: [], "ClassName")
    for name in ("Get-VMHost", "Get-CimInstance"):
        with monkeypatch.context() as patch:
            patch.setitem(CMDLETS, name, nothing)
            with pytest.raises(PermanentError, match="something else than it should"):
                light.open().info()


def test_a_host_without_hyper_v_is_told_what_to_install(light: HypervWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(CMDLETS, "Get-VMHost")
    with pytest.raises(PermanentError, match="Hyper-V's module for Windows PowerShell must be installed"):
        light.open().info()


# --- the .vmcx ---


def test_the_restored_files_stay_as_they_are_and_no_disk_is_copied(light: HypervWorld) -> None:
    spec, hypervisor = light.copied("vm01", "vm01-restored"), light.open()
    before = {file: (light.export / file).read_bytes() for file in spec.files}
    made = hypervisor.register_vm(LABEL, spec)
    machine = light.machine(made.id)
    assert machine.path == f"{SHARE}\\vm01-restored\\cloudy-{LABEL}"
    assert [drive.path for drive in machine.drives] == [f"{SHARE}\\vm01-restored\\{DISK}".replace("/", "\\")]
    assert [file for file in light.files("vm01-restored") if file.endswith(".vhdx")] == [f"vm01-restored/{DISK}"]
    hypervisor.unregister(made.id)
    assert {file: (light.export / file).read_bytes() for file in light.files("vm01-restored")} == before


def test_another_vm_gets_another_address_and_the_same_one_keeps_it(light: HypervWorld) -> None:
    hypervisor, spec = light.open(), light.copied("vm01", "vm01-restored")
    change(light, spec, lambda machine: machine.cards.__setitem__(0, Card(mac="00155DAABBCC", is_dynamic=False)))
    made = hypervisor.register_vm(LABEL, spec)
    assert "Network Adapter had a fixed address, and gets another one" in made.notes
    assert light.machine(made.id).cards[0].is_dynamic
    for each in (made, *hypervisor.find("vm01")):
        hypervisor.unregister(each.id)
    made = hypervisor.register_vm("T2", replace(spec, keeps_identity=True))
    assert light.machine(made.id).cards[0].mac == "00155DAABBCC"
    assert not light.machine(made.id).cards[0].is_dynamic


def test_an_identity_that_is_taken_is_told(light: HypervWorld) -> None:
    with pytest.raises(PermanentError, match="the VM with that identity is still there"):
        light.open().register_vm(LABEL, replace(light.copied("vm01", "vm01-restored"), keeps_identity=True))


def test_what_leads_out_of_the_folder_is_taken_out_and_told(light: HypervWorld) -> None:
    spec = light.copied("vm01", "vm01-restored")
    change(light, spec, lambda machine: machine.ports.__setitem__(1, "\\\\.\\pipe\\debug"))
    made = light.open().register_vm(LABEL, spec)
    machine = light.machine(made.id)
    assert (machine.ports, [dvd.path for dvd in machine.dvds]) == ({1: "", 2: ""}, [""])
    assert (machine.snapshot_path, machine.paging_path) == (machine.path, machine.path)
    assert {"left out: the CD in drive 0", "left out: what its serial ports were connected to"} < set(made.notes)


@pytest.mark.parametrize(
    ("drive", "told"),
    [
        (Drive("IDE", 0, 1, f"{SHARE}\\vm02\\vm02.vhdx"), "vm02.vhdx, which is not among the restored files"),
        (Drive("IDE", 0, 1, "C:\\secret.vhdx"), "secret.vhdx, which is not among the restored files"),
        (Drive("SCSI", 0, 0, "Disk 2 100 GB", disk_number=2), "a disk that is no file"),
    ],
)
def test_a_disk_that_was_not_restored_is_refused(light: HypervWorld, drive: Drive, told: str) -> None:
    hypervisor, spec = light.open(), light.copied("vm01", "vm01-restored")
    change(light, spec, lambda machine: machine.drives.append(drive))
    with pytest.raises(PermanentError, match=told):
        hypervisor.register_vm(LABEL, spec)
    assert hypervisor.registered(LABEL) is None
    assert hypervisor.find("vm01-restored") == ()


def test_what_the_host_has_against_it_is_told_in_its_words(light: HypervWorld) -> None:
    hypervisor, spec = light.open(), light.copied("vm01", "vm01-restored")
    why = "The virtual machine is using processor-specific features not supported on this host."
    change(light, spec, lambda machine: setattr(machine, "wants", why))
    with pytest.raises(PermanentError, match=rf"{why[:-1]} \(14420\); nothing was registered"):
        hypervisor.register_vm(LABEL, spec)
    assert hypervisor.registered(LABEL) is None


def test_a_vmcx_that_the_host_cannot_read_is_told(light: HypervWorld) -> None:
    spec = light.copied("vm01", "vm01-restored")
    (file,) = [file for file in spec.files if file.endswith(".vmcx")]
    (light.export / file).write_text("no configuration")
    with pytest.raises(PermanentError, match="The file may be corrupt"):
        light.open().register_vm(LABEL, spec)


def test_of_several_definitions_the_vms_own_is_taken(light: HypervWorld) -> None:
    hypervisor, spec = light.open(), light.copied("vm01", "vm01-restored")
    other = f"{spec.directory}/cloudy-T0/Virtual Machines/5AE40946-3A98-428E-8C83-081A3C6BD18C.vmcx"
    (light.export / other).parent.mkdir(parents=True)
    (light.export / other).write_text("of an earlier restore")
    made = hypervisor.register_vm(LABEL, replace(spec, files=(*spec.files, other)))
    hypervisor.unregister(made.id)
    with pytest.raises(PermanentError, match="several definitions"):
        hypervisor.register_vm(LABEL, replace(spec, files=(*spec.files, other), shape=None))


def test_a_vm_of_generation_2_boots_from_its_first_disk_and_not_from_the_network(light: HypervWorld) -> None:
    hypervisor, spec = light.open(), light.copied("vm01", "vm01-restored")

    def second(machine: Machine) -> None:
        machine.generation, machine.dvds = 2, []
        machine.drives = [Drive("SCSI", 0, 3, machine.drives[0].path)]
        machine.first_boot = machine.drives[0].path

    change(light, spec, second)
    machine = light.machine(hypervisor.register_vm(LABEL, spec).id)
    assert machine.first_boot == f"{SHARE}\\vm01-restored\\{DISK}".replace("/", "\\")


def test_a_saved_state_is_thrown_away(light: HypervWorld) -> None:
    spec = light.copied("vm01", "vm01-restored")
    change(light, spec, lambda machine: setattr(machine, "state", "Saved"))
    made = light.open().register_vm(LABEL, spec)
    assert light.machine(made.id).state == "Off"


# --- disks that are based on others ---


def test_a_disk_gets_its_restored_parent(light: HypervWorld) -> None:
    spec = light.copied("vm01", "vm01-restored")
    child = f"{SHARE}\\vm01-restored\\{DISK}".replace("/", "\\")
    base = f"{spec.directory}/Virtual Hard Disks/base.vhdx"
    (light.export / base).write_bytes(b"base")
    light.host.parents[child] = f"{SHARE}\\vm01\\Virtual Hard Disks\\base.vhdx"
    light.open().register_vm(LABEL, replace(spec, files=(*spec.files, base)))
    assert light.host.parents[child] == f"{SHARE}\\{base}".replace("/", "\\")


def test_a_disk_whose_parent_was_not_restored_is_refused(light: HypervWorld) -> None:
    hypervisor, spec = light.open(), light.copied("vm01", "vm01-restored")
    light.host.parents[f"{SHARE}\\vm01-restored\\{DISK}".replace("/", "\\")] = "C:\\Windows\\base.vhdx"
    with pytest.raises(PermanentError, match=r"is based on C:.*which is not among the restored files"):
        hypervisor.register_vm(LABEL, spec)
    assert hypervisor.find("vm01-restored") == ()


# --- network adapters ---


def test_a_card_goes_to_the_switch_that_is_named_in_its_place(light: HypervWorld) -> None:
    light.host.switches.append("Lab")
    spec = replace(light.copied("vm01", "vm01-restored"), is_connected=True, networks={"Production": "Lab"})
    made = light.open().register_vm(LABEL, spec)
    assert [card.switch for card in light.machine(made.id).cards] == ["Lab"]


def test_a_switch_that_the_host_does_not_have_leaves_the_card_unconnected_and_is_told(light: HypervWorld) -> None:
    spec = replace(light.copied("vm01", "vm01-restored"), is_connected=True)
    light.host.switches[:] = ["Lab"]
    made = light.open().register_vm(LABEL, spec)
    assert not light.is_connected(made.id)
    assert "Network Adapter is not connected; it was to Production, which this host does not have" in made.notes


def test_a_switch_that_an_order_names_must_be_there(light: HypervWorld) -> None:
    hypervisor = light.open()
    spec = replace(light.copied("vm01", "vm01-restored"), is_connected=True, networks={"Production": "Lab"})
    for each in (spec, without_vmcx(spec)):
        with pytest.raises(PermanentError, match=r"no virtual switch Lab \(it has: Production\); map Production to"):
            hypervisor.register_vm(LABEL, each)
    assert hypervisor.registered(LABEL) is None


def test_cards_of_one_name_are_told_apart(light: HypervWorld) -> None:
    light.host.switches.append("Lab")
    spec = light.copied("vm01", "vm01-restored")
    change(light, spec, lambda machine: machine.cards.append(Card(switch="Lab")))
    wanted = replace(spec, is_connected=True, networks={"Production": "Lab", "Lab": "Production"})
    made = light.open().register_vm(LABEL, wanted)
    assert [card.switch for card in light.machine(made.id).cards] == ["Lab", "Production"]


# --- without a .vmcx ---


def test_a_vm_without_vmcx_is_made_of_what_was_known_of_it(world: HypervWorld) -> None:
    hypervisor, spec = world.open(), without_vmcx(world.copied("vm01", "vm01-restored"))
    made = hypervisor.register_vm(LABEL, spec)
    machine = world.machine(made.id)
    assert (machine.name, machine.generation, machine.processors, machine.startup) == ("vm01-restored", 1, 2, 256 << 20)
    assert [(drive.bus, drive.number, drive.location) for drive in machine.drives] == [("IDE", 0, 0)]
    assert [(card.switch, card.is_dynamic) for card in machine.cards] == [("", True)]
    assert machine.notes.startswith("first line\nsecond\nRegistered by Cloudy: ")
    assert any(note.startswith("made anew") for note in made.notes)
    hypervisor.power_on(made.id)
    world.boots(made.id)
    hypervisor.unregister(made.id)
    assert world.there(spec.files)


def test_disks_come_to_their_places_whichever_these_are(light: HypervWorld) -> None:
    spec = light.copied("vm01", "vm01-restored")
    second = f"{spec.directory}/Virtual Hard Disks/data.vhdx"
    (light.export / second).write_bytes(b"data")
    slots = [{"bus": "SCSI", "number": 0, "location": 5, "path": DISK}]
    slots += [{"bus": "SCSI", "number": 2, "location": 0, "path": "elsewhere/data.vhdx"}]
    cards = [{"name": "nic", "switch": "Production", "mac": "00155D010203", "is_dynamic": False, "is_legacy": False}]
    changed = without_vmcx(spec, generation=2, disks=slots, cards=cards, secure_boot=True, template="MicrosoftUEFI")
    changed = replace(changed, files=(*changed.files, second), is_connected=True, keeps_identity=True, name="vm02")
    hypervisor = light.open()
    hypervisor.unregister(hypervisor.find("vm01")[0].id)
    made = hypervisor.register_vm(LABEL, changed)
    machine = light.machine(made.id)
    assert [(drive.bus, drive.number, drive.location) for drive in machine.drives] == [("SCSI", 0, 5), ("SCSI", 2, 0)]
    assert machine.first_boot == machine.drives[0].path
    assert (machine.secure_boot, machine.template) == ("On", "MicrosoftUEFI")
    assert [(card.name, card.switch, card.mac) for card in machine.cards] == [("nic", "Production", "00155D010203")]
    assert any(note.startswith("it has another id") for note in made.notes)


def test_a_vm_with_checkpoints_is_made_anew_without_them(light: HypervWorld) -> None:
    light.original("vm01")
    light.host.named("vm01").checkpoints = 2
    spec = light.copied("vm01", "vm01-restored")
    made = light.open().register_vm(LABEL, spec)
    assert "left out: its 2 checkpoints; it is as it was when it was protected" in made.notes
    snapshot = f"{spec.directory}/Snapshots/5AE40946-3A98-428E-8C83-081A3C6BD18C.vmcx"
    (light.export / snapshot).parent.mkdir()
    (light.export / snapshot).touch()
    unknown = replace(spec, name="vm03", files=(*spec.files, snapshot), shape=None)
    with pytest.raises(PermanentError, match="checkpoints, and the recovery point holds no definition"):
        light.open().register_vm("T2", unknown)


def test_without_vmcx_and_shape_nothing_is_registered(light: HypervWorld) -> None:
    spec = without_vmcx(light.copied("vm01", "vm01-restored"))
    other = VmShape(kind="libvirt", cpus=1, memory_mib=1, firmware="", nics=(), disks=(), definition="<domain/>")
    for shape in (None, other):
        with pytest.raises(PermanentError, match="no definition for Hyper-V"):
            light.open().register_vm(LABEL, replace(spec, shape=shape))


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        ({"generation": 3}, "no generation or number"),
        ({"processors": 0}, "no generation or number"),
        ({"startup": -1}, "no amount of memory"),
        ({"processors": "2; Stop-Computer"}, "not of the right kind"),
        ({"disks": [{"bus": "IDE", "number": 7, "location": 0, "path": "a"}]}, "no place IDE 7:0"),
        ({"disks": [{"bus": "NVMe", "number": 0, "location": 0, "path": "a"}]}, "no place NVMe 0:0"),
        ({"disks": [{"bus": "IDE", "number": 0, "location": 0, "path": "C:\\x.vhdx"}]}, "not among the restored"),
        ({"cards": [{"name": "n", "switch": "", "mac": "x", "is_dynamic": True, "is_legacy": False}]}, "cannot have"),
        ({"cards": 5}, "cannot be read"),
    ],
)
def test_a_definition_that_cannot_be_is_refused(light: HypervWorld, definition: dict[str, Any], told: str) -> None:
    hypervisor, spec = light.open(), without_vmcx(light.copied("vm01", "vm01-restored"), **definition)
    with pytest.raises(PermanentError, match=told):
        hypervisor.register_vm(LABEL, spec)
    assert hypervisor.registered(LABEL) is None


# --- half-made, cut off ---


@pytest.mark.parametrize(
    ("cmdlet", "is_after"),
    [("Import-VM", True), ("Add-VMHardDiskDrive", False), ("Set-VM", False), ("Set-VM", True)],
)
def test_wherever_it_was_cut_off_one_label_registers_one_vm(light: HypervWorld, cmdlet: str, is_after: bool) -> None:
    spec, hypervisor = light.copied("vm01", "vm01-restored"), light.open()
    light.server.faults.plan(cmdlet, "cut", is_after=is_after)
    with pytest.raises(TransientError, match="broke off"):
        hypervisor.register_vm(LABEL, spec)
    begun = hypervisor.registered(LABEL)
    assert begun is not None
    made = hypervisor.register_vm(LABEL, spec)
    assert hypervisor.registered(LABEL) == made
    assert (made.name, len(light.machine(made.id).drives)) == ("vm01-restored", 1)
    assert sorted(machine.name for machine in light.host.machines.values()) == ["vm01", "vm01-restored"]
    light.server.shells.clear()  # the cut-off one, which the host ends by itself


def test_what_was_begun_can_be_taken_back(light: HypervWorld) -> None:
    spec, hypervisor = without_vmcx(light.copied("vm01", "vm01-restored")), light.open()
    light.server.faults.plan("Add-VMNetworkAdapter", "cut")
    with pytest.raises(TransientError):
        hypervisor.register_vm(LABEL, spec)
    begun = hypervisor.registered(LABEL)
    assert begun is not None
    hypervisor.unregister(begun.id)
    assert hypervisor.registered(LABEL) is None
    assert [machine.name for machine in light.host.machines.values()] == ["vm01"]
    assert light.there(spec.files)
    light.server.shells.clear()


@pytest.mark.parametrize("cmdlet", ["Import-VM", "Set-VMNetworkAdapter", "Set-VM"])
def test_what_the_host_refuses_on_the_way_leaves_nothing(light: HypervWorld, cmdlet: str) -> None:
    spec, hypervisor = light.copied("vm01", "vm01-restored"), light.open()
    light.server.faults.plan(cmdlet, "refuse")
    with pytest.raises(PermanentError, match=rf"{cmdlet} failed on purpose") as told:
        hypervisor.register_vm(LABEL, spec)
    assert told.value.code == "OperationFailed"
    assert hypervisor.registered(LABEL) is None
    assert [machine.name for machine in light.host.machines.values()] == ["vm01"]
    assert light.there(spec.files)


def test_a_vm_that_was_restored_before_is_restored_under_the_new_label(light: HypervWorld) -> None:
    """Its files hold the notes, and the folder, of the first restore."""
    hypervisor = light.open()
    first = hypervisor.register_vm("T1", light.copied("vm01", "vm02"))
    light.copy_folder("vm02", "vm03")
    files = tuple(file for file in light.files("vm03") if "cloudy-T1" in file or file.endswith(".vhdx"))
    made = hypervisor.register_vm("T2", RegisterSpec(name="vm03", directory="vm03", files=files, shape=None))
    assert hypervisor.registered("T1") == first
    assert hypervisor.registered("T2") == made
    assert light.machine(made.id).notes.count("Registered by Cloudy") == 1


# --- the shape, life, power ---


def test_drives_that_are_empty_or_the_hosts_own_are_no_part_of_a_shape(light: HypervWorld) -> None:
    vm = light.original("vm01")
    light.host.named("vm01").drives += [Drive("SCSI", 0, 0, ""), Drive("SCSI", 0, 1, "Disk 2 9 GB", disk_number=2)]
    assert light.open().shape(vm).disks == (vm.disks[0].path,)


def test_the_shape_is_found_by_the_disks_whatever_the_vm_is_called(light: HypervWorld) -> None:
    vm, hypervisor = light.original("vm01"), light.open()
    shape = hypervisor.shape(replace(vm, name="other"))
    assert (shape.cpus, shape.memory_mib, shape.firmware) == (2, 256, "bios")
    assert [(nic.mac, nic.network, nic.model) for nic in shape.nics] == [
        ("00:15:5d:aa:bb:cc", "Production", "synthetic")
    ]
    assert json.loads(shape.definition)["disks"][0]["path"] == vm.disks[0].path
    assert hypervisor.shape(replace(vm, disks=())) == shape
    machine = light.host.named("vm01")
    machine.drives[0].path = machine.drives[0].path.upper()
    assert hypervisor.shape(vm).disks == (vm.disks[0].path,)


def test_of_a_vm_of_generation_2_secure_boot_is_told(light: HypervWorld) -> None:
    vm = light.original("vm01")
    machine = light.host.named("vm01")
    machine.generation, machine.dvds, machine.has_tpm = 2, [], True
    machine.drives[0].bus = "SCSI"
    shape = light.open().shape(vm)
    told = json.loads(shape.definition)
    assert (shape.firmware, told["secure_boot"], told["template"], told["has_tpm"]) == (
        "efi",
        True,
        "MicrosoftWindows",
        True,
    )


def test_a_guest_lives_by_its_heartbeat(light: HypervWorld) -> None:
    hypervisor = light.open()
    made = hypervisor.register_vm(LABEL, light.copied("vm01", "vm01-restored"))
    hypervisor.power_on(made.id)
    machine, told = light.machine(made.id), []
    for heartbeat in ("NoContact", "LostCommunication", "OkApplicationsUnknown"):
        machine.heartbeat = heartbeat
        found = hypervisor.alive(made.id, "a console that Hyper-V does not have")
        told.append((found.sign, found.text) if found else None)
    assert told == [None, None, ("heartbeat", "heartbeat: OkApplicationsUnknown; up for 00:00:09")]


def test_a_vm_that_waits_goes_on_and_a_saved_one_is_off(light: HypervWorld) -> None:
    hypervisor = light.open()
    made = hypervisor.register_vm(LABEL, light.copied("vm01", "vm01-restored"))
    machine = light.machine(made.id)
    machine.state = "Paused"
    assert [found.is_on for found in hypervisor.find(made.name)] == [True]
    hypervisor.power_on(made.id)
    assert machine.state == "Running"
    machine.state = "Saved"
    assert [found.is_on for found in hypervisor.find(made.name)] == [False]
    hypervisor.unregister(made.id)
    assert hypervisor.find(made.name) == ()


def test_a_vm_that_does_not_start_is_told_in_the_hosts_words(light: HypervWorld) -> None:
    hypervisor, spec = light.open(), light.copied("vm01", "vm01-restored")
    made = hypervisor.register_vm(LABEL, spec)
    light.cannot_start(spec)
    with pytest.raises(PermanentError, match=r"Not enough memory in the system \(0x8007000E\)"):
        hypervisor.power_on(made.id)


def test_names_are_names_and_no_patterns(light: HypervWorld) -> None:
    hypervisor, spec = light.open(), light.copied("vm01", "vm01-restored")
    made = hypervisor.register_vm(LABEL, replace(spec, name="vm*[1]; $x 'quoted' \"too\""))
    assert hypervisor.find("vm*[1]; $x 'quoted' \"too\"") == (made,)
    assert hypervisor.find("vm*") == ()


def test_ids_that_are_none_are_missing(light: HypervWorld) -> None:
    hypervisor = light.open()
    for vm_id in ("", "vm-42", "*", "5AE40946-3A98-428E-8C83-081A3C6BD18C"):
        hypervisor.unregister(vm_id)
        hypervisor.power_off(vm_id)
        with pytest.raises(PermanentError, match=r"no such VM|knows no VM"):
            hypervisor.power_on(vm_id)
