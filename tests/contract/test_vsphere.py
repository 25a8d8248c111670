"""What only vSphere has: sessions, certificates, the .vmx that is made anew, questions, networks, where VMs go.

The counterpart is govmomi's simulator (tests/vcenter.py). What it does not do stands in docs/hypervisors.md.
"""

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dissect.hypervisor import vmx as other_reader
from pyVmomi import vim

from bot.errors import ConfigError, DeniedError, PermanentError, TransientError
from bot.model import RegisterSpec
from bot.ports import Hypervisor
from integrations.hypervisors import OPENERS
from integrations.hypervisors.vsphere import connection
from integrations.simulators.vmstore import tls
from tests.contract.test_hypervisor import LABEL
from tests.e2e.waiting import answered
from tests.vcenter import PASSWORD, USER
from tests.vsphere_world import UUID, VsphereWorld, card, descriptor, vmx_text


@pytest.fixture
def world(tmp_path: Path) -> Iterator[VsphereWorld]:
    one = VsphereWorld(tmp_path)
    yield one
    one.close()


def change_vmx(world: VsphereWorld, spec: RegisterSpec, change: Callable[[str], str]) -> None:
    (file,) = [file for file in spec.files if file.endswith(".vmx")]
    path = world.export / file
    path.write_text(change(path.read_text()))


def registered_by_peer(world: VsphereWorld, spec: RegisterSpec) -> Any:
    """What is left where Cloudy was killed just after vCenter had done it: an adapted .vmx, and a VM of it."""
    (file,) = [file for file in spec.files if file.endswith(".vmx")]
    marks = f'cloudy.label = "{LABEL}"\ncloudy.path = "[tintri] {file}"\n'
    change_vmx(world, spec, lambda text: text + marks)
    return world.vcenter.register(file, spec.name)


# --- the session ---


def test_a_wrong_password_is_told_without_it(world: VsphereWorld) -> None:
    with pytest.raises(DeniedError, match=r"refused the login; look at `user` and `password`") as told:
        world.open(password="not-the-word").info()
    assert "not-the-word" not in str(told.value)
    assert told.value.code == "InvalidLogin"


def test_an_unknown_authority_is_refused(world: VsphereWorld, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other, _, _ = tls.ensure(tmp_path / "other", "other")
    with pytest.raises(DeniedError, match="certificate"):
        world.open(ca=str(other)).info()
    with pytest.raises(DeniedError, match="certificate"):
        world.open(ca="").info()
    with pytest.raises(DeniedError, match="is not there"):
        world.open(ca=str(tmp_path / "gone.pem")).info()


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("http://vcenter", {"user": USER, "password": PASSWORD}),
        ("vcenter", {"user": USER, "password": PASSWORD}),
        ("https://", {"user": USER, "password": PASSWORD}),
        ("https://vcenter", {"user": USER}),
        ("https://vcenter", {"password": PASSWORD}),
        (f"https://user:{PASSWORD}@vcenter", {"user": USER, "password": PASSWORD}),
        (f"http://user:{PASSWORD}@vcenter", {"user": USER, "password": PASSWORD}),
        (f"user:{PASSWORD}@vcenter", {"user": USER, "password": PASSWORD}),
        (f"https://user:{PASSWORD}@[vcenter", {"user": USER, "password": PASSWORD}),
    ],
)
def test_settings_that_cannot_be_are_refused_at_once(url: str, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as told:
        OPENERS["vsphere"]("vcenter", url, "tintri", settings)
    assert PASSWORD not in str(told.value)


def test_an_address_with_sdk_at_its_end_is_the_same(world: VsphereWorld) -> None:
    settings = {"user": USER, "password": PASSWORD, "ca": str(world.vcenter.ca)}
    one = OPENERS["vsphere"]("vcenter", f"{world.vcenter.url}/sdk/", "tintri", settings)
    assert one.info().product == "VMware vCenter Server"
    one.close()


def test_there_is_one_session_which_ends_at_close(world: VsphereWorld) -> None:
    def sessions() -> int:
        return len(world.vcenter.content.sessionManager.sessionList)

    before, hypervisor = sessions(), world.open()
    threads = [threading.Thread(target=hypervisor.find, args=("vm01",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sessions() == before + 1
    hypervisor.close()
    assert sessions() == before


def test_it_logs_in_again_when_its_session_has_ended(world: VsphereWorld) -> None:
    hypervisor, manager = world.open(), world.vcenter.content.sessionManager
    hypervisor.info()
    own = manager.currentSession.key
    manager.TerminateSession([each.key for each in manager.sessionList if each.key != own])
    assert hypervisor.find("nobody") == ()
    assert len(manager.sessionList) == 2


@pytest.mark.slow  # a handshake of TLS has seconds of its own
def test_a_vcenter_that_answers_nothing_is_given_up_and_asked_again(world: VsphereWorld) -> None:
    hypervisor, other = world.open(timeout_s=1.0), world.open(timeout_s=1.0)
    answered(hypervisor.info)
    world.original("vm01")
    world.vcenter.freeze()
    for one in (hypervisor, other):
        with pytest.raises(TransientError, match="in time"):
            one.find("vm01")
    world.vcenter.thaw()
    for one in (hypervisor, other):
        assert [found.name for found in answered(partial(one.find, "vm01"))] == ["vm01"]


def test_a_vcenter_that_dies_and_comes_back_is_asked_again(world: VsphereWorld) -> None:
    hypervisor = world.open()
    hypervisor.info()
    world.vcenter.kill()
    with pytest.raises(TransientError, match="vcenter"):
        hypervisor.find("vm01")
    world.vcenter.start()
    assert hypervisor.find("vm01") == ()


def test_what_is_no_vcenter_is_told(world: VsphereWorld, tmp_path: Path) -> None:
    settings = {"user": USER, "password": PASSWORD, "ca": str(world.vcenter.ca)}
    one = OPENERS["vsphere"]("vcenter", f"{world.vcenter.url}/about", "tintri", settings)
    with pytest.raises(PermanentError, match="no vCenter or ESXi host"):
        one.info()


# --- the .vmx ---


def test_the_vmx_is_made_for_its_new_place(world: VsphereWorld) -> None:
    spec = world.copied("vm01", "vm01-restored")
    made = world.open().register_vm(LABEL, spec)
    settings = world.settings_of(made.id)
    assert settings["displayname"] == "vm01-restored"
    assert settings["uuid.action"] == "create"
    assert settings["cloudy.label"] == LABEL
    assert settings["scsi0:0.filename"] == "vm01.vmdk"
    assert settings["scsi0.virtualdev"] == "pvscsi"
    assert settings["sata0:0.filename"] == "emptyBackingString"
    assert settings["guestinfo.secret"] == PASSWORD  # the guest's own, from its own file
    gone = ["uuid.bios", "vc.uuid", "uuid.location", "ctkenabled", "scsi0:0.ctkenabled", "sched.swap.derivedname"]
    gone += ["remotedisplay.vnc.enabled", "ethernet0.generatedaddress", "migrate.hostlog"]
    assert [key for key in gone if key in settings] == []
    assert made.notes == (
        "left out: RemoteDisplay.vnc.enabled",
        "left out: RemoteDisplay.vnc.password",
        "left out: the CD in sata0:0",
    )
    assert not list((world.export / spec.directory).glob("*.part"))


def test_old_maps_of_changed_blocks_are_not_taken_over(world: VsphereWorld) -> None:
    spec = world.copied("vm01", "vm01-restored")
    world.open().register_vm(LABEL, spec)
    text = (world.export / spec.directory / "vm01.vmdk").read_text()
    assert "changeTrackPath" not in text
    assert text == descriptor("vm01-flat.vmdk").replace('changeTrackPath="vm01-ctk.vmdk"\n', "")


def test_the_same_vm_keeps_its_addresses(world: VsphereWorld) -> None:
    spec = world.copied("vm01", "vm01-restored")
    hypervisor = world.open()
    with pytest.raises(PermanentError, match="identity is still there"):
        hypervisor.register_vm(LABEL, replace(spec, keeps_identity=True))
    hypervisor.unregister(hypervisor.find("vm01")[0].id)
    made = hypervisor.register_vm(LABEL, replace(spec, keeps_identity=True))
    settings = world.settings_of(made.id)
    assert settings["uuid.action"] == "keep"
    assert settings["ethernet0.generatedaddress"] == "00:50:56:aa:bb:cc"
    assert world.identity(made.id) == UUID


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('scsi0:1.present = "TRUE"\nscsi0:1.fileName = "/vmfs/volumes/x/vm02/vm02.vmdk"', "vm02.vmdk"),
        ('scsi0:1.present = "TRUE"\nscsi0:1.fileName = "../vm02/vm02.vmdk"', "vm02.vmdk"),
        ('scsi0:0.deviceType = "scsi-passthru"', "device of the host"),
    ],
)
def test_a_vmx_that_reaches_out_is_refused(world: VsphereWorld, line: str, told: str) -> None:
    hypervisor, spec = world.open(), world.copied("vm01", "vm01-restored")
    change_vmx(world, spec, lambda text: f"{text}{line}\n")
    with pytest.raises(PermanentError, match=told):
        hypervisor.register_vm(LABEL, spec)
    assert hypervisor.registered(LABEL) is None


def test_devices_of_the_host_are_left_out_and_told(world: VsphereWorld) -> None:
    spec = world.copied("vm01", "vm01-restored")
    bad = ['serial0.fileName = "/etc/passwd"', 'pciPassthru0.present = "TRUE"', 'parallel0.present = "TRUE"']
    bad += ['bios440.filename = "/vmfs/x"', 'svga.vramSize = "../x"']
    change_vmx(world, spec, lambda text: text + "\n".join(bad))
    made = world.open().register_vm(LABEL, spec)
    left = [line.partition(" = ")[0] for line in bad]
    assert [key for key in left if key.lower() in world.settings_of(made.id)] == []
    assert [key for key in left if f"left out: {key}" not in made.notes] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (descriptor("../vm02/vm02-flat.vmdk"), "no file of its own folder"),
        (descriptor("/vmfs/volumes/x/vm02-flat.vmdk"), "no file of its own folder"),
        (descriptor("other-flat.vmdk"), "not among the restored files"),
        (descriptor("vm01-flat.vmdk", 'parentFileNameHint="/vmfs/volumes/x/base.vmdk"\n'), "no file of its own folder"),
        (descriptor("vm01-flat.vmdk", 'parentFileNameHint="base.vmdk"\n'), "not among the restored files"),
        (descriptor("vm01-flat.vmdk").replace("VMFS", "VMFSRDM"), "raw device mapping"),
        ("KDMV", "no disk descriptor"),
        ("# Disk DescriptorFile\n", "no extent"),
        ("# Disk DescriptorFile\nRW 1 VMFS", "no file of its own folder"),
    ],
)
def test_a_disk_that_reaches_out_is_refused(world: VsphereWorld, text: str, told: str) -> None:
    hypervisor, spec = world.open(), world.copied("vm01", "vm01-restored")
    (world.export / spec.directory / "vm01.vmdk").write_text(text)
    with pytest.raises(PermanentError, match=told):
        hypervisor.register_vm(LABEL, spec)
    assert hypervisor.find("vm01-restored") == ()


def test_a_vm_without_vmx_comes_back_by_what_was_told_of_it(world: VsphereWorld) -> None:
    hypervisor, vm = world.open(), world.original("vm01")
    (world.export / "vm01" / "vm01.vmx").unlink()  # as where its file may not be read
    shape = hypervisor.shape(vm)
    spec = world.copied("vm01", "vm01-restored")
    made = hypervisor.register_vm(LABEL, replace(spec, shape=shape))
    settings = world.settings_of(made.id)
    assert world.vmx_of(made.id).name == "vm01-restored.vmx"
    assert (settings["memsize"], settings["numvcpus"], settings["ethernet0.virtualdev"]) == ("256", "2", "vmxnet3")
    assert other_reader.VMX.parse(world.vmx_of(made.id).read_text()).disks() == ["vm01.vmdk"]
    world.boots(made.id)
    with pytest.raises(PermanentError, match="no definition for vSphere"):
        hypervisor.register_vm("T2", replace(spec, name="vm02", shape=None))


@pytest.mark.parametrize(("encoding", "codec"), [("windows-1252", "cp1252"), ("Shift_JIS", "shift_jis")])
def test_a_vmx_of_another_encoding_is_read_and_written_as_utf_8(world: VsphereWorld, encoding: str, codec: str) -> None:
    spec, note = world.copied("vm01", "vm01-restored"), "B\N{LATIN SMALL LETTER U WITH DIAERESIS}ro"
    note = note if codec == "cp1252" else "\N{HIRAGANA LETTER A}"
    path = world.export / spec.directory / "vm01.vmx"
    text = path.read_text().replace('"UTF-8"', f'"{encoding}"').replace("first line", note)
    path.write_bytes(text.encode(codec))
    made = world.open().register_vm(LABEL, spec)
    assert note in world.vmx_of(made.id).read_text("utf-8")
    assert world.settings_of(made.id)[".encoding"] == "UTF-8"


def test_a_descriptor_of_another_encoding_is_written_as_utf_8(world: VsphereWorld) -> None:
    spec, flat = world.copied("vm01", "vm01-restored"), "B\N{LATIN SMALL LETTER U WITH DIAERESIS}ro-flat.vmdk"
    folder = world.export / spec.directory
    (folder / "vm01-flat.vmdk").rename(folder / flat)
    text = descriptor(flat).replace('"UTF-8"', '"windows-1252"')
    (folder / "vm01.vmdk").write_bytes(text.encode("cp1252"))
    world.open().register_vm(LABEL, replace(spec, files=(*spec.files, f"{spec.directory}/{flat}")))
    assert 'encoding="UTF-8"\nCID' in (folder / "vm01.vmdk").read_text("utf-8")
    assert flat in (folder / "vm01.vmdk").read_text("utf-8")


@pytest.mark.parametrize("file", ["vm01.vmx", "vm01.vmdk"])
def test_an_encoding_that_is_not_known_is_refused_by_its_name(world: VsphereWorld, file: str) -> None:
    hypervisor, spec = world.open(), world.copied("vm01", "vm01-restored")
    path = world.export / spec.directory / file
    path.write_text(path.read_text().replace('"UTF-8"', '"utf-7"'))
    with pytest.raises(PermanentError, match=rf"{file}: it is written in 'utf-7'.*Save it as UTF-8"):
        hypervisor.register_vm(LABEL, spec)
    assert hypervisor.registered(LABEL) is None


def test_two_definitions_are_refused(world: VsphereWorld) -> None:
    spec = world.copied("vm01", "vm01-restored")
    second = f"{spec.directory}/vm01.vmtx"
    (world.export / second).write_text(vmx_text("vm01"))
    with pytest.raises(PermanentError, match=r"several definitions: .*vm01\.vmtx"):
        world.open().register_vm(LABEL, replace(spec, files=(*spec.files, second)))


# --- the shape ---


def test_the_shape_is_found_by_the_disks_whatever_the_vm_is_called(world: VsphereWorld) -> None:
    vm, hypervisor = world.original("vm01"), world.open()
    shape = hypervisor.shape(replace(vm, name="other"))
    assert shape.disks == ("vm01/vm01.vmdk",)
    assert (shape.cpus, shape.memory_mib, shape.firmware, shape.guest) == (2, 256, "bios", "otherLinux64Guest")
    assert [(nic.network, nic.model, len(nic.mac)) for nic in shape.nics] == [("VM Network", "vmxnet3", 17)]
    assert 'scsi0:0.fileName = "vm01.vmdk"' in shape.definition
    assert hypervisor.shape(replace(vm, disks=())) == shape


# --- registered by somebody, or half registered ---


def test_files_that_somebody_else_has_registered_are_refused(world: VsphereWorld) -> None:
    spec = world.copied("vm01", "vm01-restored")
    (file,) = [file for file in spec.files if file.endswith(".vmx")]
    world.vcenter.register(file, "vm01-restored")
    with pytest.raises(PermanentError, match="registered already, as vm01-restored"):
        world.open().register_vm(LABEL, spec)


def test_what_was_registered_and_not_set_right_is_found_and_taken_back(world: VsphereWorld) -> None:
    spec, hypervisor = world.copied("vm01", "vm01-restored"), world.open()
    registered_by_peer(world, spec)
    found = hypervisor.registered(LABEL)
    assert found is not None
    hypervisor.unregister(found.id)
    assert hypervisor.registered(LABEL) is None


def test_what_was_registered_and_not_set_right_is_finished_by_the_second_call(world: VsphereWorld) -> None:
    spec, hypervisor = world.copied("vm01", "vm01-restored"), world.open()
    vm = registered_by_peer(world, spec)
    world.vcenter.add(vm, card())
    made = hypervisor.register_vm(LABEL, spec)
    assert made == hypervisor.registered(LABEL)
    assert made.id == vm._moId
    assert f"Restored by Cloudy: {LABEL}" in vm.config.annotation
    (own,) = [each for each in vm.config.hardware.device if isinstance(each, vim.vm.device.VirtualEthernetCard)]
    assert not own.connectable.startConnected
    world.vcenter.change(vm, annotation="of somebody else")
    assert hypervisor.register_vm(LABEL, spec) == made
    assert vm.config.annotation == "of somebody else"  # it was finished, and is left alone


@pytest.mark.parametrize(
    ("fault", "error", "stays"),
    [(vim.fault.TaskInProgress(), TransientError, True), (vim.fault.NoPermission(), DeniedError, False)],
)
def test_what_cannot_be_set_right_is_taken_back_unless_it_may_pass(
    world: VsphereWorld, monkeypatch: pytest.MonkeyPatch, fault: Exception, error: type[Exception], stays: bool
) -> None:
    hypervisor, spec, real = world.open(), world.copied("vm01", "vm01-restored"), connection.Session.result

    def result(session: connection.Session, task: Any, **more: Any) -> Any:
        told = session.one(task, "info.descriptionId")
        if told["info.descriptionId"] == "VirtualMachine.reconfigVm":
            raise fault
        return real(session, task, **more)

    with monkeypatch.context() as patched:
        patched.setattr(connection.Session, "result", result)
        with pytest.raises(error):
            hypervisor.register_vm(LABEL, spec)
    assert (hypervisor.registered(LABEL) is not None) == stays
    assert hypervisor.register_vm(LABEL, spec) == hypervisor.registered(LABEL)


# --- a registration that takes longer than Cloudy waits ---


@pytest.fixture
def slow(world: VsphereWorld, monkeypatch: pytest.MonkeyPatch) -> RegisterSpec:
    """A VM whose registration ends only when `at_last` is called; tasks are given up soon."""
    monkeypatch.setattr(connection, "TASK_FACTOR", 0.02)
    spec = world.copied("vm01", "vm01-restored")
    (world.export / spec.directory / "test.slow").touch()
    return spec


def at_last(world: VsphereWorld, spec: RegisterSpec) -> None:
    (world.export / spec.directory / "test.slow").unlink()


def given_up(hypervisor: Hypervisor, spec: RegisterSpec) -> None:
    with pytest.raises(TransientError, match="in time"):
        hypervisor.register_vm(LABEL, spec)


def test_a_registration_that_was_given_up_is_no_reason_for_a_second(world: VsphereWorld, slow: RegisterSpec) -> None:
    hypervisor, vms = world.open(), world.vcenter.center.vmFolder
    before = len(vms.childEntity)
    given_up(hypervisor, slow)
    with pytest.raises(TransientError, match="is still registering a VM"):
        hypervisor.register_vm(LABEL, slow)
    at_last(world, slow)
    made = hypervisor.register_vm(LABEL, slow)
    assert len(vms.childEntity) == before + 1
    assert hypervisor.registered(LABEL) == made
    assert f"Restored by Cloudy: {LABEL}" in world.vcenter.vm(made.id).config.annotation


def test_what_comes_late_is_found_by_whoever_takes_it_back(world: VsphereWorld, slow: RegisterSpec) -> None:
    given_up(world.open(), slow)
    other = world.open()
    with pytest.raises(TransientError, match="is still registering a VM"):
        other.registered(LABEL)
    at_last(world, slow)
    found = other.registered(LABEL)
    assert found is not None
    other.unregister(found.id)
    assert (other.registered(LABEL), other.find("vm01-restored")) == (None, ())


def test_a_draft_that_was_left_is_written_over(world: VsphereWorld) -> None:
    spec = world.copied("vm01", "vm01-restored")
    (world.export / spec.directory / "vm01.vmx.part").write_text("half a fi")
    world.open().register_vm(LABEL, spec)
    assert not (world.export / spec.directory / "vm01.vmx.part").exists()


# --- power, questions ---


@pytest.mark.parametrize(("keeps", "answer"), [(True, "1"), (False, "2")])
def test_moved_or_copied_is_answered_by_what_the_vm_is(world: VsphereWorld, keeps: bool, answer: str) -> None:
    spec, hypervisor = world.copied("vm01", "vm01-restored"), world.open()
    hypervisor.unregister(hypervisor.find("vm01")[0].id)
    made = hypervisor.register_vm(LABEL, replace(spec, keeps_identity=keeps))
    world.vcenter.set(world.vcenter.vm(made.id), test__question="msg.uuid.altered")
    hypervisor.power_on(made.id)
    assert world.vcenter.vm(made.id).runtime.powerState == "poweredOn"
    assert world.vcenter.vm(made.id).config.alternateGuestName == f"answered {answer}"
    told = {each.key: each.value for each in world.vcenter.vm(made.id).config.extraConfig}
    assert told["uuid.action"] == ""  # its later starts are none of Cloudy's


def test_other_questions_and_those_of_other_vms_are_for_people(world: VsphereWorld) -> None:
    hypervisor, spec = world.open(), world.copied("vm01", "vm01-restored")
    made = hypervisor.register_vm(LABEL, spec)
    (other,) = hypervisor.find("vm01")
    world.vcenter.set(world.vcenter.vm(other.id), test__question="msg.uuid.altered")
    with pytest.raises(PermanentError, match=r"waits for an answer.*moved or copied"):
        hypervisor.power_on(other.id)
    assert world.vcenter.vm(other.id).runtime.powerState == "poweredOff"
    world.vcenter.set(world.vcenter.vm(made.id), test__question="msg.disk.adapter")
    with pytest.raises(PermanentError, match=r"waits for an answer.*msg\.disk\.adapter"):
        hypervisor.power_on(made.id)
    world.vcenter.set(world.vcenter.vm(made.id), test__question="")
    hypervisor.power_off(made.id)  # nobody waits any more
    assert world.vcenter.vm(made.id).config.alternateGuestName == "answered 0"
    hypervisor.power_on(made.id)
    assert [found.is_on for found in hypervisor.find(made.name)] == [True]


def test_a_suspended_vm_is_stopped_and_forgotten(world: VsphereWorld) -> None:
    hypervisor, spec = world.open(), world.copied("vm01", "vm01-restored")
    made = hypervisor.register_vm(LABEL, spec)
    hypervisor.power_on(made.id)
    world.vcenter.done(world.vcenter.vm(made.id).SuspendVM_Task())
    assert [found.is_on for found in hypervisor.find(made.name)] == [False]
    assert hypervisor.alive(made.id) is None
    hypervisor.power_off(made.id)
    assert world.vcenter.vm(made.id).runtime.powerState == "poweredOff"
    hypervisor.unregister(made.id)


def test_a_guest_lives_by_its_heartbeat_or_its_tools(world: VsphereWorld) -> None:
    hypervisor, spec = world.open(), world.copied("vm01", "vm01-restored")
    made = hypervisor.register_vm(LABEL, spec)
    hypervisor.power_on(made.id)
    vm, told = world.vcenter.vm(made.id), []
    for tools, heart in (("guestToolsNotRunning", "gray"), ("guestToolsRunning", "gray"), ("guestToolsRunning", "red")):
        world.vcenter.set(vm, SET__guest__toolsRunningStatus=tools, SET__guestHeartbeatStatus=heart)
        found = hypervisor.alive(made.id)
        told.append(found.sign if found else "")
    world.vcenter.set(vm, SET__guestHeartbeatStatus="green", SET__guest__hostName="web01")
    found = hypervisor.alive(made.id, "a console that vSphere does not have")
    assert told == ["", "tools", ""]
    assert found is not None
    assert (found.sign, found.text) == ("heartbeat", "VMware Tools: running; heartbeat: green; web01")


def test_ids_that_are_none_are_missing(world: VsphereWorld) -> None:
    hypervisor = world.open()
    for vm_id in ("", "vm-4711", "../vm", "host-34"):
        hypervisor.unregister(vm_id)
        hypervisor.power_off(vm_id)
        with pytest.raises(PermanentError, match=r"no such object|knows no VM"):
            hypervisor.power_on(vm_id)


# --- networks ---


def test_a_card_goes_to_the_network_that_is_named_in_its_place(world: VsphereWorld) -> None:
    hypervisor, spec = world.open(), replace(world.copied("vm01", "vm01-restored"), is_connected=True)
    change_vmx(world, spec, lambda text: text.replace('"VM Network"', '"production"'))
    assert spec.shape is not None
    nics = tuple(replace(nic, network="production") for nic in spec.shape.nics)
    spec = replace(spec, shape=replace(spec.shape, nics=nics))
    with pytest.raises(PermanentError, match=r"no network production \(it has: .*VM Network"):
        hypervisor.register_vm(LABEL, spec)
    assert hypervisor.registered(LABEL) is None
    made = hypervisor.register_vm(LABEL, replace(spec, networks={"production": "VM Network"}))
    assert world.settings_of(made.id)["ethernet0.networkname"] == "VM Network"
    assert world.is_connected(made.id)


def test_cards_of_a_registered_vm_are_set_right_also_on_a_distributed_switch(world: VsphereWorld) -> None:
    """By a VM that has cards but no label yet: the simulator makes none of a .vmx."""
    hypervisor, spec = world.open(), world.copied("vm01", "vm01-restored")
    vm = registered_by_peer(world, spec)
    world.vcenter.add(vm, card(), card())
    world.vcenter.set(vm, cloudy__label="")
    wanted = replace(spec, name="vm01-new", networks={"VM Network": "DC0_DVPG0"})
    made = hypervisor.register_vm(LABEL, wanted)
    cards = [each for each in vm.config.hardware.device if isinstance(each, vim.vm.device.VirtualEthernetCard)]
    (group,) = {each for each in world.vcenter.center.network if each.name == "DC0_DVPG0"}
    assert [each.backing.port.portgroupKey for each in cards] == [group.key, group.key]
    assert [(each.connectable.startConnected, each.connectable.allowGuestControl) for each in cards] == [
        (False, False),
        (False, False),
    ]
    assert (made.id, made.name, made.label) == (vm._moId, "vm01-new", LABEL)
    assert f"Restored by Cloudy: {LABEL}" in vm.config.annotation


# --- where it goes ---


def test_it_goes_to_the_host_pool_and_folder_that_are_named(world: VsphereWorld) -> None:
    hosts, center = world.vcenter.hosts, world.vcenter.center
    pool = hosts[1].parent.resourcePool.CreateResourcePool("restored", world_pool())
    folder = center.vmFolder.CreateFolder("from cloudy")
    spec = world.copied("vm01", "vm01-restored")
    made = world.open(resource_pool="restored", folder="from cloudy").register_vm(LABEL, spec)
    vm = world.vcenter.vm(made.id)
    assert (vm.resourcePool, vm.parent, vm.runtime.host) == (pool, folder, hosts[1])
    again = replace(world.copied("vm01", "vm01-again"), name="vm01-again")
    other = world.open(host=hosts[1].name).register_vm("T2", again)
    assert world.vcenter.vm(other.id).runtime.host == hosts[1]


def world_pool() -> Any:
    def share() -> Any:
        level = vim.SharesInfo(level="normal", shares=4000)
        return vim.ResourceAllocationInfo(reservation=0, limit=-1, expandableReservation=True, shares=level)

    return vim.ResourceConfigSpec(cpuAllocation=share(), memoryAllocation=share())


def test_a_host_in_maintenance_gets_no_vm(world: VsphereWorld) -> None:
    first, second = sorted(world.vcenter.hosts, key=lambda host: str(host.name))
    world.vcenter.done(first.EnterMaintenanceMode_Task(0))
    hypervisor = world.open()
    made = hypervisor.register_vm(LABEL, world.copied("vm01", "vm01-restored"))
    assert world.vcenter.vm(made.id).runtime.host == second
    world.vcenter.done(second.EnterMaintenanceMode_Task(0))
    with pytest.raises(PermanentError, match=r"not in maintenance.*hosts with it: none"):
        hypervisor.register_vm("T2", world.copied("vm01", "vm01-again"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"resource_pool": "nowhere"}, "nothing is called nowhere"),
        ({"folder": "nowhere"}, "nothing is called nowhere"),
        ({"host": "nowhere"}, "`host`"),
        ({"datastore": "nowhere"}, "no datastore"),
        ({"datastore": "DC1/tintri"}, "no datastore"),
        ({"datastore": ""}, "`datastore` is not set"),
    ],
)
def test_a_place_that_is_not_there_is_told(world: VsphereWorld, settings: dict[str, str], told: str) -> None:
    spec = world.copied("vm01", "vm01-restored")
    hypervisor = world.open(**settings)
    with pytest.raises(PermanentError, match=told):
        hypervisor.register_vm(LABEL, spec)
    assert hypervisor.find("vm01-restored") == ()


def test_a_datastore_is_found_in_its_datacenter(world: VsphereWorld) -> None:
    spec = world.copied("vm01", "vm01-restored")
    assert world.open(datastore="DC0/tintri").register_vm(LABEL, spec).label == LABEL


def test_all_of_it_comes_back_when_the_original_is_destroyed(world: VsphereWorld) -> None:
    hypervisor, spec = world.open(), world.copied("vm01", "vm01-restored")
    (original,) = hypervisor.find("vm01")
    hypervisor.unregister(original.id)
    shutil.rmtree(world.export / "vm01")
    world.wanted_by_the_simulator(spec.directory, "vm01")
    made = hypervisor.register_vm(LABEL, replace(spec, name="vm01", keeps_identity=True))
    hypervisor.power_on(made.id)
    world.boots(made.id)
    found = hypervisor.alive(made.id)
    assert found is not None
    assert world.marker in found.text
