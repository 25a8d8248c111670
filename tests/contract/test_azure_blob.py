"""What only Azure has, on Azurite: uploads that it does not know, tiers, ways in, and no secret anywhere."""

import base64
import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.storage.blob import BlobBlock, ContainerSasPermissions, StandardBlobTier, generate_container_sas

from bot.checksum import crc64, whole
from bot.errors import ArchivedError, DeniedError, IntegrityError, MissingError, TransientError
from bot.model import CopySource, ObjectInfo, PartDone, Upload
from bot.ports import ObjectStore
from integrations.objectstores import OPENERS
from integrations.objectstores.azure_blob.blocks import MARK, ONE_BYTE, ONE_BYTE_CRC, Block, new_token
from tests import azurite
from tests.azurite import AzurePeer

MIB = 1 << 20
WRONG_KEY, OTHER_WRONG_KEY = (base64.b64encode(words * 5).decode() for words in (b"never shown", b"nor this one"))


@pytest.fixture(scope="module")
def peer() -> Iterator[AzurePeer]:
    with azurite.azurite() as started:
        yield started


@pytest.fixture
def store(peer: AzurePeer, request: pytest.FixtureRequest) -> ObjectStore:
    return open_store(peer, request)


def open_store(peer: AzurePeer, request: pytest.FixtureRequest, **options: object) -> ObjectStore:
    given = {**peer.place, **(options or {"account_key": peer.account.key})}
    return OPENERS["azure"]("cloud", peer.url(prefix_of(request)), given)


def prefix_of(request: pytest.FixtureRequest) -> str:
    return "".join(letter for letter in request.node.name if letter.isalnum())


def send(store: ObjectStore, upload: Upload, number: int, body: bytes) -> PartDone:
    etag = store.put_part(upload, number, bytearray(body), crc64=crc64(body))
    return PartDone(number=number, offset=0, length=len(body), etag=etag, crc64=crc64(body))


def complete(store: ObjectStore, upload: Upload, *parts: PartDone) -> ObjectInfo:
    value = whole((part.crc64, part.length) for part in parts)
    return store.complete_upload(upload, parts, size=sum(part.length for part in parts), crc64=value, metadata={})


def make(store: ObjectStore, key: str, *bodies: bytes) -> ObjectInfo:
    upload = store.begin_upload(key, metadata={})
    return complete(store, upload, *(send(store, upload, number, body) for number, body in enumerate(bodies, 1)))


def waiting(peer: AzurePeer, store: ObjectStore, key: str) -> list[str]:
    """Ids of the blocks that wait at a key, as another client sees them."""
    prefix = store.url.rpartition("/")[2]
    return [str(block.id) for block in peer.client.get_blob_client(f"{prefix}/{key}").get_block_list("uncommitted")[1]]


def test_an_upload_that_is_given_up_leaves_neither_blob_nor_blocks(peer: AzurePeer, store: ObjectStore) -> None:
    upload = store.begin_upload("run/disk", metadata={})
    send(store, upload, 1, b"bytes")
    store.abort_upload(upload)
    prefix = store.url.rpartition("/")[2]
    assert list(peer.client.list_blobs(name_starts_with=prefix, include=["uncommittedblobs"])) == []


def test_giving_up_an_upload_leaves_the_object_at_its_key_and_another_upload_alone(
    peer: AzurePeer, store: ObjectStore
) -> None:
    store.put("run/a", b"there before", crc64=crc64(b"there before"), metadata={})
    upload = store.begin_upload("run/a", metadata={})
    send(store, upload, 1, b"bytes")
    store.abort_upload(upload)
    assert store.get("run/a") == b"there before"
    with pytest.raises(MissingError):
        store.list_parts(upload)
    other = store.begin_upload("run/a", metadata={})
    assert other != upload
    send(store, other, 1, b"others")
    store.abort_upload(upload)
    assert list(store.list_parts(other)) == [1]


def test_a_part_that_comes_after_the_end_of_its_upload_is_found_and_freed(peer: AzurePeer, store: ObjectStore) -> None:
    """A thread may be sending while another process gives the upload up."""
    upload = store.begin_upload("run/disk", metadata={})
    OPENERS["azure"]("other", store.url, peer.options).abort_upload(upload)
    send(store, upload, 1, b"too late")
    assert store.list_uploads("run/") == (upload,)
    again = store.begin_upload("run/disk", metadata={})
    assert again != upload, "what was given up is not gone on with"
    store.abort_upload(again)
    store.abort_upload(upload)
    assert store.list_uploads("") == ()


def test_of_two_that_begin_at_once_both_go_on_with_the_older(peer: AzurePeer, store: ObjectStore) -> None:
    first = store.begin_upload("run/disk", metadata={})
    late = Block(MARK, new_token(datetime.now(UTC) + timedelta(seconds=1), b"late"), ONE_BYTE_CRC)
    store._container.stage("run/disk", late, ONE_BYTE)  # type: ignore[attr-defined]
    assert OPENERS["azure"]("other", store.url, peer.options).begin_upload("run/disk", metadata={}) == first
    complete(store, first, send(store, first, 1, b"bytes"))
    assert waiting(peer, store, "run/disk") == []


def test_what_is_proven_is_the_list_of_blocks_and_not_what_metadata_says(peer: AzurePeer, store: ObjectStore) -> None:
    info = make(store, "run/disk", b"first", b"second")
    assert store.head("run/disk").crc64 == info.crc64 == crc64(b"firstsecond")
    blob = peer.client.get_blob_client(f"{store.url.rpartition('/')[2]}/run/disk")
    metadata = blob.get_blob_properties().metadata
    blob.stage_block("another", b"firstsecond"[::-1])
    blob.commit_block_list([BlobBlock("another")], metadata=metadata)
    assert store.head("run/disk").crc64 is None, "so that it is read back"


def test_a_body_that_is_long_goes_out_in_pieces_and_is_checked_too(store: ObjectStore) -> None:
    body = bytes(range(256)) * (9 << 10)
    store.put("run/a", body, crc64=crc64(body), metadata={"vm": "vm01"})
    info = store.head("run/a")
    assert (info.size, info.crc64, dict(info.metadata)) == (len(body), crc64(body), {"vm": "vm01"})
    assert store.get("run/a") == body
    with pytest.raises(IntegrityError):
        store.put("run/b", body, crc64=1, metadata={})
    assert list(store.list("run/b")) == []


def test_parts_may_be_of_one_byte(store: ObjectStore) -> None:
    assert make(store, "run/disk", b"a", b"bc", b"d").size == 4
    assert store.get("run/disk") == b"abcd"


def test_an_archived_object_is_told_and_neither_read_nor_copied(peer: AzurePeer, store: ObjectStore) -> None:
    made = store.put("run/a", b"123456789", crc64=crc64(b"123456789"), metadata={})
    assert (store.head("run/a").is_archived, store.head("run/a").storage_class) == (False, "")
    peer.client.get_blob_client(f"{store.url.rpartition('/')[2]}/run/a").set_standard_blob_tier(
        StandardBlobTier.ARCHIVE
    )
    info = store.head("run/a")
    assert (info.is_archived, info.storage_class) == (True, "Archive")
    with pytest.raises(ArchivedError, match="back from the archive"):
        store.get("run/a")
    source = CopySource(key="run/a", offset=0, length=9, etag=info.etag or made.etag)
    with pytest.raises(ArchivedError):
        store.copy_part(store.begin_upload("run/b", metadata={}), 1, source, crc64=crc64(b"123456789"))


def test_the_tier_is_that_of_the_configuration_but_for_cloudys_own_helpers(
    peer: AzurePeer, request: pytest.FixtureRequest
) -> None:
    store = open_store(peer, request, account_key=peer.account.key, storage_class="Cool")
    for key in ("run/a", ".cloudy/owner.json"):
        store.put(key, b"a", crc64=crc64(b"a"), metadata={})
    make(store, "run/b", b"b")
    found = [store.head(key).storage_class for key in ("run/a", "run/b", ".cloudy/owner.json")]
    assert found == ["Cool", "Cool", ""]


def test_a_lock_where_the_container_knows_none_is_refused_before_anything_is_written(
    peer: AzurePeer, request: pytest.FixtureRequest
) -> None:
    """Azurite takes the headers and forgets them; that must never pass for a lock."""
    options = {"account_key": peer.account.key, "lock": "LOCKED", "lock_for": timedelta(days=3)}
    with pytest.raises(Exception, match="version-level immutability"):
        open_store(peer, request, **options).capabilities()


# ---- ways in


def test_when_one_key_is_refused_the_other_is_taken(peer: AzurePeer, request: pytest.FixtureRequest) -> None:
    store = open_store(peer, request, account_key=WRONG_KEY, account_key2=peer.account.key2)
    with pytest.raises(TransientError, match="the other one"):
        store.list_uploads("")
    source = make(store, "run/a", b"123456789")
    upload = store.begin_upload("run/b", metadata={})
    part = CopySource(key="run/a", offset=2, length=3, etag=source.etag)
    assert store.copy_part(upload, 1, part, crc64=crc64(b"345")).crc64 == crc64(b"345")


def test_when_both_keys_are_refused_that_is_told_without_them(peer: AzurePeer, request: pytest.FixtureRequest) -> None:
    store = open_store(peer, request, account_key=WRONG_KEY, account_key2=OTHER_WRONG_KEY)
    with pytest.raises(TransientError):
        store.head("run/a")
    for _ in range(2):
        with pytest.raises((DeniedError, TransientError)) as caught:
            store.head("run/a")
        assert WRONG_KEY not in caught.value.message


def test_a_wrong_key_is_denied(peer: AzurePeer, request: pytest.FixtureRequest) -> None:
    with pytest.raises(DeniedError):
        open_store(peer, request, account_key=WRONG_KEY).capabilities()


def sas_of(peer: AzurePeer, **rights: bool) -> str:
    return generate_container_sas(
        peer.account.name,
        peer.account.container,
        account_key=peer.account.key,
        permission=ContainerSasPermissions(**rights),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )


def test_a_sas_token_of_the_container_is_enough(peer: AzurePeer, request: pytest.FixtureRequest) -> None:
    token = sas_of(peer, read=True, add=True, create=True, write=True, delete=True, list=True)
    store = open_store(peer, request, sas_token=f"?{token}")
    assert store.capabilities().copies_parts
    source = make(store, "run/a", b"123456789")
    upload = store.begin_upload("run/b", metadata={})
    part = CopySource(key="run/a", offset=2, length=3, etag=source.etag)
    told = store.copy_part(upload, 1, part, crc64=crc64(b"345"))
    complete(store, upload, PartDone(number=1, offset=0, length=3, etag=told.etag, crc64=crc64(b"345")))
    assert store.get("run/b") == b"345"
    store.abort_upload(store.begin_upload("run/c", metadata={}))
    assert list(store.locks(list(store.list_versions("run/")))) == []
    assert store.list_uploads("") == ()


def test_a_sas_token_with_too_few_rights_is_told_without_it(peer: AzurePeer, request: pytest.FixtureRequest) -> None:
    token = sas_of(peer, read=True)
    store = open_store(peer, request, sas_token=token)
    with pytest.raises(DeniedError) as caught:
        store.put("run/a", b"a", crc64=crc64(b"a"), metadata={})
    signature = token.partition("sig=")[2].partition("&")[0]
    for text in (str(caught.value), repr(caught.value.__cause__), repr(store), repr(vars(store)), store.address):
        assert signature not in text


def test_a_sas_token_that_is_over_is_told(peer: AzurePeer, request: pytest.FixtureRequest) -> None:
    token = generate_container_sas(
        peer.account.name,
        peer.account.container,
        account_key=peer.account.key,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=datetime.now(UTC) - timedelta(hours=1),
    )
    with pytest.raises(DeniedError, match=r"may also be over|Storage Blob Data Contributor"):
        open_store(peer, request, sas_token=token).head("run/a")


class Identity(ThreadingHTTPServer):
    """A machine's identity, as an App Service's own address gives it. Source: "How to use managed identities for App
    Service and Azure Functions", REST endpoint reference.
    """

    secret = "of-this-machine"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Giver)
        self.asked: list[dict[str, list[str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/msi/token"


class _Giver(BaseHTTPRequestHandler):
    server: Identity

    def do_GET(self) -> None:
        self.server.asked.append(parse_qs(urlsplit(self.path).query))
        is_ours = self.headers.get("X-IDENTITY-HEADER") == self.server.secret
        now = int(time.time())
        told = {"access_token": token_at(now), "expires_on": str(now + 3600), "token_type": "Bearer", "resource": "r"}
        body = json.dumps(told if is_ours else {"message": "no"}).encode()
        self.send_response(200 if is_ours else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def token_at(now: int) -> str:
    """A token as Azurite takes it, which looks at all but the signature."""
    claims = {
        "aud": "https://storage.azure.com",
        "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
        "iat": now,
        "nbf": now - 60,
        "exp": now + 3600,
        "oid": "11059fcc-5514-4800-b5f8-49808b9cfab6",
        "tid": "ab1f708d-50f6-404c-a006-d71b2ac7a606",
    }
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    texts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join(texts) + ".none"


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[Identity]:
    """This machine has one, and no other way in."""
    for name in [name for name in os.environ if name.startswith(("AZURE_", "MSI_", "IDENTITY_"))]:
        monkeypatch.delenv(name)
    with Identity() as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", server.url)
        monkeypatch.setenv("IDENTITY_HEADER", server.secret)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("client", ["", "0f3c2a5e-7b1d-4c55-9a52-1f2e3d4c5b6a"], ids=["the machine's", "assigned"])
def test_an_identity_is_enough_and_copies_are_signed_by_a_key_that_is_delegated_to_it(
    identity: Identity, client: str
) -> None:
    with azurite.azurite(tls=True) as peer:
        store = OPENERS["azure"]("cloud", peer.url("vms"), {**peer.place, **({"identity": client} if client else {})})
        assert store.capabilities().copies_parts
        source = make(store, "run/a", b"123456789")
        upload = store.begin_upload("run/b", metadata={})
        part = CopySource(key="run/a", offset=2, length=3, etag=source.etag)
        assert store.copy_part(upload, 1, part, crc64=crc64(b"345")).crc64 == crc64(b"345")
    assert {query["resource"][0].rstrip("/") for query in identity.asked} == {"https://storage.azure.com"}
    assert {query.get("client_id", [""])[0] for query in identity.asked} == {client}
    assert len(identity.asked) <= 2, "a token is kept as long as it is good"


def test_a_certificate_that_is_not_trusted_is_told_with_the_setting_to_change() -> None:
    with azurite.azurite(tls=True) as peer:
        options = {"endpoint": peer.endpoint, "account_key": peer.account.key}
        with pytest.raises(Exception, match="target's ca"):
            OPENERS["azure"]("cloud", peer.url("vms"), options).head("run/a")
