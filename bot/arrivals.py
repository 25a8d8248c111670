"""How far a restore is."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """How far it is, in bytes; absolute, so that telling it twice is harmless."""

    fetched: int = 0  # by this call, from the target
    local: int = 0  # by this call, from what lay on the share
    older: int = 0  # of those, what an older copy had
    zero: int = 0  # by this call, and never fetched
    done: int = 0  # of `total`, what lies on the share, also from before
    total: int = 0


class Arrivals:
    """Counts bytes over all threads and tells of them, one at a time. Files come one after the other."""

    def __init__(self, on_progress: Callable[[Arrived], None], total: int) -> None:
        self._on_progress = on_progress
        self._total = total
        self._fetched, self._local, self._older, self._zero = 0, 0, 0, 0
        self._before, self._done, self._size = 0, 0, 0  # of files that have ended; of the file, and how long that is
        self._zero_here = 0  # of the file
        self._lock = Lock()

    @property
    def moved(self) -> Arrived:
        """How far it is."""
        done = self._before + self._done
        return Arrived(
            fetched=self._fetched,
            local=self._local,
            older=self._older,
            zero=self._zero,
            done=done,
            total=self._total,
        )

    def begin(self, size: int) -> None:
        """A file begins; the one before it is there."""
        with self._lock:
            self._before, self._done, self._size = self._before + self._size, 0, size
            self._zero_here = 0
            self._on_progress(self.moved)

    def again(self) -> None:
        """The file is gone through once more, from its beginning; what is there is counted anew."""
        with self._lock:
            self._zero, self._done = self._zero - self._zero_here, 0
            self._zero_here = 0

    def fetched(self, size: int) -> None:
        """Count what came from the target; it is not there yet."""
        with self._lock:
            self._fetched += size

    def local(self, size: int) -> None:
        """Count what lay on the share; it is not there yet."""
        with self._lock:
            self._local += size

    def older(self, size: int) -> None:
        """Count what an older copy had."""
        with self._lock:
            self._local += size
            self._older += size

    def zero(self, size: int) -> None:
        """Count zeros that are there without having been fetched."""
        with self._lock:
            self._zero += size
            self._zero_here += size
            self._add(size)

    def there(self, size: int) -> None:
        """Count what is there now."""
        with self._lock:
            self._add(size)

    def _add(self, size: int) -> None:
        self._done += size
        self._on_progress(self.moved)
