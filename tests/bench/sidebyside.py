"""What the benchmarks beside other tools share: their options, what is measured with, and what is told in the end."""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from tests.bench.transfer import table
from tests.bench.transfer.peers import Peers, default_folder
from tests.bench.transfer.places import Places
from tests.bench.transfer.servers import Place
from tests.bench.transfer.verdicts import MIB, Record, Results, Verdict


class Bench:
    """One run of a benchmark: its files, counterparts, clients and what they needed."""

    said = "{case:10} {place:6} {client:14}"  # of each run, while it goes on
    moved = "sent"

    def __init__(
        self, folder: Path, peers: Peers, *, places: Places, times: int, scale: float, is_profiled: bool
    ) -> None:
        self.records: list[Record] = []
        self.peers = peers
        self.places = places
        self.times = times
        self.folder = folder
        self.home = folder / "home"  # of the peers
        self.share = folder / "share"
        self.disk = self.share / "disk"
        self.is_profiled = is_profiled
        self._scale = scale
        self._count = 0
        self.share.mkdir()
        self.home.mkdir()
        self.starts = {name: peers.start_up(name, self.home, max(3, times)) for name in peers.names}

    def scaled(self, size: int) -> int:
        """Whole MiB."""
        return max(16, round(size * self._scale / MIB)) * MIB

    def fresh(self) -> str:
        """A name that was not used before, for a bucket, a transaction or a folder."""
        self._count += 1
        return f"run-{self._count:05}"

    @contextmanager
    def bucket(self, place: Place) -> Iterator[str]:
        """An empty bucket, which goes away with all in it."""
        name = self.fresh()
        place.make_bucket(name)
        try:
            yield name
        finally:
            place.remove_bucket(name)

    def note(self, record: Record) -> None:
        """Keep it, and say so."""
        self.records.append(record)
        f = record.figures
        who = self.said.format(case=record.case, place=record.place, client=record.client)
        said = f"{who} {f.wall:7.2f} s  CPU {f.cpu:6.2f} s  {self.moved} {f.wire / MIB:8.1f} MiB"
        print(f"{said}  foreign {f.foreign:.1f}", file=sys.stderr, flush=True)


B = TypeVar("B", bound=Bench)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a benchmark can be asked for at its command line."""

    name: str
    about: str
    rows: Collection[str]
    clients: Collection[str]
    places: Sequence[str]
    room: str  # on the disk
    quick: str  # how it takes only minutes


def options(
    command: Command, more: Callable[[argparse.ArgumentParser], object] | None = None
) -> argparse.ArgumentParser:
    """Those of every benchmark; more: adds its own."""
    found = argparse.ArgumentParser(prog=f"python -m tests.bench.{command.name}", description=command.about)
    rows, places = ",".join(command.rows), ",".join(command.places)
    found.add_argument("--rows", type=several, default=tuple(command.rows), help=f"some of {rows}")
    found.add_argument("--clients", type=several, default=tuple(command.clients), help="peers, or none: --clients=")
    found.add_argument("--places", type=several, default=tuple(command.places), help=f"some of {places}")
    found.add_argument("--scale", type=float, default=1.0, help=f"of all sizes; {command.quick}")
    found.add_argument("--times", type=int, default=3, help="runs of each, of which the median counts")
    found.add_argument("--folder", type=Path, help=f"where the files are made; {command.room} free, for all of it")
    if more is not None:
        more(found)
    found.add_argument("--peers", type=Path, default=default_folder(), help="where the peers are kept")
    found.add_argument("--profile", action="store_true", help="tell where Cloudy works; costs a few percent")
    found.add_argument("--json", type=Path, help="also write all runs there")
    return found


def chosen(command: Command, found: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was chosen of them; ends with 2 where there is no such thing."""
    given = found.parse_args(arguments)
    for name, known in (("rows", command.rows), ("clients", command.clients), ("places", command.places)):
        if unknown := [each for each in getattr(given, name) if each not in known]:
            found.error(f"--{name}: {', '.join(unknown)} is none of {', '.join(known)}")
    return given


def several(text: str) -> tuple[str, ...]:
    """A list with commas."""
    return tuple(filter(None, text.split(",")))


def measure(
    given: argparse.Namespace,
    peers: Peers,
    folder: Path,
    made: Callable[..., B],
    cases: Mapping[str, Callable[[B], None]],
    **more: str,
) -> tuple[B, dict[str, Any]]:
    """Run what was chosen; gives also the facts of it, more among them. made: by the names that every bench has."""
    facts: dict[str, Any] = {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "load_before": os.getloadavg(),
        "scale": given.scale,
        "times": given.times,
        **more,
        "versions": peers.versions,
    }
    began = time.monotonic()
    with Places(folder, given.places) as places:
        bench = made(places=places, times=given.times, scale=given.scale, is_profiled=given.profile)
        for name in given.rows:
            cases[name](bench)
        missing = [*peers.missing.values(), *places.missing]
    minutes = round((time.monotonic() - began) / 60, 1)
    return bench, {**facts, "minutes": minutes, "load_after": os.getloadavg(), "missing": missing}


def tell(
    given: argparse.Namespace,
    facts: Mapping[str, Any],
    records: Sequence[Record],
    verdicts: Sequence[Verdict],
    *,
    measured: str,
    starts: Mapping[str, tuple[float, float]],
) -> int:
    """Print all, write what is to be written; gives the exit status."""
    into = f", into {facts['into']}" if "into" in facts else ""
    print(f"{facts['began']}, {facts['minutes']} minutes, {facts['machine']}{into}, scale {given.scale:g}")
    print(*(f"{name}: {version}" for name, version in facts["versions"].items()), *facts["missing"], sep="\n")
    print(f"\n{measured}\n\n{table.aims(verdicts)}\n\n{table.starts(starts)}")
    if given.profile:
        print(table.profiles(Results(records)))
    if given.json:
        given.json.write_text(json.dumps(table.document(facts, records, verdicts), indent=1) + "\n")
    return 0 if all(verdict.is_reached for verdict in verdicts) else 1


def _machine() -> dict[str, Any]:
    """What it was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
