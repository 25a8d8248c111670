"""Cloudy's data path beside s5cmd, the AWS command line, rclone and boto3: `python -m tests.bench.transfer`.

All in one run, in turn, on the same files, to the same counterparts: a sink over TLS that throws bodies away and
answers copies at once, as a real store nearly does; a real S3 server, which copies physically; Azurite.
Exit status 1: an aim was not reached; 2: something that is needed is not there.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.transfer import peers, table
from tests.bench.transfer.cases import CASES, Bench
from tests.bench.transfer.places import NAMES, Places
from tests.bench.transfer.servers import AbsentError
from tests.bench.transfer.verdicts import CLOUDY, Results, judged


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="python -m tests.bench.transfer", description=__doc__)
    options.add_argument("--rows", type=several, default=tuple(CASES), help=f"some of {','.join(CASES)}")
    options.add_argument("--clients", type=several, default=tuple(peers.PACKAGES), help="peers, or none: --clients=")
    options.add_argument("--places", type=several, default=NAMES, help=f"some of {','.join(NAMES)}")
    options.add_argument(
        "--scale", type=float, default=1.0, help="of all sizes; 0.03 with --times 1 takes three minutes"
    )
    options.add_argument("--times", type=int, default=3, help="runs of each, of which the median counts")
    options.add_argument("--folder", type=Path, help="where the files are made; 20 GB free, for all of it")
    options.add_argument("--peers", type=Path, default=peers.default_folder(), help="where the peers are kept")
    options.add_argument("--profile", action="store_true", help="tell where Cloudy works; costs a few percent")
    options.add_argument("--json", type=Path, help="also write all runs there")
    chosen = options.parse_args(arguments)
    for name, known in (("rows", CASES), ("clients", peers.PACKAGES), ("places", NAMES)):
        if unknown := [each for each in getattr(chosen, name) if each not in known]:
            options.error(f"--{name}: {', '.join(unknown)} is none of {', '.join(known)}")
    return chosen


def several(text: str) -> tuple[str, ...]:
    """A list with commas."""
    return tuple(filter(None, text.split(",")))


def machine() -> dict[str, Any]:
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


def _measure(chosen: argparse.Namespace, folder: Path) -> tuple[Bench, dict[str, Any]]:
    others = peers.Peers(chosen.peers, chosen.clients)
    facts: dict[str, Any] = {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "load_before": os.getloadavg(),
        "scale": chosen.scale,
        "times": chosen.times,
        "versions": others.versions,
    }
    began = time.monotonic()
    with Places(folder, chosen.places) as places:
        bench = Bench(folder, others, places=places, times=chosen.times, scale=chosen.scale, is_profiled=chosen.profile)
        for name in chosen.rows:
            CASES[name](bench)
        missing = [*others.missing.values(), *places.missing]
    return bench, {
        **facts,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "load_after": os.getloadavg(),
        "missing": missing,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, judge."""
    chosen = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="cloudy-transfer-", dir=chosen.folder, ignore_cleanup_errors=True) as made:
        try:
            bench, facts = _measure(chosen, Path(made))
        except AbsentError as why:
            print(why, file=sys.stderr)
            return 2
    results = Results(bench.records)
    verdicts = judged(results)
    ours = [record.figures for record in bench.records if record.client == CLOUDY]
    starts = {**bench.starts}
    if ours:
        starts[CLOUDY] = median(each.start_wall for each in ours), median(each.start_cpu for each in ours)
    print(f"{facts['began']}, {facts['minutes']} minutes, {facts['machine']}, scale {chosen.scale:g}")
    print(*(f"{name}: {version}" for name, version in facts["versions"].items()), *facts["missing"], sep="\n")
    print(f"\n{table.measured(results)}\n\n{table.aims(verdicts)}\n\n{table.starts(starts)}")
    if chosen.profile:
        print(table.profiles(results))
    if chosen.json:
        chosen.json.write_text(json.dumps(table.document(facts, bench.records, verdicts), indent=1) + "\n")
    return 0 if all(verdict.is_reached for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
