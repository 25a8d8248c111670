"""What the core asks of the files of an export; the promises of bot/ports.py, whose part this is, hold here too."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from bot.model import Entry

T = TypeVar("T")


class Reader(Protocol):
    """One open file. Close it."""

    size: int

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer from offset. IntegrityError: the file ends before; TransientError, PermanentError."""

    def read_steps(
        self,
        offset: int,
        buffer: memoryview,
        step: int,
        look: Callable[[memoryview], T],
        on_hang: Callable[[], None],  # noqa: ARG002 - for those that give reads up
    ) -> list[T]:
        """Fill the buffer by steps, and look at each at once, while it is in the processor's cache.

        Gives what was seen. Errors as those of `read_into`. Repeating is safe, into the same buffer too.
        on_hang is called when a read is given up: it may go on to write what stands there in the file into the
        buffer, which may be used for that, and for nothing else ever after.
        """
        seen: list[T] = []
        for at in range(0, buffer.nbytes, step):
            with buffer[at : at + step] as piece:
                self.read_into(offset + at, piece)
                seen.append(look(piece))
        return seen

    def close(self) -> None:
        """Let go of the file; repeating is safe."""


class Writer(Protocol):
    """One file that is being written. Close it."""

    size: int

    def write_from(self, offset: int, buffer: memoryview) -> None:
        """Write all of the buffer at offset. TransientError, PermanentError (disk full), DeniedError.

        Where it raised, the call may still be under way and read the buffer: have nothing else in that memory.
        """

    def flush(self) -> None:
        """Return when what was written so far survives a crash of the VMstore and of this machine."""

    def close(self) -> None:
        """Let go of the file; repeating is safe."""


class Share(Protocol):
    """The files of one export.

    Paths are relative to the export, with `/`. A path that would leave it is a PermanentError.
    """

    export: str  # "/tintri": the prefix of every full path
    timeout_s: float  # a call that takes longer is given up (bot/watchdog.py)

    @property
    def may_be_unmounted(self) -> bool:
        """Whether what answers may be a mount point with nothing mounted, should it be empty."""

    def list(self, directory: str) -> tuple[Entry, ...]:
        """Entries directly in it ("" is the export itself), sorted by path. MissingError: no such directory."""

    def walk(self, directory: str) -> tuple[Entry, ...]:
        """All files below it, sorted by path. MissingError: no such directory."""

    def exists(self, path: str) -> bool:
        """Whether there is a file or directory."""

    def open(self, path: str) -> Reader:
        """Open a file for reading. MissingError; DeniedError says whose file it is and its mode."""

    def make_directory(self, directory: str) -> None:
        """Make a directory in one that is there; there already is fine. DeniedError on a share not to be written."""

    def remove_tree(self, directory: str) -> None:
        """Remove a directory and all in it; gone already is fine. DeniedError on a share that may not be written."""

    def create(self, path: str, size: int) -> Writer:
        """Open a file for writing, `size` bytes long from then on; new bytes are zeros, and take no room if possible.

        One that is there keeps its bytes, so repeating is safe. A link at its place is not followed. MissingError: no
        such directory. DeniedError on a share that may not be written.
        """

    def rename(self, path: str, new: str) -> None:
        """Give a file or directory another place in the export. PermanentError: something is there already."""

    def free(self) -> int | None:
        """Bytes that can still be written; None: it does not tell."""
