"""Transient errors are tried again, everything else passes at once."""

from collections.abc import Iterator

import pytest

from bot.errors import PermanentError, Stopped, TransientError
from bot.ports import ObjectStore
from bot.retry import LONG, LONG_CALLS, Patience, retrying


class Flaky:
    name = "flaky"

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures = failures
        self.calls = 0
        self.error = error

    def get(self, value: int) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return value

    put = get

    def all(self) -> Iterator[int]:
        yield 1
        yield self.get(2)

    def open(self, path: str) -> "Flaky":
        return self


def test_a_transient_error_is_tried_again_with_growing_waits() -> None:
    waits: list[float] = []
    flaky = Flaky(3, TransientError("busy"))
    assert retrying(flaky, waits.append).get(7) == 7
    assert flaky.calls == 4
    assert len(waits) == 3
    assert 0.35 <= waits[0] <= 0.5
    assert 1.4 <= waits[2] <= 2.0


def test_the_wait_that_the_other_side_asked_for_is_kept_up_to_a_minute() -> None:
    waits: list[float] = []
    retrying(Flaky(1, TransientError("slow down", wait_s=9.0)), waits.append).get(1)
    retrying(Flaky(1, TransientError("slow down", wait_s=900.0)), waits.append).get(1)
    assert waits == [9.0, 60.0]


def test_after_the_last_try_the_error_passes() -> None:
    flaky = Flaky(99, TransientError("busy"))
    with pytest.raises(TransientError):
        retrying(flaky, lambda _s: None, Patience(tries=3)).get(1)
    assert flaky.calls == 3


def test_a_permanent_error_passes_at_once() -> None:
    flaky = Flaky(1, PermanentError("no"))
    with pytest.raises(PermanentError):
        retrying(flaky, lambda _s: None).get(1)
    assert flaky.calls == 1


def test_stop_ends_the_waiting() -> None:
    def pause(_seconds: float) -> None:
        raise Stopped()

    flaky = Flaky(9, TransientError("busy"))
    with pytest.raises(Stopped):
        retrying(flaky, pause).get(1)
    assert flaky.calls == 1


def test_an_iterator_is_read_inside_the_retried_call() -> None:
    flaky = Flaky(1, TransientError("busy"))
    assert list(retrying(flaky, lambda _s: None).all()) == [1, 2]


def test_a_reader_that_open_gives_is_wrapped_too() -> None:
    flaky = Flaky(2, TransientError("busy"))
    assert retrying(flaky, lambda _s: None).open("x").get(5) == 5


def test_plain_attributes_pass_through() -> None:
    assert retrying(Flaky(0, TransientError("")), lambda _s: None).name == "flaky"


def test_a_method_that_is_not_repeatable_is_called_once() -> None:
    flaky = Flaky(1, TransientError("busy"))
    with pytest.raises(TransientError):
        retrying(flaky, lambda _s: None, once=("get",)).get(5)
    assert flaky.calls == 1


@pytest.mark.parametrize(("name", "at_least_s", "at_most_s"), [("get", 60, 92), ("put", 600, 900)])
def test_calls_that_hours_of_work_hang_on_are_tried_for_ten_minutes_and_the_others_for_one(
    name: str, at_least_s: float, at_most_s: float
) -> None:
    waits: list[float] = []
    flaky = Flaky(999, TransientError("down"))
    with pytest.raises(TransientError):
        getattr(retrying(flaky, waits.append, long=("put",)), name)(1)
    assert at_least_s <= sum(waits) <= at_most_s
    assert max(waits) <= LONG.longest_s


def test_the_calls_that_are_tried_long_are_of_the_port_and_remove_nothing() -> None:
    assert all(hasattr(ObjectStore, name) for name in LONG_CALLS)
    assert not LONG_CALLS & {"abort_upload", "list_uploads", "list", "delete"}


def test_a_wait_at_which_a_person_would_wonder_is_told_once() -> None:
    told: list[TransientError] = []
    flaky = Flaky(20, TransientError("down"))
    retrying(flaky, lambda _s: None, LONG, on_wait=told.append).get(1)
    assert [error.message for error in told] == ["down"]
    retrying(Flaky(2, TransientError("down")), lambda _s: None, on_wait=told.append).get(1)
    assert len(told) == 1
