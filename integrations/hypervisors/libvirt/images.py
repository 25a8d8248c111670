"""What an image's first bytes say of other files that it wants. Pure.

An image may come from a bucket that others write to, and one that names /etc/shadow as its backing file would show that
to the guest. Formats: QEMU's docs/interop/qcow2.txt; VMware's "Virtual Disk Format 5.0".
"""

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HEAD = 64 << 10  # bytes to be read of each image
_QCOW2 = b"QFI\xfb"
_SPARSE_VMDK = b"KDMV"
_EXTERNAL_DATA = 1 << 2  # incompatible feature: the data are in another file
_BACKING_FORMAT = 0xE2792ACA
_EXTENT = re.compile(r'^[ \t]*(?:RW|RDONLY|NOACCESS)[ \t]+\d+[ \t]+(\w+)[ \t]+"([^"\r\n]*)"', re.MULTILINE)
_ANY_EXTENT = re.compile(r"^\s*(?:RW|RDONLY|NOACCESS)\b", re.MULTILINE | re.IGNORECASE)
_PARENT = re.compile(r"^[ \t]*parentCID[ \t]*=[ \t]*([0-9a-f]{8})", re.MULTILINE | re.IGNORECASE)
_BARE = ("FLAT", "VMFS")  # kinds of extents that are bytes and nothing else
_SPARSE = "SPARSE"
_PLAIN = re.compile(r"[^/\\:\0]+")
FORMATS = ("raw", "qcow2", "vmdk")  # those that libvirt starts a VM from, and that are looked into here


class BadImage(ValueError):  # noqa: N818 - reads as what it says
    """The image cannot be used; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What one image wants besides itself: names of files in its own folder."""

    backing: str = ""
    path: str = ""  # the full path by which it names its backing file, if it does
    backing_format: str = ""
    extents: tuple[str, ...] = ()
    looked_into: frozenset[str] = frozenset()  # those of the extents that QEMU reads as images


def examine(form: str, head: bytes, *, takes_paths: bool = False) -> Image:
    """Look at the first HEAD bytes of an image that is to be used in that format. BadImage.

    takes_paths: a full path of a backing file, as libvirt's snapshots write it, counts by its name alone. Only where
    QEMU is told the whole chain: else it goes by the path.
    """
    if form == "raw":
        return Image()
    if form == "qcow2":
        return _qcow2(head, takes_paths=takes_paths)
    if form == "vmdk":
        return _vmdk(head)
    raise BadImage(f"its format {form!r} is none of {', '.join(FORMATS)}")


def chain_of(
    name: str, form: str, heads: Mapping[str, bytes], *, takes_paths: bool = False
) -> tuple[tuple[str, str], ...]:
    """The image and those below it, as (name, format), the top first; heads: of all files of the folder. BadImage."""
    chain: list[tuple[str, str]] = []
    path = ""
    while name:
        if name not in heads:
            raise BadImage(
                _outside(path) if path else f"it wants the file {name}, which is not among the restored ones"
            )
        if any(name == seen for seen, _ in chain):
            raise BadImage(f"it wants {name} twice")
        image = examine(form, heads[name], takes_paths=takes_paths)
        for extent in image.extents:
            if extent not in heads:
                raise BadImage(f"it wants the file {extent}, which is not among the restored ones")
            if extent in image.looked_into:
                _must_be_itself(extent, heads[extent])
        chain.append((name, form))
        name, form, path = image.backing, image.backing_format, image.path
    return tuple(chain)


def _qcow2(head: bytes, *, takes_paths: bool) -> Image:
    if len(head) < 72 or head[:4] != _QCOW2:
        raise BadImage("it is no qcow2 image, which it should be")
    version, at, length = struct.unpack_from(">IQI", head, 4)
    if version not in (2, 3):
        raise BadImage(f"it is qcow2 of version {version}")
    if version == 3 and len(head) < 104:
        raise BadImage("its header is damaged")
    if version == 3 and struct.unpack_from(">Q", head, 72)[0] & _EXTERNAL_DATA:
        raise BadImage("its data are in another file")
    if not at:
        return Image()
    if not 0 < length <= 1023 or at + length > len(head):
        raise BadImage("its header is damaged")
    named = head[at : at + length]
    is_path = takes_paths and named[:1] == b"/"
    backing = _plain(named.rpartition(b"/")[2] if is_path else named)
    form = _backing_format(head, struct.unpack_from(">I", head, 100)[0] if version == 3 else 72, at)
    return Image(backing=backing, backing_format=form, path=named.decode("utf-8", "replace") if is_path else "")


def _backing_format(head: bytes, at: int, end: int) -> str:
    """What the extensions of the header say; an image without a word on it is not guessed at."""
    while at + 8 <= min(end, len(head)):
        kind, length = struct.unpack_from(">II", head, at)
        if kind == 0:
            break
        if kind == _BACKING_FORMAT:
            found = head[at + 8 : at + 8 + length].decode("ascii", "replace")
            if found not in FORMATS:
                raise BadImage(f"the format {found!r} of its backing file is none of {', '.join(FORMATS)}")
            return found
        at += 8 + (length + 7) // 8 * 8
    raise BadImage("it does not say which format its backing file has; `qemu-img rebase -u -F` tells it")


def _vmdk(head: bytes) -> Image:
    text = head
    if head[:4] == _SPARSE_VMDK:
        if len(head) < 44:
            raise BadImage("its header is damaged")
        capacity, _, *sectors = struct.unpack_from("<QQQQ", head, 12)
        at, length = (512 * each for each in sectors)
        if not capacity or not at or at + length > len(head):
            raise BadImage("its descriptor is not at its beginning")
        text = head[at : at + length]
    elif b"# Disk DescriptorFile" not in head[:512] or len(head) >= HEAD:
        raise BadImage("it is no VMDK, which it should be")
    words = text.split(b"\0", 1)[0].decode("utf-8", "replace")
    parent = _PARENT.search(words)
    if parent and parent[1].lower() != "ffffffff":
        raise BadImage("it is a VMware snapshot's delta, which KVM does not run from; consolidate it")
    extents = _EXTENT.findall(words)
    if len(extents) != len(_ANY_EXTENT.findall(words)):
        raise BadImage("its descriptor has a line that is not understood")
    if head[:4] == _SPARSE_VMDK:  # its one extent is itself, whatever it is called there
        return Image()
    return _of_extents(extents)


def _of_extents(extents: Sequence[tuple[str, str]]) -> Image:
    for kind, name in extents:
        if kind not in (*_BARE, _SPARSE):
            raise BadImage(f"its extent {name!r} is of the kind {kind}, which KVM does not run from")
    sparse = frozenset(name for kind, name in extents if kind == _SPARSE)
    return Image(extents=tuple(_plain(name.encode()) for _, name in extents), looked_into=sparse)


def _must_be_itself(name: str, head: bytes) -> None:
    """A sparse extent of no capacity is to QEMU a descriptor, whose own extents lie anywhere (block/vmdk.c)."""
    if head[:4] != _SPARSE_VMDK or len(head) < 44 or not struct.unpack_from("<Q", head, 12)[0]:
        raise BadImage(f"its extent {name!r} is no sparse extent, which it should be")


def _plain(name: bytes) -> str:
    """A name of a file in the image's own folder: no path, no address, no JSON."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = ""
    if not _PLAIN.fullmatch(text) or text in (".", ".."):
        raise BadImage(_outside(name.decode("utf-8", "replace")))
    return text


def _outside(path: str) -> str:
    return f"it names a file outside of its folder: {path!r}"
