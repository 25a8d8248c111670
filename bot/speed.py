"""Arithmetic of progress: percent that never goes back, bytes a second, the time that is left. Pure.

A time is in seconds of any clock; a clock that is set back makes the measuring begin anew.
"""

from dataclasses import dataclass

from bot.words import duration_text, size_text

WINDOW_S = 10.0  # the speed is that of so many seconds
_IN_BYTES = 10_000  # a total above it counts bytes; percents and files are fewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a running step moves, as one process sees it; what is not known is None."""

    speed: float | None = None  # bytes a second
    is_waiting: bool = False  # a call is tried again and again


@dataclass(frozen=True, slots=True)
class Track:
    """How many bytes had been moved when, oldest first: the last seconds, and one sample from before them."""

    samples: tuple[tuple[float, int], ...] = ()

    def seen(self, at: float, moved: int) -> "Track":
        """One more sample. Fewer bytes or an earlier time than before: everything seen so far is forgotten."""
        last = self.samples[-1:]
        if last and (at < last[0][0] or moved < last[0][1]):
            return Track(((at, moved),))
        older = [sample for sample in self.samples if sample[0] <= at - WINDOW_S]
        newer = [sample for sample in self.samples if sample[0] > at - WINDOW_S]
        return Track((*older[-1:], *newer, (at, moved)))

    @property
    def speed(self) -> float | None:
        """Bytes a second over the samples; None: there is no time between them yet."""
        if len(self.samples) < 2:
            return None
        (first_at, first), (last_at, last) = self.samples[0], self.samples[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else None


def percent(done: int, total: int) -> int:
    """From 0 to 100, and 100 only where all is done. 0 where there is nothing to count."""
    return min(100, max(0, done) * 100 // total) if total > 0 else 0


def forward(shown: tuple[int, int], told: tuple[int, int]) -> tuple[int, int]:
    """What to show as (done, total) after `shown`: what is told, or, where that would go back, the same share of it.

    A total may change, since a target is given up; then the share counts, not the number.
    """
    shown_done, shown_total = shown
    done, total = told
    if total <= 0 or shown_total <= 0:
        return told if total > 0 else shown
    least = -(-shown_done * total // shown_total)
    return min(total, max(done, least)), total


def left_s(done: int, total: int, speed: float | None) -> float | None:
    """Seconds until the rest has moved at this speed; None: nobody can tell."""
    if speed is None or speed <= 0 or total <= 0:
        return None
    return max(0, total - done) / speed


def progress_text(done: int, total: int, pace: Pace, *, is_stopping: bool = False) -> str:
    """ "41 % · 412 MiB of 1.0 GiB · 38 MiB/s · about 16 s left", as far as it is known."""
    said = [f"{percent(done, total)} %"] if total > 0 else []
    if total > _IN_BYTES:
        said.append(f"{size_text(done)} of {size_text(total)}")
    if is_stopping:
        return " · ".join([*said, "stopping"])
    if pace.is_waiting:
        return " · ".join([*said, "waiting"])
    if total > _IN_BYTES and pace.speed is not None:
        said.append(f"{size_text(round(pace.speed))}/s")
        left = left_s(done, total, pace.speed)
        said += [f"about {duration_text(left)} left"] if left is not None else []
    return " · ".join(said)
