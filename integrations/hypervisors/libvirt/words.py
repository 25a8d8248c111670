"""What a domain's XML says of a VM: its shape, without secrets. Pure.

Elements: https://libvirt.org/formatdomain.html.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, tostring

from bot.model import LARGEST_DEFINITION, Nic, VmShape

OSINFO = "{http://libosinfo.org/xmlns/libvirt/domain/1.0}"
_UNITS = {
    "b": 1, "bytes": 1, "KB": 10**3, "k": 1 << 10, "KiB": 1 << 10, "MB": 10**6, "M": 1 << 20, "MiB": 1 << 20,
    "GB": 10**9, "G": 1 << 30, "GiB": 1 << 30, "TB": 10**12, "T": 1 << 40, "TiB": 1 << 40,
}  # fmt: skip
_SECRET = frozenset({"passwd", "password"})  # attributes that libvirt itself withholds unless asked for


def shape_of(root: Element, datastore: str) -> VmShape:
    """The shape of a domain as libvirt tells it; disks outside of the datastore are in the definition only."""
    without_secrets(root)
    definition = tostring(root, encoding="unicode")
    return VmShape(
        kind="libvirt",
        cpus=_number(root.findtext("vcpu")),
        memory_mib=_memory(root.find("memory")) >> 20,
        firmware="efi" if is_efi(root) else "bios",
        nics=tuple(_nic(card) for card in root.iterfind("devices/interface")),
        disks=tuple(path for path in (inside(file, datastore) for file in disk_files(root)) if path),
        guest=_guest(root),
        definition=definition if len(definition) <= LARGEST_DEFINITION else "",
    )


def disk_files(root: Element) -> Iterator[str]:
    """Full paths of the disks' files, in order."""
    for disk in root.iterfind("devices/disk"):
        source = disk.find("source")
        if disk.get("type") == "file" and disk.get("device", "disk") == "disk" and source is not None:
            yield source.get("file", "")


def inside(path: str, datastore: str) -> str:
    """A path as seen from the datastore; empty: it is not below it."""
    below = path.removeprefix(datastore.rstrip("/") + "/")
    return below if below != path and not {"", ".", ".."} & set(below.split("/")) else ""


def network_of(card: Element) -> str:
    """What a card is connected to: a network's name, else "<kind>:<name>"."""
    kind, source = card.get("type", ""), card.find("source")
    if source is None:
        return "" if kind == "user" else f"{kind}:"
    if kind == "network":
        return source.get("network", "")
    return f"{kind}:{source.get('bridge') or source.get('dev') or ''}"


def is_efi(root: Element) -> bool:
    """Whether it starts by UEFI."""
    system, loader = root.find("os"), root.find("os/loader")
    is_flash = loader is not None and (loader.get("type") == "pflash" or "OVMF" in (loader.text or ""))
    return is_flash or (system is not None and system.get("firmware") == "efi")


def without_secrets(root: Element) -> None:
    """Take out, in place, what may hold one: passwords, words for QEMU itself, what tools keep in the metadata."""
    for parent in list(root.iter()):
        for name in _SECRET & set(parent.attrib):
            del parent.attrib[name]
        for child in list(parent):
            is_foreign = child.tag.startswith("{") and not child.tag.startswith(OSINFO)
            is_told = child.tag == "sysinfo" and child.get("type") != "smbios"
            if is_foreign or is_told or child.tag in ("auth", "encryption", "secret"):
                parent.remove(child)


def _nic(card: Element) -> Nic:
    mac, model = card.find("mac"), card.find("model")
    return Nic(
        mac=mac.get("address", "") if mac is not None else "",
        network=network_of(card),
        model=model.get("type", "") if model is not None else "",
    )


def _guest(root: Element) -> str:
    found = root.find(f"metadata/{OSINFO}libosinfo/{OSINFO}os")
    return found.get("id", "") if found is not None else ""


def _memory(element: Element | None) -> int:
    """Bytes; libvirt counts in KiB where no unit is said."""
    return 0 if element is None else _number(element.text) * _UNITS.get(element.get("unit", "KiB"), 1 << 10)


def _number(text: str | None) -> int:
    return int(text) if text and text.strip().isdecimal() else 0
