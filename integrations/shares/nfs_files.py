"""Open files of a share that is reached by NFS without a mount."""

import os
from collections.abc import Callable

from nfs_rs import Client, File

from bot.errors import IntegrityError
from bot.ports import Reader
from integrations.shares import nfs_failures as failures
from integrations.shares.line import KeptFile


class NfsReader(Reader):
    """One open file, read at any offset by any number of threads."""

    def __init__(self, file: KeptFile[Client, File], path: str, thing: str) -> None:
        self._file = file
        self._path = path
        self._thing = thing
        try:
            self.size = self._use("open", lambda opened: opened.seek(0, os.SEEK_END))
        except BaseException:
            file.close()
            raise

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer."""
        got = self._use("read", lambda file: file.readinto_at(buffer, offset) if buffer.nbytes else 0)
        if got < buffer.nbytes:
            raise IntegrityError(
                f"{self._path} is shorter than announced: it ends at {offset + got} bytes of {self.size}."
            )

    def close(self) -> None:
        """Let go of the file; reads under way end well first."""
        self._file.close()

    def _use(self, operation: str, work: Callable[[File], int]) -> int:
        def told(file: File) -> int:
            with failures.told(operation, self._thing):
                return work(file)

        return self._file.use(told, operation)


class NfsWriter:
    """One file that is being written, at any offset by any number of threads."""

    def __init__(self, file: KeptFile[Client, File], thing: str) -> None:
        self.size = 0
        self._file = file
        self._thing = thing

    def resize(self, size: int) -> None:
        """Have it exactly so long; what is new of it is a hole."""
        self._use(lambda file: file.truncate(size))
        self.size = size

    def write_from(self, offset: int, buffer: memoryview) -> None:
        """Write all of the buffer; it is on stable storage then."""
        self._use(lambda file: file.write_at(buffer, offset) if buffer.nbytes else 0)

    def flush(self) -> None:
        """Every write that has returned is kept already."""
        self._use(File.flush)

    def close(self) -> None:
        """Let go of the file; writes under way end well first."""
        self._file.close()

    def _use(self, work: Callable[[File], object]) -> None:
        def told(file: File) -> None:
            with failures.told("write", self._thing):
                work(file)

        self._file.use(told, "write")


def close(file: File) -> None:
    """Tell the server that it is not needed any more."""
    with failures.told("close", file.name):
        file.close()
