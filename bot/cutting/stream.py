"""Merges runs as they come and has them decided: changes, stretches worth a copy, stretches that are not. Pure."""

from collections.abc import Sequence

from bot.cutting.budget import Budget
from bot.cutting.chain import Chain
from bot.cutting.writer import Lengths, Stretch, Writer
from bot.model import Base, Part, PartSource, Run, RunState

_CHANGED, _ZERO = RunState.CHANGED, RunState.ZERO
_SOURCES = {RunState.UNCHANGED: PartSource.COPY, RunState.ZERO: PartSource.ZERO}
_NO_ROOM = -1


class Stream:
    """Turns runs into parts in file order. Called for every grain: what changes nothing returns at once."""

    def __init__(
        self,
        lengths: Lengths,
        writer: Writer,
        *,
        end: int,
        smallest_source: int,
        look_ahead: int,
        budget: Budget | None = None,
    ) -> None:
        self._lengths = lengths
        self._writer = writer
        self._chain = Chain(lengths, writer)
        self._smallest_source = smallest_source
        self._look_ahead = look_ahead
        self._budget = budget
        self._fed = writer.settled
        self._end = end
        self._solid = 0  # changed bytes that the chain does not know yet
        self._state = _CHANGED  # of the stretch that grows; changed: none does
        self._base: Base | None = None
        self._next = 0  # where in the base the stretch would go on
        self._room = _NO_ROOM  # how far the base goes
        self._length = 0
        self._is_wall = False  # the stretch is copied in any case, and the chain knows its first bytes
        self._worth = 0  # the stretch is copied only if it is as long; 0: not at all
        self._mark = lengths.floor  # nothing is to be done before so many bytes have come together

    @property
    def needs(self) -> int:
        """So many bytes of the file must fit into memory at least: what may be undecided, and two uploads besides."""
        return max(self._look_ahead, 9 * self._lengths.floor) + 2 * self._lengths.upload_top

    @property
    def settled(self) -> int:
        """No part to come uploads bytes before this offset."""
        if self._is_wall:
            return max(self._writer.settled, self._fed - self._lengths.floor)
        return self._writer.settled

    @property
    def spent(self) -> int:
        """How many parts there are when all that is undecided becomes as many as it can."""
        return self._writer.number - 1 + 4 + 2 * len(self._chain)

    def catch_up(self) -> None:
        """Tell the writer all that is certain, so that `spent` does not depend on how the runs were split."""
        if self._chain.is_open and self._solid:
            self._chain.pour(self._solid)
            self._solid = 0
        if self._is_wall and self._length:
            self._chain.grow(self._length)
            self._length = 0

    def feed(self, run: Run) -> Sequence[Part]:
        """The parts that are decided by this."""
        length, state, base, offset = run
        self._fed += length
        if state is _CHANGED:
            return self._feed_changed(length)
        same = state is self._state and (state is _ZERO or (offset == self._next and base == self._base))
        if same and (state is _ZERO or offset + length <= self._room):
            self._next += length
            self._length += length
            if self._length < self._mark:
                return ()
            self._reach()
            return self._writer.take()
        return self._begin(run)

    def finish(self, *, last: bool = True) -> Sequence[Part]:
        """The rest; last: the object's end, where a part may be as short as it likes.

        ValueError: the runs were not as long as the file.
        """
        if last and self._fed != self._end:
            raise ValueError(f"Runs up to byte {self._fed} were given for a stretch that ends at byte {self._end}.")
        if self._is_wall or not self._length:
            self._end_stretch()
        elif last and self._worth and (self._worth <= self._lengths.floor or self._length >= self._worth):
            self._append(least=1)
        else:
            self._end_stretch()
        if self._chain.is_open:
            self._chain.pour(self._solid)
        else:
            self._chain.resolve(self._solid, must=not last)
        self._solid = 0
        self._writer.close(last=last)
        return self._writer.take()

    def _feed_changed(self, length: int) -> Sequence[Part]:
        if self._state is not _CHANGED:
            self._end_stretch()
        self._solid += length
        if self._solid >= self._mark:
            self._solidify()
        return self._writer.take()

    def _begin(self, run: Run) -> Sequence[Part]:
        if self._state is not _CHANGED:
            self._end_stretch()
        if run.state is not _ZERO and not self._can_copy(run):
            return self._feed_changed(run.length)
        self._state, self._base, self._next = run.state, run.base, run.offset + run.length
        self._room = run.base.size if run.base is not None else _NO_ROOM
        self._length = run.length
        self._weigh(run.length)
        if self._length >= self._mark:
            self._reach()
        return self._writer.take()

    def _can_copy(self, run: Run) -> bool:
        base = run.base
        return base is not None and base.size >= self._smallest_source and run.offset + run.length <= base.size

    def _weigh(self, length: int) -> None:
        """From what length on the stretch that begins `length` bytes ago is worth a copy."""
        floor = self._lengths.floor
        worth = floor if self._budget is None else self._budget.worth(self.spent, self._fed - length)
        self._worth = min(worth, self._look_ahead // 2) if worth > floor else worth
        self._mark = max(self._worth, 3 * floor) if worth else max(self._look_ahead // 2, floor)

    def _reach(self) -> None:
        """The growing stretch has come to the mark."""
        while not self._worth and self._length >= self._mark:
            mark = self._mark
            self._length -= mark
            self._solid += mark
            self._solidify()
            self._weigh(self._length)
        if self._length < self._mark:
            return
        if self._is_wall:
            self._chain.grow(self._length)
        else:
            self._chain.wall(self._solid_of_wall(), self._stretch())
            self._solid, self._is_wall = 0, True
        self._length, self._mark = 0, self._writer.copy_mark

    def _solid_of_wall(self) -> int:
        if self._chain.is_open:
            self._chain.pour(self._solid)
            return 0
        return self._solid

    def _stretch(self) -> Stretch:
        return Stretch(_SOURCES[self._state], self._base, self._next - self._length, self._length)

    def _end_stretch(self) -> None:
        """Something else follows, or nothing."""
        if self._is_wall:
            self._chain.grow(self._length)
        elif self._worth and self._length >= self._worth:
            self._append(least=self._lengths.floor)
        else:
            self._solid += self._length
        self._length, self._state, self._is_wall, self._worth = 0, _CHANGED, False, 0
        self._mark = self._lengths.floor
        if self._solid >= self._mark:
            self._solidify()
        elif self._chain.is_open:
            self._mark = self._writer.upload_mark

    def _append(self, *, least: int) -> None:
        self._chain.append(self._solid_of_wall(), self._stretch(), least)
        self._length = self._solid = 0
        while len(self._chain) and self._fed - self._writer.settled > self._look_ahead - 4 * self._lengths.floor:
            self._chain.shorten()

    def _solidify(self) -> None:
        """The changed bytes are an upload that is long enough for itself: what lies before it is decided."""
        if self._chain.is_open:
            self._chain.pour(self._solid)
        else:
            self._chain.resolve(self._solid, must=True)
        self._solid = 0
        self._mark = self._writer.upload_mark
