"""What only S3 has: its error codes in our words, its probe, its settings, and no secret anywhere."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.checksum import crc64
from bot.errors import (
    ArchivedError,
    CloudyError,
    ConfigError,
    DeniedError,
    IntegrityError,
    MissingError,
    PermanentError,
    Stopped,
    TransientError,
)
from bot.model import Capabilities, PartDone, Pieces
from bot.throttle import Throttle, heeding
from integrations.objectstores import OPENERS
from integrations.objectstores.body import Body
from integrations.objectstores.s3.metadata import decode_metadata, encode_metadata
from integrations.objectstores.s3.wire import Bucket
from tests import peers

SECRET = "wJalrXUtnFEMI-never-shown"
TOKEN = "token-never-shown"


class Answering(ThreadingHTTPServer):
    """Answers everything in one way and keeps what it was asked."""

    def __init__(self, status: int, code: str, headers: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.body = f"<Error><Code>{code}</Code><Message>Said the store.</Message></Error>".encode()
        self.headers = headers
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def _answer(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.server.body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def answering(status: int, code: str = "", **headers: str) -> Iterator[Answering]:
    with Answering(status, code, headers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def open_store(endpoint: str, **options: object):  # type: ignore[no-untyped-def]
    given = {"endpoint": endpoint, "access_key": "AKIA", "secret_key": SECRET, "session_token": TOKEN, **options}
    return OPENERS["s3"]("cloud", "s3://bucket/vms", given)


def error_of(status: int, code: str, **headers: str) -> CloudyError:
    with answering(status, code, **headers) as server, pytest.raises(CloudyError) as caught:
        open_store(server.url).get("run/a")
    assert len(server.asked) == 1, "the SDK must not try again by itself"
    return caught.value


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (503, "SlowDown"),
        (503, "ServiceUnavailable"),
        (500, "InternalError"),
        (502, ""),
        (429, "TooManyRequests"),
        (400, "RequestTimeout"),
    ],
)
def test_what_may_pass_is_transient(status: int, code: str) -> None:
    error = error_of(status, code)
    assert isinstance(error, TransientError)
    assert error.system == "cloud"
    assert error.code == (code or str(status))


def test_throttling_carries_the_wait_that_was_asked_for() -> None:
    error = error_of(503, "SlowDown", **{"Retry-After": "7"})
    assert isinstance(error, TransientError)
    assert error.wait_s == 7


@pytest.mark.parametrize(
    ("status", "code", "kind", "advice"),
    [
        (403, "AccessDenied", DeniedError, "rights"),
        (403, "InvalidAccessKeyId", DeniedError, "access_key"),
        (403, "SignatureDoesNotMatch", DeniedError, "secret_key"),
        (403, "RequestTimeTooSkewed", PermanentError, "clock"),
        (404, "NoSuchBucket", MissingError, "create it"),
        (404, "NoSuchKey", MissingError, "NoSuchKey"),
        (404, "NoSuchUpload", MissingError, "NoSuchUpload"),
        (400, "BadDigest", IntegrityError, "bytes"),
        (400, "NeverHeardOf", PermanentError, "NeverHeardOf"),
        (501, "NotImplemented", PermanentError, "NotImplemented"),
        (401, "Unauthorized", DeniedError, "rights"),
        (403, "NeverHeardOf", DeniedError, "rights"),
        (403, "InvalidObjectState", ArchivedError, "bring it back"),
        (403, "QuotaExceeded", PermanentError, "quota"),
        (507, "XMinioStorageFull", PermanentError, "no room"),
        (301, "PermanentRedirect", PermanentError, "region"),
    ],
)
def test_codes_say_who_must_act_and_how(status: int, code: str, kind: type[CloudyError], advice: str) -> None:
    error = error_of(status, code)
    assert type(error) is kind
    assert advice in error.message
    assert "cloud" in error.message
    assert "s3://bucket/vms" in error.message
    assert SECRET not in error.message


def test_a_bucket_elsewhere_is_told_with_its_region_and_no_redirect_is_followed() -> None:
    with answering(301, "PermanentRedirect", **{"x-amz-bucket-region": "eu-central-1"}) as server:
        store = open_store(server.url)
        with pytest.raises(PermanentError, match=r"It is eu-central-1\."):
            store.head("run/a")
        assert len(server.asked) == 1


def test_a_store_that_is_not_there_is_transient() -> None:
    with answering(200) as server:
        url = server.url
    with pytest.raises(TransientError, match="cloud"):
        open_store(url).head("run/a")


def test_what_did_not_answer_is_told_without_the_query_of_its_address() -> None:
    with pytest.raises(TransientError, match=r'connect to the endpoint URL: "http://127.0.0.1:1/bucket"$'):
        open_store("http://127.0.0.1:1").list_uploads("run/a")


def test_a_list_that_is_throttled_is_transient_too() -> None:
    with answering(503, "SlowDown") as server:
        store = open_store(server.url)
        with pytest.raises(TransientError):
            list(store.list("run/"))
        with pytest.raises(TransientError):
            store.list_uploads("run/")


def test_a_probe_that_fails_is_asked_again_at_the_next_call() -> None:
    with answering(503, "SlowDown") as server:
        store = open_store(server.url)
        for _ in range(2):
            with pytest.raises(TransientError):
                store.capabilities()
    assert len(server.asked) == 2


def test_moto_is_found_to_check_neither_checksums_nor_sources() -> None:
    with peers.moto() as peer:
        found = OPENERS["s3"]("cloud", peer.url("vms"), peer.options).capabilities()
    assert found == Capabilities(checks_crc=False, conditional_complete=True, copies_parts=True)


def test_a_denied_probe_is_no_answer() -> None:
    with answering(403, "AccessDenied") as server, pytest.raises(DeniedError):
        open_store(server.url).capabilities()


def test_what_a_killed_probe_left_is_removed_by_the_next_one() -> None:
    with peers.moto() as peer:
        client, left = peer.client, {"Bucket": peer.bucket, "Key": "vms/.cloudy/probe-0123456789abcdef/whole"}
        client.put_object(**left, Body=b"123456789")
        client.create_multipart_upload(**left)
        client.put_object(Bucket=peer.bucket, Key="vms/.cloudy/owner.json", Body=b"{}")
        store = OPENERS["s3"]("cloud", peer.url("vms"), peer.options)
        store.capabilities()
        assert [info.key for info in store.list("")] == [".cloudy/owner.json"]
        assert store.list_uploads("") == ()


@pytest.mark.parametrize("call", ["put_part", "complete", "head"])
def test_a_probe_that_another_process_disturbs_is_tried_again_and_judges_nothing(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_args: object, **_more: object) -> None:
        raise MissingError("NoSuchUpload")

    with peers.moto() as peer:
        store = OPENERS["s3"]("cloud", peer.url("vms"), peer.options)
        # moto looks at no checksum, so that it never comes to the later questions by itself.
        monkeypatch.setattr("integrations.objectstores.s3.probe._checks_whole", lambda bucket, key: True)
        monkeypatch.setattr("integrations.objectstores.s3.probe._refuses_part", lambda *_: True)
        monkeypatch.setattr("integrations.objectstores.s3.probe._refuses_whole", lambda *_: True)
        with monkeypatch.context() as disturbed:
            disturbed.setattr(Bucket, call, gone)
            with pytest.raises(TransientError):
                store.capabilities()
        store.capabilities()


def test_an_upload_that_the_store_opened_late_is_aborted_with_the_objects_completion() -> None:
    with peers.moto() as peer:
        store = OPENERS["s3"]("cloud", peer.url("vms"), peer.options)
        upload = store.begin_upload("run/disk", metadata={})
        for key in ("run/disk", "run/disk2"):
            peer.client.create_multipart_upload(Bucket=peer.bucket, Key=f"vms/{key}")
        body = bytearray(b"bytes")
        etag = store.put_part(upload, 1, body, crc64=crc64(body))
        part = PartDone(number=1, offset=0, length=5, etag=etag, crc64=crc64(body))
        store.complete_upload(upload, [part], size=5, crc64=part.crc64, metadata={})
        assert [left.key for left in store.list_uploads("")] == ["run/disk2"]


def test_no_secret_in_repr_or_url() -> None:
    store = open_store("http://127.0.0.1:1")
    for text in (repr(store), str(store), store.url, repr(vars(store))):
        assert SECRET not in text
        assert TOKEN not in text
    assert repr(store) == "S3Store('cloud', 's3://bucket/vms')"


@pytest.mark.parametrize(
    ("url", "options", "told"),
    [
        ("s3://", {}, "targets.cloud.url"),
        ("s3://key:secret@bucket", {}, "targets.cloud.url"),
        ("s3://bucket", {"regoin": "x"}, "targets.cloud.regoin"),
        ("s3://bucket", {"path_style": "yes"}, "targets.cloud.path_style"),
        ("s3://bucket", {"access_key": "A"}, "secret_key"),
        ("s3://bucket", {"ca": "/nowhere/ca.pem"}, "targets.cloud.ca"),
        ("s3://bucket", {"endpoint": "https://me:pass@host"}, "targets.cloud.endpoint"),
        ("s3://bucket", {"endpoint": "no url"}, "targets.cloud: Invalid endpoint"),
    ],
)
def test_settings_that_are_not_understood_are_told(url: str, options: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OPENERS["s3"]("cloud", url, options)
    assert told in caught.value.message
    assert "pass@" not in caught.value.message


def test_a_part_takes_as_long_as_a_slow_line_needs() -> None:
    """The time-out is for silence, not for the whole part: 5 s to connect, and this takes in pieces what it gets."""
    body = Body(bytearray(b"x" * (1 << 20)))
    pieces = [bytes(piece) for piece in iter(lambda: body.read(16384), memoryview(b""))]
    assert b"".join(pieces) == b"x" * (1 << 20)
    assert max(len(piece) for piece in pieces) <= 256 << 10
    body.seek(0)
    assert (body.tell(), len(body.read()), len(body)) == (0, 1 << 20, 1 << 20)


@given(
    lengths=st.lists(st.integers(0, 700 << 10), max_size=4),
    begin=st.floats(0, 1),
    most=st.sampled_from([-1, 1, 16384, 1 << 20]),
)
@settings(deadline=None, max_examples=40)
def test_a_body_of_several_stretches_is_read_in_order_from_anywhere(
    lengths: list[int], begin: float, most: int
) -> None:
    stretches = [bytes([number + 1]) * length for number, length in enumerate(lengths)]
    whole, paced = b"".join(stretches), list[int]()
    body = Body(Pieces(map(memoryview, stretches)), paced.append)
    at = int(begin * len(whole))
    assert (len(body), body.seek(at)) == (len(whole), at)
    assert b"".join(iter(lambda: bytes(body.read(most)), b"")) == whole[at:]
    assert (body.tell(), sum(paced)) == (len(whole), len(whole) - at)
    assert b"".join(Body(Pieces(map(memoryview, stretches)))) == whole


def test_a_body_goes_out_at_the_pace_that_is_set_each_byte_counted_once() -> None:
    passed: list[int] = []
    with peers.moto() as peer:
        store = OPENERS["s3"]("cloud", peer.url("vms"), {**peer.options, "pace": passed.append})
        store.capabilities()
        passed.clear()
        body = bytearray(b"x" * ((1 << 20) + 5))
        store.put("run/a", body, crc64=crc64(body), metadata={})
        assert sum(passed) == len(body)
        upload = store.begin_upload("run/b", metadata={})
        passed.clear()
        store.put_part(upload, 1, body, crc64=crc64(body))
        store.abort_upload(upload)
    assert sum(passed) == len(body)
    assert max(passed) <= 1 << 20


def test_what_ends_the_wait_for_the_pace_ends_the_part() -> None:
    def stop(_size: int) -> None:
        raise Stopped

    with peers.moto() as peer:
        store = OPENERS["s3"]("cloud", peer.url("vms"), {**peer.options, "pace": Throttle(lambda _: 1, Still())})
        body = bytearray(b"x" * (1 << 20))
        with pytest.raises(Stopped), heeding(lambda: stop(0)):
            store.put("run/a", body, crc64=crc64(body), metadata={})


class Still:
    """A clock that stands."""

    def now(self) -> datetime:
        return datetime(2026, 11, 26, tzinfo=UTC)

    def sleep(self, seconds: float) -> None:
        """Time does not pass."""


def test_metadata_survives_headers() -> None:
    metadata = {"cloudy-requester": "Zoë 100%", "vm": " a  b ", "plain": "vm01 (prod)/x", "nasty": "a\r\nb: c"}
    encoded = encode_metadata(metadata)
    assert all(value.isascii() and value.isprintable() for value in encoded.values())
    assert encoded["plain"] == "vm01 (prod)/x"
    assert decode_metadata(encoded) == metadata
