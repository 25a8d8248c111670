"""Beside each kind of thing that the janitor may remove lie some that only look like it: none of these is touched."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import manifest
from bot.checksum import crc64
from bot.ids import drill_name
from bot.janitor import Janitor, Judged
from bot.model import Actor, Registered, Resource, ResourceKind, State
from bot.orphans import Fate, Kind
from bot.sweeper import Sweeper
from tests.memory_hypervisor import Machine
from tests.memory_vmstore import MemoryVMstore
from tests.workflow.test_restore import protected_with_host

DAVE = Actor(id="dave", name="dave", source="cli")
OURS = "20251123T142233Z-7f3k9q"  # of this installation
THEIRS = "20251124T142233Z-7f3k9q"  # of another one
NOBODYS = "20251125T142233Z-7f3k9q"  # nothing tells whose
NEWER = "20251126T142233Z-7f3k9q"  # of a format that this Cloudy does not read
MINE, OTHER = {"cloudy-installation": "test0001"}, {"cloudy-installation": "other999"}


class World:
    """A house with a recovery point, and all that was left there, by whom ever."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.house, self.host = protected_with_host(folder)
        (self.point,) = {key.split("/")[0] for key in self.house.targets["s3"].objects if not key.startswith(".")}
        self._strew_objects()
        self._strew_files()
        self._strew_snapshots()
        self._strew_vms(patch)
        self.house.targets["s3"].now = lambda: datetime(2026, 11, 20, tzinfo=UTC)

    def _put(self, key: str, told: Mapping[str, str], body: bytes = b"x") -> None:
        self.house.targets["s3"].put(key, body, crc64=crc64(body), metadata=told)

    def _strew_objects(self) -> None:
        for label, told in ((OURS, MINE), (THEIRS, OTHER), (NOBODYS, {})):
            self._put(f"{label}/tintri/vm01/vm01.vmx", told)
        self._put(f"{OURS}x/tintri/vm01.vmx", MINE)  # no transaction's
        self._put(f"archive/{OURS}/tintri/vm01.vmx", MINE)
        self._put(f"{self.point}/notes.txt", MINE)  # beside a manifest that does not name it
        self._put(f"{NEWER}/tintri/vm01/vm01.vmx", MINE)
        self._put(manifest.key(NEWER), MINE, b'{"format": 99}')
        self._put(".cloudy/zero", {})
        self._put(f".cloudy/segments/{OURS}/0/1", MINE)  # segment, not segments

    def _strew_files(self) -> None:
        files = self.house.share.files
        for label in (OURS, THEIRS, NOBODYS):
            files[f".cloudy-{label}/vm01.vmx.part"] = b"half"
        files |= {f".cloudy-{OURS}-old/x": b"", ".cloudy-notes/x": b"", "vm02/vm02-flat.vmdk.part": b"a person's"}

    def _strew_snapshots(self) -> None:
        client = MemoryVMstore(self.house.array)
        client.login()
        for label, note in ((OURS, "Cloudy test0001"), (THEIRS, "Cloudy other999"), (OURS, "Cloudy test0001 keep it")):
            client.create_snapshot("FS-VIM-vm01", label, consistency="crash", note=note, retention_minutes=60)

    def _strew_vms(self, patch: pytest.MonkeyPatch) -> None:
        """Two say by their label that a drill registered them, one of them this installation's; three do not."""
        (vm,) = (each for each in self.house.array.vms().values() if each.name == "vm01")
        named = {
            drill_name(OURS): OURS,
            drill_name(THEIRS): THEIRS,
            drill_name(NOBODYS): "",  # made by hand
            "cloudy-drill-vm01": "",
            "vm01-restored": NEWER,  # a VM that was restored has its label, and is somebody's work
        }
        for name, label in named.items():
            told = Registered(id=name, name=name, label=label, is_on=True)
            self.host.machines[name] = Machine(
                told=told, shape=next(iter(self.host.machines.values())).shape, identity=name
            )
        vms = {vm.uuid: vm} | {name: replace(vm, uuid=name, name=name, subdir=name) for name in named}
        patch.setattr(self.house.array, "vms", lambda: vms)
        with self.house.db.unit() as unit:  # this database has promised these once, and took them for gone
            past = replace(unit.transactions.get(self.point), id=OURS, request_key="past", state=State.FAILED)
            unit.transactions.insert(past)
            for kind, name in ((ResourceKind.REGISTRATION, OURS), (ResourceKind.FOLDER, f".cloudy-{OURS}")):
                unit.ledger.register(Resource(transaction_id=OURS, kind=kind, system="vmstore", name=name))
                unit.ledger.release(OURS, kind, "vmstore", name)

    def everything(self) -> set[str]:
        client = MemoryVMstore(self.house.array)
        client.login()
        return {
            *self.house.share.files,
            *self.house.targets["s3"].objects,
            *(f"snapshot {one.description}" for one in client.list_snapshots("Cloudy")),
            *(f"VM {name}" for name in self.host.machines),
        }


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def janitor(world: World) -> Janitor:
    return Janitor(world.house.db, world.house.systems, world.house.clock, installation="test0001", actor=DAVE)


def by_fate(judged: tuple[Judged, ...]) -> dict[Fate, set[tuple[Kind, str]]]:
    found: dict[Fate, set[tuple[Kind, str]]] = {}
    for one in judged:
        found.setdefault(one.fate, set()).add((one.orphan.kind, one.orphan.name))
    return found


def test_only_what_is_ours_goes_and_each_look_alike_stays(world: World) -> None:
    before = world.everything()
    sent = janitor(world)
    judged = sent.look(older_than=timedelta(0)).judged
    assert by_fate(judged) == {
        Fate.OURS: {
            (Kind.OBJECTS, OURS),
            (Kind.FOLDER, f".cloudy-{OURS}"),
            (Kind.REGISTRATION, drill_name(OURS)),
            (Kind.SNAPSHOT, OURS),
        },
        Fate.FOREIGN: {(Kind.OBJECTS, THEIRS), (Kind.SNAPSHOT, THEIRS)},
        Fate.UNKNOWN: {
            (Kind.OBJECTS, NOBODYS),
            (Kind.STRAY, f"{world.point}/notes.txt"),
            (Kind.FOLDER, f".cloudy-{THEIRS}"),
            (Kind.FOLDER, f".cloudy-{NOBODYS}"),
            (Kind.REGISTRATION, drill_name(THEIRS)),
        },
    }
    assert [sent.remove(one.orphan) for one in judged if one.fate is Fate.OURS] == ["", "", "", ""]
    assert before - world.everything() == {
        f"{OURS}/tintri/vm01/vm01.vmx",
        f".cloudy-{OURS}/vm01.vmx.part",
        f"snapshot {OURS} Cloudy test0001",
        f"VM {drill_name(OURS)}",
    }
    assert world.everything() <= before


def test_by_itself_it_goes_only_where_the_configuration_says_so_and_then_only_what_is_ours(world: World) -> None:
    db, clock, before, sent = world.house.db, world.house.clock, world.everything(), janitor(world)
    clock.sleep(timedelta(days=3).total_seconds())
    Sweeper(db, clock, sent).remove_old()
    assert world.everything() == before
    Sweeper(db, clock, sent, remove_after=timedelta(minutes=1)).remove_old()  # taken for a day
    assert before - world.everything() == {
        f"{OURS}/tintri/vm01/vm01.vmx",
        f".cloudy-{OURS}/vm01.vmx.part",
        f"snapshot {OURS} Cloudy test0001",
        f"VM {drill_name(OURS)}",
    }


def test_everything_is_told_with_a_way_by_hand(world: World) -> None:
    judged = janitor(world).look(older_than=timedelta(0)).judged
    assert all(one.by_hand for one in judged)
    (stray,) = (one for one in judged if one.orphan.kind is Kind.STRAY)
    assert stray.by_hand == f"delete memory://s3/{world.point}/notes.txt with any tool for that store"


def test_nothing_young_goes(world: World) -> None:
    judged = janitor(world).look(older_than=timedelta(days=9999)).judged
    assert Fate.OURS not in by_fate(judged)


def test_a_drills_vm_that_was_given_another_name_since_it_was_found_stays(world: World) -> None:
    sent = janitor(world)
    (found,) = (
        one
        for one in sent.look(older_than=timedelta(0)).judged
        if one.orphan.kind is Kind.REGISTRATION and one.fate is Fate.OURS
    )
    machine = world.host.machines[drill_name(OURS)]
    machine.told = replace(machine.told, name="kept-for-good")
    assert "is called kept-for-good by now" in sent.remove(found.orphan)
    assert drill_name(OURS) in world.host.machines


def test_objects_that_a_lock_keeps_are_told_with_its_date_and_the_rest_goes(world: World) -> None:
    store = world.house.targets["s3"]
    for name in ("a", "b"):
        store.put(f"{OURS}/{name}", b"x", crc64=crc64(b"x"), metadata=MINE)
    store.locked[f"{OURS}/a"] = datetime(2027, 1, 1, tzinfo=UTC)
    sent = janitor(world)
    (found,) = (
        one
        for one in sent.look(older_than=timedelta(0)).judged
        if (one.orphan.kind, one.orphan.name) == (Kind.OBJECTS, OURS)
    )
    assert "locked until 2027-01-01" in sent.remove(found.orphan)
    assert [key for key in store.objects if key.startswith(f"{OURS}/")] == [f"{OURS}/a"]
