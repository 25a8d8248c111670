"""Where a process works: the CPU time of each kind of thread, and where such threads were seen. For `--profile`.

The first is exact. The second is a hint: what releases the interpreter for less than a look's time is seen too rarely.
"""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

_EVERY_S = 0.01
_OURS = ("bot/", "integrations/")
_HOUSE = str(Path(__file__).resolve().parents[3]) + "/"
_MOST = 12


class Profile:
    """Looks every 10 ms; the time that a thread ran since is put down to where it is."""

    def __init__(self) -> None:
        self._spent = Counter[str]()
        self._ran: dict[int, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="profile", daemon=True)

    def start(self) -> None:
        """From now on."""
        self._ran = dict(self._running())
        self._thread.start()

    def stop(self) -> list[tuple[str, float]]:
        """Seconds by kind of thread, then by kind and place."""
        self._over.set()
        self._thread.join()
        kinds = Counter[str]()
        for place, spent in self._spent.items():
            kinds[f"{place.partition(':')[0]}, all"] += spent
        return [(place, spent / 1e9) for place, spent in (*kinds.most_common(), *self._spent.most_common(_MOST))]

    def _look(self) -> None:
        while not self._over.wait(_EVERY_S):
            frames = sys._current_frames()
            for thread in threading.enumerate():
                if thread is not self._thread and thread.native_id is not None:
                    self._add(thread.name, thread.native_id, frames.get(thread.ident or 0))

    def _add(self, name: str, number: int, frame: FrameType | None) -> None:
        ran = _ran(number)
        spent, self._ran[number] = ran - self._ran.get(number, 0), ran
        if spent > 0:
            self._spent[f"{_kind(name)}: {where(frame)}"] += spent

    def _running(self) -> Iterator[tuple[int, int]]:
        for thread in threading.enumerate():
            if thread.native_id is not None:
                yield thread.native_id, _ran(thread.native_id)


def where(frame: FrameType | None) -> str:
    """The innermost function, and the innermost one of the product's own that it works for."""
    inner, ours = "", ""
    while frame is not None and not ours:
        path = frame.f_code.co_filename
        name = f"{path.removeprefix(_HOUSE)}:{frame.f_code.co_name}"
        inner = inner or name
        ours = name if path.removeprefix(_HOUSE).startswith(_OURS) else ""
        frame = frame.f_back
    short = "/".join(inner.split("/")[-2:])
    return ours if ours == inner else f"{ours} > {short}" if ours else short


def _kind(name: str) -> str:
    return name.rstrip("0123456789").rstrip("_-") or name


def _ran(number: int) -> int:
    """Nanoseconds that a thread ran so far (schedstat, sched-stats of the kernel's documentation); 0: it has ended."""
    try:
        return int(Path(f"/proc/self/task/{number}/schedstat").read_text().split()[0])
    except OSError:
        return 0
