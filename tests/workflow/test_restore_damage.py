"""Damaged recovery points: none restores wrong data silently, none writes outside of its folder, nothing stays."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.checksum import crc64, to_hex
from bot.model import Json, State
from tests.memory import MemoryStore
from tests.workflow.test_restore import KEPT, asked, files_in, left, notice, protected, view

Damage = Callable[[MemoryStore, str], None]
FLAT = "vm01-flat.vmdk"


def rewritten(change: Callable[[Json], object]) -> Damage:
    """The manifest says something else."""

    def damage(store: MemoryStore, point: str) -> None:
        document = json.loads(store.objects[f"{point}/manifest.json"])
        change(document)
        store.overwrite(f"{point}/manifest.json", json.dumps(document).encode())

    return damage


def file_of(document: Json, name: str = FLAT) -> Json:
    found: Json = next(file for file in document["files"] if file["name"] == name)
    return found


def named(name: str) -> Damage:
    return rewritten(lambda document: file_of(document).update(name=name))


def key_of(store: MemoryStore, name: str = FLAT) -> str:
    return next(key for key in store.objects if key.endswith(f"/{name}"))


def flipped(store: MemoryStore, _point: str) -> None:
    """And the store swears that it is right."""
    key = key_of(store)
    content = bytearray(store.objects[key])
    content[300] ^= 1
    store.objects[key] = bytes(content)


def swapped(document: Json) -> None:
    one, other = file_of(document), file_of(document, "vm01.nvram")
    one["key"], other["key"] = other["key"], one["key"]


def forged(store: MemoryStore, point: str) -> None:
    """Object, CRC and manifest agree; the digests do not."""
    key = key_of(store)
    content = b"x" * len(store.objects[key])
    store.overwrite(key, content)
    rewritten(lambda document: file_of(document).update(crc64=to_hex(crc64(content))))(store, point)


DAMAGES: dict[str, Damage] = {
    "no manifest": lambda store, point: store.delete(f"{point}/manifest.json"),
    "an empty manifest": lambda store, point: store.overwrite(f"{point}/manifest.json", b""),
    "half a manifest": lambda store, point: store.overwrite(
        f"{point}/manifest.json", store.objects[f"{point}/manifest.json"][:-200]
    ),
    "another's manifest": rewritten(lambda document: document.update(transaction_id="20261101T000000Z-abcdef")),
    "a later format": rewritten(lambda document: document.update(format=2)),
    "a name that climbs": named("../vm02/vm02.vmx"),
    "an absolute name": named("/etc/passwd"),
    "a name with a backslash": named("..\\x"),
    "a name of Cloudy's": named(".cloudy-x/y"),
    "two files of one name": named("VM01.vmx"),
    "a key of another's": rewritten(lambda document: file_of(document).update(key="20261101T000000Z-abcdef/x")),
    "a key that climbs": rewritten(lambda document: file_of(document).update(key=f"{document['transaction_id']}/../x")),
    "a size below zero": rewritten(lambda document: file_of(document).update(size=-1)),
    "a size that is too large": rewritten(lambda document: file_of(document).update(size=10**6)),
    "another CRC": rewritten(lambda document: file_of(document).update(crc64="0" * 16)),
    "keys that are swapped": rewritten(swapped),
    "an object is gone": lambda store, _point: store.delete(key_of(store)),
    "an object is cut": lambda store, _point: store.overwrite(key_of(store), store.objects[key_of(store)][:-1]),
    "an object is longer": lambda store, _point: store.overwrite(key_of(store), store.objects[key_of(store)] + b"x"),
    "an object has other bytes": flipped,
    "a small file is gone": lambda store, _point: store.delete(key_of(store, "vm01.vmx")),
}


@pytest.mark.parametrize("name", ["con.vmdk", "aux.", "what?.vmdk"])
def test_a_name_that_windows_does_not_take_is_refused_only_where_it_reads_the_files(tmp_path: Path, name: str) -> None:
    house, point = protected(tmp_path)
    named(name)(house.targets["s3"], point.id)
    fetched: list[str] = []
    house.watch(lambda call: fetched.append(call) if "get_into" in call else None)
    house.systems.restore_url = "smb://vmstore/tintri"
    transaction = asked(house, key="1")
    house.dispatch()
    house.engine.run_all()
    assert house.read(transaction.id).state is State.REFUSED
    assert "Windows" in notice(house, transaction)
    assert fetched == []
    house.systems.restore_url = "nfs://vmstore/tintri"
    transaction = asked(house, key="2")
    house.dispatch()
    house.engine.run_all()
    assert house.read(transaction.id).state is State.SUCCEEDED
    assert name in files_in(house, "vm01-restored")


def without_digests(store: MemoryStore, _point: str) -> None:
    for key in [key for key in store.objects if "/blocks/" in key]:
        store.delete(key)


def garbled_digests(store: MemoryStore, _point: str) -> None:
    for key in [key for key in store.objects if "/blocks/" in key]:
        store.overwrite(key, b"x")


HARMLESS: dict[str, Damage] = {
    "digests are gone": without_digests,
    "digests are damaged": garbled_digests,
    "whoever may write there replaced an object and its CRC in the manifest": forged,  # nothing is signed
}


@pytest.fixture(autouse=True)
def digests_of_small_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.lane._WORTH_DIGESTS", 1)


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("when", ["before it is asked for", "after it is planned"])
def test_nothing_wrong_is_restored_and_nothing_stays(tmp_path: Path, how: str, when: str) -> None:
    house, point = protected(tmp_path)
    before, store = dict(house.share.files), house.targets["s3"]
    assert any("/blocks/" in key for key in store.objects)
    if when == "before it is asked for":
        DAMAGES[how](store, point.id)
    transaction = asked(house)
    house.dispatch()
    if when == "after it is planned":
        DAMAGES[how](store, point.id)
    house.engine.run_all()
    ended = house.read(transaction.id)
    if ended.state is State.REFUSED:
        assert notice(house, ended)
    else:
        assert ended.state is State.FAILED, ended.state
        assert view(house, ended, "receipt")["why"]
    assert house.share.files == before
    assert left(house) == []


@pytest.mark.parametrize("how", HARMLESS)
def test_digests_that_are_of_no_use_cost_time_and_not_the_restore_and_that_is_said(tmp_path: Path, how: str) -> None:
    house, point = protected(tmp_path)
    HARMLESS[how](house.targets["s3"], point.id)
    transaction = asked(house)
    house.dispatch()
    house.engine.run_all()
    assert house.read(transaction.id).state is State.SUCCEEDED
    assert "fetched in full" in dict(view(house, transaction, "receipt")["facts"])["Mind"]
    wanted = KEPT | ({FLAT: b"x" * len(KEPT[FLAT])} if how.startswith("whoever") else {})
    assert files_in(house, "vm01-restored") == wanted
    assert left(house) == []
