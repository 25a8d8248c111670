"""What tests of cuts share: random runs, an oracle that tries every cut, and what must hold of any plan."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

from bot.model import Base, Part, PartSource, Run, RunState, Segment
from bot.plan import CutRules, Cutter, cutter

CHANGED, UNCHANGED, ZERO = RunState.CHANGED, RunState.UNCHANGED, RunState.ZERO
BIG, OTHER, TINY = Base("t1/a.vmdk", 1 << 60), Base("t0/b.vmdk", 1 << 60), Base("t1/tiny", 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a plan comes to: bytes and requests by kind."""

    sent: int = 0
    copied: int = 0
    zero: int = 0
    uploads: int = 0
    copies: int = 0
    zeros: int = 0
    segments: int = 0  # each is begun, completed, copied and removed

    @property
    def requests(self) -> int:
        """All that the store is asked, without retries; one part alone that is sent is put at once."""
        parts = self.uploads + self.copies + self.zeros
        frame = 0 if parts == self.uploads <= 1 else 2
        return max(1, parts) + frame + 4 * self.segments


def layout(size: int, runs: Iterable[Run], rules: CutRules) -> Iterator[Part | Segment]:
    """The whole plan of a file whose runs are known. Errors as of `cutter`."""
    cut = cutter(size, rules)
    for run in runs:
        yield from cut.feed(run)
    yield from cut.finish()


def tally(items: Iterable[Part | Segment]) -> Tally:
    """Sums up a plan, or a piece of it."""
    length, count, segments = dict.fromkeys(PartSource, 0), dict.fromkeys(PartSource, 0), 0
    for item in items:
        if isinstance(item, Segment):
            segments += 1
        else:
            length[item.source] += item.length
            count[item.source] += 1
    upload, copy, zero = PartSource.UPLOAD, PartSource.COPY, PartSource.ZERO
    return Tally(
        sent=length[upload],
        copied=length[copy],
        zero=length[zero],
        uploads=count[upload],
        copies=count[copy],
        zeros=count[zero],
        segments=segments,
    )


def bytewise(runs: Sequence[Run]) -> Iterator[tuple[RunState, Base | None, int]]:
    """Every byte's state and place."""
    for run in runs:
        for at in range(run.length):
            yield run.state, run.base, (run.offset + at if run.base else 0)


def can_follow(first: tuple[RunState, Base | None, int], second: tuple[RunState, Base | None, int]) -> bool:
    return first[:2] == second[:2] and (first[1] is None or first[2] + 1 == second[2])


def oracle(runs: Sequence[Run], floor: int, smallest_source: int) -> tuple[int, int]:
    """Fewest bytes sent, then fewest parts, over all cuts whatsoever; parts of any length from the floor on."""
    told = list(bytewise(runs))
    size = len(told)
    copyable = [state is ZERO or (base is not None and base.size >= smallest_source) for state, base, _ in told]
    best = [(0, 0)] + [(1 << 60, 0)] * size
    for end in range(1, size + 1):
        is_one = copyable[end - 1]
        for begin in range(end - 1, -1, -1):
            is_one = is_one and copyable[begin] and (begin == end - 1 or can_follow(told[begin], told[begin + 1]))
            if end - begin < floor and end < size:
                continue
            sent, count = best[begin]
            best[end] = min(best[end], (sent + (0 if is_one else end - begin), count + 1))
    return best[size]


def cut_all(cut: Cutter, runs: Sequence[Run]) -> list[Part | Segment]:
    found: list[Part | Segment] = []
    for run in runs:
        found += cut.feed(run)
    return [*found, *cut.finish()]


def grains(runs: Sequence[Run], length: int) -> Iterator[Run]:
    """The same, in pieces."""
    for run in runs:
        for at in range(0, run.length, length):
            yield Run(min(length, run.length - at), run.state, run.base, run.offset + at if run.base else 0)


def check(items: Sequence[Part | Segment], runs: Sequence[Run], rules: CutRules) -> None:
    """All that must hold of a plan, whatever it costs."""
    size = sum(run.length for run in runs)
    parts = [item for item in items if isinstance(item, Part)]
    own = [item for item in items if isinstance(item, Segment) or not item.segment]
    _check_object(own, 0, size, rules)
    for item in items:
        if isinstance(item, Segment):
            inner = [part for part in parts if part.segment == item.segment]
            _check_object(inner, item.offset, item.offset + item.length, rules)
            assert max(items.index(part) for part in inner) < items.index(item)
            assert item.length >= rules.limits.smallest_source
    segments = [item.segment for item in items if isinstance(item, Segment)]
    assert segments == list(range(1, len(segments) + 1))
    assert {part.segment for part in parts} <= {0, *segments}
    _check_sources(parts, runs, rules)


def _check_object(items: Sequence[Part | Segment], begin: int, end: int, rules: CutRules) -> None:
    limits = rules.limits
    assert [item.number for item in items] == list(range(1, len(items) + 1))
    assert len(items) <= limits.most
    at = begin
    for item in items:
        assert item.offset == at
        assert 0 < item.length <= limits.largest
        at += item.length
    assert at == end
    assert all(item.length >= limits.smallest for item in items[:-1])
    if rules.equal_parts:
        assert len({item.length for item in items[:-1]}) <= 1


def _check_sources(parts: Sequence[Part], runs: Sequence[Run], rules: CutRules) -> None:
    """A copy has its bytes' place in the base, a zero part nothing but zeros, an upload no base."""
    places = iter(_places(runs))
    begin, run = next(places, (0, Run(0, CHANGED)))
    for part in parts:
        at, end = part.offset, part.offset + part.length
        if part.source is PartSource.UPLOAD:
            assert (part.base, part.base_offset) == ("", 0)
            continue
        assert rules.copies_parts
        while at < end:
            while begin + run.length <= at:
                begin, run = next(places)
            if part.source is PartSource.ZERO:
                assert (run.state, part.base) == (ZERO, "")
            else:
                assert run.state is UNCHANGED
                assert run.base is not None
                assert run.base.size >= rules.limits.smallest_source
                assert part.base == run.base.key
                assert part.base_offset + at - part.offset == run.offset + at - begin
            at = min(end, begin + run.length)


def _places(runs: Sequence[Run]) -> Iterator[tuple[int, Run]]:
    at = 0
    for run in runs:
        yield at, run
        at += run.length


def gaps_within(items: Sequence[Part | Segment]) -> bool:
    """Whether parts of the object or of segments leave a gap or overlap, in the order they came in."""
    parts = [item for item in items if isinstance(item, Part)]
    return any(first.offset + first.length != second.offset for first, second in pairwise(parts))


@st.composite
def some_runs(draw: st.DrawFn, most: int = 12, longest: int = 14) -> list[Run]:
    """Random runs; unchanged ones go on in their base, or jump."""
    runs: list[Run] = []
    at = 0
    for length in draw(st.lists(st.integers(1, longest), max_size=most)):
        state = draw(st.sampled_from([CHANGED, UNCHANGED, UNCHANGED, ZERO]))
        base = draw(st.sampled_from([BIG, BIG, BIG, OTHER, TINY])) if state is UNCHANGED else None
        if base is TINY:
            runs.append(Run(min(length, TINY.size), state, base, 0))
        else:
            jump = draw(st.sampled_from([0, 0, 0, 1000])) if base else 0
            runs.append(Run(length, state, base, at + jump if base else 0))
        at += runs[-1].length
    return runs


@st.composite
def chains(draw: st.DrawFn, floor: int = 6, most: int = 60) -> list[Run]:
    """Changes under the floor between stretches of one to three floors: nothing there decides what came before."""
    runs: list[Run] = []
    at = 0
    pair = st.tuples(st.integers(1, floor - 1), st.integers(floor, 2 * floor))
    for changed, same in draw(st.lists(pair, min_size=3, max_size=most)):
        runs += [Run(changed, CHANGED), Run(same, UNCHANGED, BIG, at + changed)]
        at += changed + same
    return runs
