"""Rings at given times: APScheduler, as a clock and nothing else (docs/adr/0012). Its jobs live in memory.

Source: APScheduler 3.11's user guide; a job that is late is run once, whatever else is late (coalesce, no grace).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.background import BackgroundScheduler


class Alarm:
    """One thread that calls `ring`, which must return at once, at each time that was set."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._set: dict[str, datetime] = {}
        self._clock = BackgroundScheduler(
            timezone=UTC,
            executors={"default": DebugExecutor()},  # in the scheduler's own thread
            job_defaults={"misfire_grace_time": None, "coalesce": True},
        )

    def start(self) -> None:
        """Begin to ring."""
        self._clock.start()

    def set(self, times: Mapping[str, datetime]) -> None:
        """Ring at these times, by name, and at no others."""
        for name in self._set.keys() - times.keys():
            if self._clock.get_job(name) is not None:  # one that has rung is gone by itself
                self._clock.remove_job(name)
        for name, at in times.items():
            if self._set.get(name) != at:
                self._clock.add_job(self._ring, "date", run_date=at, id=name, replace_existing=True)
        self._set = dict(times)

    def close(self) -> None:
        """Ring no more."""
        if self._clock.running:
            self._clock.shutdown(wait=False)
