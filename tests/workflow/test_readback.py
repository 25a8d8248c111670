"""Reading an object back: what is damaged is found, wherever it is, in any memory; nothing else is."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.arena import Arena
from bot.errors import ArchivedError, ChangedError, Stopped
from bot.model import Damage
from bot.readback import MOST, Reading, forget, read_back
from tests.memory import MemoryJournal, MemoryStore
from tests.workflow.restored import GRAIN, WINDOW, stored

BODY = random.Random(5).randbytes(20 * WINDOW + 37)


def looked(
    store: MemoryStore, body: bytes, *, grain: int = GRAIN, windows: int = 4, threads: int = 3, window: int = WINDOW
) -> tuple[Damage, ...]:
    """Have it stored as it was, and read it back as it is in the target by now."""
    (file,) = stored(store, {"disk": BODY[: len(body)]}, grain=grain)
    store.objects[file.key] = body
    told: list[int] = []
    found, _note = read_back(
        store,
        file,
        record=MemoryJournal(),
        reading=Reading(threads=threads, arena=Arena(windows, window)),
        check=lambda: None,
        on_read=told.append,
    )
    assert sum(told) == len(body)
    return found


@pytest.mark.parametrize("windows", [1, 2, 8])
@pytest.mark.parametrize("threads", [1, 4])
def test_any_memory_and_any_number_of_threads_do(windows: int, threads: int) -> None:
    assert looked(MemoryStore("s3"), BODY, windows=windows, threads=threads) == ()


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, len(BODY) - 1), max_size=6), st.sampled_from([GRAIN, 3 * GRAIN]))
def test_just_the_grains_that_were_hit_are_named(hits: set[int], grain: int) -> None:
    body = bytearray(BODY)
    for at in hits:
        body[at] ^= 1
    found = looked(MemoryStore("s3", checks_crc=False), bytes(body), grain=grain)
    covered = {at // grain for each in found for at in range(each.offset, each.offset + each.length)}
    assert covered == {at // grain for at in hits}
    assert [each.offset for each in found] == sorted(each.offset for each in found)


def test_of_much_damage_the_first_stretches_are_named() -> None:
    body = bytearray(BODY)
    for at in range(0, len(body), 2 * GRAIN):
        body[at] ^= 1
    assert len(looked(MemoryStore("s3", checks_crc=False), bytes(body))) == MOST


def test_without_digests_a_single_bit_is_found_too() -> None:
    body = bytearray(BODY)
    body[-1] ^= 1
    (damage,) = looked(MemoryStore("s3", checks_crc=False), bytes(body), grain=0)
    assert (damage.offset, damage.length) == (0, len(BODY))


@pytest.mark.parametrize("size", [WINDOW, 3 * WINDOW, len(BODY), 5])
def test_a_file_that_was_read_to_its_end_is_not_read_again_by_a_run_that_goes_on(size: int) -> None:
    store, record = MemoryStore("s3"), MemoryJournal()
    (file,) = stored(store, {"disk": BODY[:size]}, grain=GRAIN)

    def read() -> tuple[int, int]:
        told: list[int] = []
        store.given.clear()
        reading = Reading(arena=Arena(4, WINDOW))
        found = read_back(store, file, record=record, reading=reading, check=lambda: None, on_read=told.append)
        assert found == ((), "")
        return sum(length for key, _offset, length in store.given if key == file.key), sum(told)

    assert read() == (size, size)
    assert read() == (0, size)
    forget(record, store.name, file)
    assert read() == (size, size)
    store.etags[file.key] = "another"
    assert read() == (size, size)


def test_an_archived_object_is_no_damage_nor_is_one_that_is_replaced_meanwhile() -> None:
    store = MemoryStore("s3")
    (file,) = stored(store, {"disk": BODY})
    ask = {"record": MemoryJournal(), "reading": Reading(threads=1), "on_read": lambda _size: None}
    store.archived.add(file.key)
    with pytest.raises(ArchivedError):
        read_back(store, file, check=lambda: None, **ask)  # type: ignore[arg-type]
    store.archived.clear()

    def replace(call: str) -> None:
        if call.endswith("get_into"):
            store.etags[file.key] = "another"

    store.watch = replace
    with pytest.raises(ChangedError):
        read_back(store, file, check=lambda: None, **ask)  # type: ignore[arg-type]


def test_a_stop_is_heard_between_two_requests_and_every_buffer_comes_back() -> None:
    store = MemoryStore("s3")
    (file,) = stored(store, {"disk": BODY})
    arena, calls = Arena(2, WINDOW), [0]

    def check() -> None:
        calls[0] += 1
        if calls[0] > 9:
            raise Stopped

    with pytest.raises(Stopped):
        read_back(
            store,
            file,
            record=MemoryJournal(),
            reading=Reading(threads=2, arena=arena),
            check=check,
            on_read=lambda _size: None,
        )
    assert arena._leases == []
