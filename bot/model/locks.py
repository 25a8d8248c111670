"""How long what is written to a target may not be removed from it."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class LockMode(StrEnum):
    """Who can end a lock before its time."""

    GOVERNANCE = "GOVERNANCE"  # whoever has a right of its own for that; Azure calls it unlocked
    COMPLIANCE = "COMPLIANCE"  # nobody, the account's owner neither; Azure calls it locked


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectLock:
    """A lock that each object of a recovery point gets when it is made."""

    lasts: timedelta
    mode: LockMode = LockMode.GOVERNANCE

    def __str__(self) -> str:
        """For people: "GOVERNANCE, 30 days"."""
        return f"{self.mode}, {self.lasts.total_seconds() / 86_400:g} days"

    def joined(self, other: "ObjectLock | None") -> "ObjectLock":
        """What keeps both promises: the longer time, and the stricter mode."""
        if other is None:
            return self
        mode = LockMode.COMPLIANCE if LockMode.COMPLIANCE in (self.mode, other.mode) else LockMode.GOVERNANCE
        return ObjectLock(lasts=max(self.lasts, other.lasts), mode=mode)
