"""Which VMs there are: the folders of the export that hold one, those that were there before, generated ones."""

import os
import random
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from integrations.simulators.vmstore import plainfiles, vmx
from integrations.simulators.vmstore.state import CloneEntry, State, VmEntry
from integrations.simulators.vmstore.times import now_ms

_ROLES = ("web", "db", "app", "mail", "build", "cache", "proxy", "test", "files", "print")
UNTIL_NO_CLONE = "DELETE_ON_ZERO_CLONE_REFERENCES"
_FIRST_GENERATED = 1 << 32  # far above the numbers that real VMs and snapshots get


class Inventory:
    """Looks at the export anew each time: nothing but the removal of its files can delete a VM."""

    def __init__(self, export: Path, state: State, generated: int) -> None:
        self._export = export
        self._state = state
        self._read: dict[Path, tuple[tuple[int, int], vmx.Definition]] = {}
        self._held: dict[str, _Held] = {}  # by the clone's key
        self._generated = [_generate(number) for number in range(generated)]

    def refresh(self) -> list[VmEntry]:
        """All VMs that were ever seen, after a look at the export."""
        with self._state.look() as document:
            self.forget_removed_clones()
            found = {
                f"{folder}/{definition.file}|{definition.bios_uuid or definition.identity}": (folder, definition)
                for folder, definition in self._definitions()
            }
            known = {key: (entry.folder, entry.definition) for key, entry in document.vms.items() if entry.live}
            if found != known:
                self._update(found)
            return [*document.vms.values(), *self._generated]

    def _update(self, found: dict[str, tuple[str, vmx.Definition]]) -> None:
        with self._state.change() as document:
            for key, entry in document.vms.items():
                if entry.live and key not in found:
                    entry.live, entry.gone_ms = False, now_ms()
            for key, (folder, definition) in found.items():
                entry = document.vms.get(key) or VmEntry(
                    hex=self._state.next_hex(), folder=folder, definition=definition
                )
                entry.definition, entry.live = definition, True
                document.vms[key] = entry

    def forget_removed_clones(self) -> None:
        """Forget clones whose files were removed, and with the last one a snapshot that was to stay only for them."""
        with self._state.look() as document:
            places = [clone.file for clone in document.clones.values()]
            gone = {key: clone for key, clone in document.clones.items() if not self._is_there(key, clone)}
            if not gone and places == [clone.file for clone in document.clones.values()]:
                return
        with self._state.change() as document:
            for key in gone:
                document.clones.pop(key, None)
                self._held.pop(key, None)
            left = {clone.snapshot for clone in document.clones.values()}
            for digits in {clone.snapshot for clone in gone.values()} - left:
                snapshot = document.snapshots.get(digits)
                if snapshot and snapshot.deletion_policy == UNTIL_NO_CLONE and not snapshot.locked_until_ms:
                    document.snapshots.pop(digits)
                    shutil.rmtree(self._state.folder / "snapshots" / digits, ignore_errors=True)

    def hold(self, key: str, clone: CloneEntry) -> None:
        """Follow the file of a clone of one file, wherever a client moves it. OSError: it is not there."""
        self._held[key] = _Held(self._export / clone.file)

    def _is_there(self, key: str, clone: CloneEntry) -> bool:
        if not clone.file:
            return (self._export / clone.directory).is_dir()
        try:
            if key not in self._held:
                self.hold(key, clone)
        except OSError:
            return False
        path = self._held[key].path
        if path and path.is_relative_to(self._export):
            clone.file = path.relative_to(self._export).as_posix()
        return path is not None

    def _definitions(self) -> Iterator[tuple[str, vmx.Definition]]:
        clones = {one.directory for one in self._state.document.clones.values() if not one.registered and not one.file}
        for root, folders, files in os.walk(self._export):
            folder = Path(root).relative_to(self._export).as_posix()
            definition = None if folder == "." else self._definition_of(Path(root), folder, files)
            if definition:
                yield folder, definition
                folders.clear()
                continue
            prefix = "" if folder == "." else f"{folder}/"
            folders[:] = sorted(name for name in folders if prefix + name not in clones and not name.startswith("."))

    def _definition_of(self, root: Path, folder: str, files: list[str]) -> vmx.Definition | None:
        names = sorted(name for name in files if name.lower().endswith(".vmx"))
        if names:
            return self._definition(root / names[0])
        try:
            return plainfiles.definition_of(root, folder, files, self._state.document.settings[plainfiles.RULE])
        except OSError:  # removed while we looked
            return None

    def _definition(self, path: Path) -> vmx.Definition | None:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if path not in self._read or self._read[path][0] != stamp:
                self._read[path] = (stamp, vmx.read(path))
        except OSError:  # removed while we looked
            return None
        return self._read[path][1]


class _Held:
    """A file that is held, so that its inode stays its own and tells whether it still has a name."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_PATH)

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            os.close(self._fd)

    @property
    def path(self) -> Path | None:
        """Where it is now; None when it was removed."""
        return Path(f"/proc/self/fd/{self._fd}").readlink() if os.fstat(self._fd).st_nlink else None


def _generate(number: int) -> VmEntry:
    dice = random.Random(number)
    name = f"{dice.choice(_ROLES)}-{number + 1:05d}"
    bios = str(uuid.UUID(int=dice.getrandbits(128)))
    definition = vmx.Definition(
        name=name,
        file=f"{name}.vmx",
        bios_uuid=bios,
        instance_uuid=bios,
        cpus=dice.choice((1, 2, 4, 8)),
        memory_mb=dice.choice((1024, 2048, 4096, 16384)),
        disks=[vmx.Disk(device="scsi0:0", file=f"{name}.vmdk")],
    )
    return VmEntry(hex=f"{_FIRST_GENERATED + number:016X}", folder="", definition=definition)
