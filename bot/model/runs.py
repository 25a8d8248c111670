"""Nouns of a file's cut: runs of what became of its bytes since the base, and segments of very large objects."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class RunState(StrEnum):
    """What became of a run of bytes since the base."""

    CHANGED = "changed"  # or never seen: only the file has it
    UNCHANGED = "unchanged"  # it lies in a base
    ZERO = "zero"


class Base(NamedTuple):
    """An object that ranges can be copied from."""

    key: str
    size: int  # of the whole object


class Run(NamedTuple):
    """Neighbouring bytes of a file in one state; may be one grain or a whole disk. A tuple, for there are millions."""

    length: int
    state: RunState
    base: Base | None = None  # of an unchanged run only
    offset: int = 0  # in the base


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of a file that is built as a temporary object, then copied whole as one part of the object."""

    segment: int  # from 1; what its parts name
    number: int  # of the part that it becomes
    offset: int  # in the file
    length: int
