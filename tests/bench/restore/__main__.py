"""Cloudy's restore beside s5cmd, the AWS command line and rclone: `python -m tests.bench.restore`.

All in one run, in turn, of the same objects, from the same counterparts: a sink over TLS that gives a file's bytes
from memory, and a real S3 server. Files are restored to memory (/dev/shm) where it has the room, so that no disk is
measured: Cloudy waits until what it wrote is kept, the others do not. Each restored file is compared with what was
protected. Exit status 1: an aim was not reached; 2: something that is needed is not there.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.bench import sidebyside
from tests.bench.restore import peers
from tests.bench.restore.cases import CASES, Bench
from tests.bench.restore.verdicts import judged, measured
from tests.bench.transfer.servers import AbsentError
from tests.bench.transfer.verdicts import GIB, Results

_MEMORY = Path("/dev/shm")
_COMMAND = sidebyside.Command(
    name="restore",
    about=str(__doc__),
    rows=CASES,
    clients=peers.NAMES,
    places=("sink", "real"),
    room="10 GB",
    quick="0.05 with --times 1 takes two minutes",
)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    said = "where they are restored to; without it memory, if there is enough"
    found = sidebyside.options(_COMMAND, lambda more: more.add_argument("--into", type=Path, help=said))
    return sidebyside.chosen(_COMMAND, found, arguments)


def _into(chosen: argparse.Namespace) -> Path | None:
    """None: beside all other files."""
    wanted = round(5 * GIB * chosen.scale)
    has_room = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > wanted
    found: Path | None = chosen.into or (_MEMORY if has_room else None)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, judge."""
    chosen = _options(arguments)
    others = peers.Fetchers(chosen.peers, chosen.clients)
    with (
        tempfile.TemporaryDirectory(prefix="cloudy-restore-", dir=chosen.folder, ignore_cleanup_errors=True) as made,
        tempfile.TemporaryDirectory(prefix="cloudy-restored-", dir=_into(chosen) or chosen.folder) as restored,
    ):
        folder, into = Path(made), Path(restored)
        try:
            made_here = partial(Bench, folder, into, others)
            bench, facts = sidebyside.measure(chosen, others, folder, made_here, CASES, into=str(into.parent))
        except AbsentError as why:
            print(why, file=sys.stderr)
            return 2
    results = Results(bench.records)
    said = measured(results)
    return sidebyside.tell(chosen, facts, bench.records, judged(results), measured=said, starts=bench.starts)


if __name__ == "__main__":
    sys.exit(main())
