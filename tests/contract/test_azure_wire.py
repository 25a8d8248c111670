"""Azure's answers in our words, and what no emulator has: locks, versions, accounts with folders, lax checks."""

import base64
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.exceptions import ClientAuthenticationError
from hypothesis import given
from hypothesis import strategies as st

from bot.checksum import crc64
from bot.errors import (
    ArchivedError,
    ChangedError,
    CloudyError,
    ConfigError,
    DeniedError,
    IntegrityError,
    LockedError,
    MissingError,
    PermanentError,
    TransientError,
)
from bot.model import CopySource, ObjectVersion, PartDone, Upload
from bot.ports import ObjectStore
from integrations.objectstores import OPENERS
from integrations.objectstores.azure_blob.blocks import Block, new_token, read_id
from integrations.objectstores.azure_blob.metadata import decode_metadata, encode_metadata

KEY = "bmV2ZXIgc2hvd24="
TOKEN = "sv=2026-06-06&sr=c&sp=racwdl&sig=never%2Fshown%3D"
Answer = tuple[int, Mapping[str, str], str]
OK: Answer = (200, {}, "")
REMOVED: Answer = (202, {}, "")
_DONE: Mapping[str, Answer] = {"PUT": (201, {}, ""), "DEL": REMOVED}


def refusal(status: int, code: str, said: str = "Said the store.", **more: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{said}\nRequestId:1</Message></Error>"
    return status, {"x-ms-error-code": code, "Content-Type": "application/xml", **more}, body


class Fake(ThreadingHTTPServer):
    """Answers by the name of the operation (see `_name`), else with success; keeps what it was asked."""

    def __init__(self, answers: Mapping[str, list[Answer]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = {name: list(each) for name, each in answers.items()}
        self.asked: list[str] = []
        self.headers: list[Mapping[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, name: str) -> Answer:
        """The next one for it; the last one stays."""
        left = self.answers.get(name) or self.answers.get("anything") or [_DONE.get(name[:3], OK)]
        return left.pop(0) if len(left) > 1 else left[0]


class _Handler(BaseHTTPRequestHandler):
    server: Fake

    def _answer(self) -> None:
        name = _name(self.command, self.path)
        self.server.asked.append(name)
        self.server.headers.append({key.lower(): value for key, value in self.headers.items()})
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, body = self.server.answer(name)
        self.send_response(status)
        for key, value in {"ETag": '"0x1"', "Last-Modified": "Thu, 26 Nov 2026 00:00:00 GMT", **headers}.items():
            self.send_header(key, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _name(method: str, path: str) -> str:
    query = parse_qs(urlsplit(path).query)
    what = query.get("comp", query.get("restype", ["blob"]))[0]
    return f"{method} {what}{' version' if 'versionid' in query else ''}"


@contextmanager
def fake(**answers: list[Answer]) -> Iterator[Fake]:
    with Fake({name.replace("_", " "): each for name, each in answers.items()}) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def open_store(server: Fake, **options: object) -> ObjectStore:
    return OPENERS["azure"](
        "cloud", "azure://account/box/vms", {"endpoint": server.url, **(options or {"account_key": KEY})}
    )


def error_of(answer: Answer) -> CloudyError:
    with fake(anything=[answer]) as server, pytest.raises(CloudyError) as caught:
        open_store(server).put("run/a", b"a", crc64=1, metadata={})
    assert len(server.asked) == 1, "the SDK must not try again by itself"
    return caught.value


# ---- errors


@pytest.mark.parametrize(
    ("status", "code"),
    [(503, "ServerBusy"), (500, "InternalError"), (500, "OperationTimedOut"), (429, "TooManyRequests"), (408, "Odd")],
)
def test_what_may_pass_is_transient_and_asked_once(status: int, code: str) -> None:
    error = error_of(refusal(status, code))
    assert isinstance(error, TransientError)
    assert (error.system, error.code) == ("cloud", code)


def test_throttling_carries_the_wait_that_was_asked_for() -> None:
    error = error_of(refusal(503, "ServerBusy", **{"Retry-After": "7"}))
    assert isinstance(error, TransientError)
    assert error.wait_s == 7


@pytest.mark.parametrize(
    ("status", "code", "kind", "advice"),
    [
        (403, "AuthenticationFailed", DeniedError, "account_key"),
        (403, "AuthorizationFailure", DeniedError, "Storage Blob Data Contributor"),
        (403, "AuthorizationPermissionMismatch", DeniedError, "Storage Blob Data Contributor"),
        (403, "KeyBasedAuthenticationNotPermitted", DeniedError, "managed identity"),
        (403, "AccountIsDisabled", DeniedError, "Enable"),
        (401, "NoAuthenticationInformation", DeniedError, "sas_token"),
        (403, "NeverHeardOf", DeniedError, "firewall"),
        (404, "ContainerNotFound", MissingError, "create it"),
        (404, "BlobNotFound", MissingError, "BlobNotFound"),
        (409, "BlobArchived", ArchivedError, "tier"),
        (409, "BlobBeingRehydrated", ArchivedError, "hours"),
        (409, "BlobImmutableDueToPolicy", LockedError, "immutability policy"),
        (412, "SourceConditionNotMet", ChangedError, "recorded"),
        (404, "CannotVerifyCopySource", MissingError, "CannotVerifyCopySource"),
        (403, "CannotVerifyCopySource", DeniedError, "network rules"),
        (409, "CannotVerifyCopySource", ArchivedError, "archive"),
        (416, "CannotVerifyCopySource", ChangedError, "recorded"),
        (400, "Crc64Mismatch", IntegrityError, "bytes"),
        (400, "NeverHeardOf", PermanentError, "NeverHeardOf"),
        (501, "NotImplemented", PermanentError, "NotImplemented"),
    ],
)
def test_codes_say_who_must_act_and_how(status: int, code: str, kind: type[CloudyError], advice: str) -> None:
    error = error_of(refusal(status, code))
    assert type(error) is kind
    for part in (advice, "cloud", "azure://account/box/vms", "Said the store."):
        assert part in error.message
    assert "RequestId" not in error.message
    assert KEY not in error.message


def test_what_was_wrong_with_a_source_may_stand_apart_from_the_status() -> None:
    error = error_of(refusal(400, "CannotVerifyCopySource", **{"x-ms-copy-source-status-code": "404"}))
    assert isinstance(error, MissingError)


def test_a_redirect_is_not_followed() -> None:
    assert isinstance(error_of((302, {"Location": "http://127.0.0.1:1/elsewhere"}, "")), PermanentError)


def test_a_store_that_is_not_there_is_transient() -> None:
    with fake() as server:
        store = open_store(server)
    with pytest.raises(TransientError, match="cloud"):
        store.head("run/a")


def test_a_list_that_is_throttled_is_transient_too() -> None:
    with fake(anything=[refusal(503, "ServerBusy")]) as server:
        store = open_store(server)
        with pytest.raises(TransientError):
            list(store.list("run/"))
        with pytest.raises(TransientError):
            store.list_uploads("run/")


def test_an_answer_that_breaks_off_is_transient() -> None:
    broken: Answer = (206, {"Content-Length": "100", "Content-Range": "bytes 0-99/100"}, "short")
    with fake(GET_blob=[broken]) as server, pytest.raises(TransientError):
        open_store(server).get("run/a", 0, 100)


def test_an_empty_answer_where_a_list_belongs_is_transient() -> None:
    """As from a proxy on the way that answers by itself."""
    with fake() as server, pytest.raises(TransientError, match="not what a store says"):
        list(open_store(server).list("run/"))


def test_what_a_store_repeats_of_a_sas_token_is_hidden() -> None:
    said = (
        f"The value https://account.blob.core.windows.net/box/a?{TOKEN} for header x-ms-copy-source is wrong. {TOKEN}"
    )
    error = error_of(refusal(400, "InvalidHeaderValue", said.replace("&", "&amp;")))
    assert "InvalidHeaderValue" in error.message
    assert "never%2Fshown" not in error.message
    assert error.__suppress_context__


@pytest.mark.parametrize("options", [{"account_key": KEY}, {"sas_token": TOKEN}])
def test_no_secret_in_repr_or_url(options: dict[str, object]) -> None:
    store = OPENERS["azure"]("cloud", "azure://account/box/vms", options)
    for text in (repr(store), store.url, store.address, repr(vars(store)), repr(vars(vars(store)["_container"]))):
        assert KEY not in text
        assert "never" not in text
    assert repr(store) == "AzureStore('cloud', 'azure://account/box/vms')"
    assert store.address == "azure://account/box/vms at https://account.blob.core.windows.net"


# ---- settings


@pytest.mark.parametrize(
    ("url", "options", "told"),
    [
        ("azure://", {}, "targets.cloud.url"),
        ("azure://account", {}, "targets.cloud.url"),
        ("azure://account:key@box/x", {}, "targets.cloud.url"),
        ("azure://account/Box", {}, "targets.cloud.url"),
        (f"azure://account/box?{TOKEN}", {}, "targets.cloud.url"),
        ("azure://account/box", {"region": "x"}, "targets.cloud.region"),
        ("azure://account/box", {"account_key": "no base64!"}, "targets.cloud.account_key"),
        ("azure://account/box", {"account_key2": KEY}, "give account_key too"),
        ("azure://account/box", {"account_key": KEY, "sas_token": TOKEN}, "one way in"),
        ("azure://account/box", {"sas_token": "my token"}, "targets.cloud.sas_token"),
        ("azure://account/box", {"account_key": KEY, "storage_class": "Archive"}, "targets.cloud.storage_class"),
        ("azure://account/box", {"account_key": KEY, "lock": "COMPLIANCE"}, "UNLOCKED, LOCKED"),
        ("azure://account/box", {"account_key": KEY, "lock": "LOCKED"}, "lock_for"),
        ("azure://account/box", {"account_key": KEY, "legal_hold": "yes"}, "targets.cloud.legal_hold"),
        ("azure://account/box", {"account_key": KEY, "ca": "/nowhere/ca.pem"}, "targets.cloud.ca"),
        ("azure://account/box", {"account_key": KEY, "endpoint": "https://me:pass@host"}, "targets.cloud.endpoint"),
        ("azure://account/box", {"account_key": KEY, "endpoint": f"https://host/?{TOKEN}"}, "use sas_token"),
        ("azure://account/box", {"account_key": KEY, "proxy": "host:3128"}, "targets.cloud.proxy"),
    ],
)
def test_settings_that_are_not_understood_are_told(url: str, options: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OPENERS["azure"]("cloud", url, options)
    assert told in caught.value.message
    for secret in ("pass@", "never%2Fshown", KEY):
        assert secret not in caught.value.message


def test_without_key_token_and_the_identitys_library_the_way_in_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(ConfigError, match=r"account_key nor sas_token.*cloudy\[azure\]"):
        OPENERS["azure"]("cloud", "azure://account/box", {})


def test_a_machine_without_an_identity_is_denied_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nobody:
        def get_token(self, *_scopes: str, **_more: object) -> None:
            raise ClientAuthenticationError("No credential in this chain provided a token.\nAttempted: many.")

    monkeypatch.setattr("azure.identity.DefaultAzureCredential", lambda **_settings: Nobody())
    store = OPENERS["azure"]("cloud", "azure://account/box", {"endpoint": "https://127.0.0.1:1", "identity": "id"})
    with pytest.raises(DeniedError, match=r"provided a token\..*give this machine an identity"):
        store.head("run/a")


@pytest.mark.parametrize(
    ("endpoint", "used"),
    [
        ("", "https://account.blob.core.windows.net"),
        ("https://account.blob.core.chinacloudapi.cn/", "https://account.blob.core.chinacloudapi.cn"),
        ("http://127.0.0.1:10000", "http://127.0.0.1:10000/account"),
        ("http://localhost:10000/", "http://localhost:10000/account"),
        ("http://127.0.0.1:10000/account", "http://127.0.0.1:10000/account"),
    ],
)
def test_the_account_is_in_the_path_where_the_address_has_no_name(endpoint: str, used: str) -> None:
    store = OPENERS["azure"]("cloud", "azure://account/box", {"endpoint": endpoint, "account_key": KEY})
    assert store.address == f"azure://account/box at {used}"


def test_a_proxy_is_asked_instead_of_the_store() -> None:
    with fake(anything=[refusal(503, "ServerBusy")]) as server:
        options = {"endpoint": "http://account.invalid", "account_key": KEY, "proxy": server.url}
        with pytest.raises(TransientError, match="ServerBusy"):
            OPENERS["azure"]("cloud", "azure://account/box", options).get("run/a")


# ---- locks and versions


LOCKED_CONTAINER: Answer = (200, {"x-ms-has-immutability-policy": "true", "x-ms-has-legal-hold": "false"}, "")
WORM_CONTAINER: Answer = (200, {"x-ms-immutable-storage-with-versioning-enabled": "true"}, "")


def blocks(*ids: str, kind: str = "Uncommitted") -> Answer:
    listed = "".join(f"<Block><Name>{_b64(each)}</Name><Size>1</Size></Block>" for each in ids)
    other = "Committed" if kind == "Uncommitted" else "Uncommitted"
    body = f"<?xml version='1.0'?><BlockList><{other}Blocks/><{kind}Blocks>{listed}</{kind}Blocks></BlockList>"
    return 200, {"Content-Type": "application/xml"}, body


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def listing(*entries: str) -> Answer:
    body = (
        f"<?xml version='1.0'?><EnumerationResults><Blobs>{''.join(entries)}</Blobs><NextMarker/></EnumerationResults>"
    )
    return 200, {"Content-Type": "application/xml"}, body


def entry(name: str, version: str) -> str:
    facts = "<Properties><Content-Length>5</Content-Length><Etag>0x1</Etag><BlobType>BlockBlob</BlobType></Properties>"
    return f"<Blob><Name>{name}</Name><VersionId>{version}</VersionId>{facts}</Blob>"


def test_in_a_container_that_locks_an_upload_is_marked_as_given_up_and_no_object_made() -> None:
    token = new_token(datetime.now(UTC), b"abcd")
    with fake(
        GET_container=[LOCKED_CONTAINER], GET_blocklist=[blocks(Block(0, token, 1).id, Block(1, token, 2).id)]
    ) as server:
        open_store(server).abort_upload(Upload(key="run/a", upload_id=token))
        assert server.asked == ["GET blocklist", "GET container", "PUT block"]


def test_an_upload_that_is_marked_as_given_up_is_gone() -> None:
    token = new_token(datetime.now(UTC), b"abcd")
    with fake(GET_blocklist=[blocks(*(Block(number, token, 1).id for number in (0, 1, 99_999)))]) as server:
        store = open_store(server)
        with pytest.raises(MissingError):
            store.list_parts(Upload(key="run/a", upload_id=token))
        store.abort_upload(Upload(key="run/a", upload_id=token))
        assert "PUT block" not in server.asked


def test_the_probe_writes_nothing_where_all_that_is_written_is_locked() -> None:
    with fake(GET_container=[LOCKED_CONTAINER]) as server:
        store = open_store(server)
        assert store.capabilities().checks_crc
        assert not [asked for asked in server.asked if asked.startswith(("PUT", "DELETE"))]
        assert store.lock_rule() == "the container's immutability policy"


def test_the_lock_of_the_target_goes_with_each_object_but_cloudys_own() -> None:
    with fake(GET_container=[WORM_CONTAINER]) as server:
        store = open_store(server, account_key=KEY, lock="LOCKED", lock_for=timedelta(days=30), legal_hold=True)
        assert store.lock_rule() == "LOCKED, 30 days; a legal hold on each"
        for key in ("run/a", ".cloudy/owner.json"):
            store.put(key, b"a", crc64=1, metadata={})
        ours, helper = server.headers[-2:]
        assert ours["x-ms-immutability-policy-mode"].lower() == "locked"
        assert ours["x-ms-legal-hold"].lower() == "true"
        assert "x-ms-immutability-policy-mode" not in helper
        assert "x-ms-legal-hold" not in helper


def test_a_lock_and_a_hold_are_told_and_one_that_is_over_is_none() -> None:
    def facts(until: datetime, hold: str) -> Answer:
        date = until.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return 200, {"x-ms-immutability-policy-until-date": date, "x-ms-legal-hold": hold, "Content-Length": "5"}, ""

    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    answers = [
        facts(later, "false"),
        facts(later - timedelta(days=9), "true"),
        facts(later - timedelta(days=9), "false"),
    ]
    with fake(GET_container=[WORM_CONTAINER], HEAD_blob_version=answers) as server:
        seen = [ObjectVersion(key=f"run/{number}", version_id=str(number)) for number in range(3)]
        found = list(open_store(server).locks(seen))
    assert [(each.key, each.locked_until, each.is_held) for each in found] == [
        ("run/0", later, False),
        ("run/1", None, True),
    ]


def test_where_nothing_can_be_locked_no_version_is_asked_for() -> None:
    with fake() as server:
        assert list(open_store(server).locks([ObjectVersion(key="run/a", version_id="1")])) == []
        assert server.asked == ["GET container"]


def test_every_version_is_listed_and_the_newest_becomes_an_older_one_before_it_goes() -> None:
    refused = refusal(403, "OperationNotAllowedOnRootBlob")
    found = listing(entry("vms/run/a", "2026-01"), entry("vms/run/a", "2026-02"))
    with fake(GET_list=[found], DELETE_blob_version=[REMOVED, refused, REMOVED]) as server:
        store = open_store(server)
        versions = list(store.list_versions("run/"))
        assert [(each.key, each.version_id, each.size) for each in versions] == [
            ("run/a", "2026-01", 5),
            ("run/a", "2026-02", 5),
        ]
        for version in versions:
            store.erase(version)
        assert server.asked[1:] == ["DELETE blob version", "DELETE blob version", "DELETE blob", "DELETE blob version"]


def test_an_erased_version_that_a_lock_keeps_is_denied() -> None:
    with fake(DELETE_blob_version=[refusal(409, "BlobImmutableDueToPolicy")]) as server, pytest.raises(DeniedError):
        open_store(server).erase(ObjectVersion(key="run/a", version_id="1"))


def test_an_account_with_folders_is_refused() -> None:
    folders: Answer = (200, {"x-ms-is-hns-enabled": "true"}, "")
    with fake(GET_properties=[folders]) as server, pytest.raises(PermanentError, match="hierarchical namespace"):
        open_store(server).capabilities()


# ---- a store that does not do what it says


def test_a_store_that_looks_at_no_checksum_is_found_out() -> None:
    """It takes whatever comes, and makes blobs onto taken keys."""
    with fake(GET_list=[listing()]) as server:
        found = open_store(server).capabilities()
    assert (found.checks_crc, found.conditional_complete, found.copies_parts) == (False, False, False)
    assert found.proof == "read back"


def test_a_copy_that_the_store_tells_another_crc_of_is_told_as_it_is() -> None:
    token = new_token(datetime.now(UTC), b"abcd")
    lying = (201, {"x-ms-content-crc64": "AAAAAAAAAAE="}, "")
    with fake(
        GET_list=[listing()],
        GET_blocklist=[blocks(Block(0, token, 1).id)],
        HEAD_blob_version=[(200, {"Content-Length": "9"}, "")],
    ) as server:
        store = open_store(server)
        store.capabilities()
        server.answers["PUT block"] = [lying]
        source = CopySource(key="run/base", offset=0, length=9, etag="0x1", version_id="2026-01")
        told = store.copy_part(Upload(key="run/a", upload_id=token), 1, source, crc64=7)
        assert "versionid=2026-01&" in server.headers[-1]["x-ms-copy-source"]
    assert told.crc64 == 1 << 56


def test_a_part_that_the_store_tells_another_crc_of_is_refused() -> None:
    """As a store that takes what comes, and at least does not lie about it."""
    token = new_token(datetime.now(UTC), b"abcd")
    lying = (201, {"x-ms-content-crc64": "AAAAAAAAAAE="}, "")
    with fake(GET_blocklist=[blocks(Block(0, token, 1).id)], PUT_block=[lying], PUT_blob=[lying]) as server:
        store = open_store(server)
        with pytest.raises(IntegrityError, match="but what was sent has 0000000000000007"):
            store.put_part(Upload(key="run/a", upload_id=token), 1, bytearray(b"123456789"), crc64=7)
        with pytest.raises(IntegrityError, match="but what was sent has 0000000000000007"):
            store.put("run/a", b"123456789", crc64=7, metadata={})


def test_parts_that_do_not_make_up_the_file_are_refused_before_the_store_is_asked() -> None:
    part = PartDone(number=1, offset=0, length=9, etag=f"{7:016x}", crc64=7)
    with fake() as server:
        store, upload = open_store(server), Upload(key="run/a", upload_id=new_token(datetime.now(UTC), b"abcd"))
        for size, value, etag in ((8, 7, part.etag), (9, 8, part.etag), (9, 7, f"{8:016x}")):
            sent = PartDone(number=1, offset=0, length=9, etag=etag, crc64=7)
            with pytest.raises(IntegrityError):
                store.complete_upload(upload, [sent], size=size, crc64=value, metadata={})
        assert server.asked == []


# ---- what goes over the wire


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20).map(str.lower).filter(lambda name: name == name.lower()), st.text(max_size=30)
    )
)
def test_metadata_survives_names_of_identifiers_and_values_of_headers(metadata: dict[str, str]) -> None:
    encoded = encode_metadata(metadata)
    assert decode_metadata(encoded) == metadata
    for name, value in encoded.items():
        assert name.isidentifier()
        assert name.isascii()
        assert value.isascii()
        assert value == value.strip()
        assert not value or value.isprintable()


def test_plain_metadata_stays_readable() -> None:
    assert encode_metadata({"cloudy-vm": "vm01 (prod)"}) == {"cloudy_vm": "vm01 (prod)"}


@given(st.integers(0, 99_999), st.integers(0, (1 << 64) - 1), st.integers(0, 9_999_999_999))
def test_ids_of_blocks_are_equally_long_and_read_back(number: int, value: int, when: int) -> None:
    block = Block(number, new_token(datetime.fromtimestamp(when, UTC), b"abcd"), value, 5)
    assert len(block.id) == 43
    assert read_id(block.id, 5) == block


@pytest.mark.parametrize("text", ["", "00001", "somebody else's block", "00001-xyz-0000000000000000"])
def test_blocks_of_others_are_left_alone(text: str) -> None:
    assert read_id(text, 1) is None


def test_a_crc_goes_little_endian_in_base64() -> None:
    with fake() as server:
        open_store(server).put("run/a", b"123456789", crc64=crc64(b"123456789"), metadata={})
        assert server.headers[0]["x-ms-content-crc64"] == "iJh5CoYUi64="
