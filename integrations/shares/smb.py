"""An export that is reached by SMB 3 without a mount: `smb://cloudy@vmstore-data.example.com/share/folder`.

The library is smbprotocol. The session is encrypted and signed; a server that does neither is refused. Links that the
server tells of are refused; one that follows links by itself (samba) must keep them inside the share (its default).
"""

import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import PurePosixPath
from typing import TypeVar
from urllib.parse import unquote

from smbprotocol.exceptions import SMBResponseException
from smbprotocol.open import CreateDisposition, CreateOptions

from bot.errors import ConfigError, MissingError
from bot.model import Entry
from bot.ports import Reader, Writer
from integrations.shares import smb_failures as failures
from integrations.shares.line import KeptFile, Line, Opened
from integrations.shares.names import address, full, parts_of, refused, taken, wrong_kind
from integrations.shares.smb_files import SmbFile, SmbReader, SmbWriter
from integrations.shares.smb_wire import LOOK, READ, REMOVE, WRITE, Found, Place, SmbSession, found_of
from integrations.shares.walking import walk

R = TypeVar("R")
_EXAMPLE = "smb://cloudy@vmstore-data.example.com/share"
_PORT = 445
_FORBIDDEN = '\\:*?"<>|' + "".join(map(chr, range(1, 32)))  # in a name: [MS-FSCC] 2.1.5
_CONNECTING, _CALLING = 0.2, 0.6  # parts of the share's time-out, so that both fit into it
_FILE = CreateOptions.FILE_NON_DIRECTORY_FILE


def open_smb(
    url: str,
    *,
    export: str,
    uid: int | None = None,  # noqa: ARG001 - the server knows whose rights its users have
    gid: int | None = None,  # noqa: ARG001
    timeout_s: float = 60.0,
    password: str = "",
) -> "SmbShare":
    """Open `smb://user@host[:port]/share[/folder]`; a domain's user is `DOMAIN%5Cuser`. Nothing is asked yet."""
    found = address(url, "smb", _EXAMPLE)
    names = [name for name in unquote(found.path).split("/") if name]
    if not found.username or found.query or any(set(name) & set(_FORBIDDEN) for name in names):
        raise ConfigError([f"share smb://...: must be like {_EXAMPLE}"])
    if not password:
        raise ConfigError(
            [f"share smb://{found.hostname}/...: needs a password, CLOUDY_VMSTORES__<NAME>__SHARE_PASSWORD"]
        )
    place = Place(found.hostname or "", found.port or _PORT, names[0], unquote(found.username), password)
    return SmbShare(place, tuple(names[1:]), export=export, timeout_s=timeout_s)


class SmbShare:
    """The files below one folder of one share; one connection, made at the first call and made again after it broke."""

    may_be_unmounted = False  # the server has said that it is there

    def __init__(self, place: Place, inside: tuple[str, ...], *, export: str, timeout_s: float) -> None:
        self.export = export
        self.timeout_s = timeout_s
        self._inside = inside
        self._name = f"smb://{place.host}/{'/'.join((place.share, *inside))}"

        def connect() -> SmbSession:
            with failures.told("connect to", f"smb://{place.host}/{place.share}"):
                return SmbSession(place, connect_s=timeout_s * _CONNECTING, answer_s=timeout_s * _CALLING)

        self._line: Line[SmbSession] = Line(connect, SmbSession.hang_up)
        weakref.finalize(self, self._line.hang_up)

    def __repr__(self) -> str:
        return f"SmbShare({self._name!r})"

    def list(self, directory: str) -> tuple[Entry, ...]:
        """Entries directly in it, sorted; links are left out."""
        inside = self._parts(directory)
        found = self._call("list", directory, lambda session: tuple(session.list(self._at(directory))))
        entries = [_entry(inside, item) for item in found if not item.is_link]
        return tuple(sorted(entries, key=lambda entry: entry.path))

    def walk(self, directory: str) -> tuple[Entry, ...]:
        """All files below it, sorted; what vanishes meanwhile is left out."""
        return walk(self.list, directory)

    def exists(self, path: str) -> bool:
        """Whether there is a file or directory; a link is refused."""
        try:
            found = self._call("look for", path, lambda session: session.look(self._at(path)))
        except MissingError:
            return False
        self._no_link(path, found)
        return True

    def open(self, path: str) -> Reader:
        """Open a regular file for reading."""
        file = self._kept(path, "open", READ)
        return SmbReader(file, path, full(path, self.export))

    def make_directory(self, directory: str) -> None:
        """Make a directory; repeating is safe. What is there and is none is a PermanentError."""
        self._named(directory)

        def make(session: SmbSession) -> None:
            try:
                session.make_directory(self._at(directory))
            except SMBResponseException as error:
                if failures.code_of(error) != "OBJECT_NAME_COLLISION" or not session.look(self._at(directory)).is_dir:
                    raise

        self._call("make", directory, make)

    def remove_tree(self, directory: str) -> None:
        """Remove a directory and all in it; repeating is safe. Links inside are removed, not what they point to."""
        if not self._parts(directory):
            raise refused(directory, self.export, "the export itself is never removed")

        def remove(session: SmbSession) -> None:
            found = session.look(self._at(directory))
            self._no_link(directory, found)
            if not found.is_dir:
                raise wrong_kind(full(directory, self.export), "directory", "remove")
            _remove(session, self._at(directory))

        with suppress(MissingError):
            self._call("remove", directory, remove)

    def create(self, path: str, size: int) -> Writer:
        """Open a regular file for writing, `size` bytes long; its rights are those that the server gives."""
        self._named(path)
        return SmbWriter(self._kept(path, "write", WRITE, size), full(path, self.export), size)

    def rename(self, path: str, new: str) -> None:
        """Rename a file or directory; PermanentError: something is there already. The server looks and does in one."""
        self._named(path)
        self._named(new)
        tried: dict[str, object] = {}

        def rename(session: SmbSession) -> None:
            if tried and _is_gone(session, self._at(path)) and _identity(session, self._at(new)) == tried[path]:
                return  # a try before this one was done, only its answer was lost
            with session.opened(self._at(path), REMOVE) as opened:
                tried[path] = session.identity(opened)
                if not _is_gone(session, self._at(new)):
                    raise taken(full(new, self.export))
                session.rename(opened, self._at(new))

        self._call("rename", path, rename)

    def free(self) -> int | None:
        """Bytes that this user can still write."""
        return self._call("measure", "", SmbSession.free)

    # --- parts ---

    def _parts(self, path: str) -> tuple[str, ...]:
        return parts_of(path, self.export, _FORBIDDEN)

    def _at(self, path: str) -> str:
        return "\\".join((*self._inside, *self._parts(path)))

    def _named(self, path: str) -> None:
        if not self._parts(path):
            raise refused(path, self.export, "it is the export itself")

    def _call(self, operation: str, path: str, work: Callable[[SmbSession], R]) -> R:
        self._parts(path)  # before anything is asked

        def told(session: SmbSession) -> R:
            with failures.told(operation, full(path, self.export)):
                return work(session)

        return self._line.call(told)

    def _kept(self, path: str, operation: str, access: int, size: int | None = None) -> KeptFile[SmbSession, SmbFile]:
        """An open file that is opened again after the connection broke.

        size: it is made where it is not there, and gets that size; opening it again does neither.
        """

        def open_on(session: SmbSession, size: int | None = None) -> Opened[SmbSession, SmbFile]:
            disposition = CreateDisposition.FILE_OPEN if size is None else CreateDisposition.FILE_OPEN_IF
            with failures.told(operation, full(path, self.export)):
                opened = session.open(self._at(path), access, _FILE, disposition)
                try:
                    self._must_be_file(path, operation, found_of(opened, self._at(path)))
                    if size is not None:
                        session.resize(opened, size)
                    file = SmbFile(session, opened)
                except BaseException:
                    opened.close()
                    raise
            return Opened(session, file, file.identity)

        self._parts(path)
        opened = self._line.call(lambda session: open_on(session, size))
        return KeptFile(self._line, full(path, self.export), open_on, SmbFile.close, opened)

    def _must_be_file(self, path: str, operation: str, found: Found) -> None:
        self._no_link(path, found)
        if found.is_dir:
            raise wrong_kind(full(path, self.export), "file", operation)

    def _no_link(self, path: str, found: Found) -> None:
        if found.is_link:
            raise refused(path, self.export, "it is, or lies behind, a link")


def _entry(inside: tuple[str, ...], item: Found) -> Entry:
    return Entry(path=str(PurePosixPath(*inside, item.name)), is_dir=item.is_dir, size=0 if item.is_dir else item.size)


def _identity(session: SmbSession, path: str) -> object:
    with session.opened(path, LOOK) as opened:
        return session.identity(opened)


def _is_gone(session: SmbSession, path: str) -> bool:
    try:
        session.look(path)
    except SMBResponseException as error:
        if failures.of(error, "look for", path).__class__ is MissingError:
            return True
        raise
    return False


def _remove(session: SmbSession, directory: str) -> None:
    for item in tuple(session.list(directory)):
        path = f"{directory}\\{item.name}"
        if item.is_dir and not item.is_link:
            _if_there(_remove, session, path)
        else:
            _if_there(partial(SmbSession.remove, is_dir=item.is_dir), session, path)
    _if_there(partial(SmbSession.remove, is_dir=True), session, directory)


def _if_there(work: Callable[[SmbSession, str], None], session: SmbSession, path: str) -> None:
    try:
        work(session, path)
    except SMBResponseException as error:
        if not isinstance(failures.of(error, "remove", path), MissingError):
            raise
