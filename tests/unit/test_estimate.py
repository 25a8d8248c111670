"""Estimates: from what, how robust, and never more exact than what they rest on."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.codec import decode, encode
from bot.estimate import RECENT, Destination, Sizes, cost_a_month, estimate, requests_of, spread
from bot.model import Bytes, Carried, Estimate, Guess, PartLimits, Past, Price, Requests

MIB, GIB = 1 << 20, 1 << 30
S3 = Price(storage=0.023, write=0.005, read=0.0004)
SIZES = Sizes(disks=1, used=40 * GIB, provisioned=100 * GIB)
FIRST = Destination(name="s3", price=S3)
AGAIN = replace(FIRST, has_base=True, kept=100 * GIB)


def run(sent: int, *, base: bool = True, seconds: float = 60.0, target: str = "s3", size: int = 100 * GIB) -> Past:
    carried = Carried(sent=sent, copied=max(0, 50 * GIB - sent) if base else 0, zero=50 * GIB)
    return Past(
        vm_uuid="u1",
        targets=(target,),
        bytes=Bytes(read=100 * GIB, sent=sent, copied=carried.copied, zero=carried.zero, targets={target: carried}),
        size=size,
        bases=frozenset({target} if base else ()),
        requests={target: Requests(writes=1000, reads=20)},
        seconds={"snapshot": 5.0, "upload": seconds - 5},
    )


def test_a_first_run_sends_what_is_allocated_and_the_rest_are_zeros() -> None:
    found = estimate(SIZES, [FIRST], (), ())
    assert found.read == Guess(low=100 * GIB, high=100 * GIB, likely=100 * GIB)
    assert found.sent is not None
    assert found.sent.likely == 40 * GIB
    assert found.zero is not None
    assert found.zero.likely == 60 * GIB
    assert found.rests_on == "first run: allocated bytes of the disks"
    assert found.seconds is None


def test_beside_relatives_a_first_run_may_send_less_than_what_is_allocated() -> None:
    found = estimate(SIZES, [replace(FIRST, has_relatives=True)], (), ())
    assert found.sent == found.copied == Guess(low=0, high=40 * GIB)
    assert "relatives" in found.rests_on
    unknown = estimate(replace(SIZES, used=0), [replace(FIRST, has_relatives=True)], (), ())
    assert unknown.sent == unknown.copied == Guess(low=0, high=100 * GIB)


def test_a_first_run_of_unknown_allocation_is_told_by_what_cannot_be_exceeded() -> None:
    found = estimate(replace(SIZES, used=0), [FIRST], (), ())
    assert found.sent == Guess(low=0, high=100 * GIB)
    assert found.rests_on == "first run: sizes of the disks"


def test_of_a_vm_without_sizes_and_runs_nothing_is_known() -> None:
    found = estimate(Sizes(), [FIRST], (), ())
    assert (found.read, found.sent, found.requests, found.seconds) == (None, None, None, None)
    assert (found.once, found.month) == ((), ())
    assert found.rests_on == "nothing known"


def test_the_first_run_after_a_full_one_knows_only_the_limits() -> None:
    found = estimate(SIZES, [AGAIN], [run(40 * GIB, base=False, seconds=600)], ())
    assert found.sent == Guess(low=0, high=100 * GIB)
    assert found.seconds == Guess(low=0, high=600)
    assert "what changed is not known" in found.rests_on


def test_runs_before_tell_and_one_odd_run_changes_nothing() -> None:
    runs = [run(each * MIB) for each in (16, 20_000, 17, 15)]
    found = estimate(SIZES, [AGAIN], runs, ())
    assert found.sent == Guess(low=16 * MIB, high=17 * MIB, likely=int(16.5 * MIB))
    assert found.rests_on == "4 runs before"
    assert found.seconds == Guess(low=60, high=60, likely=60)


def test_only_runs_that_began_alike_count() -> None:
    full, little = run(40 * GIB, base=False), run(16 * MIB)
    again = estimate(SIZES, [AGAIN], [little, full], ()).sent
    anew = estimate(SIZES, [FIRST], [little, full], ()).sent
    assert again is not None
    assert anew is not None
    assert (again.likely, anew.likely) == (16 * MIB, 40 * GIB)


def test_where_the_base_is_gone_and_no_full_run_is_known_it_is_not_called_the_first() -> None:
    assert estimate(SIZES, [FIRST], [run(16 * MIB)], ()).rests_on == "in full: allocated bytes of the disks"


def test_a_vm_that_has_grown_reads_and_copies_more_and_sends_no_more() -> None:
    found = estimate(replace(SIZES, provisioned=200 * GIB), [AGAIN], [run(16 * MIB)], ())
    assert found.read is not None
    assert found.read.likely == 200 * GIB
    assert found.sent is not None
    assert found.sent.likely == 16 * MIB
    assert found.zero is not None
    assert found.zero.likely == 100 * GIB


def test_only_the_newest_runs_count() -> None:
    runs = [run(16 * MIB)] * RECENT + [run(9 * GIB)] * 20
    assert estimate(SIZES, [AGAIN], runs, ()).sent == Guess(low=16 * MIB, high=16 * MIB, likely=16 * MIB)


def test_the_speed_of_other_vms_tells_the_time_of_a_first_run() -> None:
    others = [replace(run(20 * GIB, base=False, seconds=105), vm_uuid="u2", size=0)]
    assert estimate(replace(SIZES, provisioned=200 * GIB), [FIRST], (), others).seconds == Guess(
        low=205, high=205, likely=205
    )
    far = [replace(others[0], bytes=replace(others[0].bytes, read=MIB))]
    assert estimate(SIZES, [FIRST], (), far).seconds is None  # a thousand times smaller: it tells nothing
    assert estimate(SIZES, [AGAIN], (), others).seconds is None  # that one had no base


def test_two_targets_are_estimated_apart_and_told_apart() -> None:
    azure = Destination(name="azure", price=Price(storage=0.02, write=0.005, read=0.0004, currency="EUR"))
    found = estimate(SIZES, [AGAIN, azure], [run(16 * MIB)], ())
    assert found.sent is not None
    assert found.sent.likely == 16 * MIB + 40 * GIB
    assert found.rests_on == "s3: 1 run before; azure: first run: allocated bytes of the disks"
    assert {each.currency for each in found.month} == {"USD", "EUR"}
    assert found.seconds is None  # never were both in one run


def test_each_recovery_point_is_paid_for_whole_however_little_travels() -> None:
    found = estimate(SIZES, [AGAIN], [run(16 * MIB)], ())
    assert [round(each.low, 4) for each in found.month] == [2.3]
    assert [round(each.low, 4) for each in found.month_in_all] == [4.6]
    assert [round(each.low, 6) for each in found.once] == [0.005008]


def test_a_price_that_is_not_known_is_not_guessed() -> None:
    endpoint = replace(AGAIN, price=None)
    found = estimate(SIZES, [endpoint], [run(16 * MIB)], ())
    assert (found.once, found.month, found.unpriced) == ((), (), ("s3",))
    storage_only = estimate(SIZES, [replace(AGAIN, price=Price(storage=0.01))], [run(16 * MIB)], ())
    assert storage_only.once == ()
    assert storage_only.month
    assert cost_a_month(Price(), GIB) is None


def test_requests_of_a_full_run_follow_the_parts() -> None:
    found = estimate(replace(SIZES, used=0), [FIRST], (), ()).requests
    assert found is not None
    assert found.likely is None
    assert found.low < found.high
    assert found.high >= 100 * GIB // (16 * MIB)
    large = Sizes(used=10 << 40, provisioned=10 << 40)
    most = estimate(large, [replace(FIRST, limits=PartLimits(most=10_000))], (), ()).requests
    assert most is not None
    assert most.high < 10_100


def test_requests_are_counted_from_what_was_made() -> None:
    assert requests_of(100, 2, 7, 2, has_base=False) == Requests(writes=100 + 4 + 5 + 2 + 1, reads=9)
    assert requests_of(100, 2, 7, 2, has_base=True).reads == 14


def test_segments_are_no_files_and_are_removed() -> None:
    segments, alone = (
        requests_of(100, 42, 7, 2, temporary=40, has_base=False),
        requests_of(100, 2, 7, 2, has_base=False),
    )
    assert segments.writes == alone.writes + 3 * 40
    assert segments.reads == alone.reads


def test_runs_of_an_earlier_version_tell_of_their_only_target() -> None:
    old = Past(vm_uuid="u1", targets=("s3",), bytes=Bytes(read=GIB, sent=MIB), bases=frozenset({"s3"}))
    assert old.carried("s3") == Carried(sent=MIB)
    assert old.carried("azure") is None
    assert replace(old, targets=("s3", "azure")).carried("s3") is None


# --- for any numbers ---

sizes = st.builds(
    Sizes,
    disks=st.integers(0, 60),
    used=st.integers(0, 1 << 46),
    provisioned=st.one_of(st.just(0), st.integers(1, 1 << 46)),
)
amounts = st.integers(0, 1 << 46)
carried = st.builds(Carried, sent=amounts, copied=amounts, zero=amounts)


@st.composite
def pasts(draw: st.DrawFn) -> Past:
    targets = tuple(draw(st.sampled_from((("s3",), ("azure",), ("s3", "azure")))))
    return Past(
        vm_uuid="u1",
        targets=targets,
        bytes=Bytes(read=draw(amounts), targets={name: draw(carried) for name in targets}),
        size=draw(st.one_of(st.just(0), st.integers(1, 1 << 46))),
        bases=frozenset(draw(st.sets(st.sampled_from(targets)))),
        requests={
            name: Requests(writes=draw(st.integers(0, 90_000)), reads=draw(st.integers(0, 900))) for name in targets
        },
        seconds=draw(st.dictionaries(st.sampled_from(("snapshot", "upload", "verify")), st.floats(0, 1e6))),
    )


prices = st.one_of(
    st.none(),
    st.builds(
        Price,
        storage=st.one_of(st.none(), st.floats(0, 10)),
        write=st.one_of(st.none(), st.floats(0, 10)),
        read=st.floats(0, 10),
        currency=st.sampled_from(("USD", "EUR")),
    ),
)
destinations = st.lists(
    st.builds(
        Destination,
        name=st.sampled_from(("s3", "azure")),
        has_base=st.booleans(),
        has_relatives=st.booleans(),
        price=prices,
        kept=amounts,
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda each: each.name,
)


@given(sizes, destinations, st.lists(pasts(), max_size=10), st.lists(pasts(), max_size=4))
def test_every_estimate_is_in_order_and_can_be_kept(
    vm: Sizes, to: list[Destination], own: list[Past], others: list[Past]
) -> None:
    found = estimate(vm, to, own, others)
    for guess in (found.read, found.sent, found.copied, found.zero, found.requests, found.seconds):
        if guess is not None:
            assert 0 <= guess.low <= guess.high
            assert guess.likely is None or guess.low <= guess.likely <= guess.high
    for cost in (*found.once, *found.month, *found.month_in_all):
        assert 0 <= cost.low <= cost.high * (1 + 1e-9)
    assert found.rests_on
    assert decode(Estimate, encode(found)) == found


@given(st.lists(st.integers(0, 1 << 50), min_size=1, max_size=9), st.integers())
def test_the_order_of_runs_does_not_matter(values: list[int], seed: int) -> None:
    shuffled = values.copy()
    random.Random(seed).shuffle(shuffled)
    assert spread(values) == spread(shuffled)


@given(st.lists(st.integers(0, 1 << 40), min_size=2, max_size=8), st.integers(0, 1 << 50))
def test_one_odd_run_never_leads_outside_of_what_the_others_showed(values: list[int], odd: int) -> None:
    found = spread([*values, odd])
    assert found is not None
    assert min(values) <= found.low <= found.high <= max(values)


def test_a_sum_with_something_unknown_is_unknown() -> None:
    assert spread([]) is None
    assert (Guess(low=1, high=2, likely=1) + Guess(low=1, high=5)) == Guess(low=2, high=7)
