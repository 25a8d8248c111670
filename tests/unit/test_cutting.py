"""The cut that sends the fewest bytes: against an oracle on small files, against what must hold on large ones."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import OperatorError
from bot.grains import grain_bytes
from bot.model import Base, Capabilities, Part, PartLimits, PartSource, Run, Segment
from bot.plan import MIB, CutRules, Cutter, cutter, parts
from bot.zeros import SIZES as ZEROS
from tests.unit.cuts import (
    BIG,
    CHANGED,
    OTHER,
    TINY,
    UNCHANGED,
    ZERO,
    Tally,
    chains,
    check,
    cut_all,
    gaps_within,
    grains,
    layout,
    oracle,
    some_runs,
    tally,
)

GIB, TIB = 1 << 30, 1 << 40
S3 = CutRules()
AZURE = CutRules(
    limits=PartLimits(
        smallest=1, largest=4000 * MIB, most=50_000, largest_object=50_000 * 4000 * MIB, smallest_source=1
    ),
    granule=256 << 10,
)
EQUAL = CutRules(equal_parts=True)
NO_COPIES = CutRules(copies_parts=False)
ONE_OBJECT = CutRules(segments=False)
ONE_BLOB = replace(AZURE, segments=False)
PROFILES = {
    "s3": S3,
    "azure": AZURE,
    "equal": EQUAL,
    "no copies": NO_COPIES,
    "no segments": ONE_OBJECT,
    "azure without segments": ONE_BLOB,
}


def little(floor: int, **more: int) -> CutRules:
    """A store with small figures, so that all cuts can be tried."""
    look_ahead = more.pop("look_ahead", 1 << 20)
    limits = PartLimits(
        smallest=floor, largest=1 << 30, smallest_source=floor + 1, copy_wanted=more.pop("copy_wanted", 1 << 20)
    )
    return CutRules(limits=limits, look_ahead=look_ahead, upload=more.pop("upload", 1 << 20))


def size_of(runs: Sequence[Run]) -> int:
    return sum(run.length for run in runs)


def summed(runs: Sequence[Run], rules: CutRules) -> Tally:
    return tally(layout(size_of(runs), runs, rules))


@settings(max_examples=1500, deadline=None)
@given(some_runs(), st.integers(1, 6))
def test_no_cut_sends_less_or_asks_less(runs: list[Run], floor: int) -> None:
    rules = little(floor)
    items = cut_all(cutter(size_of(runs), rules), runs)
    check(items, runs, rules)
    if size_of(runs) >= floor:
        sent, count = oracle(runs, floor, floor + 1)
        assert (tally(items).sent, len(items)) == (sent, count)


@settings(max_examples=400, deadline=None)
@given(chains(most=9), st.integers(0, 8))
def test_no_cut_of_short_changes_between_short_stretches_sends_less(runs: list[Run], rest: int) -> None:
    runs = [*runs, Run(rest, CHANGED)] if rest else runs
    items = cut_all(cutter(size_of(runs), little(6)), runs)
    check(items, runs, little(6))
    assert (tally(items).sent, len(items)) == oracle(runs, 6, 7)


@settings(max_examples=400, deadline=None)
@given(some_runs(longest=40), st.integers(1, 6), st.integers(6, 20), st.integers(6, 20))
def test_cutting_long_parts_costs_no_byte(runs: list[Run], floor: int, upload: int, copy: int) -> None:
    rules = little(floor, upload=upload, copy_wanted=copy)
    items = cut_all(cutter(size_of(runs), rules), runs)
    check(items, runs, rules)
    if size_of(runs) >= floor:
        assert tally(items).sent == oracle(runs, floor, floor + 1)[0]
        longest = {PartSource.UPLOAD: max(upload, 2 * floor - 1), PartSource.COPY: max(2 * copy - 1, 2 * floor - 1)}
        longest[PartSource.ZERO] = longest[PartSource.COPY]
        assert all(isinstance(part, Part) and part.length <= longest[part.source] for part in items)


@settings(max_examples=400, deadline=None)
@given(st.one_of(some_runs(most=40), chains()), st.sampled_from([2, 4, 6, 6]), st.integers(1, 200), st.integers(1, 5))
def test_a_small_window_gives_a_valid_plan_near_the_optimum(
    runs: list[Run], floor: int, look_ahead: int, grain: int
) -> None:
    size, rules = size_of(runs), little(floor, look_ahead=look_ahead, upload=2 * floor)
    cut, fed = cutter(size, rules), 0
    items: list[Part | Segment] = []
    for run in grains(runs, grain):
        items += cut.feed(run)
        fed += run.length
        assert fed - cut.settled <= max(look_ahead, 11 * floor) + grain
        assert cut.settled <= fed
    items += cut.finish()
    check(items, runs, rules)
    times = size // max(1, (look_ahead - 5 * floor - 2 * floor) // 2)
    exact = summed(runs, replace(rules, look_ahead=1 << 20)).sent
    assert exact <= tally(items).sent <= min(size, exact + 2 * floor * times)


@pytest.mark.parametrize("seed", range(3))
def test_the_default_window_costs_a_few_per_cent_at_most_on_the_hardest_pattern(seed: int) -> None:
    """Changes under the floor between stretches of one to three floors: nothing there decides anything."""
    chance = random.Random(seed)
    runs: list[Run] = []
    at = 0
    for _ in range(400):
        changed, same = chance.randint(1, 64) * MIB // 16, chance.randint(80, 160) * MIB // 16
        runs += [Run(changed, CHANGED), Run(same, UNCHANGED, BIG, at + changed)]
        at += changed + same
    exact = summed(runs, replace(S3, look_ahead=1 << 50)).sent
    assert exact <= summed(runs, S3).sent <= exact * 1.03


@settings(max_examples=300, deadline=None)
@given(some_runs(most=30), st.integers(1, 6), st.integers(1, 90), st.integers(1, 4))
def test_how_runs_are_split_makes_no_difference(runs: list[Run], floor: int, look_ahead: int, grain: int) -> None:
    rules = little(floor, look_ahead=look_ahead, upload=9, copy_wanted=12)
    size = size_of(runs)
    assert cut_all(cutter(size, rules), list(grains(runs, grain))) == cut_all(cutter(size, rules), runs)


FEW = {
    "parts, then segments": CutRules(
        limits=PartLimits(smallest=4, largest=120, most=120, largest_object=14400, smallest_source=5, copy_wanted=20),
        upload=8,
        look_ahead=64,
    ),
    "segments": CutRules(
        limits=PartLimits(smallest=4, largest=120, most=40, largest_object=4800, smallest_source=5, copy_wanted=20),
        upload=8,
        look_ahead=64,
    ),
    "one object": CutRules(
        limits=PartLimits(smallest=1, largest=900, most=64, largest_object=57600, smallest_source=1, copy_wanted=20),
        segments=False,
        upload=8,
        look_ahead=64,
    ),
    "one object, with a floor": CutRules(
        limits=PartLimits(smallest=4, largest=900, most=64, largest_object=57600, smallest_source=5, copy_wanted=20),
        segments=False,
        upload=8,
        look_ahead=64,
    ),
}


def test_where_segments_begin_does_not_hang_on_how_the_runs_were_split() -> None:
    base = Base("t1/a.vmdk", 1 << 60)
    zeros, changes = [Run(1, ZERO), Run(6, ZERO), Run(14, ZERO)], [Run(13, CHANGED), Run(14, CHANGED)]
    runs = [*zeros, *changes, Run(3, UNCHANGED, base, 48), Run(2, ZERO), Run(14, ZERO), Run(8, CHANGED)] * 7
    rules, size = FEW["parts, then segments"], size_of(runs)
    whole = cut_all(cutter(size, rules), runs)
    for grain in (1, 2, 3, 5, 7):
        assert cut_all(cutter(size, rules), list(grains(runs, grain))) == whole


@pytest.mark.parametrize("rules", FEW.values(), ids=FEW.keys())
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_files_that_could_need_too_many_parts_stay_within_the_limits(rules: CutRules, data: st.DataObject) -> None:
    longest = data.draw(st.sampled_from([3, 14, 60, 900]))
    some = some_runs(most=120 if longest < 60 else 12, longest=longest)
    runs = data.draw(st.one_of(some, chains(floor=4)))
    runs = runs * data.draw(st.sampled_from([1, 1, 3, 7]))
    while size_of(runs) > rules.limits.largest_object:
        runs.pop()
    size = size_of(runs)
    items = cut_all(cutter(size, rules), runs)
    check(items, runs, rules)
    assert not gaps_within(items)
    assert tally(items).sent <= size
    assert needs_no_more_than_it_says(cutter(size, rules), list(grains(runs, 5)), 5) == items


def needs_no_more_than_it_says(cut: Cutter, runs: Sequence[Run], grain: int) -> list[Part | Segment]:
    """Bytes that were fed and are not settled, and the longest upload beside them."""
    items: list[Part | Segment] = []
    fed = held = 0
    for run in runs:
        items += cut.feed(run)
        fed += run.length
        held = max(held, fed - cut.settled)
    items += cut.finish()
    uploads = [part.length for part in items if isinstance(part, Part) and part.source is PartSource.UPLOAD]
    assert held + max(uploads, default=0) <= cut.needs + grain
    return items


@pytest.mark.parametrize("size", [47 * GIB, 600 * GIB, TIB, 10 * TIB, 48 * TIB])
@pytest.mark.parametrize("rules", [S3, AZURE], ids=["s3", "azure"])
def test_what_must_lie_in_memory_does_not_grow_with_the_disk(rules: CutRules, size: int) -> None:
    grain = grain_bytes(size, rules.limits.smallest)
    assert cutter(size, replace(rules, look_ahead=32 * MIB, granule=grain)).needs <= 12 * 16 * MIB


def test_a_change_that_goes_on_in_a_segment_takes_what_its_beginning_lacks_from_before() -> None:
    rules, runs = FEW["parts, then segments"], []
    for at in range(0, 248, 8):
        runs += [Run(4, CHANGED), Run(4, UNCHANGED, BIG, at + 4)]
    runs += [Run(6, ZERO), Run(300, CHANGED), Run(1446, ZERO)]  # parts are spared from byte 256 on
    items = cut_all(cutter(size_of(runs), rules), runs)
    before = [item for item in items if isinstance(item, Part) and 248 <= item.offset < 256]
    assert [(part.source.value, part.length, part.segment) for part in before] == [("zero", 4, 0), ("upload", 4, 0)]
    check(items, runs, rules)


def test_a_change_that_goes_on_in_a_segment_after_a_stretch_that_can_give_nothing_has_it_sent_whole() -> None:
    rules, at, runs = FEW["parts, then segments"], 0, list[Run]()
    shape = [(1, 4), (1, 6), (3, 4), (2, 6), (3, 4), (1, 4), (1, 4), (1, 4), (1, 7), (1, 4), (3, 8)] * 7
    for changed, same in shape:
        runs += [Run(changed, CHANGED), Run(same, UNCHANGED, BIG, at + changed)]
        at += changed + same
    items = cut_all(cutter(at, rules), runs)
    check(items, runs, rules)
    assert any(isinstance(item, Segment) for item in items)


def pattern(name: str, size: int) -> list[Run]:
    """Disks of which each is hard in its own way."""
    step = max(MIB, size // 3000 // MIB * MIB)
    changed = {
        "all changed": size,
        "nothing changed": 0,
        "short changes everywhere": MIB,
        "long changes everywhere": step // 2,
        "alternating": max(MIB // 2, step - 4 * MIB),
    }[name]
    runs, at = [], 0
    while at < size:
        first = min(changed, size - at)
        rest = min(max(0, step - changed) if changed else size, size - at - first)
        runs += [run for run in (Run(first, CHANGED), Run(rest, UNCHANGED, BIG, at + first)) if run.length > 0]
        at += first + rest
    return runs


NAMES = ["all changed", "nothing changed", "short changes everywhere", "long changes everywhere", "alternating"]
SIZES = [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 300 * MIB + 7, 47 * GIB, 600 * GIB + 3]
LARGE = ["equal", "no copies", "no segments", "azure without segments"]  # the others' large disks are cut further below


@pytest.mark.parametrize(
    ("profile", "size"),
    [*((profile, size) for profile in PROFILES for size in SIZES), *((one, 10 * TIB) for one in LARGE)],
)
@pytest.mark.parametrize("name", NAMES)
def test_every_disk_fits_every_store(name: str, profile: str, size: int) -> None:
    runs, rules = pattern(name, size), PROFILES[profile]
    items = list(layout(size, runs, rules))
    own = [item for item in items if isinstance(item, Segment) or not item.segment]
    assert len(own) <= rules.limits.most
    assert not gaps_within(items)
    found = tally(items)
    assert found.sent <= size
    assert found.sent + found.copied + found.zero == size
    if len(items) < 5000:
        check(items, runs, rules)
    if name == "nothing changed" and rules.copies_parts and size > rules.limits.smallest:
        assert found.sent == 0


@pytest.mark.parametrize("profile", ["s3", "azure", "no segments"])
@pytest.mark.parametrize("size", [1, 5 * MIB - 1, 16 * MIB, 16 * MIB + 1, 21 * MIB, 300 * MIB + 7])
def test_a_file_that_is_all_new_is_cut_as_for_a_plain_upload(profile: str, size: int) -> None:
    rules = PROFILES[profile]
    assert tuple(layout(size, [Run(size, CHANGED)], rules)) == parts(size, rules.limits)


@pytest.mark.parametrize("rules", [S3, AZURE], ids=["s3", "azure"])
@pytest.mark.parametrize(
    ("name", "size"),
    [
        *((name, 10 * TIB) for name in NAMES),
        pytest.param("all changed", 48 * TIB, marks=pytest.mark.long),
        ("long changes everywhere", 48 * TIB),
    ],
)
def test_large_disks_take_segments_where_parts_do_not_suffice(name: str, size: int, rules: CutRules) -> None:
    whole = segments = longest = 0
    items = list(layout(size, pattern(name, size), rules))
    assert not gaps_within(items)
    found = tally(items)
    assert found.sent + found.copied + found.zero == size
    assert name != "nothing changed" or found.sent == 0
    for item in items:
        whole += isinstance(item, Segment) or not item.segment
        segments += isinstance(item, Segment)
        longest = max(longest, item.length if isinstance(item, Segment) else 0)
        if isinstance(item, Part) and item.source is PartSource.UPLOAD:
            assert item.length <= rules.upload
    assert whole <= rules.limits.most
    assert longest <= (5 * GIB if (rules, size) == (S3, 48 * TIB) else 4000 * MIB)
    if name in ("all changed", "nothing changed"):
        assert (segments == 0) == (name == "nothing changed")


def test_a_store_without_segments_gives_up_short_copies_before_long_ones() -> None:
    size = 200 * GIB
    rules = replace(ONE_BLOB, limits=replace(AZURE.limits, most=2000))
    short = [Run(MIB, CHANGED), Run(3 * MIB, ZERO)] * (size // 8 // MIB)
    found = summed([*short, Run(size // 2, UNCHANGED, BIG, 0)], rules)
    assert found.copied >= size // 2 - 64 * MIB
    assert 0 < found.zero < size // 4
    assert found.uploads + found.copies + found.zeros <= 2000


def test_a_base_that_is_too_small_or_too_short_is_not_copied_from() -> None:
    short = Base("t1/short", 20 * MIB)
    runs = [Run(8 * MIB, UNCHANGED, Base("t1/five", 5 * MIB), 0), Run(21 * MIB, UNCHANGED, short, 0)]
    assert summed(runs, S3).sent == 29 * MIB
    assert summed([Run(20 * MIB, UNCHANGED, short, 0)], S3).sent == 0
    growing = [Run(MIB, UNCHANGED, short, at * MIB) for at in range(21)]
    assert summed(growing, S3).copied == 20 * MIB
    assert TINY.size < OTHER.size


@pytest.mark.parametrize("rules", [S3, ONE_OBJECT, EQUAL], ids=["s3", "no segments", "equal"])
def test_a_file_under_the_floor_is_put_at_once(rules: CutRules) -> None:
    runs = [Run(3 * MIB, UNCHANGED, BIG, 0), Run(MIB, ZERO)]
    assert list(layout(4 * MIB, runs, rules)) == [Part(number=1, offset=0, length=4 * MIB)]


def test_a_copy_never_goes_over_a_jump_in_the_base() -> None:
    runs = [Run(20 * MIB, UNCHANGED, BIG, 0), Run(20 * MIB, UNCHANGED, BIG, 100 * MIB)]
    found = [part for part in layout(40 * MIB, runs, S3) if isinstance(part, Part)]
    assert [(part.length, part.base_offset) for part in found] == [(20 * MIB, 0), (20 * MIB, 100 * MIB)]


def test_a_short_change_takes_what_it_lacks_from_before() -> None:
    runs = [Run(20 * MIB, ZERO), Run(4 * MIB, CHANGED), Run(20 * MIB, UNCHANGED, BIG, 24 * MIB)]
    found = [part for part in layout(44 * MIB, runs, S3) if isinstance(part, Part)]
    assert [(part.source.value, part.length) for part in found] == [
        ("zero", 19 * MIB),
        ("upload", 5 * MIB),
        ("copy", 20 * MIB),
    ]


def test_long_copies_are_cut_for_the_store_to_work_side_by_side() -> None:
    lengths = [part.length for part in layout(GIB + 100 * MIB, [Run(GIB + 100 * MIB, UNCHANGED, BIG, 0)], S3)]
    assert all(128 * MIB <= length < 256 * MIB for length in lengths)


def test_parts_of_a_store_with_grains_begin_at_grains() -> None:
    rules = replace(S3, granule=4 * MIB)
    shape = [(9, UNCHANGED), (1, CHANGED), (3, ZERO), (1, CHANGED), (2, ZERO), (40, CHANGED)]
    runs = [Run(4 * MIB * length, state, BIG if state is UNCHANGED else None) for length, state in shape]
    assert all(part.offset % (4 * MIB) == 0 for part in layout(size_of(runs), runs, rules))


def test_equal_parts_are_copied_only_whole() -> None:
    runs = [Run(40 * MIB, UNCHANGED, BIG, 0), Run(8 * MIB, ZERO), Run(32 * MIB, ZERO), Run(MIB, CHANGED)]
    found = [part for part in layout(81 * MIB, runs, EQUAL) if isinstance(part, Part)]
    assert [(part.source.value, part.length // MIB) for part in found] == [
        ("copy", 16), ("copy", 16), ("upload", 16), ("zero", 16), ("zero", 16), ("upload", 1),
    ]  # fmt: skip


def test_a_part_is_told_as_soon_as_it_is_certain() -> None:
    cut = cutter(GIB, S3)
    assert not cut.feed(Run(20 * MIB, CHANGED))
    assert [part.length for part in cut.feed(Run(MIB, CHANGED))] == [16 * MIB]
    assert cut.settled == 16 * MIB
    assert [part.length for part in cut.feed(Run(20 * MIB, UNCHANGED, BIG, 0))] == [5 * MIB]
    assert cut.settled == 36 * MIB  # a change that comes now may want five


def test_runs_that_are_not_as_long_as_the_file_are_refused() -> None:
    for rules in PROFILES.values():
        for size in (MIB, 20 * MIB, 47 * GIB):
            with pytest.raises(ValueError, match="byte"):
                list(layout(size, [Run(size + 1, CHANGED)], rules))
            with pytest.raises(ValueError, match="byte"):
                list(layout(size, [Run(size - 1, ZERO)], rules))


def test_a_file_that_no_object_can_hold_is_refused() -> None:
    with pytest.raises(OperatorError, match="larger than the largest object"):
        cutter(S3.limits.largest_object + 1, S3)


def test_a_tally_tells_bytes_and_requests() -> None:
    runs = [Run(20 * MIB, ZERO), Run(20 * MIB, CHANGED), Run(200 * MIB, UNCHANGED, BIG, 0)]
    found = summed(runs, S3)
    assert found == Tally(sent=20 * MIB, copied=200 * MIB, zero=20 * MIB, uploads=2, copies=1, zeros=1)
    assert found.requests == 4 + 2
    assert summed([], S3).requests == summed([Run(1, CHANGED)], S3).requests == 1


@pytest.mark.parametrize("size", [GIB, 100 * GIB, 10 * TIB])
def test_the_object_of_zeros_is_long_enough(size: int) -> None:
    for rules in (S3, AZURE):
        zeros = list(layout(size, [Run(size, ZERO)], rules))
        assert max(part.length for part in zeros) <= ZEROS[-1]


def test_rules_are_made_of_what_a_store_can() -> None:
    able = Capabilities(checks_crc=True, copies_parts=True)
    assert CutRules.of(PartLimits(), able) == S3
    assert CutRules.of(AZURE.limits, able, granule=256 << 10) == AZURE
    assert not CutRules.of(PartLimits(), replace(able, copies_parts=False)).segments
    assert not CutRules.of(PartLimits(), replace(able, locks_all=True)).segments
