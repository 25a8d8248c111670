"""How many may be on their way at once: it grows while that brings more, and halves when it was too much."""

from hypothesis import given
from hypothesis import strategies as st

from bot.flow import Flow

SIZE = 16 << 20


def rounds(flow: Flow, number: int, rate_at: "Rate", begin: float = 0.0) -> float:
    """So many rounds in which all places are taken; gives the time at the end."""
    at = begin
    for _ in range(number):
        limit = flow.limit
        for _ in range(max(limit, 4)):
            at += SIZE / rate_at(limit)
            flow.done(at, SIZE, is_full=True)
    return at


class Rate:
    """A line on which each one in flight gets so much, up to all that the line takes."""

    def __init__(self, each: float, most: float) -> None:
        self._each, self._most = each, most

    def __call__(self, in_flight: int) -> float:
        return min(self._each * in_flight, self._most)


def test_it_grows_to_the_most_where_each_further_one_brings_as_much() -> None:
    flow = Flow(16, 4)
    rounds(flow, 10, Rate(SIZE, 1e18))
    assert flow.limit == 16


def test_it_does_not_grow_much_beyond_what_the_line_takes() -> None:
    flow = Flow(64, 4)
    rounds(flow, 40, Rate(SIZE, 8 * SIZE))
    assert 6 <= flow.limit <= 12


def test_what_takes_more_after_a_while_is_found_out() -> None:
    flow = Flow(64, 4)
    at = rounds(flow, 40, Rate(SIZE, 8 * SIZE))
    rounds(flow, 200, Rate(SIZE, 1e18), at)
    assert flow.limit == 64


def test_a_refusal_halves_it_once_however_many_were_on_their_way() -> None:
    flow = Flow(16, 16)
    setbacks = flow.setbacks
    assert [flow.refused(setbacks) for _ in range(16)] == [True] + [False] * 15
    assert flow.limit == 8
    assert flow.refused(flow.setbacks)
    assert flow.limit == 4


def test_it_recovers_after_refusals() -> None:
    flow = Flow(16, 16)
    for _ in range(10):
        flow.refused(flow.setbacks)
    assert flow.limit == 1
    rounds(flow, 100, Rate(SIZE, 1e18))
    assert flow.limit == 16


def test_where_there_is_not_enough_to_do_nothing_can_be_told() -> None:
    flow = Flow(16, 4)
    for second in range(1, 100):
        flow.done(float(second), SIZE, is_full=False)
    assert flow.limit == 4


events = st.one_of(
    st.tuples(st.just("done"), st.floats(0, 1000), st.integers(0, 1 << 30), st.booleans()),
    st.tuples(st.just("refused"), st.booleans(), st.just(0), st.just(False)),
)


@given(most=st.integers(1, 256), start=st.integers(-5, 300), told=st.lists(events, max_size=300))
def test_it_is_at_least_one_and_never_above_the_most(most: int, start: int, told: list[tuple[object, ...]]) -> None:
    flow, at = Flow(most, start), 0.0
    for kind, what, size, is_full in told:
        if kind == "refused":
            before, setbacks = flow.limit, flow.setbacks if what else flow.setbacks - 1
            assert flow.refused(setbacks) == bool(what)
            assert flow.limit == (max(1, before // 2) if what else before)
        else:
            at += float(str(what))
            flow.done(at, int(str(size)), is_full=bool(is_full))
        assert 1 <= flow.limit <= most
