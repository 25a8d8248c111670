"""A mounted share does not read what was never written, and all where the file system is not to be believed."""

import errno
import os
import random
from pathlib import Path

import pytest

from bot.errors import IntegrityError
from bot.ports import Share
from integrations.shares import OPENERS, holes

KIB, MIB = 1 << 10, 1 << 20


class Reads:
    """Counts the bytes that are really read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.total = 0
        read = os.preadv

        def counted(descriptor: int, buffers: list[memoryview], offset: int) -> int:
            got = read(descriptor, buffers, offset)
            self.total += got
            return got

        monkeypatch.setattr(os, "preadv", counted)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


def written(path: Path, size: int, pieces: dict[int, bytes]) -> bytes:
    """A sparse file, and what it holds."""
    content = bytearray(size)
    with path.open("wb") as file:
        file.truncate(size)
        for offset, piece in pieces.items():
            file.seek(offset)
            file.write(piece)
            content[offset : offset + len(piece)] = piece
    return bytes(content)


def read(share: Share, size: int, step: int) -> bytes:
    """All of the file; what the memory held before must not be seen."""
    content = bytearray(b"\xaa") * size
    reader = share.open("disk")
    try:
        for offset in range(0, size, step):
            with memoryview(content)[offset : offset + step] as piece:
                reader.read_into(offset, piece)
    finally:
        reader.close()
    return bytes(content)


@pytest.fixture
def share(tmp_path: Path) -> Share:
    return OPENERS["path"](f"path:{tmp_path}", export="/tintri")


def test_holes_are_zeros_that_are_not_read(share: Share, tmp_path: Path, reads: Reads) -> None:
    data = {0: b"boot", 20 * MIB: random.Random(1).randbytes(MIB), 40 * MIB + 5: b"x"}
    content = written(tmp_path / "disk", 64 * MIB + 3, data)
    assert read(share, len(content), MIB) == content
    assert MIB <= reads.total <= 4 * MIB


@pytest.mark.parametrize("step", [4 * KIB, 64 * KIB + 1, 3 * MIB])
def test_whatever_lies_where_the_bytes_are_right(share: Share, tmp_path: Path, step: int) -> None:
    dice = random.Random(step)
    pieces = {dice.randrange(8 * MIB): dice.randbytes(dice.randrange(1, 70 * KIB)) for _ in range(12)}
    content = written(tmp_path / "disk", 8 * MIB + 100 * KIB, pieces)
    assert read(share, len(content), step) == content


def test_an_empty_disk_is_hardly_read(share: Share, tmp_path: Path, reads: Reads) -> None:
    content = written(tmp_path / "disk", 64 * MIB, {})
    assert read(share, len(content), MIB) == content
    assert reads.total == 0


@pytest.mark.parametrize("at", [0, 8 * MIB, 16 * MIB - 4])
def test_a_file_system_that_tells_holes_where_there_is_something_is_not_believed(
    share: Share, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    content = written(tmp_path / "disk", 16 * MIB, {at: b"data"})
    seek = os.lseek

    def lying(descriptor: int, offset: int, how: int) -> int:
        if how == os.SEEK_DATA:
            raise OSError(errno.ENXIO, "no data")
        return seek(descriptor, offset, how)

    monkeypatch.setattr(os, "lseek", lying)
    assert read(share, len(content), 16 * MIB) == content


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP, errno.EIO])
def test_where_nothing_is_told_everything_is_read(
    share: Share, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: Reads, code: int
) -> None:
    content = written(tmp_path / "disk", 4 * MIB, {MIB: b"data"})

    def silent(_descriptor: int, _offset: int, _how: int) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "lseek", silent)
    assert read(share, len(content), MIB) == content
    assert reads.total == len(content)


def test_a_sparse_file_that_ends_early_is_not_taken_for_a_hole(share: Share, tmp_path: Path) -> None:
    written(tmp_path / "disk", 8 * MIB, {})
    reader = share.open("disk")
    os.truncate(tmp_path / "disk", 3 * MIB)
    reader.read_into(0, memoryview(bytearray(2 * MIB)))
    for offset in (2 * MIB, 4 * MIB):
        with pytest.raises(IntegrityError, match="shorter than announced"):
            reader.read_into(offset, memoryview(bytearray(2 * MIB)))
    reader.close()


def test_a_hole_is_not_remembered_of_a_file_that_was_cut_or_written_since(share: Share, tmp_path: Path) -> None:
    written(tmp_path / "disk", 8 * MIB, {})
    reader = share.open("disk")
    content = bytearray(MIB)
    reader.read_into(0, memoryview(content))
    with (tmp_path / "disk").open("r+b") as file:
        file.seek(2 * MIB)
        file.write(b"x" * 4096)
    reader.read_into(2 * MIB, memoryview(content))
    assert content[:5] == b"xxxxx"
    os.truncate(tmp_path / "disk", 3 * MIB)
    with pytest.raises(IntegrityError, match="shorter than announced"):
        reader.read_into(4 * MIB, memoryview(content))
    reader.close()


def test_what_was_found_to_lie_once_is_not_believed_again_by_another_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "disk", 8 * MIB, {4 * MIB: b"x" * 4096})
    known, asked = holes.Holes(), []

    def empty(descriptor: int, begin: int, _end: int) -> bool:
        asked.append(begin)
        if begin == 0:  # while the first hole is looked at, somebody else finds that the second is none
            assert not known.covers(descriptor, 5 * MIB, MIB)
        return begin == 0

    monkeypatch.setattr(holes, "_is_empty", empty)
    with (tmp_path / "disk").open("rb") as file:
        assert not known.covers(file.fileno(), 0, MIB)
        assert not known.covers(file.fileno(), MIB, MIB)
    assert asked == [0, 5 * MIB]
