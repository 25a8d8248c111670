"""What was to be reached, and whether it was. Pure: figures in, rows out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from statistics import median

from tests.bench.transfer.measuring import Figures

CLOUDY = "cloudy"
GIB, MIB = 1 << 30, 1 << 20
NOISE = 1.05  # "not behind" allows as much
_MOST_MEMORY = 300 * 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One run of one client in one case."""

    case: str
    place: str
    client: str
    size: int  # bytes of the files
    wanted: int  # bytes of them that nobody who has sent the others can do without
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One figure that was to be reached."""

    case: str
    place: str
    what: str
    value: str
    aim: str
    is_reached: bool


class Results:
    """Medians of all runs."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.all: dict[tuple[str, str, str], Record] = {}
        by: dict[tuple[str, str, str], list[Record]] = {}
        for record in records:
            by.setdefault((record.case, record.place, record.client), []).append(record)
        for key, runs in by.items():
            self.all[key] = replace(runs[0], figures=middle([run.figures for run in runs]))

    def get(self, case: str, place: str, client: str = CLOUDY) -> Record | None:
        """The median run, where there was any."""
        return self.all.get((case, place, client))

    def peers(self, case: str, place: str) -> dict[str, Record]:
        """Those of the other tools."""
        return {key[2]: found for key, found in self.all.items() if key[:2] == (case, place) and key[2] != CLOUDY}


def middle(runs: Sequence[Figures]) -> Figures:
    """The median of each figure by itself; what was told, and a profile, is the first run's."""
    named = [each.name for each in fields(Figures) if each.name not in ("told", "profile")]
    values = {name: median(getattr(run, name) for run in runs) for name in named}
    counted = {name: round(values[name]) for name in ("peak", "wire", "requests", "read")}
    return replace(runs[0], **{**values, **counted})


def judged(results: Results) -> list[Verdict]:
    """All that can be judged of what was measured."""
    return [verdict for judge in _JUDGES for verdict in judge(results)]


def _random(results: Results) -> Iterator[Verdict]:
    ours, peers = results.get("random", "sink"), results.peers("random", "sink")
    if ours is None:
        return
    for name in ("s5cmd", "boto3"):
        if name in peers:
            ratio = ours.figures.cpu / peers[name].figures.cpu
            yield _of(ours, f"CPU against {name}'s", f"{ratio:.2f}", "at most 0.45", ratio <= 0.45)
    yield from _faster(ours, peers, 1.0, "ahead of every peer")


def _sparse(results: Results) -> Iterator[Verdict]:
    for place, most, least in (("sink", 1.6, 4.0), ("real", 1.6, 1.0), ("azure", 1.1, 0.0)):
        if ours := results.get("sparse", place):
            yield _sent(ours, "the data", most)
            aim = "4 times the fastest peer" if place == "sink" else "ahead of the fastest peer"
            yield from _faster(ours, results.peers("sparse", place), least, aim)


def _changed(results: Results) -> Iterator[Verdict]:
    for place, least in (("sink", 8.0), ("real", 1 / NOISE)):
        if ours := results.get("changed", place):
            yield _sent(ours, "the changed", 1.4)
            aim = "8 times the fastest peer's full upload" if place == "sink" else "not behind the fastest peer"
            yield from _faster(ours, results.peers("changed", place), least, aim)
    if ours := results.get("scattered", "azure"):
        yield _sent(ours, "the changed", 1.5)


def _unchanged(results: Results) -> Iterator[Verdict]:
    if ours := results.get("unchanged", "sink"):
        share, speed = ours.figures.wire / ours.size, ours.size / ours.figures.wall / 10**9
        yield _of(ours, "bytes sent", f"{share:.4%}", "under 0.1 % of the file", share < 0.001)
        yield _of(ours, "read and hashed", f"{speed:.2f} GB/s", "3 GB/s", speed >= 3)


def _small(results: Results) -> Iterator[Verdict]:
    ours, peers = results.get("small", "real"), results.peers("small", "real")
    if ours and "s5cmd" in peers:
        yield from _faster(ours, {"s5cmd": peers["s5cmd"]}, 1 / NOISE, "not behind s5cmd")


def _two(results: Results) -> Iterator[Verdict]:
    needed = [results.get("two", "both", name) for name in (CLOUDY, "first alone", "second alone", "reading alone")]
    both, first, second, reading = needed
    if both is None or first is None or second is None or reading is None:
        return
    ratio = both.figures.cpu / (first.figures.cpu + second.figures.cpu - reading.figures.cpu)
    yield _of(both, "CPU against one read and hash and both sends", f"{ratio:.2f}", "at most 1.15", ratio <= 1.15)
    times = both.figures.read / both.size
    yield _of(both, "each byte read", f"{times:.3f} times", "once", times < 1.01)


def _memory(results: Results) -> Iterator[Verdict]:
    for (case, _place, client), found in results.all.items():
        if case == "memory" or (case == "random" and client == CLOUDY):
            peak = found.figures.peak
            what = f"memory above idle, {size_text(found.size)}"
            yield _of(found, what, f"{peak / 10**6:.0f} MB", "under 300 MB", peak < _MOST_MEMORY)


def _kill(results: Results) -> Iterator[Verdict]:
    if ours := results.get("kill", "sink"):
        again, flying = ours.figures.told["again"], ours.figures.told["in_flight"]
        aim = f"at most the parts in flight, {flying / MIB:.0f} MiB"
        yield _of(ours, "sent again after SIGKILL", f"{again / MIB:.1f} MiB", aim, again <= flying)


_JUDGES: Sequence[Callable[[Results], Iterator[Verdict]]] = (
    _random, _sparse, _changed, _unchanged, _small, _two, _memory, _kill,
)  # fmt: skip


def _sent(ours: Record, of: str, most: float) -> Verdict:
    ratio = ours.figures.wire / ours.wanted
    return _of(ours, f"bytes sent against {of}", f"{ratio:.2f}", f"at most {most}", ratio <= most)


def _faster(ours: Record, peers: Mapping[str, Record], least: float, aim: str) -> Iterator[Verdict]:
    if not peers:
        return
    name, best = min(peers.items(), key=lambda each: each[1].figures.wall)
    ratio = best.figures.wall / ours.figures.wall
    yield _of(ours, f"speed against {name}'s", f"{ratio:.2f}", aim, ratio >= least)


def _of(record: Record, what: str, value: str, aim: str, is_reached: bool) -> Verdict:
    return Verdict(case=record.case, place=record.place, what=what, value=value, aim=aim, is_reached=is_reached)


def size_text(size: int) -> str:
    """As people say it."""
    for unit, name in ((1 << 40, "TiB"), (GIB, "GiB"), (MIB, "MiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size / 1024:.4g} KiB"
