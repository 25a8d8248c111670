"""Stretches of a file that were never written, as its file system tells them: they are zeros without being read.

ext4, xfs, btrfs and NFS 4.2 tell them; NFS 3 and 4.1, which a VMstore speaks, take everything for data (lseek(2)).
"""

import errno
import os

_SAMPLE = 4096  # bytes that are read at both ends of a hole and in the middle, before it is believed


class Holes:
    """What is known of one file; several threads may ask.

    A file system that once tells a hole where there is something is not believed any more, and all is read.
    """

    def __init__(self) -> None:
        self._hole = self._data = (0, 0)  # the last stretches of each kind that were told: from, to
        self._is_believed = True

    def covers(self, descriptor: int, offset: int, length: int) -> bool:
        """Whether so many bytes, from offset on, lie in one hole."""
        if not self._is_believed:
            return False
        if self._hole[0] <= offset and offset + length <= self._hole[1]:
            return True
        if self._data[0] <= offset < self._data[1]:
            return False
        try:
            return self._asked(descriptor, offset, length)
        except OSError:  # it tells nothing, or reading fails, and then the read itself will say how
            self._is_believed = False
            return False

    def _asked(self, descriptor: int, offset: int, length: int) -> bool:
        data = _next_data(descriptor, offset)
        if data < offset + length:
            if data >= offset:  # less: the file is shorter than that, which the read will say
                self._data = (data, os.lseek(descriptor, data, os.SEEK_HOLE))
            return False
        if _is_empty(descriptor, offset, data):
            self._hole = (offset, data)
        else:
            self._is_believed = False  # for good: another thread may be looking at another hole
        return self._is_believed


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
