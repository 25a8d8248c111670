"""How a simulated VMstore behaves; the fields may be changed while it runs, except those that say so."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(slots=True, kw_only=True)
class Options:
    """Settings and switches; most switches stand for a point that Tintri's documents leave open."""

    # Read once, at start.
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    http: bool = False  # plain HTTP instead of HTTPS
    tls: tuple[Path, Path] | None = None  # certificate and key as PEM files; None: self-made
    fs_uuid: str | None = None  # file-system UUID, part of every id; None: the one kept beside the export, or a new one
    vms: int = 0  # generated VMs that are listed but have no files
    plain_disks: tuple[str, ...] = ()  # endings of disks; a folder with such and without a .vmx is a VM then
    control_port: int = 0  # of the control endpoint, which is plain HTTP; 0: any free one

    user: str = "admin"
    password: str = field(default="secret", repr=False)
    name: str = "vmstore"
    product: str = "Tintri VMstore"
    api_version: str = "v310.191"
    session_seconds: float = 900.0  # sliding
    latency_seconds: float = 0.0  # that every call waits before it is carried out
    clone_seconds: float = 2.0  # how long a clone's files grow
    snapshot_limit: int = 128  # of one VM
    space_used_percent: float = 0.0  # how full the datastore says it is; 0: as full as the export's file system is
    layout: Literal["nested", "direct"] = "nested"  # a clone's files in <dir>/<vm>/ or in <dir>/
    name_match: Literal["exact", "substring"] = "substring"  # of `name=` on /vm; an exact match always comes first
    disk_paths: Literal["relative", "absolute"] = "relative"  # whether a disk's path begins with /tintri/
    refuse_snapshot_delete_while_clone: bool = False
    powered_off: tuple[str, ...] = ()  # names of VMs that are off, as their manager told
    manager: str = "vcenter.example"  # the vCenter that a clone can be registered with
    consistencies: tuple[str, ...] = ("CRASH_CONSISTENT", "VM_CONSISTENT")  # kinds that a VM's snapshot may have
