"""Recovery points that were damaged or forged: each is restored as it was, or refused; nothing is written elsewhere."""

import json
import random
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot import digests, manifest
from bot.checksum import crc64, to_hex
from bot.errors import ArchivedError, CloudyError, IntegrityError, OperatorError, PermanentError
from bot.grains import MIB
from bot.model import Actor, Disk, StoredFile
from integrations.shares.path import open_path
from tests.memory import MemoryJournal, MemoryStore
from tests.unit.test_digests import forged, made
from tests.workflow.restored import FOLDER, GRAIN, TID, Restore, stored

DICE = random.Random(7)
DISK, VMX = "vm01/vm01-flat.vmdk", "vm01/vm01.vmx"
DATA = forged(DICE.randbytes(GRAIN - 8), 0x0123456789ABCDEF)  # a grain that another one can look like
CONTENTS = {
    DISK: DICE.randbytes(3 * GRAIN) + bytes(9 * GRAIN) + DATA + DICE.randbytes(5 * GRAIN + 11),
    VMX: b"displayName = vm01",
    "vm01/vm01.nvram": DICE.randbytes(200),
}
AT_DATA = 12 * GRAIN


@dataclass
class Point:
    """A recovery point in a target, as a protection leaves it, and an export beside which somebody else has files."""

    folder: Path
    store: MemoryStore = field(default_factory=lambda: MemoryStore("s3", checks_crc=False))
    files: tuple[StoredFile, ...] = ()

    def __post_init__(self) -> None:
        self.files = stored(self.store, CONTENTS)
        time = datetime(2026, 11, 23, 14, 22, 33, tzinfo=UTC)
        written = manifest.Manifest(
            transaction_id=TID, created_at=time, taken_at=time, installation="i",
            requester=Actor(id="U1", name="alice", source="slack"), consistency="crash",
            vm=manifest.ProtectedVm(
                uuid="u", name="vm01", vmstore="vmstore1", hypervisor="VMWARE",
                disks=(Disk(uuid="d", name="scsi0:0", path=DISK),),
            ),
            snapshot_uuid="s", target=self.store.url, files=self.files, skipped=(), cloudy="1",
        )  # fmt: skip
        self.write(manifest.encode(written))
        (self.folder / "export" / "theirs").mkdir(parents=True)
        for name in ("outside", "export/theirs/disk", "export/inside"):
            (self.folder / name).write_bytes(b"theirs")

    @property
    def key(self) -> str:
        return self.files[0].key

    def write(self, body: bytes) -> None:
        self.store.put(manifest.key(TID), body, crc64=crc64(body), metadata={})

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.store.objects[manifest.key(TID)])
        return found

    def rewrite(self, **fields: Any) -> None:
        self.write(json.dumps(self.document() | fields).encode())

    def refile(self, position: int, **fields: Any) -> None:
        """Have another line for a file in the manifest."""
        files = self.document()["files"]
        files[position] |= fields
        self.rewrite(files=files)

    def rename(self, *names: str) -> None:
        files = [each | {"name": name} for each, name in zip(self.document()["files"], names, strict=False)]
        self.rewrite(files=files)

    def rot(self, key: str, change: Callable[[bytes], bytes]) -> None:
        """The store does not notice: it tells of it what it told before."""
        self.store.objects[key] = change(self.store.objects[key])

    def redigest(self, told: digests.Digests) -> None:
        self.store.objects[self.files[0].digests] = digests.encode(told)

    def restore(self) -> dict[str, bytes]:
        """Restore all of it, as a process that knows nothing but the target."""
        read = manifest.decode(self.store.get(manifest.key(TID)))
        share = open_path(f"path:{self.folder / 'export'}", export="/tintri")
        Restore(read.files, self.store, share, MemoryJournal()).run()
        return self.restored()

    def restored(self) -> dict[str, bytes]:
        """What has its name."""
        top = self.folder / "export" / FOLDER
        found = [path for path in top.rglob("*") if path.is_file() and not path.name.endswith(".part")]
        return {str(path.relative_to(top)): path.read_bytes() for path in found}

    def elsewhere(self) -> dict[str, bytes]:
        """All that is not in the folder of the restore."""
        top = self.folder / "export" / FOLDER
        found = [path for path in self.folder.rglob("*") if path.is_file() and not path.is_relative_to(top)]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}


def flip(at: int) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]

    return change


def cut(length: int) -> Callable[[bytes], bytes]:
    return lambda body: body[:length]


def twin(body: bytes) -> bytes:
    """Another disk of the same size and CRC-64, as somebody would make who may write into the bucket."""
    other = forged(bytes(range(GRAIN - 8)), 0x0123456789ABCDEF)
    assert (len(other), other != DATA) == (GRAIN, True)
    return body[:AT_DATA] + other + body[AT_DATA + GRAIN :]


def honest() -> digests.Digests:
    return made(CONTENTS[DISK], GRAIN, f"{TID}/tintri/{TID}/{DISK}")


def lie(**fields: Any) -> digests.Digests:
    told = honest()
    facts: dict[str, Any] = {"key": told.key, "size": told.size, "grain": told.grain, "body": told.body} | fields
    return digests.Digests(**facts)


def body_with(at: int, piece: bytes) -> bytes:
    body = bytearray(honest().body)
    body[at : at + len(piece)] = piece
    return bytes(body)


def bomb(point: Point) -> None:
    """A small object that would fill all memory: it says that its grains have a byte."""
    size, each = 1 << 40, 24
    head = {"format": 1, "key": point.key, "size": size, "grain": 1, "each": "x", "grains": size, "crc64": "0" * 16}
    packed = zlib.compress(bytes(each * 20 * MIB))
    point.store.objects[point.files[0].digests] = json.dumps(head).encode() + b"\n" + packed


def older_manifest(point: Point) -> None:
    """Without digests, origin and shape, as the first versions wrote it: it is as good."""
    files = [{key: value for key, value in each.items() if key != "digests"} for each in point.document()["files"]]
    point.rewrite(files=files)


Damage = Callable[[Point], object]
# What was done to it -> how, and what comes of it; None: it is restored, byte for byte.
KINDS: Mapping[str, tuple[Damage, type[CloudyError] | None]] = {
    "a bit of the disk has flipped": (lambda p: p.rot(p.key, flip(50)), IntegrityError),
    "a bit of its last byte has flipped": (lambda p: p.rot(p.key, flip(p.files[0].size - 1)), IntegrityError),
    "a small file has flipped": (lambda p: p.rot(p.files[1].key, flip(3)), IntegrityError),
    "the disk was cut": (lambda p: p.rot(p.key, cut(500)), IntegrityError),
    "the disk is empty": (lambda p: p.rot(p.key, cut(0)), IntegrityError),
    "the disk has grown": (lambda p: p.rot(p.key, lambda body: body + b"x"), IntegrityError),
    "the disk is gone": (lambda p: p.store.delete(p.key), IntegrityError),
    "a small file is gone": (lambda p: p.store.delete(p.files[1].key), IntegrityError),
    "the disk was overwritten": (lambda p: p.store.overwrite(p.key, bytes(p.files[0].size)), IntegrityError),
    "two disks were exchanged": (
        lambda p: p.rot(p.key, lambda body: body[GRAIN : 2 * GRAIN] + body[:GRAIN] + body[2 * GRAIN :]),
        IntegrityError,
    ),
    "the disk was forged to have its CRC-64": (lambda p: p.rot(p.key, twin), IntegrityError),
    "what was zeros is not any more": (lambda p: p.rot(p.key, flip(5 * GRAIN)), None),
    "the disk lies in an archive": (lambda p: p.store.archived.add(p.key), ArchivedError),
    "the digests are gone": (lambda p: p.store.delete(p.files[0].digests), None),
    "the digests were cut": (lambda p: p.rot(p.files[0].digests, cut(90)), None),
    "the digests are empty": (lambda p: p.rot(p.files[0].digests, cut(0)), None),
    "the digests are noise": (lambda p: p.rot(p.files[0].digests, lambda body: DICE.randbytes(len(body))), None),
    "a bit of the digests has flipped": (lambda p: p.rot(p.files[0].digests, flip(300)), None),
    "the digests lie in an archive": (lambda p: p.store.archived.add(p.files[0].digests), None),
    "the digests are of another object": (lambda p: p.redigest(lie(key=f"{TID}/other")), None),
    "the digests are of another size": (
        lambda p: p.redigest(made(CONTENTS[DISK] + b"x", GRAIN, p.key)),
        None,
    ),
    "the digests say that data is zeros": (
        lambda p: p.redigest(made(bytes(GRAIN) + CONTENTS[DISK][GRAIN:], GRAIN, p.key)),
        None,
    ),
    "the digests say that all is zeros": (lambda p: p.redigest(made(bytes(p.files[0].size), GRAIN, p.key)), None),
    "the digests are wrong where the CRC-64 is right": (
        lambda p: p.redigest(lie(body=body_with(0, bytes(16)))),
        IntegrityError,
    ),
    "the digests have grains larger than memory": (
        lambda p: p.redigest(made(CONTENTS[DISK], 1 << 20, p.key)),
        None,
    ),
    "the digests would fill all memory": (bomb, None),
    "the digests are of a later format": (
        lambda p: p.rot(p.files[0].digests, lambda body: body.replace(b'"format": 1', b'"format": 2')),
        None,
    ),
    "the manifest is of the first versions": (older_manifest, None),
    "the manifest is of a later format": (lambda p: p.rewrite(format=2), OperatorError),
    "the manifest was cut": (lambda p: p.rot(manifest.key(TID), cut(400)), IntegrityError),
    "the manifest is gone": (lambda p: p.store.delete(manifest.key(TID)), PermanentError),
    "the manifest is noise": (lambda p: p.write(DICE.randbytes(900)), IntegrityError),
    "the manifest says another CRC-64": (lambda p: p.refile(0, crc64=to_hex(5)), IntegrityError),
    "the manifest says another size": (lambda p: p.refile(0, size=99), IntegrityError),
    "the manifest says a size below zero": (lambda p: p.refile(0, size=-1), IntegrityError),
    "the manifest says a size beyond all": (lambda p: p.refile(0, size=1 << 60), IntegrityError),
    "the manifest says that the size is a text": (lambda p: p.refile(0, size="99"), IntegrityError),
    "the manifest names an object of another": (lambda p: p.refile(0, key="20260101T000000Z-aaaaaa/x"), IntegrityError),
    "the manifest's key climbs": (lambda p: p.refile(0, key=f"{TID}/../other/x"), IntegrityError),
    "the manifest names an object twice": (lambda p: p.refile(0, key=p.files[1].key), IntegrityError),
    "the manifest's digests climb": (lambda p: p.refile(0, digests=f"{TID}/../x"), IntegrityError),
    "two files have one name": (lambda p: p.rename(DISK, DISK), IntegrityError),
    "two files differ by their case": (lambda p: p.rename(VMX.upper(), VMX), IntegrityError),
    "a file lies in another file": (lambda p: p.rename("vm01", "vm01/x"), IntegrityError),
    "a file has the name of what is not whole": (lambda p: p.rename(f"{VMX}.part", VMX), IntegrityError),
    "a name climbs": (lambda p: p.rename("../../outside"), IntegrityError),
    "a name climbs into the export": (lambda p: p.rename("../theirs/disk"), IntegrityError),
    "a name climbs with backslashes": (lambda p: p.rename("..\\..\\outside"), IntegrityError),
    "a name is absolute": (lambda p: p.rename("/etc/cron.d/x"), IntegrityError),
    "a name is a drive": (lambda p: p.rename("C:\\x"), IntegrityError),
    "a name has a zero byte": (lambda p: p.rename("vm01/x\0.vmdk"), IntegrityError),
    "a name has a line break": (lambda p: p.rename("vm01/x\n.vmdk"), IntegrityError),
    "a name is reserved": (lambda p: p.rename("vm01/NUL.vmdk"), IntegrityError),
    "a name ends with a dot": (lambda p: p.rename("vm01./x"), IntegrityError),
    "a name is a folder of Cloudy's": (lambda p: p.rename(".cloudy-x/y"), IntegrityError),
    "a name is too long": (lambda p: p.rename("vm01/" + "x" * 300), IntegrityError),
    "a name is no Unicode": (lambda p: p.rename("vm01/\ud800"), IntegrityError),
}


def test_there_are_thirty_kinds_at_least() -> None:
    assert len(KINDS) >= 30


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_restored_as_it_was_or_refused_and_nothing_is_written_elsewhere(kind: str, tmp_path: Path) -> None:
    damage, error = KINDS[kind]
    point = Point(tmp_path)
    before = point.elsewhere()
    damage(point)
    if error is None:
        assert point.restore() == CONTENTS
    else:
        with pytest.raises(error) as told:
            point.restore()
        assert len(told.value.message) > 30
    assert all(CONTENTS[name] == body for name, body in point.restored().items())
    assert point.elsewhere() == before


@pytest.mark.parametrize("below", ["", "vm01", DISK])
def test_a_link_that_somebody_has_put_there_leads_nowhere(below: str, tmp_path: Path) -> None:
    point = Point(tmp_path)
    target = tmp_path / "outside-folder"
    target.mkdir()
    place = tmp_path / "export" / FOLDER / below
    place.parent.mkdir(parents=True, exist_ok=True)
    (place.with_name(f"{place.name}.part") if below == DISK else place).symlink_to(target)
    with pytest.raises(PermanentError):
        point.restore()
    assert list(target.iterdir()) == []


def test_a_forged_disk_can_be_restored_by_who_knows_that_the_digests_are_wrong() -> None:
    """The message says how; then the CRC-64 alone decides."""
    store = MemoryStore("s3", checks_crc=False)
    restore = Restore(stored(store, CONTENTS)[:1], store)
    told = digests.encode(lie(body=body_with(0, bytes(16))))
    store.objects[restore.files[0].digests] = told
    with pytest.raises(IntegrityError, match=f"remove {restore.files[0].digests} and restore again"):
        restore.run()
    del store.objects[restore.files[0].digests]
    assert restore.run().notes
