"""Cloudy's restore beside s5cmd, the AWS command line and rclone: `python -m tests.bench.restore`.

All in one run, in turn, of the same objects, from the same counterparts: a sink over TLS that gives a file's bytes
from memory, and a real S3 server. Files are restored to memory (/dev/shm) where it has the room, so that no disk is
measured: Cloudy waits until what it wrote is kept, the others do not. Each restored file is compared with what was
protected. Exit status 1: an aim was not reached; 2: something that is needed is not there.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.restore import peers
from tests.bench.restore.cases import CASES, Bench
from tests.bench.restore.verdicts import judged, measured
from tests.bench.transfer import table
from tests.bench.transfer.__main__ import machine, several
from tests.bench.transfer.peers import default_folder
from tests.bench.transfer.places import Places
from tests.bench.transfer.servers import AbsentError
from tests.bench.transfer.verdicts import GIB, Results

_MEMORY = Path("/dev/shm")
_PLACES = ("sink", "real")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="python -m tests.bench.restore", description=__doc__)
    options.add_argument("--rows", type=several, default=tuple(CASES), help=f"some of {','.join(CASES)}")
    options.add_argument("--clients", type=several, default=peers.NAMES, help="peers, or none: --clients=")
    options.add_argument("--places", type=several, default=_PLACES, help=f"some of {','.join(_PLACES)}")
    options.add_argument("--scale", type=float, default=1.0, help="of all sizes; 0.05 with --times 1 takes two minutes")
    options.add_argument("--times", type=int, default=3, help="runs of each, of which the median counts")
    options.add_argument("--folder", type=Path, help="where the files are made; 10 GB free, for all of it")
    options.add_argument("--into", type=Path, help="where they are restored to; without it memory, if there is enough")
    options.add_argument("--peers", type=Path, default=default_folder(), help="where the peers are kept")
    options.add_argument("--profile", action="store_true", help="tell where Cloudy works; costs a few percent")
    options.add_argument("--json", type=Path, help="also write all runs there")
    chosen = options.parse_args(arguments)
    for name, known in (("rows", CASES), ("clients", peers.NAMES), ("places", _PLACES)):
        if unknown := [each for each in getattr(chosen, name) if each not in known]:
            options.error(f"--{name}: {', '.join(unknown)} is none of {', '.join(known)}")
    return chosen


def _into(chosen: argparse.Namespace) -> Path | None:
    """None: beside all other files."""
    wanted = round(5 * GIB * chosen.scale)
    has_room = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > wanted
    found: Path | None = chosen.into or (_MEMORY if has_room else None)
    return found


def _measure(chosen: argparse.Namespace, folder: Path, into: Path) -> tuple[Bench, dict[str, Any]]:
    others = peers.Fetchers(chosen.peers, chosen.clients)
    facts: dict[str, Any] = {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "load_before": os.getloadavg(),
        "scale": chosen.scale,
        "times": chosen.times,
        "into": str(into.parent),
        "versions": others.versions,
    }
    began = time.monotonic()
    with Places(folder, chosen.places) as places:
        bench = Bench(
            folder, into, others, places=places, times=chosen.times, scale=chosen.scale, is_profiled=chosen.profile
        )
        for name in chosen.rows:
            CASES[name](bench)
        missing = [*others.missing.values(), *places.missing]
    minutes = round((time.monotonic() - began) / 60, 1)
    return bench, {**facts, "minutes": minutes, "load_after": os.getloadavg(), "missing": missing}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, judge."""
    chosen = _options(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="cloudy-restore-", dir=chosen.folder, ignore_cleanup_errors=True) as made,
        tempfile.TemporaryDirectory(prefix="cloudy-restored-", dir=_into(chosen) or chosen.folder) as into,
    ):
        try:
            bench, facts = _measure(chosen, Path(made), Path(into))
        except AbsentError as why:
            print(why, file=sys.stderr)
            return 2
    results = Results(bench.records)
    verdicts = judged(results)
    said = f"{facts['began']}, {facts['minutes']} minutes, {facts['machine']}, into {facts['into']}"
    print(f"{said}, scale {chosen.scale:g}")
    print(*(f"{name}: {version}" for name, version in facts["versions"].items()), *facts["missing"], sep="\n")
    print(f"\n{measured(results)}\n\n{table.aims(verdicts)}\n\n{table.starts(bench.starts)}")
    if chosen.profile:
        print(table.profiles(results))
    if chosen.json:
        chosen.json.write_text(json.dumps(table.document(facts, bench.records, verdicts), indent=1) + "\n")
    return 0 if all(verdict.is_reached for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
