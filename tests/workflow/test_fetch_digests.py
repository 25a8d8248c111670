"""Digests that can be read in one attempt and not in another: what was written unchecked is never relied on."""

import pytest

from bot import landing
from bot.errors import DeniedError, IntegrityError
from tests.memory import Crash, MemoryStore, unwatched
from tests.workflow.restored import FOLDER, GRAIN, Restore, stored

DISK = "vm01/vm01-flat.vmdk"
CONTENT = {DISK: bytes(range(1, 201)) * 5 + bytes(6 * GRAIN) + bytes(range(200, 0, -1)) * 5}


class Denying(MemoryStore):
    """Who reads may not read the digests, as long as a test says so."""

    is_denied = False

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        if self.is_denied and "/blocks/" in key:
            raise DeniedError("AccessDenied", system=self.name, operation="get")
        return super().get(key, offset, length)


@pytest.fixture
def restore(monkeypatch: pytest.MonkeyPatch) -> Restore:
    monkeypatch.setattr(landing, "FLUSH_BYTES", 600)
    store = Denying("s3")
    return Restore(stored(store, CONTENT), store)


def attempt(restore: Restore, *, is_denied: bool, gives_garbage: bool) -> None:
    """One that dies before the whole of it was checked."""

    def watch(call: str) -> None:
        if call == "s3.get_into" and len(restore.store.given) >= 4:
            raise Crash(call)

    store = restore.store
    assert isinstance(store, Denying)
    store.is_denied = is_denied
    store.giving = (lambda body: b"\x07" * len(body)) if gives_garbage else bytes
    restore.watch(watch)
    with pytest.raises(Crash):
        restore.run(threads=1)
    restore.watch(unwatched)
    store.is_denied, store.giving = False, bytes
    store.given.clear()


def files(restore: Restore) -> dict[str, bytes]:
    return {path.removeprefix(f"{FOLDER}/"): body for path, body in restore.share.files.items()}  # type: ignore[attr-defined]


def test_what_was_written_without_digests_is_not_kept_once_they_can_be_read(restore: Restore) -> None:
    attempt(restore, is_denied=True, gives_garbage=True)
    restore.run(threads=1)
    assert files(restore) == CONTENT


def test_digests_that_cannot_be_read_any_more_cost_a_new_beginning_and_no_byte(restore: Restore) -> None:
    attempt(restore, is_denied=False, gives_garbage=False)
    store = restore.store
    assert isinstance(store, Denying)
    store.is_denied = True
    restore.run(threads=1)
    assert files(restore) == CONTENT


def test_digests_that_come_and_go_leave_nothing_unchecked(restore: Restore) -> None:
    attempt(restore, is_denied=False, gives_garbage=False)
    attempt(restore, is_denied=True, gives_garbage=True)
    restore.store.giving = lambda body: b"\x07" * len(body)
    with pytest.raises(IntegrityError):
        restore.run(threads=1)
    restore.store.giving = bytes
    restore.run(threads=1)
    assert files(restore) == CONTENT
