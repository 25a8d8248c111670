"""How far a transfer is."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from bot.model import Bytes, Carried, Part, PartSource

TELL_S = 0.1  # how often it is told; telling costs as much as sending a few KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How far it is, in bytes; absolute, so that telling it twice is harmless."""

    bytes: Bytes  # by this call
    done: int  # of `total`, what lies in the targets, also from before
    total: int  # of all files, times the targets that are not given up


class Meter:
    """Counts bytes over all threads and tells of them, one at a time, every now and then and at the end."""

    def __init__(
        self,
        on_progress: Callable[[Moved], None],
        tell_s: float = TELL_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_progress = on_progress
        self._tell_s = tell_s
        self._now = now
        self._told_at = float("-inf")
        self._is_told = True
        self._read = 0
        self._by: dict[str, dict[PartSource, int]] = {}  # by target, also such as are given up
        self._each = 0
        self._done: dict[str, int] = {}  # by target that is not given up
        self._lock = Lock()

    @property
    def moved(self) -> Bytes:
        """What this call moved."""
        targets = {name: _carried(by) for name, by in sorted(self._by.items())}
        total = sum(targets.values(), start=Carried())
        return Bytes(read=self._read, sent=total.sent, copied=total.copied, zero=total.zero, targets=targets)

    def expect(self, targets: Sequence[str], size: int) -> None:
        """Know what there is to do for each target."""
        self._each = size
        self._done = dict.fromkeys(targets, 0)

    def read(self, size: int) -> None:
        """Count what was read from the share."""
        with self._lock:
            self._read += size
            self._tell()

    def arrived(self, target: str, part: Part) -> None:
        """Count a part that has got to the target."""
        with self._lock:
            self._by.setdefault(target, dict.fromkeys(PartSource, 0))[part.source] += part.length
            self._add(target, part.length)

    def found(self, target: str, size: int) -> None:
        """Count what the target had before."""
        with self._lock:
            self._add(target, size)

    def give_up(self, target: str) -> None:
        """Count the target no more."""
        with self._lock:
            self._done.pop(target, None)

    def _add(self, target: str, size: int) -> None:
        if target in self._done:  # what is sent once more, in full, is no more than all
            self._done[target] = min(self._each, self._done[target] + size)
        self._tell()

    def close(self) -> None:
        """Tell what was not told yet. Repeating is safe."""
        with self._lock:
            if not self._is_told:
                self._tell(at_once=True)

    def _tell(self, *, at_once: bool = False) -> None:
        done, total = sum(self._done.values()), self._each * len(self._done)
        now = self._now()
        self._is_told = at_once or done == total or abs(now - self._told_at) >= self._tell_s
        if not self._is_told:
            return
        self._told_at = now
        self._on_progress(Moved(bytes=self.moved, done=done, total=total))


def _carried(by: Mapping[PartSource, int]) -> Carried:
    return Carried(sent=by[PartSource.UPLOAD], copied=by[PartSource.COPY], zero=by[PartSource.ZERO])
