"""A summary does not say that all is well when it is not, and tells what nobody else would."""

import socket
import ssl
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from bot import digest
from bot.errors import OperatorError, TransientError
from bot.expiring import end_of_sas
from bot.model import (
    Act,
    Chapter,
    ConcernKind,
    Digest,
    DigestLine,
    Failure,
    Message,
    Span,
    State,
    Stored,
    Topic,
    Transaction,
    Vm,
)
from handlers import blocks, undelivered
from integrations import certificates
from tests.workflow.test_summaries import House, house

__all__ = ["house"]


def failed(house: House) -> Chapter | None:
    told = house.service.summaries.digest(Span.DAY)
    return next((each for each in told.chapters if each.topic is Topic.FAILED), None)


def refused(house: House, vm: str, *, key: str, kind: str = "TransientError", hours_ago: float = 3) -> Transaction:
    """What never came to know its VM."""
    made = house.ran(vm, State.FAILED, hours_ago=hours_ago)
    why = Failure(what=f"{vm}: vmstore does not answer", step="Plan", kind=kind)
    with house.db.unit() as unit:
        fresh = replace(made, id=f"{made.id}x", request_key=key, state=State.REFUSED, vm_uuid="", failure=why)
        unit.transactions.insert(fresh)
        unit.transactions.update(made.id, state=State.SUCCEEDED)
        return unit.transactions.update(fresh.id, ended_at=made.ended_at)


# --- what ran ---


def test_what_a_schedule_asked_for_and_was_refused_is_told_as_failed(house: House) -> None:
    house.see("vm01")
    run = refused(house, "vm01", key="schedule:7f3k9q:20261126T020000Z:u-vm01")
    told = house.service.summaries.digest(Span.DAY)
    assert "1 protect failed" in " ".join(digest.facts(told))
    assert not told.is_well
    chapter = failed(house)
    assert chapter is not None
    assert [(line.id, line.act, line.targets) for line in chapter.lines] == [(run.id, Act.PROTECT, ("s3",))]
    house.ran("vm01", hours_ago=1)  # by hand, and it is the same VM
    assert failed(house) is None


@pytest.mark.parametrize(
    ("key", "kind"), [("U1:vm99", "NotFound"), ("schedule:7f3k9q:20261126T020000Z:u-vm01", "Joined")]
)
def test_who_was_told_at_once_and_what_another_run_does_is_no_failure(house: House, key: str, kind: str) -> None:
    house.see("vm01")
    refused(house, "vm01", key=key, kind=kind)
    assert failed(house) is None
    assert "failed" not in " ".join(digest.facts(house.service.summaries.digest(Span.DAY)))


def test_that_a_later_run_was_stopped_hides_no_failure(house: House) -> None:
    house.see("vm01")
    run = house.ran("vm01", State.FAILED, hours_ago=3)
    house.ran("vm01", State.STOPPED, hours_ago=2)
    chapter = failed(house)
    assert chapter is not None
    assert [line.id for line in chapter.lines] == [run.id]


def test_a_vm_that_was_renamed_and_fared_well_is_no_failure(house: House) -> None:
    house.see("vm01")
    house.ran("vm01", State.FAILED, hours_ago=3)
    well = house.ran("vm01", hours_ago=1)
    with house.db.unit() as unit:
        unit.transactions.update(well.id, vm="new name")
    assert failed(house) is None


# --- what is not known ---


def closing(house: House, owner: str = "") -> tuple[Digest, str]:
    told = house.service.summaries.digest(Span.DAY, owner)
    return told, "\n".join(digest.closing(told))


def test_vms_that_went_away_are_told_and_then_not_all_is_well(house: House) -> None:
    for name in ("vm01", "vm02", "vm03", "vm04", "vm05"):
        house.see("vm01", "vm02", "vm03", "vm04", "vm05")
        house.ran(name)
    house.see("vm01")
    told, said = closing(house)
    assert told.tally.total == told.tally.protected == 1
    assert "4 VMs are no longer on any VMstore, as far as it shows them: vm02, vm03, vm04 and 1 more." in said
    assert not told.is_well
    house.clock.at += timedelta(days=2)
    assert "no longer" not in closing(house)[1]


def test_a_vm_that_moved_to_another_vmstore_did_not_go_away(house: House) -> None:
    house.see("vm01")
    with house.db.unit() as unit:
        unit.inventory.refresh("vmstore2", [Vm(uuid="u-vm01", name="vm01", vmstore="vmstore2")])
        unit.inventory.refresh("vmstore", [])
    assert "no longer" not in closing(house)[1]


def test_a_vmstore_that_nobody_has_asked_for_long_is_told(house: House) -> None:
    house.see("vm01")
    assert closing(house)[1] == ""
    house.clock.at += timedelta(hours=5)
    told, said = closing(house)
    assert said == "vmstore was not asked for its VMs since 26 Nov 07:00 UTC"
    assert not told.is_well


def test_recovery_points_in_a_target_that_is_no_longer_configured_are_told(house: House) -> None:
    house.see("vm01")
    house.ran("vm01")
    house.service.summaries.known = replace(house.service.summaries.known, targets=("azure",))
    told, said = closing(house)
    assert said == "s3 is not in cloudy.toml, and 1 recovery point lies there"
    assert not replace(told, chapters=()).is_well
    assert closing(house, owner="UALICE001")[1] == ""


def test_a_vmstore_that_did_not_answer_is_no_mark_of_all_is_well(house: House) -> None:
    house.see("vm01")
    house.ran("vm01")
    with house.db.unit() as unit:
        unit.inventory.fail("vmstore", "no route to host")
    told, said = closing(house)
    assert "could not be asked" in said
    assert not replace(told, chapters=()).is_well


# --- what does not arrive, and what cannot be read ---


def test_a_summary_that_slack_takes_nowhere_is_told_to_the_admins(house: House) -> None:
    house.see("vm01")
    told = house.service.summaries.digest(Span.DAY)
    message = Message(key="schedule:x:1:summary", channel="C_GONE", view=digest.view(told))
    with house.db.unit() as unit:
        unit.outbox.put(message)
        undelivered.reroute(unit, message, "is_archived", "C_ADMIN")
        found = unit.outbox.get("schedule:x:1:summary:admin")
    assert found is not None
    assert found.channel == "C_ADMIN"
    assert str(found.view["text"]).startswith("Could not be delivered to C_GONE (is_archived): 0 of 1 VM within RPO")


def test_a_certificate_that_cannot_be_read_ends_no_daily_look(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = SimpleNamespace(getpeercert=lambda binary_form: b"garbage")
    context = SimpleNamespace(wrap_socket=lambda *_, **__: nullcontext(shown))
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: nullcontext())
    monkeypatch.setattr(ssl, "create_default_context", lambda: context)
    with pytest.raises(TransientError, match="shows a certificate that cannot be read"):
        certificates.end_of_server("vmstore", 443, timeout_s=1)
    with pytest.raises(OperatorError, match="does not say when it ends"):
        end_of_sas("se=9999-12-31T23:59:59-01:00", "targets.azure")


def test_names_of_signs_that_count_twice_make_no_text_too_long(house: House) -> None:
    told, long = house.service.summaries.digest(Span.DAY), "😀" * 199
    line = DigestLine(kind=ConcernKind.RPO, id="x", title=long, act=Act.CHOOSE, vm=long)
    full = replace(
        told,
        stored=tuple(Stored(target=long, size=1, points=1) for _ in range(5)),
        chapters=(Chapter(topic=Topic.LATE, total=10, lines=(line,) * 10),),
    )
    drawn = blocks.render(digest.view(full), blocks.TEXT)
    assert len(drawn.text.encode("utf-16-le")) // 2 < 4000
