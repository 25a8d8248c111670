"""What writing below a directory needs of Linux: no link is followed on the way, and nothing is ever replaced."""

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_NOREPLACE = 1  # RENAME_NOREPLACE, renameat2(2)
# Says that this file system, or this system, has no renaming that refuses to replace: NFS and CIFS mounts among them.
_NO_SUCH_RENAME = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
# Network file systems may refuse it for directories, and write names at once anyhow; nor may each be read.
_NO_SUCH_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EBADF, errno.EACCES)
_DIRECTORY = os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_PASSED = getattr(os, "O_PATH", os.O_RDONLY)  # a directory that is only passed need not be readable
_FILE = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@contextmanager
def directory(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """A descriptor of the directory, to name things in it. OSError ELOOP: a link is on the way."""
    opened = os.open(root, _PASSED | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            below = _below(part, opened)
            os.close(opened)
            opened = below
        yield opened
    finally:
        os.close(opened)


def _below(name: str, parent: int) -> int:
    try:
        return os.open(name, _PASSED | _DIRECTORY, dir_fd=parent)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
        raise


def open_sized(parent: int, name: str, size: int) -> int:
    """Open a file for writing, made where it is not there, exactly so long; what is new of it is a hole."""
    opened = os.open(name, _FILE, 0o600, dir_fd=parent)
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise OSError(errno.EEXIST, "no ordinary file")
        os.ftruncate(opened, size)
        keep_names(parent)
    except BaseException:
        os.close(opened)
        raise
    return opened


def keep_names(parent: int) -> None:
    """Have the directory's own entries survive a crash, where its file system knows how."""
    try:
        opened = os.open(".", os.O_RDONLY | _DIRECTORY, dir_fd=parent)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        if error.errno not in _NO_SUCH_SYNC:
            raise


def move(parent: int, name: str, new_parent: int, new: str) -> None:
    """Rename a file or directory; OSError EEXIST: something is there already.

    Where the file system cannot refuse by itself (NFS and CIFS mounts), a file gets its second name and loses its
    first, which replaces nothing either; a directory, and a file where there are no hard links, is renamed after a
    look, and between the two somebody else's may appear there.
    """
    try:
        _rename_refusing(parent, name, new_parent, new)
    except OSError as error:
        if error.errno not in _NO_SUCH_RENAME:
            raise
        _move_by_hand(parent, name, new_parent, new)
    for changed in {parent, new_parent}:
        keep_names(changed)


def _rename_refusing(parent: int, name: str, new_parent: int, new: str) -> None:
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(parent, os.fsencode(name), new_parent, os.fsencode(new), ctypes.c_uint(_NOREPLACE)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _move_by_hand(parent: int, name: str, new_parent: int, new: str) -> None:
    here = os.stat(name, dir_fd=parent, follow_symlinks=False)
    there = _status(new_parent, new)
    is_file = stat.S_ISREG(here.st_mode)
    if there is None:
        if is_file and _is_linked(parent, name, new_parent, new):
            os.unlink(name, dir_fd=parent)
        else:
            os.rename(name, new, src_dir_fd=parent, dst_dir_fd=new_parent)
    elif is_file and here.st_nlink > 1 and os.path.samestat(here, there):  # a try before this one ended between the two
        os.unlink(name, dir_fd=parent)
    else:
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))


def _is_linked(parent: int, name: str, new_parent: int, new: str) -> bool:
    try:
        os.link(name, new, src_dir_fd=parent, dst_dir_fd=new_parent, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_HARD_LINKS:
            return False
        raise
    return True


def _status(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None
