"""What older files of the VM on the VMstore still have does not travel; they are checked alike, and never changed."""

from pathlib import Path

import pytest

from bot.errors import PermanentError, TransientError
from bot.model import State
from bot.nearby import Older
from tests.memory import MemoryReader, MemoryShare
from tests.workflow.house import DISK, House
from tests.workflow.test_restore import KEPT, asked, files_in, left, protected, restored, view

FLAT = "vm01/vm01-flat.vmdk"


@pytest.fixture(autouse=True)
def digests_of_small_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.lane._WORTH_DIGESTS", 1)


def fetched_of_disk(house: House) -> int:
    return sum(length for key, _, length in house.targets["s3"].given if key.endswith("-flat.vmdk"))


def test_only_what_differs_from_the_vm_as_it_is_now_travels(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    now = bytearray(DISK)
    now[100] ^= 1
    house.share.files[FLAT] = bytes(now)
    transaction = asked(house)
    house.dispatch()
    expected = house.read(transaction.id).plan["expected"]
    house.engine.run_all()
    done = house.read(transaction.id)
    assert done.state is State.SUCCEEDED
    assert files_in(house, "vm01-restored") == KEPT
    assert fetched_of_disk(house) == 64
    assert house.share.files[FLAT] == bytes(now)
    assert "where vm01 still has it" in expected
    moved = dict(view(house, done, "receipt")["facts"])["Moved"]
    assert "taken from older files of the VM on the VMstore" in moved
    assert done.bytes.copied >= len(DISK) - 64
    assert left(house) == []


def test_the_folder_that_the_disks_were_in_is_looked_at_where_the_vm_is_gone(tmp_path: Path) -> None:
    house, _point = protected(tmp_path)
    for path in [path for path in house.share.files if path != FLAT]:
        del house.share.files[path]
    assert restored(house).state is State.SUCCEEDED
    assert fetched_of_disk(house) == 0
    assert files_in(house, "vm01-restored") == KEPT


@pytest.mark.parametrize("how", ["gone", "shorter", "other bytes"])
def test_what_is_no_help_costs_nothing_but_the_looking(tmp_path: Path, how: str) -> None:
    house, _point = protected(tmp_path)
    if how == "gone":
        del house.share.files[FLAT]
    else:
        house.share.files[FLAT] = DISK[:70] if how == "shorter" else bytes(byte ^ 1 for byte in DISK)
    assert restored(house).state is State.SUCCEEDED
    assert files_in(house, "vm01-restored") == KEPT


@pytest.mark.parametrize("error", [PermanentError("locked"), TransientError("in use by another process")])
@pytest.mark.parametrize("call", ["open", "read_into"])
def test_an_older_file_that_cannot_be_read_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: Exception
) -> None:
    house, _point = protected(tmp_path)
    true_open, true_read = MemoryShare.open, MemoryReader.read_into

    def opened(share: MemoryShare, path: str) -> object:
        if path == FLAT:
            raise error
        return true_open(share, path)

    def read(reader: MemoryReader, offset: int, buffer: memoryview) -> None:
        if reader._path == FLAT:
            raise error
        true_read(reader, offset, buffer)

    if call == "open":
        monkeypatch.setattr(MemoryShare, "open", opened)
    else:
        monkeypatch.setattr(MemoryReader, "read_into", read)
    assert restored(house).state is State.SUCCEEDED
    assert files_in(house, "vm01-restored") == KEPT


def test_one_that_has_next_to_nothing_of_it_is_let_go() -> None:
    def is_kept(*seen: tuple[int, int]) -> bool:
        older = Older()
        older.reader = MemoryShare({"a": b"x"}).open("a")
        for looked, found in seen:
            older.seen(looked, found)
        return older.reader is not None

    assert is_kept((255 << 20, 1 << 20))
    assert not is_kept((255 << 20, 1 << 20), (2 << 20, 0))
    assert is_kept((1 << 30, 1 << 29))
