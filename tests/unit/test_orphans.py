"""What carries our label, whose it is, and whether it may go: the rules alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import orphans
from bot.ids import ALPHABET, begun_at, clone_directory, transaction_id
from bot.model import Entry, ObjectInfo, ResourceKind, Snapshot, Upload
from bot.orphans import Fate, House, Kind, Orphan

ID = "20261123T142233Z-7f3k9q"
BEGUN = datetime(2026, 11, 23, 14, 22, 33, tzinfo=UTC)
LATER = BEGUN + timedelta(days=3)
OURS = House(installations=frozenset({"aaaa0000"}))

times = st.integers(0, 31_556_000_000).map(lambda s: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
ids = st.builds(transaction_id, times, st.integers(0, 2**30 - 1))
ages = st.timedeltas(timedelta(0), timedelta(days=400))
kinds = st.sampled_from(sorted(Kind))
installations = st.sampled_from(["", "aaaa0000", "bbbb1111"])


def snapshot(description: str, uuid: str = "S1") -> Snapshot:
    return Snapshot(
        uuid=uuid, vm_uuid="V1", vm_name="vm01", description=description, consistency="crash", taken_at=BEGUN
    )


def orphan(kind: Kind = Kind.SNAPSHOT, *, installation: str = "aaaa0000", made_at: datetime | None = BEGUN) -> Orphan:
    return Orphan(
        kind=kind, system="x", name=ID, transaction_id=ID, installation=installation, made_at=made_at, keys=("k",)
    )


# --- what carries our label ---


@given(ids, st.integers(1, 30))
def test_whatever_cloudy_makes_is_known_again(tid: str, attempt: int) -> None:
    assert begun_at(tid) is not None
    assert orphans.clone_of(clone_directory(tid, attempt)) == tid
    assert orphans.prefix_of(f"{tid}/tintri/x.vmdk") == tid
    [found] = orphans.of_snapshots("x", [snapshot(f"{tid} Cloudy aaaa0000")])
    assert (found.transaction_id, found.installation) == (tid, "aaaa0000")
    assert tid.startswith(orphans.IDS_BEGIN)


@given(ids, st.text(min_size=1, max_size=5))
def test_a_name_that_only_looks_alike_is_none(tid: str, more: str) -> None:
    assert orphans.clone_of(more + tid) == ""
    assert orphans.prefix_of(f"{more}{tid}/x") in ("", more.partition("/")[0])
    assert orphans.prefix_of(tid) == ""
    assert orphans.of_snapshots("x", [snapshot(f"{more}{tid} Cloudy aaaa0000")]) == ()
    assert orphans.of_snapshots("x", [snapshot(f"{tid} Cloudy aaaa0000 {more}")]) == ()


@pytest.mark.parametrize(
    "name",
    [
        "20261123T142233Z-abc", "20261123T142233Z-7f3k9u", "20261323T142233Z-7f3k9q", "20261123T252233Z-7f3k9q",
        f"{ID}.1", f"{ID}.02", f"{ID}.", f"{ID}.²", f"{ID}.vmdk", f"{ID}_1", f" {ID}", ID.upper(), "2026", "",
    ],
)  # fmt: skip
def test_look_alikes_are_no_clones_and_no_prefixes(name: str) -> None:
    assert orphans.clone_of(name) == ""
    assert orphans.of_directories("x", [Entry(path=name, is_dir=True)], ()) == ()
    assert orphans.prefix_of(f"{name}/x") in ("", ID) if name.strip() == ID else not orphans.prefix_of(f"{name}/x")


@pytest.mark.parametrize("description", [ID, f"{ID} by hand", f"see {ID} Cloudy aaaa0000", f"{ID}  Cloudy aaaa0000"])
def test_a_snapshot_whose_description_merely_contains_an_id_is_none(description: str) -> None:
    assert orphans.of_snapshots("x", [snapshot(description)]) == ()


def test_a_file_called_like_a_transaction_is_no_clone() -> None:
    assert orphans.of_directories("x", [Entry(path=ID, size=1)], ()) == ()


@pytest.mark.parametrize("key", [f"{ID}/", f"a/{ID}/x", f"{ID}", f".cloudy/{ID}/x"])
def test_only_a_key_below_the_transactions_own_prefix_counts(key: str) -> None:
    assert orphans.prefix_of(key) == ""


def test_probes_are_told_from_the_shared_helpers_beside_them() -> None:
    keys = [".cloudy/zero", ".cloudy/owner.json", ".cloudy/probe-x/whole", ".cloudy/probe-0123456789abcdef/whole"]
    found = orphans.of_probes("s3", [ObjectInfo(key=key, size=9) for key in keys], [])
    assert [(one.name, one.keys, one.size) for one in found] == [(".cloudy/probe-0123456789abcdef", (keys[3],), 9)]


def test_temporary_objects_are_told_from_what_lies_beside_them() -> None:
    good = f".cloudy/segment/{ID}/0/12"
    beside = [
        f".cloudy/segment/{ID}/0/x",
        f".cloudy/segment/{ID}/12",
        ".cloudy/segment/mine/0/1",
        f"x/{good}",
        ".cloudy/zero/8",
    ]
    objects = [ObjectInfo(key=key, size=9) for key in (good, *beside)]
    opened = [Upload(key=f".cloudy/segment/{ID}/full-0/3", upload_id="u"), Upload(key=good, upload_id="v")]
    found = orphans.of_segments("s3", objects, opened, {good: "aaaa0000"})
    assert [(one.name, one.keys, one.size, len(one.uploads), one.installation) for one in found] == [
        (good, (good,), 9, 1, "aaaa0000"),
        (f".cloudy/segment/{ID}/full-0/3", (), 0, 1, ""),
    ]
    assert {one.transaction_id for one in found} == {ID}


# --- whose it is ---


def test_a_clone_is_whose_snapshot_it_is() -> None:
    [made] = orphans.of_snapshots("x", [snapshot(f"{ID} Cloudy bbbb1111")])
    [found] = orphans.of_directories("x", [Entry(path=f"{ID}.2", is_dir=True)], [made])
    assert (found.transaction_id, found.installation) == (ID, "bbbb1111")


def test_objects_are_somebodys_only_when_all_say_so() -> None:
    objects = [ObjectInfo(key=f"{ID}/a", size=1), ObjectInfo(key=f"{ID}/b", size=2)]
    assert orphans.of_objects("s3", ID, objects, ["aaaa0000", "aaaa0000"]).installation == "aaaa0000"
    assert orphans.of_objects("s3", ID, objects, ["aaaa0000", ""]).installation == ""
    assert orphans.of_objects("s3", ID, objects, ["aaaa0000", "bbbb1111"]).installation == ""


def test_an_upload_is_whose_the_objects_beside_it_are() -> None:
    upload = Upload(key=f"{ID}/disk", upload_id="u")
    beside = orphans.of_objects("s3", ID, [ObjectInfo(key=f"{ID}/a", size=1)], ["bbbb1111"])
    [found] = orphans.of_uploads("s3", [upload], [beside], ())
    assert found.installation == "bbbb1111"


# --- whether it may go ---


@given(kinds, installations, ages, ages)
def test_nothing_of_another_installation_and_nothing_young_ever_goes(
    kind: Kind, installation: str, age: timedelta, older_than: timedelta
) -> None:
    one = orphan(kind, installation=installation, made_at=LATER - age)
    judged = orphans.fate(one, OURS, now=LATER, older_than=older_than)
    if judged is Fate.OURS:
        assert age >= older_than
        assert installation != "bbbb1111" or kind in (Kind.PROBE, Kind.SHARE_PROBE)


@given(kinds, ages)
def test_a_label_alone_never_makes_it_ours(kind: Kind, age: timedelta) -> None:
    one = orphan(kind, installation="", made_at=LATER - age)
    judged = orphans.fate(one, OURS, now=LATER, older_than=timedelta(0))
    assert judged is Fate.UNKNOWN or kind in (Kind.PROBE, Kind.SHARE_PROBE)


@given(kinds, installations)
def test_nothing_of_a_living_transaction_is_an_orphan(kind: Kind, installation: str) -> None:
    house = House(installations=frozenset({"aaaa0000"}), living=frozenset({ID}), known=frozenset({ID}))
    assert not orphans.is_orphan(orphan(kind, installation=installation), house)


def test_a_clone_that_the_ledger_once_held_is_ours_and_one_that_it_never_held_is_not() -> None:
    house = House(installations=frozenset({"aaaa0000"}), known=frozenset({ID}), made=frozenset({("x", ID)}))
    one = orphan(Kind.CLONE, installation="", made_at=None)
    assert orphans.fate(one, house, now=LATER) is Fate.OURS
    assert orphans.fate(one, House(installations=house.installations, known=house.known), now=LATER) is Fate.UNKNOWN


def test_another_installations_word_counts_more_than_our_ledger() -> None:
    house = House(installations=frozenset({"aaaa0000"}), known=frozenset({ID}), made=frozenset({("x", ID)}))
    assert orphans.fate(orphan(Kind.CLONE, installation="bbbb1111"), house, now=LATER) is Fate.FOREIGN


def test_an_upload_of_a_transaction_of_this_database_is_ours() -> None:
    house = House(installations=frozenset({"aaaa0000"}), known=frozenset({ID}))
    assert orphans.fate(orphan(Kind.UPLOAD, installation=""), house, now=LATER) is Fate.OURS


def test_what_lies_beside_a_manifest_is_never_ours_to_remove() -> None:
    upload = Upload(key=f"{ID}/disk", upload_id="u")
    [one] = orphans.of_uploads("s3", [upload], [], {ID})
    house = House(installations=frozenset({"aaaa0000"}), known=frozenset({ID}))
    assert orphans.fate(one, house, now=LATER) is Fate.UNKNOWN


def test_a_vms_folder_called_like_a_transaction_is_no_orphan() -> None:
    house = House(installations=frozenset({"aaaa0000"}), used=frozenset({("x", ID)}))
    assert not orphans.is_orphan(orphan(Kind.CLONE), house)
    assert orphans.is_orphan(orphan(Kind.SNAPSHOT), house)


def test_what_the_ledger_promises_is_left_to_the_janitor() -> None:
    house = House(installations=frozenset({"aaaa0000"}), promised=frozenset({(ResourceKind.SNAPSHOT, "x", ID)}))
    assert not orphans.is_orphan(orphan(Kind.SNAPSHOT), house)
    assert orphans.is_orphan(orphan(Kind.CLONE), house)


def test_a_probe_is_left_alone_for_an_hour_whatever_is_asked() -> None:
    one = Orphan(kind=Kind.PROBE, system="s3", name=".cloudy/probe-1", made_at=LATER - timedelta(minutes=59))
    assert orphans.fate(one, OURS, now=LATER, older_than=timedelta(0)) is Fate.YOUNG


@given(times, st.integers(0, 2**64 - 1))
def test_a_directory_that_a_killed_doctor_left_is_known_with_its_time(at: datetime, entropy: int) -> None:
    name = orphans.share_probe(at, entropy)
    [one] = orphans.of_directories("x", [Entry(path=name, is_dir=True), Entry(path=f"{name}-", is_dir=True)], ())
    assert (one.kind, one.name, one.made_at) == (Kind.SHARE_PROBE, name, at)


def test_of_what_nothing_tells_the_age_it_is_too_young() -> None:
    one = Orphan(kind=Kind.SHARE_PROBE, system="x", name=".cloudy-doctor-1")
    assert orphans.fate(one, OURS, now=LATER) is Fate.YOUNG


def test_the_alphabet_of_ids_is_what_it_was() -> None:
    assert not set("ilou") & set(ALPHABET)


def test_files_of_a_restore_are_ours_only_if_this_database_made_them() -> None:
    name = f".cloudy-{ID}"
    entries = [Entry(path=name, is_dir=True), Entry(path=f"{name}x", is_dir=True), Entry(path=f"{name}", size=1)]
    [one] = orphans.of_directories("x", entries, ())
    assert (one.kind, one.name, one.transaction_id) == (Kind.FOLDER, name, ID)
    assert orphans.fate(one, OURS, now=LATER) is Fate.UNKNOWN
    made = replace(OURS, made=frozenset({("x", name)}))
    assert orphans.fate(one, made, now=LATER) is Fate.OURS
    assert orphans.fate(one, made, now=BEGUN) is Fate.YOUNG
    assert not orphans.is_orphan(one, replace(made, promised=frozenset({(ResourceKind.FOLDER, "x", name)})))
    assert not orphans.is_orphan(one, replace(made, living=frozenset({ID})))
