"""Note and how long to keep: kept with the transaction, shown, and never lost by joining another run."""

from pathlib import Path

import pytest

from bot import story
from bot.clock import SystemClock
from bot.dispatcher import _serves
from bot.errors import RequesterError
from bot.model import Actor, ProtectRequest
from bot.service import Service
from bot.store import Database
from handlers import answers

ALICE = Actor(id="U1", name="alice", source="slack")


@pytest.fixture
def service(tmp_path: Path) -> Service:
    Database.migrate(tmp_path / "cloudy.db")
    db = Database.open(tmp_path / "cloudy.db", audit_key=None)
    return Service(db, SystemClock(), vmstores=("vmstore",), targets=("s3",))


def asked(**wishes: str) -> ProtectRequest:
    return ProtectRequest(vms=("vm01",), targets=("s3",), **wishes)


def test_wishes_are_kept_shown_and_audited(service: Service) -> None:
    (made,) = service.protect(asked(note="before the upgrade", keep_for="P30D"), ALICE, request_key="k")
    kept, *_ = service.show(made.id)
    assert (kept.note, kept.keep_for) == ("before the upgrade", "P30D")
    shown = answers.show(kept, (), ()).facts
    assert ("Keep for", "30 days") in shown
    assert ("Note", "before the upgrade") in shown
    assert ["Note", "before the upgrade"] in story.root(kept, ())["facts"]
    (outlined,) = service.status().active
    assert (outlined.note, outlined.keep_for) == ("before the upgrade", "P30D")


def test_without_wishes_nothing_is_shown(service: Service) -> None:
    (made,) = service.protect(asked(), ALICE, request_key="k")
    facts = [label for label, _ in answers.show(made, (), ()).facts]
    assert not {"Keep for", "Note"} & set(facts)


@pytest.mark.parametrize("wishes", [{"keep_for": "30d"}, {"keep_for": "P0D"}, {"note": "n" * 301}])
def test_wishes_that_nobody_could_have_typed_are_refused(service: Service, wishes: dict[str, str]) -> None:
    with pytest.raises(RequesterError):
        service.protect(asked(**wishes), ALICE, request_key="k")


def test_who_wants_it_kept_for_another_time_does_not_join(service: Service) -> None:
    (running,) = service.protect(asked(keep_for="P30D"), ALICE, request_key="a")
    same, other, any_time = (
        service.protect(asked(keep_for=kept), ALICE, request_key=kept or "any")[0] for kept in ("P30D", "P7D", "")
    )
    assert [_serves(running, each) for each in (same, other, any_time)] == [True, False, True]
