"""Lanes begin in all targets at once; who keeps the others waiting is served later, and nobody is forgotten."""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from bot import starts
from bot.errors import Stopped
from bot.lane import Lane
from bot.model import SourceFile
from bot.ports import ObjectStore
from bot.starts import Starts
from tests.memory import MemoryStore

FILES = [SourceFile(path=f"{at}", name=f"{at}", key=f"tx/{at}", size=1) for at in range(3)]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


class Begin:
    """Makes lanes, and waits where a target is slow."""

    def __init__(self) -> None:
        self.slow: dict[str, threading.Event] = {}
        self.begun: list[tuple[str, str]] = []
        self.nothing: set[str] = set()

    def __call__(self, number: int, file: SourceFile, target: ObjectStore) -> Lane | None:
        if target.name in self.slow:
            assert self.slow[target.name].wait(60)
        self.begun.append((file.path, target.name))
        return None if target.name in self.nothing else cast(Lane, (file.path, target.name))


def told(lanes: Iterable[Lane]) -> list[object]:
    return list(lanes)


def go_on() -> None:
    """Nobody asked for Stop."""


def test_lanes_come_in_the_order_of_the_targets_without_those_that_have_nothing_to_do(
    threads: ThreadPoolExecutor,
) -> None:
    begin = Begin()
    begin.nothing = {"b"}
    made = Starts(begin, threads, go_on).lanes(0, FILES[0], [MemoryStore("a"), MemoryStore("b"), MemoryStore("c")])
    assert told(made) == [("0", "a"), ("0", "c")]


def test_all_begin_at_the_same_time(threads: ThreadPoolExecutor) -> None:
    meeting = threading.Barrier(3, timeout=60)

    def begin(_number: int, file: SourceFile, target: ObjectStore) -> Lane | None:
        meeting.wait()
        return cast(Lane, (file.path, target.name))

    made = Starts(begin, threads, go_on).lanes(0, FILES[0], [MemoryStore(name) for name in "abc"])
    assert len(made) == 3


def test_a_target_that_keeps_the_others_waiting_is_served_later_and_begins_each_file_once(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, "PATIENCE_S", 0.0)
    begin = Begin()
    begin.slow["b"] = threading.Event()
    both = [MemoryStore("a"), MemoryStore("b")]
    began = Starts(begin, threads, go_on)
    assert [told(began.lanes(at, file, both)) for at, file in enumerate(FILES)] == [
        [(file.path, "a")] for file in FILES
    ]
    begin.slow["b"].set()
    assert told(began.late()) == [(file.path, "b") for file in FILES]
    assert sorted(begin.begun) == sorted((file.path, name) for file in FILES for name in "ab")


def test_one_target_alone_is_waited_for(threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "PATIENCE_S", 0.0)
    begin = Begin()
    begin.slow = {name: threading.Event() for name in "ab"}
    threading.Timer(0.2, begin.slow["b"].set).start()
    began = Starts(begin, threads, go_on)
    assert told(began.lanes(0, FILES[0], [MemoryStore("a"), MemoryStore("b")])) == [("0", "b")]
    begin.slow["a"].set()
    assert told(began.late()) == [("0", "a")]


def test_stop_is_heard_while_a_target_does_not_answer(threads: ThreadPoolExecutor) -> None:
    begin = Begin()
    begin.slow = {name: threading.Event() for name in "ab"}

    def check() -> None:
        if len(asked) > 2:
            raise Stopped
        asked.append(0)

    asked: list[int] = []
    with pytest.raises(Stopped):
        Starts(begin, threads, check).lanes(0, FILES[0], [MemoryStore("a"), MemoryStore("b")])
    for event in begin.slow.values():
        event.set()


def test_what_goes_wrong_is_raised_to_the_one_who_asked(threads: ThreadPoolExecutor) -> None:
    def begin(_number: int, _file: SourceFile, target: ObjectStore) -> Lane | None:
        if target.name == "b":
            raise ValueError("a fault")
        return None

    with pytest.raises(ValueError, match="a fault"):
        Starts(begin, threads, go_on).lanes(0, FILES[0], [MemoryStore("a"), MemoryStore("b")])
