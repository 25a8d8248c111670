"""The manifest: what is written is read again, and what is not right is refused."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import manifest
from bot.errors import IntegrityError, OperatorError
from bot.manifest import Manifest, ProtectedVm, Skipped, decode, encode
from bot.model import Actor, Disk, Nic, StoredFile, VmShape

TID = "20261123T142233Z-7f3k9q"
TAKEN = datetime(2026, 11, 23, 14, 22, 40, 123456, tzinfo=UTC)


def a_file(name: str = "vm01/vm01-flat.vmdk", **changes: Any) -> StoredFile:
    path = f"/tintri/{TID}/{name}"
    given = {"path": path, "name": name, "key": TID + path, "size": 1 << 30, "crc64": 0xAE8B14860A799888, "etag": "e-1"}
    return StoredFile(**{**given, **changes})


def a_manifest(**changes: Any) -> Manifest:
    given: dict[str, Any] = {
        "transaction_id": TID,
        "created_at": TAKEN + timedelta(minutes=3),
        "taken_at": TAKEN,
        "installation": "cloudy-1",
        "requester": Actor(id="U1", name="alice", source="slack"),
        "consistency": "crash",
        "note": "before the upgrade",
        "keep_for": "P30D",
        "vm": ProtectedVm(
            uuid="uuid-1",
            name="vm01",
            vmstore="vmstore",
            hypervisor="VMWARE",
            disks=(Disk(uuid="d-1", name="scsi0:0", path="vm01/vm01.vmdk"),),
        ),
        "snapshot_uuid": "snap-1",
        "target": "s3://bucket/vms",
        "files": (a_file(), a_file("vm01/vm01.vmx", size=2000, crc64=7)),
        "skipped": (Skipped(name="vm01/vm01.vswp", reason="swap is made anew"),),
        "cloudy": "0.1.0",
    }
    return Manifest(**{**given, **changes})


texts = st.text(max_size=20)
names = st.lists(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
        lambda part: part not in (".", "..")
    ),
    min_size=1,
    max_size=4,
).map("/".join)
times = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))]),
)
shapes = st.builds(
    VmShape,
    kind=st.sampled_from(["vsphere", "libvirt", "hyperv", ""]),
    cpus=st.integers(0, 512),
    memory_mib=st.integers(0, 2**30),
    firmware=st.sampled_from(["bios", "efi", ""]),
    nics=st.lists(st.builds(Nic, mac=texts, network=texts, model=texts), max_size=3).map(tuple),
    disks=st.lists(names, max_size=3).map(tuple),
    guest=texts,
    definition=st.text(max_size=200),
)
files = st.builds(a_file, names, size=st.integers(0, 2**60), crc64=st.integers(0, 2**64 - 1), etag=texts)
manifests = st.builds(
    a_manifest,
    created_at=times,
    taken_at=times,
    requester=st.builds(Actor, id=texts, name=texts, source=texts),
    vm=st.builds(
        ProtectedVm,
        uuid=texts,
        name=texts,
        vmstore=texts,
        hypervisor=texts,
        disks=st.lists(st.builds(Disk, uuid=texts, name=texts, path=texts), max_size=3).map(tuple),
        shape=st.none() | shapes,
    ),
    files=st.lists(files, max_size=4, unique_by=lambda file: file.key).map(tuple),
    skipped=st.lists(st.builds(Skipped, name=texts, reason=texts), max_size=3).map(tuple),
    target=texts,
    note=texts,
    keep_for=st.sampled_from(["", "P30D", "forever"]),
)


@given(manifests)
def test_what_is_written_is_read_again(made: Manifest) -> None:
    assert decode(encode(made)) == made
    assert encode(decode(encode(made))) == encode(made)


def test_it_is_readable_json_with_the_crc_in_hex() -> None:
    document = json.loads(encode(a_manifest()))
    assert document["format"] == 1
    assert document["taken_at"] == "2026-11-23T14:22:40.123456Z"
    assert document["files"][0] == {
        "path": f"/tintri/{TID}/vm01/vm01-flat.vmdk",
        "name": "vm01/vm01-flat.vmdk",
        "key": f"{TID}/tintri/{TID}/vm01/vm01-flat.vmdk",
        "size": 1073741824,
        "crc64": "ae8b14860a799888",
        "etag": "e-1",
        "digests": "",
    }
    assert a_manifest().size == (1 << 30) + 2000


def test_it_lies_beside_the_files() -> None:
    assert manifest.key(TID) == f"{TID}/manifest.json"


def changed(*path: Any, to: Any) -> bytes:
    document = json.loads(encode(a_manifest()))
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return json.dumps(document).encode()


def test_fields_of_a_later_version_are_ignored() -> None:
    assert decode(changed("blocks", to={"grain": 8})) == a_manifest()


def test_a_manifest_from_before_notes_is_as_good() -> None:
    document = json.loads(encode(a_manifest()))
    del document["note"], document["keep_for"]
    assert decode(json.dumps(document).encode()) == a_manifest(note="", keep_for="")


def a_shape(**changes: Any) -> VmShape:
    given: dict[str, Any] = {
        "kind": "libvirt",
        "cpus": 2,
        "memory_mib": 2048,
        "firmware": "efi",
        "nics": (Nic(mac="52:54:00:00:00:01", network="default", model="virtio"),),
        "disks": ("kvm01/kvm01.qcow2",),
        "guest": "debian12",
        "definition": "<domain/>",
    }
    return VmShape(**{**given, **changes})


def with_shape(shape: VmShape | None) -> Manifest:
    return a_manifest(vm=replace(a_manifest().vm, shape=shape))


def test_a_manifest_without_a_shape_does_not_speak_of_one() -> None:
    assert "shape" not in json.loads(encode(a_manifest()))["vm"]
    assert json.loads(encode(with_shape(a_shape())))["vm"]["shape"]["disks"] == ["kvm01/kvm01.qcow2"]


@pytest.mark.parametrize(
    ("field", "to"),
    [
        ("kind", "xen"),
        ("kind", None),
        ("cpus", "2"),
        ("cpus", -1),
        ("cpus", True),
        ("memory_mib", 1.5),
        ("firmware", "coreboot"),
        ("nics", [{"mac": "52:54:00:00:00:01"}]),
        ("nics", ["default"]),
        ("disks", ["../../etc/shadow"]),
        ("disks", ["/etc/shadow"]),
        ("disks", [1]),
        ("disks", "kvm01.qcow2"),
        ("definition", 7),
        ("definition", "x" * ((1 << 20) + 1)),
    ],
)
def test_a_shape_that_is_there_must_be_right(field: str, to: Any) -> None:
    document = json.loads(encode(with_shape(a_shape())))
    document["vm"]["shape"][field] = to
    with pytest.raises(IntegrityError):
        decode(json.dumps(document).encode())


@pytest.mark.parametrize("field", ["kind", "cpus", "memory_mib", "firmware", "nics", "disks", "guest", "definition"])
def test_a_shape_must_be_whole(field: str) -> None:
    document = json.loads(encode(with_shape(a_shape())))
    del document["vm"]["shape"][field]
    with pytest.raises(IntegrityError, match=field):
        decode(json.dumps(document).encode())


def test_a_shape_that_could_not_be_read_again_is_not_written() -> None:
    for wrong in (a_shape(disks=("../x",)), a_shape(kind="xen"), a_shape(definition="x" * ((1 << 20) + 1))):
        with pytest.raises(IntegrityError):
            encode(with_shape(wrong))


def test_another_format_says_what_to_do() -> None:
    with pytest.raises(OperatorError, match=r"format 2.*Upgrade Cloudy"):
        decode(changed("format", to=2))


@pytest.mark.parametrize(
    "content",
    [
        changed("files", 0, "key", to=f"{TID}/../other/disk"),
        changed("files", 0, "key", to="other/disk"),
        changed("files", 0, "key", to=f"/{TID}/disk"),
        changed("files", 0, "key", to=f"{TID}//disk"),
        changed("files", 0, "key", to=f"{TID}/./disk"),
        changed("files", 0, "key", to=f"{TID}/a\0b"),
        changed("files", 0, "key", to=f"{TID}x/disk"),
        changed("files", 0, "key", to=f"{TID}/manifest.json"),
        changed("files", 0, "key", to=a_file("vm01/vm01.vmx").key),
        changed("files", 0, "name", to="../../etc/passwd"),
        changed("files", 0, "name", to="/etc/passwd"),
        changed("files", 0, "path", to="/tintri/../etc"),
        changed("files", 0, "size", to=-1),
        changed("files", 0, "size", to=True),
        changed("files", 0, "size", to=1.0),
        changed("files", 0, "size", to="1"),
        changed("files", 0, "crc64", to="AE8B14860A799888"),
        changed("files", 0, "crc64", to=12),
        changed("files", 0, to="disk"),
        changed("files", to={}),
        changed("vm", to=[]),
        changed("vm", "name", to=None),
        changed("taken_at", to="yesterday"),
        changed("taken_at", to="2026-11-23T14:22:40"),
        changed("transaction_id", to=".."),
        changed("transaction_id", to="a/b"),
        changed("format", to=True),
        changed("format", to="1"),
        b"",
        b"[]",
        b"null",
        b"\xff",
        b'{"format": 1}',
        b'{"format": 1, "format": 1}',
        b"[" * 100_000,
        b'{"format": ' + b"1" * 5000 + b"}",
        encode(a_manifest())[:-20],
    ],
)
def test_what_is_damaged_or_climbs_out_is_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode(content)


@pytest.mark.parametrize(
    "made",
    [
        a_manifest(files=(a_file(), a_file())),
        a_manifest(files=(a_file(key="elsewhere/disk"),)),
        a_manifest(files=(a_file(size=-1),)),
        a_manifest(files=(a_file(crc64=1 << 64),)),
        a_manifest(created_at=datetime(2026, 1, 1)),  # noqa: DTZ001 - this is the mistake
        a_manifest(target="\ud800"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(made: Manifest) -> None:
    with pytest.raises(IntegrityError):
        encode(made)
