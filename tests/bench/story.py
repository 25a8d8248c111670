"""How 100 transactions at once are told in Slack: `python -m tests.bench.story [--minutes M] [--transactions N]`.

The real bot, two VMstores, a slow wire to a real S3 server, and a Slack that counts calls and refuses those beyond its
limits. All are asked for in three channels, stay in their upload for M minutes, in the middle of which Slack is away
for a while (--outage, seconds; 0: never), and end when the wire is set free. Exit status 1 if Slack said 429, a budget
was exceeded, or at the end anything is lost, doubled or old.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import storyages, storycalls
from tests.bench.storyages import Ages, ask
from tests.bench.storycalls import BUDGETS
from tests.bench.storyworld import CHANNELS, StoryWorld
from tests.e2e.waiting import until

PHASES = ("asked", "upload", "outage", "after the outage", "ending")
BEGINNING_S = 120  # about so long until the last one is in its upload
BEGIN_S, END_S = 600.0, 1800.0
WIRE_BYTES_S = 5 << 20  # so that each of the 16 parts that are under way at once takes 16 s
LARGER = 2  # than the wire carries in the time, so that no disk comes to its end
SHOWN_PROBLEMS = 20


class Telling:
    """One run of it."""

    def __init__(self, world: StoryWorld, minutes: float, outage_s: float) -> None:
        self.world = world
        self.ages = Ages(world.database)
        self._minutes = minutes
        self._outage_s = outage_s
        self.unasked: list[str] = []
        self.at_once = 0

    def run(self) -> None:
        """From the first question to the last edit."""
        seconds = self._minutes * 60
        self.world.proxy.slow(WIRE_BYTES_S)
        with self.ages:
            with self._phase("asked"):
                self.unasked = self.world.ask()
                until(self._all_upload, "all are in their upload", BEGIN_S)
            with self._phase("upload"):
                self._pass(seconds / 2)
            if self._outage_s:
                self._lose_slack()
            with self._phase("after the outage" if self._outage_s else "upload"):
                self._pass(seconds / 2)
            with self._phase("ending"):
                self.world.proxy.slow(None)
                until(lambda: not self._unended(), "all have ended", END_S)
                until(lambda: not self.ages.waiting(), "Slack shows all of it", END_S)
                time.sleep(2 * storyages.LOOK_S)

    def states(self) -> dict[str, str]:
        """States of the transactions by id."""
        return {id_: state.lower() for id_, state in ask(self.world.database, "SELECT id, state FROM transactions")}

    def _lose_slack(self) -> None:
        with self._phase("outage"):
            self.world.slack.begin_outage("error", sockets=True)
            self._pass(self._outage_s)
            self.world.slack.end_outage()

    def _pass(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.at_once = max(self.at_once, self._uploading())
            time.sleep(1)

    def _all_upload(self) -> bool:
        return self._uploading() == len(self.world.vms)

    def _uploading(self) -> int:
        return len(ask(self.world.database, "SELECT 1 FROM steps WHERE id = 'upload' AND lower(state) = 'running'"))

    def _unended(self) -> int:
        states = list(self.states().values())
        return len(self.world.vms) - len(states) + sum(state in ("planning", "queued", "running") for state in states)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self.ages.phase, began = name, time.monotonic()
        yield
        waiting, load = self.ages.waiting(), os.getloadavg()[0]
        told = f"{name}: {time.monotonic() - began:.0f} s, then {waiting} messages wait, load average {load:.1f}"
        print(told, file=sys.stderr, flush=True)


def report(telling: Telling) -> list[str]:
    """Print everything; gives what is wrong."""
    world, record = telling.world, telling.world.slack.record
    names = {world.slack.channel_id(name): name for name in CHANNELS}
    calls = storycalls.used(record, lambda id_: names.get(id_, id_))
    print(storycalls.calls_table(calls))
    print()
    print(storyages.table(telling.ages, PHASES))
    print()
    rows, states, count = telling.ages.rows(), telling.states(), len(world.vms)
    wrong = [f"not acknowledged: {text}" for text in telling.unasked]
    wrong += [problem for one in calls for problem in one.problems]
    wrong += storycalls.problems(rows, states, storycalls.standing(record))
    wrong += [f"{len(states)} transactions, {count} were asked for"] if len(states) != count else []
    round_s = count * 60 / BUDGETS["chat.update"]
    print(f"{telling.at_once} in upload at once; {len(rows)} messages of {len(states)} transactions;")
    print(f"{sum(one.limited for one in calls)} answers 429; one edit of each of {count} plans takes {round_s:.0f} s")
    print(f"at the {BUDGETS['chat.update']} a minute that Slack promises")
    for text, times in world.complaints().most_common(10):
        print(f"the bot, {times} times: {text}")
    print("\n".join(wrong[:SHOWN_PROBLEMS]) or "nothing lost, nothing doubled, every last state shown")
    return wrong


def measure(folder: Path, transactions: int, minutes: float, outage_s: float) -> list[str]:
    """Run it in a world of its own; gives what is wrong."""
    seconds = 60 * minutes + outage_s + BEGINNING_S
    disk_mib = int(seconds * WIRE_BYTES_S * LARGER / transactions) >> 20
    world = StoryWorld(folder, transactions, disk_mib << 20)
    try:
        world.start()
        telling = Telling(world, minutes, outage_s)
        try:
            telling.run()
        finally:
            wrong = report(telling)
        return wrong
    finally:
        world.stop()


def main() -> int:
    """Measure, tell, judge."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.story", description=__doc__)
    options.add_argument("--minutes", type=float, default=5.0, help="of upload, without the outage")
    options.add_argument("--transactions", type=int, default=100)
    options.add_argument("--outage", type=float, default=60.0, help="seconds")
    chosen = options.parse_args()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.platform()}")
    with tempfile.TemporaryDirectory(prefix="cloudy-story-", ignore_cleanup_errors=True) as folder:
        return 1 if measure(Path(folder), chosen.transactions, chosen.minutes, chosen.outage) else 0


if __name__ == "__main__":
    sys.exit(main())
