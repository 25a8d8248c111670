"""The memory of a transfer does not grow with the disk: scaled down, a window of 16 MiB is 1 KiB, and parts are few."""

from collections.abc import Callable

import pytest

from bot import transfer, zeros
from bot.arena import MOST, Arena, Lease
from bot.model import Capabilities, PartLimits, SourceFile
from bot.ports import Reader
from bot.transfer import TransferSettings, send
from tests.memory import MemoryJournal, MemoryShare, MemoryStore

WINDOW = 1 << 10
GRAIN = WINDOW // 4
PARTS = 150
# As on S3 to a window: the shortest part 5/16 of it. The longest is what the shortest allows a segment to be.
LIMITS = PartLimits(
    smallest=5 * WINDOW // 16, largest=(PARTS - 1) * 2 * GRAIN, most=PARTS, largest_object=PARTS * PARTS * 2 * GRAIN,
    smallest_source=5 * WINDOW // 16 + 1, copy_wanted=8 * WINDOW,
)  # fmt: skip
ID = "20261123T142233Z-7f3k9q"
PATH = f"{ID}/vm01/vm01-flat.vmdk"


class Generated(Reader):
    """A disk that nobody keeps: each grain has its own bytes, or zeros."""

    def __init__(self, size: int, is_zero: Callable[[int], bool]) -> None:
        self.size = size
        self._is_zero = is_zero

    def read_into(self, offset: int, buffer: memoryview) -> None:
        for at in range(0, len(buffer), GRAIN):
            position, length = (offset + at) // GRAIN, min(GRAIN, len(buffer) - at)
            grain = bytes(GRAIN) if self._is_zero(position) else (position + 1).to_bytes(8, "little") * (GRAIN // 8)
            buffer[at : at + length] = grain[:length]

    def close(self) -> None:
        """Nothing is held."""


class GeneratedShare(MemoryShare):
    """One such disk."""

    def __init__(self, disk: Generated) -> None:
        super().__init__({})
        self._disk = disk

    def open(self, path: str) -> Reader:
        return self._disk


class CountedArena(Arena):
    """Knows how many windows there were at once."""

    peak = 0

    def take_now(self, lease: Lease) -> bytearray | None:
        found = super().take_now(lease)
        self.peak = max(self.peak, sum(each.held for each in self._leases))
        return found


class Copyless(MemoryStore):
    """A store that copies nothing."""

    def capabilities(self) -> Capabilities:
        return Capabilities(checks_crc=True)


@pytest.fixture(autouse=True)
def scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "LOOK_AHEAD", 2 * WINDOW)
    monkeypatch.setattr(zeros, "SIZES", (WINDOW // 2, 16 * WINDOW, 320 * WINDOW))


def sent(arena: Arena, store: MemoryStore, size: int, is_zero: Callable[[int], bool]) -> None:
    file = SourceFile(path=PATH, name="vm01/vm01-flat.vmdk", key=f"{ID}/tintri/{PATH}", size=size)
    disk = Generated(size, is_zero)
    settings = TransferSettings(threads=2, grain=GRAIN, part_bytes=WINDOW, arena=arena)
    send(
        [file], share=GeneratedShare(disk), targets=[store], journal=MemoryJournal(), settings=settings,
        check=lambda: None, on_progress=lambda _: None,
    )  # fmt: skip
    expected = bytearray(size)
    disk.read_into(0, memoryview(expected))
    assert store.objects[file.key] == expected
    assert not [key for key in store.objects if key.startswith(".cloudy/segment/")]


# Windows that a part would be long without segments: those of a disk of 2 TiB on S3, and of 10 TiB.
@pytest.mark.parametrize("ratio", [13, 67], ids=["2 TiB", "10 TiB"])
@pytest.mark.parametrize("shared", [1, MOST], ids=["what it was promised", "all"])
@pytest.mark.parametrize("is_zero", [lambda _: False, lambda at: at % 7 < 2], ids=["all new", "scattered"])
def test_a_disk_is_sent_in_as_many_windows_as_a_small_one(
    ratio: int, shared: int, is_zero: Callable[[int], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    arena, store = CountedArena(shared, window=WINDOW), MemoryStore("s3", limits=LIMITS)
    monkeypatch.setattr(transfer, "Arena", None)  # none of its own is made
    sent(arena, store, ratio * PARTS * WINDOW, is_zero)
    assert arena.peak <= MOST
    assert any(source.key.startswith(".cloudy/segment/") for _, _, source in store.copied)


def test_without_copies_parts_are_as_long_as_they_have_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    arenas: list[CountedArena] = []

    def made(windows: int, window: int) -> CountedArena:
        arenas.append(CountedArena(windows, window))
        return arenas[-1]

    monkeypatch.setattr(transfer, "Arena", made)
    store = Copyless("s3", limits=LIMITS)
    sent(CountedArena(MOST, window=WINDOW), store, 13 * PARTS * WINDOW, lambda _: False)
    [own] = arenas
    assert own.peak > MOST
