"""Objects on their way back: zeros never travel, nothing is named before it was checked, nothing is fetched twice."""

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest

from bot import landing
from bot.arena import Arena
from bot.checksum import crc64
from bot.errors import (
    ArchivedError,
    ChangedError,
    CloudyError,
    IntegrityError,
    PermanentError,
    Stopped,
    TransientError,
)
from bot.fetch import Arrived
from bot.grains import MIB
from integrations.shares.path import open_path
from tests.e2e.waiting import until
from tests.memory import Crash, CrashAt, MemoryReader, MemoryShare, MemoryStore, MemoryWriter, unwatched
from tests.workflow.restored import FOLDER, GRAIN, WINDOW, Restore, stored

T = TypeVar("T")
DICE = random.Random(1)
CONTENT = {
    "vm01/vm01-flat.vmdk": DICE.randbytes(700) + bytes(3000) + DICE.randbytes(1500) + bytes(64) + DICE.randbytes(77),
    "vm01/vm01.nvram": DICE.randbytes(600),
    "vm01/deep/er/vm01.vmx": b"displayName = vm01",
    "vm01/vmware.log": b"",
    "zeros": bytes(5000),
}
DISK = "vm01/vm01-flat.vmdk"
SIZE = sum(map(len, CONTENT.values()))


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    until(lambda: threading.active_count() <= before, "no thread is left")


@pytest.fixture(params=["digests", "none"])
def restore(request: pytest.FixtureRequest) -> Restore:
    return made(grain=GRAIN if request.param == "digests" else 0)


def made(content: dict[str, bytes] = CONTENT, *, grain: int = GRAIN) -> Restore:
    store = MemoryStore("s3")
    return Restore(stored(store, content, grain=grain), store)


def shared(restore: Restore) -> MemoryShare:
    assert isinstance(restore.share, MemoryShare)
    return restore.share


def whole(restore: Restore, content: dict[str, bytes] = CONTENT) -> None:
    """Every file is there, byte for byte, under its name, and nothing else."""
    share = shared(restore)
    assert {path.removeprefix(f"{FOLDER}/"): body for path, body in share.files.items()} == content
    assert share.open_readers == share.open_writers == 0


def fetched(restore: Restore) -> int:
    """Bytes that travelled."""
    return sum(length for _, _, length in restore.store.given)


def test_every_file_comes_back_under_its_name(restore: Restore) -> None:
    done = restore.run()
    whole(restore)
    assert done.places == {name: f"{FOLDER}/{name}" for name in CONTENT}
    assert (done.moved.done, done.moved.total) == (SIZE, SIZE)
    assert done.notes == ()
    assert [told.done for told in restore.told] == sorted(told.done for told in restore.told)


def test_zeros_are_not_fetched_where_they_are_known() -> None:
    restore = made()
    done = restore.run()
    data = sum(len(CONTENT[name]) for name in CONTENT if name != "zeros") - 3000
    assert done.moved.fetched == fetched(restore)
    assert done.moved.fetched + done.moved.zero == SIZE
    assert data <= fetched(restore) <= data + 3 * GRAIN
    assert made(grain=0).run().moved.fetched == SIZE


def test_small_gaps_are_taken_along_sooner_than_another_request_is_made() -> None:
    content = {"disk": b"".join(DICE.randbytes(GRAIN) + bytes(GRAIN) for _ in range(4))}
    for gap, requests in ((GRAIN, 1), (0, 4)):
        restore = made(content)
        restore.run(gap=gap)
        whole(restore, content)
        assert len(restore.store.given) == requests


def test_files_are_fetched_again_when_asked_again_only_as_far_as_they_are_not_there(restore: Restore) -> None:
    restore.run()
    before = fetched(restore)
    done = restore.run()
    assert fetched(restore) == before
    assert (done.moved.fetched, done.moved.done) == (0, SIZE)
    whole(restore)


def test_a_name_is_given_only_to_what_is_whole(restore: Restore) -> None:
    named: list[str] = []

    def watch(call: str) -> None:
        if call == "share.rename done":
            named.extend(path for path in shared(restore).files if not path.endswith(".part"))
            for path in named:
                assert shared(restore).files[path] == CONTENT[path.removeprefix(f"{FOLDER}/")]

    restore.watch(watch)
    restore.run()
    assert set(named) == {f"{FOLDER}/{name}" for name in CONTENT}


def test_a_window_is_noted_only_after_it_was_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "FLUSH_BYTES", 600)
    restore, said = made(), list[str]()
    restore.watch(said.append)
    restore.run(threads=1)
    order = [call for call in said if call in ("share.write_from done", "share.flush done", "journal.record")]
    assert order.count("share.flush done") > 5
    seen = set[int]()
    dirty = False
    for call in order:
        if call == "share.write_from done":
            dirty = True
        elif call == "share.flush done":
            dirty = False
        elif dirty:
            seen.add(1)
    assert not seen


@pytest.mark.parametrize("grain", [GRAIN, 0])
def test_a_restore_that_was_killed_anywhere_goes_on_and_fetches_nothing_twice(
    grain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "FLUSH_BYTES", 600)
    content = {name: CONTENT[name] for name in (DISK, "vm01/vm01.nvram")}
    calls = counted(content, grain)
    most = 0
    for nth in range(0, calls, 3):
        restore = made(content, grain=grain)
        restore.watch(CrashAt(nth))
        with pytest.raises(Crash):
            restore.run()
        reborn(restore)
        assert all(
            body == content[path.removeprefix(f"{FOLDER}/")]
            for path, body in shared(restore).files.items()
            if not path.endswith(".part")
        )
        restore.run()
        whole(restore, content)
        most = max(most, fetched(restore) - sum(restored.size for restored in restore.files))
    assert most <= 600 + 4 * WINDOW


def counted(content: dict[str, bytes], grain: int) -> int:
    restore, watch = made(content, grain=grain), CrashAt(1 << 30)
    restore.watch(watch)
    restore.run()
    return len(watch.told)


def test_what_was_safe_is_read_and_checked_before_it_is_relied_on(restore: Restore) -> None:
    killed_before(restore, "share.rename")
    share, path = shared(restore), f"{FOLDER}/{DISK}.part"
    rotten = bytearray(share.files[path])
    rotten[100] ^= 1  # in what was safe
    share.files[path] = bytes(rotten)
    restore.store.given.clear()
    done = restore.run()
    whole(restore)
    assert done.moved.local > 0
    assert 0 < sum(length for key, _, length in restore.store.given if key.endswith(DISK)) <= 2 * WINDOW


def reborn(restore: Restore) -> None:
    """The process is started again; what it had open is not any more."""
    restore.watch(unwatched)
    if isinstance(restore.share, MemoryShare):
        restore.share.open_readers = restore.share.open_writers = 0


def killed_before(restore: Restore, call: str) -> None:
    def watch(told: str) -> None:
        if dead or told == call:
            dead.append(told)
            raise Crash(told)

    dead: list[str] = []
    restore.watch(watch)
    with pytest.raises(Crash):
        restore.run()
    reborn(restore)


def test_a_file_that_got_its_name_just_before_the_kill_is_read_and_stays(restore: Restore) -> None:
    killed_before(restore, "share.rename done")
    assert f"{FOLDER}/{DISK}" in shared(restore).files
    restore.store.given.clear()
    restore.run()
    whole(restore)
    assert not [key for key, _, _ in restore.store.given if key.endswith(DISK)]


def test_a_named_file_that_is_not_what_it_was_is_fetched_anew(restore: Restore) -> None:
    killed_before(restore, "share.rename done")
    share = shared(restore)
    share.files[f"{FOLDER}/{DISK}"] = bytes(share.files[f"{FOLDER}/{DISK}"][:-1]) + b"\7"
    restore.run()
    whole(restore)


@pytest.mark.parametrize("name", [DISK, f"{DISK}.part"])
def test_somebody_elses_file_is_not_touched(restore: Restore, name: str) -> None:
    shared(restore).files[f"{FOLDER}/{name}"] = b"theirs"
    with pytest.raises(PermanentError, match="Nothing is replaced"):
        restore.run()
    assert shared(restore).files[f"{FOLDER}/{name}"] == b"theirs"


def test_stop_ends_it_and_what_was_safe_is_not_fetched_again(restore: Restore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "FLUSH_BYTES", 1)

    def stop() -> None:
        if len(restore.store.given) > 2:
            raise Stopped

    restore.check = stop
    with pytest.raises(Stopped):
        restore.run()
    assert len(restore.store.given) <= 2 + 3
    restore.check = lambda: None
    restore.run()
    whole(restore)


def test_a_store_that_fails_ends_it(restore: Restore) -> None:
    def watch(call: str) -> None:
        if call == "s3.get_into" and len(restore.store.given) >= 3:
            raise TransientError("the network is down")

    restore.watch(watch)
    with pytest.raises(TransientError):
        restore.run()
    restore.watch(unwatched)
    restore.run()
    whole(restore)


class Losing(MemoryShare):
    """As SMB is: what was not flushed when the connection broke is gone, and all calls say so until it is reopened."""

    def __init__(self, breaks: int, after: int) -> None:
        """after: so many writes are done each time."""
        super().__init__({})
        self.breaks = breaks
        self.after = after
        self.written = 0

    def create(self, path: str, size: int) -> MemoryWriter:
        super().create(path, size).close()
        return LosingWriter(self, path, size)


class LosingWriter(MemoryWriter):
    def __init__(self, share: Losing, path: str, size: int) -> None:
        super().__init__(share, path, size)
        self.losing = share
        self.flushed = share.files[path]
        self.path = path
        self.is_broken = False

    def write_from(self, offset: int, buffer: memoryview) -> None:
        self._must_be_whole()
        super().write_from(offset, buffer)
        self.losing.written += 1
        if self.losing.breaks and self.losing.written > self.losing.after:
            self.losing.breaks, self.losing.written, self.is_broken = self.losing.breaks - 1, 0, True
            self.losing.files[self.path] = self.flushed
            self._must_be_whole()

    def flush(self) -> None:
        self._must_be_whole()
        super().flush()
        self.flushed = self.losing.files[self.path]

    def _must_be_whole(self) -> None:
        if self.is_broken:
            raise TransientError("the connection was lost, and with it what was written")


@pytest.mark.parametrize("grain", [GRAIN, 0])
def test_what_a_share_has_lost_before_it_was_safe_is_written_again(grain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "FLUSH_BYTES", 600)
    restore = made(grain=grain)
    restore.share = Losing(9, 4)  # more often than it is tried without getting on
    done = restore.run(threads=1)
    whole(restore)
    assert done.moved.done == SIZE
    restore = made(grain=grain)
    restore.share = Losing(99, 1)
    with pytest.raises(TransientError, match="lost"):
        restore.run(threads=1)


class Hanging(MemoryReader):
    """A read that hangs is given up, and goes on to write into the memory that it was given, whenever it likes."""

    late: ClassVar[list[memoryview]] = []

    def read_steps(
        self, offset: int, buffer: memoryview, step: int, look: Callable[[memoryview], T], on_hang: Callable[[], None]
    ) -> list[T]:
        on_hang()
        self.late.append(memoryview(buffer))
        return super().read_steps(offset, buffer, step, look, on_hang)


class HangingShare(MemoryShare):
    def open(self, path: str) -> MemoryReader:
        return Hanging(self, path)


@pytest.mark.parametrize("grain", [GRAIN, 0])
def test_memory_that_a_read_that_hangs_may_still_write_into_is_used_for_nothing_else(grain: int) -> None:
    restore = made(grain=grain)
    killed_before(restore, "share.rename")
    Hanging.late.clear()
    hanging = HangingShare(shared(restore).files)
    hanging.directories = shared(restore).directories
    hanging.files["old"] = DICE.randbytes(9000)
    restore.share = hanging

    def giving(body: bytes) -> bytes:
        for view in Hanging.late:
            view[:] = bytes(len(view))
        return body

    restore.store.giving = giving
    restore.run(older=dict.fromkeys(CONTENT, "old"), threads=1)
    assert Hanging.late
    del hanging.files["old"]
    whole(restore)


class HangingInWrites(MemoryShare):
    """A write that hangs is given up, and writes what lies in that memory by then, before the file is flushed."""

    def __init__(self, hangs: int) -> None:
        super().__init__({})
        self.hangs = hangs
        self.late: list[tuple[str, int, memoryview]] = []

    def create(self, path: str, size: int) -> MemoryWriter:
        super().create(path, size).close()
        return HangingWriter(self, path, size)


class HangingWriter(MemoryWriter):
    def __init__(self, share: HangingInWrites, path: str, size: int) -> None:
        super().__init__(share, path, size)
        self.hanging = share
        self.path = path

    def write_from(self, offset: int, buffer: memoryview) -> None:
        if self.hanging.hangs:
            self.hanging.hangs -= 1
            self.hanging.late.append((self.path, offset, memoryview(buffer)))
            raise TransientError("it hangs")
        super().write_from(offset, buffer)

    def flush(self) -> None:
        for path, offset, view in self.hanging.late:
            if path == self.path:
                self.hanging.store(path, offset, bytes(view))
        super().flush()


def test_memory_that_a_write_that_hangs_may_still_read_is_used_for_nothing_else(restore: Restore) -> None:
    share = HangingInWrites(2)
    restore.share = share
    restore.run(threads=1)
    assert len(share.late) == 2
    whole(restore)


def test_an_archived_object_is_told_before_anything_is_made(restore: Restore) -> None:
    restore.store.archived.add(restore.files[1].key)
    with pytest.raises(ArchivedError, match="brought back"):
        restore.run()
    assert shared(restore).files == {}
    restore.store.thaw(restore.files[1].key, 1)
    restore.run()
    whole(restore)


def test_an_object_that_is_replaced_meanwhile_is_noticed(restore: Restore) -> None:
    def watch(call: str) -> None:
        if call == "s3.get_into done" and len(restore.store.given) >= 2:
            restore.store.overwrite(restore.files[0].key, CONTENT[DISK][::-1])

    restore.watch(watch)
    with pytest.raises(ChangedError):
        restore.run(threads=1)
    assert f"{FOLDER}/{DISK}" not in shared(restore).files


def test_a_place_that_is_full_is_told(restore: Restore) -> None:
    shared(restore).room = 1000
    with pytest.raises(PermanentError, match="no room"):
        restore.run()


def test_names_are_judged_before_anything_is_asked_of_anybody() -> None:
    restore = made({"../x": b"bad"})
    said: list[str] = []
    restore.watch(said.append)
    with pytest.raises(IntegrityError, match="leave its directory"):
        restore.run()
    assert said == []


OLD = CONTENT[DISK][:300] + b"changed" + CONTENT[DISK][307:2000] + b"new" * 9 + CONTENT[DISK][2027:4900]


def test_what_an_older_copy_has_does_not_travel() -> None:
    restore = made()
    shared(restore).files["vm01/old.vmdk"] = OLD
    done = restore.run(older={DISK: "vm01/old.vmdk"})
    assert shared(restore).files.pop("vm01/old.vmdk") == OLD
    whole(restore)
    assert done.moved.local > 0
    travelled = sum(length for key, _, length in restore.store.given if key.endswith(DISK))
    assert travelled <= 2 * GRAIN + (len(CONTENT[DISK]) - 4900) + 2 * GRAIN


@pytest.mark.parametrize("old", [None, b"", DICE.randbytes(9000), CONTENT[DISK]])
def test_an_older_copy_is_a_help_and_nothing_more(old: bytes | None) -> None:
    for grain in (GRAIN, 0):
        restore = made(grain=grain)
        if old is not None:
            shared(restore).files["old"] = old
        restore.run(older={DISK: "old"})
        assert shared(restore).files.pop("old", None) == old
        whole(restore)


@pytest.mark.parametrize("grain", [GRAIN, 0])
@pytest.mark.parametrize("old", [OLD, b"", DICE.randbytes(9000), CONTENT[DISK], DICE.randbytes(len(CONTENT[DISK]))])
def test_in_place_only_what_differs_is_written_zeros_too(grain: int, old: bytes) -> None:
    restore = made({DISK: CONTENT[DISK]}, grain=grain)
    share = shared(restore)
    share.files[f"{FOLDER}/{DISK}"] = old
    restore.run(is_in_place=True)
    whole(restore, {DISK: CONTENT[DISK]})
    if grain and old == CONTENT[DISK]:
        assert restore.store.given == []


def test_in_place_too_a_kill_is_gone_on_from() -> None:
    for nth in range(1, 60, 2):
        restore = made({DISK: CONTENT[DISK]})
        shared(restore).files[f"{FOLDER}/{DISK}"] = OLD
        restore.watch(CrashAt(nth))
        try:
            restore.run(is_in_place=True)
        except Crash:
            reborn(restore)
            restore.run(is_in_place=True)
        whole(restore, {DISK: CONTENT[DISK]})


def test_memory_is_that_of_the_arena_whatever_the_number_of_threads() -> None:
    restore = made()
    arena = Arena(2, WINDOW)
    restore.run(threads=8, arena=arena)
    whole(restore)
    assert not arena._leases
    assert len(arena._free) <= 2


def test_two_restores_share_the_memory_and_both_end() -> None:
    arena, one, other = Arena(1, WINDOW), made(), made(grain=0)
    failed: list[BaseException] = []

    def run(restore: Restore) -> None:
        try:
            restore.run(arena=arena)
        except BaseException as error:  # noqa: BLE001 - looked at below
            failed.append(error)

    threads = [threading.Thread(target=run, args=(each,)) for each in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    whole(one)
    whole(other)


def test_progress_tells_what_came_how() -> None:
    restore = made()
    last = restore.run().moved
    assert restore.told[-1] == last
    assert all(told.total == SIZE for told in restore.told)
    assert last == Arrived(fetched=last.fetched, local=0, zero=last.zero, done=SIZE, total=SIZE)


def test_holes_take_no_room_on_a_real_folder(tmp_path: Path) -> None:
    data = DICE.randbytes(2 * MIB)
    content = {"disk": bytes(20 * MIB) + data + bytes(30 * MIB), "half": data[:MIB] + bytes(9 * MIB) + b"end"}
    for grain in (MIB, 0):
        store, folder = MemoryStore("s3"), tmp_path / str(grain)
        folder.mkdir()
        restore = Restore(stored(store, content, grain=grain), store, open_path(f"path:{folder}", export="/tintri"))
        restore.run(window=4 * MIB, gap=0, arena=Arena(4, 4 * MIB))
        for name, body in content.items():
            path = folder / FOLDER / name
            assert path.read_bytes() == body
            assert path.stat().st_blocks * 512 <= len(body.replace(b"\0", b"")) + MIB
        assert sorted(each.name for each in (folder / FOLDER).iterdir()) == ["disk", "half"]


def test_a_restore_onto_a_real_folder_goes_on_after_a_kill(tmp_path: Path) -> None:
    for nth in range(3, 40, 6):
        folder = tmp_path / str(nth)
        folder.mkdir()
        restore = made()
        restore.share = open_path(f"path:{folder}", export="/tintri")
        restore.watch(CrashAt(nth))
        try:
            restore.run()
        except Crash:
            reborn(restore)
            restore.run()
        assert {name: (folder / FOLDER / name).read_bytes() for name in CONTENT} == CONTENT


def test_a_link_in_the_place_of_a_file_leads_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"theirs")
    folder = tmp_path / "export"
    (folder / FOLDER / "vm01").mkdir(parents=True)
    (folder / FOLDER / f"{DISK}.part").symlink_to(outside)
    restore = made()
    restore.share = open_path(f"path:{folder}", export="/tintri")
    with pytest.raises(PermanentError):
        restore.run()
    assert outside.read_bytes() == b"theirs"


Fault = Callable[[Restore], None]


def flipped(restore: Restore) -> None:
    body = bytearray(restore.store.objects[restore.files[0].key])
    body[500] ^= 1
    restore.store.objects[restore.files[0].key] = bytes(body)
    restore.store.claimed[restore.files[0].key] = crc64(CONTENT[DISK])


def test_a_grain_that_was_damaged_is_told_by_its_bytes_and_the_rest_of_the_disk_is_not_fetched() -> None:
    restore = made()
    restore.store._checks_crc = False  # so that its own word hides it
    flipped(restore)
    with pytest.raises(IntegrityError, match=r"bytes 448 to 511 are not those that were stored"):
        restore.run(threads=1)
    assert len(restore.store.given) == 1
    assert f"{FOLDER}/{DISK}" not in shared(restore).files


def test_a_disk_without_digests_is_told_by_its_checksum_and_a_repaired_one_is_fetched_anew() -> None:
    restore = made(grain=0)
    restore.store._checks_crc = False
    flipped(restore)
    with pytest.raises(IntegrityError, match="CRC-64"):
        restore.run()
    assert f"{FOLDER}/{DISK}" not in shared(restore).files
    restore.store.objects[restore.files[0].key] = CONTENT[DISK]
    restore.run()
    whole(restore)


def test_a_bit_that_flips_on_the_way_is_noticed(restore: Restore) -> None:
    def giving(body: bytes) -> bytes:
        return body[:-1] + bytes([body[-1] ^ 1])

    restore.store.giving = giving
    with pytest.raises(IntegrityError):
        restore.run()
    assert not [path for path in shared(restore).files if not path.endswith(".part")]
    restore.store.giving = bytes
    restore.run()
    whole(restore)


def test_nothing_of_an_error_is_swallowed(restore: Restore) -> None:
    for call in ("share.create", "share.write_from", "share.flush", "share.rename", "s3.head", "journal.record"):
        again = made()

        def watch(told: str, call: str = call) -> None:
            if told == call:
                raise PermanentError("no")

        again.watch(watch)
        with pytest.raises(CloudyError, match="no"):
            again.run()
        assert shared(again).open_readers == shared(again).open_writers == 0
