"""The grain follows what the runs of a disk show, and comes to rest; it never outgrows memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.arena import MOST, WINDOW
from bot.digests import Digests, decode, encode
from bot.errors import IntegrityError
from bot.grains import LARGEST, MIB, SMALLEST, Changes, grain_bytes, grain_for
from bot.model import PartLimits
from bot.plan import CutRules, cutter
from bot.transfer import LOOK_AHEAD

KIB, GIB = 1 << 10, 1 << 30
S3_LIMITS = PartLimits()
AZURE_LIMITS = PartLimits(
    smallest=1, largest=4000 * MIB, most=50_000, largest_object=50_000 * 4000 * MIB, smallest_source=1
)
AZURE, S3 = 1, 5 * MIB
sizes = st.integers(0, 48 << 40)
floors = st.sampled_from([AZURE, S3])
grains = st.integers(SMALLEST.bit_length() - 1, LARGEST.bit_length() - 1).map(lambda bits: 1 << bits)
histories = st.builds(Changes, grain=grains, changed=st.integers(0, 1 << 45), runs=st.integers(0, 1 << 30))


def seen_by(grain: int, length: int, count: int) -> Changes:
    """So many changes of that length at places by chance, as that grain shows them on average."""
    return Changes(grain=grain, changed=count * (length + grain - 1), runs=count)


@given(sizes, floors)
def test_without_history_it_is_the_usual_one(size: int, floor: int) -> None:
    assert grain_for(size, floor) == grain_bytes(size, floor)


@given(sizes, floors, histories)
def test_it_is_a_power_of_two_within_bounds_and_needs_no_more_memory(size: int, floor: int, last: Changes) -> None:
    grain = grain_for(size, floor, last)
    assert grain.bit_count() == 1
    assert SMALLEST <= grain <= LARGEST
    assert floor == AZURE or grain >= MIB
    assert size / grain <= max(1 << 20, size / grain_bytes(size, floor))


@given(sizes, floors, st.integers(1, 1 << 30), st.integers(1, 100_000))
def test_a_disk_that_changes_in_one_way_comes_to_rest(size: int, floor: int, length: int, count: int) -> None:
    grain, way = grain_bytes(size, floor), list[int]()
    for _ in range(8):
        way.append(grain)
        grain = grain_for(size, floor, seen_by(grain, length, count))
    assert way[-1] == way[-2] == grain
    assert way in (sorted(way), sorted(way, reverse=True))


@given(sizes, floors, grains, st.integers(0, 1 << 40), st.integers(0, 31))
def test_a_few_changes_say_nothing(size: int, floor: int, grain: int, changed: int, runs: int) -> None:
    few, none = Changes(grain=grain, changed=changed, runs=runs), Changes(grain=grain)
    assert grain_for(size, floor, few) == grain_for(size, floor, none)


@pytest.mark.parametrize("grain", [0, 1, 3 * MIB, 1 << 40, -5])
def test_whatever_stands_in_a_digest_object_it_is_a_good_one(grain: int) -> None:
    assert grain_for(GIB, AZURE, Changes(grain=grain, changed=GIB, runs=100)) == 256 * KIB


@pytest.mark.parametrize(
    ("length", "floor", "expected"),
    [
        (4 * KIB, AZURE, 64 * KIB),
        (4 * KIB, S3, MIB),
        (MIB, AZURE, 256 * KIB),
        (16 * MIB, AZURE, MIB),
        (16 * MIB, S3, MIB),
        (64 * MIB, S3, 4 * MIB),
    ],
)
def test_short_changes_make_it_finer_and_long_ones_coarser(length: int, floor: int, expected: int) -> None:
    grain = grain_bytes(40 * GIB, floor)
    for _ in range(3):
        grain = grain_for(40 * GIB, floor, seen_by(grain, length, 500))
    assert grain == expected


@given(st.integers(1, 48 << 40), st.sampled_from([S3_LIMITS, AZURE_LIMITS]), st.booleans())
def test_by_any_of_them_a_file_fits_into_the_windows_that_one_may_have(
    size: int, limits: PartLimits, is_long: bool
) -> None:
    grain = grain_bytes(size, limits.smallest)
    last = seen_by(grain, 100 * grain, 1000) if is_long else None
    rules = CutRules(limits=limits, granule=grain_for(size, limits.smallest, last), look_ahead=LOOK_AHEAD)
    assert -(-cutter(size, rules).needs // WINDOW) + 2 <= MOST


def test_the_digest_object_keeps_what_changed() -> None:
    kept = Digests(key="k", size=2, grain=1, body=bytes(48), changes=Changes(grain=4, changed=8, runs=2))
    assert decode(encode(kept)) == kept
    garbled = encode(kept).replace(b'"runs": 2', b'"runs": []')
    with pytest.raises(IntegrityError):
        decode(garbled)
