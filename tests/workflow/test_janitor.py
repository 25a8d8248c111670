"""The janitor on memory adapters: what it removes by itself, what only on request, what never."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from bot.checksum import crc64 as crc
from bot.errors import MissingError, PermanentError, TransientError
from bot.janitor import Janitor
from bot.model import Actor, Entry, State, Transaction
from bot.orphans import Fate, Kind
from tests.memory import Crash, CrashAt, MemoryShare, MemoryStore, unwatched
from tests.memory_vmstore import MemoryVMstore
from tests.workflow.house import House

DAVE = Actor(id="dave", name="dave", source="cli")
STRANGE = "20261123T142233Z-7f3k9q"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def janitor(house: House, installation: str = "test0001") -> Janitor:
    return Janitor(house.db, house.systems, house.clock, installation=installation, actor=DAVE)


def failed(house: House, call: str) -> Transaction:
    """A protect whose clean-up could not remove something, since that call was refused."""

    def refuse(told: str) -> None:
        if told.endswith(call):
            raise PermanentError("refused for now", system="vmstore")

    house.watch(refuse)
    done = house.protect()
    house.watch(lambda _call: None)
    return done


def reply(house: House, transaction: Transaction) -> str:
    with house.db.read() as unit:
        message = unit.outbox.get(f"{transaction.id}:milestone:janitor")
    return str(message.view["text"]) if message else ""


def events(house: House, transaction_id: str) -> list[str]:
    with house.db.read() as unit:
        rows = unit.audit.list(transaction_id=transaction_id, limit=1000)
    return [f"{row.body['event']}: {row.body['what']}" for row in rows if row.action == "janitor"]


def test_what_an_ended_transaction_left_is_removed_audited_and_told_in_its_thread(house: House) -> None:
    done = failed(house, "delete_snapshot")
    assert done.state is State.SUCCEEDED
    assert "cloudy orphans --remove" in done.left_behind[0]
    janitor(house).clear_ledger()
    assert house.left() == []
    assert house.read(done.id).left_behind == ()
    assert events(house, done.id) == [f"removed: snapshot {done.id} on vmstore"]
    assert reply(house, done) == (
        f"Removed later by the janitor: snapshot {done.id} on vmstore. Nothing is left behind any more."
    )
    assert house.array.open_sessions == 0


def test_a_second_round_changes_nothing(house: House) -> None:
    done = failed(house, "delete_snapshot")
    janitor(house).clear_ledger()
    before = events(house, done.id), reply(house, done)
    assert janitor(house).clear_ledger() == ()
    assert (events(house, done.id), reply(house, done)) == before


def test_nothing_is_asked_of_anybody_when_nothing_is_left(house: House) -> None:
    house.protect()
    told: list[str] = []
    house.watch(told.append)
    janitor(house).clear_ledger()
    assert told == []


def test_a_living_transaction_is_left_alone_at_every_moment(house: House) -> None:
    """The janitor and `orphans --remove` with no patience at all, at each call that the run makes."""
    busy: list[str] = []

    def meddle(call: str) -> None:
        if busy:
            return
        busy.append(call)
        sent = janitor(house)
        assert sent.clear_ledger() == ()
        if not call.startswith("s3"):  # the memory store's own lock is held there
            found = sent.look(older_than=timedelta(0))
            assert found.judged == ()
            assert found.promised == ()
        busy.clear()

    house.watch(meddle)
    done = house.protect()
    house.watch(lambda _call: None)
    assert done.state is State.SUCCEEDED
    assert house.left() == []


def test_a_killed_run_is_left_alone_until_it_has_ended(house: House) -> None:
    transaction = house.ask()
    house.dispatch()
    house.watch(CrashAt(40))
    with pytest.raises(Crash):
        house.engine.run_all()
    house.watch(lambda _call: None)
    assert janitor(house).clear_ledger() == ()
    assert janitor(house).look(older_than=timedelta(0)).judged == ()
    house.engine.run_all()
    assert house.read(transaction.id).state is State.SUCCEEDED


def test_a_system_that_is_away_waits_for_the_next_round_and_keeps_no_other_from_it(house: House) -> None:
    first = failed(house, "delete_snapshot")
    house.watch(lambda _call: None)
    calls: list[str] = []

    def away(call: str) -> None:
        calls.append(call)
        if call == "vmstore.login":
            raise TransientError("no route", system="vmstore")

    house.watch(away)
    [cleared] = janitor(house).clear_ledger()
    assert "no route" in cleared.left[0]
    assert "cloudy orphans --remove" in house.read(first.id).left_behind[0]
    house.watch(lambda _call: None)
    janitor(house).clear_ledger()
    assert house.left() == []


def test_a_clone_that_was_removed_by_hand_is_forgotten_and_its_snapshot_goes(tmp_path: Path) -> None:
    house = House(tmp_path, can_clean=False)
    done = house.protect()
    assert "rm -r" in done.left_behind[0]
    assert "cloudy orphans" not in done.left_behind[0]
    janitor(house).clear_ledger()
    assert house.read(done.id).left_behind == done.left_behind
    house.share.remove_tree(done.id)
    janitor(house).clear_ledger()
    assert house.read(done.id).left_behind == ()
    assert house.left() == []


def test_a_manifest_that_stands_after_all_makes_the_objects_a_recovery_point(house: House) -> None:
    def lost(call: str) -> None:
        manifest = next((key for key in house.targets["s3"].objects if key.endswith("manifest.json")), None)
        if manifest and call in ("s3.put done", "s3.head", "s3.get"):
            raise PermanentError("gone dark", system="s3")

    house.watch(lost)
    done = house.protect()
    house.watch(lambda _call: None)
    assert done.state is State.FAILED
    janitor(house).clear_ledger()
    assert f"{done.id}/manifest.json" in house.targets["s3"].objects
    assert any(event.startswith("kept: objects") for event in events(house, done.id))
    with house.db.read() as unit:
        assert unit.points.get(done.id, "s3") is not None
        assert unit.ledger.open() == ()


class Elsewhere(MemoryStore):
    """What a target is whose url is mistyped: another bucket, which may be there and be empty."""

    url = "memory://mistyped"


@pytest.mark.parametrize("is_bucket_there", [True, False])
def test_a_target_that_points_elsewhere_by_now_is_not_asked_whether_a_thing_is_gone(
    house: House, monkeypatch: pytest.MonkeyPatch, is_bucket_there: bool
) -> None:
    def refuse(told: str) -> None:
        if told in ("s3.complete_upload", "s3.abort_upload", "s3.delete"):
            raise PermanentError("refused for now", system="s3")

    house.watch(refuse)
    done = house.protect()
    house.watch(lambda _call: None)
    left = house.left()

    def missing(_told: str) -> None:
        raise MissingError("there is no such bucket", system="s3")

    other = Elsewhere("s3", watch=unwatched if is_bucket_there else missing)
    with monkeypatch.context() as mistyped:
        mistyped.setattr(house.systems, "target", lambda _name: other)
        [cleared] = janitor(house).clear_ledger()
    assert "was made in memory://s3, and s3 is memory://mistyped by now" in cleared.left[0]
    assert "of memory://s3/" in cleared.left[0]
    assert house.left() == left != []
    assert events(house, done.id) == []
    janitor(house).clear_ledger()
    assert house.left() == []


@pytest.mark.parametrize("can_clean", [True, False])
def test_a_clone_on_an_export_that_is_not_mounted_is_not_taken_for_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_clean: bool
) -> None:
    house = House(tmp_path, can_clean=can_clean)
    house.share.writable = False
    done = house.protect()
    house.share.writable = True
    with monkeypatch.context() as unmounted:
        unmounted.setattr(house.systems, "share", lambda _name: MemoryShare({}))
        unmounted.setattr(house.systems, "cleanup_share", lambda _name: MemoryShare({}) if can_clean else None)
        [cleared] = janitor(house).clear_ledger()
        found = janitor(house).look()
    assert "is empty: is the export /tintri mounted there?" in cleared.left[0]
    assert [system for system, _why in found.unseen] == ["vmstore"]
    assert house.share.exists(done.id)
    assert house.read(done.id).left_behind != ()
    with house.db.read() as unit:
        assert f"clone {done.id}" in {f"{each.kind} {each.name}" for each in unit.ledger.open()}


def test_a_clone_that_was_made_and_that_no_share_ever_showed_is_not_taken_for_removed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both shares are of another VMstore's export, which has files too."""
    with monkeypatch.context() as swapped:
        for name in ("share", "cleanup_share"):
            swapped.setattr(house.systems, name, lambda _name: MemoryShare({"db01/db01.vmx": b""}))
        done = house.protect()
    assert done.state is State.FAILED
    assert "was made, and neither `share` nor `cleanup_share` shows it" in done.left_behind[0]
    assert house.share.exists(done.id)
    janitor(house).clear_ledger()
    assert house.left() == []


def test_a_clone_that_a_person_removed_after_it_was_told_is_known_to_be_gone(house: House) -> None:
    house.share.writable = False
    done = house.protect()
    assert done.left_behind
    house.share.writable = True
    house.share.remove_tree(done.id)
    janitor(house).clear_ledger()
    assert house.left() == []


class Frozen(MemoryShare):
    """Looks at nothing until it thaws."""

    timeout_s = 0.05

    def __init__(self) -> None:
        super().__init__({})
        self.thaw = threading.Event()

    def exists(self, path: str) -> bool:
        self.thaw.wait()
        return super().exists(path)

    def list(self, directory: str) -> tuple[Entry, ...]:
        self.thaw.wait()
        return super().list(directory)


def test_a_share_that_hangs_does_not_hold_the_janitor(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.share.writable = False
    done = house.protect()
    frozen = Frozen()
    monkeypatch.setattr(house.systems, "share", lambda _name: frozen)
    monkeypatch.setattr(house.systems, "cleanup_share", lambda _name: frozen)
    [cleared] = janitor(house).clear_ledger()
    found = janitor(house).look()
    frozen.thaw.set()
    assert "the mount hangs" in cleared.left[0]
    assert "the mount hangs" in found.unseen[0][1]
    assert house.share.exists(done.id)


# --- what is not in the ledger ---


def strew(house: House, tid: str, installation: str) -> None:
    """What a run of another database would have left."""
    client = MemoryVMstore(house.array)
    client.login()
    taken = client.create_snapshot(
        "FS-VIM-vm01", tid, consistency="crash", note=f"Cloudy {installation}", retention_minutes=60
    )
    task = client.clone_files(taken.uuid, tid)
    while not client.task(task).is_final:
        pass
    client.logout()
    store = house.targets["s3"]
    store.put(f"{tid}/tintri/a", b"a", crc64=crc(b"a"), metadata={"cloudy-installation": installation})
    store.begin_upload(f"{tid}/tintri/b", metadata={"cloudy-installation": installation})


def fates(house: House, who: Janitor, **asked: object) -> dict[Kind, Fate]:
    house.targets["s3"].now = house.clock.now
    return {one.orphan.kind: one.fate for one in who.look(**asked).judged}  # type: ignore[arg-type]


def test_what_our_installation_left_and_no_ledger_knows_goes_when_asked_and_old_enough(house: House) -> None:
    strew(house, STRANGE, "test0001")
    sent = janitor(house)
    assert set(fates(house, sent, older_than=timedelta(days=9)).values()) == {Fate.YOUNG}
    judged = sent.look(older_than=timedelta(0)).judged
    assert {one.fate for one in judged} == {Fate.OURS}
    assert [sent.remove(one.orphan) for one in judged] == ["", "", "", ""]
    assert house.left() == []
    told = events(house, STRANGE)
    assert len([event for event in told if event.startswith("removed")]) == 4
    assert len([event for event in told if event.startswith("to be removed")]) == 4


def test_what_another_installation_left_is_shown_and_never_ours(house: House) -> None:
    strew(house, STRANGE, "other999")
    found = fates(house, janitor(house), older_than=timedelta(0))
    assert set(found) == {Kind.SNAPSHOT, Kind.CLONE, Kind.OBJECTS, Kind.UPLOAD}
    assert set(found.values()) == {Fate.FOREIGN}


def test_objects_of_a_recovery_point_whose_manifest_somebody_removed_are_told_and_stay(house: House) -> None:
    done = house.protect()
    house.clock.sleep(3 * 86_400)
    store = house.targets["s3"]
    store.now = house.clock.now
    del store.objects[f"{done.id}/manifest.json"]
    sent = janitor(house)
    (judged,) = sent.look().judged
    assert (judged.orphan.kind, judged.fate) == (Kind.OBJECTS, Fate.UNKNOWN)
    assert judged.by_hand.endswith(f"/cloudy delete {done.id}")
    sent.remove_old(timedelta(days=1))
    assert len([key for key in store.objects if key.startswith(done.id)]) > 1


def test_what_a_lost_database_left_goes_when_a_person_names_its_installation(house: House) -> None:
    strew(house, STRANGE, "other999")
    found = fates(house, janitor(house), older_than=timedelta(0), also=("other999",))
    assert set(found.values()) == {Fate.OURS}


def test_a_prefix_that_has_a_manifest_by_now_is_not_touched(house: House) -> None:
    strew(house, STRANGE, "test0001")
    sent = janitor(house)
    judged = [one for one in sent.look(older_than=timedelta(0)).judged if one.orphan.kind is Kind.OBJECTS]
    house.targets["s3"].put(f"{STRANGE}/manifest.json", b"{}", crc64=crc(b"{}"), metadata={})
    assert "recovery point" in sent.remove(judged[0].orphan)
    assert f"{STRANGE}/tintri/a" in house.targets["s3"].objects
    assert events(house, STRANGE)[-1].startswith("not removed")
    assert Kind.OBJECTS not in fates(house, sent, older_than=timedelta(0))


def test_temporary_objects_go_with_their_versions_when_they_are_ours_and_nobody_promised_them(house: House) -> None:
    store, done = house.targets["s3"], house.protect()
    mine, foreign = f".cloudy/segment/{done.id}/0/1", f".cloudy/segment/{STRANGE}/0/1"
    for key, installation in ((mine, "test0001"), (foreign, "other999")):
        store.put(key, b"x", crc64=crc(b"x"), metadata={"cloudy-installation": installation})
    store.now = house.clock.now
    upload = store.begin_upload(f".cloudy/segment/{done.id}/0/2", metadata={})
    store.begin_upload(f".cloudy/segment/{STRANGE}/0/2", metadata={})
    sent = janitor(house)
    found = {one.orphan.name: one for one in sent.look(older_than=timedelta(0)).judged}
    assert {name: one.fate for name, one in found.items()} == {
        mine: Fate.OURS,
        upload.key: Fate.OURS,
        foreign: Fate.FOREIGN,
        f".cloudy/segment/{STRANGE}/0/2": Fate.UNKNOWN,
    }
    assert found[upload.key].by_hand.startswith("abort the multipart upload")
    assert found[mine].by_hand.startswith("delete ")
    for name in (mine, upload.key):
        assert sent.remove(found[name].orphan) == ""
    assert mine not in store.objects
    assert foreign in store.objects
    assert [key for key, _ in store.uploads.values()] == [f".cloudy/segment/{STRANGE}/0/2"]


def test_look_alikes_are_not_even_listed(house: House) -> None:
    house.share.files |= {f"{STRANGE}/{STRANGE}.vmx": b"", "20261123T142233Z-abc/x": b"", f"{STRANGE}.1/x": b""}
    store = house.targets["s3"]
    for key in ("20261123T142233Z-abc/x", STRANGE, f"x/{STRANGE}/y", ".cloudy/zero"):
        store.put(key, b"x", crc64=crc(b"x"), metadata={"cloudy-installation": "test0001"})
    client = MemoryVMstore(house.array)
    client.login()
    for label, note in (("see", f"{STRANGE} Cloudy test0001"), (STRANGE, "Cloudy test0001 keep")):
        client.create_snapshot("FS-VIM-vm01", label, consistency="crash", note=note, retention_minutes=60)
    assert janitor(house).look(older_than=timedelta(0)).judged == ()


def test_a_folder_of_that_name_that_nothing_tells_of_is_shown_with_the_way_by_hand(house: House) -> None:
    house.share.files[f"{STRANGE}/notes.txt"] = b"mine"
    [one] = janitor(house).look(older_than=timedelta(0)).judged
    assert one.fate is Fate.UNKNOWN
    assert one.by_hand.startswith(f"rm -r '/tintri/{STRANGE}'")


def test_a_clone_into_which_a_vm_was_put_meanwhile_is_not_removed(house: House) -> None:
    strew(house, STRANGE, "test0001")
    sent = janitor(house)
    [clone] = [one for one in sent.look(older_than=timedelta(0)).judged if one.orphan.kind is Kind.CLONE]
    house.array.clones.clear()  # now the array takes its .vmx for a VM's
    assert "living VM" in sent.remove(clone.orphan)
    assert house.share.exists(STRANGE)


def test_a_system_that_does_not_answer_is_named_and_the_others_are_looked_at(house: House) -> None:
    strew(house, STRANGE, "test0001")

    def away(call: str) -> None:
        if call.startswith("vmstore"):
            raise TransientError("no route", system="vmstore")

    house.watch(away)
    found = janitor(house).look(older_than=timedelta(0))
    assert [system for system, _why in found.unseen] == ["vmstore"]
    assert {one.orphan.kind for one in found.judged} == {Kind.OBJECTS, Kind.UPLOAD}


def test_a_cleanup_share_of_another_export_takes_nothing_for_removed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    strew(house, STRANGE, "test0001")
    sent = janitor(house)
    [clone] = [one for one in sent.look(older_than=timedelta(0)).judged if one.orphan.kind is Kind.CLONE]
    monkeypatch.setattr(house.systems, "cleanup_share", lambda _name: MemoryShare({}))
    assert "mounted at both" in sent.remove(clone.orphan)
