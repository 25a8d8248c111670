"""An export that is reached by NFS 3, 4.0 or 4.1 without a mount: `nfs://vmstore-data.example.com/tintri`.

The library is nfs-rs, AUTH_SYS only. It never follows a link by itself, so here a link is refused wherever it lies.
Each write is on the server's stable storage when it returns (nfs_rs/GUIDE.md), so flushing has nothing left to do.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote

from nfs_rs import Client, DirEntry, File, FileInfo, FileType, NfsError

from bot.errors import ConfigError, MissingError, PermanentError, RemoteError
from bot.model import Entry
from bot.ports import Reader, Writer
from integrations.shares import nfs_failures as failures
from integrations.shares.line import Broken, KeptFile, Line, Opened
from integrations.shares.names import address, full, parts_of, refused, taken, wrong_kind
from integrations.shares.nfs_files import NfsReader, NfsWriter, close
from integrations.shares.walking import walk

R = TypeVar("R")
_EXAMPLE = "nfs://vmstore-data.example.com/tintri?version=3"
_VERSIONS = ("3", "4.0", "4.1")
_CONNECTING, _CALLING = 0.2, 0.75  # parts of the share's time-out, so that both fit into it


def open_nfs(
    url: str,
    *,
    export: str,
    uid: int | None = None,
    gid: int | None = None,
    timeout_s: float = 60.0,
    password: str = "",  # noqa: ARG001 - AUTH_SYS has none
) -> "NfsShare":
    """Open `nfs://host[:port]/export[?version=3|4.0|4.1][&mountport=n][&noresvport=true|false]`; version 3 without it.

    uid, gid: who Cloudy is for the server instead of the process's own. Nothing is asked yet. Without `noresvport` a
    port below 1024 is dialled from where the process may, which is root, since many servers want that.
    """
    found = address(url, "nfs", _EXAMPLE)
    options = _options(found)
    place = unquote(found.path).rstrip("/")
    # Of NFS 4 the library cannot name the place itself that it connects to, so it connects to the one above.
    mount, inside = (place, "") if options["version"] == "3" else (str(PurePosixPath(place).parent), place[1:])
    inside = PurePosixPath(inside).name

    def connect(at: str = mount) -> Client:
        with failures.told("connect to", place):
            return Client.connect(
                f"nfs://{_host(found)}{at}",
                versions=(options["version"],),
                uid=uid,
                gid=gid,
                nfs_port=found.port,
                mount_port=int(options["mountport"]) if "mountport" in options else None,
                noresvport=options.get("noresvport", str(os.geteuid() != 0)).lower() == "true",
                connect_timeout=timeout_s * _CONNECTING,
                operation_timeout=timeout_s * _CALLING,
            )

    return NfsShare(connect, place, inside, export=export, timeout_s=timeout_s, name=f"nfs://{_host(found)}{place}")


def _options(found: SplitResult) -> dict[str, str]:
    options = {"version": "3", **dict(parse_qsl(found.query))}
    unknown = sorted(set(options) - {"version", "mountport", "noresvport"})
    if unknown or options["version"] not in _VERSIONS or found.username:
        raise ConfigError([f"share nfs://...: must be like {_EXAMPLE}; versions: {', '.join(_VERSIONS)}"])
    if not options.get("mountport", "1").isdecimal() or options.get("noresvport", "true") not in ("true", "false"):
        raise ConfigError([f"share nfs://{found.hostname}/...: mountport is a number, noresvport true or false"])
    return options


def _host(found: SplitResult) -> str:
    host = found.hostname or ""
    return f"[{host}]" if ":" in host else host


class NfsShare:
    """The files of one export; one connection, made at the first call and made again after it broke."""

    may_be_unmounted = False  # the server has said that it is there

    def __init__(
        self, connect: Callable[..., Client], place: str, inside: str, *, export: str, timeout_s: float, name: str
    ) -> None:
        self.export = export
        self.timeout_s = timeout_s
        self._connect = connect
        self._place = place
        self._inside = inside
        self._name = name
        # Nothing is said to the server: a frozen one would be waited for. The library frees all with the last use.
        self._line: Line[Client] = Line(connect, lambda _client: None)

    def __repr__(self) -> str:
        return f"NfsShare({self._name!r})"

    def list(self, directory: str) -> tuple[Entry, ...]:
        """Entries directly in it, sorted; links, pipes and devices are left out."""
        inside = parts_of(directory, self.export)
        found = self._call("list", directory, lambda client: tuple(client.scandir(self._at(directory))))
        entries = [_entry(inside, item) for item in found if item.info.type in (FileType.FILE, FileType.DIRECTORY)]
        return tuple(sorted(entries, key=lambda entry: entry.path))

    def walk(self, directory: str) -> tuple[Entry, ...]:
        """All files below it, sorted; what vanishes meanwhile is left out."""
        return walk(self.list, directory)

    def exists(self, path: str) -> bool:
        """Whether there is a file or directory; a link is refused."""
        try:
            found = self._call("look for", path, lambda client: client.stat(self._at(path)))
        except MissingError:
            return False
        self._no_link(path, found)
        return True

    def open(self, path: str) -> Reader:
        """Open a regular file for reading."""
        self._call("open", path, lambda client: self._must_be_readable(client, path))
        return NfsReader(self._kept(path, "rb", "open"), path, full(path, self.export))

    def make_directory(self, directory: str) -> None:
        """Make a directory; repeating is safe. What is there and is none is a PermanentError."""
        self._named(directory)
        self._call("make", directory, lambda client: client.mkdir(self._at(directory), 0o755, exist_ok=True))

    def remove_tree(self, directory: str) -> None:
        """Remove a directory and all in it; repeating is safe. Links inside are removed, not what they point to."""
        if not parts_of(directory, self.export):
            raise refused(directory, self.export, "the export itself is never removed")

        def remove(client: Client) -> None:
            found = client.stat(self._at(directory))
            self._no_link(directory, found)
            if found.type is not FileType.DIRECTORY:
                raise wrong_kind(full(directory, self.export), "directory", "remove")
            _remove(client, self._at(directory), found.fsid)

        with suppress(MissingError):
            self._call("remove", directory, remove)

    def create(self, path: str, size: int) -> Writer:
        """Open a regular file for writing, `size` bytes long. It is nobody else's: mode 0600."""
        self._named(path)
        self._call("write", path, lambda client: self._make(client, path))
        writer = NfsWriter(self._kept(path, "r+b", "write"), full(path, self.export))
        try:
            writer.resize(size)
        except BaseException:
            writer.close()
            raise
        return writer

    def rename(self, path: str, new: str) -> None:
        """Rename a file or directory; PermanentError: something is there already.

        NFS always replaces, so a file gets its second name and loses its first; a directory, and a file where there
        are no hard links, is renamed after a look, and between the two somebody else's may appear there.
        """
        self._named(path)
        self._named(new)
        looked: dict[str, FileInfo] = {}  # in a try before this one, whose answer was lost
        self._call("rename", path, lambda client: self._rename(client, path, new, looked))

    def free(self) -> int | None:
        """Bytes that can still be written; asked of the export itself, on a connection of its own."""
        with failures.told("measure", self._place):
            try:
                return self._connect(self._place).fs_stat().available_bytes
            except Broken as broken:
                raise broken.told from broken

    # --- parts ---

    def _kept(self, path: str, mode: str, operation: str) -> KeptFile[Client, File]:
        """An open file that is opened again after the connection broke."""

        def open_on(client: Client) -> Opened[Client, File]:
            with self._failing(client, operation, path):
                opened = client.open(self._at(path), mode)
                try:  # afterwards: a file that takes its place meanwhile is taken for another one, never for this
                    return Opened(client, opened, _identity(client.stat(self._at(path))))
                except BaseException:
                    opened.close()
                    raise

        parts_of(path, self.export)
        opened = self._line.call(open_on)
        return KeptFile(self._line, full(path, self.export), open_on, close, opened)

    def _at(self, path: str) -> str:
        parts = parts_of(path, self.export)
        return "/".join((self._inside, *parts) if self._inside else parts) or "."

    def _named(self, path: str) -> None:
        if not parts_of(path, self.export):
            raise refused(path, self.export, "it is the export itself")

    def _call(self, operation: str, path: str, work: Callable[[Client], R]) -> R:
        parts_of(path, self.export)  # before anything is asked

        def told(client: Client) -> R:
            with self._failing(client, operation, path):
                return work(client)

        return self._line.call(told)

    @contextmanager
    def _failing(self, client: Client, operation: str, path: str) -> Iterator[None]:
        """Like `_told`, with a look at what may be the reason."""
        try:
            yield
        except (NfsError, OSError) as error:
            failure = failures.of(error, operation, full(path, self.export))
            if isinstance(failure, Broken):
                raise failure from error
            raise self._explained(client, failure, operation, path) from error

    def _explained(self, client: Client, failure: RemoteError, operation: str, path: str) -> RemoteError:
        try:
            return self._likely(client, failure, operation, path)
        except (NfsError, OSError):
            return failure

    def _likely(self, client: Client, failure: RemoteError, operation: str, path: str) -> RemoteError:
        parts = parts_of(path, self.export)
        if failures.may_be_link(failure):
            for count in range(1, len(parts) + 1):
                found = _status(client, self._at("/".join(parts[:count])))
                if found is not None and found.type is FileType.SYMLINK:
                    return refused(path, self.export, "it is, or lies behind, a link")
        if failures.is_denied(failure):
            whose = _status(client, self._at(path)) or _status(client, self._at("/".join(parts[:-1])))
            return failures.denied(failure, whose, operation)
        return failure

    def _no_link(self, path: str, found: FileInfo) -> None:
        if found.type is FileType.SYMLINK:
            raise refused(path, self.export, "it is, or lies behind, a link")

    def _must_be_readable(self, client: Client, path: str) -> None:
        """NFS 3 opens nothing: rights would be told with the first read only."""
        self._must_be_file(path, client.stat(self._at(path)), "open")
        if not client.access(self._at(path), os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def _must_be_file(self, path: str, found: FileInfo, operation: str) -> None:
        self._no_link(path, found)
        if found.type is not FileType.FILE:
            raise wrong_kind(full(path, self.export), "file", operation)

    def _make(self, client: Client, path: str) -> None:
        found = _status(client, self._at(path))
        if found is None:
            client.open(self._at(path), "ab").close()
            client.chmod(self._at(path), stat.S_IRUSR | stat.S_IWUSR)
        else:
            self._must_be_file(path, found, "write")
            if not found.size:  # the answer to its making may have been lost before this
                client.chmod(self._at(path), stat.S_IRUSR | stat.S_IWUSR)

    def _rename(self, client: Client, path: str, new: str, looked: dict[str, FileInfo]) -> None:
        here, there = _status(client, self._at(path)), _status(client, self._at(new))
        if looked and here is None and there is not None and _identity(there) == _identity(looked[path]):
            return
        if here is None:
            raise MissingError(f"{full(path, self.export)} is not there.", system="share", operation="rename")
        is_same = there is not None and _identity(there) == _identity(here)
        is_same = is_same and here.nlink > 1 and self._at(path) != self._at(new)
        if there is not None and not is_same:
            raise taken(full(new, self.export))
        looked[path] = here
        if here.type is FileType.FILE and (is_same or _is_linked(client, self._at(path), self._at(new))):
            client.remove(self._at(path))
        else:
            client.rename(self._at(path), self._at(new))


def _entry(inside: tuple[str, ...], item: DirEntry) -> Entry:
    is_dir = item.info.type is FileType.DIRECTORY
    return Entry(path=str(PurePosixPath(*inside, item.name)), is_dir=is_dir, size=0 if is_dir else item.info.size)


def _identity(found: FileInfo) -> tuple[object, object]:
    return found.fsid, found.fileid


def _status(client: Client, path: str) -> FileInfo | None:
    try:
        return client.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_linked(client: Client, path: str, new: str) -> bool:
    """Give it the second name; False: the server knows no hard links."""
    try:
        client.link(path, new)
    except (NfsError, OSError) as error:
        if failures.says_no_links(error):
            return False
        raise
    return True


def _remove(client: Client, directory: str, fsid: int) -> None:
    for item in tuple(client.scandir(directory)):
        if item.info.fsid != fsid:
            raise PermanentError(
                f"{directory}/{item.name} is another file system that is mounted there. Unmount it first.",
                system="share",
                operation="remove",
            )
        if item.info.type is FileType.DIRECTORY:
            _if_there(partial(_remove, fsid=fsid), client, f"{directory}/{item.name}")
        else:
            client.remove(f"{directory}/{item.name}", missing_ok=True)
    _if_there(lambda one, path: one.rmdir(path), client, directory)


def _if_there(work: Callable[[Client, str], None], client: Client, path: str) -> None:
    try:
        work(client, path)
    except FileNotFoundError:
        return
