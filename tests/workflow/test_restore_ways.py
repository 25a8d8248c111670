"""Which way a restore takes, and why; the clone of a snapshot that the VMstore still has."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import UsageError
from bot.janitor import Janitor
from bot.model import State, Transaction
from tests.memory import Crash, CrashAt
from tests.memory_hypervisor import Host
from tests.workflow.house import House
from tests.workflow.test_restore import KEPT, asked, files_in, known, left, notice, restored, view, with_host
from tests.workflow.test_restore_over import Template


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return Template(tmp_path_factory.mktemp("ways") / "template")


def keeping(folder: Path, newest: int = 1) -> tuple[House, Host]:
    """A house whose VMstore keeps the snapshots of protections."""
    house = House(folder)
    house.systems.kept_snapshots = newest
    host = with_host(house)
    assert house.protect().state is State.SUCCEEDED
    return house, host


def janitor(house: House) -> Janitor:
    return Janitor(house.db, house.systems, house.clock, installation="test0001")


def heads(house: House, transaction: Transaction) -> dict[str, str]:
    return dict(view(house, transaction, "root")["facts"])


def snapshots(house: House) -> list[str]:
    return [snapshot.description.split()[0] for snapshot, _ in house.array.snapshots.values()]


# --- what stays on the VMstore ---


def test_without_a_setting_no_snapshot_stays(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.protect()
    assert house.left() == []


def test_the_newest_snapshot_stays_and_the_janitor_removes_the_one_before(tmp_path: Path) -> None:
    house, _host = keeping(tmp_path)
    (first,) = snapshots(house)
    with house.db.read() as unit:
        assert unit.ledger.open() == ()
    house.clock.sleep(3600)
    second = house.protect(key="2")
    assert dict(view(house, second, "receipt")["facts"])["Kept"] == f"snapshot {second.id} on vmstore"
    janitor(house).clear_ledger()
    assert first != second.id
    assert snapshots(house) == [second.id]


def test_a_protection_that_fails_leaves_the_snapshot_of_the_one_before(tmp_path: Path) -> None:
    house, _host = keeping(tmp_path)
    before = snapshots(house)
    house.array.fails_clones = "no room"
    assert house.protect(key="2").state is State.FAILED
    janitor(house).clear_ledger()
    assert snapshots(house) == before


def test_what_stays_is_no_orphan_until_the_setting_is_gone(tmp_path: Path) -> None:
    house, _host = keeping(tmp_path)
    house.clock.sleep(timedelta(days=3).total_seconds())
    assert janitor(house).look().judged == ()
    house.systems.kept_snapshots = 0
    house.protect(key="2")
    janitor(house).clear_ledger()
    assert snapshots(house) == []


# --- the choice ---


def test_the_snapshot_is_cloned_where_it_is_still_there_and_that_is_said_with_the_reason(
    template: Template, tmp_path: Path
) -> None:
    house, host = template.house(tmp_path.name, "snapshot")
    house.share.files["vm01/vm01-flat.vmdk"] = b"changed since"
    before = len(house.targets["s3"].objects)
    done = restored(house)
    assert done.state is State.SUCCEEDED, done.failure
    assert files_in(house, "vm01-restored") == KEPT
    assert [(each.name, each.is_on) for each in known(host, "vm01-restored")] == [("vm01-restored", False)]
    assert done.bytes.read == 0
    assert left(house) == []
    assert [path for path in house.share.files if path.startswith(done.id)] == []
    assert len(snapshots(house)) == 1
    assert heads(house, done)["Way"] == (
        "a clone of its snapshot, since vmstore still has the snapshot of this recovery point, so nothing is fetched"
    )
    facts = dict(view(house, done, "receipt")["facts"])
    assert facts["Read from"] == "its snapshot on vmstore"
    assert "Moved" not in facts
    assert facts["Proof"] == "4 files whole, 4 read back"
    assert len(house.targets["s3"].objects) == before


@pytest.mark.parametrize(
    ("asked_for", "why"),
    [
        ({"target": "s3"}, "since “from s3” was asked for"),
        ({"via": "target"}, "since “via target” was asked for"),
    ],
)
def test_it_is_fetched_where_that_was_asked_for(
    template: Template, tmp_path: Path, asked_for: dict[str, str], why: str
) -> None:
    house, _host = template.house(tmp_path.name, "snapshot")
    done = restored(house, **asked_for)
    assert done.state is State.SUCCEEDED
    assert heads(house, done)["Way"] == f"fetched from s3, {why}"


def test_it_is_fetched_where_the_snapshot_is_gone(template: Template, tmp_path: Path) -> None:
    house, _host = template.house(tmp_path.name, "snapshot")
    house.array.snapshots.clear()
    done = restored(house)
    assert done.state is State.SUCCEEDED
    assert "since vmstore does not have the snapshot of this recovery point any more" in heads(house, done)["Way"]


def test_via_the_snapshot_is_refused_where_it_is_gone(template: Template, tmp_path: Path) -> None:
    house, _host = template.house(tmp_path.name, "snapshot")
    house.array.snapshots.clear()
    done = restored(house, via="snapshot")
    assert done.state is State.REFUSED
    assert "cannot be via the snapshot: vmstore does not have" in notice(house, done)


def test_a_snapshot_of_another_uuid_is_not_taken_for_it(template: Template, tmp_path: Path) -> None:
    house, _host = template.house(tmp_path.name, "snapshot")
    ((snapshot, files),) = house.array.snapshots.values()
    house.array.snapshots = {"FS-SST-99": (replace(snapshot, uuid="FS-SST-99"), files)}
    assert restored(house).plan["way"] == "target"


def test_the_snapshot_does_though_the_targets_objects_are_gone(template: Template, tmp_path: Path) -> None:
    house, _host = template.house(tmp_path.name, "snapshot")
    store = house.targets["s3"]
    for key in [key for key in store.objects if not key.endswith("manifest.json")]:
        del store.objects[key]
    assert restored(house).state is State.SUCCEEDED
    assert files_in(house, "vm01-restored") == KEPT


def test_a_snapshot_that_goes_between_the_plan_and_the_run_ends_it_with_words(
    template: Template, tmp_path: Path
) -> None:
    house, _host = template.house(tmp_path.name, "snapshot")
    transaction = asked(house)
    house.dispatch()
    house.array.snapshots.clear()
    house.engine.run_all()
    done = house.read(transaction.id)
    assert done.state is State.FAILED
    assert done.failure is not None
    assert "the restore then comes from a target" in done.failure.what
    assert left(house) == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"via": "snapshot", "target": "s3"}, "fetches nothing from a target"),
        ({"via": "moon"}, "no way"),
        ({"is_off_allowed": True}, "belong to “over original”"),
        ({"confirmed": "vm01"}, "belong to “over original”"),
        ({"is_over_original": True, "name": "x", "confirmed": "vm01"}, "keeps its name"),
        ({"is_over_original": True}, "type its name"),
    ],
)
def test_what_contradicts_itself_is_refused_at_once(
    template: Template, tmp_path: Path, more: dict[str, object], words: str
) -> None:
    house, _host = template.house(tmp_path.name, "snapshot")
    with pytest.raises(UsageError, match=words):
        asked(house, **more)  # type: ignore[arg-type]


# --- whole or none ---


def test_a_death_at_some_calls_of_a_clone_ends_with_one_whole_vm(template: Template, tmp_path: Path) -> None:
    deaths(template, tmp_path.name, step=9)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_death_at_any_call_of_a_clone_ends_with_one_whole_vm(template: Template, tmp_path: Path) -> None:
    deaths(template, tmp_path.name, step=1)


def deaths(template: Template, name: str, step: int) -> None:
    nth, is_over = 0, False
    while not is_over:
        house, host = template.house(f"{name}-{nth}", "snapshot")
        transaction = asked(house)
        house.dispatch()
        house.watch(CrashAt(nth))
        where = f"call {nth}"
        try:
            house.engine.run_all()
            is_over = True
        except Crash as death:
            where = f"died at call {nth}, {death}"
        house.watch(lambda _call: None)
        house.engine.run_all()
        done = house.read(transaction.id)
        assert done.state is State.SUCCEEDED, (where, done.failure)
        assert files_in(house, "vm01-restored") == KEPT, where
        assert len(known(host, "vm01-restored")) == 1, where
        assert left(house) == [], where
        assert len(snapshots(house)) == 1, where
        house.db.close()
        nth += step
    assert nth > 30
