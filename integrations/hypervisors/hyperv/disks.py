"""Looks at restored disks through the host: whether it sees them, and whether their bases are restored, too."""

from collections.abc import Sequence

from integrations.hypervisors.hyperv.cmdlets import cmdlet, pick
from integrations.hypervisors.hyperv.connection import Session
from integrations.hypervisors.hyperv.definition import NoDefinition, Slot
from integrations.hypervisors.hyperv.paths import Paths, leaf, place_of, same
from integrations.hypervisors.hyperv.wanted import Wanted

_MOST = 200  # files of one question


def missing(session: Session, paths: Paths, files: Sequence[str]) -> list[str]:
    """Those that the host does not see."""
    lacking: list[str] = []
    for at in range(0, len(files), _MOST):
        some = list(files[at : at + _MOST])
        seen = session.run(cmdlet("Test-Path", LiteralPath=[paths.full(each) for each in some], PathType="Leaf"))
        lacking += [file for file, is_there in zip(some, seen, strict=False) if is_there is not True]
        lacking += some[len(seen) :]
    return lacking


def check_chains(session: Session, wanted: Wanted, slots: Sequence[Slot]) -> None:
    """See that every disk, and all that they are based on, are restored files; a base elsewhere is put right.

    NoDefinition: one is based on what was not restored.
    """
    waiting, seen = [slot.path for slot in slots], set[str]()
    while waiting:
        path = waiting.pop(0)
        if path.lower() in seen:
            continue
        seen.add(path.lower())
        (told,) = session.run(cmdlet("Get-VHD", Path=[path]), pick("VhdType", "ParentPath"))
        parent = str(told.get("ParentPath") or "")
        if str(told.get("VhdType")) != "Differencing" and not parent:
            continue
        file = place_of(parent, wanted.spec.directory, wanted.spec.files)
        if not file:
            raise NoDefinition(f"{leaf(path)} is based on {parent}, which is not among the restored files")
        full = wanted.paths.full(file)
        if not same(full, parent):
            session.run(cmdlet("Set-VHD", Path=path, ParentPath=full))
        waiting.append(full)
