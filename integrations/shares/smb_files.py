"""Open files of a share that is reached by SMB without a mount."""

from typing import Any

from smbprotocol.exceptions import SMBException, SMBResponseException

from bot.errors import IntegrityError
from bot.ports import Reader
from integrations.shares import smb_failures as failures
from integrations.shares.line import KeptFile
from integrations.shares.smb_wire import SmbSession


class SmbFile:
    """An open file on the session that it was opened on."""

    def __init__(self, session: SmbSession, opened: Any) -> None:
        self.size: int = opened.end_of_file
        self.identity = session.identity(opened)
        self._session = session
        self._opened = opened

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Read as much as there is; how much that was."""

        def read(at: int, length: int) -> int:
            try:
                got = self._opened.read(offset + at, length)
            except SMBResponseException as error:
                if failures.code_of(error) == "END_OF_FILE":
                    return 0
                raise
            buffer[at : at + len(got)] = got
            return len(got)

        return self._session.in_pieces(buffer.nbytes, read)

    def write_from(self, offset: int, buffer: memoryview) -> None:
        """Write all of it."""

        def write(at: int, length: int) -> int:
            return int(self._opened.write(bytes(buffer[at : at + length]), offset + at))

        if self._session.in_pieces(buffer.nbytes, write) < buffer.nbytes:
            raise SMBException("the server took nothing of what was sent")

    def flush(self) -> None:
        """Have the server keep it."""
        self._opened.flush()

    def close(self) -> None:
        """Tell the server that it is not needed any more."""
        with failures.told("close", self._opened.file_name):
            self._opened.close()


class SmbReader(Reader):
    """One open file, read at any offset by any number of threads."""

    def __init__(self, file: KeptFile[SmbSession, SmbFile], path: str, thing: str) -> None:
        self._file = file
        self._path = path
        self._thing = thing
        try:
            self.size = file.use(lambda opened: opened.size, "open")
        except BaseException:
            file.close()
            raise

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer."""

        def read(file: SmbFile) -> int:
            with failures.told("read", self._thing):
                return file.read_into(offset, buffer)

        got = self._file.use(read, "read")
        if got < buffer.nbytes:
            raise IntegrityError(
                f"{self._path} is shorter than announced: it ends at {offset + got} bytes of {self.size}."
            )

    def close(self) -> None:
        """Let go of the file; reads under way end well first."""
        self._file.close()


class SmbWriter:
    """One file that is being written, at any offset by any number of threads."""

    def __init__(self, file: KeptFile[SmbSession, SmbFile], thing: str, size: int) -> None:
        self.size = size
        self._file = file
        self._thing = thing

    def write_from(self, offset: int, buffer: memoryview) -> None:
        """Write all of the buffer; the server may keep it in its memory until `flush`."""

        def write(file: SmbFile) -> None:
            with failures.told("write", self._thing):
                file.write_from(offset, buffer)

        self._file.write(write)

    def flush(self) -> None:
        """Return when the server has it on its disks."""

        def flush(file: SmbFile) -> None:
            with failures.told("write", self._thing):
                file.flush()

        self._file.flush(flush)

    def close(self) -> None:
        """Let go of the file; writes under way end well first."""
        self._file.close()
