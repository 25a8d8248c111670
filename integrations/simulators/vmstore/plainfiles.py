"""VMs that are only files: a folder of disks without a .vmx, where the appliance has a rule that makes it a VM.

A VMstore has no manager to ask about VMs of plain KVM. Source: ApplianceCsiProperties and the type OTHERFILE of
Tintri's API documentation; how the rule finds names is not documented: here a folder is one VM, called as the folder.
"""

from collections.abc import Iterable
from pathlib import Path

from integrations.simulators.vmstore.calls import Json
from integrations.simulators.vmstore.vmx import PLAIN, Definition, Disk

RULE = "csiProperties"  # the setting


def rule(endings: Iterable[str]) -> Json:
    """The rule that makes VMs of folders with files of these endings."""
    wanted = list(endings)
    return {
        "isEnabled": bool(wanted),
        "directoryNames": [],
        "fileExtensions": wanted,
        "provisionedFileSize": 0,
    }


def definition_of(folder: Path, place: str, files: Iterable[str], wanted: Json) -> Definition | None:
    """What the folder at that place of the export is, by its files. None: no VM. OSError: it was removed meanwhile."""
    endings = tuple(f".{str(ending).lower().lstrip('.')}" for ending in wanted.get("fileExtensions") or ())
    below = wanted.get("directoryNames") or ()
    if not wanted.get("isEnabled") or not endings or (below and place.partition("/")[0] not in below):
        return None
    disks = sorted(name for name in files if name.lower().endswith(endings))
    if not disks:
        return None
    return Definition(
        name=folder.name,
        file="",
        disks=[Disk(device=name, file=name) for name in disks],
        kind=PLAIN,
        identity=str((folder / disks[0]).stat().st_ino),  # files that are put back under an old name are another VM
    )
