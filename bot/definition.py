"""Complete or not at all: what a VM's definition names, and whether a clone has all of it. Pure."""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from bot import images
from bot.errors import NotRestorable
from bot.model import Disk, Entry

SECTOR = 512  # bytes; extents are counted in them
_LARGEST_TEXT = 1 << 20  # bytes; no .vmx and no descriptor comes near it
_DESCRIPTOR_MARK = "# disk descriptorfile"
_NO_PARENT = "ffffffff"

_EXTENT = re.compile(
    r'^[ \t]*(?:RW|RDONLY|NOACCESS)[ \t]+([0-9]{1,15})[ \t]+(\w+)(?:[ \t]+"([^"\r\n]*)")?(?:[ \t]+([0-9]{1,15}))?',
    re.MULTILINE | re.IGNORECASE,
)
_ESCAPE = re.compile(r"\|([0-9A-Fa-f]{2})")
_SLOT = re.compile(r"((?:scsi|sata|ide|nvme)[0-9]+):[0-9]+")
_WHOLE_EXTENTS = frozenset({"VMFS", "FLAT"})
_SPARSE_EXTENTS = frozenset({"SPARSE", "SESPARSE", "VMFSSPARSE"})
_RAW_EXTENTS = frozenset({"VMFSRDM", "VMFSRAWRDM", "VMFSRAW"})
_FLATTEN = (
    "Bring all data into the disk (KVM, while the VM runs: `virsh blockpull VM DISK --wait`, with a disk that"
    " `virsh domblklist VM` tells), then protect it again"
)
_DEFINITIONS = (".vmx", ".vmtx")  # of a VM, and of a template
_NAMED_FILES = ("nvram", "extendedconfigfile", "checkpoint.vmstate")  # vmstate: the memory of a suspended VM
# What a host writes into a .vmx when it starts the VM.
_MARKS_OF_A_START = (
    "cleanshutdown",
    "guestcpuid.",
    "hostcpuid.",
    "monitor.phys_bits",
    "sched.swap.derivedname",
    "vmotion.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file of the clone that is left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """A file that holds a disk's data, and the least size in bytes that it must have."""

    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A clone that is complete: names are relative to the VM's directory, sorted."""

    files: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    extents: tuple[Extent, ...]


def texts_needed(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Names of the small files that `examine` wants to read: each definition, and each possible descriptor."""
    return tuple(
        sorted(
            entry.path
            for entry in entries
            if not entry.is_dir
            and not _reason_to_skip(entry.path)
            and entry.size <= _LARGEST_TEXT
            and entry.path.lower().endswith((*_DEFINITIONS, ".vmdk"))
        )
    )


def heads_needed(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Names of the files whose first images.HEAD bytes `examine` wants to see: they may be built on others."""
    files = (entry for entry in entries if not entry.is_dir and entry.size)
    return tuple(sorted(e.path for e in files if images.may_be_one(e.path) and not _reason_to_skip(e.path)))


def decode(data: bytes) -> str:
    """Bytes of a .vmx or descriptor as text, in the encoding that they name themselves (UTF-8 where they do not)."""
    named = re.search(rb'^\s*\.?encoding\s*=\s*"?([A-Za-z0-9_.:-]{1,40})', data[:4096], re.MULTILINE | re.IGNORECASE)
    try:
        return data.decode(named[1].decode("ascii") if named else "utf-8")
    except (LookupError, ValueError):
        return data.decode("utf-8", errors="replace")


def examine(
    entries: Iterable[Entry],
    texts: Mapping[str, str],
    disks: Sequence[Disk],
    heads: Mapping[str, bytes] = MappingProxyType({}),
) -> Definition:
    """Check that everything the VM needs is in the clone.

    entries: all files of the clone, their paths relative to the VM's directory; texts: what `texts_needed` asked for;
    heads: what `heads_needed` did; disks: the VM's, as the VMstore tells them. What it tells and the .vmx are both
    believed: a disk of either must be there.
    Raises NotRestorable: names each file that is missing, short or cannot be protected this way.
    """
    sizes = {entry.path: entry.size for entry in entries if not entry.is_dir}
    skipped = {name: reason for name in sizes if (reason := _reason_to_skip(name))}
    wanted = {name: size for name, size in sizes.items() if name not in skipped}
    homes = frozenset(posixpath.dirname(disk.path) for disk in disks) - {""}
    search = _Search(wanted, texts, heads, homes, was_started=bool(skipped) or any(_is_log(name) for name in wanted))
    search.run(disks)
    search.problems += [
        f"the name {_readable(name)} is not valid Unicode; rename it" for name in sizes if not _is_text(name)
    ]
    if search.problems:
        lines = "\n".join(f"- {problem}" for problem in dict.fromkeys(search.problems))
        raise NotRestorable(f"The clone would not be restorable, so it is not protected:\n{lines}")
    return Definition(
        files=tuple(sorted(search.sizes)),
        skipped=tuple(Skipped(name=name, reason=skipped[name]) for name in sorted(skipped)),
        extents=tuple(Extent(name=name, size=size) for name, size in sorted(search.extents.items())),
    )


@dataclass(slots=True)
class _Search:
    """One walk from the .vmx along everything that it names."""

    sizes: Mapping[str, int]
    texts: Mapping[str, str]
    heads: Mapping[str, bytes]
    homes: frozenset[str]  # the VM's own directories on the export, as the VMstore tells them
    was_started: bool  # by what lies beside the definition: a log, swap or a lock
    problems: list[str] = field(default_factory=list)
    extents: dict[str, int] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def run(self, disks: Sequence[Disk]) -> None:
        vmx_names = sorted(name for name in self.sizes if name.lower().endswith(_DEFINITIONS))
        for name in vmx_names:
            self.vmx(name)
        if not vmx_names and not disks:
            self.problems.append("there is no .vmx, and the VMstore names no disk of the VM")
        self.told_disks(disks)

    def vmx(self, name: str) -> None:
        settings = parse_vmx(self.texts.get(name, ""))
        if not settings:
            self.problems.append(f"{name} is empty or no VM's definition")
        for key in _NAMED_FILES:
            value = settings.get(key, "")
            if value and not (key == "nvram" and self.is_not_made_yet(value, name, settings)):
                self.find(value, name, key)
        for slot, file_name in disk_slots(settings):
            if shared := _sharing(settings, slot):
                self.problems.append(f"{slot} ({file_name}) is a shared disk ({shared}), as a cluster has it")
            elif found := self.find(file_name, name, slot):
                self.disk(found, slot, must_describe=True)

    def is_not_made_yet(self, nvram: str, named_by: str, settings: Mapping[str, str]) -> bool:
        """Whether a VM's firmware settings are not there because the VM was never started: its first start makes them.

        Not so with a virtual TPM, whose keys are among them.
        """
        has_mark = any(key.startswith(_MARKS_OF_A_START) for key in settings)
        has_tpm = _word(settings, "vtpm.present") == "true"
        is_there = posixpath.join(posixpath.dirname(named_by), nvram) in self.sizes
        return "/" not in nvram and not (self.was_started or has_mark or has_tpm or is_there)

    def told_disks(self, disks: Sequence[Disk]) -> None:
        """By file name only: the clone has its own directory. Two disks of one name need two files."""
        found: dict[str, list[str]] = {}
        for name in sorted(self.sizes):
            found.setdefault(posixpath.basename(name), []).append(name)
        wanted = Counter(posixpath.basename(disk.path) for disk in disks)
        for disk in disks:
            file_name = posixpath.basename(disk.path)
            there = found.get(file_name, [])
            if len(there) < wanted[file_name]:
                self.problems.append(f"{disk.path} ({disk.name or 'a disk'}) is not in the clone")
            for name in there:
                self.disk(name, disk.name or file_name, must_describe=False)

    def find(self, value: str, named_by: str, key: str) -> str | None:
        """The name of the file that a definition means, if the clone has it."""
        name = posixpath.normpath(posixpath.join(posixpath.dirname(named_by), value)) if value else ""
        if name in self.sizes:
            return name
        if value.startswith("/") or name.startswith("../"):
            self.problems.append(f"{value} ({key} of {named_by}) lies outside of the VM's directory and is not cloned")
        else:
            self.problems.append(f"{name or 'a file without name'} is missing ({key} of {named_by})")
        return None

    def disk(self, name: str, key: str, *, must_describe: bool) -> None:
        if name in self.seen:
            return
        self.seen.add(name)
        text = self.texts.get(name, "")
        if _is_descriptor(text):
            self.descriptor(name, text)
        elif must_describe and name.lower().endswith(".vmdk"):
            self.problems.append(f"{name} ({key}) is not a disk descriptor that can be read")
        elif not self.sizes[name]:
            self.problems.append(f"{name} ({key}) is empty")
        else:
            self.image(name)

    def descriptor(self, name: str, text: str) -> None:
        extents = list(_EXTENT.finditer(text))
        if not extents:
            self.problems.append(f"{name} names no extent")
        for extent in extents:
            self.extent(name, extent)
        settings = parse_vmx(text)
        if tracking := settings.get("changetrackpath"):
            self.find(tracking, name, "change tracking")
        self.parent(name, settings)

    def image(self, name: str) -> None:
        """A qcow2 image that is built on files elsewhere, like a template of many VMs, is no whole disk.

        A full path is the one that the host has; below the VM's own directory it is in the clone.
        """
        for value in images.wanted_by(self.heads.get(name, b"")):
            inside = [value.partition(f"/{home}/")[2] for home in self.homes if value.startswith("/")]
            place = next(filter(None, inside), posixpath.join(posixpath.dirname(name), value))
            found = posixpath.normpath(place)
            if found in self.sizes:
                self.disk(found, f"which {name} is built on", must_describe=False)
                continue
            named = _readable(value) or "a file without name"
            self.problems.append(
                f"{name} is built on {named}, which is not in the VM's own directory: without that file a copy is no"
                f" disk. {_FLATTEN}"
            )

    def extent(self, descriptor: str, found: re.Match[str]) -> None:
        sectors, kind, file_name, offset = int(found[1]), found[2].upper(), found[3], int(found[4] or 0)
        if kind in _RAW_EXTENTS:
            self.problems.append(f"{descriptor} is a raw device mapping; its data is not on the VMstore's export")
        elif kind not in _WHOLE_EXTENTS | _SPARSE_EXTENTS | {"ZERO"}:
            self.problems.append(f"{descriptor} has an extent of the type {kind}, which Cloudy does not know")
        elif kind != "ZERO" and (name := self.find(file_name or "", descriptor, "extent")):
            required = (sectors + offset) * SECTOR if kind in _WHOLE_EXTENTS else 1
            self.extents[name] = max(required, self.extents.get(name, 0))
            self.seen.add(name)
            if self.sizes[name] < required:
                self.problems.append(f"{name} is too short: {self.sizes[name]} bytes of {required}")

    def parent(self, name: str, settings: Mapping[str, str]) -> None:
        hint = settings.get("parentfilenamehint", "")
        if hint:
            if found := self.find(hint, name, "parent"):
                self.disk(found, f"parent of {name}", must_describe=True)
        elif settings.get("parentcid", _NO_PARENT).lower() != _NO_PARENT:
            self.problems.append(f"{name} has a parent but does not name it")


def parse_vmx(text: str) -> dict[str, str]:
    """The `key = "value"` lines of a .vmx or descriptor; keys in lower case, `|22` escapes undone, the last counts."""
    settings = {}
    for line in text.split("\n"):
        key, equals, value = (part.strip() for part in line.partition("="))
        if equals and key and not key.startswith("#") and not key.count(" "):
            value = value[1:].partition('"')[0] if value.startswith('"') else value
            settings[key.lower()] = _ESCAPE.sub(lambda hexed: chr(int(hexed[1], 16)), value)
    return settings


def disk_slots(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(slot, file name) of every disk that is present; CD-ROMs and images of them are none."""
    for key, value in settings.items():
        slot = key.removesuffix(".filename")
        bus = _SLOT.fullmatch(slot)
        if slot == key or not bus:
            continue
        absent = any(_word(settings, f"{part}.present") == "false" for part in (slot, bus[1]))
        kind = _word(settings, f"{slot}.devicetype")
        if not absent and "cdrom" not in kind and not value.lower().endswith(".iso"):
            yield slot, value


def _sharing(settings: Mapping[str, str], slot: str) -> str:
    """The word for how a disk is shared between VMs; empty when it is not."""
    of_disk = _word(settings, f"{slot}.sharing")
    of_bus = _word(settings, f"{slot.partition(':')[0]}.sharedbus")
    if of_disk not in ("", "none", "sharing-none"):
        return f"sharing = {of_disk}"
    return f"sharedBus = {of_bus}" if of_bus not in ("", "none") else ""


def _word(settings: Mapping[str, str], key: str) -> str:
    return settings.get(key, "").strip().lower()


def _is_descriptor(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n")[: len(_DESCRIPTOR_MARK)].lower() == _DESCRIPTOR_MARK


def _is_log(name: str) -> bool:
    file_name = posixpath.basename(name).lower()
    return file_name.startswith("vmware") and file_name.endswith(".log")


def _is_text(name: str) -> bool:
    return _readable(name) == name


def _readable(name: str) -> str:
    """A name that any place can take: a file system's bytes that are not UTF-8 become question marks."""
    return name.encode(errors="replace").decode()


def _reason_to_skip(name: str) -> str:
    parts = name.split("/")
    # On NFS version 3 a running host's lock is a file called .lck- and a number; elsewhere a file or directory *.lck.
    if any(part.lower().endswith(".lck") or part.startswith(".lck-") for part in parts):
        return "lock of a running host"
    return "swap file, made anew at power-on" if parts[-1].lower().endswith(".vswp") else ""
