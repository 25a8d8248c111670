"""What may happen to a base between plan and copy, and to bytes on their way, on a real S3 server and on Azurite.

Whatever it is: the recovery point is the disk, byte for byte, or the run says why not. Which test holds which sentence
is told in docs/object-store-contract.md.
"""

import base64
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot import digests, manifest
from bot.bases import Bases
from bot.checksum import crc64
from bot.errors import CloudyError, IntegrityError
from bot.model import Actor, CopySource, Disk, SourceFile, StoredFile
from bot.ports import ObjectStore
from bot.transfer import Sent, TransferSettings, send
from bot.verifying import verify
from integrations.objectstores import OPENERS
from tests import azurite, peers
from tests.azurite import AzurePeer
from tests.contract import azure_liar, s3_liar
from tests.contract.azure_liar import AzureLiar
from tests.contract.s3_liar import Answer, Asked, Liar, Lie, Pass
from tests.memory import MemoryJournal, MemoryShare
from tests.peers import S3Peer
from tests.unit.test_digests import made

pytestmark = pytest.mark.slow

MIB = 1 << 20
GRAIN, PART = 256 << 10, 5 * MIB
FIRST, SECOND = "20261123T142233Z-7f3k9q", "20261124T142233Z-8g4m0r"
NAME = "vm01/vm01-flat.vmdk"
OLD = random.Random(1).randbytes(21 * MIB + 4321)
NEW = OLD[: 6 * MIB] + random.Random(2).randbytes(PART) + OLD[11 * MIB :]


@dataclass
class World:
    """One target behind a liar, with one recovery point made while it was honest."""

    liar: Liar
    store: ObjectStore
    bucket: str
    prefix: str
    journal: MemoryJournal = field(default_factory=MemoryJournal)

    def protect(self, transaction: str, content: bytes, base: str = "") -> Sent:
        """Send, verify and write the manifest."""
        path = f"{transaction}/{NAME}"
        file = SourceFile(path=path, name=NAME, key=key_of(transaction), size=len(content))
        sent = send(
            [file],
            share=MemoryShare({path: content}),
            targets=[self.store],
            journal=self.journal,
            settings=TransferSettings(
                threads=2,
                grain=GRAIN,
                part_bytes=PART,
                compare=Bases({self.store.name: (base,)} if base else {}).compare,
            ),
            check=lambda: None,
            on_progress=lambda _moved: None,
        )
        stored = sent.stored[self.store.name]
        for each in stored:
            verify(self.store, each, lambda: None)
        body = manifest.encode(_manifest(transaction, self.store, stored))
        self.store.put(manifest.key(transaction), body, crc64=crc64(body), metadata={})
        return sent

    @property
    def base(self) -> str:
        """The base's name in bucket or container."""
        return f"{self.prefix}/{key_of(FIRST)}"

    def overwrite(self, body: bytes) -> None:
        """Put something else where the base lies, behind Cloudy's back."""
        peer: Any = self.liar.peer
        if isinstance(peer, S3Peer):
            peer = replace(peer, bucket=self.bucket)
        peer.overwrite(self.base, body)

    def remove(self) -> None:
        """Remove the base behind Cloudy's back."""
        peer: Any = self.liar.peer
        if isinstance(peer, S3Peer):
            peer.client.delete_object(Bucket=self.bucket, Key=self.base)
        else:
            peer.client.delete_blob(self.base)

    def archive(self) -> None:
        """Put the base into an archive; no S3 server that runs here has one, so that its copies are refused."""
        peer: Any = self.liar.peer
        if isinstance(peer, AzurePeer):
            azure_liar.archive(peer, self.base)
        else:
            self.liar.lies.append(s3_liar.refuses_copies(403, "InvalidObjectState"))

    def holds(self, content: bytes) -> bool:
        """Whether the second recovery point has just that, as a foreign client reads it; no test prints megabytes."""
        peer: Any = self.liar.peer
        name = f"{self.prefix}/{key_of(SECOND)}"
        if isinstance(peer, S3Peer):
            return bytes(peer.client.get_object(Bucket=self.bucket, Key=name)["Body"].read()) == content
        return bytes(peer.client.download_blob(name).readall()) == content

    def has_second(self) -> bool:
        """Whether anything lies below it that a restore could take for a disk."""
        return any(info.key == key_of(SECOND) for info in self.store.list(SECOND))


def key_of(transaction: str) -> str:
    return f"{transaction}/tintri/{transaction}/{NAME}"


def _manifest(transaction: str, store: ObjectStore, files: tuple[StoredFile, ...]) -> manifest.Manifest:
    now = datetime.now(UTC)
    return manifest.Manifest(
        transaction_id=transaction, created_at=now, taken_at=now, installation="i",
        requester=Actor(id="U1", name="alice", source="slack"), consistency="crash",
        vm=manifest.ProtectedVm(
            uuid="u", name="vm01", vmstore="vmstore", hypervisor="VMWARE", disks=(Disk(uuid="d", name="d", path=NAME),)
        ),
        snapshot_uuid="s", target=store.url, files=files, skipped=(), cloudy="1",
    )  # fmt: skip


@contextmanager
def azure() -> Iterator[Liar]:
    """Azurite behind a liar."""
    with azurite.azurite() as peer, AzureLiar(peer) as server:  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def s3() -> Iterator[Liar]:
    """A real S3 server behind a liar."""
    with peers.weed() as peer, s3_liar.liar(peer) as server:
        yield server


@pytest.fixture(scope="module", params=[s3, azure], ids=["s3", "azure"])
def running(request: pytest.FixtureRequest) -> Iterator[Liar]:
    with request.param() as server:
        yield server


@pytest.fixture
def world(running: Liar, request: pytest.FixtureRequest) -> Iterator[World]:
    name = re.sub("[^a-z]", "", request.node.name)
    yield made_in(running, "" if isinstance(running, AzureLiar) else running.peer.bucket, name)
    running.lies = []


def made_in(liar: Liar, bucket: str, prefix: str) -> World:
    scheme, url = ("s3", f"s3://{bucket}/{prefix}") if bucket else ("azure", liar.peer.url(prefix))
    world = World(liar, OPENERS[scheme]("cloud", url, liar.options), bucket, prefix)
    world.protect(FIRST, OLD)
    return world


def is_copy(asked: Asked) -> bool:
    return asked.is_copy or azure_liar.is_copy(asked)


def at_the_first_copy(deed: Callable[[], None]) -> Lie:
    """Let something happen just before the store sees the first copy: the plan is made, nothing is copied yet."""
    done = threading.Lock()

    def lie(asked: Asked, passing: Pass) -> Answer:
        if is_copy(asked) and done.acquire(blocking=False):
            deed()
        return passing(asked)

    return lie


def told(sent: Sent, *words: str) -> None:
    """The run says which object could not be copied from, and sends all of it."""
    [why] = sent.lost
    assert why.startswith("cloud: ")
    for word in words:
        assert word in why
    assert sent.moved.sent >= len(NEW)


def test_without_a_fault_little_travels_and_the_recovery_point_is_the_disk(world: World) -> None:
    sent = world.protect(SECOND, NEW, FIRST)
    assert sent.lost == ()
    assert (sent.moved.sent, sent.moved.copied) == (PART, len(NEW) - PART)
    assert world.holds(NEW)


def test_a_base_that_is_overwritten_between_plan_and_copy(world: World) -> None:
    world.liar.lies = [at_the_first_copy(lambda: world.overwrite(OLD[::-1]))]
    told(world.protect(SECOND, NEW, FIRST), key_of(FIRST), "not the object that was recorded")
    assert world.holds(NEW)


def test_a_base_that_is_overwritten_while_the_store_looks_at_no_condition(world: World) -> None:
    """Then its checksum of what it copied tells."""
    no_condition: Lie = azure_liar.no_if_match if isinstance(world.liar, AzureLiar) else s3_liar.no_if_match
    world.liar.lies = [no_condition, at_the_first_copy(lambda: world.overwrite(OLD[::-1]))]
    told(world.protect(SECOND, NEW, FIRST), key_of(FIRST))
    assert world.holds(NEW)


def test_a_base_that_is_cut_between_plan_and_copy(world: World) -> None:
    world.liar.lies = [at_the_first_copy(lambda: world.overwrite(OLD[: 3 * MIB]))]
    told(world.protect(SECOND, NEW, FIRST), key_of(FIRST))
    assert world.holds(NEW)


def test_a_base_that_is_deleted_between_plan_and_copy(world: World) -> None:
    world.liar.lies = [at_the_first_copy(world.remove)]
    told(world.protect(SECOND, NEW, FIRST), key_of(FIRST))
    assert world.holds(NEW)


def test_a_base_that_is_archived_between_plan_and_copy(world: World) -> None:
    world.liar.lies = [at_the_first_copy(world.archive)]
    told(world.protect(SECOND, NEW, FIRST), key_of(FIRST), "archive")
    assert world.holds(NEW)


def test_a_base_that_lies_in_an_archive_already_is_not_even_tried(world: World) -> None:
    def in_glacier(asked: Asked, passing: Pass) -> Answer:
        is_base = asked.path.partition("?")[0].endswith(key_of(FIRST))
        if is_base and asked.method == "GET":
            return s3_liar.error(403, "InvalidObjectState", "Archived.")
        answer = passing(asked)
        is_head = is_base and asked.method == "HEAD"
        return replace(answer, headers={**answer.headers, "x-amz-storage-class": "GLACIER"}) if is_head else answer

    if isinstance(world.liar, AzureLiar):
        world.archive()
    else:
        world.liar.lies = [in_glacier]
    world.liar.asked.clear()
    sent = world.protect(SECOND, NEW, FIRST)
    assert (sent.lost, sent.moved.sent) == ((), len(NEW))
    assert not any(is_copy(asked) and FIRST in "".join(asked.headers.values()) for asked in world.liar.asked)
    assert world.holds(NEW)


def test_a_base_whose_digests_and_manifest_lie(world: World) -> None:
    """They say that it holds what the disk holds now, so that nothing would travel."""
    body = digests.encode(made(NEW, GRAIN, key_of(FIRST)))
    world.store.put(digests.key(FIRST, 0), body, crc64=crc64(body), metadata={})
    told(world.protect(SECOND, NEW, FIRST), key_of(FIRST), "damaged")
    assert world.holds(NEW)


def test_a_base_whose_manifest_says_another_checksum_is_not_used(world: World) -> None:
    read = manifest.decode(world.store.get(manifest.key(FIRST)))
    lying = replace(read, files=tuple(replace(file, crc64=file.crc64 ^ 1) for file in read.files))
    body = manifest.encode(lying)
    world.store.put(manifest.key(FIRST), body, crc64=crc64(body), metadata={})
    assert world.protect(SECOND, NEW, FIRST).moved.copied == 0
    assert world.holds(NEW)


def test_a_store_that_copies_other_bytes_since_it_was_probed(world: World) -> None:
    world.liar.lies = [azure_liar.other_bytes if isinstance(world.liar, AzureLiar) else s3_liar.other_bytes]
    told(world.protect(SECOND, NEW, FIRST), key_of(FIRST), "damaged")
    assert world.holds(NEW)


def test_a_bit_that_flips_on_its_way(world: World) -> None:
    world.liar.lies = [azure_liar.flips_a_bit if isinstance(world.liar, AzureLiar) else s3_liar.flips_a_bit]
    with pytest.raises(IntegrityError):
        world.protect(SECOND, NEW, FIRST)
    assert not world.has_second()


def test_a_wrong_part_that_a_lax_store_takes(world: World) -> None:
    is_azure = isinstance(world.liar, AzureLiar)
    world.liar.lies = [azure_liar.takes_flipped_parts if is_azure else s3_liar.takes_flipped_parts]
    with pytest.raises(IntegrityError):
        world.protect(SECOND, NEW, FIRST)
    assert not world.has_second()


# --- only S3: versions and locks, of which Azurite has none (see test_azure_worm.py) ---


@pytest.fixture(scope="module")
def only_s3(running: Liar) -> Liar:
    if isinstance(running, AzureLiar):
        pytest.skip("Azurite keeps no versions and no locks")
    return running


def test_a_base_that_is_overwritten_where_versions_are_kept_is_copied_from_as_it_was(only_s3: Liar) -> None:
    client = only_s3.peer.client
    client.create_bucket(Bucket="versioned")
    client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    world = made_in(only_s3, "versioned", "vms")
    only_s3.lies = [at_the_first_copy(lambda: world.overwrite(OLD[::-1]))]
    try:
        sent = world.protect(SECOND, NEW, FIRST)
    finally:
        only_s3.lies = []
    assert sent.lost == ()
    assert sent.moved.copied == len(NEW) - PART
    assert world.holds(NEW)


def test_a_base_that_is_locked_between_plan_and_copy_is_copied_from(only_s3: Liar) -> None:
    client = only_s3.peer.client
    client.create_bucket(Bucket="locking", ObjectLockEnabledForBucket=True)
    world = made_in(only_s3, "locking", "vms")

    def lock() -> None:
        until = datetime.now(UTC) + timedelta(days=2)
        retention = {"Mode": "COMPLIANCE", "RetainUntilDate": until}
        client.put_object_retention(Bucket="locking", Key=world.base, Retention=retention)
        client.put_object_legal_hold(Bucket="locking", Key=world.base, LegalHold={"Status": "ON"})

    only_s3.lies = [at_the_first_copy(lock)]
    try:
        sent = world.protect(SECOND, NEW, FIRST)
    finally:
        only_s3.lies = []
    assert sent.lost == ()
    assert world.store.head(key_of(FIRST)).is_held
    assert world.holds(NEW)


# --- what goes out to Azure with a copy ---


def test_each_part_goes_to_azure_with_its_checksum_and_each_range_is_copied_only_with_etag_and_checksum() -> None:
    with azure() as liar:
        world = made_in(liar, "", "vms")
        liar.asked.clear()
        world.protect(SECOND, NEW, FIRST)
        base = world.store.head(key_of(FIRST))
        copies = [asked for asked in liar.asked if azure_liar.is_copy(asked)]
        parts = [asked for asked in liar.asked if azure_liar.is_part(asked)]
    assert parts
    assert copies
    for asked in parts:
        assert asked.headers[azure_liar.CRC] == base64.b64encode(crc64(asked.body).to_bytes(8, "little")).decode()
    for asked in copies:
        first, last = (int(number) for number in asked.headers[azure_liar.RANGE].removeprefix("bytes=").split("-"))
        value = crc64(OLD[first : last + 1]).to_bytes(8, "little")
        assert asked.headers[azure_liar.SOURCE_CRC] == base64.b64encode(value).decode()
        assert asked.headers[azure_liar.IF_MATCH] == f'"{base.etag}"'


def test_a_source_whose_address_is_too_long_for_azure_is_refused_before_it_is_asked_for() -> None:
    """2 KiB, token included; then the range is sent."""
    with azure() as liar:
        store = OPENERS["azure"]("cloud", liar.peer.url("vms"), liar.options)
        key = "/".join("ä" * 40 for _ in range(9))
        info = store.put(key, b"123456789", crc64=crc64(b"123456789"), metadata={})
        upload = store.begin_upload("new", metadata={})
        liar.asked.clear()
        source = CopySource(key=key, offset=0, length=9, etag=info.etag)
        with pytest.raises(CloudyError, match=r"2 KiB.*send it"):
            store.copy_part(upload, 1, source, crc64=crc64(b"123456789"))
        assert not [asked for asked in liar.asked if azure_liar.is_copy(asked)]
