"""Summaries read from the database: what ran, failed, waits, ends, lies where; whose it is; what is kept."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot import digest, remembered
from bot.cli import app
from bot.config import load
from bot.errors import AmbiguousName, NotFound, RequesterError, TransientError, UsageError
from bot.expiring import end_of_sas, look
from bot.model import (
    Act,
    Actor,
    Bytes,
    ConcernKind,
    Expiry,
    Failure,
    Price,
    Proof,
    ProofKind,
    ProtectRequest,
    RecoveryPoint,
    Rto,
    Schedule,
    ScheduleRequest,
    ScheduleState,
    Span,
    State,
    Topic,
    Transaction,
    Vm,
)
from bot.prices import Prices
from bot.service import Service
from bot.store import Database
from bot.summaries import Known
from bot.watch import EVERY, Watch
from integrations import certificates
from integrations.simulators.vmstore import tls

ALICE, BOB = (Actor(id=f"U{name.upper()}001", name=name, source="slack") for name in ("alice", "bob"))


class Hand:
    """A clock that is set."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 26, 7, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class House:
    db: Database
    clock: Hand
    service: Service

    def see(self, *names: str) -> None:
        with self.db.unit() as unit:
            unit.inventory.refresh("vmstore", [Vm(uuid=f"u-{name}", name=name, vmstore="vmstore") for name in names])

    def ran(
        self, vm: str, state: State = State.SUCCEEDED, *, hours_ago: float = 1, actor: Actor = ALICE, **more: Any
    ) -> Transaction:
        """A protection that ended so long ago; a good one left a recovery point."""
        ended = self.clock.at - timedelta(hours=hours_ago)
        request = ProtectRequest(vms=(vm,), targets=("s3",))
        (made,) = self.service.protect(request, actor, request_key=f"{vm}:{ended}:{actor.id}")
        failure = None if state is State.SUCCEEDED else Failure(what="the disk was full", step="Upload")
        with self.db.unit() as unit:
            if state is State.SUCCEEDED:
                unit.points.put(
                    RecoveryPoint(
                        transaction_id=made.id, target="s3", vm_uuid=f"u-{vm}", vm_name=vm, manifest_key="m",
                        taken_at=ended, consistency="crash", size=10 << 30,
                    )
                )  # fmt: skip
            changes = {"state": state, "ended_at": ended, "vm_uuid": f"u-{vm}", "failure": failure} | more
            return unit.transactions.update(made.id, **changes)

    def topics(self, span: Span = Span.DAY, owner: str = "") -> dict[Topic, int]:
        told = self.service.summaries.digest(span, owner)
        return {chapter.topic: chapter.total for chapter in told.chapters}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    Database.migrate(tmp_path / "cloudy.db")
    clock = Hand()
    db = Database.open(tmp_path / "cloudy.db", audit_key=None, clock=clock)
    service = Service(db, clock, vmstores=("vmstore",), targets=("s3",))
    service.summaries.known = Known(
        targets=("s3",), vmstores=("vmstore",), prices=Prices({"s3": Price(storage=0.02, currency="USD")})
    )
    yield House(db, clock, service)
    db.close()


# --- what ran ---


def test_it_counts_what_ended_in_its_time_and_the_bytes(house: House) -> None:
    house.see("vm01", "vm02")
    house.ran("vm01", bytes=Bytes(read=100 << 20, sent=7 << 20))
    house.ran("vm02", State.FAILED)
    house.ran("vm02", hours_ago=50, bytes=Bytes(read=1 << 30, sent=1 << 30))
    told = house.service.summaries.digest(Span.DAY)
    assert [(ran.workflow, ran.well, ran.failed) for ran in told.ran] == [("protect", 1, 1)]
    assert (told.read, told.sent) == (100 << 20, 7 << 20)
    assert "Ran: 1 protected, 1 protect failed." in digest.facts(told)
    assert "Sent 7 MiB to protect 100 MiB (7 %)." in digest.facts(told)
    assert house.service.summaries.digest(Span.WEEK).ran[0].well == 2


def test_what_failed_is_told_with_a_retry_until_the_same_vm_fared_well(house: House) -> None:
    house.see("vm01")
    failed = house.ran("vm01", State.FAILED, hours_ago=3)
    (chapter,) = [each for each in house.service.summaries.digest(Span.DAY).chapters if each.topic is Topic.FAILED]
    assert [(line.id, line.act) for line in chapter.lines] == [(failed.id, Act.RETRY)]
    assert "the disk was full" in chapter.lines[0].words
    house.ran("vm01", hours_ago=1)
    assert Topic.FAILED not in house.topics()


def test_a_run_that_is_snoozed_is_counted_and_comes_again_when_its_time_is_over(house: House) -> None:
    house.see("vm01")
    failed = house.ran("vm01", State.FAILED)
    house.service.concerns.snooze(failed.id, "12h", "known", ALICE, request_key="k")
    told = house.service.summaries.digest(Span.DAY)
    (chapter,) = [each for each in told.chapters if each.topic is Topic.FAILED]
    assert (chapter.total, chapter.snoozed, chapter.lines) == (0, 1, ())
    house.clock.at += timedelta(hours=13)
    assert house.topics()[Topic.FAILED] == 1


def test_what_waits_for_a_decision_and_what_is_held_is_told_and_cannot_be_snoozed(house: House) -> None:
    house.see("vm01", "vm02")
    house.ran("vm01", State.AWAITING_APPROVAL, ended_at=None)
    until = (house.clock.at + timedelta(hours=1)).isoformat()
    house.ran("vm02", State.HELD, ended_at=None, plan={"held_until": until})
    told = {each.topic: each.lines[0] for each in house.service.summaries.digest(Span.DAY).chapters if each.lines}
    assert (told[Topic.APPROVAL].act, told[Topic.APPROVAL].may_snooze) == (Act.DETAILS, False)
    assert (told[Topic.HELD].act, told[Topic.HELD].may_snooze) == (Act.RETRY, False)
    assert "held until 26 Nov 08:00 UTC" in told[Topic.HELD].words


def test_drills_and_their_rto_are_told(house: House) -> None:
    house.see("vm01", "vm02")
    made = house.ran("vm01")
    for number, seconds in enumerate((60.0, 120.0, 300.0)):
        proof = Proof(
            point=made.id, target="s3", run=f"d{number}", kind=ProofKind.DRILL, is_good=True, vm_uuid="u-vm01",
            at=house.clock.at - timedelta(hours=number), rto=Rto(seconds=seconds),
        )  # fmt: skip
        with house.db.unit() as unit:
            unit.proofs.append(proof)
    told = house.service.summaries.digest(Span.DAY)
    assert (told.drilled.well, told.drilled.median_s, told.drilled.slowest_s) == (3, 120.0, 300.0)
    assert "Drills: 3 came to life; RTO 2 min 0 s in the middle, 5 min 0 s at most." in digest.facts(told)


# --- what lies where ---


def test_what_is_stored_has_a_price_and_a_forecast_by_the_measures_of_30_days(house: House) -> None:
    house.see("vm01")
    assert house.service.summaries.digest(Span.DAY).stored == ()
    for _ in range(11):
        house.ran("vm01")
        with house.db.unit() as unit:
            remembered.measure(unit, house.clock.at)
        house.clock.at += timedelta(days=1)
    (stored,) = house.service.summaries.digest(Span.DAY).stored
    assert (stored.size, stored.points, stored.days) == (110 << 30, 11, 11)
    assert stored.foreseen == pytest.approx(410 << 30, rel=0.05)
    assert stored.month == pytest.approx(2.2)
    assert (
        "in 30 days 406 GiB, 8.11 USD a month (the last 11 days in a straight line)"
        in digest.facts(house.service.summaries.digest(Span.DAY))[-1]
    )


# --- whose ---


def test_a_persons_digest_is_of_what_he_asked_for_and_of_what_is_assigned(house: House) -> None:
    house.see("vm01", "vm02", "vm03")
    house.ran("vm01", State.FAILED, actor=ALICE)
    house.ran("vm02", actor=BOB)
    assert house.topics(owner=ALICE.id)[Topic.FAILED] == 1
    assert Topic.FAILED not in house.topics(owner=BOB.id)
    assert house.service.summaries.digest(Span.DAY, BOB.id).tally.total == 1
    house.service.concerns.assign("vm03", BOB.id, ALICE, request_key="k")
    told = house.service.summaries.digest(Span.DAY, BOB.id)
    assert (told.tally.protected, told.tally.never) == (1, 1)
    with house.db.read() as unit:
        assert {each.id for each in house.service.summaries.owners(unit)} == {ALICE.id, BOB.id}


def test_who_asked_long_ago_is_no_owner_any_more(house: House) -> None:
    house.see("vm01")
    house.ran("vm01")
    house.clock.at += timedelta(days=120)
    with house.db.read() as unit:
        assert house.service.summaries.owners(unit) == ()


def test_a_suspended_schedule_is_told_to_all_and_to_its_owner(house: House) -> None:
    schedule = Schedule(
        id="abc123", asked=ScheduleRequest(workflow="protect", recurrence="every day at 02:00 UTC", vms=("vm01",)),
        owner=BOB, created_at=house.clock.at, looked_until=house.clock.at, request_key="k",
        state=ScheduleState.SUSPENDED, since=house.clock.at, why="bob may not protect any more",
    )  # fmt: skip
    with house.db.unit() as unit:
        unit.schedules.insert(schedule)
    assert house.topics()[Topic.SCHEDULE] == house.topics(owner=BOB.id)[Topic.SCHEDULE] == 1
    assert Topic.SCHEDULE not in house.topics(owner=ALICE.id)


# --- what ends ---


def test_what_ends_soon_is_told_the_first_first_and_to_nobody_personally(house: House) -> None:
    at = house.clock.at
    found = (
        Expiry(name="targets.s3.sas_token", what="the SAS token of targets.s3", ends=at + timedelta(days=3)),
        Expiry(name="vmstores.a.url", what="the certificate of a:443", ends=at - timedelta(days=1)),
        Expiry(name="targets.b.ca", what="the certificates of b.pem", ends=at + timedelta(days=300)),
        Expiry(name="targets.c.ca", what="the certificates of c.pem", why="no such file"),
    )
    with house.db.unit() as unit:
        remembered.keep_expiries(unit, found)
        remembered.keep_orphans(unit, 4, 1 << 30, at)
    chapters = {each.topic: each for each in house.service.summaries.digest(Span.DAY).chapters}
    assert [(line.title, line.words) for line in chapters[Topic.EXPIRY].lines] == [
        ("the certificate of a:443", "ended 25 Nov 07:00 UTC"),
        ("the SAS token of targets.s3", "ends 29 Nov 07:00 UTC"),
    ]
    assert chapters[Topic.ORPHANS].total == 4
    assert house.topics(owner=ALICE.id) == {}


def test_of_what_could_not_be_looked_at_the_last_look_stays(house: House) -> None:
    known = Expiry(name="a", what="a", ends=house.clock.at)
    with house.db.unit() as unit:
        remembered.keep_expiries(unit, (known,))
        remembered.keep_expiries(
            unit, (Expiry(name="a", what="a", why="no answer"), Expiry(name="b", what="b", why="?"))
        )
        assert remembered.expiries(unit)[0] == known
        assert remembered.expiries(unit)[1].ends is None


def test_the_daily_look_comes_once_a_day_also_after_a_restart_and_a_clock_that_was_set_back(house: House) -> None:
    looks: list[datetime] = []

    def seen() -> tuple[Expiry, ...]:
        looks.append(house.clock.at)
        return ()

    watch = Watch(house.db, house.clock, seen)
    assert watch.is_due()
    watch.look()
    assert not Watch(house.db, house.clock, seen).is_due()
    house.clock.at += EVERY
    assert watch.is_due()
    watch.look()
    house.clock.at -= timedelta(days=400)
    assert watch.is_due()
    assert len(looks) == 2


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("?sv=2024&se=2026-12-01T10%3A00%3A00Z&sig=x", datetime(2026, 12, 1, 10, tzinfo=UTC)),
        ("sv=2024&se=2026-12-01&sig=x", datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_a_sas_token_says_when_it_ends(token: str, expected: datetime) -> None:
    assert end_of_sas(token, "targets.azure") == expected


def test_files_of_certificates_are_read_and_what_is_none_says_so(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    (tmp_path / "tls").mkdir()
    good, _, _ = tls.ensure(tmp_path / "tls", "vmstore")
    monkeypatch.setenv("CLOUDY_TARGETS__AZURE__SAS_TOKEN", "sv=1&sig=x")
    (tmp_path / "cloudy.toml").write_text(
        '[targets.s3]\nurl = "s3://b/p"\nendpoint = "http://127.0.0.1:9"\nca = "ca.pem"\n'
        f'[targets.b]\nurl = "s3://b/p"\nca = "{good}"\n'
        '[targets.azure]\nurl = "azure://account/container"\n'
    )
    told = {each.name: each for each in look(load(tmp_path / "cloudy.toml"))}
    assert set(told) == {"targets.s3.ca", "targets.b.ca", "targets.azure.sas_token"}
    assert told["targets.b.ca"].ends
    assert told["targets.b.ca"].ends > datetime.now(UTC)
    assert "no certificates" in told["targets.s3.ca"].why
    assert "does not say when it ends" in told["targets.azure.sas_token"].why


def test_a_server_is_asked_for_its_certificate_and_one_that_is_away_says_so(tmp_path: Path) -> None:
    _, cert, key = tls.ensure(tmp_path, "vmstore")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def serve() -> None:
            plain, _ = listening.accept()
            with context.wrap_socket(plain, server_side=True):
                pass

        server = threading.Thread(target=serve)
        server.start()
        ends = certificates.end_of_server("127.0.0.1", port, timeout_s=10)
        server.join()
    assert ends == certificates.end_of_file(cert)
    with pytest.raises(TransientError, match="shows no certificate"):
        certificates.end_of_server("127.0.0.1", port, timeout_s=2)


# --- bounded ---


def test_five_thousand_vms_are_counted_and_a_few_are_named(house: House) -> None:
    vms = [Vm(uuid=f"u{i}", name=f"vm{i:04}", vmstore="vmstore") for i in range(5000)]
    with house.db.unit() as unit:
        unit.inventory.refresh("vmstore", vms)
    told = house.service.summaries.digest(Span.DAY)
    (chapter,) = [each for each in told.chapters if each.topic is Topic.UNPROTECTED]
    assert (chapter.total, len(chapter.lines)) == (5000, digest.MOST_LINES)
    assert len(json.dumps(digest.view(told))) < 20_000


# --- concerns ---


def test_two_vms_of_one_name_are_not_guessed_and_what_is_unknown_is_said(house: House) -> None:
    with house.db.unit() as unit:
        for store in ("a", "b"):
            unit.inventory.refresh(store, [Vm(uuid=f"u-{store}", name="twin", vmstore=store)])
    snooze = house.service.concerns.snooze
    with pytest.raises(AmbiguousName):
        snooze("twin", "3d", "why", ALICE, request_key="1")
    assert snooze("b/twin", "3d", "why", ALICE, request_key="2").id == "u-b"
    for what, until, why, error in (
        ("nobody", "3d", "why", NotFound),
        ("a/twin", "soon", "why", UsageError),
        ("a/twin", "2020-01-01", "why", RequesterError),
        ("a/twin", "9999d", "why", RequesterError),
        ("a/twin", "3d", "  ", UsageError),
    ):
        with pytest.raises(error):
            snooze(what, until, why, ALICE, request_key=f"{what}{until}{why}")
    with house.db.read() as unit:
        assert sum(row.action == "refused" for row in unit.audit.list(limit=100)) == 6


def test_the_same_request_twice_is_one_snooze(house: House) -> None:
    house.see("vm01")
    for _ in range(2):
        house.service.concerns.snooze("vm01", "3d", "why", ALICE, request_key="k")
    with house.db.read() as unit:
        assert sum(row.action == "concern" for row in unit.audit.list(limit=100)) == 1
        assert unit.concerns.snoozed(ConcernKind.RPO, house.clock.at) == {"u-vm01"}


# --- the command line ---


def test_the_command_line_says_the_same_and_gives_it_as_json(tmp_path: Path) -> None:
    Database.migrate(tmp_path / "cloudy.db")
    (tmp_path / "cloudy.toml").write_text('[targets.s3]\nurl = "s3://b/p"\n')
    told = CliRunner().invoke(app, ["summary", "-c", str(tmp_path / "cloudy.toml")])
    assert told.exit_code == 0, told.output
    assert "No VM is known yet" in told.output
    as_json = CliRunner().invoke(app, ["summary", "week", "--json", "-c", str(tmp_path / "cloudy.toml")])
    assert json.loads(as_json.output)["span"] == "week"
