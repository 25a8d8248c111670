"""Random worlds of VMs of one template: whatever becomes of their recovery points, what is made of another is right."""

import random
from collections.abc import Sequence

import pytest

from bot import bases, lane, zeros
from bot.arena import Arena
from bot.errors import IntegrityError
from bot.model import CopySource, PartCopied, PartLimits, SourceFile, Upload
from bot.transfer import Sent, TransferSettings, send
from tests.memory import MemoryIndex, MemoryJournal, MemoryShare, MemoryStore
from tests.workflow.test_worlds import (
    DISK,
    FAULTS,
    FIRST,
    GRAIN,
    SECOND,
    Fault,
    World,
    changed,
    disk,
    flipping,
    nothing,
    rotten,
)

THIRD = "20261122T142233Z-6e2h8p"
KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "_WORTH_DIGESTS", 1)
    monkeypatch.setattr(zeros, "SIZES", (1024, 8192, 65536))


def known(dice: random.Random) -> tuple[Sequence[str], bool]:
    """What is told of the relatives, and whether there is an index."""
    return dice.choice([((FIRST, THIRD), False), ((THIRD, FIRST), True), ((), True), ((FIRST,), True)])


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("checks_crc", [True, False], ids=["strict", "lax"])
def test_what_lies_in_the_target_is_the_disk_or_the_run_says_why_not(fault: Fault, checks_crc: bool) -> None:
    for seed in range(50):
        dice = random.Random(seed)
        world = World(MemoryStore(checks_crc=checks_crc))
        template = disk(dice)
        world.protect(THIRD, changed(dice, template) or b"x")
        world.protect(FIRST, changed(dice, template) or b"x")
        new = changed(dice, template) or b"x"
        fault(world, dice, new)
        points, has_index = known(dice)
        world.index = MemoryIndex(world.journal) if has_index else None
        try:
            world.protect(SECOND, new, *points)
        except IntegrityError:
            assert fault is not nothing
            assert not checks_crc, "a store that tells what it copied lets it be sent in full"
            continue
        assert world.holds(SECOND) == new, f"seed {seed}"
        assert not world.store.uploads
        assert not world.journal.promised


def clones(dice: random.Random, count: int, grains: int = 400) -> list[bytes]:
    """Disks of one template, each with a few grains of its own."""
    template, found = dice.randbytes(grains * GRAIN // 2) + bytes(grains * GRAIN // 2), []
    for _ in range(count):
        body = bytearray(template)
        for _ in range(4):
            at = dice.randrange(grains - 2) * GRAIN
            body[at : at + GRAIN] = dice.randbytes(GRAIN)
        found.append(bytes(body))
    return found


@pytest.mark.parametrize("told", [(FIRST, THIRD), ()], ids=["relatives are told", "only the index knows"])
def test_one_that_is_lost_costs_only_what_no_other_has(told: Sequence[str]) -> None:
    """It is found out in the middle, by a copy that the store tells another checksum of."""
    one, other, new = clones(random.Random(1), 3)
    world = World(MemoryStore("s3"))
    world.protect(THIRD, other)
    world.protect(FIRST, one)
    world.index = MemoryIndex(world.journal)
    copy = world.store.copy_part

    def rot(upload: Upload, number: int, source: CopySource, *, crc64: int) -> PartCopied:
        world.store.copying = (lambda body: body[:-1] + b"!") if source.key.startswith(FIRST) else bytes
        return copy(upload, number, source, crc64=crc64)

    world.store.copy_part = rot  # type: ignore[method-assign]
    sent = world.protect(SECOND, new, *told)
    assert world.holds(SECOND) == new
    [lost] = sent.lost
    assert FIRST in lost
    assert sent.moved.sent < len(new) * 0.1
    assert world.index.pinned == ([] if told else [FIRST, THIRD])


def test_when_all_are_lost_everything_is_sent() -> None:
    one, other, new = clones(random.Random(2), 3)
    world = World(MemoryStore("s3"))
    world.protect(THIRD, other)
    world.protect(FIRST, one)
    world.store.copying = lambda body: body[:-1] + bytes([body[-1] ^ 1])
    sent = world.protect(SECOND, new, FIRST, THIRD)
    assert world.holds(SECOND) == new
    assert 2 <= len(sent.lost) <= 4  # several may be found in one turn
    assert any(FIRST in told or THIRD in told for told in sent.lost)
    assert sent.moved.sent >= len(new)


def test_what_is_about_to_be_deleted_is_not_found() -> None:
    one, other, new = clones(random.Random(3), 3)
    world = World(MemoryStore("s3"))
    world.protect(THIRD, other)
    world.protect(FIRST, one)
    world.index = index = MemoryIndex(world.journal)
    index.going = {FIRST}
    assert world.protect(SECOND, new).moved.sent < len(new) * 0.1
    assert index.pinned == [THIRD]
    assert {source.key.partition("/")[0] for _, _, source in world.store.copied[-3:]} <= {THIRD, ".cloudy"}


def test_of_many_vms_of_one_template_little_travels_though_nobody_tells_that_they_are() -> None:
    disks = clones(random.Random(4), 30)
    world = World(MemoryStore("s3"))
    world.index = MemoryIndex(world.journal)
    sent = [world.protect(f"202611{at:02}T142233Z-6e2h8p", content).moved.sent for at, content in enumerate(disks, 1)]
    assert sent[0] == len(disks[0]) // 2 or sent[0] > len(disks[0]) * 0.4
    assert max(sent[1:]) < len(disks[0]) * 0.1
    for at, content in enumerate(disks, 1):
        assert world.holds(f"202611{at:02}T142233Z-6e2h8p") == content


def test_at_the_sizes_of_a_real_store_a_clone_costs_its_own_windows_of_five_mib() -> None:
    dice = random.Random(5)
    template = bytearray(dice.randbytes(96 * MIB))
    world = World(MemoryStore("s3", limits=PartLimits()), grain=0, arena=Arena(10, 16 * MIB), part=16 * MIB)
    world.index = MemoryIndex(world.journal)
    assert world.protect(FIRST, bytes(template)).moved.sent == len(template)
    template[50 * MIB : 50 * MIB + 100] = dice.randbytes(100)
    assert world.protect(SECOND, bytes(template)).moved.sent == 5 * MIB
    assert world.holds(SECOND) == bytes(template)


def test_where_changes_are_small_a_store_of_small_blocks_is_compared_by_a_finer_grain() -> None:
    dice, body = random.Random(6), bytearray(random.Random(7).randbytes(32 * MIB))
    world = World(MemoryStore("azure"), grain=0, arena=Arena(8, 16 * MIB), part=16 * MIB)
    points = [f"2026112{at}T142233Z-6e2h8p" for at in range(1, 6)]
    sent = []
    for point, before in zip(points, ["", *points], strict=False):
        sent.append(world.protect(point, bytes(body), *filter(None, [before])).moved.sent)
        assert world.holds(point) == bytes(body)
        for place in dice.sample(range(0, 32 * 4, 2), 40):
            body[place * 256 * KIB + 5000 : place * 256 * KIB + 6000] = dice.randbytes(1000)
    assert sent[0] == len(body)
    assert sent[1] == sent[2] == 40 * 256 * KIB
    assert sent[3] == sent[4] == 40 * 64 * KIB


class Pair:
    """Two targets, of which one takes parts of any length."""

    def __init__(self) -> None:
        self.s3, self.azure = MemoryStore("s3", limits=PartLimits()), MemoryStore("azure")
        self.journal = MemoryJournal()
        self.share = MemoryShare({})

    def send(self, point: str, content: bytes, bases_of: dict[str, Sequence[str]], *targets: MemoryStore) -> Sent:
        path = f"{point}/{DISK}"
        self.share = MemoryShare({path: content})
        file = SourceFile(path=path, name=DISK, key=f"{point}/tintri/{path}", size=len(content))
        settings = TransferSettings(arena=Arena(8, 16 * MIB), compare=bases.Bases(bases_of).compare)
        sent = send(
            [file], share=self.share, targets=targets, journal=self.journal, settings=settings, check=lambda: None,
            on_progress=lambda _moved: None,
        )  # fmt: skip
        for target in targets:
            World(target)._commit(point, sent.stored[target.name])
            assert target.objects[file.key] == content
        return sent


def test_two_targets_whose_grains_differ_are_each_compared_by_their_own_in_one_read() -> None:
    dice, pair = random.Random(8), Pair()
    body = bytearray(dice.randbytes(40 * MIB))
    pair.send(FIRST, bytes(body), {}, pair.s3)
    pair.send(THIRD, bytes(body), {}, pair.azure)
    body[20 * MIB] ^= 1
    sent = pair.send(SECOND, bytes(body), {"s3": [FIRST], "azure": [THIRD]}, pair.s3, pair.azure)
    assert sent.moved.read == 40 * MIB
    assert sent.moved.sent == 5 * MIB + 256 * KIB
    assert sent.moved.copied == 80 * MIB - sent.moved.sent
    assert sum(length for _, _, length in pair.share.reads) == 40 * MIB


def test_a_target_that_is_added_changes_nothing_for_the_other() -> None:
    dice, pair = random.Random(9), Pair()
    body = dice.randbytes(40 * MIB)
    pair.send(FIRST, body, {}, pair.s3)
    sent = pair.send(SECOND, body, {"s3": [FIRST]}, pair.s3, pair.azure)
    assert (sent.moved.sent, sent.moved.copied) == (40 * MIB, 40 * MIB)


def test_the_faults_are_those_of_a_base() -> None:
    """The index finds what lies in the target, rotten or not; what it copies is proven all the same."""
    one, other, new = clones(random.Random(10), 3)
    for fault in (rotten, flipping):
        world = World(MemoryStore("s3"))
        world.protect(THIRD, other)
        world.protect(FIRST, one)
        world.index = MemoryIndex(world.journal)
        fault(world, random.Random(1), new)
        world.protect(SECOND, new)
        assert world.holds(SECOND) == new
