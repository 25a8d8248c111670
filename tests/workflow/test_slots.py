"""A target takes so many parts at once, whatever the number of transactions."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot import reading
from bot.arena import Arena
from bot.errors import Stopped, TransientError
from bot.lines import Line
from bot.ports import ObjectStore, Reader
from bot.reads import Reads
from bot.retry import Patience, retrying
from bot.slots import Slots
from bot.throttle import Throttle, heedful
from bot.transfer import TransferSettings, send
from tests.memory import MemoryJournal, MemoryReader, MemoryShare, MemoryStore
from tests.workflow.house import FakeClock
from tests.workflow.test_transfer import CONTENT, FILES, PART, WHO, expected


@dataclass
class Busy:
    """Counts who is inside a call of any store."""

    calls: tuple[str, ...] = ("put", "put_part")
    most: int = 0
    _inside: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, call: str) -> None:
        if not call.endswith(self.calls):
            return
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        threading.Event().wait(0.03)
        with self._lock:
            self._inside -= 1


def transfer(
    stores: tuple[ObjectStore, ...],
    check: Callable[[], None] = lambda: None,
    reads: Reads | None = None,
    share: MemoryShare | None = None,
    grain: int = PART,
) -> None:
    send(
        FILES,
        share=share or MemoryShare(CONTENT),
        targets=stores,
        journal=MemoryJournal(),
        settings=TransferSettings(
            threads=4, grain=grain, part_bytes=PART, arena=Arena(8, window=PART), metadata=WHO, reads=reads
        ),
        check=check,
        on_progress=lambda _: None,
    )


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_parts_are_in_flight_than_the_target_takes(most: int) -> None:
    busy, line = Busy(), Line(uploads=Slots(most))
    stores = [MemoryStore("s3") for _ in range(4)]
    for store in stores:
        store.watch = busy
    threads = [threading.Thread(target=transfer, args=((line.to(store),),)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert busy.most == most
    for store in stores:
        expected(store)


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_is_read_at_once_than_the_vmstore_allows_and_not_faster(most: int) -> None:
    busy, clock = Busy(calls=("read_into",)), FakeClock()
    share = MemoryShare(CONTENT, watch=busy)
    size = sum(map(len, CONTENT.values()))
    reads = Reads(Slots(most), Throttle(lambda _: size, clock))
    begun = clock.now()
    threads = [
        threading.Thread(target=transfer, args=((MemoryStore("s3"),),), kwargs={"reads": reads, "share": share})
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert busy.most == most
    assert (clock.now() - begun).total_seconds() >= 3 - 0.25 - 0.01  # all three, but for the first burst


def test_without_a_rate_a_window_is_read_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def read_steps(reader: Reader, offset: int, buffer: memoryview, *more: Any) -> list[object]:
        lengths.append(buffer.nbytes)
        return Reader.read_steps(reader, offset, buffer, *more)

    monkeypatch.setattr(MemoryReader, "read_steps", read_steps)
    monkeypatch.setattr(reading, "MIB", PART // 4)
    share, store = MemoryShare(CONTENT), MemoryStore("s3")
    transfer((store,), reads=Reads(Slots(2), Throttle(lambda _: None, FakeClock())), share=share, grain=PART // 4)
    expected(store)
    disk, *small = (len(content) for content in CONTENT.values() if content)
    assert sorted(lengths) == sorted([*[PART] * (disk // PART), disk % PART, *small])
    assert share.open_readers == 0


def test_a_read_that_waits_to_be_tried_again_holds_no_room() -> None:
    slots, free, failed = Slots(1), list[bool](), list[str]()

    def fail_once(call: str) -> None:
        if call == "share.read_into" and not failed:
            failed.append(call)
            raise TransientError("hiccup")

    def pause(_seconds: float) -> None:
        with slots.taken(stopped):
            free.append(True)

    def stopped() -> None:
        raise AssertionError("no room")

    share = retrying(MemoryShare(CONTENT, watch=fail_once), pause)
    store = MemoryStore("s3")
    transfer((store,), reads=Reads(slots, Throttle(lambda _: None, FakeClock())), share=share)
    assert free == [True]
    expected(store)


def test_transfers_to_the_same_two_targets_do_not_wait_for_each_other_for_ever() -> None:
    lines = {"s3": Line(uploads=Slots(1)), "other": Line(uploads=Slots(1))}
    pairs = [
        (MemoryStore("s3"), MemoryStore("other")) if turn else (MemoryStore("other"), MemoryStore("s3"))
        for turn in (0, 1)
    ]
    threads = [
        threading.Thread(target=transfer, args=(tuple(lines[each.name].to(each) for each in pair),), daemon=True)
        for pair in pairs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    for pair in pairs:
        for store in pair:
            expected(store)


@pytest.mark.parametrize("heard_by", ["transfer", "store"])
def test_stop_is_heard_while_it_waits_for_a_slot(heard_by: str) -> None:
    slots, store, asked = Slots(1), MemoryStore("s3"), threading.Event()
    behind = Line(uploads=slots).to(store)

    def check() -> None:
        if asked.is_set():
            raise Stopped

    with slots.taken(check):
        outcome: list[BaseException] = []

        def run() -> None:
            try:
                if heard_by == "transfer":
                    transfer((behind,), check)
                else:
                    transfer((heedful(behind, check),))
            except Stopped as stopped:
                outcome.append(stopped)

        running = threading.Thread(target=run)
        running.start()
        asked.set()
        running.join(timeout=60)
        assert len(outcome) == 1
    assert store.objects == {}
    with slots.taken(check):  # nobody kept it
        pass


class Throttling(MemoryStore):
    """Refuses each part beyond so many at once."""

    def __init__(self, takes: int) -> None:
        super().__init__("s3", watch=self.look)
        self.takes = takes
        self.refused = self.inside = 0
        self._counting = threading.Lock()

    def look(self, call: str) -> None:
        if not call.endswith("put_part"):
            return
        with self._counting:
            self.inside += 1
            is_refused = self.inside > self.takes
            self.refused += is_refused
        threading.Event().wait(0.005)
        with self._counting:
            self.inside -= 1
        if is_refused:
            raise TransientError("SlowDown: reduce your request rate", system="s3", code="SlowDown")


def test_a_target_that_wants_less_gets_less_and_is_not_given_up_and_later_more_again() -> None:
    clock, slots, store = FakeClock(), Slots(4), Throttling(takes=1)
    target = retrying(Line(uploads=slots).to(store), clock.sleep, Patience(tries=30))
    transfer((target,))
    expected(store)
    assert store.refused
    assert slots.limit < 4
    store.takes = 1000
    lowest = slots.limit
    for _ in range(50):
        store.objects.clear()
        transfer((target,))
        if slots.limit > lowest:
            break
    expected(store)
    assert slots.limit > lowest


def test_what_waits_to_be_tried_again_holds_no_room() -> None:
    slots = Slots(1)
    store = Throttling(takes=0)
    behind = Line(uploads=slots).to(store)

    def pause(_seconds: float) -> None:
        store.takes = 1
        with slots.taken(lambda: pytest.fail("the room is held by what waits")):
            pass

    transfer((retrying(behind, pause),))
    expected(store)


def test_the_rest_that_is_asked_for_counts_for_all() -> None:
    now = [0.0]
    slots = Slots(4, now=lambda: now[0])
    slots.refused(slots.setbacks, 30.0)
    waits: list[None] = []

    def go_on() -> None:
        waits.append(None)
        now[0] += 16

    with slots.taken(go_on):
        assert len(waits) == 2
