"""Parts are whole granules, whatever cuts them and however large the disk: else no CRC of them could be told."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest

from bot.cutting.equal import Equal
from bot.errors import OperatorError
from bot.grains import grain_bytes
from bot.model import PartLimits, Run, Segment
from bot.plan import CutRules, cutter
from bot.seen import Seen
from tests.unit.cuts import BIG, CHANGED, UNCHANGED, ZERO, layout
from tests.unit.test_cutting import PROFILES

MIB, TIB = 1 << 20, 1 << 40

SIZES = [TIB - 1, int(1.55 * TIB), int(2.7 * TIB) + 12345, 5 * TIB, 10 * TIB + 1, 48 * TIB]
GRAINS = [64 << 10, MIB, 2 * MIB, 8 * MIB]
FIRST = 10_000  # parts; of larger plans the rest is as its beginning


def mixed(size: int, granule: int) -> Iterator[Run]:
    """Runs of all kinds and of lengths that nothing rounds."""
    at = 0
    for nth in range(size):
        state = (CHANGED, UNCHANGED, ZERO, CHANGED, UNCHANGED)[nth % 5]
        wanted = granule * (1, 1500, 77, 3000, 9001)[nth % 5] * max(1, size // granule // (1 << 22))
        length = min(wanted, size - at)
        if not length:
            return
        yield Run(length, state, BIG if state is UNCHANGED else None, at if state is UNCHANGED else 0)
        at += length


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("granule", GRAINS)
def test_every_part_of_every_cut_is_whole_granules(profile: str, granule: int, size: int) -> None:
    rules = replace(PROFILES[profile], granule=granule, look_ahead=32 * MIB)
    numbers = 0
    for item in islice(layout(size, mixed(size, granule), rules), FIRST):
        assert item.offset % granule == 0
        assert (item.offset + item.length) % granule == 0 or item.offset + item.length == size
        numbers += isinstance(item, Segment) or not item.segment
    assert 0 < numbers <= rules.limits.most


@pytest.mark.parametrize("profile", ["equal", "no copies"])
@pytest.mark.parametrize("size", SIZES)
def test_equal_parts_of_what_was_seen_have_a_crc(profile: str, size: int) -> None:
    rules = replace(PROFILES[profile], granule=grain_bytes(size, PROFILES[profile].limits.smallest))
    cut, seen = cutter(size, rules), Seen(size, rules.granule)
    assert isinstance(cut, Equal)
    [first, *_] = cut.feed(Run(cut.needs, CHANGED))
    seen.crc64(first.offset, first.length)


def test_a_length_that_whole_granules_exceed_is_refused() -> None:
    rules = CutRules(limits=PartLimits(largest=21 * MIB, most=100), equal_parts=True, granule=4 * MIB)
    assert isinstance(cutter(20 * 100 * MIB, rules), Equal)
    with pytest.raises(OperatorError, match="larger than the largest object"):
        cutter(20 * 100 * MIB + 1, rules)


def test_a_file_of_one_part_needs_no_granules() -> None:
    rules = CutRules(limits=PartLimits(smallest=1, largest=3 * MIB, most=100), equal_parts=True, granule=4 * MIB)
    [part] = layout(3 * MIB, [Run(3 * MIB, CHANGED)], rules)
    assert part.length == 3 * MIB
