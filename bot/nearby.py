"""Older copies of a VM's files that lie where it is restored to: what they still have does not travel.

They are a help, and nothing more: nothing is written to them, and each grain of theirs is checked like one that came.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath
from threading import Lock

from bot.errors import CloudyError, Stopped
from bot.manifest import ProtectedVm
from bot.model import StoredFile
from bot.ports import Reader, Share, VMstore

_LOOK_AT = 256 << 20  # bytes of a file, before it is judged whether it is worth looking on
_WORTH = 16  # it is, where at least one of so many bytes was there


class Older:
    """An older copy that is open for reading. Several threads; one that helps little, or cannot be read, is let go."""

    def __init__(self) -> None:
        self.reader: Reader | None = None  # None: there is none, or none any more
        self._looked, self._found = 0, 0
        self._lock = Lock()

    def seen(self, looked: int, found: int) -> None:
        """So many bytes were looked at, and so many of them were as they have to be."""
        with self._lock:
            self._looked, self._found = self._looked + looked, self._found + found
            if self._looked >= _LOOK_AT and self._found * _WORTH < self._looked:
                self.reader = None

    def let_go(self) -> None:
        """Look at it no more."""
        self.reader = None


def folders_of(vm: ProtectedVm, client: VMstore) -> tuple[str, ...]:
    """Where the VM's files may lie there: its folder by now, and that of its disks as it was. Stopped passes."""
    known = [PurePosixPath(disk.path).parent.as_posix() for disk in vm.disks]
    try:
        known.insert(0, client.get_vm(vm.uuid).subdir.strip("/"))
    except Stopped:
        raise
    except CloudyError:  # it is not there any more, or this is another VMstore
        pass
    return tuple(dict.fromkeys(folder for folder in known if folder not in ("", ".")))


def older_copies(files: Sequence[StoredFile], share: Share, folders: Sequence[str]) -> dict[str, str]:
    """File's name -> path of a file of that name in one of the folders, the first one that has it. Stopped passes.

    Only of files whose grains are known; the others are fetched whole.
    """
    there: dict[str, str] = {}
    for folder in folders:
        try:
            found = {entry.path for entry in share.walk(folder) if entry.size}
        except Stopped:
            raise
        except CloudyError:  # no such folder, or not ours to see
            continue
        for file in files:
            if file.digests and (path := f"{folder}/{file.name}") in found:
                there.setdefault(file.name, path)
    return there
