"""What only libvirt has: formats and chains, a daemon that freezes or dies, firmware, what a bad manifest asks for."""

import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from bot.errors import ConfigError, DeniedError, MissingError, PermanentError, TransientError
from bot.model import RegisterSpec, VmShape
from bot.ports import Hypervisor
from integrations.hypervisors import OPENERS
from integrations.simulators.kvm import PrivateLibvirt
from integrations.simulators.kvm.sample import Form
from integrations.simulators.vmstore import tls
from tests.contract.test_hypervisor import LABEL, seen
from tests.e2e.waiting import until
from tests.libvirt_world import CACHE, LibvirtWorld, require_libvirt
from tests.peers import _free_ports

CONNECTION = "integrations.hypervisors.libvirt.connection"  # by its name: without the library it cannot be imported


@contextmanager
def running(folder: Path, form: Form = "qcow2") -> Iterator[LibvirtWorld]:
    world = LibvirtWorld(folder, form)
    try:
        yield world
    finally:
        world.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LibvirtWorld]:
    with running(tmp_path) as one:
        yield one


def changed(spec: RegisterSpec, change: Callable[[str], str]) -> RegisterSpec:
    shape = spec.shape
    assert isinstance(shape, VmShape)
    return replace(spec, shape=replace(shape, definition=change(shape.definition)))


def disk_of(world: LibvirtWorld, spec: RegisterSpec) -> Path:
    (file,) = [file for file in spec.files if file.endswith(f".{world.form}")]
    return world.export / file


# --- coming back ---


@pytest.mark.parametrize("form", ["raw", "qcow2", "vmdk"])
def test_a_vm_whose_files_were_destroyed_comes_back_from_copies_and_boots(tmp_path: Path, form: Form) -> None:
    with running(tmp_path, form) as world:
        hypervisor = world.open()
        spec = world.copied("vm01", "vm01-restored")
        (original,) = hypervisor.find("vm01")
        hypervisor.unregister(original.id)
        subprocess.run(["rm", "-r", str(world.export / "vm01")], check=True)

        made = hypervisor.register_vm(LABEL, replace(spec, name="vm01", keeps_identity=True))
        hypervisor.power_on(made.id)
        said = seen(hypervisor, made.id, r"SUM32 \w{8}\s+READY")

        assert made.id == original.id
        assert f"MARKER {world.marker}" in said
        assert len(said.encode()) <= 2048


@pytest.mark.parametrize("named", ["base.qcow2", "/gone/vm01/base.qcow2"])
def test_an_image_and_the_one_below_it_come_back(world: LibvirtWorld, named: str) -> None:
    spec = world.copied("vm01", "vm01-restored")
    folder = world.export / spec.directory
    (folder / "vm01.qcow2").rename(folder / "base.qcow2")
    create = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", named, "-F", "qcow2", "vm01.qcow2", "16M"]
    subprocess.run(create, cwd=folder, check=True)
    hypervisor = world.open()
    with pytest.raises(PermanentError, match=r"base\.qcow2"):
        hypervisor.register_vm(LABEL, spec)
    made = hypervisor.register_vm(LABEL, replace(spec, files=(*spec.files, f"{spec.directory}/base.qcow2")))
    assert any("rebase -u -b base.qcow2" in note for note in made.notes) == named.startswith("/")
    hypervisor.power_on(made.id)
    assert world.marker in seen(hypervisor, made.id, world.marker)


def test_a_vm_starts_with_uefi_and_its_variables_stay_on_the_export(world: LibvirtWorld) -> None:
    if not Path("/usr/share/OVMF/OVMF_VARS_4M.fd").exists():
        (pytest.fail if os.environ.get("CI") and os.geteuid() == 0 else pytest.skip)("ovmf is not installed")
    spec = world.copied("vm01", "vm01-restored")
    variables = f"{spec.directory}/vm01_VARS.fd"
    (world.export / variables).write_bytes(Path("/usr/share/OVMF/OVMF_VARS_4M.fd").read_bytes())
    efi = (
        "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"
        "<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/gone/vm01/vm01_VARS.fd</nvram></os>"
    )
    hypervisor = world.open()
    efi_spec = changed(replace(spec, files=(*spec.files, variables)), lambda text: text.replace("</os>", efi))
    made = hypervisor.register_vm(LABEL, efi_spec)
    hypervisor.power_on(made.id)
    assert world.xml(made.id).findtext("os/nvram") == str(world.export / variables)
    hypervisor.unregister(made.id)
    assert (world.export / variables).exists()

    chosen = changed(spec, lambda text: text.replace("<os>", "<os firmware='efi'>"))
    made = hypervisor.register_vm("T2", chosen)
    assert any("UEFI variables" in note for note in made.notes)
    hypervisor.power_on(made.id)
    hypervisor.unregister(made.id)
    assert hypervisor.registered("T2") is None


def test_the_shape_of_a_vm_is_found_by_its_disks_whatever_it_is_called(world: LibvirtWorld) -> None:
    vm, hypervisor = world.original("vm01"), world.open()
    assert hypervisor.shape(replace(vm, name="other")).disks == ("vm01/vm01.qcow2",)
    assert hypervisor.shape(replace(vm, disks=())).disks == ("vm01/vm01.qcow2",)
    with pytest.raises(MissingError):
        hypervisor.shape(replace(vm, disks=(replace(vm.disks[0], path="vm02/vm02.qcow2"),)))
    shape = hypervisor.shape(vm)
    assert (shape.cpus, shape.memory_mib, shape.firmware) == (1, 64, "bios")
    assert [(nic.network, nic.model) for nic in shape.nics] == [("production", "virtio")]


def test_a_card_goes_to_the_network_that_is_named_in_its_place(world: LibvirtWorld) -> None:
    hypervisor, spec = world.open(), replace(world.copied("vm01", "vm01-restored"), is_connected=True)
    with pytest.raises(PermanentError, match=r"no network production \(it has: lab\)"):
        hypervisor.register_vm(LABEL, spec)
    made = hypervisor.register_vm(LABEL, replace(spec, networks={"production": "lab"}))
    source = world.xml(made.id).find("devices/interface/source")
    assert source is not None
    assert source.get("network") == "lab"
    assert world.is_connected(made.id)


# --- what a bad manifest or image asks for ---


def test_an_image_that_names_a_file_of_the_host_is_refused(world: LibvirtWorld) -> None:
    hypervisor, spec = world.open(), world.copied("vm01", "vm01-restored")
    secret = world.export.parent / "secret.raw"
    secret.write_bytes(b"s" * 65536)
    rebase = ["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", str(secret), "-F", "raw", str(disk_of(world, spec))]
    subprocess.run(rebase, check=True)
    with pytest.raises(PermanentError, match="outside of its folder"):
        hypervisor.register_vm(LABEL, spec)
    assert hypervisor.registered(LABEL) is None


@pytest.mark.parametrize("text", ["", "no xml", "<network/>", "<!DOCTYPE d [<!ENTITY a 'b'>]><domain>&a;</domain>"])
def test_a_definition_that_is_none_is_refused_and_nothing_is_registered(world: LibvirtWorld, text: str) -> None:
    hypervisor, spec = world.open(), world.copied("vm01", "vm01-restored")
    with pytest.raises(PermanentError):
        hypervisor.register_vm(LABEL, changed(spec, lambda _: text))
    with pytest.raises(PermanentError, match="holds no definition for libvirt"):
        hypervisor.register_vm(LABEL, replace(spec, shape=None))
    assert hypervisor.find(spec.name) == ()


def test_a_program_of_the_manifests_choice_is_not_run(world: LibvirtWorld) -> None:
    spec, trace = world.copied("vm01", "vm01-restored"), world.export.parent / "trace"
    program = world.export.parent / "evil"
    program.write_text(f"#!/bin/sh\ntouch {trace}\n")
    program.chmod(0o755)
    asked = (
        f"<devices><emulator>{program}</emulator><rng model='virtio'><backend model='random'>{trace}</backend></rng>"
    )
    hypervisor = world.open()
    made = hypervisor.register_vm(LABEL, changed(spec, lambda text: text.replace("<devices>", asked)))
    hypervisor.power_on(made.id)
    assert world.marker in seen(hypervisor, made.id, world.marker)
    assert not trace.exists()


# --- looking at files ---


def pool_of(world: LibvirtWorld, name: str, folder: str) -> None:
    world.line.storagePoolCreateXML(
        f"<pool type='dir'><name>{name}</name><target><path>{world.export / folder}</path></target></pool>"
    )


def pools(world: LibvirtWorld) -> list[str]:
    return [pool.name() for pool in world.line.listAllStoragePools()]


@pytest.mark.parametrize("name", ["people's", "cloudy-other-1", f"cloudy-{LABEL}x-1", f"cloudy-{LABEL}"])
def test_a_pool_that_others_made_is_used_and_stays(world: LibvirtWorld, name: str) -> None:
    hypervisor, spec = world.open(), world.copied("vm01", "vm01-restored")
    pool_of(world, name, spec.directory)
    pool_of(world, f"cloudy-{LABEL}-elsewhere", "vm01")
    assert hypervisor.register_vm(LABEL, spec).label == LABEL
    assert pools(world) == [f"cloudy-{LABEL}-elsewhere", name] or pools(world) == [name, f"cloudy-{LABEL}-elsewhere"]


def test_a_pool_that_a_try_before_has_left_is_taken_away(world: LibvirtWorld) -> None:
    hypervisor, spec = world.open(), world.copied("vm01", "vm01-restored")
    pool_of(world, f"cloudy-{LABEL}-5f0c", spec.directory)
    hypervisor.register_vm(LABEL, spec)
    assert pools(world) == []
    assert world.there(spec.files)


# --- signs of life ---


def test_without_a_pattern_the_guests_agent_must_answer(world: LibvirtWorld) -> None:
    agent = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel></devices>"
    spec = changed(world.copied("vm01", "vm01-restored"), lambda text: text.replace("</devices>", agent))
    hypervisor = world.open()
    made = hypervisor.register_vm(LABEL, spec)
    hypervisor.power_on(made.id)
    seen(hypervisor, made.id, "READY")
    assert hypervisor.alive(made.id) is None


def test_a_pattern_that_is_none_is_told(world: LibvirtWorld) -> None:
    hypervisor = world.open()
    made = hypervisor.register_vm(LABEL, world.copied("vm01", "vm01-restored"))
    with pytest.raises(PermanentError, match="not a regular expression"):
        hypervisor.alive(made.id, "(")


def test_a_console_is_read_along_again_by_a_process_that_did_not_start_the_vm(world: LibvirtWorld) -> None:
    hypervisor = world.open()
    made = hypervisor.register_vm(LABEL, world.copied("vm01", "vm01-restored"))
    hypervisor.power_on(made.id)
    seen(hypervisor, made.id, "READY")
    hypervisor.close()
    other = world.open()
    assert other.alive(made.id, "READY") is None  # that was said before
    other.power_off(made.id)
    other.power_on(made.id)
    assert "READY" in seen(other, made.id, "READY")


def test_a_console_that_is_not_there_or_taken_is_told_and_the_vm_starts_all_the_same(world: LibvirtWorld) -> None:
    hypervisor, spec = world.open(), world.copied("vm01", "vm01-restored")
    deaf = changed(spec, lambda text: text.replace("<serial ", "<x ").replace("</serial>", "</x>"))
    deaf = changed(deaf, lambda text: text.replace("<console ", "<x ").replace("</console>", "</x>"))
    made = hypervisor.register_vm(LABEL, deaf)
    hypervisor.power_on(made.id)
    with pytest.raises(PermanentError, match="console"):
        hypervisor.alive(made.id, "READY")
    hypervisor.unregister(made.id)

    made = hypervisor.register_vm(LABEL, spec)
    hypervisor.power_on(made.id)
    with pytest.raises(PermanentError, match="console"):
        world.open().alive(made.id, "READY")
    assert world.marker in seen(hypervisor, made.id, world.marker)


def test_a_vm_that_stands_still_since_a_start_was_cut_short_goes_on(world: LibvirtWorld) -> None:
    hypervisor = world.open()
    made = hypervisor.register_vm(LABEL, world.copied("vm01", "vm01-restored"))
    domain = world.line.lookupByUUIDString(made.id)
    domain.createWithFlags(world.libvirt.VIR_DOMAIN_START_PAUSED)
    assert hypervisor.alive(made.id, "READY") is None
    hypervisor.power_on(made.id)
    assert "READY" in seen(hypervisor, made.id, "READY")


# --- a daemon that is frozen, dead, or not there ---


def test_a_frozen_daemon_is_given_up_and_answers_again_when_it_goes_on(world: LibvirtWorld) -> None:
    hypervisor = world.open()
    before = hypervisor.info()
    world.daemon.freeze()
    waits(hypervisor, 1.0)
    for _ in range(2):
        with pytest.raises(TransientError, match="did not answer within 1 s"):
            hypervisor.info()
    hypervisor.close()
    world.daemon.thaw()
    waits(hypervisor, 60.0)
    assert hypervisor.info() == before


def waits(hypervisor: Hypervisor, seconds: float) -> None:
    """Long for what will be answered, though the machine be busy; short for what will not."""
    hypervisor._line.timeout_s = seconds  # type: ignore[attr-defined]


def no_thread_is_left() -> bool:
    return not any(each.name.startswith("libvirt-kvm") for each in threading.enumerate())


def own_sockets() -> set[str]:
    """Of this process, by what the system says."""
    found = set()
    for file in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.add(str(file.readlink()))
    return {each for each in found if each.startswith("socket:")}


def until_nothing_is_left(before: set[str]) -> None:
    """libvirt's own thread closes a socket a moment after whoever has let go of it."""
    until(no_thread_is_left, "the threads ended", 120)
    until(lambda: own_sockets() <= before, "the sockets are closed", 120)


def test_a_call_that_is_given_up_while_it_dials_leaves_nothing_behind(world: LibvirtWorld) -> None:
    before = own_sockets()
    world.daemon.freeze()
    hypervisor = world.open(timeout_s=0.3)
    for _ in range(2):
        with pytest.raises(TransientError, match="did not answer"):
            hypervisor.info()
    until_nothing_is_left(before)
    world.daemon.thaw()
    waits(hypervisor, 60.0)
    assert hypervisor.info().version


def test_a_dial_that_is_answered_too_late_is_hung_up(world: LibvirtWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    before, goes_on = own_sockets(), threading.Event()
    real = world.libvirt.open

    def slow(url: str) -> Any:
        found = real(url)
        goes_on.wait()
        return found

    monkeypatch.setattr(world.libvirt, "open", slow)
    hypervisor = world.open(timeout_s=0.3)
    with pytest.raises(TransientError, match="did not answer"):
        hypervisor.info()
    goes_on.set()
    until_nothing_is_left(before)


def test_who_closes_leaves_nothing_behind_though_a_console_was_read(world: LibvirtWorld) -> None:
    spec, before, hypervisor = world.copied("vm01", "vm01-restored"), own_sockets(), world.open()
    made = hypervisor.register_vm(LABEL, spec)
    hypervisor.power_on(made.id)
    assert "READY" in seen(hypervisor, made.id, "READY")
    hypervisor.close()
    until_nothing_is_left(before)
    assert hypervisor.find(made.name) == (replace(made, is_on=True),)


def test_who_closes_does_not_wait_for_a_host_that_hangs(world: LibvirtWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{CONNECTION}.CLOSING_S", 0.2)
    monkeypatch.setattr(f"{CONNECTION}.KEEPALIVE_S", 600)  # these messages would end what hangs as well
    spec, before, hypervisor = world.copied("vm01", "vm01-restored"), own_sockets(), world.open()
    made = hypervisor.register_vm(LABEL, spec)
    hypervisor.power_on(made.id)  # its console is read
    world.daemon.freeze()
    try:
        hypervisor.close()
        until_nothing_is_left(before)
    finally:
        world.daemon.thaw()
    assert hypervisor.find(made.name) == (replace(made, is_on=True),)


def test_a_way_by_ssh_that_is_given_up_is_ended(tmp_path: Path) -> None:
    require_libvirt()
    program, trace = tmp_path / "ssh", tmp_path / "trace"
    program.write_text(f"#!/bin/sh\necho $$ > {trace}\nread never\n")
    program.chmod(0o755)
    url = f"qemu+ssh://kvm1.example.com/system?command={program}"
    hypervisor = opened(url=url, settings={"timeout_s": 4.0})
    with pytest.raises(TransientError, match="did not answer"):
        hypervisor.info()
    until(no_thread_is_left, "the threads ended", 120)
    begun = trace.read_text().strip()
    until(lambda: not Path(f"/proc/{begun}").exists(), "what it began has ended")


def test_threads_that_hang_end_when_the_line_is_found_dead(
    world: LibvirtWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{CONNECTION}.KEEPALIVE_S", 1)
    monkeypatch.setattr(f"{CONNECTION}.MISSED", 1)
    hypervisor = world.open()
    hypervisor.info()
    world.daemon.freeze()
    waits(hypervisor, 0.5)
    with pytest.raises(TransientError):
        hypervisor.find("vm01")
    until(no_thread_is_left, "keep-alive messages ended the threads", 120)
    world.daemon.thaw()
    waits(hypervisor, 60.0)
    assert hypervisor.find("vm01") == ()


def test_a_daemon_that_died_is_transient_and_its_vms_are_known_again(world: LibvirtWorld) -> None:
    hypervisor = world.open()
    made = hypervisor.register_vm(LABEL, world.copied("vm01", "vm01-restored"))
    hypervisor.power_on(made.id)
    world.daemon.kill()
    with pytest.raises(TransientError):
        hypervisor.registered(LABEL)
    world.daemon.start()
    found = hypervisor.registered(LABEL)
    assert found == replace(made, is_on=True)
    hypervisor.unregister(made.id)
    assert hypervisor.registered(LABEL) is None
    world.line = world.libvirt.open(world.daemon.url)


# --- over TLS ---


def until_dialled(port: int) -> None:
    """It listens a moment after its socket is there; the test's own time-out is the deadline."""
    pause = threading.Event()
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        pause.wait(0.05)


def usage(*, is_ca: bool) -> x509.KeyUsage:
    """As libvirt wants it, of every certificate: https://libvirt.org/kbase/tlscerts.html."""
    others = ("content_commitment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only")
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        **dict.fromkeys(others, False),
    )


def test_over_tls_only_a_known_authority_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_libvirt()
    monkeypatch.setattr(tls, "_usage", usage)
    ca, cert, key = tls.ensure(tmp_path, "kvm1")
    (port,) = _free_ports(1)
    listen = f"""
        listen_tls = 1
        listen_tcp = 0
        listen_addr = "127.0.0.1"
        tls_port = "{port}"
        ca_file = "{ca}"
        cert_file = "{cert}"
        key_file = "{key}"
        tls_no_verify_certificate = 1
    """
    known, unknown = tmp_path / "known", tmp_path / "unknown"
    unknown.mkdir()
    for folder, authority in ((known, ca), (unknown, tls.ensure(unknown, "another")[0])):
        folder.mkdir(exist_ok=True)
        (folder / "cacert.pem").write_bytes(authority.read_bytes())
    with tempfile.TemporaryDirectory(prefix="cv-") as short:
        daemon = PrivateLibvirt(Path(short), CACHE, listen)
        daemon.start()
        try:
            url = f"qemu+tls://127.0.0.1:{port}/system"
            until_dialled(port)
            assert opened(url=url, settings={"ca": str(known)}).info().version
            for wrong in (str(unknown), str(tmp_path / "nowhere")):
                with pytest.raises(DeniedError, match="certificate"):
                    opened(url=url, settings={"ca": wrong}).info()
        finally:
            daemon.stop()


def test_a_login_that_is_refused_is_denied_and_its_password_not_told(tmp_path: Path) -> None:
    require_libvirt()
    with tempfile.TemporaryDirectory(prefix="cv-") as short:
        daemon = PrivateLibvirt(Path(short), CACHE, 'auth_unix_rw = "sasl"')
        daemon.start()
        try:
            hypervisor = opened(url=daemon.url, settings={"user": "cloudy", "password": "hunter22"})
            with pytest.raises(DeniedError) as caught:
                hypervisor.info()
        finally:
            daemon.stop()
    assert "hunter22" not in caught.value.message + repr(caught.value) + repr(hypervisor)


def opened(**changes: Any) -> Hypervisor:
    given: dict[str, Any] = {"url": "qemu+unix:///system?socket=/nowhere", "datastore": "/mnt/tintri", "settings": {}}
    given |= changes
    return OPENERS["libvirt"]("kvm", given["url"], given["datastore"], given["settings"])


def test_a_daemon_that_is_not_there_is_transient() -> None:
    pytest.importorskip("libvirt")
    with pytest.raises(TransientError, match="Does libvirt run there"):
        opened().info()


def test_settings_that_it_cannot_use_are_told() -> None:
    pytest.importorskip("libvirt")
    with pytest.raises(ConfigError, match="datastore"):
        opened(datastore="tintri")
    with pytest.raises(ConfigError, match="qemu"):
        opened(url="xen:///system")
    spec = RegisterSpec(name="vm", directory="vm", files=(), shape=None)
    with pytest.raises(PermanentError, match="`datastore` is not set"):
        opened(datastore="").register_vm(LABEL, spec)
