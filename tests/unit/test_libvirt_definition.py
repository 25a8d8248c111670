"""A domain is made anew of one that may come from a bucket: nothing that reaches out of the VM is taken."""

from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.hypervisors.libvirt.definition import NoDefinition, Wanted, adapted, disks_of, identity_of
from integrations.hypervisors.libvirt.words import shape_of
from integrations.hypervisors.libvirt.xml import NotXml, read

DOMAIN = """
<domain type='kvm' id='7' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>kvm01</name>
  <uuid>1f5039f7-8969-5539-ba18-685048bf5664</uuid>
  <description>See https://wiki.example.com/kvm01</description>
  <metadata>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
      <libosinfo:os id="http://debian.org/debian/12"/></libosinfo:libosinfo>
    <tool:keeps xmlns:tool="urn:tool" token="hunter22"/>
  </metadata>
  <memory unit='GiB'>2</memory><currentMemory unit='KiB'>2097152</currentMemory>
  <vcpu placement='static' cpuset='0-3'>4</vcpu>
  <cputune><vcpupin vcpu='0' cpuset='2'/></cputune>
  <os firmware='efi'><type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
    <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/mnt/tintri/kvm01/kvm01_VARS.fd</nvram>
    <kernel>/boot/vmlinuz</kernel><boot dev='hd'/></os>
  <features><acpi/><apic/><hyperv mode='custom'><relaxed state='on'/></hyperv></features>
  <cpu mode='host-passthrough' check='none'><topology sockets='1' dies='1' cores='4' threads='1'/></cpu>
  <clock offset='timezone' timezone='Europe/Berlin'><timer name='hypervclock' present='yes'/></clock>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/tmp/evil</emulator>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>
      <source file='/mnt/tintri/kvm01/kvm01.qcow2'/><target dev='vda' bus='virtio'/><iotune/>
      <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/></disk>
    <disk type='file' device='disk'><driver name='qemu' type='raw'/>
      <source file='/mnt/tintri/kvm01/data/kvm01.raw'/><target dev='vdb' bus='virtio'/></disk>
    <disk type='file' device='disk'><source file='/var/lib/scratch.img'/><target dev='vdc' bus='virtio'/></disk>
    <disk type='block' device='disk'><source dev='/dev/sda'/><target dev='vdd' bus='virtio'/></disk>
    <disk type='file' device='cdrom'><source file='/iso/debian.iso'/><target dev='sda' bus='sata'/><readonly/></disk>
    <controller type='pci' index='0' model='pcie-root'/>
    <interface type='network'><mac address='52:54:00:aa:bb:cc'/><source network='production'/><model type='virtio'/>
      <script path='/tmp/evil.sh'/><target dev='vnet0'/><filterref filter='clean-traffic'/></interface>
    <interface type='bridge'><mac address='52:54:00:aa:bb:cd'/><source bridge='br0'/></interface>
    <serial type='file'><source path='/etc/passwd'/><log file='/etc/shadow'/><target port='0'/></serial>
    <console type='pty' tty='/dev/pts/3'><target type='serial' port='0'/></console>
    <channel type='unix'><source mode='bind' path='/run/x'/>
      <target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>
    <graphics type='vnc' port='5900' autoport='no' listen='0.0.0.0' passwd='hunter22'>
      <listen address='0.0.0.0'/></graphics>
    <rng model='virtio'><backend model='random'>/dev/mem</backend></rng>
    <tpm model='tpm-crb'><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>
    <hostdev mode='subsystem' type='pci'><source><address bus='1'/></source></hostdev>
    <hostdev mode='subsystem' type='usb'/>
    <filesystem type='mount'><source dir='/'/><target dir='x'/></filesystem>
    <memballoon model='virtio'/>
  </devices>
  <qemu:commandline><qemu:arg value='-drive'/><qemu:arg value='file=/etc/shadow'/></qemu:commandline>
</domain>
"""
FOLDER = "/mnt/here/kvm01-restored"
FILES = {name: f"{FOLDER}/{name}" for name in ("kvm01.qcow2", "data/kvm01.raw", "kvm01_VARS.fd", "base.raw")}
WANTED = Wanted(
    label="T1",
    name="kvm01-restored",
    files=FILES,
    chains={
        FILES["kvm01.qcow2"]: ((FILES["kvm01.qcow2"], "qcow2"), (FILES["base.raw"], "raw")),
        FILES["data/kvm01.raw"]: ((FILES["data/kvm01.raw"], "raw"),),
    },
    protected=("kvm01/kvm01.qcow2", "kvm01/data/kvm01.raw"),
    known_networks=frozenset({"lab"}),
)


def made(text: str = DOMAIN, **changes: Any) -> tuple[Element, tuple[str, ...]]:
    found, notes = adapted(read(text), replace(WANTED, **changes))
    return read(found), notes


def reaches(root: Element) -> set[str]:
    """Every value with a path in it."""
    values = {value for element in root.iter() for value in (*element.attrib.values(), element.text or "")}
    return {value.strip() for value in values if "/" in value}


def test_every_path_is_one_of_the_restored_files_or_of_the_distribution() -> None:
    root, _ = made()
    assert reaches(root) == {
        FILES["kvm01.qcow2"],
        FILES["data/kvm01.raw"],
        FILES["kvm01_VARS.fd"],
        FILES["base.raw"],
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/dev/urandom",
        "Europe/Berlin",
        "See https://wiki.example.com/kvm01",
    }


def test_what_is_left_out_is_told_each_once() -> None:
    _, notes = made()
    told = "\n".join(notes)
    for what in (
        "left out: hostdev (2 times)", "filesystem", "tpm", "cputune", "vcpu@cpuset", "os/kernel", "channel",
        "interface/script", "interface/filterref", "disk vdc, which was not on the VMstore", "disk vdd", "ejected: sda",
        "{http://libvirt.org/schemas/domain/qemu/1.0}commandline", "not connected: network card",
    ):  # fmt: skip
        assert what in told
    assert "emulator" not in told
    assert "hunter22" not in told


def test_nothing_of_the_host_is_given_to_the_guest() -> None:
    root, _ = made()
    assert [root.find(f"devices/{tag}") for tag in ("hostdev", "filesystem", "tpm", "emulator")] == [None] * 4
    assert [each.get("type") for each in root.iterfind("devices/serial")] == ["pty"]
    graphics = root.find("devices/graphics")
    assert graphics is not None
    assert graphics.attrib == {"type": "vnc", "autoport": "yes"}
    assert "commandline" not in "".join(element.tag for element in root.iter())


def test_the_disks_are_the_restored_ones_with_the_whole_chain_said() -> None:
    root, _ = made()
    disks = [disk for disk in root.iterfind("devices/disk") if disk.get("device") == "disk"]
    first, second = disks
    assert first.find("backingStore/source").attrib == {"file": FILES["base.raw"]}  # type: ignore[union-attr]
    assert first.find("backingStore/format").attrib == {"type": "raw"}  # type: ignore[union-attr]
    assert len(first.findall("backingStore/backingStore")) == 1
    bottom = second.find("backingStore")
    assert bottom is not None
    assert (bottom.attrib, list(bottom)) == ({}, [])


def test_a_new_vm_has_a_uuid_of_its_label_and_other_addresses() -> None:
    root, _ = made()
    assert root.findtext("uuid") == identity_of("T1") != identity_of("T2")
    assert root.findtext("name") == "kvm01-restored"
    addresses = [mac.get("address") for mac in root.iterfind("devices/interface/mac")]
    assert len({*addresses, "52:54:00:aa:bb:cc", "52:54:00:aa:bb:cd"}) == 4
    assert addresses == [mac.get("address") for mac in made()[0].iterfind("devices/interface/mac")]


def test_the_same_vm_keeps_both() -> None:
    root, _ = made(keeps_identity=True)
    assert root.findtext("uuid") == "1f5039f7-8969-5539-ba18-685048bf5664"
    addresses = [mac.get("address") for mac in root.iterfind("devices/interface/mac")]
    assert addresses == ["52:54:00:aa:bb:cc", "52:54:00:aa:bb:cd"]


def test_cards_are_connected_only_where_that_is_asked_for() -> None:
    def cards(**changes: Any) -> list[tuple[str | None, dict[str, str], bool]]:
        found = []
        for card in made(**changes)[0].iterfind("devices/interface"):
            source, link = card.find("source"), card.find("link")
            found.append((card.get("type"), {} if source is None else source.attrib, link is None))
        return found

    assert cards() == [("user", {}, False), ("user", {}, False)]
    mapped = {"production": "lab", "bridge:br0": "bridge:br7"}
    assert cards(networks=mapped) == [("network", {"network": "lab"}, False), ("bridge", {"bridge": "br7"}, False)]
    assert cards(networks=mapped, is_connected=True) == [
        ("network", {"network": "lab"}, True),
        ("bridge", {"bridge": "br7"}, True),
    ]
    with pytest.raises(NoDefinition, match=r"no network production \(it has: lab\)"):
        made(is_connected=True)


def test_a_manifest_connects_no_card_to_a_bridge_or_to_the_hosts_own_address() -> None:
    text = DOMAIN.replace("<interface type='network'", "<interface type='user'")
    for card in made(text, is_connected=True)[0].iterfind("devices/interface"):
        link = card.find("link")
        assert (card.get("type"), card.find("source")) == ("user", None)
        assert link is not None
        assert link.attrib == {"state": "down"}


def test_firmware_is_never_written_to() -> None:
    loader = made(DOMAIN.replace("<loader readonly='yes'", "<loader readonly='no'"))[0].find("os/loader")
    assert loader is not None
    assert loader.get("readonly") == "yes"


def test_a_guest_that_dies_writes_nothing_to_the_hosts_disk() -> None:
    text = DOMAIN.replace("<on_crash>destroy", "<on_crash>coredump-restart")
    text = text.replace("<memballoon", "<watchdog model='i6300esb' action='dump'/><memballoon")
    root, notes = made(text)
    watchdog = root.find("devices/watchdog")
    assert root.find("on_crash") is None
    assert watchdog is not None
    assert watchdog.attrib == {"model": "i6300esb"}
    assert {"left out: on_crash", "left out: watchdog@action"} <= set(notes)
    assert made()[0].findtext("on_crash") == "destroy"


def test_an_emulated_processor_is_asked_for_nothing_that_only_a_real_one_has() -> None:
    root, notes = made(domain_type="qemu")
    cpu = root.find("cpu")
    assert root.get("type") == "qemu"
    assert cpu is not None
    assert (cpu.attrib, [child.tag for child in cpu]) == ({}, ["topology"])
    assert root.find("features/hyperv") is None
    assert "processor: emulated, not host-passthrough" in notes
    assert made()[0].get("type") == "kvm"
    assert made(DOMAIN.replace("type='kvm'", "type='bhyve'", 1))[0].get("type") == "kvm"


def test_uefi_variables_that_were_not_restored_are_made_anew() -> None:
    files = {name: path for name, path in FILES.items() if name != "kvm01_VARS.fd"}
    root, notes = made(files=files)
    assert root.find("os/nvram") is None
    assert any("UEFI variables" in note for note in notes)


@pytest.mark.parametrize("loader", ["/etc/shadow", "/usr/share/OVMF/../../../etc/shadow", "OVMF.fd"])
def test_firmware_of_another_place_is_chosen_by_libvirt(loader: str) -> None:
    root, _ = made(DOMAIN.replace("/usr/share/OVMF/OVMF_CODE_4M.fd", loader))
    system = root.find("os")
    assert system is not None
    assert (system.find("loader"), system.get("firmware")) == (None, "efi")


def test_a_disk_that_was_protected_and_is_not_there_is_refused() -> None:
    with pytest.raises(NoDefinition, match=r"disk vdb was .*, and no restored file is it"):
        disks_of(read(DOMAIN), {"kvm01.qcow2": "/x"}, WANTED.protected)
    twice = DOMAIN.replace("/mnt/tintri/kvm01/data/kvm01.raw", "/mnt/tintri/kvm01/kvm01.qcow2")
    with pytest.raises(NoDefinition, match="twice"):
        disks_of(read(twice), FILES, WANTED.protected)


def test_disks_of_one_name_in_two_folders_are_told_apart() -> None:
    text = DOMAIN.replace("/mnt/tintri/kvm01/data/kvm01.raw", "/mnt/tintri/kvm01/data/kvm01.qcow2")
    files = {"kvm01.qcow2": "/1", "data/kvm01.qcow2": "/2"}
    found = disks_of(read(text), files, ("kvm01/kvm01.qcow2", "kvm01/data/kvm01.qcow2"))
    assert found == {"vda": ("/1", "qcow2"), "vdb": ("/2", "raw")}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no xml",
        "<domain>",
        "<domain/><domain/>",
        "<!DOCTYPE d [<!ENTITY a 'b'>]><domain>&a;</domain>",
        "<!DOCTYPE d SYSTEM 'file:///etc/passwd'><domain/>",
        "<a>" * 40 + "</a>" * 40,
        "<a>" + "<b/>" * 30_000 + "</a>",
        "<a>&unknown;</a>",
        "<a>\ud800</a>",
        "<a>" + "x" * (1 << 20) + "</a>",
    ],
)
def test_what_is_not_plain_xml_is_refused(text: str) -> None:
    with pytest.raises(NotXml):
        read(text)


def test_xml_of_something_else_is_refused() -> None:
    for text in ("<network/>", "<pool type='dir'/>"):
        with pytest.raises(NoDefinition):
            adapted(read(text), WANTED)
    with pytest.raises(NoDefinition, match="uuid"):
        made(DOMAIN.replace("1f5039f7-8969-5539-ba18-685048bf5664", "mine"), keeps_identity=True)


tags = st.sampled_from(
    ["domain", "devices", "disk", "source", "os", "loader", "nvram", "interface", "script", "serial", "driver", "cpu",
     "model", "controller", "features", "hyperv", "target", "address", "channel", "rng", "backend", "vcpu", "memory"]
)  # fmt: skip
names = st.sampled_from(["type", "file", "path", "dev", "name", "model", "bus", "value", "template", "device"])
values = st.sampled_from(["/etc/shadow", "file", "disk", "../x", "kvm", "pflash", "a/b", "nbd://x", "qcow2"]) | st.text(
    max_size=8
)


@st.composite
def elements(draw: st.DrawFn, depth: int = 4) -> Element:
    made_of = Element(draw(tags), {draw(names): draw(values) for _ in range(draw(st.integers(0, 3)))})
    made_of.text = draw(values)
    if depth:
        made_of.extend(draw(elements(depth - 1)) for _ in range(draw(st.integers(0, 3))))
    return made_of


@given(st.lists(elements(), max_size=4), st.booleans())
def test_whatever_it_says_it_reaches_nothing_of_the_host(devices: list[Element], emulated: bool) -> None:
    root = read(DOMAIN)
    next(root.iterfind("devices")).extend(devices)
    root.extend(devices)
    try:
        text, _ = adapted(root, replace(WANTED, domain_type="qemu" if emulated else ""))
    except NoDefinition:
        return
    allowed = {*FILES.values(), "/usr/share/OVMF/OVMF_CODE_4M.fd", "/dev/urandom", "Europe/Berlin"}
    found = {value for value in reaches(read(text)) if "wiki.example.com" not in value}
    assert found <= allowed


def test_the_shape_tells_what_the_vm_is_made_of_and_no_secret() -> None:
    shape = shape_of(read(DOMAIN), "/mnt/tintri/")
    assert (shape.kind, shape.cpus, shape.memory_mib, shape.firmware) == ("libvirt", 4, 2048, "efi")
    assert shape.disks == WANTED.protected
    assert [(nic.mac, nic.network, nic.model) for nic in shape.nics] == [
        ("52:54:00:aa:bb:cc", "production", "virtio"),
        ("52:54:00:aa:bb:cd", "bridge:br0", ""),
    ]
    assert shape.guest == "http://debian.org/debian/12"
    assert "hunter22" not in shape.definition
    assert adapted(read(shape.definition), WANTED)[0]
