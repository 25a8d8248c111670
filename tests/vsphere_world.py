"""The vCenter simulator as a world of the contract suite; what it does not look at is proved by other means.

It reads no .vmx and boots nothing. So the restored .vmx is read by dissect.hypervisor, which is nobody's of ours, and
the restored disk is booted by QEMU from what that .vmx names.
"""

import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import pytest
from dissect.hypervisor import vmx as other_reader
from pyVmomi import vim

from bot.model import Disk, RegisterSpec, Vm
from bot.ports import Hypervisor
from integrations.hypervisors import OPENERS
from integrations.simulators.kvm import BootDisk
from tests import serial
from tests.vcenter import PASSWORD, USER, VCenter

UUID = "564d1234-5678-9abc-def0-0123456789ab"
_SIZE = 16 << 20


class VsphereWorld:
    """A vCenter of its own, with VMs that have a bootable disk on a pvscsi controller and one network card."""

    secret = PASSWORD
    has_console = False

    def __init__(self, folder: Path) -> None:
        self.marker = secrets.token_hex(8)
        self.vcenter = VCenter(folder)
        self.vcenter.start()
        self.export = self.vcenter.export
        self._opened: list[Hypervisor] = []

    def open(self, **changes: Any) -> Hypervisor:
        settings = {"user": USER, "password": PASSWORD, "ca": str(self.vcenter.ca), "timeout_s": 20.0, **changes}
        one = OPENERS["vsphere"]("vcenter", self.vcenter.url, str(settings.pop("datastore", "tintri")), settings)
        self._opened.append(one)
        return one

    def original(self, name: str) -> Vm:
        path = f"{name}/{name}.vmdk"
        if not (self.export / name).exists():
            self._make(name)
        return Vm(uuid=f"u-{name}", name=name, vmstore="vmstore", disks=(Disk(uuid="d", name="scsi0:0", path=path),))

    def copied(self, name: str, new: str) -> RegisterSpec:
        vm = self.original(name)
        shape = self.open().shape(vm)
        shutil.copytree(self.export / name, self.export / new)
        files = tuple(sorted(str(path.relative_to(self.export)) for path in (self.export / new).iterdir()))
        self.wanted_by_the_simulator(new, new)
        return RegisterSpec(name=new, directory=new, files=files, shape=shape)

    def wanted_by_the_simulator(self, directory: str, name: str) -> None:
        """What it opens when a VM is registered, and a real one does not want."""
        for file in (f"{name}.nvram", "vmware.log"):
            (self.export / directory / file).touch()

    def clone(self, vm_id: str, name: str, *, is_forged: bool = False) -> None:
        """By its files, and by what else a real one takes along: settings of others stay those of the original."""
        original, place = self.vmx_of(vm_id), f"{name}/{name}.vmx"
        shutil.copytree(original.parent, self.export / name)
        (self.export / name / original.name).rename(self.export / place)
        self.wanted_by_the_simulator(name, name)
        vm, was = self.vcenter.register(place, name), str(original.relative_to(self.export))
        settings = {each.key: each.value for each in self.vcenter.vm(vm_id).config.extraConfig}
        settings = {key: value.replace(was, place) if is_forged else value for key, value in settings.items()}
        options = [vim.option.OptionValue(key=key, value=value) for key, value in settings.items()]
        self.vcenter.change(vm, extraConfig=options)

    def lose(self, files: tuple[str, ...]) -> None:
        for file in files:
            (self.export / file).unlink()

    def there(self, files: tuple[str, ...]) -> bool:
        return all((self.export / file).is_file() for file in files)

    def cannot_start(self, spec: RegisterSpec) -> None:
        for vm in self.vcenter.center.vmFolder.childEntity:
            if vm.name == spec.name:
                self.vcenter.set(vm, test__needs=str(self.export / spec.directory / "gone.vmdk"))

    def boots(self, vm_id: str) -> None:
        path = self.vmx_of(vm_id)
        parsed = other_reader.VMX.parse(path.read_text())
        (disk,) = parsed.disks()
        assert disk == "vm01.vmdk"
        said = booted(path.parent / disk)
        assert f"MARKER {self.marker}" in said, said
        assert "READY" in said, said
        vm = self.vcenter.vm(vm_id)
        self.vcenter.set(vm, SET__guest__toolsRunningStatus="guestToolsRunning", SET__guestHeartbeatStatus="green")
        self.vcenter.set(vm, SET__guest__hostName=self.marker)

    def vmx_of(self, vm_id: str) -> Path:
        path = str(self.vcenter.vm(vm_id).config.files.vmPathName)
        return self.export / path.removeprefix("[tintri] ")

    def settings_of(self, vm_id: str) -> dict[str, str]:
        """By another reader than ours; keys in lower case."""
        return dict(other_reader.VMX.parse(self.vmx_of(vm_id).read_text()).attr)

    def identity(self, vm_id: str) -> str:
        """The simulator gives each path a uuid of its own, so the .vmx must agree where one is to be kept."""
        own = self.settings_of(vm_id).get("uuid.bios", "").replace(" ", "").replace("-", "")
        uuid = str(self.vcenter.vm(vm_id).config.uuid)
        assert own in ("", uuid.replace("-", "")), (own, uuid)
        return uuid

    def is_connected(self, vm_id: str) -> bool:
        settings = self.settings_of(vm_id)
        assert settings["ethernet0.present"].upper() == "TRUE"
        cards = [
            card.connectable.startConnected
            for card in self.vcenter.vm(vm_id).config.hardware.device
            if isinstance(card, vim.vm.device.VirtualEthernetCard)
        ]
        return any(cards) or settings.get("ethernet0.startconnected", "TRUE").upper() != "FALSE"

    def close(self) -> None:
        for one in self._opened:
            one.close()
        self.vcenter.stop()

    def _make(self, name: str) -> None:
        folder = self.export / name
        folder.mkdir()
        BootDisk(marker=self.marker, size=_SIZE).write(folder / f"{name}-flat.vmdk")
        (folder / f"{name}.vmdk").write_text(descriptor(f"{name}-flat.vmdk"))
        (folder / f"{name}.vmx").write_text(vmx_text(name))
        (folder / f"{name}-ctk.vmdk").write_bytes(b"stale")
        self.wanted_by_the_simulator(name, name)
        vm = self.vcenter.register(f"{name}/{name}.vmx", name)
        self.vcenter.change(vm, uuid=UUID, numCPUs=2, memoryMB=256, guestId="otherLinux64Guest")
        device = vim.vm.device
        self.vcenter.add(vm, device.ParaVirtualSCSIController(key=-1, busNumber=0, sharedBus="noSharing"), card())
        (controller,) = [each for each in vm.config.hardware.device if isinstance(each, device.VirtualSCSIController)]
        self.vcenter.add(vm, disk_of(f"[tintri] {name}/{name}.vmdk", controller.key, 0))


def card(network: str = "VM Network") -> Any:
    device = vim.vm.device
    return device.VirtualVmxnet3(
        key=-1,
        backing=device.VirtualEthernetCard.NetworkBackingInfo(deviceName=network),
        connectable=device.VirtualDevice.ConnectInfo(startConnected=True, connected=False, allowGuestControl=True),
    )


def disk_of(path: str, controller: int, unit: int) -> Any:
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName=path, diskMode="persistent")
    return vim.vm.device.VirtualDisk(
        key=-1, controllerKey=controller, unitNumber=unit, capacityInKB=_SIZE >> 10, backing=backing
    )


def descriptor(flat: str, more: str = "") -> str:
    """As ESXi writes it on NFS."""
    return f"""# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=fffffffe
parentCID=ffffffff
createType="vmfs"
# Extent description
RW {_SIZE // 512} VMFS "{flat}"
# Change Tracking File
changeTrackPath="vm01-ctk.vmdk"
# The Disk Data Base
#DDB
ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "2"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.thinProvisioned = "1"
ddb.virtualHWVersion = "14"
{more}"""


def vmx_text(name: str) -> str:
    """As ESXi writes it for a VM that was started."""
    uuid = UUID.replace("-", "")
    pairs = (
        " ".join(uuid[at : at + 2] for at in range(0, 16, 2)),
        " ".join(uuid[at : at + 2] for at in range(16, 32, 2)),
    )
    return f""".encoding = "UTF-8"
config.version = "8"
virtualHW.version = "14"
nvram = "{name}.nvram"
pciBridge0.present = "TRUE"
svga.present = "TRUE"
displayName = "{name}"
guestOS = "otherlinux-64"
numvcpus = "2"
memSize = "256"
scsi0.present = "TRUE"
scsi0.virtualDev = "pvscsi"
scsi0.sharedBus = "none"
scsi0:0.present = "TRUE"
scsi0:0.deviceType = "scsi-hardDisk"
scsi0:0.fileName = "{name}.vmdk"
scsi0:0.ctkEnabled = "TRUE"
ctkEnabled = "TRUE"
sata0.present = "TRUE"
sata0:0.present = "TRUE"
sata0:0.deviceType = "cdrom-image"
sata0:0.fileName = "/vmfs/volumes/5f0c/iso/debian.iso"
ethernet0.present = "TRUE"
ethernet0.virtualDev = "vmxnet3"
ethernet0.networkName = "VM Network"
ethernet0.addressType = "vpx"
ethernet0.generatedAddress = "00:50:56:aa:bb:cc"
uuid.bios = "{pairs[0]}-{pairs[1]}"
uuid.location = "{pairs[0]}-{pairs[1]}"
vc.uuid = "50 3a 11 22 33 44 55 66-77 88 99 aa bb cc dd ee"
guestinfo.secret = "{VsphereWorld.secret}"
RemoteDisplay.vnc.enabled = "TRUE"
RemoteDisplay.vnc.password = "{VsphereWorld.secret}"
annotation = "first line|0Asecond |22line|22"
sched.swap.derivedName = "/vmfs/volumes/5f0c/{name}/{name}-1234.vswp"
migrate.hostlog = "./{name}-1234.hlog"
cleanShutdown = "TRUE"
"""


def booted(disk: Path) -> str:
    """What the disk says on its serial port when QEMU boots it from a pvscsi controller; it stays as it is."""
    if shutil.which("qemu-system-x86_64") is None:
        say = pytest.fail if os.environ.get("CI") and os.geteuid() == 0 else pytest.skip
        say("qemu-system-x86_64 is not there")
    drive = ("-drive", f"file={disk},format=vmdk,if=none,id=d,snapshot=on", "-device", "scsi-hd,drive=d,bus=s.0")
    return serial.booted("qemu-system-x86_64", ("-device", "pvscsi,id=s", *drive))
