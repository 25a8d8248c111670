"""What was to be reached, and whether it was; and the table. Pure: figures in, rows out."""

from collections.abc import Iterator, Sequence

from tests.bench.transfer.table import table
from tests.bench.transfer.verdicts import CLOUDY, GIB, MIB, Record, Results, Verdict, size_text

_SPARSE, _FULL = 5.0, 1 / 1.1
# Beside the data: the ends of grains, of which each stretch of 4 MiB touches one more; and of the shorter pieces that
# are not written where they are zeros.
_MARGINS = {"fetched": 1.3, "allocated": 1.1}
_HEAD = "| case | from | client | size | wall s | CPU s | memory MiB | fetched MiB | allocated MiB | foreign cores |"


def judged(results: Results) -> list[Verdict]:
    """All that can be judged of what was measured."""
    return [verdict for record in results.all.values() if record.client == CLOUDY for verdict in _of(results, record)]


def _of(results: Results, ours: Record) -> Iterator[Verdict]:
    peers = results.peers(ours.case, ours.place)
    least = _SPARSE if ours.case == "sparse" else _FULL
    for name, peer in peers.items():
        ratio = peer.figures.wall / ours.figures.wall
        is_fastest = peer.figures.wall == min(each.figures.wall for each in peers.values())
        if ours.case == "sparse" or is_fastest:
            aim = "5 times as fast" if ours.case == "sparse" else "within 1.1 of the fastest"
            yield _verdict(ours, f"speed against {name}'s", f"{ratio:.2f}", aim, ratio >= least)
    for what, size in (("fetched", ours.figures.wire), ("allocated", ours.figures.told["allocated"])):
        ratio = size / ours.wanted
        yield _verdict(
            ours, f"{what} against the data", f"{ratio:.2f}", f"at most {_MARGINS[what]}", ratio <= _MARGINS[what]
        )


def _verdict(ours: Record, what: str, value: str, aim: str, is_reached: bool) -> Verdict:
    return Verdict(case=ours.case, place=ours.place, what=what, value=value, aim=aim, is_reached=is_reached)


def measured(results: Results) -> str:
    """All medians."""
    return table(_HEAD, [_row(record) for record in results.all.values()])


def _row(record: Record) -> Sequence[str]:
    f = record.figures
    return [
        record.case,
        record.place,
        record.client,
        size_text(record.size),
        f"{f.wall:.2f}",
        f"{f.cpu:.2f} ({f.cpu / (record.size / GIB):.2f} a GiB)",
        f"{f.peak / MIB:.0f}",
        f"{f.wire / MIB:.1f}",
        f"{f.told['allocated'] / MIB:.1f}",
        f"{f.foreign:.1f}",
    ]
