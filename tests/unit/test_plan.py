"""Parts cover a file exactly once, in order, and within what the store allows."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import OperatorError
from bot.model import PartLimits
from bot.plan import MIB, parts

S3 = PartLimits()
TIB = 1 << 40
SIZES = st.one_of(
    st.sampled_from([0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * TIB, 48 * TIB, S3.largest_object]),
    st.integers(0, 300 * MIB),
    st.integers(0, S3.largest_object),
)


@given(SIZES, st.integers(5 * MIB, 64 * MIB))
def test_parts_cover_the_file_exactly_once_within_the_limits(size: int, wanted: int) -> None:
    cut = parts(size, S3, wanted=wanted)
    assert [part.number for part in cut] == list(range(1, len(cut) + 1))
    assert [part.offset for part in cut] == list(accumulate((part.length for part in cut), initial=0))[: len(cut)]
    assert sum(part.length for part in cut) == size
    assert len(cut) <= S3.most
    assert all(S3.smallest <= part.length <= S3.largest for part in cut[:-1])
    assert all(0 < part.length <= S3.largest for part in cut[-1:])


@given(SIZES)
def test_the_same_file_is_always_cut_alike(size: int) -> None:
    assert parts(size, S3) == parts(size, S3)


@pytest.mark.parametrize(
    ("size", "count", "length"),
    [
        (0, 0, 0),
        (1, 1, 1),
        (16 * MIB, 1, 16 * MIB),
        (16 * MIB + 1, 2, 16 * MIB),
        (160_000 * MIB, 10_000, 16 * MIB),
        (160_000 * MIB + 1, 9412, 17 * MIB),
        (10 * TIB, 9996, 1049 * MIB),
        (48 * TIB, 9999, 5034 * MIB),
    ],
)
def test_parts_grow_in_whole_mib_when_there_would_be_too_many(size: int, count: int, length: int) -> None:
    cut = parts(size, S3)
    assert (len(cut), cut[0].length if cut else 0) == (count, length)
    assert length == size or length % MIB == 0


def test_what_is_wanted_is_bent_to_what_the_store_allows() -> None:
    assert parts(20 * MIB, S3, wanted=1)[0].length == 5 * MIB
    assert parts(20 * MIB, PartLimits(largest=8 * MIB), wanted=16 * MIB)[0].length == 8 * MIB


@pytest.mark.parametrize(
    ("size", "limits"),
    [
        (S3.largest_object + 1, S3),
        (101, PartLimits(largest_object=100)),
        (50 * MIB + 1, PartLimits(largest=5 * MIB, most=10)),
    ],
)
def test_a_file_that_the_store_cannot_take_is_refused(size: int, limits: PartLimits) -> None:
    assert parts(size - 1, limits)
    with pytest.raises(OperatorError, match="larger than the largest object"):
        parts(size, limits)
