"""One encrypted SMB 3 session on one share, each of whose requests ends in time; vendor's words: [MS-SMB2], [MS-FSCC].

The library (smbprotocol) waits for ever for a server that froze: here each answer has its time-out, and so has each
piece that is sent.
"""

import logging
import socket
import struct
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from smbprotocol.connection import Connection
from smbprotocol.exceptions import NoMoreFiles, SMBException, SMBResponseException
from smbprotocol.file_info import (
    FileDispositionInformation,
    FileEndOfFileInformation,
    FileFsFullSizeInformation,
    FileInformationClass,
    FileInternalInformation,
    FileRenameInformation,
)
from smbprotocol.header import NtStatus
from smbprotocol.ioctl import CtlCode, IOCTLFlags, SMB2IOCTLRequest
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    ShareAccess,
    SMB2QueryInfoRequest,
    SMB2QueryInfoResponse,
    SMB2SetInfoRequest,
)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

logging.getLogger("smbprotocol").setLevel(logging.CRITICAL)  # each of its failures is told by whoever made the call

PIECE = 1 << 20  # of one read or write: larger ones are slower (measured against samba), and cost credits
_CREDIT = 1 << 16  # bytes that one credit is worth
_AT_ONCE = 4  # requests for pieces on one connection; more are not faster
_DIRECTORY, _LINK = 0x10, 0x400  # FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_REPARSE_POINT
_ALL_MAY = ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE
_NO_SPARSE_FILES = (NtStatus.STATUS_INVALID_DEVICE_REQUEST, NtStatus.STATUS_NOT_SUPPORTED, 0xC0000002)
# Of a server that knows no such information, or not of this.
_NO_IDENTITY = (*_NO_SPARSE_FILES, NtStatus.STATUS_INVALID_INFO_CLASS, NtStatus.STATUS_INVALID_PARAMETER)
_NO_NUMBER = (0, -1, (1 << 64) - 1)  # [MS-FSCC] 2.1.9
_Mask = FilePipePrinterAccessMask
LOOK = _Mask.FILE_READ_ATTRIBUTES
READ = _Mask.FILE_READ_DATA | LOOK
WRITE = READ | _Mask.FILE_WRITE_DATA | _Mask.FILE_WRITE_ATTRIBUTES
REMOVE = _Mask.DELETE | LOOK


@dataclass(frozen=True)
class Place:
    """A share of a server, and who asks for it."""

    host: str
    port: int
    share: str
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Place({self.host!r}, {self.share!r})"


@dataclass(frozen=True)
class Found:
    """What lies under a name."""

    name: str
    size: int
    attributes: int

    @property
    def is_dir(self) -> bool:
        return bool(self.attributes & _DIRECTORY)

    @property
    def is_link(self) -> bool:
        return bool(self.attributes & _LINK)


class _Bounded(Connection):  # type: ignore[misc] # the library has no types
    """The library's connection, with an end to each wait; links are told of, never followed."""

    def __init__(self, *args: Any, answer_s: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._answer_s = answer_s

    def receive(
        self,
        request: Any,
        wait: bool = True,
        timeout: float | None = None,
        resolve_symlinks: bool = True,  # noqa: ARG002 - as the library calls it
    ) -> Any:
        try:
            return super().receive(request, wait, timeout or self._answer_s, resolve_symlinks=False)
        except SMBResponseException:
            raise
        except SMBException as error:
            if not request.response_event.is_set():
                raise TimeoutError(str(error)) from error
            raise

    def bound_sending(self) -> None:
        """A frozen server stops taking what is sent; the library's socket would wait for ever."""
        seconds, rest = divmod(self._answer_s, 1)
        limit = struct.pack("ll", int(seconds), int(rest * 1_000_000))
        self.transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)  # noqa: SLF001 - no other way


class SmbSession:
    """A connection, a login and a share, for all threads."""

    def __init__(self, place: Place, *, connect_s: float, answer_s: float) -> None:
        self._connection = _Bounded(uuid.uuid4(), place.host, place.port, require_signing=True, answer_s=answer_s)
        try:
            self._connection.connect(timeout=connect_s)
            self._connection.bound_sending()
            session = Session(self._connection, place.user, place.password, require_encryption=True)
            session.connect()
            self._tree = TreeConnect(session, rf"\\{place.host}\{place.share}")
            self._tree.connect()
            self._session = session
            self._slots = threading.BoundedSemaphore(self._requests_at_once())
        except BaseException:
            self.hang_up()
            raise

    def hang_up(self) -> None:
        """Cut it, without a word to a server that may be frozen; its thread ends."""
        if self._connection.transport is not None:
            with suppress(OSError, SMBException):
                self._connection.disconnect(close=False)

    def look(self, path: str) -> Found:
        """What is there."""
        with self.opened(path, LOOK) as opened:
            return found_of(opened, path)

    def list(self, path: str) -> Iterator[Found]:
        """What is in a directory."""
        with self.opened(path, READ, CreateOptions.FILE_DIRECTORY_FILE) as directory:
            while True:
                try:
                    page = directory.query_directory("*", FileInformationClass.FILE_DIRECTORY_INFORMATION)
                except NoMoreFiles:
                    return
                for item in page:
                    name = item["file_name"].get_value().decode("utf-16-le")
                    if name not in (".", ".."):
                        yield Found(name, item["end_of_file"].get_value(), item["file_attributes"].get_value())

    @contextmanager
    def opened(self, path: str, access: int, options: int = 0, disposition: int = CreateDisposition.FILE_OPEN) -> Any:
        """An open file or directory, for one purpose."""
        found = self.open(path, access, options, disposition)
        try:
            yield found
        finally:
            found.close()

    def open(self, path: str, access: int, options: int = 0, disposition: int = CreateDisposition.FILE_OPEN) -> Any:
        """An open file or directory. A link that the server tells of is opened itself."""
        found = Open(self._tree, path)
        found.create(
            ImpersonationLevel.Impersonation,
            access,
            0,
            _ALL_MAY,
            disposition,
            options | CreateOptions.FILE_OPEN_REPARSE_POINT,
        )
        return found

    def make_directory(self, path: str) -> None:
        """A new directory."""
        self.open(path, LOOK, CreateOptions.FILE_DIRECTORY_FILE, CreateDisposition.FILE_CREATE).close()

    def remove(self, path: str, *, is_dir: bool) -> None:
        """Remove a file, a link or an empty directory."""
        kind = CreateOptions.FILE_DIRECTORY_FILE if is_dir else CreateOptions.FILE_NON_DIRECTORY_FILE
        with self.opened(path, REMOVE, kind) as opened:
            gone = FileDispositionInformation()
            gone["delete_pending"] = True
            self._set(opened, gone)

    def rename(self, opened: Any, new: str) -> None:
        """Another name; what is there already is not replaced."""
        name = FileRenameInformation()
        name["replace_if_exists"] = False
        name["file_name"] = new
        self._set(opened, name)

    def resize(self, opened: Any, size: int) -> None:
        """Exactly so long; what is new of it takes no room where the server knows how."""
        try:
            self._control(opened, CtlCode.FSCTL_SET_SPARSE)
        except SMBResponseException as error:
            if error.status not in _NO_SPARSE_FILES:
                raise
        end = FileEndOfFileInformation()
        end["end_of_file"] = size
        self._set(opened, end)

    def free(self) -> int:
        """Bytes that this user can still write."""
        sizes = FileFsFullSizeInformation()
        with self.opened("", LOOK, CreateOptions.FILE_DIRECTORY_FILE) as opened:
            self._query(opened, sizes)
        unit = sizes["sectors_per_unit"].get_value() * sizes["bytes_per_sector"].get_value()
        return int(sizes["caller_available_units"].get_value() * unit)

    def identity(self, opened: Any) -> object:
        """What tells it from every other on the share: its number, or when it was made where the server gives none."""
        number = FileInternalInformation()
        try:
            self._query(opened, number)
        except SMBResponseException as error:
            if error.status not in _NO_IDENTITY:
                raise
        found = int(number["index_number"].get_value())
        return opened.creation_time if found in _NO_NUMBER else found

    def in_pieces(self, length: int, work: Callable[[int, int], int]) -> int:
        """Do work(offset, length) piece by piece until all is done or one gives 0; how much was done."""
        done = 0
        while done < length:
            with self._slots:
                got = work(done, min(PIECE, length - done))
            if not got:
                break
            done += got
        return done

    def _requests_at_once(self) -> int:
        """Ask for credits until the server gives no more, and see how many pieces they are enough for."""
        wanted = (_AT_ONCE + 1) * (PIECE // _CREDIT)
        self._connection.echo(sid=self._session.session_id, timeout=10, credit_request=wanted)
        window = self._connection.sequence_window
        return int(max(1, min(_AT_ONCE, (window["high"] - window["low"]) // (PIECE // _CREDIT) - 1)))

    def _query(self, opened: Any, information: Any) -> None:
        request = SMB2QueryInfoRequest()
        request["info_type"] = information.INFO_TYPE
        request["file_info_class"] = information.INFO_CLASS
        request["output_buffer_length"] = 256
        request["file_id"] = opened.file_id
        answer = SMB2QueryInfoResponse()
        answer.unpack(self._ask(request)["data"].get_value())
        information.unpack(answer["buffer"].get_value())

    def _set(self, opened: Any, information: Any) -> None:
        request = SMB2SetInfoRequest()
        request["info_type"] = information.INFO_TYPE
        request["file_info_class"] = information.INFO_CLASS
        request["file_id"] = opened.file_id
        request["buffer"] = information
        self._ask(request)

    def _control(self, opened: Any, code: int) -> None:
        request = SMB2IOCTLRequest()
        request["ctl_code"] = code
        request["file_id"] = opened.file_id
        request["flags"] = IOCTLFlags.SMB2_0_IOCTL_IS_FSCTL
        self._ask(request)

    def _ask(self, request: Any) -> Any:
        sent = self._connection.send(request, self._session.session_id, self._tree.tree_connect_id)
        return self._connection.receive(sent)


def found_of(opened: Any, path: str) -> Found:
    """What the server said when it opened it."""
    return Found(path.rpartition("\\")[2], opened.end_of_file, opened.file_attributes)
