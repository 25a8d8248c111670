"""The Hyper-V stand-in as a world of the contract suite; it boots nothing, so QEMU boots the disk of its VM.

The stand-in knows of Hyper-V what its documentation says (integrations/simulators/hyperv): this suite shows that the
adapter agrees with that reading of it, and not with a real host.
"""

import os
import secrets
import shutil
import subprocess
import uuid
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bot.model import Disk, RegisterSpec, Vm
from bot.ports import Hypervisor
from integrations.hypervisors import OPENERS
from integrations.simulators.hyperv import Card, Drive, Dvd, Host, Machine, PsrpServer
from integrations.simulators.kvm import BootDisk
from integrations.simulators.vmstore import tls
from tests import serial
from tests.peers import _free_ports as free_ports

USER, PASSWORD = "HV\\cloudy", "hunter22"
SHARE = "\\\\vmstore\\share"
_SIZE = 16 << 20


class HypervWorld:
    """A host of its own, with VMs that have a bootable VHDX on the IDE bus and one network adapter."""

    secret = PASSWORD
    has_console = False

    def __init__(self, folder: Path, *, is_tls: bool = True) -> None:
        self.marker = secrets.token_hex(8)
        self.export = folder / "share"
        self.export.mkdir()
        self.ca, certificate, key = tls.ensure(folder, "hyperv")
        self.client = client_certificate(folder)
        self.host = Host({SHARE: self.export})
        self.server = PsrpServer(
            self.host,
            user=USER,
            password=PASSWORD,
            clients=self.client[0],
            certificate=(certificate, key) if is_tls else None,
        )
        self._auth = "basic" if is_tls else "ntlm"
        (self.server._port,) = free_ports(1)  # which nobody else takes while it is down
        self.server.start()
        self.is_light = False  # whether its disks are only there, and boot nothing
        self._opened: list[Hypervisor] = []

    def open(self, **changes: Any) -> Hypervisor:
        settings = {
            "user": USER,
            "password": PASSWORD,
            "ca": str(self.ca),
            "auth": self._auth,
            "timeout_s": 20.0,
            **changes,
        }
        datastore = str(settings.pop("datastore", SHARE))
        one = OPENERS["hyperv"]("hv1", str(settings.pop("url", self.server.url)), datastore, settings)
        self._opened.append(one)
        return one

    def original(self, name: str) -> Vm:
        if not (self.export / name).exists():
            self._make(name)
        disk = Disk(uuid="d", name="IDE 0:0", path=f"{name}/Virtual Hard Disks/{name}.vhdx")
        return Vm(uuid=f"u-{name}", name=name, vmstore="vmstore", disks=(disk,))

    def copied(self, name: str, new: str) -> RegisterSpec:
        vm = self.original(name)
        shape = self.open().shape(vm)
        self.copy_folder(name, new)
        return RegisterSpec(name=new, directory=new, files=self.files(new), shape=shape)

    def copy_folder(self, name: str, new: str) -> None:
        shutil.copytree(self.export / name, self.export / new)

    def files(self, directory: str) -> tuple[str, ...]:
        found = (path for path in (self.export / directory).rglob("*") if path.is_file())
        return tuple(sorted(str(path.relative_to(self.export)) for path in found))

    def clone(self, vm_id: str, name: str, *, is_forged: bool = False) -> None:
        """By Export-VM and Import-VM -Copy -GenerateNewId: the notes come along."""
        original = self.machine(vm_id)
        made = deepcopy(original)
        made.id, made.name, made.path = uuid.uuid4(), name, f"{SHARE}\\{name}"
        if is_forged:
            made.notes = made.notes.replace(str(original.id), str(made.id)).replace(original.path, made.path)
        self.host.keep(made)

    def lose(self, files: tuple[str, ...]) -> None:
        for file in files:
            (self.export / file).unlink()

    def there(self, files: tuple[str, ...]) -> bool:
        return all((self.export / file).is_file() for file in files)

    def cannot_start(self, spec: RegisterSpec) -> None:
        self.host.named(spec.name).refuses_to_start = "Not enough memory in the system (0x8007000E)"

    def boots(self, vm_id: str) -> None:
        machine = self.machine(vm_id)
        (drive,) = machine.drives
        place = self.host.place(drive.path)
        assert place is not None
        said = booted(place)
        assert f"MARKER {self.marker}" in said, said
        assert "READY" in said, said
        machine.heartbeat = "OkApplicationsUnknown"

    def machine(self, vm_id: str) -> Machine:
        return self.host.machines[uuid.UUID(vm_id)]

    def identity(self, vm_id: str) -> str:
        """By the file that the host keeps of it."""
        place = self.host.place(self.machine(vm_id).configuration)
        assert place is not None
        assert place.is_file()
        return place.stem

    def is_connected(self, vm_id: str) -> bool:
        (card,) = self.machine(vm_id).cards
        return bool(card.switch)

    def close(self) -> None:
        for one in self._opened:
            one.close()
        left = dict(self.server.shells)
        self.server.close()
        assert left == {}, "runspaces were left open"

    def _make(self, name: str) -> None:
        folder = self.export / name / "Virtual Hard Disks"
        folder.mkdir(parents=True)
        if self.is_light:
            (folder / f"{name}.vhdx").write_text(self.marker)
        else:
            raw = folder / f"{name}.raw"
            BootDisk(marker=self.marker, size=_SIZE).write(raw)
            vhdx(raw, folder / f"{name}.vhdx")
            raw.unlink()
        machine = Machine(
            name=name, path=f"{SHARE}\\{name}", processors=2, startup=256 << 20, notes="first line\nsecond"
        )
        machine.drives = [Drive("IDE", 0, 0, f"{SHARE}\\{name}\\Virtual Hard Disks\\{name}.vhdx")]
        machine.dvds = [Dvd(1, 0, "C:\\ISO\\debian.iso")]
        machine.cards = [Card(switch="Production", mac="00155DAABBCC")]
        self.host.keep(machine)


def client_certificate(folder: Path) -> tuple[Path, Path]:
    """PEM files of a certificate for clients, signed by itself, and of its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cloudy")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    made = (folder / "client.pem", folder / "client.key")
    made[0].write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    made[1].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none))
    return made


def tool(name: str) -> str:
    """A program of QEMU's; without it the test is skipped, never in CI."""
    if shutil.which(name) is None:
        say = pytest.fail if os.environ.get("CI") and os.geteuid() == 0 else pytest.skip
        say(f"{name} is not there")
    return name


def vhdx(raw: Path, to: Path) -> None:
    """Convert a raw image."""
    convert = [tool("qemu-img"), "convert", "-f", "raw", "-O", "vhdx", "-o", "subformat=dynamic", str(raw), str(to)]
    subprocess.run(convert, check=True)


def booted(disk: Path) -> str:
    """What the VHDX says on its serial port when QEMU boots it from an IDE bus; it stays as it is."""
    drive = ("-drive", f"file={disk},format=vhdx,if=none,id=d,snapshot=on", "-device", "ide-hd,drive=d")
    return serial.booted(tool("qemu-system-x86_64"), drive)
