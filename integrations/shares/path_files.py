"""Open files of a mounted share."""

import os
from collections.abc import Callable

from bot.errors import IntegrityError, RemoteError
from bot.ports import Reader
from integrations.shares.descriptor import Descriptor
from integrations.shares.holes import Holes
from integrations.shares.names import lost

Failure = Callable[[OSError, str, str], RemoteError]  # what an error means, in which operation on which path
_ZEROS = bytes(1 << 20)


class PathReader(Reader):
    """One open file, read at any offset by any number of threads."""

    def __init__(self, failure: Failure, path: str, descriptor: int, size: int) -> None:
        self.size = size
        self._failure = failure
        self._path = path
        self._descriptor = Descriptor(descriptor, path)
        self._holes = Holes()

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer, however many reads that takes; a hole takes none."""
        with self._descriptor.held("read") as descriptor:
            if self._holes.covers(descriptor, offset, buffer.nbytes):
                _clear(buffer)
                return
            done = 0
            while done < buffer.nbytes:
                got = self._read(descriptor, buffer[done:], offset + done)
                if not got:
                    raise IntegrityError(
                        f"{self._path} is shorter than announced: it ends at {offset + done} bytes of {self.size}."
                    )
                done += got

    def close(self) -> None:
        """Let go of the file; reads under way end well first."""
        self._descriptor.close()

    def _read(self, descriptor: int, buffer: memoryview, offset: int) -> int:
        try:
            return os.preadv(descriptor, [buffer], offset)
        except OSError as error:
            raise self._failure(error, "read", self._path) from error


class PathWriter:
    """One file that is being written, at any offset by any number of threads.

    A failure counts for good: Linux tells each failed write-back once and forgets the pages (fsync(2), "Errors"; on
    NFS a write tells of those before it), so that a flush that ends well afterwards would say nothing.
    """

    def __init__(self, failure: Failure, path: str, descriptor: int, size: int) -> None:
        self.size = size
        self._failure = failure
        self._path = path
        self._descriptor = Descriptor(descriptor, path)
        self._failed: RemoteError | None = None

    def write_from(self, offset: int, buffer: memoryview) -> None:
        """Write all of the buffer, however many writes that takes."""
        with self._descriptor.held("write") as descriptor:
            try:
                done = 0
                while done < buffer.nbytes:
                    done += os.pwrite(descriptor, buffer[done:], offset + done)
            except OSError as error:
                raise self._noted(error) from error

    def flush(self) -> None:
        """Return when it is on the disk; its name is since it was opened. It fails for ever once writing failed."""
        with self._descriptor.held("write") as descriptor:
            try:
                os.fsync(descriptor)
            except OSError as error:
                raise self._noted(error) from error
        if self._failed is not None:
            raise lost(self._path, f"writing failed before: {self._failed.message.rstrip('.')}")

    def _noted(self, error: OSError) -> RemoteError:
        self._failed = self._failure(error, "write", self._path)
        return self._failed

    def close(self) -> None:
        """Let go of the file; writes under way end well first."""
        self._descriptor.close()


def _clear(buffer: memoryview) -> None:
    for at in range(0, buffer.nbytes, len(_ZEROS)):
        with buffer[at : at + len(_ZEROS)] as piece:
            piece[:] = _ZEROS[: piece.nbytes]
