"""The descriptor of a virtual disk: which files hold its data, and what must not come back with it. Pure.

Format: "Virtual Disk Format 5.0", VMware.
"""

import re
from dataclasses import dataclass

LARGEST = 1 << 20  # bytes; none comes near it
_MARK = "# disk descriptorfile"
_EXTENT = re.compile(
    r'^[ \t]*(?:RW|RDONLY|NOACCESS)[ \t]+\d+[ \t]+(\w+)(?:[ \t]+"([^"\r\n]*)")?', re.MULTILINE | re.IGNORECASE
)
_ANY_EXTENT = re.compile(r"^[ \t]*(?:RW|RDONLY|NOACCESS)\b", re.MULTILINE | re.IGNORECASE)
_PARENT = re.compile(r'^[ \t]*parentFileNameHint[ \t]*=[ \t]*"?([^"\r\n]*)', re.MULTILINE | re.IGNORECASE)
_TRACKING = re.compile(r"^[ \t]*changeTrackPath[ \t]*=.*(?:\r?\n|\Z)", re.MULTILINE | re.IGNORECASE)
_ENCODING = re.compile(r'^([ \t]*encoding[ \t]*=[ \t]*)(?!"?utf-8\b).*$', re.MULTILINE | re.IGNORECASE)
_OF_THE_HOST = frozenset({"VMFSRDM", "VMFSRAWRDM", "VMFSRAW", "PARTITION"})


class BadDisk(ValueError):  # noqa: N818 - reads as what it says
    """The disk is none that can be registered; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What one disk is made of; names are of files in its own folder."""

    text: str  # as it is to be written, in UTF-8: without the path of a map of changed blocks of another time
    extents: tuple[str, ...]
    parent: str  # the descriptor of the disk below it; "": there is none


def read(text: str) -> Descriptor:
    """BadDisk: it is no descriptor, or names something that is not a file of its own folder."""
    if not text.lstrip("\ufeff \t\r\n")[: len(_MARK)].lower() == _MARK:
        raise BadDisk("it is no disk descriptor")
    found = _EXTENT.findall(text)
    if not found or len(found) != len(_ANY_EXTENT.findall(text)):
        raise BadDisk("it names no extent, or has a line that is not understood")
    if any(kind.upper() in _OF_THE_HOST for kind, _ in found):
        raise BadDisk("it is a device of the host (raw device mapping)")
    extents = tuple(_plain(name) for kind, name in found if kind.upper() != "ZERO")
    parents = [_plain(name) for name in _PARENT.findall(text) if name.strip()]
    made = _ENCODING.sub(r'\1"UTF-8"', _TRACKING.sub("", text))
    return Descriptor(text=made, extents=extents, parent=parents[-1] if parents else "")


def _plain(name: str) -> str:
    if not name or re.search(r"[/\\\x00-\x1f]", name) or name in (".", ".."):
        raise BadDisk(f"it names {name!r}, which is no file of its own folder")
    return name
