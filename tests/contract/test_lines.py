"""A real store that asks for less gets less, is not given up, and gets more again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.checksum import crc64
from bot.lines import Line
from bot.ports import ObjectStore
from bot.retry import LONG, retrying
from bot.slots import Slots
from integrations.objectstores import OPENERS
from tests import peers
from tests.bad_days.troubled_s3 import Asked, TroubledS3

BODY = bytearray(b"x" * 1000)


@pytest.fixture
def troubled() -> Iterator[tuple[TroubledS3, ObjectStore]]:
    with peers.moto() as peer:
        troubled = TroubledS3(peer.endpoint)
        store = OPENERS["s3"]("s3", peer.url("vms"), {**peer.options, "endpoint": troubled.url})
        store.capabilities()
        try:
            yield troubled, store
        finally:
            troubled.close()


def is_ours(asked: Asked) -> bool:
    return asked.method == "PUT" and "/run/" in asked.path


def write(store: ObjectStore, names: list[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(store.put, name, BODY, crc64=crc64(BODY), metadata={}) for name in names]:
            each.result()


@pytest.mark.parametrize("answer", [(503, "SlowDown"), (429, "TooManyRequests"), (500, "InternalError")])
def test_a_store_that_throttles_for_a_while_is_asked_for_less_and_gets_everything(
    troubled: tuple[TroubledS3, ObjectStore], answer: tuple[int, str]
) -> None:
    trouble, bare = troubled
    slots, waits = Slots(8), list[float]()
    store = retrying(Line(uploads=slots).to(bare), waits.append, LONG)
    trouble.refuse(is_ours, (*answer, "Please reduce your request rate."), times=24)
    names = [f"run/{answer[0]}-{number}" for number in range(16)]
    write(store, names)
    lowest = slots.limit
    assert lowest <= 4
    assert len(waits) == 24
    assert sorted(found.key for found in store.list(f"run/{answer[0]}")) == sorted(names)
    for number in range(60):
        write(store, [f"run/later-{number}-{each}" for each in range(16)])
        if slots.limit > lowest:
            break
    assert slots.limit > lowest


def test_a_store_that_cuts_connections_is_asked_for_less_too(troubled: tuple[TroubledS3, ObjectStore]) -> None:
    trouble, bare = troubled
    slots, waits = Slots(8), list[float]()
    store = retrying(Line(uploads=slots).to(bare), waits.append, LONG)
    trouble.cut(is_ours, times=10)
    write(store, [f"run/cut-{number}" for number in range(8)])
    assert slots.limit <= 4
