"""Makes sample KVM VMs: a folder with a bootable disk, and the domain XML that libvirt is to have of it."""

import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import escape

from integrations.simulators.kvm.bootdisk import BootDisk

Form = Literal["raw", "qcow2", "vmdk"]
_OPTIONS = {"vmdk": ("-o", "subformat=monolithicFlat")}


def create_kvm(export: Path, name: str, disk: BootDisk, form: Form = "qcow2") -> Path:
    """Make `<export>/<name>/<name>.<form>`; gives the disk. One that is there is left as it is.

    Forms other than raw need qemu-img.
    """
    folder = export / name
    if folder.exists():
        return folder / f"{name}.{form}"
    draft = export / f".{name}.new"  # a VM appears whole or not at all
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    disk.write(draft / f"{name}.raw")
    if form != "raw":
        convert = ["qemu-img", "convert", "-f", "raw", "-O", form, *_OPTIONS.get(form, ())]
        subprocess.run([*convert, f"{name}.raw", f"{name}.{form}"], cwd=draft, check=True, capture_output=True)
        (draft / f"{name}.raw").unlink()
    draft.rename(folder)
    return folder / f"{name}.{form}"


def domain_xml(name: str, disk: Path, form: Form = "qcow2", network: str = "production") -> str:
    """What `virsh define` takes for it: emulated, so that it runs on every machine, with a serial port and one card."""
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"kvm:{name}")
    mac = "52:54:00:" + ":".join(f"{byte:02x}" for byte in identity.bytes[:3])
    return f"""<domain type='qemu'>
  <name>{escape(name)}</name>
  <uuid>{identity}</uuid>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>
  <features><acpi/><apic/></features>
  <clock offset='utc'/>
  <devices>
    <controller type='usb' model='none'/>
    <disk type='file' device='disk'>
      <driver name='qemu' type='{form}' cache='none' discard='unmap'/>
      <source file='{escape(str(disk), {"'": "&apos;"})}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='network'>
      <mac address='{mac}'/>
      <source network='{escape(network)}'/>
      <model type='virtio'/>
    </interface>
    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <memballoon model='none'/>
  </devices>
</domain>
"""
