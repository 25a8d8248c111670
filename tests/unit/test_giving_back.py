"""Memory goes back after runs, not after each."""

import threading

import pytest

from bot import givingback
from bot.givingback import GivingBack
from tests.e2e.waiting import until


def test_many_runs_that_end_together_are_given_back_after_once_and_the_last_one_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times: list[int] = []
    monkeypatch.setattr(givingback, "give_back", lambda: times.append(1))
    memory, stop = GivingBack(), threading.Event()
    for _ in range(50):
        memory.used()
    thread = threading.Thread(target=memory.run, args=(stop, 0.0))
    thread.start()
    try:
        until(lambda: len(times) == 1, "it was given back")
        memory.used()
        until(lambda: len(times) == 2, "the last one too")
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
