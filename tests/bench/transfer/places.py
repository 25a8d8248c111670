"""The counterparts of one run, each started when it is first needed."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from integrations.simulators.demo.azurite import find
from tests.bench.transfer.servers import AbsentError, Azure, Place, Real, Sink

NAMES = ("sink", "real", "azure")


class Places:
    """Those that are wanted; what cannot be had is told in `missing`. Use it in the main thread, and end it."""

    def __init__(self, folder: Path, wanted: Sequence[str]) -> None:
        self._folder = folder
        self._wanted = wanted
        self._started: list[Sink | Real | Azure] = []
        self.missing: list[str] = []

    def __enter__(self) -> "Places":
        return self

    def __exit__(self, *_: object) -> None:
        while self._started:
            self._started.pop().stop()

    @cached_property
    def sink(self) -> Sink:
        """Always there, since without it nothing can be compared. AbsentError: it cannot be compiled."""
        sink = Sink(self._folder)
        self._started.append(sink)
        return sink

    @cached_property
    def other_sink(self) -> Sink:
        """A second one."""
        sink = Sink(self._folder, "other-sink")
        self._started.append(sink)
        return sink

    @cached_property
    def real(self) -> Real | None:
        """The real S3 server."""
        if "real" not in self._wanted:
            return None
        try:
            real = Real(self._folder)
        except AbsentError as why:
            self.missing.append(str(why))
            return None
        self._started.append(real)
        return real

    @cached_property
    def azure(self) -> Azure | None:
        """Azurite."""
        found = find()
        if "azure" not in self._wanted:
            return None
        if not found.command:
            self.missing.append(found.why)
            return None
        azure = Azure(self._folder, found.command)
        self._started.append(azure)
        return azure

    @property
    def s3(self) -> list[Place]:
        """Those that speak S3."""
        places: list[Place] = [self.sink] if "sink" in self._wanted else []
        return [*places, self.real] if self.real else places
