"""Makes sample VMs of known content: real folders with sparse disks, the same bytes for the same seed."""

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

_MIB = 1 << 20
_BLOCK = 4096
_RUNS = 6  # separate areas with data on each disk
_FLAT = re.compile(r'^RW \d+ VMFS "(.+)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DiskSpec:
    """A disk's size and how much of it holds data, in bytes."""

    size: int
    data: int


DEMO: dict[str, tuple[DiskSpec, ...]] = {
    "vm01": (DiskSpec(1024 * _MIB, 150 * _MIB),),
    "vm02": (DiskSpec(24 * _MIB, 9 * _MIB), DiskSpec(10 * _MIB, 3 * _MIB)),
    "web01": (DiskSpec(16 * _MIB, 5 * _MIB),),
    "db01": (DiskSpec(64 * _MIB, 20 * _MIB),),
    "app server 03": (DiskSpec(4 * _MIB, 1 * _MIB),),
}


def create(export: Path, which: Literal["demo"] | Iterable[str] = "demo", seed: int = 1) -> dict[str, Path]:
    """Make sample VMs below the export: all of DEMO, or those named; gives their folders by name.

    A folder that is there already is left as it is.
    """
    names = DEMO if which == "demo" else which
    return {name: _create(export, name, DEMO[name], seed) for name in names}


def create_vm(export: Path, name: str, disk_bytes: int, data_bytes: int, seed: int = 1) -> Path:
    """Make one VM with one disk of any size; gives its folder."""
    return _create(export, name, (DiskSpec(disk_bytes, data_bytes),), seed)


def touch(export: Path, vm: str, percent: float, run_bytes: int = 16 * _MIB) -> int:
    """Change that share of a VM's first disk, in runs at places by chance; gives the bytes changed.

    At least one run. New bytes each time, so that touching twice changes twice.
    """
    folder = _folder(export, vm)
    disk = folder / _flats(folder)[0]
    size, dice = disk.stat().st_size, np.random.default_rng()
    run = min(run_bytes, size)
    places = max(size // run, 1)
    count = min(max(round(size * percent / 100 / run), 1), places)
    with disk.open("r+b") as file:
        for place in sorted(dice.choice(places, count, replace=False)):
            file.seek(int(place) * run)
            file.write(dice.bytes(run))
    return int(count * run)


def _folder(export: Path, vm: str) -> Path:
    """The VM's folder, by its own name or by the name in its .vmx. LookupError."""
    if list((export / vm).glob("*.vmx")):
        return export / vm
    for path in sorted(export.glob("**/*.vmx")):
        if f'displayName = "{vm}"' in path.read_text(encoding="utf-8"):
            return path.parent
    raise LookupError(f"there is no VM {vm!r} below {export}")


def _flats(folder: Path) -> list[str]:
    """Data files of the VM's disks, in bus order."""
    vmx = next(iter(sorted(folder.glob("*.vmx")))).read_text(encoding="utf-8")
    descriptors: list[str] = re.findall(r'^scsi0:\d+\.fileName = "(.+)"$', vmx, re.MULTILINE)
    return [name for file in descriptors for name in _FLAT.findall((folder / file).read_text(encoding="utf-8"))]


def _create(export: Path, name: str, disks: Sequence[DiskSpec], seed: int) -> Path:
    folder = export / name
    if folder.exists():
        return folder
    dice = np.random.default_rng([seed, *name.encode()])
    draft = export / f".{name}.new"  # a VM appears whole or not at all
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    files = [f"{name}.vmdk" if number == 0 else f"{name}_{number}.vmdk" for number in range(len(disks))]
    swap = f"{name}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.vswp"
    for file, disk in zip(files, disks, strict=True):
        flat = file.replace(".vmdk", "-flat.vmdk")
        (draft / file).write_text(_descriptor(flat, disk.size, int(dice.integers(1 << 32))), encoding="utf-8")
        _write_disk(draft / flat, disk, dice)
    (draft / f"{name}.nvram").write_bytes(b"MRVN" + dice.bytes(8680))
    (draft / "vmware.log").write_text(_log(name), encoding="utf-8")
    (draft / swap).touch()
    os.truncate(draft / swap, 8 * _MIB)
    (draft / f"{name}.vmx.lck").write_bytes(dice.bytes(84))
    (draft / f"{name}.vmx").write_text(_vmx(name, files, swap, uuid.UUID(bytes=dice.bytes(16))), encoding="utf-8")
    draft.rename(folder)
    return folder


def _write_disk(path: Path, disk: DiskSpec, dice: np.random.Generator) -> None:
    """A sparse disk with data at its very begin and end and in runs between; one run of zeros is really written."""
    with path.open("wb") as file:
        file.truncate(disk.size)
        blocks, wanted = disk.size // _BLOCK, min(disk.data, disk.size) // _BLOCK
        length = wanted // _RUNS
        for number in range(_RUNS):
            count = length + (wanted % _RUNS if number == 0 else 0)
            last = number == _RUNS - 1
            start = blocks - count if last else number * (blocks // _RUNS)
            file.seek(start * _BLOCK)
            file.write(dice.bytes(count * _BLOCK))
            spare = blocks // _RUNS - count
            if number == 1 and spare > 1:  # allocated, but all zero
                file.write(bytes(min(spare // 2, 256) * _BLOCK))


def _descriptor(flat: str, size: int, content_id: int) -> str:
    sectors = size // 512
    return f"""# Disk DescriptorFile
version=1
encoding="UTF-8"
CID={content_id:08x}
parentCID=ffffffff
createType="vmfs"

# Extent description
RW {sectors} VMFS "{flat}"

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "{max(sectors // (255 * 63), 1)}"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.thinProvisioned = "1"
ddb.virtualHWVersion = "19"
"""


def _vmx(name: str, disks: Sequence[str], swap: str, bios: uuid.UUID) -> str:
    digits = [f"{byte:02x}" for byte in bios.bytes]
    spaced = f"{' '.join(digits[:8])}-{' '.join(digits[8:])}"
    mac = f"00:50:56:{bios.bytes[0] & 0x3F:02x}:{digits[1]}:{digits[2]}"
    values = {
        ".encoding": "UTF-8",
        "config.version": "8",
        "virtualHW.version": "19",
        "displayName": name,
        "guestOS": "debian11-64",
        "memSize": "2048",
        "numvcpus": "2",
        "nvram": f"{name}.nvram",
        "uuid.bios": spaced,
        "uuid.location": spaced,
        "vc.uuid": spaced,
        "scsi0.present": "TRUE",
        "scsi0.virtualDev": "pvscsi",
        **{f"scsi0:{unit}.{key}": value for unit, file in enumerate(disks) for key, value in _disk_lines(file).items()},
        "ide0:0.present": "TRUE",
        "ide0:0.deviceType": "cdrom-image",
        "ide0:0.fileName": "emptyBackingString",
        "ide0:0.startConnected": "FALSE",
        "ethernet0.present": "TRUE",
        "ethernet0.virtualDev": "vmxnet3",
        "ethernet0.networkName": "VM Network",
        "ethernet0.addressType": "vpx",
        "ethernet0.generatedAddress": mac,
        "sched.swap.derivedName": f"/vmfs/volumes/vmstore/{name}/{swap}",
        "tools.syncTime": "FALSE",
    }
    return "".join(f'{key} = "{value}"\n' for key, value in values.items())


def _disk_lines(file: str) -> dict[str, str]:
    return {"present": "TRUE", "deviceType": "scsi-hardDisk", "fileName": file}


def _log(name: str) -> str:
    return "".join(
        f"2026-01-05T08:00:{second:02d}.000Z In(05) vmx - {text}\n"
        for second, text in enumerate(
            (f"Log for VMware ESX, {name}", "Hostname=esxi01.example", "PowerOn", f"DISK: OPEN scsi0:0 '{name}.vmdk'")
        )
    )
