"""Cloudy's data path beside s5cmd, the AWS command line, rclone and boto3: `python -m tests.bench.transfer`.

All in one run, in turn, on the same files, to the same counterparts: a sink over TLS that throws bodies away and
answers copies at once, as a real store nearly does; a real S3 server, which copies physically; Azurite.
Exit status 1: an aim was not reached; 2: something that is needed is not there.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench import sidebyside
from tests.bench.transfer import peers, table
from tests.bench.transfer.cases import CASES, Bench
from tests.bench.transfer.places import NAMES
from tests.bench.transfer.servers import AbsentError
from tests.bench.transfer.verdicts import CLOUDY, Results, judged

_COMMAND = sidebyside.Command(
    name="transfer",
    about=str(__doc__),
    rows=CASES,
    clients=peers.PACKAGES,
    places=NAMES,
    room="20 GB",
    quick="0.03 with --times 1 takes three minutes",
)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    return sidebyside.chosen(_COMMAND, sidebyside.options(_COMMAND), arguments)


def _starts(bench: Bench) -> dict[str, tuple[float, float]]:
    ours = [record.figures for record in bench.records if record.client == CLOUDY]
    if not ours:
        return bench.starts
    start = median(each.start_wall for each in ours), median(each.start_cpu for each in ours)
    return {**bench.starts, CLOUDY: start}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, judge."""
    chosen = _options(arguments)
    others = peers.Peers(chosen.peers, chosen.clients)
    with tempfile.TemporaryDirectory(prefix="cloudy-transfer-", dir=chosen.folder, ignore_cleanup_errors=True) as made:
        folder = Path(made)
        try:
            bench, facts = sidebyside.measure(chosen, others, folder, partial(Bench, folder, others), CASES)
        except AbsentError as why:
            print(why, file=sys.stderr)
            return 2
    results = Results(bench.records)
    said = table.measured(results)
    return sidebyside.tell(chosen, facts, bench.records, judged(results), measured=said, starts=_starts(bench))


if __name__ == "__main__":
    sys.exit(main())
