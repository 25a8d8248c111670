"""How many things may be on their way at once: more while more gets through by it, half as many when it was too much.

Pure. Additive increase and multiplicative decrease, as TCP has it (RFC 5681), with the growth bound to what it brings.
"""

_LEAST_ROUND = 4  # things, so that a rate says something
_GAIN = 1 / 3  # of what would be gained if each further one brought as much as those before
_PATIENCE = 8  # rounds until one more is tried again, since the other side may have more room by then


class Flow:
    """The limit of one line. It is told what came to its end, and at what time in seconds; any clock will do."""

    def __init__(self, most: int, start: int) -> None:
        """most: of what is on its way at once, whatever it would bring."""
        self.most = most
        self.limit = max(1, min(start, most))
        self.setbacks = 0  # how often it was too much; what began before the last one says nothing new
        self._is_early = True  # it was never too much: doubled, not only a little raised
        self._former = 0  # the limit before the last raise, until that is judged
        self._wanted = 0.0  # the rate that makes a raise worth while
        self._still = 0  # rounds without a raise
        self._unheard = self.limit  # ends of what was begun under another limit, or at the start: they say nothing
        self._began: float | None = None
        self._count = self._size = 0

    def done(self, at: float, size: int, *, is_full: bool) -> None:
        """One of so many bytes got through. is_full: as many as may be were on their way; else nothing can be told."""
        if self._unheard or self._began is None or not is_full:
            self._unheard = max(0, self._unheard - 1)
            self._begin(at)
            return
        self._count += 1
        self._size += size
        if self._count >= max(self.limit, _LEAST_ROUND) and at > self._began:
            rate = self._size / (at - self._began)
            self._begin(at)
            self._judge(rate)

    def refused(self, setbacks: int) -> bool:
        """The other side wants less: half as many from now on. setbacks: when it was begun. False: that was known."""
        if setbacks != self.setbacks:
            return False
        self.setbacks += 1
        self._is_early, self._former, self._wanted = False, 0, 0.0
        self._set(max(1, self.limit // 2))
        return True

    def _begin(self, at: float) -> None:
        self._began, self._count, self._size = at, 0, 0

    def _set(self, limit: int) -> None:
        self.limit, self._still, self._began = limit, 0, None
        self._unheard = limit

    def _judge(self, rate: float) -> None:
        if rate >= self._wanted:
            self._raise(rate, self.limit if self._is_early else max(1, self.limit // 8))
        elif self._former:
            self._set(self._former)
            self._former, self._is_early = 0, False
        elif self._still + 1 >= _PATIENCE:
            self._raise(rate, 1)
        else:
            self._still += 1

    def _raise(self, rate: float, by: int) -> None:
        higher = min(self.most, self.limit + by)
        self._former = self.limit if higher > self.limit else 0
        self._wanted = rate * (1 + _GAIN * (higher / self.limit - 1)) if self._former else 0.0
        self._set(higher)
