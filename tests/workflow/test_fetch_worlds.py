"""Random worlds of disks, damage and deaths: a file gets its name only if it is the disk, byte for byte."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from bot import digests, landing
from bot.checksum import crc64
from bot.digests import Digests
from bot.errors import CloudyError, IntegrityError, PermanentError, TransientError
from bot.model import StoredFile
from tests.memory import Crash, CrashAt, MemoryShare, MemoryStore, Watch
from tests.unit.test_digests import made
from tests.workflow.restored import FOLDER, GRAIN, Restore, stored
from tests.workflow.test_fetch import reborn
from tests.workflow.test_worlds import changed, disk

GRAINS = (GRAIN, GRAIN, 16, 512, 0)
Contents = dict[str, bytes]


class World:
    """A recovery point, a place to restore it to, and what happens meanwhile."""

    def __init__(self, dice: random.Random, *, checks_crc: bool) -> None:
        names = ["vm01/vm01-flat.vmdk", "vm01/vm01.nvram", "vm01/x/vm01.vmx"][: dice.randrange(1, 4)]
        self.contents: Contents = {name: disk(dice) if dice.random() < 0.9 else b"" for name in names}
        store = MemoryStore("s3")
        files = stored(store, self.contents, grain=dice.choice(GRAINS))
        store._checks_crc = checks_crc  # what it is told of is what it says, though it has other bytes
        self.restore = Restore(files, store)
        self.older: dict[str, str] = {}
        if dice.random() < 0.4:
            for name in names:
                self.older[name] = f"vms/{name}"
                self.share.files[self.older[name]] = changed(dice, self.contents[name])
        self.threads = dice.choice((1, 2, 3))

    @property
    def share(self) -> MemoryShare:
        assert isinstance(self.restore.share, MemoryShare)
        return self.restore.share

    @property
    def store(self) -> MemoryStore:
        return self.restore.store

    @property
    def files(self) -> Sequence[StoredFile]:
        return self.restore.files

    def run(self) -> None:
        self.restore.run(older=self.older, threads=self.threads)

    def named(self) -> Contents:
        """What has its final name."""
        inside = f"{FOLDER}/"
        found = {path.removeprefix(inside): body for path, body in self.share.files.items() if path.startswith(inside)}
        return {name: body for name, body in found.items() if not name.endswith(".part")}

    def is_honest(self) -> None:
        """Whatever has its name is what was protected; nothing lies elsewhere; old copies are what they were."""
        assert all(self.contents[name] == body for name, body in self.named().items())
        elsewhere = {path for path in self.share.files if not path.startswith(f"{FOLDER}/")}
        assert elsewhere == set(self.older.values())

    def is_whole(self) -> None:
        assert self.named() == self.contents
        assert not [path for path in self.share.files if path.endswith(".part")]


Fault = Callable[[World, random.Random], None]


def largest(world: World) -> StoredFile:
    return max(world.files, key=lambda file: file.size)


def edited(world: World, key: str, body: bytes) -> None:
    """As rot does: neither etag nor what the store says of it changes."""
    world.store.objects[key] = body


def nothing(_world: World, _dice: random.Random) -> None:
    """All is well."""


def flipped(world: World, dice: random.Random) -> None:
    file = largest(world)
    body = bytearray(world.store.objects[file.key])
    if body:
        body[dice.randrange(len(body))] ^= 1 << dice.randrange(8)
    edited(world, file.key, bytes(body))


def truncated(world: World, dice: random.Random) -> None:
    file = largest(world)
    edited(world, file.key, world.store.objects[file.key][: dice.randrange(max(1, file.size))])


def grown(world: World, dice: random.Random) -> None:
    file = largest(world)
    edited(world, file.key, world.store.objects[file.key] + dice.randbytes(dice.randrange(1, 99)))


def missing(world: World, dice: random.Random) -> None:
    del world.store.objects[dice.choice(world.files).key]


def replaced(world: World, dice: random.Random) -> None:
    file = largest(world)
    world.store.overwrite(file.key, dice.randbytes(file.size))


def replaced_meanwhile(world: World, dice: random.Random) -> None:
    file, after = largest(world), dice.randrange(6)

    def giving(body: bytes) -> bytes:
        if len(world.store.given) == after:
            world.store.overwrite(file.key, bytes(reversed(world.store.objects[file.key])))
        return body

    world.store.giving = giving


def swapped(world: World, dice: random.Random) -> None:
    """Two grains of the object have changed places: length and, with luck, a weaker checksum stay."""
    file = largest(world)
    body = bytearray(world.store.objects[file.key])
    one, other = dice.randrange(len(body) + 1) // GRAIN * GRAIN, dice.randrange(len(body) + 1) // GRAIN * GRAIN
    length = min(GRAIN, len(body) - max(one, other))
    body[one : one + length], body[other : other + length] = body[other : other + length], body[one : one + length]
    edited(world, file.key, bytes(body))


def digests_gone(world: World, _dice: random.Random) -> None:
    for file in world.files:
        world.store.objects.pop(file.digests, None)


def digests_garbled(world: World, dice: random.Random) -> None:
    key = largest(world).digests
    if key:
        body = bytearray(world.store.objects[key])
        body[dice.randrange(len(body))] ^= 0x55
        edited(world, key, bytes(body))


def digests_lie(world: World, dice: random.Random) -> None:
    """Of the same object and size, whole and well-formed, but of a disk that is all zeros in places."""
    file = largest(world)
    if file.digests and file.size:
        content = bytearray(world.contents[file.name])
        at = dice.randrange(len(content))
        content[at : at + 200] = bytes(len(content[at : at + 200]))
        edited(world, file.digests, digests.encode(made(bytes(content), GRAIN, file.key)))


def digests_lie_well(world: World, dice: random.Random) -> None:
    """The CRCs are right and the strong digests are not."""
    file = largest(world)
    if file.digests and file.size:
        honest = made(world.contents[file.name], GRAIN, file.key)
        body = bytearray(honest.body)
        body[dice.randrange(len(honest)) * 24] ^= 1
        told = Digests(key=file.key, size=file.size, grain=GRAIN, body=bytes(body))
        edited(world, file.digests, digests.encode(told))


def digests_of_another(world: World, _dice: random.Random) -> None:
    file = largest(world)
    if file.digests:
        told = made(bytes(reversed(world.contents[file.name])), GRAIN, "somewhere/else")
        edited(world, file.digests, digests.encode(told))


def wire_flips(world: World, dice: random.Random) -> None:
    def giving(body: bytes) -> bytes:
        if not body or dice.random() < 0.8:
            return body
        spoilt = bytearray(body)
        spoilt[dice.randrange(len(body))] ^= 1
        return bytes(spoilt)

    world.store.giving = giving


def network_fails(world: World, dice: random.Random) -> None:
    chance = dice.choice((0.02, 0.2))

    def watch(call: str) -> None:
        if call in ("s3.get_into", "s3.head", "s3.get") and dice.random() < chance:
            raise TransientError("the network is down")

    world.restore.watch(watch)


def share_fails(world: World, dice: random.Random) -> None:
    chance = dice.choice((0.02, 0.2))

    def watch(call: str) -> None:
        if call.startswith("share.") and dice.random() < chance:
            raise dice.choice((TransientError("the share is away"), PermanentError("the share is full")))

    world.restore.watch(watch)


def manifest_lies(world: World, dice: random.Random) -> None:
    """Of another size or checksum than the object has."""
    files = list(world.files)
    at = files.index(largest(world))
    lie = {"size": files[at].size + 1} if dice.random() < 0.5 else {"crc64": files[at].crc64 ^ 1}
    files[at] = replace(files[at], **lie)  # type: ignore[arg-type] # both are numbers
    world.restore.files = files


FAULTS: tuple[Fault, ...] = (
    nothing, flipped, truncated, grown, missing, replaced, replaced_meanwhile, swapped, digests_gone, digests_garbled,
    digests_lie, digests_lie_well, digests_of_another, wire_flips, network_fails, share_fails, manifest_lies,
)  # fmt: skip
HARMLESS = (nothing, digests_gone, digests_garbled, digests_lie, digests_of_another)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "FLUSH_BYTES", 700)


def dying(dice: random.Random, inner: Watch) -> Watch:
    """The process dies at some call; one that is dead calls nothing any more."""
    left = dice.randrange(1, 120)

    def watch(call: str) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            raise Crash(call)
        inner(call)

    return watch


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("checks_crc", [True, False], ids=["strict", "lax"])
def test_what_has_its_name_is_the_disk_whatever_is_damaged_and_whenever_it_dies(fault: Fault, checks_crc: bool) -> None:
    good = 0
    for seed in range(15):
        dice = random.Random(seed)
        world = World(dice, checks_crc=checks_crc)
        fault(world, dice)
        inner = world.store.watch
        world.restore.watch(dying(dice, inner) if dice.random() < 0.7 else inner)
        for _ in range(3):
            try:
                world.run()
                good += 1
                break
            except Crash:
                world.is_honest()
                reborn(world.restore)
                world.restore.watch(inner)
            except CloudyError:
                world.is_honest()
                if fault in HARMLESS:
                    raise
        else:
            continue
        world.is_honest()
        world.is_whole()
        assert fault is not missing, f"seed {seed}"
    assert good == 15 or fault not in HARMLESS


@pytest.mark.parametrize("checks_crc", [True, False], ids=["strict", "lax"])
def test_what_was_damaged_and_is_repaired_is_restored(checks_crc: bool) -> None:
    for seed in range(20):
        dice = random.Random(seed)
        world = World(dice, checks_crc=checks_crc)
        objects = dict(world.store.objects)
        dice.choice((flipped, truncated, swapped, missing, wire_flips))(world, dice)
        for _ in range(2):
            try:
                world.run()
            except IntegrityError:
                world.is_honest()
        world.store.objects, world.store.giving = objects, bytes
        world.run()
        world.is_whole()


def test_a_restore_that_dies_again_and_again_ends_some_time() -> None:
    for seed in range(15):
        dice = random.Random(seed)
        world = World(dice, checks_crc=True)
        for _ in range(400):
            world.restore.watch(dying(random.Random(dice.random()), lambda _call: None))
            try:
                world.run()
                break
            except Crash:
                world.is_honest()
                reborn(world.restore)
        else:
            pytest.fail(f"seed {seed}: it never ends")
        world.is_whole()


def test_each_file_is_fetched_by_what_its_manifest_says_of_its_content() -> None:
    """The same key with other content, and the manifest that belongs to it: nothing is kept from before."""
    dice = random.Random(3)
    world = World(dice, checks_crc=True)
    world.restore.watch(CrashAt(20))
    with pytest.raises(Crash):
        world.run()
    reborn(world.restore)
    fresh = {name: bytes(reversed(body)) for name, body in world.contents.items()}
    world.restore.files = stored(world.store, fresh, grain=0)
    world.contents = fresh
    assert all(file.crc64 == crc64(fresh[file.name]) for file in world.files)
    world.run()
    world.is_whole()
