"""Copies of files that keep their holes, whole or growing step by step."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 8 << 20


def files_below(folder: Path) -> list[str]:
    """Paths of all files below the folder, relative to it, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def copy_tree(source: Path, target: Path) -> None:
    """Copy all files below source into target, which must not exist."""
    make_folders(source, target)
    for name in files_below(source):
        copy_range(source / name, target / name, 0, (source / name).stat().st_size)
        shutil.copystat(source / name, target / name)


def make_folders(source: Path, target: Path) -> None:
    """Make target and in it every folder that source has."""
    target.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        if path.is_dir():
            (target / path.relative_to(source)).mkdir()


@dataclass(frozen=True, slots=True)
class Slice:
    """A range of one file that is to be copied."""

    name: str
    start: int
    end: int
    is_last: bool


def slices(source: Path, count: int) -> list[Slice]:
    """Cut the files below source into about count slices and one a file; smallest file first.

    Small files first, so that a half-made copy looks as whole as it can: its definition is there, its disks are not.
    """
    sizes = {name: (source / name).stat().st_size for name in files_below(source)}
    step = max(sum(sizes.values()) // max(count, 1), 1 << 16)
    return [
        Slice(name, start, min(start + step, size), start + step >= size)
        for name, size in sorted(sizes.items(), key=lambda item: (item[1], item[0]))
        for start in range(0, max(size, 1), step)
    ]


def copy_slice(source: Path, target: Path, part: Slice) -> None:
    """Copy one slice; FileNotFoundError when target's folder was removed meanwhile."""
    copy_range(source / part.name, target / part.name, part.start, part.end)
    if part.is_last:
        shutil.copystat(source / part.name, target / part.name)


def copy_range(source: Path, target: Path, start: int, end: int) -> None:
    """Copy the data between start and end into target, which is made if needed and is at least end long afterwards."""
    source_fd = os.open(source, os.O_RDONLY)
    try:
        # The first slice makes the file. A later one does not: whoever removed it wants it gone.
        target_fd = os.open(target, os.O_WRONLY | (os.O_CREAT if start == 0 else 0), 0o644)
        try:
            for data, hole in _data(source_fd, start, end):
                _copy_bytes(source_fd, target_fd, data, hole)
            if os.fstat(target_fd).st_size < end:
                os.ftruncate(target_fd, end)
        finally:
            os.close(target_fd)
    finally:
        os.close(source_fd)


def _data(fd: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Ranges of data (not holes) between start and end."""
    offset = start
    while offset < end:
        try:
            data = os.lseek(fd, offset, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            return
        if data >= end:
            return
        offset = min(os.lseek(fd, data, os.SEEK_HOLE), end)
        yield data, offset


def _copy_bytes(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        length = min(end - start, _CHUNK)
        try:
            copied = os.copy_file_range(source, target, length, start, start)
        except OSError:  # a file system that cannot
            copied = os.pwrite(target, os.pread(source, length, start), start)
        if copied == 0:  # the file was cut short meanwhile
            return
        start += copied
