"""What 500 protects leave in one bot: `python -m tests.bench.leaks`; exit status 1 if it grows by more than 5 %.

A real `cloudy serve` in the demo's world protects VMs of 4 MiB, eight at once until the first count, then four. Every
fifth is asked for in Slack and told in a thread; the others are recorded as `cloudy protect` beside a bot records them,
since Slack takes fewer than 50 edits a minute. Memory, threads and file handles are counted when nothing is active and
nothing waits to be sent.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.config import Settings, load
from bot.errors import BusyError
from bot.model import Actor, ProtectRequest, State, Transaction
from bot.opening import open_database, service_for
from bot.store import Database
from integrations.simulators.demo.world import World
from integrations.simulators.vmstore import sample_vms

DISK_BYTES, DATA_BYTES = 4 << 20, 1 << 20
VMS = {"vmstore": ["small0", "small2", "small4", "small6"], "vmstore2": ["small1", "small3", "small5", "small7"]}
CROWDED, CALM = 8, 4  # at once: pools fill up to the busiest moment, which is to come before the first count
CHANNELS = ("ops", "backups", "general")
LOOK_S = 0.05
QUIET_S = 900.0  # so long the outbox may take: Slack's pace is not ours
REST_S = 12.0  # before a count: then idle threads have ended and memory went back
BENCH = Actor(id="bench", name="bench", source="cli")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What the bot holds at one moment; memory and databases in bytes."""

    after: int
    memory: int
    threads: int
    handles: int
    cloudy_db: int
    engine_db: int


class Crowd:
    """Asks for one protect after the other, each VM once at a time."""

    def __init__(self, world: World, settings: Settings, db: Database, *, slack_every: int) -> None:
        self._world = world
        self._db = db
        self._service = service_for(settings, db)
        self._slack_every = slack_every
        self._asked = 0

    def ask_until(self, count: int) -> None:
        """Go on until so many were asked for and all of them have ended well. AssertionError: one has not."""
        at_once = CALM if self._asked else CROWDED
        names = sorted(name for vms in VMS.values() for name in vms)[:at_once]
        while self._asked < count:
            busy = {transaction.vm for transaction in self._active()}
            for name in [name for name in names if name not in busy][: count - self._asked]:
                self._ask(name)
            time.sleep(LOOK_S)
        deadline = time.monotonic() + QUIET_S
        while self._active() or self._waiting():
            assert time.monotonic() < deadline, "not quiet in time"
            time.sleep(LOOK_S)
        time.sleep(REST_S)
        ended = self._service.runs(count + 1)
        assert len(ended) == count, f"{len(ended)} transactions, {count} were asked for"
        failed = [transaction for transaction in ended if transaction.state is not State.SUCCEEDED]
        assert not failed, failed[0].failure

    def _ask(self, name: str) -> None:
        self._asked += 1
        if self._asked % self._slack_every == 0:
            channel = CHANNELS[self._asked // self._slack_every % len(CHANNELS)]
            assert self._world.slack.command("alice", channel, f"/protect {name} to s3").ok
        else:
            self._record(ProtectRequest(vms=(name,), targets=("s3",)))

    def _record(self, request: ProtectRequest) -> None:
        while True:
            try:
                self._service.protect(request, BENCH, request_key=f"bench:{self._asked}")
            except BusyError:  # the machine does other things besides; nothing was recorded
                continue
            return

    def _active(self) -> tuple[Transaction, ...]:
        with self._db.read() as unit:
            return unit.transactions.active()

    def _waiting(self) -> int:
        with self._db.read() as unit:
            return len(unit.outbox.pending())


def count(after: int, pid: int, folder: Path) -> Count:
    """Look at the bot from outside (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    sizes = {name: sum(path.stat().st_size for path in folder.glob(f"{name}*")) for name in ("cloudy.db", "engine.db")}
    return Count(
        after=after,
        memory=_field(status, "VmRSS") * 1024,
        threads=_field(status, "Threads"),
        handles=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        cloudy_db=sizes["cloudy.db"],
        engine_db=sizes["engine.db"],
    )


def _field(status: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"/proc/<pid>/status has no {name}")
    return int(found[1])


def measure(folder: Path, stages: Sequence[int], slack_every: int) -> list[Count]:
    """Protect in a world of its own; gives a count for each stage."""
    for vmstore, names in VMS.items():
        for name in names:
            sample_vms.create_vm(folder / vmstore / "export", name, DISK_BYTES, DATA_BYTES)
    world, counts = World(folder), []
    try:
        world.start()
        for simulator in world.vmstores.values():
            simulator.options.clone_seconds = 0.1
        settings = load(folder / "cloudy.toml")
        db = open_database(settings)
        crowd = Crowd(world, settings, db, slack_every=slack_every)
        for stage in stages:
            began = time.monotonic()
            crowd.ask_until(stage)
            counts.append(count(stage, world.bot.pid, folder))
            print(f"{stage} after {time.monotonic() - began:.0f} s more: {counts[-1]}", file=sys.stderr, flush=True)
        db.close()
        return counts
    finally:
        world.stop()


def table(counts: Sequence[Count]) -> str:
    """The counts as Markdown."""
    lines = [
        "| protects | memory MB | threads | file handles | cloudy.db kB | engine.db kB |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {c.after} | {c.memory / 1e6:.1f} | {c.threads} | {c.handles} | {c.cloudy_db / 1e3:.0f} |"
        f" {c.engine_db / 1e3:.0f} |"
        for c in counts
    ]
    return "\n".join(lines)


def grown(first: Count, last: Count, limit: float = 0.05) -> list[str]:
    """What grew by more than the limit; databases may, since they keep what happened."""
    return [
        f"{name}: {before} after {first.after}, {after} after {last.after}"
        for name in ("memory", "threads", "handles")
        if (after := getattr(last, name)) > (before := getattr(first, name)) * (1 + limit)
    ]


def main() -> int:
    """Measure, tell, judge between the first stage and the last."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stages", type=int, nargs="+", default=[100, 200, 300, 400, 500])
    options.add_argument("--slack-every", type=int, default=5)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="cloudy-leaks-", ignore_cleanup_errors=True) as made:
        counts = measure(Path(made), chosen.stages, chosen.slack_every)
    print(table(counts))
    problems = grown(counts[0], counts[-1])
    print("\n".join(problems) or "nothing grew by more than 5 %")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
