"""Recovery points of one target that a round takes one after the other."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from bot import clocks
from bot.actions.context import Context
from bot.errors import (
    CloudyError,
    DeniedError,
    IntegrityError,
    LockedError,
    MissingError,
    PermanentError,
    RemoteError,
    Stopped,
    TransientError,
)
from bot.model import Json
from bot.ports import ObjectStore

_MOST_FAILURES = 3  # in a row: the others would fare no better
_MOST_TOLD = 500  # of those that were passed over, with the reason: all of a round, so that the next begins with others
_ITS_OWN = (IntegrityError, MissingError)  # say something of one recovery point, and nothing of the others


class Turns:
    """What fails with one does not keep the others from their turn; several in a row end the round."""

    def __init__(self, context: Context, target: ObjectStore, done: str) -> None:
        """done: what becomes of them, "removed from"."""
        self._context = context
        self._target = target
        self._done = f"{done} {target.name}"
        self._passed: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._in_a_row = 0

    def take(self, points: Sequence[str], one: Callable[[str, datetime], str]) -> None:
        """Take each. one: gives why it was passed over; "": it was not. What is locked is passed over, with its date.

        What `one` raises ends the round at once where the target does not answer, else after three in a row.
        PermanentError: our clock and the target's are so far apart that nobody can say how old anything is.
        """
        for number, point in enumerate(points, start=1):
            self._context.check()
            self._try(point, clocks.agreed(self._context.clock, self._target), one)  # a clock may jump while this runs
            self._context.progress(number, len(points))

    def told(self) -> Json:
        """What was passed over and what failed, as outputs of a step."""
        failed = {self._target.name: self._failure()} if self._failed else {}
        return {"passed": told(self._passed), "passed_over": len(self._passed), "failed": failed}

    def _try(self, point: str, now: datetime, one: Callable[[str, datetime], str]) -> None:
        try:
            if why := one(point, now):
                self._passed[point] = why
            self._in_a_row = 0
        except Stopped:
            raise
        except LockedError as error:
            self._context.catalogue.locked(point, self._target.name, error.until)
            self._passed[point] = error.message
        except CloudyError as error:
            self._failed[point] = error.message
            self._context.keeper.stuck(point, self._context.id, error.message)
            self._in_a_row += not isinstance(error, _ITS_OWN)
            if isinstance(error, TransientError):
                raise
            if self._in_a_row >= _MOST_FAILURES:
                raise self._ended(error) from error

    def _ended(self, error: CloudyError) -> PermanentError:
        points = [*self._failed][-_MOST_FAILURES:]
        kind = DeniedError if isinstance(error, DeniedError) else PermanentError
        return kind(
            f"{len(points)} in a row could not be {self._done}, so the round ends: {', '.join(points)}."
            f" The next one takes them last. {error.message}",
            system=self._target.name,
            operation=self._context.transaction.workflow,
            code=error.code if isinstance(error, RemoteError) else "",
        )

    def _failure(self) -> str:
        point, why = next(iter(self._failed.items()))
        more = f", and {len(self._failed) - 1} more" if len(self._failed) > 1 else ""
        return f"{point} could not be {self._done.split()[0]}{more}: {why}"


def told(passed: Mapping[str, str]) -> Json:
    """Of those that were passed over, as many as an output keeps."""
    return dict([*passed.items()][:_MOST_TOLD])
