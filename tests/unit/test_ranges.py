"""Which ranges are asked for: all that is wanted, hardly anything else, and none too long."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bot.ranges import Stretch, stretches

GRAIN = 10


@given(
    wanted=st.lists(st.booleans(), max_size=60),
    rest=st.integers(1, GRAIN),
    window=st.integers(1, 12),
    gap=st.integers(0, 45),
)
def test_stretches_cover_what_is_wanted_and_gaps_that_are_small(
    wanted: list[bool], rest: int, window: int, gap: int
) -> None:
    size = max(0, (len(wanted) - 1) * GRAIN + rest) if wanted else 0
    positions = [at for at, is_wanted in enumerate(wanted) if is_wanted]
    found = list(stretches(positions, grain=GRAIN, size=size, window=window * GRAIN, gap=gap))
    covered = [at for stretch in found for at in stretch.positions(GRAIN)]
    assert covered == sorted(set(covered))
    assert set(positions) <= set(covered)
    for stretch in found:
        assert 0 < stretch.length <= window * GRAIN
        assert stretch.offset % GRAIN == 0
        assert stretch.end % GRAIN == 0 or stretch.end == size
        assert wanted[stretch.positions(GRAIN)[0]]
        assert wanted[stretch.positions(GRAIN)[-1]]
        unwanted = "".join("x" if wanted[at] else " " for at in stretch.positions(GRAIN)).split("x")
        assert max(map(len, unwanted)) * GRAIN <= gap
    for one, other in pairwise(found):
        assert other.offset - one.end > gap or other.end - one.offset > window * GRAIN or other.length > GRAIN


def test_neighbours_are_asked_for_together_up_to_a_window() -> None:
    assert list(stretches(range(5), grain=10, size=48, window=20)) == [(0, 20), (20, 20), (40, 8)]


def test_a_small_gap_is_taken_along_and_a_large_one_is_not() -> None:
    assert list(stretches([0, 2, 6], grain=10, size=70, window=100, gap=10)) == [(0, 30), (60, 10)]


def test_nothing_wanted_is_nothing_asked_for() -> None:
    assert list(stretches([], grain=10, size=70, window=100)) == []
    assert Stretch(20, 15).positions(10) == range(2, 4)
