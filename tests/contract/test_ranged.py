"""Ranges of objects, read into memory that is there: what was recorded comes, or an error says what came instead."""

import os
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import StandardBlobTier

from bot import digests
from bot.checksum import crc64
from bot.errors import (
    ArchivedError,
    ChangedError,
    CloudyError,
    DeniedError,
    IntegrityError,
    MissingError,
    Stopped,
    TransientError,
)
from bot.fetch import FetchSettings, fetch
from bot.model import StoredFile
from bot.ports import ObjectStore
from bot.throttle import heed, heeding
from integrations.objectstores import OPENERS
from integrations.objectstores.s3 import ranged
from integrations.objectstores.s3.moving import MovingBucket
from integrations.objectstores.s3.options import read_options
from integrations.objectstores.s3.pipe import Pipe
from integrations.objectstores.s3.store import S3Store
from integrations.shares.path import open_path
from tests import azurite, peers
from tests.contract.s3_script import Call, Scripted, header, refusal, scripted
from tests.contract.test_objectstore import Place, opening, place, put, store  # noqa: F401 - fixtures
from tests.e2e.waiting import until
from tests.memory import MemoryJournal
from tests.unit.test_digests import made

MIB = 1 << 20
BODY = bytes(range(256)) * 10


def taken(store: ObjectStore, key: str, offset: int, length: int, etag: str = "") -> bytes:  # noqa: F811
    memory = bytearray(length)
    with memoryview(memory) as view:
        store.get_into(key, offset, view, etag=etag or store.head(key).etag)
    return bytes(memory)


def test_a_range_is_read_into_memory_that_is_there(store: ObjectStore) -> None:  # noqa: F811
    put(store, "run/dir/ä file+&%.vmx", BODY)
    for offset, length in ((0, 2560), (0, 1), (250, 20), (2550, 10), (2559, 1), (7, 0)):
        assert taken(store, "run/dir/ä file+&%.vmx", offset, length) == BODY[offset : offset + length]


def test_much_is_read_at_once_and_into_the_middle_of_a_buffer(store: ObjectStore) -> None:  # noqa: F811
    body = os.urandom(9 * MIB + 123)
    put(store, "run/disk", body)
    etag, memory = store.head("run/disk").etag, bytearray(b"\7" * (9 * MIB))
    with memoryview(memory)[5 : 8 * MIB + 5] as view:
        store.get_into("run/disk", MIB + 77, view, etag=etag)
    assert memory[5 : 8 * MIB + 5] == body[MIB + 77 : 9 * MIB + 77]
    assert memory[:5] == b"\7" * 5
    assert not memory[8 * MIB + 5 :].strip(b"\7")


def test_a_file_comes_back_from_each_store_to_a_real_folder_with_its_holes(
    store: ObjectStore,  # noqa: F811
    tmp_path: Path,
) -> None:
    body = os.urandom(2 * MIB) + bytes(20 * MIB) + os.urandom(MIB + 77)
    put(store, "run/disk", body)
    put(store, "run/blocks/0", digests.encode(made(body, MIB, "run/disk")))
    file = StoredFile(
        path="/tintri/disk",
        name="disk",
        key="run/disk",
        size=len(body),
        crc64=crc64(body),
        etag="",
        digests="run/blocks/0",
    )
    done = fetch(
        [file],
        source=store,
        share=open_path(f"path:{tmp_path}", export="/tintri"),
        directory="new",
        journal=MemoryJournal(),
        settings=FetchSettings(),
        check=lambda: None,
        on_progress=lambda _arrived: None,
    )
    path = tmp_path / "new" / "disk"
    assert path.read_bytes() == body
    assert path.stat().st_blocks * 512 <= 4 * MIB
    assert (done.moved.fetched, done.moved.zero) == (3 * MIB + 77, 20 * MIB)


def test_what_is_not_there_cannot_be_read(store: ObjectStore) -> None:  # noqa: F811
    with pytest.raises(MissingError):
        taken(store, "run/nothing", 0, 5, "abc")


def test_an_object_that_was_replaced_is_not_read(place: Place) -> None:  # noqa: F811
    put(place.store, "run/a", BODY)
    etag = place.store.head("run/a").etag
    place.overwrite("run/a", BODY[::-1])
    with pytest.raises(ChangedError):
        taken(place.store, "run/a", 0, 10, etag)


@pytest.mark.parametrize("offset", [2551, 2560, 9999])
def test_a_range_that_ends_behind_the_object_is_a_changed_object(store: ObjectStore, offset: int) -> None:  # noqa: F811
    put(store, "run/a", BODY)
    with pytest.raises(ChangedError):
        taken(store, "run/a", offset, 10)


def test_what_is_in_no_archive_is_ready(store: ObjectStore) -> None:  # noqa: F811
    put(store, "run/a", BODY)
    assert store.thaw("run/a", 3).is_ready
    with pytest.raises(MissingError):
        store.thaw("run/nothing", 3)


def test_an_archived_object_of_s3_is_brought_back() -> None:
    with peers.moto() as peer:
        store = OPENERS["s3"]("cloud", peer.url("vms"), peer.options)
        for kind, words in (("GLACIER", "5 hours"), ("DEEP_ARCHIVE", "12 hours")):
            peer.client.put_object(Bucket=peer.bucket, Key=f"vms/run/{kind}", Body=b"cold", StorageClass=kind)
            with pytest.raises(ArchivedError):
                taken(store, f"run/{kind}", 0, 4)
            asked = store.thaw(f"run/{kind}", 3)
            assert (asked.is_ready, words in asked.words) == (False, True)
            told = [store.thaw(f"run/{kind}", 3).is_ready for _ in range(3)]
            assert told[-1]
            assert taken(store, f"run/{kind}", 0, 4) == b"cold"


def test_an_archived_blob_is_brought_back() -> None:
    with azurite.azurite() as peer:
        store = OPENERS["azure"]("cloud", peer.url("vms"), peer.options)
        put(store, "run/a", BODY)
        peer.client.get_blob_client("vms/run/a").set_standard_blob_tier(StandardBlobTier.ARCHIVE)
        etag = store.head("run/a").etag
        with pytest.raises(ArchivedError):
            taken(store, "run/a", 0, 4, etag)
        store.thaw("run/a", 3)
        assert store.thaw("run/a", 3).is_ready  # azurite needs no hours
        assert taken(store, "run/a", 0, 4) == BODY[:4]


@pytest.fixture(params=["clear", "encrypted"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param == "encrypted" else None


def scripted_store(server: Scripted, **options: object) -> ObjectStore:
    return S3Store("cloud", MovingBucket("cloud", "bucket", "", read_options("cloud", {**server.options, **options})))


def partial_answer(body: bytes, offset: int = 0, more: str = "", *, size: int | None = None) -> bytes:
    size = len(body) if size is None else size
    head = (
        f'HTTP/1.1 206 Partial\r\nETag: "abc"\r\nContent-Length: {size}\r\n'
        f"Content-Range: bytes {offset}-{offset + size - 1}/99999999\r\n{more}\r\n"
    )
    return head.encode() + body


def test_one_connection_serves_one_range_after_the_other(folder: Path | None) -> None:
    asked: list[str] = []

    def script(call: Call) -> None:
        while head := call.head():
            asked.append(head)
            first, last = header(head, "range").removeprefix("bytes=").split("-")
            call.say(partial_answer(bytes(int(last) - int(first) + 1), int(first)))

    with scripted(script, folder) as server:
        store = scripted_store(server, session_token="a-token")
        for offset in (0, MIB, 5):
            assert taken(store, "run/disk", offset, 3 * MIB, "abc") == bytes(3 * MIB)
        assert len(server.calls) == 1
    assert asked[1].startswith("GET /bucket/run/disk HTTP/1.1\r\n")
    assert header(asked[1], "if-match") == '"abc"'
    assert header(asked[1], "range") == f"bytes={MIB}-{4 * MIB - 1}"
    assert header(asked[1], "x-amz-security-token") == "a-token"
    assert "if-match" in header(asked[1], "authorization")


def test_a_connection_that_the_store_has_closed_is_opened_anew(folder: Path | None) -> None:
    def script(call: Call) -> None:
        call.head()
        call.say(partial_answer(b"0123456789"))

    with scripted(script, folder) as server:
        store = scripted_store(server)
        for _ in range(3):
            assert taken(store, "run/disk", 0, 10, "abc") == b"0123456789"
        assert len(server.calls) == 3


def test_a_connection_that_the_store_has_ended_by_the_word_of_tls_is_opened_anew(tmp_path: Path) -> None:
    def script(call: Call) -> None:
        call.head()
        call.say(partial_answer(b"0123456789"))
        end(call)

    with scripted(script, tmp_path) as server:
        store = scripted_store(server)
        for number in range(1, 4):
            assert taken(store, "run/disk", 0, 10, "abc") == b"0123456789"
            until(lambda: not server.open, "the store has ended it")
            assert len(server.calls) == number


def end(call: Call) -> None:
    """Say that nothing more comes, as TLS has it."""
    assert isinstance(call.line, ssl.SSLSocket)
    call.line.settimeout(0)
    with suppress(OSError):
        call.line.unwrap()


Answers = dict[str, tuple[bytes, type[CloudyError], str]]
ODD: Answers = {
    "short": (partial_answer(b"01234"), ChangedError, "abc"),
    "long": (partial_answer(b"0123456789ab"), IntegrityError, "12 bytes"),
    "all of it": (
        b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: 999999999999\r\n\r\n0123456789',
        IntegrityError,
        "999999999999",
    ),
    "another range": (partial_answer(b"0123456789", 7), IntegrityError, "gave"),
    "another etag": (partial_answer(b"0123456789").replace(b"abc", b"xyz"), ChangedError, "xyz"),
    "412": (refusal(412, "PreconditionFailed"), ChangedError, "recorded"),
    "416": (refusal(416, "InvalidRange"), ChangedError, "recorded"),
    "403": (refusal(403, "AccessDenied"), DeniedError, "rights"),
    "archived": (refusal(403, "InvalidObjectState"), ArchivedError, "bring it back"),
    "404": (refusal(404, "NoSuchKey"), MissingError, "run/disk"),
    "503": (refusal(503, "SlowDown", "Retry-After: 7\r\n"), TransientError, "SlowDown"),
    "cut in the body": (partial_answer(b"01234", size=10), TransientError, "did not answer"),
    "cut in the head": (partial_answer(b"0123456789")[:40], CloudyError, "run/disk"),
    "nothing": (b"", TransientError, "did not answer"),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_answer_that_is_not_what_was_asked_for_says_so(kind: str, folder: Path | None) -> None:
    answer, error, words = ODD[kind]

    def script(call: Call) -> None:
        call.head()
        call.say(answer)

    with scripted(script, folder) as server, pytest.raises(error, match=words):
        taken(scripted_store(server), "run/disk", 0, 10, "abc")


def test_a_line_that_breaks_in_the_middle_of_a_kept_connection_is_asked_again(folder: Path | None) -> None:
    def script(call: Call) -> None:
        call.head()
        call.say(partial_answer(b"0123456789"))
        if call.head():
            call.say(partial_answer(b"01234", size=10))

    with scripted(script, folder) as server:
        store = scripted_store(server)
        for _ in range(2):
            assert taken(store, "run/disk", 0, 10, "abc") == b"0123456789"
        assert len(server.calls) == 2


def test_much_of_a_long_answer_is_taken_at_once(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a short answer after it is not waited for until there is much of it."""
    body, took = os.urandom(8 * MIB), list[int]()
    usual = Pipe._receive_into

    def counted(pipe: Pipe, buffer: memoryview) -> int:
        took.append(usual(pipe, buffer))
        return took[-1]

    def script(call: Call) -> None:
        while head := call.head():
            first, last = map(int, header(head, "range").removeprefix("bytes=").split("-"))
            call.say(partial_answer(body[first : last + 1], first))

    monkeypatch.setattr(Pipe, "_receive_into", counted)
    monkeypatch.setattr(ranged, "_SILENCE_S", 5)
    with scripted(script, folder) as server:
        store = scripted_store(server)
        for _ in range(2):
            assert taken(store, "run/disk", 3, 8 * MIB - 3, "abc") == body[3:]
            assert taken(store, "run/disk", 7, 10, "abc") == body[7:17]
        assert len(server.calls) == 1
    assert len(took) < 16 * MIB / (64 << 10)


def test_a_long_answer_that_comes_slowly_is_taken_as_it_comes(
    folder: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store is silent when it brings nothing, not when it brings little."""
    body = os.urandom(MIB)

    def script(call: Call) -> None:
        call.head()
        call.say(partial_answer(body[:600_000], size=MIB))
        for at in range(600_000, 601_000, 100):
            time.sleep(0.45)  # the line is slow
            call.say(body[at : at + 100])
        call.say(body[601_000:])

    monkeypatch.setattr(ranged, "_SILENCE_S", 4)
    with scripted(script, folder) as server:
        assert taken(scripted_store(server), "run/disk", 0, MIB, "abc") == body


def test_an_answer_that_falls_silent_in_the_middle_is_given_up(
    folder: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def script(call: Call) -> None:
        call.head()
        call.say(partial_answer(bytes(600_000), size=MIB))
        over.wait(60)

    monkeypatch.setattr(ranged, "_SILENCE_S", 0.3)
    with scripted(script, folder) as server:
        with pytest.raises(TransientError, match="did not answer"):
            taken(scripted_store(server), "run/disk", 0, MIB, "abc")
        over.set()


def test_an_answer_that_the_store_ends_in_the_middle_is_cut(tmp_path: Path) -> None:
    """By the word that TLS has for it: nothing comes then, again and again."""

    def script(call: Call) -> None:
        call.head()
        call.say(partial_answer(bytes(600_000), size=MIB))
        end(call)

    with scripted(script, tmp_path) as server, pytest.raises(TransientError, match="did not answer"):
        taken(scripted_store(server), "run/disk", 0, MIB, "abc")


def test_what_boto3_itself_reads_is_the_same() -> None:
    """Through a proxy: the server plays it, and sees the whole address."""

    def script(call: Call) -> None:
        while head := call.head():
            asked.append(head)
            call.say(partial_answer(b"0123456789", 5))

    asked: list[str] = []
    with scripted(script) as server:
        proxy = f"http://127.0.0.1:{server.port}"
        store = scripted_store(server, proxy=proxy, endpoint="http://store.invalid")
        assert taken(store, "run/disk", 5, 10, "abc") == b"0123456789"
        with pytest.raises(ChangedError):
            taken(store, "run/disk", 5, 11, "abc")
    assert asked[0].startswith("GET http://store.invalid/bucket/run/disk ")


@pytest.mark.parametrize("scheme", ["s3", "azure"])
def test_what_is_read_goes_by_the_pace_too(scheme: str) -> None:
    paced: list[int] = []
    start: Callable[[], Any] = peers.weed if scheme == "s3" else azurite.azurite
    with start() as peer:
        store = OPENERS[scheme]("cloud", peer.url("x"), {**peer.options, "pace": paced.append})
        put(store, "run/a", bytes(3 * MIB))
        etag = store.head("run/a").etag
        paced.clear()
        taken(store, "run/a", 0, 2 * MIB, etag)
        assert sum(paced) == 2 * MIB


def test_stop_is_heard_while_the_pace_is_waited_for() -> None:
    def pace(_size: int) -> None:
        heed()

    def stop() -> None:
        raise Stopped

    def script(call: Call) -> None:
        while call.head():
            call.say(partial_answer(b"0123456789"))

    with scripted(script) as server:
        store = scripted_store(server, pace=pace)
        with heeding(stop), pytest.raises(Stopped):
            taken(store, "run/disk", 0, 10, "abc")
        assert taken(store, "run/disk", 0, 10, "abc") == b"0123456789"
