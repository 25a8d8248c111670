"""What one process of Cloudy's is to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

VMSTORE, EXPORT = "bench", "/tintri"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One transaction."""

    transaction: str
    targets: tuple[str, ...]
    files: Mapping[str, int]  # size by path below the share's folder
    bases: Mapping[str, str] = field(default_factory=dict)  # transaction by target
    commit: bool = False  # make it a recovery point, so that it can be a base
    huge: int = 0  # of a simulated disk: how much of it is read before the run fails
    profile: bool = False  # tell where it works
