"""Which hypervisor can run which VM: one VMstore serves several kinds of them at once. Pure."""

from collections.abc import Iterable

from bot.model import VmShape

_KINDS = {"VMWARE": "vsphere", "VMWARE_VVOL": "vsphere", "HYPERV": "hyperv"}  # by what the VMstore says of a VM


def may_know(kind: str, said: str) -> bool:
    """Whether a hypervisor of that kind is worth asking for a VM of which its VMstore says that."""
    return _KINDS.get(said, kind) == kind


def can_register(kind: str, shape: VmShape | None, files: Iterable[str]) -> bool:
    """Whether it finds a definition in its own words: in the shape, or, with vSphere and Hyper-V, among the files."""
    if shape is not None and shape.kind == kind and shape.definition:
        return True
    ending = {"vsphere": ".vmx", "hyperv": ".vmcx"}.get(kind)
    return ending is not None and any(file.lower().endswith(ending) for file in files)
