"""Nouns of what was found out about a recovery point in a target, long after it was made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ProofKind(StrEnum):
    """How a recovery point was looked at, the weakest first."""

    CHECKSUMS = "checksums"  # the store's own word on every object, asked anew
    READ_BACK = "read back"  # every byte of it
    DRILL = "drill"  # restored, started, alive


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A stretch of a file that is not what was read from the VMstore."""

    file: str  # its name in the recovery point
    offset: int  # bytes
    length: int  # bytes; the whole file's where no finer digests tell
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rto:
    """How long it took from the wish for a VM to its first sign of life, and what of it was spent on what."""

    seconds: float
    parts: Mapping[str, float] = field(default_factory=dict)  # "thaw", "fetch", "register", "boot", ... -> seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one run found of a recovery point in one target; it never changes, a later run adds another."""

    point: str  # the transaction that made it
    target: str
    run: str  # the transaction that found it
    kind: ProofKind
    at: datetime
    is_good: bool
    is_damaged: bool = False  # what the target has is not what was read; not good, and not to be restored from
    vm_uuid: str = ""
    vm: str = ""
    why: str = ""  # not good: the reason, in words
    damage: tuple[Damage, ...] = ()  # the first ones
    rto: Rto | None = None  # of a drill that came to a sign of life
    sign: str = ""  # of a drill: "agent", "console", ...
    text: str = ""  # of a drill: what was seen, the last lines of the console
    vmstore: str = ""  # of a drill: where it was made
