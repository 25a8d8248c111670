"""Questions that come at the same time share one look, and no answer is older than its question."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.together import Together
from tests.e2e.waiting import until

PEOPLE = 20


def test_one_question_after_the_other_looks_each_time() -> None:
    looks = iter(range(3))
    ask = Together(lambda: next(looks))
    assert [ask(), ask(), ask()] == [0, 1, 2]


def test_whoever_comes_during_a_look_shares_the_next_one() -> None:
    looking, go_on, looks = threading.Event(), threading.Event(), []

    def look() -> int:
        looks.append(1)
        looking.set()
        assert go_on.wait(60)
        return len(looks)

    ask = Together(look)
    with ThreadPoolExecutor(PEOPLE + 1) as people:
        first = people.submit(ask)
        assert looking.wait(60)
        others = [people.submit(ask) for _ in range(PEOPLE)]
        until(people._work_queue.empty, "everybody has asked")
        go_on.set()
        assert first.result(60) == 1
        assert {other.result(60) for other in others} <= {2, 3}  # 3: one of them came when the second was over
    assert len(looks) <= 3


def test_an_answer_is_never_older_than_its_question() -> None:
    world, lock = {"at": 0}, threading.Lock()
    ask = Together(lambda: world["at"])

    def person(_: int) -> None:
        for _turn in range(200):
            with lock:
                world["at"] += 1
                wanted = world["at"]
            assert ask() >= wanted

    with ThreadPoolExecutor(8) as people:
        list(people.map(person, range(8)))


def test_a_failed_look_is_raised_to_everybody_and_the_next_one_is_a_fresh_one() -> None:
    outcomes = iter([ValueError("busy"), "well"])

    def look() -> str:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return str(outcome)

    ask = Together(look)
    with pytest.raises(ValueError, match="busy"):
        ask()
    assert ask() == "well"
