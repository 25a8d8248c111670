"""The manifest's format: what is written last into a target and read back first. Pure.

A recovery point exists if and only if its manifest does. Format 1 is JSON, UTF-8, fields always in the same order.
Fields that this version does not know are ignored; those it knows must be there and right, but for those that came
later (note, keep_for, digests, origin, shape), which may be absent.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from bot.checksum import from_hex, to_hex
from bot.errors import IntegrityError, OperatorError
from bot.model import LARGEST_DEFINITION, Actor, Disk, Json, Nic, StoredFile, VmShape

FORMAT = 1
_KINDS = ("vsphere", "libvirt", "hyperv", "")
_FIRMWARES = ("bios", "efi", "")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedVm:
    """Whose recovery point it is, and what the VM was made of."""

    uuid: str
    name: str
    vmstore: str
    hypervisor: str
    disks: tuple[Disk, ...]  # in bus order; paths as they were on the export
    origin: str = ""  # name of the VM that it was cloned from; "": of none, or not told
    shape: VmShape | None = None  # what its hypervisor said of it; None: none was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file of the VM's directory that was left out on purpose."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that a restore needs to know of one recovery point."""

    transaction_id: str
    created_at: datetime  # when this was written
    taken_at: datetime  # when the snapshot was taken
    installation: str
    requester: Actor
    consistency: str  # what was really got
    note: str = ""  # why, in the requester's words
    keep_for: str = ""  # what was asked for, as bot.keeping has it; "": nothing
    vm: ProtectedVm
    snapshot_uuid: str
    target: str  # the target's url, without secrets
    files: tuple[StoredFile, ...]  # in the order in which they are restored
    skipped: tuple[Skipped, ...]
    cloudy: str  # version of Cloudy

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def key(transaction_id: str) -> str:
    """Where the manifest of a transaction lies, relative to the target's prefix."""
    return f"{transaction_id}/manifest.json"


def encode(manifest: Manifest) -> bytes:
    """Write it down; the same manifest gives the same bytes.

    IntegrityError: it would not be readable again, so nothing must be stored.
    """
    _check(manifest)
    document = {
        "format": FORMAT,
        "transaction_id": manifest.transaction_id,
        "created_at": _time_text(manifest.created_at),
        "taken_at": _time_text(manifest.taken_at),
        "installation": manifest.installation,
        "requester": asdict(manifest.requester),
        "consistency": manifest.consistency,
        "note": manifest.note,
        "keep_for": manifest.keep_for,
        "vm": _vm_document(manifest.vm),
        "snapshot_uuid": manifest.snapshot_uuid,
        "target": manifest.target,
        "files": [asdict(file) | {"crc64": to_hex(file.crc64)} for file in manifest.files],
        "skipped": [asdict(each) for each in manifest.skipped],
        "cloudy": manifest.cloudy,
    }
    try:
        return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError as error:
        raise IntegrityError("A name of the VM or of its files is not valid Unicode; rename it.") from error


def _vm_document(vm: ProtectedVm) -> Json:
    document = asdict(vm)
    if vm.shape is None:
        del document["shape"]
    return document


def decode(content: bytes) -> Manifest:
    """Read a manifest, strictly.

    IntegrityError: damaged, or names keys outside its transaction. OperatorError: written in a later format.
    """
    fields = _Fields(_parse(content), "manifest")
    if fields.number("format") != FORMAT:
        raise OperatorError(
            f"The manifest has format {fields.number('format')}, and this Cloudy reads format {FORMAT} only. "
            "Upgrade Cloudy to read it."
        )
    manifest = Manifest(
        transaction_id=fields.text("transaction_id"),
        created_at=fields.time("created_at"),
        taken_at=fields.time("taken_at"),
        installation=fields.text("installation"),
        requester=_requester(fields.nested("requester")),
        consistency=fields.text("consistency"),
        note=fields.optional_text("note"),
        keep_for=fields.optional_text("keep_for"),
        vm=_vm(fields.nested("vm")),
        snapshot_uuid=fields.text("snapshot_uuid"),
        target=fields.text("target"),
        files=fields.each("files", _file),
        skipped=fields.each("skipped", lambda each: Skipped(name=each.text("name"), reason=each.text("reason"))),
        cloudy=fields.text("cloudy"),
    )
    _check(manifest)
    return manifest


@dataclass(frozen=True, slots=True)
class _Fields:
    """One JSON object whose fields are taken by type."""

    values: Mapping[str, Any]
    where: str

    def text(self, name: str) -> str:
        return self._take(name, str)

    def optional_text(self, name: str) -> str:
        """What came to the format later: a manifest without it is as good."""
        return self._take(name, str) if name in self.values else ""

    def number(self, name: str) -> int:
        return self._take(name, int)

    def time(self, name: str) -> datetime:
        text = self.text(name)
        try:
            time = datetime.fromisoformat(text)
        except ValueError as error:
            raise IntegrityError(f"{self.where}.{name} is not a time: {text!r}.") from error
        return _utc(time, f"{self.where}.{name}")

    def nested(self, name: str) -> "_Fields":
        return _Fields(self._take(name, dict), f"{self.where}.{name}")

    def each(self, name: str, make: "Callable[[_Fields], T]") -> tuple[T, ...]:
        where = f"{self.where}.{name}"
        items = [_Fields(item, f"{where}[{index}]") for index, item in enumerate(self._take(name, list))]
        for item in items:
            if not isinstance(item.values, dict):
                raise IntegrityError(f"{item.where} is not an object.")
        return tuple(make(item) for item in items)

    def texts(self, name: str) -> tuple[str, ...]:
        items = self._take(name, list)
        if not all(type(item) is str for item in items):
            raise IntegrityError(f"{self.where}.{name} holds something else than texts.")
        return tuple(items)

    def _take(self, name: str, kind: type[T]) -> T:
        if name not in self.values:
            raise IntegrityError(f"{self.where}.{name} is missing.")
        value = self.values[name]
        if type(value) is not kind:
            raise IntegrityError(f"{self.where}.{name} is of a wrong type: {kind.__name__} is expected.")
        return value


def _parse(content: bytes) -> Json:
    try:
        document = json.loads(content.decode(), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:  # bad UTF-8, bad JSON, absurd nesting or numbers
        raise IntegrityError(f"The manifest is damaged: {error}.") from error
    if not isinstance(document, dict):
        raise IntegrityError("The manifest is damaged: it is not a JSON object.")
    return document


def _without_doubles(pairs: list[tuple[str, Any]]) -> Json:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise IntegrityError("The manifest is damaged: a field stands there twice.")
    return fields


def _requester(fields: _Fields) -> Actor:
    return Actor(id=fields.text("id"), name=fields.text("name"), source=fields.text("source"))


def _vm(fields: _Fields) -> ProtectedVm:
    return ProtectedVm(
        uuid=fields.text("uuid"),
        name=fields.text("name"),
        vmstore=fields.text("vmstore"),
        hypervisor=fields.text("hypervisor"),
        disks=fields.each(
            "disks", lambda each: Disk(uuid=each.text("uuid"), name=each.text("name"), path=each.text("path"))
        ),
        origin=fields.optional_text("origin"),
        shape=_shape(fields.nested("shape")) if "shape" in fields.values else None,
    )


def _shape(fields: _Fields) -> VmShape:
    return VmShape(
        kind=fields.text("kind"),
        cpus=fields.number("cpus"),
        memory_mib=fields.number("memory_mib"),
        firmware=fields.text("firmware"),
        nics=fields.each(
            "nics", lambda each: Nic(mac=each.text("mac"), network=each.text("network"), model=each.text("model"))
        ),
        disks=fields.texts("disks"),
        guest=fields.text("guest"),
        definition=fields.text("definition"),
    )


def _file(fields: _Fields) -> StoredFile:
    return StoredFile(
        path=fields.text("path"),
        name=fields.text("name"),
        key=fields.text("key"),
        size=fields.number("size"),
        crc64=from_hex(fields.text("crc64")),
        etag=fields.text("etag"),
        digests=fields.optional_text("digests"),
    )


def _check(manifest: Manifest) -> None:
    if not _stays_inside(manifest.transaction_id) or "/" in manifest.transaction_id:
        raise IntegrityError(f"{manifest.transaction_id!r} is not a transaction id.")
    seen = {key(manifest.transaction_id)}
    for file in manifest.files:
        _check_file(file, manifest.transaction_id)
        for each in filter(None, (file.key, file.digests)):
            if each in seen:
                raise IntegrityError(f"The manifest names the key {each!r} twice.")
            seen.add(each)
    if manifest.vm.shape is not None:
        _check_shape(manifest.vm.shape)


def _check_shape(shape: VmShape) -> None:
    if shape.kind not in _KINDS or shape.firmware not in _FIRMWARES:
        raise IntegrityError(f"The manifest tells a VM of kind {shape.kind!r} with firmware {shape.firmware!r}.")
    if shape.cpus < 0 or shape.memory_mib < 0:
        raise IntegrityError("The manifest tells a VM of less than nothing.")
    for disk in shape.disks:
        if not _stays_inside(disk):
            raise IntegrityError(f"The manifest names a disk outside the export: {disk!r}.")
    if len(shape.definition) > LARGEST_DEFINITION:
        raise IntegrityError(f"The manifest's definition of the VM is longer than {LARGEST_DEFINITION:,} characters.")


def _check_file(file: StoredFile, transaction_id: str) -> None:
    for key in filter(None, (file.key, file.digests)):
        if not _stays_inside(key) or not key.startswith(f"{transaction_id}/"):
            raise IntegrityError(f"The manifest names a key outside its transaction: {key!r}.")
    if not _stays_inside(file.name) or not _stays_inside(file.path.removeprefix("/")):
        raise IntegrityError(f"The manifest names a file outside its directory: {file.path!r}, {file.name!r}.")
    if file.size < 0:
        raise IntegrityError(f"The manifest gives {file.key!r} a size below zero.")
    if not 0 <= file.crc64 < 1 << 64:
        raise IntegrityError(f"The manifest gives {file.key!r} a CRC-64 that has more than 64 bits.")


def _stays_inside(path: str) -> bool:
    return "\0" not in path and not {"", ".", ".."}.intersection(path.split("/"))


def _time_text(time: datetime) -> str:
    return _utc(time, "A time").isoformat().replace("+00:00", "Z")


def _utc(time: datetime, what: str) -> datetime:
    if time.tzinfo is None:
        raise IntegrityError(f"{what} has no time zone.")
    return time.astimezone(UTC)
