"""Complete or not at all: what a VM's definition names must be in the clone."""

import struct
from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot import images
from bot.definition import Definition, Extent, Skipped, decode, examine, heads_needed, parse_vmx, texts_needed
from bot.errors import NotRestorable
from bot.model import Disk, Entry

VMX = """\
.encoding = "UTF-8"
config.version = "8"
displayName = "vm01"
nvram = "vm01.nvram"
scsi0.present = "TRUE"
scsi0.virtualDev = "pvscsi"
scsi0.sharedBus = "none"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "vm01.vmdk"
scsi0:0.deviceType = "scsi-hardDisk"
"""
DESCRIPTOR = """\
# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=fffffffe
parentCID=ffffffff
createType="vmfs"

# Extent description
RW 2048 VMFS "vm01-flat.vmdk"

# The Disk Data Base
#DDB
ddb.adapterType = "lsilogic"
"""
DELTA = """\
# Disk DescriptorFile
version=1
CID=12345678
parentCID=fffffffe
createType="vmfsSparse"
parentFileNameHint="vm01.vmdk"
RW 2048 VMFSSPARSE "vm01-000001-delta.vmdk"
"""
SIZES = {
    "vm01.vmx": 300,
    "vm01.vmdk": 400,
    "vm01-flat.vmdk": 2048 * 512,
    "vm01.nvram": 8684,
    "vmware.log": 5,
}
TEXTS = {"vm01.vmx": VMX, "vm01.vmdk": DESCRIPTOR}
DISKS = (Disk(uuid="d", name="scsi0:0", path="vm01/vm01.vmdk"),)


def entries(sizes: Mapping[str, int]) -> list[Entry]:
    return [Entry(path=name, size=size) for name, size in sizes.items()]


def verdict(
    sizes: Mapping[str, int] = SIZES, texts: Mapping[str, str] = TEXTS, disks: tuple[Disk, ...] = DISKS
) -> Definition:
    return examine(entries(sizes), texts, disks)


def refusal(sizes: Mapping[str, int] = SIZES, texts: Mapping[str, str] = TEXTS, disks: tuple[Disk, ...] = DISKS) -> str:
    with pytest.raises(NotRestorable) as caught:
        verdict(sizes, texts, disks)
    assert "would not be restorable" in caught.value.message
    return caught.value.message


def with_vmx(*lines: str) -> Mapping[str, str]:
    return {**TEXTS, "vm01.vmx": VMX + "\n".join(lines) + "\n"}


def with_descriptor(old: str, new: str) -> Mapping[str, str]:
    assert old in DESCRIPTOR
    return {**TEXTS, "vm01.vmdk": DESCRIPTOR.replace(old, new)}


def without(name: str) -> Mapping[str, int]:
    return {one: size for one, size in SIZES.items() if one != name}


def test_a_complete_vm_is_taken_whole_with_its_log() -> None:
    found = verdict()
    assert found.files == ("vm01-flat.vmdk", "vm01.nvram", "vm01.vmdk", "vm01.vmx", "vmware.log")
    assert found.extents == (Extent(name="vm01-flat.vmdk", size=2048 * 512),)
    assert found.skipped == ()


def test_swap_and_locks_are_skipped_with_the_reason() -> None:
    extra = {"vm01-1234.vswp": 10, "vm01.vmx.lck": 84, "vm01.vmdk.lck/M1": 1, ".lck-3409000000000000": 84}
    found = verdict({**SIZES, **extra})
    assert {one.name for one in found.skipped} == set(extra)
    assert Skipped(name="vm01-1234.vswp", reason="swap file, made anew at power-on") in found.skipped
    assert not set(extra) & set(found.files)


def test_directories_are_no_files() -> None:
    found = examine([*entries(SIZES), Entry(path="empty", is_dir=True)], TEXTS, DISKS)
    assert "empty" not in found.files


def test_definitions_and_small_vmdks_are_the_texts_to_read() -> None:
    sizes = {**SIZES, "big-flat.vmdk": 1 << 30, "vm01.vmdk.lck/x.vmdk": 1}
    assert texts_needed([*entries(sizes), Entry(path="d.vmx", is_dir=True)]) == (
        "vm01-flat.vmdk",
        "vm01.vmdk",
        "vm01.vmx",
    )


@pytest.mark.parametrize("name", ["vm01.vmdk", "vm01-flat.vmdk", "vm01.nvram"])
def test_a_missing_file_is_named(name: str) -> None:
    assert name in refusal(without(name))


def test_a_vm_that_was_never_started_has_no_nvram_yet() -> None:
    never = {name: size for name, size in SIZES.items() if name not in ("vm01.nvram", "vmware.log")}
    assert verdict(never).files == ("vm01-flat.vmdk", "vm01.vmdk", "vm01.vmx")
    for beside in ("vmware-3.log", "vm01-1234.vswp", ".lck-3409000000000000"):
        assert "vm01.nvram is missing" in refusal({**never, beside: 1})


@pytest.mark.parametrize(
    "line",
    [
        'cleanShutdown = "TRUE"',
        'guestCPUID.0 = "0000000d756e65476c65746e49656e69"',
        'monitor.phys_bits_used = "45"',
        'sched.swap.derivedName = "/vmfs/volumes/ds/vm01/vm01-1.vswp"',
        'vmotion.checkpointFBSize = "4194304"',
        'vtpm.present = "TRUE"',
        'nvram = "/vmfs/volumes/other/vm01.nvram"',
    ],
)
def test_the_nvram_of_a_vm_that_may_have_been_started_must_be_there(line: str) -> None:
    never = {name: size for name, size in SIZES.items() if name not in ("vm01.nvram", "vmware.log")}
    assert "nvram" in refusal(never, with_vmx(line))


def test_a_template_is_examined_like_a_vm() -> None:
    sizes = {**without("vm01.vmx"), "vm01.vmtx": 300}
    texts = {"vm01.vmtx": VMX, "vm01.vmdk": DESCRIPTOR}
    assert "vm01.vmtx" in texts_needed(entries(sizes))
    assert verdict(sizes, texts, ()).extents
    del sizes["vm01-flat.vmdk"]
    assert "vm01-flat.vmdk is missing" in refusal(sizes, texts, ())


def test_the_memory_of_a_suspended_vm_must_be_there() -> None:
    assert "vm01-1.vmss is missing" in refusal(texts=with_vmx('checkpoint.vmState = "vm01-1.vmss"'))
    assert verdict(texts=with_vmx('checkpoint.vmState = ""')).files


def test_a_name_that_is_not_unicode_is_told_before_anything_is_sent() -> None:
    told = refusal({**SIZES, "b\udce4ckup.log": 1})
    assert "b?ckup.log is not valid Unicode" in told
    told.encode()


def test_every_problem_is_told_at_once() -> None:
    told = refusal({"vm01.vmx": 300, "vm01.vmdk": 400, "vmware.log": 5})
    assert "vm01-flat.vmdk" in told
    assert "vm01.nvram" in told


def test_an_extended_configuration_that_is_named_must_be_there() -> None:
    assert "vm01.vmxf" in refusal(texts=with_vmx('extendedConfigFile = "vm01.vmxf"'))


def test_a_short_flat_extent_is_told_with_both_sizes() -> None:
    told = refusal({**SIZES, "vm01-flat.vmdk": 2048 * 512 - 1})
    assert "vm01-flat.vmdk is too short: 1048575 bytes of 1048576" in told


def test_an_extent_that_begins_later_in_its_file_needs_a_longer_file() -> None:
    texts = with_descriptor('RW 2048 VMFS "vm01-flat.vmdk"', 'RW 2048 FLAT "vm01-flat.vmdk" 63')
    assert "is too short" in refusal(texts=texts)


def test_a_longer_flat_extent_is_fine() -> None:
    assert verdict({**SIZES, "vm01-flat.vmdk": 2048 * 512 + 1}).files


@pytest.mark.parametrize("bus", ["scsi1:15", "sata0:3", "ide1:0", "nvme0:0", "SCSI2:1"])
def test_disks_of_every_bus_must_be_there(bus: str) -> None:
    assert "data.vmdk is missing" in refusal(texts=with_vmx(f'{bus}.fileName = "data.vmdk"'))


@pytest.mark.parametrize(
    "lines",
    [
        ('sata0:1.fileName = "data.vmdk"', 'sata0:1.present = "FALSE"'),
        ('sata0:1.fileName = "data.vmdk"', 'sata0.present = "false"'),
        ('sata0:1.fileName = "/vmfs/volumes/ds/debian.ISO"',),
        ('ide0:0.fileName = "emptyBackingString"', 'ide0:0.deviceType = "atapi-cdrom"'),
        ('ide0:0.fileName = "tools.img"', 'ide0:0.deviceType = "cdrom-image"'),
        ('floppy0.fileName = "gone.flp"',),
    ],
)
def test_what_is_absent_or_no_disk_is_not_asked_for(lines: tuple[str, ...]) -> None:
    assert verdict(texts=with_vmx(*lines)).files


@pytest.mark.parametrize("path", ["/vmfs/volumes/other/vm01/vm01.vmdk", "../other/data.vmdk", "../vm01.vmdk"])
def test_a_disk_in_another_directory_is_refused_with_its_path(path: str) -> None:
    told = refusal(texts=with_vmx(f'scsi0:1.fileName = "{path}"'))
    assert path in told
    assert "outside of the VM's directory" in told


def test_a_disk_in_a_directory_below_is_found() -> None:
    sizes = {**SIZES, "data/d.vmdk": 1, "data/d-flat.vmdk": 2048 * 512}
    texts = {
        **with_vmx('scsi0:1.fileName = "./data/d.vmdk"'),
        "data/d.vmdk": DESCRIPTOR.replace("vm01-flat", "d-flat"),
    }
    assert "data/d-flat.vmdk" in {one.name for one in verdict(sizes, texts).extents}


@pytest.mark.parametrize("line", ['scsi0:0.sharing = "multi-writer"', 'scsi0.sharedBus = "physical"'])
def test_a_shared_disk_is_refused_with_the_word(line: str) -> None:
    told = refusal(texts=with_vmx(line))
    assert "shared disk" in told
    assert line.split('"')[1] in told


@pytest.mark.parametrize("kind", ["VMFSRDM", "VMFSRAWRDM", "vmfsrdm"])
def test_a_raw_device_mapping_is_refused(kind: str) -> None:
    assert "raw device mapping" in refusal(texts=with_descriptor("VMFS", kind))


def test_an_extent_type_that_is_not_known_is_refused() -> None:
    assert "HOLOGRAM" in refusal(texts=with_descriptor("VMFS", "HOLOGRAM"))


@pytest.mark.parametrize("kind", ["SPARSE", "SESPARSE", "VMFSSPARSE"])
def test_a_sparse_extent_may_be_smaller_than_its_disk(kind: str) -> None:
    assert verdict({**SIZES, "vm01-flat.vmdk": 512}, with_descriptor("VMFS", kind)).extents


def test_a_delta_chain_is_followed_to_its_base() -> None:
    sizes = {**SIZES, "vm01-000001.vmdk": 300, "vm01-000001-delta.vmdk": 4096}
    texts = {**TEXTS, "vm01.vmx": VMX.replace("vm01.vmdk", "vm01-000001.vmdk"), "vm01-000001.vmdk": DELTA}
    assert {one.name for one in verdict(sizes, texts).extents} == {"vm01-flat.vmdk", "vm01-000001-delta.vmdk"}
    assert "vm01-flat.vmdk" in refusal({**sizes, "vm01-flat.vmdk": 0}, texts)
    assert "vm01.vmdk is missing" in refusal({n: s for n, s in sizes.items() if n != "vm01.vmdk"}, texts, ())


def test_a_chain_that_bites_its_tail_ends() -> None:
    texts = with_descriptor("parentCID=ffffffff", 'parentCID=1\nparentFileNameHint="vm01.vmdk"')
    assert verdict(texts=texts).files


def test_a_parent_without_a_name_is_refused() -> None:
    assert "has a parent" in refusal(texts=with_descriptor("parentCID=ffffffff", "parentCID=12345678"))


def test_a_change_tracking_file_that_is_named_must_be_there() -> None:
    texts = with_descriptor("#DDB", 'changeTrackPath="vm01-ctk.vmdk"')
    assert "vm01-ctk.vmdk" in refusal(texts=texts)


@pytest.mark.parametrize("text", ["", "\0" * 400, "# Disk DescriptorFile\n"])
def test_a_descriptor_that_is_still_growing_is_refused(text: str) -> None:
    assert "vm01.vmdk" in refusal(texts={**TEXTS, "vm01.vmdk": text})


def test_a_definition_that_is_still_empty_is_refused() -> None:
    assert "vm01.vmx is empty" in refusal(texts={**TEXTS, "vm01.vmx": ""})


def test_a_definition_cut_before_its_disks_does_not_hide_a_missing_disk() -> None:
    texts = {**TEXTS, "vm01.vmx": VMX.partition("scsi0:0")[0]}
    assert verdict(texts=texts).extents
    assert "vm01/vm01.vmdk (scsi0:0) is not in the clone" in refusal(without("vm01.vmdk"), texts)


def test_a_vm_without_definition_needs_its_disks_by_file_name() -> None:
    disks = (Disk(uuid="1", name="vda", path="kvm/a.raw"), Disk(uuid="2", name="vdb", path="kvm/b.qcow2"))
    assert verdict({"a.raw": 5, "b.qcow2": 5}, {}, disks).files == ("a.raw", "b.qcow2")
    assert "kvm/b.qcow2" in refusal({"a.raw": 5}, {}, disks)
    assert "b.qcow2 (vdb) is empty" in refusal({"a.raw": 5, "b.qcow2": 0}, {}, disks)


def test_two_disks_of_one_name_need_two_files() -> None:
    disks = (Disk(uuid="1", name="vda", path="one/disk.raw"), Disk(uuid="2", name="vdb", path="two/disk.raw"))
    assert "one/disk.raw" in refusal({"disk.raw": 5}, {}, disks)


def test_a_clone_with_nothing_known_of_it_is_refused() -> None:
    assert "there is no .vmx" in refusal({"readme": 5}, {}, ())


def test_settings_are_read_as_a_host_writes_them() -> None:
    text = '# scsi0:9.fileName = "x"\r\nA.B="c d"\r\n  e  =  f g \nname = "a|22b|7Cc"\nnoise\n= 1\na.b = "last'
    assert parse_vmx(text) == {"a.b": "last", "e": "f g", "name": 'a"b|c'}


def test_texts_are_decoded_as_they_say() -> None:
    assert decode('.encoding = "windows-1252"\nx = "ü"'.encode("cp1252")).endswith('"ü"')
    assert decode('x = "ü"'.encode()) == 'x = "ü"'
    assert decode(b'.encoding = "no-such-thing"\nx = "\xff"').endswith('"\ufffd"')


names = st.sampled_from([*SIZES, "vm01-000001.vmdk", "a.raw", "x.vswp", "../x", "", "d.lck/f"]) | st.text(max_size=12)
lines = st.lists(
    st.sampled_from([*VMX.splitlines(), *DESCRIPTOR.splitlines(), *DELTA.splitlines()]) | st.text(max_size=60),
    max_size=25,
).map("\n".join)


@given(st.dictionaries(names, st.integers(0, 1 << 60), max_size=8), st.dictionaries(names, lines, max_size=6), names)
@example({"v.vmx": 1, "v.vmdk": 1}, {"v.vmx": 'scsi0:0.fileName = "v.vmdk"', "v.vmdk": f"RW {'9' * 5000} FLAT"}, "")
def test_whatever_the_texts_say_the_answer_is_a_definition_or_a_refusal(
    sizes: dict[str, int], texts: dict[str, str], path: str
) -> None:
    try:
        found = examine(entries(sizes), texts, (Disk(uuid="d", name="", path=path),))
    except NotRestorable:
        return
    assert set(found.files) | {one.name for one in found.skipped} == set(sizes)
    assert all(sizes[one.name] >= one.size and one.name in found.files for one in found.extents)


@given(st.binary(max_size=200))
def test_any_bytes_decode_to_some_text(data: bytes) -> None:
    assert isinstance(decode(data), str)


# --- images of QEMU's that are built on others ---

KVM = (Disk(uuid="d", name="vda", path="kvm01/kvm01.qcow2"),)


def qcow2(backing: bytes = b"", data: bytes = b"") -> bytes:
    head = struct.pack(">4sIQI", b"QFI\xfb", 3, 300 if backing else 0, len(backing)).ljust(72, b"\0")
    head += struct.pack(">QQQII", 4 if data else 0, 0, 0, 4, 104)
    head += struct.pack(">II4s4x", 0xE2792ACA, 4, b"qcow")
    if data:
        head += struct.pack(">II", 0x44415441, len(data)) + data.ljust(-(-len(data) // 8) * 8, b"\0")
    return head.ljust(300, b"\0") + backing


def of_kvm(heads: Mapping[str, bytes]) -> tuple[str, ...]:
    return examine(entries(dict.fromkeys(heads, 65536)), {}, KVM, heads).files


def test_an_image_and_those_that_it_is_built_on_are_protected_together() -> None:
    for below in (b"base.qcow2", b"./base.qcow2", b"/mnt/tintri/kvm01/base.qcow2"):
        heads = {"kvm01.qcow2": qcow2(below), "base.qcow2": qcow2()}
        assert of_kvm(heads) == ("base.qcow2", "kvm01.qcow2")
    assert of_kvm({"kvm01.qcow2": qcow2(data=b"kvm01.raw"), "kvm01.raw": b""}) == ("kvm01.qcow2", "kvm01.raw")


@pytest.mark.parametrize(
    "below",
    [
        "/mnt/tintri/templates/base.qcow2",
        "../templates/base.qcow2",
        "gone.qcow2",
        "/mnt/tintri/kvm01/gone.qcow2",
        "/mnt/tintri/kvm01/../templates/base.qcow2",
        "/mnt/tintri/other/kvm01.qcow2",
        "nbd://host/base.qcow2",
        "json:{}",
    ],
)
def test_an_image_that_is_built_on_a_file_elsewhere_is_refused_with_the_way_out(below: str) -> None:
    with pytest.raises(NotRestorable) as caught:
        of_kvm({"kvm01.qcow2": qcow2(below.encode()), "base.qcow2": qcow2()})
    assert f"kvm01.qcow2 is built on {below}, which is not in the VM's own directory" in caught.value.message
    assert "virsh blockpull" in caught.value.message


def test_an_image_in_the_middle_of_a_chain_is_looked_at_whatever_it_is_called() -> None:
    heads = {"kvm01.qcow2": qcow2(b"kvm01.before-update"), "kvm01.before-update": qcow2(b"/images/base.qcow2")}
    with pytest.raises(NotRestorable, match=r"kvm01\.before-update is built on /images/base\.qcow2"):
        of_kvm(heads)
    with pytest.raises(NotRestorable, match="built on gone"):
        of_kvm({"kvm01.qcow2": qcow2(data=b"gone")})


def test_an_image_that_no_disk_needs_is_not_judged() -> None:
    heads = {"kvm01.qcow2": qcow2(), "old.qcow2": qcow2(b"/images/base.qcow2")}
    assert of_kvm(heads) == ("kvm01.qcow2", "old.qcow2")


def test_heads_are_wanted_of_files_that_may_be_images_only() -> None:
    names = {"a.qcow2": 9, "b.snap1": 9, "c.img": 9, "d": 9, "empty": 0, "e.raw": 9, "f-flat.vmdk": 9, "g.vmx": 9}
    names |= {"h.VHDX": 9, "i.lck": 9, "j_VARS.fd": 9}
    assert heads_needed(entries(names)) == ("a.qcow2", "b.snap1", "c.img", "d")


@given(st.binary(max_size=400))
@example(qcow2(b"x")[:100])
def test_any_first_bytes_are_judged(data: bytes) -> None:
    assert isinstance(images.wanted_by(b"QFI\xfb" + data), tuple)
