"""What a disk image of QEMU's says of other files that it cannot do without. Pure.

Format: QEMU's docs/interop/qcow2.txt. Descriptors of VMware's are read by bot/definition.py.
"""

import struct

HEAD = 64 << 10  # bytes to be read of each image: what it says of others stands in its first cluster
_MAGIC = b"QFI\xfb"
_EXTERNAL_DATA = 1 << 2  # incompatible feature: the data are in another file
_DATA_FILE = 0x44415441
# How names end of files that are none, or not by this format: a raw disk's first bytes are the guest's own to write.
_OTHERS = (
    ".raw", ".vmdk", ".vmx", ".vmtx", ".vmxf", ".vmsd", ".vmem", ".vmsn", ".vmss", ".nvram", ".log", ".iso",
    ".vhd", ".vhdx", ".avhdx", ".vmcx", ".vmrs", ".vmgs", ".fd",
)  # fmt: skip


def may_be_one(name: str) -> bool:
    """Whether a file may be an image that names others. External snapshots end as people called them."""
    return not name.lower().endswith(_OTHERS)


def wanted_by(head: bytes) -> tuple[str, ...]:
    """Which files an image names, as it names them: the one that it is built on, and the one with its data."""
    if len(head) < 72 or head[:4] != _MAGIC:
        return ()
    version, at, length = struct.unpack_from(">IQI", head, 4)
    names = [head[at : at + length]] if at and 0 < length <= 1023 else []
    if version == 3 and len(head) >= 104 and struct.unpack_from(">Q", head, 72)[0] & _EXTERNAL_DATA:
        names += [_data_file(head)]
    return tuple(name.decode("utf-8", "replace") for name in names)


def _data_file(head: bytes) -> bytes:
    at = int(struct.unpack_from(">I", head, 100)[0])
    while at + 8 <= len(head):
        kind, length = struct.unpack_from(">II", head, at)
        if kind in (0, _DATA_FILE):
            return head[at + 8 : at + 8 + length] if kind else b""
        at += 8 + (length + 7) // 8 * 8
    return b""
