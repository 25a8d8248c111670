"""Settings of an s3 target: what of them reaches the store, and what is told of the others."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import SSOProvider

from bot.checksum import crc64
from bot.config import load
from bot.errors import ConfigError, DeniedError, PermanentError
from bot.model import ObjectInfo, PartDone, UploadRule
from bot.ports import ObjectStore
from bot.systems import ConfiguredSystems
from integrations.objectstores import OPENERS
from integrations.objectstores.s3.lifecycle import rule_of
from tests import peers
from tests.contract.test_s3 import SECRET, answering, open_store
from tests.peers import S3Peer

ROLE = "arn:aws:iam::123456789012:role/cloudy"
CHAIN = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Peer]:
    with peers.moto() as peer:
        peer.client.create_bucket(Bucket="locking", ObjectLockEnabledForBucket=True)
        yield peer


def open_at(peer: S3Peer, *, bucket: str = "", without: tuple[str, ...] = (), **options: object) -> ObjectStore:
    given = {key: value for key, value in peer.options.items() if key not in without}
    return OPENERS["s3"]("cloud", f"s3://{bucket or peer.bucket}/vms", {**given, **options})


def put(store: ObjectStore, key: str, body: bytes = b"bytes") -> ObjectInfo:
    return store.put(key, body, crc64=crc64(body), metadata={})


def send(store: ObjectStore, key: str) -> None:
    upload, body = store.begin_upload(key, metadata={}), bytearray(b"bytes")
    etag = store.put_part(upload, 1, body, crc64=crc64(body))
    part = PartDone(number=1, offset=0, length=5, etag=etag, crc64=crc64(body))
    store.complete_upload(upload, [part], size=5, crc64=part.crc64, metadata={})


@pytest.mark.parametrize("write", [put, send], ids=["at once", "in parts"])
def test_class_and_tags_are_those_of_the_target(moto: S3Peer, write: Callable[[ObjectStore, str], Any]) -> None:
    store = open_at(moto, storage_class="STANDARD_IA", tags={"department": "IT a+b", "cost:centre": "a=b@c"})
    name = f"run/{write.__name__}"
    write(store, name)
    assert store.head(name).storage_class == "STANDARD_IA"
    told = moto.client.get_object_tagging(Bucket=moto.bucket, Key=f"vms/{name}")["TagSet"]
    assert {each["Key"]: each["Value"] for each in told} == {"department": "IT a+b", "cost:centre": "a=b@c"}


@pytest.mark.parametrize("write", [put, send], ids=["at once", "in parts"])
@pytest.mark.parametrize("bucket_key", [True, False])
def test_encryption_is_that_of_the_target(
    moto: S3Peer, write: Callable[[ObjectStore, str], Any], bucket_key: bool
) -> None:
    key = moto_key(moto)
    store = open_at(moto, sse="aws:kms", sse_kms_key=key, sse_bucket_key=bucket_key)
    name = f"run/{write.__name__}-{bucket_key}"
    write(store, name)
    told = moto.client.head_object(Bucket=moto.bucket, Key=f"vms/{name}")
    assert (told["ServerSideEncryption"], told["SSEKMSKeyId"]) == ("aws:kms", key)
    if write is put:  # moto forgets it of an upload
        assert told.get("BucketKeyEnabled", False) == bucket_key


def moto_key(peer: S3Peer) -> str:
    return f"arn:aws:kms:{peer.region}:123456789012:key/12345678-1234-1234-1234-123456789012"


def test_a_usual_object_has_no_class_and_no_version(moto: S3Peer) -> None:
    store = open_at(moto)
    put(store, "run/c")
    info = store.head("run/c")
    assert (info.storage_class, info.is_archived, info.version_id) == ("", False, "")


def test_an_archived_object_is_told_as_such_until_it_is_brought_back(moto: S3Peer) -> None:
    store = open_at(moto)
    moto.client.put_object(Bucket=moto.bucket, Key="vms/run/cold", Body=b"cold", StorageClass="GLACIER")
    info = store.head("run/cold")
    assert (info.storage_class, info.is_archived) == ("GLACIER", True)
    moto.client.restore_object(Bucket=moto.bucket, Key="vms/run/cold", RestoreRequest={"Days": 1})
    store.head("run/cold")  # moto's first answer says that it is on its way
    assert not store.head("run/cold").is_archived


def test_head_tells_the_version() -> None:
    for start in (peers.moto, peers.weed):
        with start() as peer:
            peer.client.put_bucket_versioning(Bucket=peer.bucket, VersioningConfiguration={"Status": "Enabled"})
            store = open_at(peer)
            put(store, "run/a", b"old")
            old = store.head("run/a").version_id
            put(store, "run/a", b"new")
            assert old
            assert store.head("run/a").version_id not in ("", old)


# --- locks ---


def lock_of(peer: S3Peer, key: str, bucket: str = "locking") -> tuple[str, datetime | None]:
    told = peer.client.head_object(Bucket=bucket, Key=f"vms/{key}")
    return told.get("ObjectLockMode", ""), told.get("ObjectLockRetainUntilDate")


def about(until: datetime | None, span: timedelta) -> bool:
    return until is not None and abs(until - datetime.now(UTC) - span) < timedelta(minutes=5)


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_what_is_written_at_once_is_locked_from_the_beginning(moto: S3Peer, mode: str) -> None:
    store = open_at(moto, bucket="locking", lock=mode, lock_for=timedelta(days=30))
    put(store, f"run/{mode}")
    told, until = lock_of(moto, f"run/{mode}")
    assert told == mode
    assert about(until, timedelta(days=30))


def test_what_is_written_in_parts_is_locked_from_the_beginning_on_the_real_server() -> None:
    """moto forgets the lock of an upload."""
    with peers.weed() as peer:
        peer.client.create_bucket(Bucket="locking", ObjectLockEnabledForBucket=True)
        store = open_at(peer, bucket="locking", lock="GOVERNANCE", lock_for=timedelta(days=2))
        send(store, "run/disk")
        mode, until = lock_of(peer, "run/disk")
        assert mode == "GOVERNANCE"
        assert about(until, timedelta(days=2))
        (version,) = store.list_versions("run/")
        with pytest.raises(DeniedError):
            store.erase(version)


def test_the_probe_of_a_locking_target_leaves_nothing_not_even_versions() -> None:
    for start in (peers.moto, peers.weed):
        with start() as peer:
            peer.client.create_bucket(Bucket="locking-probe", ObjectLockEnabledForBucket=True)
            store = open_at(peer, bucket="locking-probe", lock="COMPLIANCE", lock_for=timedelta(days=30))
            store.capabilities()
            assert list(store.list_versions("")) == []
            assert store.list_uploads("") == ()


def test_what_cloudy_needs_itself_is_not_locked(moto: S3Peer) -> None:
    store = open_at(moto, bucket="locking", lock="COMPLIANCE", lock_for=timedelta(days=30))
    put(store, ".cloudy/owner.json")
    assert lock_of(moto, ".cloudy/owner.json") == ("", None)


def test_what_cloudy_needs_itself_lies_in_the_usual_class(moto: S3Peer) -> None:
    store = open_at(moto, storage_class="STANDARD_IA")
    put(store, ".cloudy/zero/8")
    put(store, "run/file")
    assert [store.head(key).storage_class for key in (".cloudy/zero/8", "run/file")] == ["", "STANDARD_IA"]


def test_a_bucket_that_locks_all_by_itself_is_told_from_one_that_only_can() -> None:
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    with peers.weed() as peer:
        for bucket in ("locking-all", "locking-own"):
            peer.client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        peer.client.put_object_lock_configuration(
            Bucket="locking-all", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        )
        assert open_at(peer, bucket="locking-all").capabilities().locks_all
        own = open_at(peer, bucket="locking-own", lock="GOVERNANCE", lock_for=timedelta(days=1))
        assert not own.capabilities().locks_all
        assert not open_at(peer).capabilities().locks_all


def test_the_lock_of_a_target_is_told_and_one_that_cannot_be_is_refused(moto: S3Peer) -> None:
    settings: dict[str, Any] = {"lock": "COMPLIANCE", "lock_for": timedelta(days=30)}
    assert open_at(moto, bucket="locking", **settings).lock_rule() == "COMPLIANCE, 30 days"
    with pytest.raises(PermanentError, match="Object Lock"):
        open_at(moto, **settings).lock_rule()


def test_what_is_locked_is_sent_with_a_checksum_even_where_the_store_checks_none(
    moto: S3Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_at(moto, bucket="locking", lock="GOVERNANCE", lock_for=timedelta(days=1))
    assert not store.capabilities().checks_crc
    seen = watch_headers(store, monkeypatch)
    put(store, "run/a", bytes(2 << 20))
    send(store, "run/b")
    bodies = [headers for method, headers in seen if method in ("PutObject", "UploadPart")]
    assert len(bodies) == 2
    assert all("Content-MD5" in headers for headers in bodies)


def watch_headers(store: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    seen: list[tuple[str, dict[str, str]]] = []

    def see(model: Any, params: Any, **_told: Any) -> None:
        seen.append((model.name, dict(params["headers"])))

    for client in (store._bucket._client, store._bucket._patient):
        client.meta.events.register_last("before-call.s3", see)
    return seen


# --- whose keys, which way ---


def test_a_role_is_assumed_with_the_keys_of_the_target(moto: S3Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-environment")
    store: Any = open_at(moto, assume_role=ROLE, external_id="2744")
    keys = store._bucket._client._get_credentials()
    assert keys.method == "cloudy-assume-role"
    assert keys.access_key.startswith("ASIA")
    assert keys.token
    put(store, "run/role")


def test_a_role_that_may_not_be_assumed_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(403, "AccessDenied") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        with pytest.raises(DeniedError, match="trust policy") as caught:
            open_store(server.url, assume_role=ROLE).head("run/a")
    assert SECRET not in caught.value.message


def test_keys_that_are_absent_come_from_the_profile(
    moto: S3Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CHAIN:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text("[profile backup]\nregion = eu-central-1\n")
    (tmp_path / "keys").write_text("[backup]\naws_access_key_id = FROMPROFILE\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    store: Any = open_at(moto, without=("access_key", "secret_key"), profile="backup")
    assert store._bucket._client._get_credentials().access_key == "FROMPROFILE"
    put(store, "run/profile")
    with pytest.raises(ConfigError, match="nobody"):
        open_at(moto, without=("access_key", "secret_key"), profile="nobody")


def test_a_target_goes_through_its_proxy() -> None:
    with answering(404, "NoSuchKey") as proxy, pytest.raises(PermanentError):
        open_store("http://s3.example.invalid", proxy=proxy.url).get("run/a")
    assert proxy.asked == ["GET http://s3.example.invalid/bucket/vms/run/a"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"lock": "GOVERNANCE"}, "lock_for"),
        ({"lock_for": timedelta(days=1)}, "lock and lock_for"),
        ({"lock": "FOREVER", "lock_for": timedelta(days=1)}, "GOVERNANCE, COMPLIANCE"),
        ({"lock": "GOVERNANCE", "lock_for": "30d"}, "targets.cloud.lock_for must be a duration"),
        ({"sse": "aes"}, "AES256, aws:kms"),
        ({"sse_kms_key": "key"}, "targets.cloud.sse_kms_key"),
        ({"storage_class": "DEEP_ARCHIVE"}, "GLACIER_IR"),
        ({"tags": "a=b"}, "targets.cloud.tags"),
        ({"tags": {"aws:x": "y"}}, "targets.cloud.tags.aws:x"),
        ({"tags": {"x": "a & b"}}, "targets.cloud.tags.x"),
        ({"tags": {f"t{n}": "" for n in range(11)}}, "10"),
        ({"profile": "p", "access_key": "A", "secret_key": "S"}, "either profile"),
        ({"assume_role": "cloudy"}, "targets.cloud.assume_role"),
        ({"external_id": "2744"}, "assume_role"),
        ({"proxy": "proxy:3128"}, "targets.cloud.proxy"),
        ({"proxy": "http://me:hidden@proxy:3128"}, "HTTPS_PROXY"),
    ],
)
def test_mistakes_are_told(options: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OPENERS["s3"]("cloud", "s3://bucket", options)
    assert told in caught.value.message
    assert "hidden" not in caught.value.message


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        OPENERS["s3"]("cloud", "s3://bucket", {"lock": "GOVERNANCE", "sse": "aes", "external_id": "2744"})
    assert len(caught.value.problems) == 3


def test_every_setting_of_the_file_reaches_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cloudy.toml").write_text(
        "[targets.s3]\n"
        'url = "s3://bucket/vms"\nendpoint = "http://127.0.0.1:1"\nproxy = "http://127.0.0.1:2"\n'
        f'assume_role = "{ROLE}"\nexternal_id = "2744"\nstorage_class = "GLACIER_IR"\n'
        'cold_class = "STANDARD_IA"\narchive_class = "DEEP_ARCHIVE"\n'
        'sse = "aws:kms"\nsse_kms_key = "key"\nsse_bucket_key = false\n'
        'lock = "GOVERNANCE"\nlock_for = "30d"\ntags = {department = "IT"}\n'
    )
    monkeypatch.setenv("CLOUDY_TARGETS__S3__LOCK_FOR", "2w")
    store: Any = ConfiguredSystems(load(tmp_path / "cloudy.toml")).target("s3")
    options = store._bucket._options
    assert options.lock_for == timedelta(weeks=2)
    assert (options.lock, options.tags, options.sse_bucket_key) == ("GOVERNANCE", {"department": "IT"}, False)
    assert (options.cold_class, options.archive_class) == ("STANDARD_IA", "DEEP_ARCHIVE")
    assert (options.assume_role, options.external_id, options.proxy) == (ROLE, "2744", "http://127.0.0.1:2")


# --- unfinished uploads, and who pays ---


def rules_of(peer: S3Peer, *rules: dict[str, object]) -> None:
    peer.client.put_bucket_lifecycle_configuration(Bucket=peer.bucket, LifecycleConfiguration={"Rules": list(rules)})


def proposed(store: ObjectStore) -> dict[str, object]:
    told = store.upload_rule().proposal
    found: dict[str, object] = json.loads(told[told.index("{") :])
    return found


def test_the_rule_that_is_proposed_is_taken_by_the_store_and_found_again(moto: S3Peer) -> None:
    store = open_at(moto)
    assert store.upload_rule().days is None
    rules_of(moto, proposed(store))
    assert store.upload_rule() == UploadRule(days=7, words="by a lifecycle rule, 7 days after they began")


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ({"Filter": {"Prefix": ""}}, 3),
        ({"Filter": {}}, 3),
        ({"Filter": {"Prefix": "vm"}}, 3),
        ({"Prefix": "vms/"}, 3),
        ({"Filter": {"Prefix": "others/"}}, None),
        ({"Filter": {"Prefix": "vms/20261123"}}, None),
        ({"Filter": {"Prefix": ""}, "Status": "Disabled"}, None),
    ],
)
def test_a_rule_counts_where_it_meets_all_uploads_of_the_target(rule: dict[str, object], days: int | None) -> None:
    abort = {"Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3}}
    later = {"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}
    assert rule_of([later, abort | rule], "vms/").days == days


def test_of_several_rules_the_first_that_comes_counts() -> None:
    rules = [
        {"Status": "Enabled", "Filter": {}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": span}}
        for span in (30, 2, 7)
    ]
    assert rule_of(rules, "").days == 2


def test_who_may_not_see_the_rules_is_told_so() -> None:
    with answering(403, "AccessDenied") as server, pytest.raises(DeniedError):
        open_store(server.url).upload_rule()


def test_a_store_without_lifecycle_rules_is_no_fault() -> None:
    with answering(501, "NotImplemented") as server:
        rule = open_store(server.url).upload_rule()
    assert (rule.days, rule.proposal) == (None, "")
    assert "knows no lifecycle rules" in rule.words


def test_no_request_says_that_the_requester_pays() -> None:
    """Whoever owns the bucket pays. Source: API_PutObject, x-amz-request-payer."""
    seen: list[str] = []
    with peers.moto() as peer:
        store = open_at(peer)
        client = store._bucket._client  # type: ignore[attr-defined]
        client.meta.events.register("before-send.s3", lambda request, **_: seen.extend(request.headers))
        send(store, "payer/a")
        put(store, "payer/b")
        store.copy("payer/b", "payer/c")
        store.get("payer/c")
    assert seen
    assert "x-amz-request-payer" not in {name.lower() for name in seen}


# --- single sign-on ---


class Portal(BaseHTTPRequestHandler):
    """The portal of AWS's single sign-on: keys of a role for a token."""

    def do_GET(self) -> None:
        is_known = self.headers.get("x-amz-sso_bearer_token") == "of-the-login"
        keys = {"accessKeyId": "FROMSSO", "secretAccessKey": "s", "sessionToken": "t", "expiration": 4102444800000}
        body = json.dumps({"roleCredentials": keys} if is_known else {}).encode()
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def signed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A profile of single sign-on, and the folder in which `aws sso login` keeps its token."""
    for name in CHAIN:
        monkeypatch.delenv(name, raising=False)
    cache, start = tmp_path / "cache", "https://example.awsapps.com/start"
    cache.mkdir()
    told = f"sso_start_url = {start}\nsso_region = us-east-1\nsso_account_id = 123456789012\nsso_role_name = cloudy\n"
    (tmp_path / "config").write_text(f"[profile sso]\n{told}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(SSOProvider, "_SSO_TOKEN_CACHE_DIR", str(cache))
    with ThreadingHTTPServer(("127.0.0.1", 0), Portal) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield cache / f"{hashlib.sha1(start.encode(), usedforsecurity=False).hexdigest()}.json"
        server.shutdown()
        thread.join()


def test_keys_of_a_single_sign_on_are_used(moto: S3Peer, signed_on: Path) -> None:
    login = {"accessToken": "of-the-login", "expiresAt": "2099-01-01T00:00:00Z"}
    signed_on.write_text(json.dumps(login))
    store: Any = open_at(moto, without=("access_key", "secret_key"), profile="sso")
    put(store, "sso/a")
    assert store._bucket._client._get_credentials().access_key == "FROMSSO"


@pytest.mark.parametrize("login", [None, {"accessToken": "old", "expiresAt": "2020-01-01T00:00:00Z"}])
def test_a_login_that_is_over_is_told_with_the_cure(
    moto: S3Peer, signed_on: Path, login: dict[str, str] | None
) -> None:
    if login:
        signed_on.write_text(json.dumps(login))
    store = open_at(moto, without=("access_key", "secret_key"), profile="sso")
    with pytest.raises(DeniedError, match=r"aws sso login"):
        store.head("sso/a")
