"""How long the planner needs for very large disks, and how much memory: `python -m tests.bench.plan [TiB]`."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from bot.model import Base, PartLimits, Run, RunState
from bot.plan import MIB, CutRules
from tests.unit.cuts import layout, tally

TIB = 1 << 40
GRAIN = 4 * MIB
BASE = Base("before/disk.vmdk", 1 << 60)
S3 = CutRules()
AZURE = CutRules(
    limits=PartLimits(
        smallest=1, largest=4000 * MIB, most=50_000, largest_object=50_000 * 4000 * MIB, smallest_source=1
    ),
    segments=False,
    granule=GRAIN,
)
STORES = {"s3": S3, "azure": AZURE}
# By the grain's number: has it changed?
PATTERNS: dict[str, Callable[[int], bool]] = {
    "nothing changed": lambda _number: False,
    "2 % in 16 MiB runs": lambda number: number % 200 < 4,
    "every second grain": lambda number: number % 2 == 0,
    "one of three": lambda number: number % 3 == 0,
    "all changed": lambda _number: True,
}


def grains(size: int, has_changed: Callable[[int], bool]) -> Iterator[Run]:
    """One run a grain, as a reader gives them."""
    for number in range(size // GRAIN):
        if has_changed(number):
            yield Run(GRAIN, RunState.CHANGED)
        else:
            yield Run(GRAIN, RunState.UNCHANGED, BASE, number * GRAIN)


def measure(store: str, pattern: str, size: int) -> str:
    """Plan one disk, keep the whole plan, tell what it took; of the time, making the grains is told apart."""
    began = time.perf_counter()
    for _run in grains(size, PATTERNS[pattern]):
        pass
    made = time.perf_counter() - began
    began = time.perf_counter()
    items = list(layout(size, grains(size, PATTERNS[pattern]), STORES[store]))
    took = time.perf_counter() - began
    found = tally(items)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return (
        f"{store:6} {pattern:20} {took:6.1f} s ({made:4.1f} s of it the grains) {peak / 10**6:5.0f} MB "
        f"{len(items):8} parts {found.segments:6} segments {found.sent / size:8.2%} sent"
    )


def main(arguments: list[str]) -> int:
    """Each case in a process of its own, so that its peak is its own."""
    if len(arguments) == 3:
        print(measure(arguments[0], arguments[1], int(arguments[2])))
        return 0
    size = int(arguments[0]) * TIB if arguments else 10 * TIB
    print(f"{size / TIB:.0f} TiB in grains of {GRAIN // MIB} MiB")
    for store in STORES:
        for pattern in PATTERNS:
            subprocess.run([sys.executable, "-m", "tests.bench.plan", store, pattern, str(size)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
