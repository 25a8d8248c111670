"""How far a transfer is, told often enough to be seen, and not for each small file."""

from bot.meter import TELL_S, Meter, Moved
from bot.model import Part


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def arrive(meter: Meter, size: int) -> None:
    meter.arrived("s3", Part(number=1, offset=0, length=size))


def test_many_small_steps_are_told_together_and_the_end_at_once() -> None:
    told, clock = list[Moved](), Clock()
    meter = Meter(told.append, now=clock)
    meter.expect(["s3"], 100)
    for _ in range(50):
        meter.read(1)
        arrive(meter, 1)
    assert [each.done for each in told] == [0]
    clock.at += 2 * TELL_S
    arrive(meter, 1)
    assert [each.done for each in told] == [0, 51]
    arrive(meter, 49)
    assert [each.done for each in told] == [0, 51, 100]
    assert told[-1].bytes.sent == 100


def test_what_was_not_told_yet_is_told_at_the_end_and_nothing_twice() -> None:
    told, clock = list[Moved](), Clock()
    meter = Meter(told.append, now=clock)
    meter.expect(["s3"], 100)
    meter.read(10)
    arrive(meter, 10)
    meter.close()
    meter.close()
    assert [(each.bytes.read, each.done) for each in told] == [(10, 0), (10, 10)]


def test_a_clock_that_is_set_back_delays_nothing() -> None:
    told, clock = list[Moved](), Clock()
    meter = Meter(told.append, now=clock)
    meter.expect(["s3"], 100)
    meter.read(1)
    clock.at -= 1000
    meter.read(1)
    assert [each.bytes.read for each in told] == [1, 2]
