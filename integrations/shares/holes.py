"""Stretches of a file that were never written, as its file system tells them: they are zeros without being read.

ext4, xfs, btrfs and NFS 4.2 tell them; NFS 3 and 4.1, which a VMstore speaks, take everything for data (lseek(2)).
"""

import errno
import os
from typing import NamedTuple

_SAMPLE = 4096  # bytes that are read at both ends of a hole and in the middle, before it is believed


class _Known(NamedTuple):
    """The last stretches of each kind that were told, from and to, of a file that has not changed since."""

    version: tuple[int, int] = (0, 0)  # its size, and when it was last written
    hole: tuple[int, int] = (0, 0)
    data: tuple[int, int] = (0, 0)


class Holes:
    """What is known of one file; several threads may ask.

    A file system that once tells a hole where there is something is not believed any more, and all is read.
    """

    def __init__(self) -> None:
        self._known = _Known()
        self._is_believed = True

    def covers(self, descriptor: int, offset: int, length: int) -> bool:
        """Whether so many bytes, from offset on, lie in one hole."""
        if not self._is_believed:
            return False
        try:
            return self._is_hole(descriptor, offset, length)
        except OSError:  # it tells nothing, or reading fails, and then the read itself will say how
            self._is_believed = False
            return False

    def _is_hole(self, descriptor: int, offset: int, length: int) -> bool:
        status = os.fstat(descriptor)
        version = (status.st_size, status.st_mtime_ns)
        if offset + length > status.st_size:
            return False  # the file is shorter than that, which the read will say
        known = self._known if self._known.version == version else _Known(version=version)
        if known.hole[0] <= offset and offset + length <= known.hole[1]:
            return True
        if known.data[0] <= offset < known.data[1]:
            return False
        data = _next_data(descriptor, offset)
        if data < offset + length:
            self._known = known._replace(data=(data, os.lseek(descriptor, data, os.SEEK_HOLE)))
        elif _is_empty(descriptor, offset, data):
            self._known = known._replace(hole=(offset, data))
            return self._is_believed
        else:
            self._is_believed = False  # for good: another thread may be looking at another hole
        return False


def _next_data(descriptor: int, offset: int) -> int:
    """Where the next data begin; the file's end where there are none."""
    try:
        return os.lseek(descriptor, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return os.fstat(descriptor).st_size


def _is_empty(descriptor: int, begin: int, end: int) -> bool:
    places = (begin, (begin + end) // 2, max(begin, end - _SAMPLE))
    return not any(any(os.pread(descriptor, min(_SAMPLE, end - at), at)) for at in places)
