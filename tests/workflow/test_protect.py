"""The protect workflow on memory adapters: the good day, Stop, failures, joins; what is told and what is left."""

import json
import struct
import tomllib
from pathlib import Path

import pytest

from bot.actions import vmstore as actions
from bot.errors import PermanentError, RequesterError, TransientError
from bot.model import Json, State, StepState
from bot.workflow import load, thaw
from tests.memory import Crash, MemoryShare
from tests.workflow.house import ALICE, DISK, VM01, House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def views(house: House, transaction_id: str) -> dict[str, Json]:
    names = ("root", "plan", "receipt", "notice", "milestone:stop", "milestone:snapshot", "milestone:verify")
    with house.db.read() as unit:
        found = {name: unit.outbox.get(f"{transaction_id}:{name}") for name in names}
    return {name: message.view for name, message in found.items() if message}


def test_a_protected_vm_lies_whole_in_the_target_and_nothing_else_is_left(house: House) -> None:
    done = house.protect()
    assert done.state is State.SUCCEEDED
    objects = house.targets["s3"].objects
    under = f"{done.id}/tintri/{done.id}/"
    taken = {path: content for path, content in VM01.items() if not path.endswith(".vswp")}
    assert {key.removeprefix(under): objects[key] for key in objects if not key.endswith("manifest.json")} == taken
    manifest = json.loads(objects[f"{done.id}/manifest.json"])
    assert {file["key"] for file in manifest["files"]} == {under + path for path in taken}
    assert manifest["skipped"][0]["name"] == "vm01-1234.vswp"
    assert house.left() == []
    assert house.array.open_sessions == 0
    assert house.share.open_readers == 0


def test_what_changes_on_the_vm_after_the_snapshot_is_not_in_the_recovery_point(house: House) -> None:
    def change(call: str) -> None:
        if call == "vmstore.create_snapshot done":
            house.share.files["vm01/vm01-flat.vmdk"] = b"x" * len(DISK)

    house.watch(change)
    done = house.protect()
    key = f"{done.id}/tintri/{done.id}/vm01/vm01-flat.vmdk"
    assert house.targets["s3"].objects[key] == DISK


def test_the_thread_tells_ten_tasks_and_the_receipt(house: House) -> None:
    done = house.protect()
    told = views(house, done.id)
    assert [task["state"] for task in told["plan"]["tasks"]] == ["complete"] * 10
    assert told["receipt"]["headline"] == "vm01 is protected in s3"
    assert told["receipt"]["left_behind"] == []
    assert told["root"]["buttons"] == ["details"]
    assert told["milestone:verify"]["transaction"] == done.id


def test_a_step_removed_from_the_file_is_not_run_and_a_swapped_one_runs_where_it_stands(house: House) -> None:
    document = tomllib.loads(load("protect"))
    ids = [step["id"] for step in document["step"]]
    document["step"] = [step for step in document["step"] if step["id"] != "check"]
    steps = document["step"]
    last, before = ids.index("disconnect") - 1, ids.index("cleanup") - 1
    steps[last], steps[before] = steps[before], steps[last]
    house.workflow = lambda name: thaw(document).freeze()
    done = house.protect()
    with house.db.read() as unit:
        ran = [row.body["step"] for row in unit.audit.list(transaction_id=done.id) if row.body.get("event") == "begun"]
    assert done.state is State.SUCCEEDED
    assert ran == ["connect", "find", "snapshot", "clone", "open", "upload", "verify", "disconnect", "cleanup"]


def test_editing_the_file_does_not_change_a_run_that_is_planned(house: House) -> None:
    transaction = house.ask()
    house.dispatch()
    house.workflow = lambda name: {"format": 1, "name": "protect", "title": "", "step": []}
    house.engine.run_all()
    assert house.read(transaction.id).state is State.SUCCEEDED


@pytest.mark.parametrize("call", ["create_snapshot", "task", "read_into", "put_part", "head"])
def test_stop_in_any_step_before_the_manifest_leaves_nothing_behind(house: House, call: str) -> None:
    asked: list[str] = []

    def stop(told: str) -> None:
        if told.split(".")[-1] == call and not asked:
            asked.append(told)
            house.clock.sleep(1.0)
            house.service.stop("last", ALICE, request_key="stop")

    house.watch(stop)
    done = house.protect()
    assert asked
    assert done.state is State.STOPPED
    house.watch(lambda _call: None)
    assert house.left() == []
    told = views(house, done.id)
    assert told["milestone:stop"]["text"].startswith("Stopping, asked by alice")
    assert told["receipt"]["state"] == "stopped"
    assert "stopped" in {task["note"] for task in told["plan"]["tasks"]}


def test_stop_after_the_manifest_is_answered_already_protected(house: House) -> None:
    refused: list[str] = []

    def stop(told: str) -> None:
        if told.endswith("delete_snapshot") and not refused:
            with pytest.raises(RequesterError) as error:
                house.service.stop("last", ALICE, request_key="stop")
            refused.append(error.value.message)

    house.watch(stop)
    assert house.protect().state is State.SUCCEEDED
    assert refused[0].startswith("Already protected")


def test_a_permanent_failure_is_undone_and_told_with_the_next_step(house: House) -> None:
    def fail(call: str) -> None:
        if call.endswith("put_part"):
            raise PermanentError("AccessDenied: no right to write", system="s3", code="AccessDenied")

    house.watch(fail)
    done = house.protect()
    assert done.state is State.FAILED
    house.watch(lambda _call: None)
    assert house.left() == []
    receipt = views(house, done.id)["receipt"]
    assert "AccessDenied" in receipt["why"]
    assert receipt["next"].endswith("/protect vm01 to s3")
    assert any("clone" in line for line in receipt["undone"])


def test_a_transient_failure_is_tried_again_and_does_not_show(house: House) -> None:
    failures = {"s3.put_part": 3, "vmstore.task": 2}

    def fail(call: str) -> None:
        name = call if call in failures else call.replace("memory", "s3")
        if failures.get(name, 0) > 0:
            failures[name] -= 1
            raise TransientError("busy", system="x")

    house.watch(fail)
    assert house.protect().state is State.SUCCEEDED
    assert failures["vmstore.task"] == 0


def test_a_failed_clone_task_fails_the_run_with_the_vmstores_words(house: House) -> None:
    house.array.fails_clones = "ERR-API-3213 clone workflow task failed"
    done = house.protect()
    assert done.state is State.FAILED
    assert done.failure is not None
    assert "ERR-API-3213" in done.failure.what
    assert house.left() == []


def test_a_vm_with_a_missing_file_is_not_uploaded(house: House) -> None:
    del house.share.files["vm01/vm01-flat.vmdk"]
    done = house.protect()
    assert done.state is State.FAILED
    assert done.failure is not None
    assert done.failure.kind == "NotRestorable"
    assert "vm01-flat.vmdk" in done.failure.what
    assert house.targets["s3"].sent == []
    assert house.left() == []


def test_a_disk_that_is_built_on_a_file_elsewhere_is_not_uploaded(house: House) -> None:
    base = b"/mnt/templates/base.qcow2"
    head = struct.pack(">4sIQI", b"QFI\xfb", 2, 72, len(base)).ljust(72, b"\0")
    house.share.files["vm01/vm01.qcow2"] = head + base
    house.share.files["vm01/vm01.vmx"] += b'scsi0:1.fileName = "vm01.qcow2"\n'
    done = house.protect()
    assert done.failure is not None
    assert done.failure.kind == "NotRestorable"
    assert "built on /mnt/templates/base.qcow2" in done.failure.what
    assert house.targets["s3"].sent == []
    assert house.left() == ["file vm01/vm01.qcow2"]  # the VM's own


def test_a_byte_flipped_in_the_store_behind_cloudys_back_fails_the_verification(house: House) -> None:
    store = house.targets["s3"]
    flipped: list[str] = []

    def flip(call: str) -> None:
        key = next((key for key in store.objects if key.endswith("-flat.vmdk")), None)
        if key and call.endswith("head") and not flipped:
            flipped.append(key)
            content = bytearray(store.objects[key])
            content[100] ^= 1
            store.objects[key] = bytes(content)

    house.watch(flip)
    done = house.protect()
    assert done.state is State.FAILED
    assert done.failure is not None
    assert done.failure.kind == "IntegrityError"
    house.watch(lambda _call: None)
    assert house.left() == []


def test_what_cannot_be_removed_is_told_with_the_way_to_remove_it(tmp_path: Path) -> None:
    house = House(tmp_path, can_clean=False)
    done = house.protect()
    assert done.state is State.SUCCEEDED
    assert any(f"rm -r '/tintri/{done.id}'" in line for line in done.left_behind)
    assert views(house, done.id)["receipt"]["left_behind"] == list(done.left_behind)


def test_a_clone_that_the_cleanup_share_does_not_show_is_not_taken_for_removed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.systems, "cleanup_share", lambda _name: MemoryShare({"another/export": b""}))
    done = house.protect()
    assert done.state is State.SUCCEEDED
    assert any(f"clone {done.id}" in line and "mounted" in line for line in done.left_behind)
    assert house.share.exists(done.id)


def test_with_two_targets_one_that_fails_makes_the_run_partial(tmp_path: Path) -> None:
    house = House(tmp_path, targets=("s3", "other"))

    def fail(call: str) -> None:
        raise PermanentError("the bucket is gone", system="other")

    house.targets["other"].watch = lambda call: fail(call) if call.endswith("put_part") else None
    done = house.protect(targets=("s3", "other"))
    assert done.state is State.PARTIAL
    house.targets["other"].watch = lambda _call: None
    assert house.left() == []
    assert "protected in s3 only" in views(house, done.id)["receipt"]["headline"]


def test_an_unknown_vm_is_answered_privately_with_near_names_and_no_thread(house: House) -> None:
    transaction = house.ask(vm="vm1")
    house.dispatch()
    assert house.read(transaction.id).state is State.REFUSED
    told = views(house, transaction.id)
    assert list(told) == ["notice"]
    assert "Did you mean vm01" in told["notice"]["text"]


def test_asking_again_while_it_runs_joins_the_running_thread(house: House) -> None:
    first = house.ask(key="r1")
    house.dispatch()
    second = house.ask(key="r2")
    house.dispatch()
    assert house.read(second.id).state is State.REFUSED
    assert first.id in views(house, second.id)["notice"]["text"]


def test_who_joined_a_run_and_stops_or_shows_the_last_means_that_run(house: House) -> None:
    first = house.ask(key="r1")
    house.dispatch()
    house.ask(key="r2")
    house.dispatch()
    assert house.service.show("last")[0].id == first.id
    assert house.service.stop("last", ALICE, request_key="stop").id == first.id


def test_the_same_vm_to_another_target_waits_behind_the_running_one(tmp_path: Path) -> None:
    house = House(tmp_path, targets=("s3", "other"))
    first = house.ask(key="r1")
    house.dispatch()
    second = house.ask(key="r2", targets=("other",))
    house.dispatch()
    assert house.read(second.id).state is State.QUEUED
    assert first.id in views(house, second.id)["root"]["line"]
    house.engine.run_all()
    house.dispatch()
    house.engine.run_all()
    assert house.read(second.id).state is State.SUCCEEDED


def test_the_same_delivery_twice_is_one_transaction(house: House) -> None:
    assert house.ask(key="same").id == house.ask(key="same").id


def test_a_queued_transaction_that_is_stopped_never_starts(tmp_path: Path) -> None:
    house = House(tmp_path, targets=("s3", "other"))
    house.ask(key="r1")
    house.dispatch()
    second = house.ask(key="r2", targets=("other",))
    house.dispatch()
    house.service.stop(second.id, ALICE, request_key="stop")
    house.dispatch()
    assert house.read(second.id).state is State.STOPPED


def test_every_step_and_outcome_is_in_the_audit_and_the_chain_is_whole(house: House) -> None:
    done = house.protect()
    with house.db.read() as unit:
        rows = unit.audit.list(transaction_id=done.id)
        verdict = unit.audit.verify()
    assert rows[0].action == "command"
    assert rows[-1].action == "outcome"
    assert rows[-1].body["state"] == "succeeded"
    assert {row.body["step"] for row in rows if row.action == "step"} >= {"check", "upload", "verify", "disconnect"}
    assert verdict.broken_at is None


def test_a_step_that_never_ended_counts_a_second_attempt(house: House) -> None:
    done = house.protect()
    with house.db.read() as unit:
        assert {step.state for step in unit.steps.of(done.id)} == {StepState.COMPLETE}
        assert {step.attempt for step in unit.steps.of(done.id)} == {1}


def test_a_run_that_the_engine_gave_up_is_ended_with_what_is_left(house: House) -> None:
    transaction = house.ask()
    house.dispatch()

    def die(call: str) -> None:
        if call == "vmstore.clone_files done":
            raise Crash(call)

    house.watch(die)
    with pytest.raises(Crash):
        house.engine.run_all()
    house.engine.given_up.add(transaction.id)
    house.dispatch()
    ended = house.read(transaction.id)
    assert ended.state is State.FAILED
    assert {line.split()[0] for line in ended.left_behind} == {"snapshot", "clone"}
    assert views(house, transaction.id)["receipt"]["left_behind"] == list(ended.left_behind)


def test_a_lost_answer_to_the_clone_request_leads_to_a_second_directory_and_none_is_left(house: House) -> None:
    lost: list[str] = []

    def lose(call: str) -> None:
        if call == "vmstore.clone_files done" and not lost:
            lost.append(call)
            raise TransientError("the connection broke", system="vmstore")

    house.watch(lose)
    done = house.protect()
    assert lost
    assert done.state is State.SUCCEEDED
    assert any(f"/tintri/{done.id}.2/" in key for key in house.targets["s3"].objects)
    assert house.left() == []


def test_a_clone_request_that_is_never_answered_well_fails_and_leaves_nothing(house: House) -> None:
    def fail(call: str) -> None:
        if call == "vmstore.clone_files":
            raise TransientError("the VMstore answers 500", system="vmstore")

    house.watch(fail)
    done = house.protect()
    assert done.state is State.FAILED
    assert house.left() == []


def test_a_clone_task_that_never_ends_fails_the_run_after_hours(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "CLONE_S", 60)
    monkeypatch.setattr(actions, "SETTLE_S", 60)
    house.array.never_ends = True
    done = house.protect()
    assert done.state is State.FAILED
    assert done.failure is not None
    assert "has not ended" in done.failure.what
    assert any("still busy" in line for line in done.left_behind)
