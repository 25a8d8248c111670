"""A share that the operating system has mounted: `path:/mnt/tintri`."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from bot.errors import (
    ConfigError,
    DeniedError,
    MissingError,
    PermanentError,
    RemoteError,
    TransientError,
)
from bot.model import Entry
from bot.ports import Reader, Writer
from integrations.shares import writing
from integrations.shares.identity import Identity
from integrations.shares.names import full, parts_of, refused, taken, wrong_kind
from integrations.shares.path_files import PathReader, PathWriter
from integrations.shares.walking import walk

_GONE = (errno.ENOENT, errno.ENOTDIR)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_WRITING = ("make", "rename", "write")
# What a network file system says while its server is away or has moved on.
_PASSING = (
    errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.ENETUNREACH, errno.EHOSTUNREACH,
    errno.EHOSTDOWN, errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN, errno.EMFILE, errno.ENFILE,
)  # fmt: skip
# Without O_NONBLOCK, opening a pipe would wait for its writer.
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def open_path(
    url: str,
    *,
    export: str,
    uid: int | None = None,
    gid: int | None = None,
    timeout_s: float = 60.0,
    password: str = "",  # noqa: ARG001 - the mount has its own
) -> "PathShare":
    """Open `path:/absolute/directory`. Nothing is touched yet, so it may be mounted later.

    uid, gid: whose rights count for the files instead of the process's own; see integrations/shares/identity.py.
    """
    root = Path(url.removeprefix("path:"))
    if not url.startswith("path:") or not root.is_absolute():
        raise ConfigError(["share path:...: must be path: and an absolute directory, as in path:/mnt/tintri"])
    return PathShare(root, Identity(uid, gid), export=export, timeout_s=timeout_s)


class PathShare:
    """The files below one directory. Links are followed only when a file is opened, and never out of the export."""

    def __init__(self, root: Path, identity: Identity, *, export: str, timeout_s: float) -> None:
        self.export = export
        self.timeout_s = timeout_s
        self._root = root
        self._identity = identity

    def __repr__(self) -> str:
        return f"PathShare({str(self._root)!r})"

    @property
    def may_be_unmounted(self) -> bool:
        """Unless something is mounted just there."""
        return not self._root.is_mount()

    def list(self, directory: str) -> tuple[Entry, ...]:
        """Entries directly in it, sorted; links, pipes and devices are left out."""
        with self._told("list", directory):
            return tuple(sorted(self._entries(directory), key=lambda entry: entry.path))

    def walk(self, directory: str) -> tuple[Entry, ...]:
        """All files below it, sorted; what vanishes meanwhile is left out."""
        return walk(self.list, directory)

    def exists(self, path: str) -> bool:
        """Whether there is a file or directory. A share that is not mounted is an error, not a no."""
        try:
            with self._told("look for", path):
                self._real(path).stat()
        except MissingError:
            return False
        return True

    def open(self, path: str) -> Reader:
        """Open a regular file."""
        with self._told("open", path):
            descriptor = os.open(self._real(path), _OPEN)
        try:
            with self._told("open", path):
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise wrong_kind(self._full(path), "file", "open")
            return PathReader(self.failure, path, descriptor, status.st_size)
        except BaseException:
            os.close(descriptor)
            raise

    def make_directory(self, directory: str) -> None:
        """Make a directory; repeating is safe. What is there and is none is a PermanentError."""
        with self._told("make", directory), self._place(directory) as (parent, name):
            try:
                os.mkdir(name, dir_fd=parent)
            except FileExistsError:
                if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                    raise
            else:
                writing.keep_names(parent)

    def create(self, path: str, size: int) -> Writer:
        """Open a regular file for writing, `size` bytes long; no link is followed on the way to it."""
        with self._told("write", path), self._place(path) as (parent, name):
            return PathWriter(self.failure, path, writing.open_sized(parent, name, size), size)

    def rename(self, path: str, new: str) -> None:
        """Rename a file or directory; PermanentError: something is there already. Links are not followed."""
        with self._told("rename", path):
            if self._parts(path) == self._parts(new):
                raise PermanentError(f"{self._full(path)} has that name.", system="share", operation="rename")
            with self._place(path) as (parent, name), self._place(new) as (new_parent, new_name):
                try:
                    writing.move(parent, name, new_parent, new_name)
                except FileExistsError as error:
                    raise taken(self._full(new)) from error

    def free(self) -> int | None:
        """Bytes that this user can still write."""
        with self._told("measure", ""):
            status = os.statvfs(self._root)
        return status.f_bavail * status.f_frsize

    def remove_tree(self, directory: str) -> None:
        """Remove a directory and all in it; repeating is safe.

        A link on the way or as the directory itself is refused, because it would remove what is elsewhere; links inside
        are removed, not what they point to. TransientError: something is still being written there.
        """
        if not self._parts(directory):
            raise self._refused(directory, "the export itself is never removed")
        with self._told("remove", directory):
            self._real_root()  # is it mounted?
            with suppress(FileNotFoundError, NotADirectoryError), self._place(directory) as (parent, name):
                mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
                if stat.S_ISLNK(mode):
                    raise self._refused(directory, "it is, or lies behind, a link")
                if not stat.S_ISDIR(mode):
                    raise wrong_kind(self._full(directory), "directory", "remove")
                self._remove(directory, parent, name)

    def _remove(self, directory: str, parent: int, name: str) -> None:
        try:
            _remove(name, parent)
        except (FileNotFoundError, NotADirectoryError):  # somebody else does something there; the next try has the rest
            os.stat(name, dir_fd=parent, follow_symlinks=False)
            raise TransientError(
                f"{self._full(directory)} changes while it is being removed.", system="share", operation="remove"
            ) from None

    def _entries(self, directory: str) -> Iterator[Entry]:
        with os.scandir(self._real(directory)) as found:
            for item in found:
                path = str(PurePosixPath(*self._parts(directory), item.name))
                if item.is_dir(follow_symlinks=False):
                    yield Entry(path=path, is_dir=True)
                elif item.is_file(follow_symlinks=False):
                    try:
                        size = item.stat(follow_symlinks=False).st_size
                    except FileNotFoundError:
                        continue
                    yield Entry(path=path, size=size)

    def _parts(self, path: str) -> tuple[str, ...]:
        return parts_of(path, self.export)

    def _real_root(self) -> Path:
        return Path(os.path.realpath(self._root, strict=True))

    def _real(self, path: str) -> Path:
        root = self._real_root()
        real = Path(os.path.realpath(root.joinpath(*self._parts(path))))
        if not real.is_relative_to(root):
            raise self._refused(path, "it is, or lies behind, a link out of the export")
        return real

    @contextmanager
    def _place(self, path: str) -> Iterator[tuple[int, str]]:
        """The open directory of a thing to write, and its name there."""
        parts = self._parts(path)
        if not parts:
            raise self._refused(path, "it is the export itself")
        try:
            with writing.directory(self._real_root(), parts[:-1]) as parent:
                yield parent, parts[-1]
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise self._refused(path, "it is, or lies behind, a link") from error
            raise

    def _refused(self, path: str, why: str) -> PermanentError:
        return refused(path, self.export, why)

    def _full(self, path: str) -> str:
        return full(path, self.export)

    @contextmanager
    def _told(self, operation: str, path: str) -> Iterator[None]:
        """Turn what the operating system says into our errors."""
        try:
            with self._identity.taken():
                yield
        except OSError as error:
            raise self.failure(error, operation, path) from error

    def failure(self, error: OSError, operation: str, path: str) -> RemoteError:
        """What the operating system's error means for the one who must act."""
        kind, words = self._diagnosis(error, operation, path)
        return kind(words, system="share", operation=operation, code=errno.errorcode.get(error.errno or 0, ""))

    def _diagnosis(
        self, error: OSError, operation: str, path: str
    ) -> tuple[type[TransientError | PermanentError], str]:
        full = self._full(path)
        if self._is_unmounted():
            return PermanentError, (
                f"The share is not mounted: there is no directory {self._root}. Mount the VMstore's export there "
                "(NFS version 3), or correct `share` in the configuration."
            )
        if error.errno in _GONE:
            return MissingError, f"{full} is not there{self._unmounted_hint()}."
        if error.errno in _DENIED:
            return (
                DeniedError,
                f"The share does not let Cloudy {operation} {full}: {self._rights(path, error, operation)}",
            )
        if error.errno in _FULL:
            return PermanentError, (
                f"There is no room on {self.export} to {operation} {full}: {error.strerror}. Make room on the VMstore, "
                "or take another one; what was written so far stays for the next try."
            )
        if error.errno == errno.ENOTEMPTY:
            return TransientError, f"{full} is still in use: files appear while it is being removed."
        kind = TransientError if error.errno in _PASSING else PermanentError
        return kind, f"Could not {operation} {full}: {error.strerror or error}."

    def _is_unmounted(self) -> bool:
        try:
            return not self._root.is_dir()
        except OSError:  # mounted, but it does not answer
            return False

    def _unmounted_hint(self) -> str:
        try:
            empty = not any(True for _ in self._root.iterdir())
        except OSError:
            return ""
        return f" ({self._root} is empty: is the export mounted there?)" if empty else ""

    def _rights(self, path: str, error: OSError, operation: str) -> str:
        if error.errno == errno.EROFS:
            return (
                "it is mounted read-only. Removing needs `cleanup_share`, and restoring `restore_share` or that: "
                "a mount that may be written."
            )
        reads_as = f"Cloudy {'writes' if operation in _WRITING else 'reads'} as uid {self._identity.uid}"
        try:
            status = self._judged(path, operation)
        except (OSError, PermanentError):
            return f"{error.strerror}; {reads_as} and may not even look at it. Set `share_uid` to the files' owner."
        return (
            f"{error.strerror}; owner uid {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o}, and {reads_as}. "
            f"Set `share_uid = {status.st_uid}`; on NFS, also export to Cloudy without squashing that uid."
        )

    def _judged(self, path: str, operation: str) -> os.stat_result:
        """Of what the rights counted: the thing itself, or the directory that was to get a new name in it."""
        thing = self._real(path)
        is_name = operation in _WRITING and (operation != "write" or not thing.exists())
        return (thing.parent if is_name else thing).stat()


def _fail_unless_gone(error: OSError) -> None:
    if error.errno != errno.ENOENT:
        raise error


def _remove(top: str, parent: int) -> None:
    """Names relative to open directories: a directory that is replaced by a link meanwhile leads nowhere."""
    device = os.fstat(parent).st_dev
    for _, directories, files, descriptor in os.fwalk(top, topdown=False, onerror=_fail_unless_gone, dir_fd=parent):
        if os.fstat(descriptor).st_dev != device:
            raise OSError(errno.EXDEV, "another file system is mounted in it; unmount that first")
        for name in files:
            _unlink(name, descriptor)
        for name in directories:
            _rmdir(name, descriptor)
    os.rmdir(top, dir_fd=parent)


def _unlink(name: str, descriptor: int) -> None:
    try:
        os.unlink(name, dir_fd=descriptor)
    except FileNotFoundError:
        return


def _rmdir(name: str, descriptor: int) -> None:
    try:
        os.rmdir(name, dir_fd=descriptor)
    except NotADirectoryError:  # a link to a directory
        _unlink(name, descriptor)
    except FileNotFoundError:
        return
