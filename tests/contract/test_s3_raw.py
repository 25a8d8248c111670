"""How bodies travel: over connections that are kept, opened anew where the store closed them, and never for ever."""

import re
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from bot.checksum import crc64
from bot.errors import ConfigError, DeniedError, IntegrityError, PermanentError, RemoteError, TransientError
from bot.model import Pieces
from integrations.objectstores.body import Body
from integrations.objectstores.s3 import rawput, wire
from integrations.objectstores.s3.answers import crc_in
from integrations.objectstores.s3.errors import Asked
from integrations.objectstores.s3.options import read_options
from integrations.objectstores.s3.wire import Bucket
from tests.contract.s3_script import OK, Call, Scripted, header, length, papers, refusal, scripted
from tests.e2e.waiting import until

MIB = 1 << 20
BODY = bytearray(range(256)) * (8 * MIB // 256)  # more than a socket takes at once


@pytest.fixture(params=["clear", "encrypted"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param == "encrypted" else None


PROGRAM = """#!/bin/sh
n=$(($(cat GIVEN) + 1)); echo $n > GIVEN
end=$(date -u -d "+700 seconds" +%Y-%m-%dT%H:%M:%SZ)
echo '{"Version": 1, "AccessKeyId": "key", "SecretAccessKey": "s",'
echo '"SessionToken": "token-'$n'", "Expiration": "'$end'"}'
"""


def bucket_at(server: Scripted, **options: object) -> Bucket:
    return Bucket("cloud", "bucket", "", read_options("cloud", {**server.options, **options}))


def put(bucket: Bucket, body: bytearray = BODY, number: int = 1) -> str:
    return bucket.put_part("run/disk", "upload-1", number, body, crc64=crc64(body))


def well(call: Call) -> None:
    while call.request()[0]:
        call.say(OK)


def once(call: Call) -> None:
    """Answer well, and hang up without a word while nothing is asked."""
    if call.request()[0]:
        call.say(OK)


def test_a_body_arrives_whole_signed_and_with_its_checksum(folder: Path | None) -> None:
    got: list[tuple[str, bytes]] = []

    def script(call: Call) -> None:
        while (asked := call.request())[0]:
            got.append(asked)
            call.say(OK)

    with scripted(script, folder) as server:
        assert put(bucket_at(server, session_token="a-token")) == "abc"
    head, body = got[0]
    assert body == BODY
    assert head.startswith("PUT /bucket/run/disk?uploadId=upload-1&partNumber=1 HTTP/1.1\r\n")
    assert header(head, "host") == f"127.0.0.1:{server.port}"
    assert header(head, "x-amz-content-sha256") == "UNSIGNED-PAYLOAD"
    assert header(head, "x-amz-security-token") == "a-token"
    assert header(head, "x-amz-checksum-crc64nvme")
    assert not header(head, "expect")
    assert not header(head, "transfer-encoding")
    assert "host;" in header(head, "authorization")


def test_one_connection_serves_one_part_after_the_other(folder: Path | None) -> None:
    with scripted(well, folder) as server:
        bucket = bucket_at(server)
        for number in range(1, 6):
            put(bucket, number=number)
        assert server.calls == [1]


def test_parts_at_once_have_a_connection_each(folder: Path | None) -> None:
    together = threading.Barrier(3, timeout=60)

    def script(call: Call) -> None:
        while call.request()[0]:
            together.wait()
            call.say(OK)

    with scripted(script, folder) as server:
        bucket = bucket_at(server)
        threads = [threading.Thread(target=put, args=(bucket,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(server.calls) == 3


def test_a_connection_that_the_store_closed_while_idle_is_opened_anew(folder: Path | None) -> None:
    with scripted(once, folder) as server:
        bucket = bucket_at(server)
        put(bucket)
        until(lambda: not server.open, "the store hung up")
        assert put(bucket) == "abc"
        assert server.calls == [1, 2]


def test_a_connection_that_breaks_as_it_is_used_again_is_opened_anew_once(folder: Path | None) -> None:
    def script(call: Call) -> None:
        while call.head():
            if call.number < 3:
                call.body(len(BODY))
                call.say(OK)
            call.head() if call.number == 2 else None
            if call.number == 1:
                call.head()
                call.body(MIB)
                call.reset()
                return

    with scripted(script, folder) as server:
        bucket = bucket_at(server)
        put(bucket)
        assert put(bucket) == "abc"
        assert server.calls == [1, 2]


def test_a_fresh_connection_that_breaks_is_told_and_not_opened_anew(folder: Path | None) -> None:
    def script(call: Call) -> None:
        call.head()
        call.body(MIB)
        call.reset()

    with scripted(script, folder) as server:
        with pytest.raises(TransientError, match="the store did not answer"):
            put(bucket_at(server))
        assert server.calls == [1]


def test_an_answer_cut_short_is_no_answer(folder: Path | None) -> None:
    def script(call: Call) -> None:
        call.request()
        call.say(OK[:30])

    with scripted(script, folder) as server, pytest.raises(TransientError, match="the store did not answer"):
        put(bucket_at(server))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(503, "SlowDown", TransientError), (403, "AccessDenied", DeniedError), (400, "EntityTooLarge", PermanentError)],
)
@pytest.mark.parametrize("goes", [False, True], ids=["stays", "goes"])
def test_a_store_that_refuses_before_it_has_all_is_heard(
    folder: Path | None, status: int, code: str, kind: type[RemoteError], goes: bool
) -> None:
    """It says no in the middle of the body and takes nothing more; then it may hang up, so that sending fails."""
    heard = threading.Event()

    def script(call: Call) -> None:
        call.head()
        call.body(MIB)
        call.say(refusal(status, code))
        if not goes:
            heard.wait(60)

    with scripted(script, folder) as server:
        bucket = bucket_at(server)
        with pytest.raises(kind, match=rf"the store answered {code}: said the store"):
            put(bucket)
        heard.set()
        with pytest.raises(kind):
            put(bucket)
        assert server.calls == [1, 2]  # what is left of the body would be taken for a request


def test_a_store_that_is_content_before_it_has_all_is_not_believed(folder: Path | None) -> None:
    heard = threading.Event()

    def script(call: Call) -> None:
        call.head()
        call.body(MIB)
        call.say(OK)
        heard.wait(60)

    with scripted(script, folder) as server:
        with pytest.raises(TransientError, match="the store did not answer"):
            put(bucket_at(server))
        heard.set()


@pytest.mark.parametrize("corked", [False, True], ids=["two calls", "at once"])
def test_a_second_answer_is_not_taken_for_that_of_the_next_request(folder: Path | None, corked: bool) -> None:
    both = threading.Event()

    def script(call: Call) -> None:
        call.request()
        if call.number == 1:
            call.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, corked)
            call.say(OK)
            call.say(OK.replace(b"abc", b"stale"))
            call.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
            both.set()
            call.head()
        else:
            call.say(refusal(400, "BadDigest"))

    with scripted(script, folder) as server:
        bucket = bucket_at(server)
        assert put(bucket) == "abc"
        assert both.wait(60)
        with pytest.raises(IntegrityError):
            put(bucket)
        assert server.calls == [1, 2]


@pytest.mark.parametrize("status", [100, 102, 103])
def test_an_answer_that_is_not_the_last_is_passed_over(folder: Path | None, status: int) -> None:
    interim = f"HTTP/1.1 {status} On\r\nLink: </>\r\n\r\n".encode()

    def script(call: Call) -> None:
        while call.request()[0]:
            call.say(interim + interim)
            call.say(OK)

    with scripted(script, folder) as server:
        bucket = bucket_at(server)
        assert [put(bucket), put(bucket, number=2)] == ["abc", "abc"]
        assert server.calls == [1]


def test_what_a_store_says_before_it_has_all_does_not_end_the_sending(folder: Path | None) -> None:
    """Byte by byte, so that it is also seen half."""
    pause = threading.Event()

    def script(call: Call) -> None:
        head = call.head()
        call.body(MIB)
        for byte in b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nA: b\r\n\r\n":
            call.say(bytes([byte]))
            pause.wait(0.002)
        assert len(call.body(length(head) - MIB)) == length(head) - MIB
        call.say(OK)
        well(call)

    with scripted(script, folder) as server:
        bucket = bucket_at(server)
        assert [put(bucket), put(bucket, number=2)] == ["abc", "abc"]
        assert server.calls == [1]


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", OK.replace(b"ETag", b"Other")])
def test_a_part_whose_answer_has_no_etag_was_not_sent(folder: Path | None, said: bytes) -> None:
    def script(call: Call) -> None:
        call.request()
        call.say(said)

    with scripted(script, folder) as server:
        bucket = bucket_at(server)
        with pytest.raises(TransientError, match="does not say what it took") as caught:
            put(bucket)
        assert caught.value.code == wire.NO_WORD
        with pytest.raises(TransientError, match="does not say what it took"):
            bucket.put("run/small", b"small", crc64=None, metadata={})


def test_of_an_answer_without_end_only_the_beginning_is_read(folder: Path | None) -> None:
    over, sent = threading.Event(), list[int]()
    without_end = re.sub(rb"Length: \d+", b"Length: 99000000", refusal(403, "AccessDenied"))

    def script(call: Call) -> None:
        call.request()
        call.say(without_end)
        while not over.is_set():
            call.say(b" " * MIB)
            sent.append(MIB)

    with scripted(script, folder) as server:
        with pytest.raises(DeniedError):
            put(bucket_at(server))
        over.set()
        until(lambda: not server.open, "the connection was closed")
    assert sum(sent) < 90 * MIB


def test_a_refusal_that_is_cut_is_no_answer(folder: Path | None) -> None:
    def script(call: Call) -> None:
        call.request()
        call.say(refusal(403, "AccessDenied")[:-10])

    with scripted(script, folder) as server, pytest.raises(TransientError, match="the store did not answer"):
        put(bucket_at(server))


def test_a_refusal_after_all_was_sent_keeps_the_connection(folder: Path | None) -> None:
    def script(call: Call) -> None:
        call.request()
        call.say(refusal(503, "SlowDown", "Retry-After: 7\r\n"))
        well(call)

    with scripted(script, folder) as server:
        bucket = bucket_at(server)
        with pytest.raises(TransientError) as caught:
            put(bucket)
        assert caught.value.wait_s == 7
        assert put(bucket) == "abc"
        assert server.calls == [1]


def test_a_connection_that_the_store_wants_closed_is_closed(folder: Path | None) -> None:
    def script(call: Call) -> None:
        while call.request()[0]:
            call.say(OK.replace(b"Content-Length", b"Connection: close\r\nContent-Length"))

    with scripted(script, folder) as server:
        bucket = bucket_at(server)
        put(bucket)
        put(bucket)
        assert server.calls == [1, 2]


def test_a_store_that_takes_slowly_is_waited_for(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stretch comes in time, though all of them together take longer than it may be silent."""
    monkeypatch.setattr(wire, "_READ_S", 2.0)
    pause = threading.Event()

    def script(call: Call) -> None:
        left = length(call.head())
        while left:
            left -= len(call.body(min(left, MIB)))
            pause.wait(0.3)
        call.say(OK)

    with scripted(script, folder) as server:
        assert put(bucket_at(server)) == "abc"


@pytest.mark.parametrize("takes", [False, True], ids=["takes nothing", "says nothing"])
def test_a_store_that_falls_silent_is_given_up(
    folder: Path | None, takes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "_READ_S", 0.2)
    over = threading.Event()

    def script(call: Call) -> None:
        head = call.head()
        if takes:
            call.body(length(head))
        over.wait(60)

    with scripted(script, folder) as server:
        with pytest.raises(TransientError, match="the store did not answer"):
            put(bucket_at(server))
        over.set()
        assert server.calls == [1]


def test_a_store_that_is_not_there_is_told() -> None:
    with scripted(well) as server:
        bucket = bucket_at(server)
    with pytest.raises(TransientError, match="the store did not answer: Could not connect"):
        put(bucket)


def test_a_store_of_another_authority_gets_nothing(tmp_path: Path) -> None:
    asked: list[str] = []
    with scripted(lambda call: asked.append(call.head()), tmp_path) as server:
        other, _ = papers(tmp_path, "other")
        with pytest.raises(PermanentError, match=r"CERTIFICATE_VERIFY_FAILED.*Set the target's ca"):
            put(bucket_at(server, ca=other))
    assert asked == []


def test_a_store_of_another_name_gets_nothing(tmp_path: Path) -> None:
    with scripted(well, tmp_path) as server:
        endpoint = f"https://localhost:{server.port}"
        with pytest.raises(PermanentError, match="CERTIFICATE_VERIFY_FAILED"):
            put(bucket_at(server, endpoint=endpoint))


def both_ways(bucket: Bucket) -> list[Exception | str]:
    """What comes of a part, which goes past boto3, and of what boto3 sends."""
    found: list[Exception | str] = []
    asks: tuple[Callable[[], str], ...] = (
        lambda: put(bucket, bytearray(9)),
        lambda: bucket.create("run/disk", checked=False, metadata={}),
    )
    for ask in asks:
        try:
            found.append(ask())
        except RemoteError as error:
            found.append(error)
    return found


def opened(call: Call) -> None:
    body = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    head = call.head()
    call.body(length(head) if head.startswith("PUT") else 0)
    is_part = "partNumber" in head
    call.say(OK if is_part else b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def named_only(folder: Path, context: ssl.SSLContext) -> str:
    pem, key = papers(folder, "localhost", ())
    context.load_cert_chain(pem, key)
    return pem


def of_another(folder: Path, context: ssl.SSLContext) -> str:
    pem, key = papers(folder, "store", (x509.IPAddress(ip_address("127.0.0.2")),))
    context.load_cert_chain(pem, key)
    return pem


def of_yesterday(folder: Path, context: ssl.SSLContext) -> str:
    pem, key = papers(folder, days=-1)
    context.load_cert_chain(pem, key)
    return pem


def of_the_past(folder: Path, context: ssl.SSLContext) -> str:
    pem, key = papers(folder)
    context.load_cert_chain(pem, key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return pem


def test_a_certificate_with_a_common_name_alone_is_good_for_parts_where_it_is_for_boto3(tmp_path: Path) -> None:
    with scripted(opened, tmp_path, named_only) as server:
        assert both_ways(bucket_at(server, endpoint=f"https://localhost:{server.port}")) == ["abc", "u"]


@pytest.mark.parametrize(
    ("tune", "advice"),
    [
        (of_another, "correct the target's endpoint"),
        (of_yesterday, "Renew the store's certificate"),
        (of_the_past, "must speak TLS 1.2 or newer"),
    ],
)
def test_what_tls_refuses_lasts_and_says_what_to_do(
    tmp_path: Path, tune: Callable[[Path, ssl.SSLContext], str], advice: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with scripted(opened, tmp_path, tune) as server:
            found = both_ways(bucket_at(server))
    assert [type(each) for each in found] == [PermanentError, PermanentError]
    assert all(advice in str(each) and "?" not in str(each) for each in found)


@pytest.mark.parametrize("where", ["ca", "AWS_CA_BUNDLE"])
def test_a_file_without_certificates_is_told_when_the_target_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("not a certificate")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(garbage)) if where != "ca" else None
    with pytest.raises(ConfigError, match=r"no certificates can be read from .*garbage.pem"):
        bucket_at(Scripted(1), endpoint="https://127.0.0.1:1", ca=str(garbage) if where == "ca" else "")


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_file_of_certificates_that_went_away_is_told_and_not_waited_for(tmp_path: Path, is_gone: bool) -> None:
    with scripted(opened, tmp_path) as server:
        bucket = bucket_at(server)
        Path(server.ca).unlink() if is_gone else Path(server.ca).write_text("not a certificate any more")
        found = both_ways(bucket)
    assert [type(each) for each in found] == [PermanentError, PermanentError]
    assert all("Correct the file of certificates" in str(each) for each in found)


@pytest.mark.parametrize("told", ["\N{SUPERSCRIPT TWO}", "soon", "-3"])
def test_a_wait_that_is_no_number_is_none(told: str) -> None:
    error = Asked("cloud", "s3://b", "write", "k").refused("SlowDown", "", 503, {"retry-after": told})
    assert isinstance(error, TransientError)
    assert error.wait_s is None


@pytest.mark.parametrize("told", ["AAA", "%%%%", "\N{SUPERSCRIPT TWO}"])
def test_a_crc_that_is_none_was_not_told(told: str) -> None:
    assert crc_in({"ChecksumCRC64NVME": told}) is None


def test_the_authorities_of_the_environment_count_where_the_target_names_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted(well, tmp_path) as server:
        monkeypatch.setenv("AWS_CA_BUNDLE", server.ca)
        assert put(bucket_at(server, ca="")) == "abc"


def test_a_body_goes_through_the_proxy_of_the_target() -> None:
    """Then boto3 sends it, by the proxy's rules."""
    asked: list[str] = []

    def script(call: Call) -> None:
        while head := call.request()[0]:
            asked.append(head)
            call.say(OK)

    with scripted(script) as proxy:
        bucket = bucket_at(proxy, endpoint="http://store.invalid", proxy=f"http://127.0.0.1:{proxy.port}")
        assert put(bucket) == "abc"
    assert asked[0].startswith("PUT http://store.invalid/bucket/run/disk?")


def test_a_body_goes_through_the_proxy_of_the_environment_unless_it_is_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(well) as proxy, scripted(well) as store:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        put(bucket_at(store))
        assert (len(proxy.calls), len(store.calls)) == (1, 0)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        put(bucket_at(store))
        assert (len(proxy.calls), len(store.calls)) == (1, 1)


def test_an_idle_connection_is_closed_and_its_thread_ends(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rawput, "IDLE_S", 0.05)
    before = set(threading.enumerate())
    with scripted(well, folder) as server:
        bucket = bucket_at(server)
        put(bucket)
        until(lambda: not server.open, "the connection was closed")
        until(lambda: not [each for each in set(threading.enumerate()) - before if each.name == "s3-idle"], "ended")
        assert put(bucket) == "abc"
        assert server.calls == [1, 2]


def test_threads_that_look_after_idle_connections_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rawput, "IDLE_S", 0.02)
    before = set(threading.enumerate())
    with scripted(well) as server:
        bucket = bucket_at(server)
        for _ in range(60):
            put(bucket, bytearray(MIB))
            mine = [each for each in set(threading.enumerate()) - before if each.name == "s3-idle"]
            assert len(mine) <= 2  # one may be about to end


def test_no_more_idle_connections_are_kept_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rawput, "KEPT", 1)
    together = threading.Barrier(3, timeout=60)

    def script(call: Call) -> None:
        while call.request()[0]:
            together.wait()
            call.say(OK)

    with scripted(script) as server:
        bucket = bucket_at(server)
        threads = [threading.Thread(target=put, args=(bucket,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        until(lambda: len(server.open) == 1, "the others were closed")


class Clocked:
    """A store whose clock is hours from ours."""

    def __init__(self, ahead: timedelta, zone: str = "GMT") -> None:
        self.ahead, self.zone = ahead, zone
        self.shift = timedelta() if zone == "GMT" else timedelta(hours=int(zone[:3]))
        self.times: list[str] = []

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def play(self, call: Call) -> None:
        while (asked := call.request())[0]:
            signed = header(asked[0], "x-amz-date")
            self.times.append(signed)
            at = datetime.strptime(signed, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            date = f"Date: {self.now + self.shift:%a, %d %b %Y %H:%M:%S} {self.zone}\r\n"
            is_near = abs(at - self.now) < timedelta(minutes=15)
            assert header(asked[0], "authorization").split("/")[1] == signed[:8]
            call.say(OK if is_near else refusal(403, "RequestTimeTooSkewed", date))


@pytest.fixture(params=[timedelta(hours=3), timedelta(hours=-30)], ids=["ahead", "behind"])
def clocked(request: pytest.FixtureRequest) -> Iterator[tuple[Clocked, Scripted]]:
    store = Clocked(request.param)
    with scripted(store.play) as server:
        yield store, server


def test_where_this_clock_is_wrong_the_store_s_is_taken(clocked: tuple[Clocked, Scripted]) -> None:
    store, server = clocked
    bucket = bucket_at(server)
    assert put(bucket) == "abc"
    assert put(bucket, number=2) == "abc"
    assert len(store.times) == 3  # learned once
    bucket.abort("run/disk", "upload-1")  # what boto3 sends knows it too
    assert len(store.times) == 4


@pytest.mark.parametrize("zone", ["+0700", "-0800", "-0000"])
def test_the_store_s_time_is_taken_by_its_zone(zone: str) -> None:
    store = Clocked(timedelta(hours=3), zone)
    with scripted(store.play) as server:
        assert put(bucket_at(server), bytearray(9)) == "abc"
    assert len(store.times) == 2


def test_a_store_that_refuses_our_time_and_has_the_same_is_believed() -> None:
    asked: list[str] = []

    def script(call: Call) -> None:
        while head := call.request()[0]:
            asked.append(head)
            date = f"Date: {datetime.now(UTC):%a, %d %b %Y %H:%M:%S} GMT\r\n"
            call.say(refusal(403, "RequestTimeTooSkewed", date))

    with scripted(script) as server, pytest.raises(PermanentError, match="clock of this machine is wrong"):
        put(bucket_at(server))
    assert len(asked) == 1


def test_keys_that_were_renewed_sign_the_next_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3's own chain is asked for each request; here a program gives keys that end at once."""
    given = tmp_path / "given"
    given.write_text("0")
    program = tmp_path / "keys.sh"
    program.write_text(PROGRAM.replace("GIVEN", str(given)))
    program.chmod(0o700)
    (tmp_path / "config").write_text(f"[profile p]\ncredential_process = {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    tokens: list[str] = []

    def script(call: Call) -> None:
        while head := call.request()[0]:
            tokens.append(header(head, "x-amz-security-token"))
            call.say(OK)

    with scripted(script) as server:
        bucket = bucket_at(server, profile="p", access_key="", secret_key="")
        put(bucket)
        put(bucket, number=2)
    assert tokens[0] != tokens[1]
    assert all(re.fullmatch(r"token-\d+", token) for token in tokens)


def test_what_was_released_cannot_be_sent_any_more() -> None:
    memory = bytearray(b"of one" * MIB)
    pieces = Pieces([memoryview(memory)[:MIB], memoryview(memory)[MIB:]])
    body = Body(pieces)
    assert bytes(body.read(1)) == bytes(memory[: 256 << 10])
    pieces.release()
    with pytest.raises(ValueError, match="released"):
        body.read(1)


def test_no_secret_is_told_whatever_happens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")

    def script(call: Call) -> None:
        call.head()
        call.reset()

    with scripted(script) as server, pytest.raises(TransientError) as caught:
        put(bucket_at(server, session_token="a-token"))
    told = f"{caught.value} {caught.value!r} {caplog.text}"
    assert not re.search(r"secret-never-shown|a-token|Signature=|uploadId", told)
