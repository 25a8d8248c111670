"""The demo's KVM host, where libvirt and QEMU are installed, and kvm01, whose disk is there everywhere."""

import secrets
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from integrations.simulators.kvm import BootDisk, LibvirtOnDemand, create_kvm, domain_xml

VM, HOST = "kvm01", "kvm"
DISKS = ("raw", "qcow2")  # endings of disks of its VMs
ALIVE = "READY"  # what the console of such a VM shows at the end
_PACKAGES = "libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils libvirt-dev pkg-config gcc python3-dev"


class KvmPlace:
    """The host and its one VM, which says a marker of this world when it boots."""

    def __init__(self, folder: Path) -> None:
        self._kept = folder / f"{VM}.marker"
        self._folder = folder / "kvm"
        self._own: Path | None = None  # a folder of its own, where that one's path is too long
        self.missing = _missing()
        self.host: LibvirtOnDemand | None = None
        self.marker = ""

    @property
    def cure(self) -> str:
        """What is to be done so that VMs can be booted here."""
        if self.missing == ["root, or user namespaces"]:
            return "start the demo as root, or let users have namespaces (sysctl kernel.unprivileged_userns_clone=1)"
        return f"as root apt-get install {_PACKAGES}, then pip install 'cloudy[libvirt]'"

    def start(self, export: Path) -> None:
        """Make the VM, once in the life of a world, and let the host listen. OSError."""
        disk = export / VM / f"{VM}.raw"
        if not self._kept.exists():
            marker = secrets.token_hex(8)
            create_kvm(export, VM, BootDisk(marker=marker), "raw")
            self._kept.write_text(marker)
        self.marker = self._kept.read_text()
        if self.missing:
            return
        self.host = LibvirtOnDemand(self._short())
        if disk.exists() and not self.host.knows(VM):
            self.host.define(VM, domain_xml(VM, disk, "raw"))
        self.host.start()

    def forget(self, vm: str) -> None:
        """Let the host know the VM no more; one that it never knew is fine. OSError."""
        if self.host is not None:
            self.host.undefine(vm)

    def stop(self) -> None:
        """End it, and every VM that runs; repeating is safe."""
        if self.host is not None:
            self.host.stop()
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)

    def told(self) -> dict[str, Any]:
        """For any outside tool."""
        return {"vm": VM, "marker": self.marker, "url": self.host.url if self.host else ""}

    def _short(self) -> Path:
        if LibvirtOnDemand.fits(self._folder):
            return self._folder
        self._own = Path(tempfile.mkdtemp(prefix="cloudy-kvm-"))
        return self._own


def _missing() -> list[str]:
    lacking = LibvirtOnDemand.missing()
    return lacking if find_spec("libvirt") else [*lacking, "libvirt's library for Python"]
