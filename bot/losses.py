"""What of a file could not be copied in a target, and what the next turn does about it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.model import Json, PartSource

TURNS = 3  # of a file in a target, also over restarts; the last one copies nothing that lies there
_MOST_SAID = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A copy that could not be had, or came out as other bytes."""

    turn: int  # in which it was found out; the first one is 0
    source: PartSource  # COPY: an object of a recovery point; ZERO: zeros; SEGMENT: what the file itself had there
    key: str  # of that object
    words: str  # for people
    is_damaged: bool = False  # it was copied, as other bytes; else nothing was


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """All of them of one file in one target."""

    losses: tuple[Loss, ...] = ()
    begun: int = 0  # the turn that the parts are of that the target has

    @property
    def turn(self) -> int:
        """The one that is to be made now."""
        return max((loss.turn + 1 for loss in self.losses), default=0)

    @property
    def is_last(self) -> bool:
        """Whether what is lost now is the target's failure."""
        return self.turn >= TURNS - 1

    @property
    def avoided(self) -> frozenset[str]:
        """Objects that the file is not compared with any more."""
        return frozenset(loss.key for loss in self.losses if loss.source is PartSource.COPY)

    @property
    def copies_zeros(self) -> bool:
        """Whether zeros are still copied; they were tried twice before they count as lost."""
        return not self.is_last and not any(loss.source is PartSource.ZERO for loss in self.losses)

    def plus(self, loss: Loss) -> "Losses":
        """One more. An object is told of once in a turn, and of its damage rather than of anything else."""
        place = loss.turn, loss.source, loss.key
        known = next((each for each in self.losses if (each.turn, each.source, each.key) == place), None)
        if known is None:
            return replace(self, losses=(*self.losses, loss))
        if known.is_damaged or not loss.is_damaged:
            return self
        return replace(self, losses=tuple(loss if each is known else each for each in self.losses))


def told(target: str, losses: Mapping[str, Losses]) -> tuple[str, ...]:
    """For people: what of all files of a transaction could not be copied in that target."""
    return tuple(f"{target}: {loss.words}" for each in losses.values() for loss in each.losses)


def said(plan: Json) -> str:
    """The same of all targets, by the plan of a transaction, in one line; "": nothing was lost."""
    everywhere: Json = plan.get("losses", {})
    words = [
        f"{target}: {loss['words'].rstrip('.')}"
        for target, files in everywhere.items()
        for each in files.values()
        for loss in each["losses"]
    ]
    more = [f"and {len(words) - _MOST_SAID} more"] if len(words) > _MOST_SAID else []
    return "; ".join([*words[:_MOST_SAID], *more])
