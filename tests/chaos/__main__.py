"""`python -m tests.chaos --rounds N --seed S`: kills the bot in N worlds and looks what is left; see docs/chaos.md.

The last line is `worlds N, kills K, invariants checked I, broken B`; the exit status is 1 if B > 0.
"""

import argparse
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from integrations.simulators.vmstore import tls
from tests.chaos.blind import CALLS
from tests.chaos.plan import plan
from tests.chaos.rounds import Verdict, play
from tests.peers import weed

JOBS = 4  # worlds side by side: they mostly wait, for Slack's pace above all


@dataclass(slots=True)
class Tally:
    """The sum of all rounds."""

    worlds: int = 0
    kills: int = 0
    checked: int = 0
    broken: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count a round."""
        self.worlds += 1
        self.kills += verdict.kills
        self.checked += verdict.checked
        self.broken += len(verdict.broken)

    def __str__(self) -> str:
        return f"worlds {self.worlds}, kills {self.kills}, invariants checked {self.checked}, broken {self.broken}"


def run(
    rounds: Iterable[int],
    seed: int,
    tell: Callable[[str], None],
    *,
    folder: Path,
    jobs: int = JOBS,
    blind: str = "",
    points: Collection[str] = (),
) -> Tally:
    """Play the rounds of these numbers, some at once; what is broken keeps its folder below the one given.

    blind: names of creating calls that do not look first; points: see `plan`.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # a client that is killed is no news here
    tally = Tally()
    (folder / "tls").mkdir(parents=True)
    certificates = tls.ensure(folder / "tls", "chaos")
    with weed() as s3, ThreadPoolExecutor(jobs, thread_name_prefix="round") as pool:
        chosen = [plan(seed, number, points) for number in rounds]
        futures = [pool.submit(play, each, folder / each.name, s3, certificates, blind) for each in chosen]
        for future in as_completed(futures):
            verdict = future.result()
            tally.add(verdict)
            for line in verdict.lines():
                tell(line)
    return tally


def main(arguments: list[str]) -> int:
    """Read the arguments, play, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="how many worlds (10)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed does the same (1)")
    parser.add_argument("--only", type=int, help="this round alone, by its number from 0")
    parser.add_argument("--jobs", type=int, default=JOBS, help=f"worlds side by side ({JOBS})")
    parser.add_argument("--blind", default="", help=f"make without looking first: any of {','.join(CALLS)}")
    parser.add_argument("--points", default="", help="die after these calls alone, as vmstore.login,target.put")
    given = parser.parse_args(arguments)
    numbers = range(given.rounds) if given.only is None else [given.only]
    folder = Path(tempfile.mkdtemp(prefix="cloudy-chaos-"))
    points = [point for point in given.points.split(",") if point]
    tally = run(numbers, given.seed, _tell, folder=folder, jobs=given.jobs, blind=given.blind, points=points)
    if not tally.broken:
        shutil.rmtree(folder, ignore_errors=True)
    _tell(str(tally))
    return 1 if tally.broken else 0


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
