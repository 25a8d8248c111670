"""The files that are sent: what a disk looks like, and what becomes of it until the next time."""

import os
import random
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

from bot.checksum import crc64

MIB = 1 << 20
ALIGNED = 4096  # where guests begin to write
GRANULE = 64 << 10  # of the tables that sink.c reads
_PIECE = 4 * MIB


def places(size: int, share: float, run: int, seed: int) -> list[int]:
    """Where stretches of one length begin that are so much of a file together, by chance; one at least.

    All arrangements are equally likely; none overlap, though two may touch.
    """
    count = max(1, round(size * share / run))
    free = (size - count * run) // ALIGNED
    if free < 0:
        raise ValueError(f"{count} stretches of {run} bytes do not fit into {size}")
    chance = random.Random(seed)
    gaps = sorted(chance.randint(0, free) for _ in range(count))
    return [gap * ALIGNED + number * run for number, gap in enumerate(gaps)]


def make_random(path: Path, size: int) -> None:
    """A file without a zero page."""
    with path.open("wb") as file:
        for length in _lengths(size):
            file.write(os.urandom(length))


def make_sparse(path: Path, size: int, begins: Sequence[int], run: int) -> None:
    """A file that is zero but for some stretches."""
    path.write_bytes(b"")  # also what it was before is gone
    os.truncate(path, size)
    change(path, begins, run)


def change(path: Path, begins: Sequence[int], run: int) -> None:
    """Write other bytes there."""
    with path.open("r+b") as file:
        for begin in begins:
            file.seek(begin)
            for length in _lengths(run):
                file.write(os.urandom(length))


def make_small(folder: Path, count: int, size: int) -> None:
    """Files like those beside the disks."""
    folder.mkdir()
    for number in range(count):
        (folder / f"file-{number:03}").write_bytes(os.urandom(size))


def warm(path: Path) -> None:
    """Have all of it in the page cache, and nothing left to be written."""
    os.sync()
    for each in [path, *path.rglob("*")]:
        if each.is_file():
            _read(each)


def prefixes(path: Path) -> bytes:
    """The CRCs of the first 0, 64 Ki, 128 Ki ... bytes and of all, as sink.c reads them."""
    values = array("Q", [0])
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            for at in range(0, len(piece), GRANULE):
                values.append(crc64(memoryview(piece)[at : at + GRANULE], values[-1]))
    return values.tobytes()


def _read(path: Path) -> None:
    buffer = bytearray(_PIECE)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def _lengths(size: int) -> Iterator[int]:
    return (min(_PIECE, size - at) for at in range(0, size, _PIECE))
