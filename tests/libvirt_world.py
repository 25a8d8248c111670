"""Real libvirt with real QEMU as a counterpart of the hypervisor; without them the test is skipped, never in CI."""

import os
import secrets
import shutil
import tempfile
import uuid
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, tostring

import pytest

from bot.model import Disk, RegisterSpec, Vm
from bot.ports import Hypervisor
from integrations.hypervisors import OPENERS
from integrations.hypervisors.libvirt import xml
from integrations.simulators.kvm import BootDisk, PrivateLibvirt, create_kvm, domain_xml
from integrations.simulators.kvm.sample import Form

CACHE = Path(tempfile.gettempdir()) / f"cloudy-qemu-{os.getuid()}"  # what QEMU can do, found out once for all tests
LAB = "<network><name>lab</name><bridge name='cloudy-lab'/><ip address='192.0.2.1' netmask='255.255.255.0'/></network>"


def require_libvirt() -> None:
    """Skip where it cannot run; in CI, as root, that is a failure."""
    lacking = "" if os.geteuid() == 0 else "root"
    lacking = (
        lacking
        or PrivateLibvirt.missing()
        or ("" if find_spec("libvirt") else "the library, `pip install '.[libvirt]'`")
    )
    if lacking:
        say = pytest.fail if os.environ.get("CI") and os.geteuid() == 0 else pytest.skip
        say(f"libvirt cannot run here: {lacking}")


class LibvirtWorld:
    """A libvirtd of its own, an export that it has mounted, and VMs that say what their disks hold."""

    secret = "hunter22"
    has_console = True

    def __init__(self, folder: Path, form: Form = "qcow2") -> None:
        require_libvirt()
        self.marker = secrets.token_hex(8)
        self.export = folder / "export"
        self.export.mkdir()
        self.form = form
        self._short = Path(tempfile.mkdtemp(prefix="cv-"))  # pytest's folders are too long for sockets
        self.daemon = PrivateLibvirt(self._short, CACHE)
        self.daemon.start()
        self._opened: list[Hypervisor] = []
        self.libvirt = import_module("libvirt")
        self.line = self.libvirt.open(self.daemon.url)
        self.line.networkDefineXML(LAB)

    def open(self, **changes: Any) -> Hypervisor:
        settings = {"timeout_s": 60.0, **changes}
        one = OPENERS["libvirt"]("kvm", self.daemon.url, str(self.export), settings)
        self._opened.append(one)
        return one

    def original(self, name: str) -> Vm:
        disk = create_kvm(self.export, name, BootDisk(marker=self.marker), self.form)
        if name not in [domain.name() for domain in self.line.listAllDomains()]:
            text = domain_xml(name, disk, self.form)
            vnc = f"<graphics type='vnc' autoport='yes' passwd='{self.secret}'/></devices>"
            self.line.defineXML(text.replace("</devices>", vnc))
        path = str(disk.relative_to(self.export))
        return Vm(uuid=f"u-{name}", name=name, vmstore="vmstore", disks=(Disk(uuid="d", name="vda", path=path),))

    def copied(self, name: str, new: str) -> RegisterSpec:
        vm = self.original(name)
        shape = self.open().shape(vm)
        shutil.copytree(self.export / name, self.export / new)
        files = tuple(sorted(str(path.relative_to(self.export)) for path in (self.export / new).iterdir()))
        return RegisterSpec(name=new, directory=new, files=files, shape=shape)

    def clone(self, vm_id: str, name: str, *, is_forged: bool = False) -> None:
        """As virt-clone does it; its disk is the same file, since it is never started."""
        root, new = self.xml(vm_id), str(uuid.uuid4())
        for element in root.iter():
            if element.tag == "name":
                element.text = name
            if element.tag == "uuid":
                element.text = new
            if is_forged and element.get("uuid") == vm_id:
                element.set("uuid", new)
        for card in root.iterfind("devices/interface/mac"):
            card.set("address", "52:54:00:aa:bb:cc")
        self.line.defineXML(tostring(root, encoding="unicode"))

    def lose(self, files: tuple[str, ...]) -> None:
        for file in files:
            (self.export / file).unlink()

    def there(self, files: tuple[str, ...]) -> bool:
        return all((self.export / file).is_file() for file in files)

    def cannot_start(self, spec: RegisterSpec) -> None:
        self.lose(spec.files)

    def boots(self, vm_id: str) -> None:
        return

    def identity(self, vm_id: str) -> str:
        root = self.xml(vm_id)
        cards = [card.attrib["address"] for card in root.iterfind("devices/interface/mac")]
        return " ".join([root.findtext("uuid") or "", *cards])

    def is_connected(self, vm_id: str) -> bool:
        links = [card.find("link") for card in self.xml(vm_id).iterfind("devices/interface")]
        return any(link is None or link.get("state") != "down" for link in links)

    def xml(self, vm_id: str) -> Element:
        return xml.read(self.line.lookupByUUIDString(vm_id).XMLDesc(self.libvirt.VIR_DOMAIN_XML_INACTIVE))

    def close(self) -> None:
        for one in self._opened:
            one.close()
        self.line.close()
        self.daemon.stop()
        shutil.rmtree(self._short, ignore_errors=True)
