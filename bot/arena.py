"""The memory that files are read into: windows of one size, shared by all transfers of this process."""

from collections.abc import Callable
from threading import Condition

from bot.stopping import HEARD_S

WINDOW = 16 << 20
MOST = 12  # of one file, where nobody else needs them
KEPT = 2  # buffers, while no file is read


class Lease:
    """The windows of one file that is being read; made by an arena."""

    def __init__(self, arena: "Arena", least: int, window: int) -> None:
        self.window = window  # bytes
        self.least = least  # 0: closed, nothing more is promised
        self.held = 0
        self._arena = arena

    @property
    def promised(self) -> int:
        """Windows that others cannot have."""
        return max(self.held, self.least)

    def take(self, check: Callable[[], None]) -> bytearray:
        """Give a buffer as soon as there is one; check may raise, and is called while there is none."""
        return self._arena.take(self, check)

    def take_now(self) -> bytearray | None:
        """Give a buffer if there is one."""
        return self._arena.take_now(self)

    def give(self, buffer: bytearray | None) -> None:
        """Take one back that nobody reads or writes any more; None: a read that hangs may still write into it."""
        self._arena.give(self, buffer)

    def close(self) -> None:
        """Take no more; what is held comes back later. Repeating is safe."""
        self._arena.end(self)


class Arena:
    """So many windows. Each file has a lease, which promises it some: with fewer it could not go on, since what to send
    is decided only when more is known. What nobody was promised anybody may have, `most` at once. A buffer is made when
    it is first needed, and used again and again: a fresh one for each part would cost twice the CPU in page faults.

    Whoever reads a file asks its lease. What stands below `lease` is asked by leases alone.
    """

    def __init__(self, windows: int, window: int = WINDOW) -> None:
        self.window = window
        self._windows = windows
        self.most = MOST
        self._free: list[bytearray] = []
        self._leases: list[Lease] = []
        self._changed = Condition()

    def lease(self, check: Callable[[], None], least: int, window: int = 0) -> Lease:
        """Wait until a file can be promised so many windows; check may raise, and is called while it waits.

        One that needs more than there are gets them when it is alone. window: bytes, where the file has less than one.
        """
        lease = Lease(self, least, min(window or self.window, self.window))
        with self._changed:
            while self._leases and self._promised() + least > self._windows:
                check()
                self._changed.wait(HEARD_S)
            self._leases.append(lease)
        return lease

    def take(self, lease: Lease, check: Callable[[], None]) -> bytearray:
        """As `Lease.take`."""
        while (found := self.take_now(lease)) is None:
            check()
            with self._changed:
                self._changed.wait_for(lambda: self._has_room(lease), HEARD_S)
        return found

    def take_now(self, lease: Lease) -> bytearray | None:
        """As `Lease.take_now`."""
        with self._changed:
            if not self._has_room(lease):
                return None
            lease.held += 1
            if self._free and lease.window == self.window:
                return self._free.pop()
        try:
            return bytearray(lease.window)
        except MemoryError:
            self.give(lease, None)
            raise

    def give(self, lease: Lease, buffer: bytearray | None) -> None:
        """As `Lease.give`."""
        with self._changed:
            lease.held -= 1
            if buffer is not None and len(buffer) == self.window:
                self._free.append(buffer)
            self._settle(lease)

    def end(self, lease: Lease) -> None:
        """As `Lease.close`."""
        with self._changed:
            lease.least = 0
            self._settle(lease)

    def _has_room(self, lease: Lease) -> bool:
        return lease.held < lease.least or (lease.held < self.most and self._promised() < self._windows)

    def _promised(self) -> int:
        return sum(lease.promised for lease in self._leases)

    def _settle(self, lease: Lease) -> None:
        if not lease.promised and lease in self._leases:
            self._leases.remove(lease)
            if not self._leases:
                del self._free[KEPT:]
        self._changed.notify_all()
