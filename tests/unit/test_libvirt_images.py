"""An image says which other files it wants; what would show a guest a file of the host is refused."""

import shutil
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.hypervisors.libvirt.images import HEAD, BadImage, Image, chain_of, examine


def qcow2(backing: bytes = b"", form: bytes = b"qcow2", *, version: int = 3, features: int = 0) -> bytes:
    at = 200 if backing else 0
    head = struct.pack(">4sIQI", b"QFI\xfb", version, at, len(backing)).ljust(72, b"\0")
    head += struct.pack(">QQQII", features, 0, 0, 4, 104) if version == 3 else b""
    if form:
        head += struct.pack(">II", 0xE2792ACA, len(form)) + form.ljust(-(-len(form) // 8) * 8, b"\0")
    head = head.ljust(200, b"\0") + backing
    return head.ljust(1024, b"\0")


def descriptor(*extents: str, parent: str = "ffffffff") -> bytes:
    lines = ["# Disk DescriptorFile", "version=1", f"parentCID={parent}", 'createType="monolithicFlat"', *extents]
    return "\n".join(lines).encode()


def test_a_full_path_counts_by_its_name_where_qemu_is_told_the_chain() -> None:
    heads = {"vm.qcow2": qcow2(b"/mnt/tintri/vm/base.raw", b"raw"), "base.raw": b""}
    assert chain_of("vm.qcow2", "qcow2", heads, takes_paths=True) == (("vm.qcow2", "qcow2"), ("base.raw", "raw"))
    with pytest.raises(BadImage, match=r"outside of its folder: '/mnt/tintri/vm/base\.raw'"):
        chain_of("vm.qcow2", "qcow2", heads)
    for name in (b"/etc/shadow", b"/", b"/a/..", b"/a/json:{}"):
        with pytest.raises(BadImage, match="outside of its folder"):
            chain_of("vm.qcow2", "qcow2", heads | {"vm.qcow2": qcow2(name)}, takes_paths=True)


def test_a_raw_image_is_never_looked_into() -> None:
    assert examine("raw", qcow2(b"/etc/shadow")) == Image()


def test_a_backing_file_of_the_same_folder_is_told_with_its_format() -> None:
    for version in (2, 3):
        assert examine("qcow2", qcow2(b"base.raw", b"raw", version=version)) == Image(
            backing="base.raw", backing_format="raw"
        )
    assert examine("qcow2", qcow2()) == Image()


@pytest.mark.parametrize(
    "name",
    [
        b"/etc/shadow",
        b"../base.qcow2",
        b"sub/base",
        b"nbd://host/x",
        b"json:{}",
        b"..",
        b"a\0b",
        b"\xff",
        b"nbd:unix:x",
    ],
)
def test_a_backing_file_anywhere_else_is_refused(name: bytes) -> None:
    with pytest.raises(BadImage, match="outside of its folder"):
        examine("qcow2", qcow2(name))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"QFI\xfb",
        b"x" * 512,
        qcow2(version=4),
        qcow2(features=1 << 2),
        qcow2(b"base", b""),
        qcow2(b"base", b"nbd"),
        qcow2(b"base")[:201],
        qcow2()[:80],
    ],
)
def test_a_qcow2_that_is_damaged_or_lies_elsewhere_is_refused(head: bytes) -> None:
    with pytest.raises(BadImage):
        examine("qcow2", head)


def test_the_extents_of_a_vmdk_are_told() -> None:
    head = descriptor('RW 100 FLAT "a-flat.vmdk" 0', ' RW 5 VMFS "b-flat.vmdk"')
    assert examine("vmdk", head).extents == ("a-flat.vmdk", "b-flat.vmdk")


@pytest.mark.parametrize(
    "head",
    [
        descriptor('RW 100 FLAT "/etc/shadow" 0'),
        descriptor('RW 100 FLAT "../a-flat.vmdk" 0'),
        descriptor('\rRW 100 FLAT "/etc/shadow" 0'),
        descriptor('RW\n100 FLAT "/etc/shadow" 0'),
        descriptor('RW 100 FLAT\x0b"/etc/shadow" 0'),
        descriptor('RW 100 FLAT "nbd://host/x" 0'),
        descriptor('rw 100 FLAT "/etc/shadow" 0'),
        descriptor('RW 100 FLAT "a-flat.vmdk" 0', parent="00000001"),
        descriptor('RW 100 FLAT "a-flat.vmdk" 0').ljust(HEAD, b"\n"),
        struct.pack("<4sIIQQQQ", b"KDMV", 1, 3, 0, 128, 1, 1).ljust(512, b"\0") + descriptor().ljust(512, b"\0"),
        struct.pack("<4sIIQQQQ", b"KDMV", 1, 3, 9, 128, 500, 20).ljust(512, b"\0"),
        b"KDMV",
        b"COWD".ljust(512, b"\0"),
        b"",
    ],
)
def test_a_vmdk_that_wants_other_files_is_refused(head: bytes) -> None:
    with pytest.raises(BadImage):
        examine("vmdk", head)


def sparse(capacity: int, inner: bytes = b"") -> bytes:
    head = struct.pack("<4sIIQQQQ", b"KDMV", 1, 3, capacity, 128, 1, 20).ljust(512, b"\0")
    return head + inner.ljust(20 * 512, b"\0")


def test_a_sparse_extent_of_a_vmdk_is_looked_into() -> None:
    top = descriptor('RW 2048 SPARSE "x.vmdk"')
    assert chain_of("d.vmdk", "vmdk", {"d.vmdk": top, "x.vmdk": sparse(2048)}) == (("d.vmdk", "vmdk"),)
    for bad in (sparse(0, descriptor('RW 2048 FLAT "/etc/shadow" 0')), descriptor(), b"KDMV", b"COWD", b""):
        with pytest.raises(BadImage, match="no sparse extent"):
            chain_of("d.vmdk", "vmdk", {"d.vmdk": top, "x.vmdk": bad})


@pytest.mark.parametrize("kind", ["VMFSSPARSE", "SESPARSE", "VMFSRDM", "flat", "ZERO"])
def test_extents_of_other_kinds_are_refused(kind: str) -> None:
    with pytest.raises(BadImage, match="of the kind"):
        examine("vmdk", descriptor(f'RW 2048 {kind} "x.vmdk"'))


def test_a_chain_is_followed_to_its_end() -> None:
    heads = {"top": qcow2(b"middle"), "middle": qcow2(b"base", b"raw"), "base": b"anything"}
    assert chain_of("top", "qcow2", heads) == (("top", "qcow2"), ("middle", "qcow2"), ("base", "raw"))


@pytest.mark.parametrize(
    ("heads", "why"),
    [
        ({"top": qcow2(b"base")}, "base, which is not among"),
        ({"top": qcow2(b"top")}, "twice"),
        ({"top": qcow2(b"other"), "other": qcow2(b"top")}, "twice"),
        ({"top": qcow2(b"other", b"vmdk"), "other": descriptor('RW 1 FLAT "gone"')}, "gone, which is not among"),
    ],
)
def test_a_chain_with_a_gap_or_without_an_end_is_refused(heads: dict[str, bytes], why: str) -> None:
    with pytest.raises(BadImage, match=why):
        chain_of("top", "qcow2", heads)


@given(st.sampled_from(["raw", "qcow2", "vmdk", "vhdx", ""]), st.binary(max_size=600))
def test_no_bytes_end_in_anything_else(form: str, junk: bytes) -> None:
    for head in (junk, b"QFI\xfb" + junk, b"KDMV" + junk, b"# Disk DescriptorFile\n" + junk):
        with suppress(BadImage):
            examine(form, head)


@pytest.mark.parametrize("form", ["qcow2", "vmdk"])
def test_what_qemu_makes_is_understood(form: str, tmp_path: Path) -> None:
    if shutil.which("qemu-img") is None:
        pytest.skip("there is no qemu-img")
    run = ["qemu-img", "create", "-q", "-f"]
    subprocess.run([*run, "raw", "base.raw", "1M"], cwd=tmp_path, check=True)
    subprocess.run([*run, form, "whole", "1M"], cwd=tmp_path, check=True)
    assert examine(form, (tmp_path / "whole").read_bytes()[:HEAD]) == Image()
    subprocess.run([*run, "qcow2", "-b", "base.raw", "-F", "raw", "top"], cwd=tmp_path, check=True)
    assert examine("qcow2", (tmp_path / "top").read_bytes()[:HEAD]).backing == "base.raw"
