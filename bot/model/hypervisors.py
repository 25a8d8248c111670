"""Nouns of hypervisors: what a VM is made of, how it is registered again, what shows that it lives."""

from collections.abc import Mapping
from dataclasses import dataclass, field

LARGEST_DEFINITION = 1 << 20  # characters; no hypervisor's words for one VM come near it
LONGEST_SIGN = 2048  # bytes of what was seen of a VM that lives


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervisorInfo:
    """What a hypervisor says of itself."""

    product: str  # "libvirt with QEMU"
    version: str  # "9.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """One network card of a VM."""

    mac: str  # "52:54:00:12:34:56"
    network: str  # what it is connected to, by the hypervisor's name for it
    model: str = ""  # "virtio", "vmxnet3"; "": the hypervisor chooses


@dataclass(frozen=True, slots=True, kw_only=True)
class VmShape:
    """What a VM is made of beside the bytes of its files; it holds no secret."""

    kind: str  # "vsphere" | "libvirt" | "hyperv": what `definition` is written for; "": there is none
    cpus: int
    memory_mib: int
    firmware: str  # "bios" | "efi"; "": not known
    nics: tuple[Nic, ...]
    disks: tuple[str, ...]  # paths relative to the export, in bus order
    guest: str = ""  # operating system, by the hypervisor's name for it
    definition: str = ""  # the hypervisor's own words: domain XML, text of the .vmx, exported JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterSpec:
    """A VM that is to be registered from files that lie on the export."""

    name: str
    directory: str  # relative to the export; all files lie below it
    files: tuple[str, ...]  # relative to the export
    shape: VmShape | None  # None: all that is known are the files
    networks: Mapping[str, str] = field(default_factory=dict)  # what a card was connected to -> what it is to be here
    is_connected: bool = False  # False: network cards are there and not connected
    keeps_identity: bool = False  # True: the same VM comes back (uuid, MACs are kept); False: another one


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A VM that a hypervisor knows."""

    id: str
    name: str
    label: str  # of the call that registered it; "": Cloudy did not
    is_on: bool
    notes: tuple[str, ...] = field(default=(), compare=False)  # what it is not as it was; told when it is registered


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """What showed that a VM lives."""

    sign: str  # "tools" | "heartbeat" | "agent" | "console" | "port"
    text: str  # what was seen, LONGEST_SIGN bytes at most
