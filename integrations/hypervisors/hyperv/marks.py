"""How a VM says which transaction registered it: a line in its notes. Pure.

The notes go with a VM that is exported, copied or replicated. So the line names the VM's id and the folder of its
configuration, and counts for no other.
"""

import re

_BY_CLOUDY = "Registered by Cloudy: "
_LINE = re.compile(rf"{_BY_CLOUDY}(?P<label>\S+) as (?P<id>[0-9a-fA-F-]{{36}}) in (?P<path>.+)")
_PLACE = "cloudy-"
FIT = re.compile(r"[A-Za-z0-9._-]{1,80}")  # a label that can be part of a file's name


def place_name(label: str) -> str:
    """The folder, below the restored VM's, in which its new configuration lies."""
    return f"{_PLACE}{label}"


def annotated(notes: str, label: str, vm_id: str, path: str) -> str:
    """Notes of a VM, with the line."""
    kept = [line for line in notes.splitlines() if not line.startswith(_BY_CLOUDY)]
    return "\n".join([*kept, f"{_BY_CLOUDY}{label} as {vm_id} in {path}"]).lstrip("\n")


def noted(notes: str, vm_id: str, path: str) -> str:
    """The label that the notes give to this very VM; "": none."""
    for match in map(_LINE.fullmatch, (line.strip() for line in notes.splitlines())):
        if match and match["id"].lower() == vm_id.lower() and match["path"].lower() == path.lower():
            return match["label"]
    return ""


def begun(path: str) -> str:
    """The label of a VM whose configuration was made here, and that may not be right yet; "": none was."""
    name = path.rstrip("\\").rpartition("\\")[2]
    return name.removeprefix(_PLACE) if name.startswith(_PLACE) else ""


def without(notes: str) -> str:
    """What people wrote."""
    return "\n".join(line for line in notes.splitlines() if not line.startswith(_BY_CLOUDY))
