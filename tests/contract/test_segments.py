"""Files of more parts than an object may have, on every adapter and counterpart: the limits are scaled down for it."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot import transfer, zeros
from bot.arena import Arena
from bot.model import SourceFile
from bot.ports import ObjectStore
from bot.transfer import Sent, TransferSettings, send
from bot.undoing import abort, erase
from bot.verifying import verify
from integrations.objectstores import OPENERS
from tests import peers
from tests.contract import test_objectstore as contract
from tests.memory import Crash, MemoryJournal, MemoryShare

MIB = 1 << 20
ID = "20261123T142233Z-7f3k9q"
PATH = f"{ID}/vm01/vm01-flat.vmdk"
opening, place, store = contract.opening, contract.place, contract.store


@pytest.fixture(autouse=True)
def _few_parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zeros, "SIZES", (6 * MIB, 24 * MIB))
    monkeypatch.setattr(transfer, "LOOK_AHEAD", 8 * MIB)
    if "store" in request.fixturenames:
        shrunk: ObjectStore = request.getfixturevalue("store")
        if not shrunk.capabilities().copies_parts:
            pytest.skip("this store copies no parts")
        few(shrunk)


def few(store: ObjectStore) -> None:
    """An object may have so few parts that a disk of some MiB needs segments."""
    unit = 5 * MIB if store.limits.smallest > 1 else MIB
    store.limits = replace(store.limits, most=4, largest=3 * unit, largest_object=12 * unit, copy_wanted=2 * unit)


def content_for(store: ObjectStore) -> bytes:
    unit = store.limits.largest // 3
    dice = random.Random(1)
    return dice.randbytes(4 * unit + 12_345) + bytes(2 * unit) + dice.randbytes(2 * unit)


class Run:
    """One disk in one target."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.content = content_for(store)
        self.unit = store.limits.largest // 3
        self.journal = MemoryJournal()
        self.file = SourceFile(path=PATH, name="vm01/vm01-flat.vmdk", key=f"{ID}/tintri/{PATH}", size=len(self.content))

    def send(self) -> Sent:
        grain = self.unit if self.unit < 5 * MIB else MIB
        sent = send(
            [self.file],
            share=MemoryShare({PATH: self.content}),
            targets=[self.store],
            journal=self.journal,
            settings=TransferSettings(
                grain=grain, part_bytes=self.unit, arena=Arena(40, 4 * MIB), metadata=contract.WHO
            ),
            check=lambda: None,
            on_progress=lambda _: None,
        )
        for stored in sent.stored[self.store.name]:
            verify(self.store, stored, lambda: None)
        return sent

    def clean_up(self) -> None:
        for _, key in sorted(self.journal.promised):
            abort(self.store, key)
        for _, key in sorted(self.journal.objects):
            erase(self.store, key)

    def is_right(self) -> None:
        assert self.store.get(self.file.key) == self.content
        assert list(self.store.list(".cloudy/segment/")) == []
        assert self.store.list_uploads("") == ()


def test_a_disk_of_segments_arrives_and_nothing_temporary_stays(store: ObjectStore) -> None:
    run, told = Run(store), list[str]()
    run.journal.watch = told.append
    sent = run.send()
    run.is_right()
    assert told.count("journal.removed done") >= 2
    assert not run.journal.objects
    assert sent.moved.zero >= run.unit
    assert sent.lost == ()


@pytest.mark.parametrize("nth", [15, 40])
def test_a_kill_in_the_middle_of_segments_is_gone_on_from(store: ObjectStore, nth: int) -> None:
    run, told = Run(store), list[str]()

    def watch(call: str) -> None:
        told.append(call)
        if len(told) > nth:
            raise Crash(call)

    run.journal.watch = watch
    with pytest.raises(Crash):
        run.send()
    before = {place: dict(parts) for place, parts in run.journal.recorded.items()}
    run.journal.watch = lambda _call: None
    run.send()
    for place, parts in before.items():
        for number, part in parts.items():
            assert run.journal.recorded[place][number] == part, "it was sent again"
    run.clean_up()
    run.is_right()


def test_what_a_kill_left_goes_with_the_clean_up(store: ObjectStore) -> None:
    run, told = Run(store), list[str]()

    def watch(call: str) -> None:
        told.append(call)
        if len(told) > 45:
            raise Crash(call)

    run.journal.watch = watch
    with pytest.raises(Crash):
        run.send()
    run.clean_up()
    assert list(store.list(".cloudy/segment/")) == []
    assert store.list_uploads("") == ()


@pytest.fixture
def versioned() -> Iterator[ObjectStore]:
    with peers.weed() as peer:
        peer.client.put_bucket_versioning(Bucket=peer.bucket, VersioningConfiguration={"Status": "Enabled"})
        opened = OPENERS["s3"]("cloud", peer.url("vms"), peer.options)
        few(opened)
        yield opened


def test_where_versions_are_kept_none_of_a_temporary_object_stays(versioned: ObjectStore) -> None:
    run = Run(versioned)
    run.send()
    run.is_right()
    assert list(versioned.list_versions(".cloudy/segment/")) == []
    assert [version.key for version in versioned.list_versions(f"{ID}/tintri/")] == [run.file.key]
