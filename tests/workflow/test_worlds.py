"""Random worlds of disk, base, change and fault: the target has the disk, byte for byte, or the run says why not."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from bot import bases, digests, lane, manifest, transfer, zeros
from bot.arena import Arena
from bot.errors import DeniedError, IntegrityError
from bot.model import Actor, Bytes, Carried, Disk, PartLimits, SourceFile, StoredFile
from bot.transfer import Sent, TransferSettings, send
from bot.undoing import abort, erase
from bot.verifying import verify
from tests.memory import Crash, CrashAt, MemoryJournal, MemoryShare, MemoryStore, unwatched
from tests.unit.test_digests import made

GRAIN, PART, WINDOW = 64, 512, 1024
FIRST, SECOND = "20261123T142233Z-7f3k9q", "20261124T142233Z-8g4m0r"
DISK = "vm01/vm01-flat.vmdk"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "_WORTH_DIGESTS", 1)
    monkeypatch.setattr(zeros, "SIZES", (1024, 8192, 65536))


def disk(dice: random.Random) -> bytes:
    """Stretches of data and of zeros, none of a round length."""
    pieces = []
    for _ in range(dice.randrange(1, 12)):
        length = dice.choice((1, GRAIN - 1, GRAIN, 3 * GRAIN, PART, 5 * PART + 7, dice.randrange(1, 6 * PART)))
        pieces.append(bytes(length) if dice.random() < 0.4 else dice.randbytes(length))
    return b"".join(pieces)


def changed(dice: random.Random, content: bytes) -> bytes:
    """A guest has written, trimmed, grown or shrunk it."""
    body = bytearray(content)
    for _ in range(dice.randrange(4)):
        at = dice.randrange(len(body) + 1)
        length = dice.choice((1, GRAIN, PART, dice.randrange(1, 3 * PART)))
        fresh = bytes(length) if dice.random() < 0.3 else dice.randbytes(length)
        body[at : at + length] = fresh[: len(body) - at]
    if dice.random() < 0.2:
        body += dice.randbytes(dice.randrange(PART))
    if dice.random() < 0.2:
        del body[dice.randrange(len(body)) :]
    return bytes(body)


@dataclass
class World:
    """One target with one disk in it, protected once."""

    store: MemoryStore
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    grain: int = GRAIN
    arena: Arena = field(default_factory=lambda: Arena(6, WINDOW))
    part: int = PART
    index: bases.Index | None = None

    def protect(self, transaction: str, content: bytes, *points: str) -> Sent:
        """Send, verify, and write what a manifest has."""
        path = f"{transaction}/{DISK}"
        file = SourceFile(path=path, name=DISK, key=f"{transaction}/tintri/{path}", size=len(content))
        found = bases.Bases({self.store.name: points}, self.index)
        sent = send(
            [file],
            share=MemoryShare({path: content}),
            targets=[self.store],
            journal=self.journal,
            settings=TransferSettings(
                threads=2, grain=self.grain, part_bytes=self.part, arena=self.arena, compare=found.compare
            ),
            check=lambda: None,
            on_progress=lambda _moved: None,
        )
        for stored in sent.stored[self.store.name]:
            verify(self.store, stored, lambda: None)
        self._commit(transaction, sent.stored[self.store.name])
        return sent

    def holds(self, transaction: str) -> bytes:
        return self.store.objects[f"{transaction}/tintri/{transaction}/{DISK}"]

    def _commit(self, transaction: str, files: tuple[StoredFile, ...]) -> None:
        kept = manifest.Manifest(
            transaction_id=transaction, created_at=self.store.now(), taken_at=self.store.now(), installation="i",
            requester=Actor(id="U1", name="alice", source="slack"), consistency="crash",
            vm=manifest.ProtectedVm(
                uuid="u", name="vm01", vmstore="vmstore", hypervisor="VMWARE",
                disks=(Disk(uuid="d", name="d", path=DISK),),
            ),
            snapshot_uuid="s", target=self.store.url, files=files, skipped=(), cloudy="1",
        )  # fmt: skip
        body = manifest.encode(kept)
        self.store.objects[manifest.key(transaction)] = body
        self.store.etags[manifest.key(transaction)] = "m"


Fault = Callable[[World, random.Random, bytes], None]


def nothing(_world: World, _dice: random.Random, _new: bytes) -> None:
    """All is well."""


def key_of(world: World) -> str:
    return next(key for key in world.store.objects if key.endswith(DISK) and key.startswith(FIRST))


def overwritten(world: World, dice: random.Random, _new: bytes) -> None:
    key = key_of(world)
    world.store.objects[key] = dice.randbytes(len(world.store.objects[key]))
    world.store.etags[key] = "another"


def truncated(world: World, _dice: random.Random, _new: bytes) -> None:
    world.store.objects[key_of(world)] = world.store.objects[key_of(world)][:-1]


def deleted(world: World, _dice: random.Random, _new: bytes) -> None:
    del world.store.objects[key_of(world)]


def archived(world: World, _dice: random.Random, _new: bytes) -> None:
    world.store.archived.add(key_of(world))


def without_digests(world: World, _dice: random.Random, _new: bytes) -> None:
    world.store.objects.pop(digests.key(FIRST, 0), None)


def garbled_digests(world: World, dice: random.Random, _new: bytes) -> None:
    key = digests.key(FIRST, 0)
    if key in world.store.objects:
        body = bytearray(world.store.objects[key])
        body[dice.randrange(len(body))] ^= 0xFF
        world.store.objects[key] = bytes(body)


def lying_digests(world: World, _dice: random.Random, new: bytes) -> None:
    """They say that the base has what the disk has now: everything would be copied from it."""
    key = digests.key(FIRST, 0)
    if key in world.store.objects and len(new) == len(world.store.objects[key_of(world)]):
        world.store.objects[key] = digests.encode(made(new, GRAIN, key_of(world)))


def rotten(world: World, dice: random.Random, _new: bytes) -> None:
    """A bit of the base has flipped, and the store has not noticed: it copies what it has."""
    key = key_of(world)
    body = bytearray(world.store.objects[key])
    body[dice.randrange(len(body))] ^= 1
    world.store.objects[key] = bytes(body)


def flipping(world: World, dice: random.Random, _new: bytes) -> None:
    """A bit flips in some copies."""

    def copy(body: bytes) -> bytes:
        if dice.random() < 0.5:
            return body
        return body[:-1] + bytes([body[-1] ^ 1])

    world.store.copying = copy


FAULTS = (
    nothing, overwritten, truncated, deleted, archived, without_digests, garbled_digests, lying_digests, rotten,
    flipping,
)  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("checks_crc", [True, False], ids=["strict", "lax"])
def test_what_lies_in_the_target_is_the_disk_or_the_run_says_why_not(fault: Fault, checks_crc: bool) -> None:
    for seed in range(50):
        dice = random.Random(seed)
        world = World(MemoryStore(checks_crc=checks_crc))
        old = disk(dice)
        world.protect(FIRST, old)
        assert world.holds(FIRST) == old
        new = changed(dice, old) or b"x"
        fault(world, dice, new)
        try:
            world.protect(SECOND, new, FIRST)
        except IntegrityError:
            assert fault is not nothing
            assert not checks_crc, "a store that tells what it copied lets it be sent in full"
            continue
        assert world.holds(SECOND) == new, f"seed {seed}"
        assert not world.store.uploads
        assert not world.journal.promised


FEW = PartLimits(smallest=128, largest=2432, most=20, largest_object=48_640, smallest_source=129, copy_wanted=512)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("checks_crc", [True, False], ids=["strict", "lax"])
def test_where_an_object_may_have_few_parts_it_is_the_disk_all_the_same_also_after_a_kill(
    fault: Fault, checks_crc: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "LOOK_AHEAD", 1024)
    joined = 0
    for seed in range(40):
        dice = random.Random(seed)
        world = World(MemoryStore(checks_crc=checks_crc, limits=FEW))
        old = disk(dice)
        world.protect(FIRST, old)
        assert world.holds(FIRST) == old
        new = changed(dice, old) or b"x"
        fault(world, dice, new)
        try:
            killed_and_gone_on(world, dice, new)
        except IntegrityError:
            assert fault is flipping or (not checks_crc and fault is not nothing)
        else:
            assert world.holds(SECOND) == new, f"seed {seed}"
        joined += sum(source.key.startswith(".cloudy/segment/") for _, _, source in world.store.copied)
        for _, key in world.journal.promised:
            abort(world.store, key)
        for _, key in world.journal.objects:
            erase(world.store, key)
        assert not world.store.uploads, f"seed {seed}"
        assert not [key for key in world.store.objects if key.startswith(".cloudy/segment/")], f"seed {seed}"
    assert joined > 40


def killed_and_gone_on(world: World, dice: random.Random, new: bytes) -> None:
    """Protect once more; the process dies in the middle of it, and is started again."""
    world.store.watch = world.journal.watch = CrashAt(dice.randrange(4, 160))
    try:
        world.protect(SECOND, new, FIRST)
    except Crash:
        world.store.watch = world.journal.watch = unwatched
        world.protect(SECOND, new, FIRST)
    finally:
        world.store.watch = world.journal.watch = unwatched


def test_what_did_not_change_does_not_travel() -> None:
    dice = random.Random(7)
    old = dice.randbytes(40 * PART) + bytes(20 * PART) + dice.randbytes(3 * PART + 5)
    world = World(MemoryStore())
    first = world.protect(FIRST, old).moved
    assert first.copied == 0
    assert first.zero >= 19 * PART
    new = bytearray(old)
    new[10 * PART : 11 * PART] = dice.randbytes(PART)
    second = world.protect(SECOND, bytes(new), FIRST).moved
    copied = len(new) - PART - second.zero
    carried = Carried(sent=PART, copied=copied, zero=second.zero)
    assert second == Bytes(
        read=len(new), sent=PART, copied=copied, zero=second.zero, targets={world.store.name: carried}
    )
    del world.store.objects[f"{FIRST}/tintri/{FIRST}/{DISK}"]
    assert world.holds(SECOND) == new


def test_a_base_that_lies_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "_WORTH_DIGESTS", 1)
    dice = random.Random(3)
    old, new = dice.randbytes(20 * PART), dice.randbytes(20 * PART)
    world = World(MemoryStore("s3"))
    world.protect(FIRST, old)
    lying_digests(world, dice, new)
    sent = world.protect(SECOND, new, FIRST)
    assert world.holds(SECOND) == new
    [told] = sent.lost
    assert told.startswith("s3: ")
    assert "damaged" in told
    assert sent.moved.sent == len(new)


@pytest.mark.parametrize("seed", range(10))
def test_two_first_runs_at_once_share_the_zero_object(seed: int) -> None:
    dice, store = random.Random(seed), MemoryStore("s3")
    worlds = {name: World(store) for name in (FIRST, SECOND)}
    disks = {name: dice.randbytes(PART) + bytes(30 * PART) + dice.randbytes(PART) for name in worlds}
    with ThreadPoolExecutor(2) as people:
        sent = list(people.map(lambda name: worlds[name].protect(name, disks[name]), disks))
    assert all(each.moved.zero and not each.lost for each in sent)
    assert all(worlds[name].holds(name) == disks[name] for name in disks)
    assert not store.uploads


def test_a_damaged_zero_object_is_made_anew() -> None:
    world, content = World(MemoryStore("s3")), b"x" * PART + bytes(30 * PART) + b"y"
    world.protect(FIRST, content)
    for key in [key for key in world.store.objects if key.startswith(".cloudy/zero/")]:
        world.store.objects[key] = b"\1" * len(world.store.objects[key])
    second = world.protect(SECOND, content)
    assert world.holds(SECOND) == content
    assert second.moved.zero
    assert not second.lost


def test_whatever_refuses_a_copy_the_file_is_sent_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(5)
    old = dice.randbytes(20 * PART)
    world = World(MemoryStore("s3"))
    world.protect(FIRST, old)

    def refuse(*_args: object, **_named: object) -> None:
        raise DeniedError("the key of the old object may not be used")

    monkeypatch.setattr(world.store, "copy_part", refuse)
    sent = world.protect(SECOND, old, FIRST)
    assert world.holds(SECOND) == old
    assert sent.lost
    assert not world.store.uploads


def test_a_rotten_base_is_found_also_where_the_store_tells_no_checksum() -> None:
    dice = random.Random(6)
    old = dice.randbytes(20 * PART)
    world = World(MemoryStore("s3", checks_crc=False))
    world.protect(FIRST, old)
    rotten(world, dice, old)
    assert world.protect(SECOND, old, FIRST).lost
    assert world.holds(SECOND) == old


def test_a_base_of_another_grain_is_compared_by_its_own() -> None:
    dice = random.Random(8)
    old = dice.randbytes(40 * PART)
    world = World(MemoryStore("s3"))
    world.protect(FIRST, old)
    world.grain = 2 * GRAIN
    second = world.protect(SECOND, old, FIRST).moved
    assert second.copied == len(old)
    assert world.holds(SECOND) == old
