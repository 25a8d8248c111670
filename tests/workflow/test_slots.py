"""A target takes so many parts at once, whatever the number of transactions."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from bot.arena import Arena
from bot.errors import Stopped
from bot.slots import Slots
from bot.transfer import TransferSettings, send
from tests.memory import MemoryJournal, MemoryShare, MemoryStore
from tests.workflow.test_transfer import CONTENT, FILES, PART, WHO, expected


@dataclass
class Busy:
    """Counts who is inside a call of any store."""

    most: int = 0
    _inside: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, call: str) -> None:
        if not call.endswith(("put", "put_part")):
            return
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        threading.Event().wait(0.01)
        with self._lock:
            self._inside -= 1


def transfer(stores: tuple[MemoryStore, ...], slots: dict[str, Slots], check: Callable[[], None]) -> None:
    send(
        FILES,
        share=MemoryShare(CONTENT),
        targets=stores,
        journal=MemoryJournal(),
        settings=TransferSettings(
            threads=4, grain=PART, part_bytes=PART, arena=Arena(8, window=PART), metadata=WHO, slots=slots
        ),
        check=check,
        on_progress=lambda _: None,
    )


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_parts_are_in_flight_than_the_target_takes(most: int) -> None:
    busy, slots = Busy(), {"s3": Slots(most)}
    stores = [MemoryStore("s3") for _ in range(4)]
    for store in stores:
        store.watch = busy
    threads = [threading.Thread(target=transfer, args=((store,), slots, lambda: None)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert busy.most == most
    for store in stores:
        expected(store)


def test_transfers_to_the_same_two_targets_do_not_wait_for_each_other_for_ever() -> None:
    slots = {"s3": Slots(1), "other": Slots(1)}
    pairs = [
        (MemoryStore("s3"), MemoryStore("other")) if turn else (MemoryStore("other"), MemoryStore("s3"))
        for turn in (0, 1)
    ]
    threads = [threading.Thread(target=transfer, args=(pair, slots, lambda: None), daemon=True) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    for pair in pairs:
        for store in pair:
            expected(store)


def test_stop_is_heard_while_it_waits_for_a_slot() -> None:
    slots, store, asked = {"s3": Slots(1)}, MemoryStore("s3"), threading.Event()

    def check() -> None:
        if asked.is_set():
            raise Stopped

    with slots["s3"].taken(check):
        outcome: list[BaseException] = []

        def run() -> None:
            try:
                transfer((store,), slots, check)
            except Stopped as stopped:
                outcome.append(stopped)

        running = threading.Thread(target=run)
        running.start()
        asked.set()
        running.join(timeout=60)
        assert len(outcome) == 1
    assert store.objects == {}
    with slots["s3"].taken(check):  # nobody kept it
        pass
