"""How many parts may still be spent, for files that could need more than a store takes. Pure."""

from bot.cutting.writer import Lengths

_SPARE = 8  # parts: what is open at any moment may be cut once more than was thought


class Budget:
    """For stores without segments: the fewer parts are left, the longer a stretch must be to be worth a copy.

    Uploads and long copies are cut so long that they need fewer parts than the pace grants; each shorter copy costs two
    parts of what is saved. So the pace, which would bring the whole file to its end, can always be kept.
    """

    def __init__(self, size: int, most: int, lengths: Lengths, pace: int) -> None:
        self._size = size
        self._most = most
        self._pace = pace  # bytes a part that must be left for what is not yet planned
        self._floor = lengths.floor
        self._steps = (3 * pace // lengths.floor).bit_length()
        self._begin = max(1, self._free(0, 0))

    def worth(self, spent: int, offset: int) -> int:
        """From what length on a stretch that begins at `offset` is worth a copy; 0: not at all now."""
        free = self._free(spent, offset)
        if free < 2:
            return 0
        step = min(self._steps, 2 * self._steps * free // self._begin)  # the first half is spent freely
        return max(self._floor, 3 * self._pace >> step)

    def _free(self, spent: int, offset: int) -> int:
        return self._most - _SPARE - spent - -(-(self._size - offset) // self._pace)
