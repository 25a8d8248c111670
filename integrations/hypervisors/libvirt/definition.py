"""Makes the XML of a domain that is to be registered, of the one that a manifest holds. Pure.

It is built anew by integrations/hypervisors/libvirt/rules.py; every path in it is one of the restored files.
"""

import hashlib
import posixpath
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from integrations.hypervisors.libvirt import rules, words
from integrations.hypervisors.libvirt.rules import Rule, Taken

OURS = "urn:cloudy:vm:1"  # namespace of what Cloudy keeps in a domain's metadata
_IDENTITIES = uuid.UUID("5e3f2ad8-9d6f-4c4b-9a5e-1f6f0c0f7b11")
_FIRMWARES = ("/usr/share/OVMF/", "/usr/share/edk2/", "/usr/share/edk2-ovmf/", "/usr/share/qemu/", "/usr/share/AAVMF/")
_MADE_ANEW = frozenset({"source", "backingStore", "mirror", "alias", "backend", "log", "protocol", "link", "listen"})
_EMULATED_ONLY = ("kvmclock", "hypervclock", "tsc")  # clocks of a real processor


class NoDefinition(ValueError):  # noqa: N818 - reads as what it says
    """No domain can be made of it; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the domain is to be."""

    label: str
    name: str
    files: Mapping[str, str]  # path relative to the VM's folder -> full path on the host
    chains: Mapping[str, tuple[tuple[str, str], ...]]  # full path of a disk -> (full path, format), the top first
    protected: tuple[str, ...]  # disks that were on the export when it was protected
    networks: Mapping[str, str] = field(default_factory=dict)
    known_networks: frozenset[str] = frozenset()  # of the host
    is_connected: bool = False
    keeps_identity: bool = False
    domain_type: str = ""  # "": as it was


def identity_of(label: str) -> str:
    """The uuid of the new VM that a label registers; the same each time, so that it is registered once."""
    return str(uuid.uuid5(_IDENTITIES, label))


def own_uuid(root: Element) -> str:
    """The domain's own. NoDefinition: it has none that is one."""
    try:
        return str(uuid.UUID((root.findtext("uuid") or "").strip()))
    except ValueError:
        raise NoDefinition("the definition has no uuid to be kept") from None


def disks_of(root: Element, files: Mapping[str, str], protected: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Each disk that is to come back: its place ("vda") -> (full path of its file, format). NoDefinition."""
    found: dict[str, tuple[str, str]] = {}
    for disk in root.iterfind("devices/disk"):
        path = _path_of(disk)
        if not _is_ours(disk, protected):
            continue
        target, driver = disk.find("target"), disk.find("driver")
        place = target.get("dev", "") if target is not None else ""
        file = _nearest(path, files)
        if not file:
            raise NoDefinition(f"disk {place} was {path}, and no restored file is it")
        if not place or place in found or file in (each for each, _ in found.values()):
            raise NoDefinition(f"disk {place} or its file {posixpath.basename(path)} stands there twice")
        found[place] = (file, driver.get("type", "raw") if driver is not None else "raw")
    return found


def adapted(root: Element, wanted: Wanted) -> tuple[str, tuple[str, ...]]:
    """The new domain's XML, and what is not as it was, for people. NoDefinition."""
    if root.tag != "domain":
        raise NoDefinition("the definition is not a domain of libvirt")
    return _Adapting(root, wanted).result()


class _Adapting:
    """One domain that is made of another."""

    def __init__(self, root: Element, wanted: Wanted) -> None:
        self._old = root
        self._wanted = wanted
        self._taken = Taken()
        self._notes: list[str] = []
        kind = wanted.domain_type or root.get("type", "")
        self._new = Element("domain", {"type": kind if kind in ("kvm", "qemu") else "kvm"})
        self._files = disks_of(root, wanted.files, wanted.protected)

    def result(self) -> tuple[str, tuple[str, ...]]:
        self._identify()
        for child in self._old:
            if child.tag in rules.DOMAIN:
                self._taken.copy(child, rules.DOMAIN[child.tag], self._new, child.tag)
            elif child.tag in ("description", "title"):
                SubElement(self._new, child.tag).text = (child.text or "")[:4096]
            elif child.tag not in ("os", "devices", "genid"):
                self._taken.leave(child.tag)
        if self._old.find("genid") is not None:  # the guest has gone back in time, and is to know it
            SubElement(self._new, "genid")
        self._start()
        self._devices()
        if self._new.get("type") == "qemu":
            self._emulate()
        return tostring(self._new, encoding="unicode"), (*self._notes, *self._taken.words())

    def _identify(self) -> None:
        wanted = self._wanted
        identity = own_uuid(self._old) if wanted.keeps_identity else identity_of(wanted.label)
        SubElement(self._new, "name").text = wanted.name
        SubElement(self._new, "uuid").text = identity
        register_namespace("cloudy", OURS)
        mark = {"label": wanted.label, "uuid": identity}  # a clone has the mark, and another uuid
        SubElement(SubElement(self._new, "metadata"), f"{{{OURS}}}vm", mark)

    def _start(self) -> None:
        """What it boots by: files of firmware as distributions have them, variables as they were restored."""
        old = self._old.find("os")
        made = SubElement(self._new, "os")
        if old is None:
            SubElement(made, "type").text = "hvm"
            return
        for child in old:
            if child.tag in rules.OS:
                self._taken.copy(child, rules.OS[child.tag], made, f"os/{child.tag}")
            elif child.tag not in ("loader", "nvram", "firmware"):
                self._taken.leave(f"os/{child.tag}")
        if words.is_efi(self._old):
            self._firmware(old, made)

    def _firmware(self, old: Element, made: Element) -> None:
        loader = old.find("loader")
        path = (loader.text or "").strip() if loader is not None else ""
        if loader is not None and path.startswith(_FIRMWARES) and ".." not in path:
            kept = self._taken.copy(loader, Rule(frozenset({"readonly", "type", "secure"})), made, "os/loader")
            kept.text = path
            kept.set("readonly", "yes")  # the host's own file, for all of its VMs
        else:
            made.set("firmware", "efi")
        variables = old.find("nvram")
        was = (variables.text or "").strip() if variables is not None else ""
        file = _nearest(was, self._wanted.files) if was else ""
        if file:
            SubElement(made, "nvram").text = file
        else:
            self._notes.append("its UEFI variables did not lie beside its disks: it starts with new ones")

    def _devices(self) -> None:
        made = SubElement(self._new, "devices")
        for device in self._old.iterfind("devices/*"):
            if device.tag in rules.DEVICES:
                self._taken.copy(device, rules.DEVICES[device.tag], made, device.tag)
            elif (way := self._WAYS.get(device.tag)) is not None:
                way(self, device, made)
            else:
                self._taken.leave(device.tag)

    def _disk(self, old: Element, made: Element) -> None:
        target = old.find("target")
        place = target.get("dev", "") if target is not None else ""
        if old.get("device", "disk") in ("cdrom", "floppy"):
            self._made(old, rules.DISK, made).set("type", "file")
            if old.find("source") is not None:
                self._notes.append(f"ejected: {place}")
            return
        if not _is_ours(old, self._wanted.protected):
            self._notes.append(f"left out: disk {place}, which was not on the VMstore when it was protected")
            return
        disk = self._made(old, rules.DISK, made)
        file, form = self._files[place]
        disk.set("type", "file")
        driver = disk.find("driver")
        driver = SubElement(disk, "driver") if driver is None else driver
        driver.attrib.update({"name": "qemu", "type": form})
        SubElement(disk, "source", {"file": file})
        _add_chain(disk, self._wanted.chains[file][1:])

    def _interface(self, old: Element, made: Element) -> None:
        """A card; where it may not be connected, its link is down, and it needs no network of the host."""
        card = self._made(old, rules.INTERFACE, made)
        mac = card.find("mac")
        if not self._wanted.keeps_identity and mac is not None:
            mac.set("address", _new_mac(self._wanted.label, mac.get("address", "")))
        place = self._place(words.network_of(old))
        kind, name = place or ("user", "")
        card.set("type", kind)
        if place:
            SubElement(card, "source", {kind: name})
        if not self._wanted.is_connected or place is None:  # by "user" it would speak with the host's own address
            SubElement(card, "link", {"state": "down"})
            self._notes.append(f"not connected: network card {mac.get('address', '') if mac is not None else ''}")

    def _place(self, was: str) -> tuple[str, str] | None:
        """Where a card goes, as (type, name of the source); None: nowhere. NoDefinition: no such network here."""
        wanted = self._wanted
        here = wanted.networks.get(was, was)
        if here.startswith("bridge:"):  # a manifest does not choose among the host's bridges, people do
            return ("bridge", here.removeprefix("bridge:")) if was in wanted.networks else None
        if here in wanted.known_networks:
            return "network", here
        if not here or ":" in here or not wanted.is_connected:
            return None
        known = ", ".join(sorted(wanted.known_networks)) or "none"
        raise NoDefinition(f"the host has no network {here} (it has: {known}); say which one is to be in its place")

    def _port(self, old: Element, made: Element) -> None:
        """A serial port or console: what is behind it here is a terminal, whatever it was there."""
        self._made(old, rules.PORT, made).set("type", "pty")

    def _graphics(self, old: Element, made: Element) -> None:
        """A screen: on the address and port that the host gives, without the password of then."""
        self._made(old, Rule(frozenset({"type"})), made).set("autoport", "yes")

    def _channel(self, old: Element, made: Element) -> None:
        target = old.find("target")
        if target is None or target.get("name") != "org.qemu.guest_agent.0":
            self._taken.leave("channel")
            return
        self._made(old, rules.PORT, made).set("type", "unix")

    def _rng(self, old: Element, made: Element) -> None:
        rule = Rule(frozenset({"model"}), {"rate": Rule(frozenset({"bytes", "period"}))})
        device = self._made(old, rule, made)
        SubElement(device, "backend", {"model": "random"}).text = "/dev/urandom"

    def _tpm(self, old: Element, made: Element) -> None:
        backend = old.find("backend")
        if backend is None or backend.get("type") != "emulator":
            self._taken.leave("tpm")
            return
        device = self._made(old, Rule(frozenset({"model"})), made)
        SubElement(device, "backend", {"type": "emulator", "version": "2.0"})
        self._notes.append("its TPM is empty: what it held was not on the VMstore")

    def _made(self, old: Element, rule: Rule, parent: Element) -> Element:
        """A copy by the rule, of a device whose other parts are made anew."""
        known = Element(old.tag, {name: value for name, value in old.attrib.items() if name in rule.attributes})
        known.extend(child for child in old if child.tag not in _MADE_ANEW)
        return self._taken.copy(known, rule, parent, old.tag)

    _WAYS = {  # noqa: RUF012 - a table of the class's own methods
        "disk": _disk,
        "interface": _interface,
        "serial": _port,
        "console": _port,
        "channel": _channel,
        "graphics": _graphics,
        "rng": _rng,
        "tpm": _tpm,
    }

    def _emulate(self) -> None:
        """Take out what only a real processor gives, where the host is to emulate one."""
        cpu = self._new.find("cpu")
        if cpu is not None and cpu.get("mode", "").startswith("host-"):
            self._notes.append(f"processor: emulated, not {cpu.get('mode')}")
            cpu.attrib.clear()
            for child in [child for child in cpu if child.tag not in ("topology", "numa")]:
                cpu.remove(child)
        for place, names in (("features", ("hyperv", "kvm", "pmu")), ("clock", ())):
            parent = self._new.find(place)
            for child in list(parent) if parent is not None else ():
                if parent is not None and (child.tag in names or child.get("name") in _EMULATED_ONLY):
                    parent.remove(child)
                    self._notes.append(f"left out of an emulated processor: {child.get('name', child.tag)}")


def _is_ours(disk: Element, protected: tuple[str, ...]) -> bool:
    """Whether a disk's file was on the export when the VM was protected."""
    path = _path_of(disk)
    if disk.get("device", "disk") != "disk" or disk.get("type") != "file":
        return False
    return any(path == known or path.endswith(f"/{known}") for known in protected)


def _path_of(disk: Element) -> str:
    source = disk.find("source")
    return source.get("file", "") if source is not None else ""


def _nearest(path: str, files: Mapping[str, str]) -> str:
    """The restored file that a path of then is now: the one with the longest common end; "": none, or two."""
    parts = path.split("/")
    matching = [name for name in files if parts[-name.count("/") - 1 :] == name.split("/")]
    most = max((name.count("/") for name in matching), default=0)
    found = [name for name in matching if name.count("/") == most]
    return files[found[0]] if len(found) == 1 else ""


def _add_chain(disk: Element, below: tuple[tuple[str, str], ...]) -> None:
    """Say what lies below an image, and that nothing else does, so that nobody looks for it in the image."""
    parent = disk
    for path, form in below:
        parent = SubElement(parent, "backingStore", {"type": "file"})
        SubElement(parent, "format", {"type": form})
        SubElement(parent, "source", {"file": path})
    SubElement(parent, "backingStore")


def _new_mac(label: str, mac: str) -> str:
    """Another address of QEMU's own range; the same each time for one label."""
    digest = hashlib.sha256(f"{label} {mac}".encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])
