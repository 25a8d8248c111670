"""How much memory the bot needs to protect a 2 GiB disk: `python -m tests.bench.memory`; exit status 1 over 300 MB."""

import sys
import tempfile
import time
from pathlib import Path

from bot.config import load
from integrations.simulators.demo.player import Player
from integrations.simulators.demo.script import ScriptError, parse_all
from integrations.simulators.demo.transcript import Transcript
from integrations.simulators.demo.world import World
from integrations.simulators.vmstore import sample_vms
from tests.bench.transfer.measuring import peak_bytes

DISK_BYTES = 2 << 30
DATA_BYTES = 512 << 20
LIMIT_BYTES = 300 * 10**6
SCRIPT = ("alice> /protect big01 to s3", "wait done 300", 'expect "big01 is protected"')


def measure(folder: Path) -> tuple[int, float]:
    """Protect the disk in a world of its own; gives the bot's peak and the seconds it took."""
    sample_vms.create_vm(folder / "vmstore" / "export", "big01", DISK_BYTES, DATA_BYTES)
    world, transcript = World(folder), Transcript(lambda text: print(text, flush=True))
    world.slack.subscribe(transcript.change)
    try:
        world.start()
        began, player = time.monotonic(), Player(world, transcript)
        for numbered in parse_all(SCRIPT):
            numbered.line.play(player)
        peak = peak_bytes(world.bot.pid)
        if not peak:
            raise RuntimeError("the bot has ended")
        return peak, time.monotonic() - began
    finally:
        transcript.close()
        world.stop()


def main() -> int:
    """Measure, tell, judge."""
    with tempfile.TemporaryDirectory(prefix="cloudy-memory-") as made:
        folder = Path(made)
        try:
            peak, seconds = measure(folder)
        except ScriptError as error:
            print(f"{error}\n{(folder / 'bot.log').read_text()}")
            return 1
        target = load(folder / "cloudy.toml").targets["s3"]
    print(
        f"bot's peak {peak / 10**6:.0f} MB (limit {LIMIT_BYTES / 10**6:.0f} MB) for a disk of {DISK_BYTES >> 30} GiB "
        f"in {seconds:.0f} s; parts of {target.part_mib} MiB, {target.threads} threads"
    )
    return 0 if peak <= LIMIT_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
