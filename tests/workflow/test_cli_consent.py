"""`cloudy protect | verify | delete | retry`: what is to be confirmed or approved, at a terminal and without one."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bot import main
from bot.cli import app, consent, follow
from bot.errors import BusyError, PermanentError, RequesterError, UsageError
from bot.model import ApprovalState, Choice, State, Transaction
from bot.policy import Need, Operation, Policy, Rule
from bot.store import Database
from tests.unit.test_policy_settings import HOUSE
from tests.workflow.house import House
from tests.workflow.test_approvals import BOB, GRANTS


@dataclass
class Terminal:
    """The command line over the memory house; whatever can happen happens whenever it looks."""

    house: House
    folder: Path
    is_worker: bool = True
    tended: int = 0
    while_it_waits: list[Callable[[Transaction], None]] = field(default_factory=list)

    @property
    def service(self) -> Any:
        return self.house.service

    @property
    def db(self) -> Database:
        return self.house.db

    def tend(self) -> None:
        self.tended += 1

    def pass_by(self, _seconds: float) -> None:
        """Instead of a pause: the bot or this process works, people decide."""
        self.house.dispatch()
        self.house.engine.run_all()
        for transaction in self.transactions():
            if transaction.state is State.AWAITING_APPROVAL and self.while_it_waits:
                self.while_it_waits.pop(0)(transaction)

    def transactions(self) -> tuple[Transaction, ...]:
        with self.house.db.read() as unit:
            return unit.transactions.list()

    def run(self, *args: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, [*args, "-c", str(self.folder / "cloudy.toml")], input=typed)

    def bob_says(self, choice: Choice) -> Callable[[Transaction], None]:
        def say(transaction: Transaction) -> None:
            with self.house.db.read() as unit:
                known = unit.approvals.newest(transaction.id)
            assert known is not None
            self.service.decide(known.token, choice, BOB, request_key=f"c:{known.id}")

        return say


def policy(**rule: Any) -> Policy:
    return Policy(grants=GRANTS, rules=(Rule(name="rule 1", **rule),))


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    (tmp_path / "cloudy.toml").write_text(HOUSE)
    made = Terminal(House(tmp_path), tmp_path)

    @contextmanager
    def hand(_settings: object) -> Iterator[Terminal]:
        yield made

    def leave(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(main, "hand", hand)
    monkeypatch.setattr(main, "leave", leave)
    monkeypatch.setattr(follow, "time", SimpleNamespace(sleep=made.pass_by, time_ns=time.time_ns))
    yield made
    made.house.db.close()


def with_slack(terminal: Terminal) -> None:
    (terminal.folder / "secrets.env").write_text("CLOUDY_SLACK__BOT_TOKEN=xoxb-1\n")
    (terminal.folder / "secrets.env").chmod(0o600)
    terminal.is_worker = False


def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consent, "is_terminal", lambda: True)


CONFIRMED = policy(operation=Operation.PROTECT, need=Need.CONFIRMATION)
APPROVED = policy(operation=Operation.PROTECT, need=Need.APPROVAL)


def test_what_must_be_confirmed_is_refused_at_once_where_nobody_can_be_asked(terminal: Terminal) -> None:
    terminal.house.restart_with(CONFIRMED)
    done = terminal.run("protect", "vm01", "--to", "s3")
    assert isinstance(done.exception, RequesterError)
    assert "no terminal to ask at. Say --yes to confirm it. Nothing was started." in str(done.exception)
    assert terminal.transactions() == ()


def test_yes_confirms_it(terminal: Terminal) -> None:
    terminal.house.restart_with(CONFIRMED)
    done = terminal.run("protect", "vm01", "--to", "s3", "--yes", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["transactions"][0]["state"] == "succeeded"


def test_at_a_terminal_the_plan_is_shown_and_a_y_goes_ahead(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_a_terminal(monkeypatch)
    terminal.house.restart_with(CONFIRMED)
    done = terminal.run("protect", "vm01", "--to", "s3", typed="y\n")
    assert done.exit_code == 0, done.output
    assert "  Where: s3: memory://s3 at https://s3" in done.stderr
    assert "Go ahead? [y/N]" in done.stderr


@pytest.mark.parametrize("typed", ["n\n", "\n", ""])
def test_anything_but_a_yes_withdraws_it(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    at_a_terminal(monkeypatch)
    terminal.house.restart_with(CONFIRMED)
    done = terminal.run("protect", "vm01", "--to", "s3", typed=typed)
    assert done.exit_code == 1
    assert [each.state for each in terminal.transactions()] == [State.STOPPED]
    assert terminal.house.targets["s3"].objects == {}


def test_an_approval_without_slack_is_refused_at_once(terminal: Terminal) -> None:
    terminal.house.restart_with(APPROVED)
    done = terminal.run("protect", "vm01", "--to", "s3", "--yes")
    assert "no Slack is configured" in str(done.exception)
    assert terminal.transactions() == ()


def test_an_approval_without_a_bot_that_asks_is_refused_at_once(terminal: Terminal) -> None:
    terminal.house.restart_with(APPROVED)
    with_slack(terminal)
    terminal.is_worker = True
    done = terminal.run("protect", "vm01", "--to", "s3")
    assert "Start `cloudy serve`, then ask again. Nothing was started." in str(done.exception)
    assert terminal.transactions() == ()


def test_an_approval_beside_a_bot_says_that_slack_was_asked_and_is_followed(terminal: Terminal) -> None:
    terminal.house.restart_with(APPROVED)
    with_slack(terminal)
    nothing: Callable[[Transaction], None] = lambda _transaction: None  # noqa: E731 - a pause
    terminal.while_it_waits = [nothing, nothing, terminal.bob_says(Choice.APPROVE)]
    done = terminal.run("protect", "vm01", "--to", "s3")
    assert done.exit_code == 0, done.output
    (transaction,) = terminal.transactions()
    assert done.stderr.count("The approvers were asked in Slack") == 1
    assert f"{transaction.id}: Waiting for 1 approval, until" in done.stderr


def test_while_all_waits_for_people_nobody_takes_the_bots_place(terminal: Terminal) -> None:
    terminal.house.restart_with(APPROVED)
    with_slack(terminal)
    counted: list[int] = []

    def count(_transaction: Transaction) -> None:
        counted.append(terminal.tended)

    terminal.while_it_waits = [count, count, count, terminal.bob_says(Choice.VETO)]
    done = terminal.run("protect", "vm01", "--to", "s3")
    assert done.exit_code == 1
    assert "Vetoed by bob. Nothing was done." in done.stdout
    assert counted[0] == counted[-1]


def test_what_only_the_plan_tells_is_withdrawn_where_nobody_can_be_asked(terminal: Terminal) -> None:
    terminal.house.restart_with(policy(operation=Operation.PROTECT, vmstore="vmstore", need=Need.CONFIRMATION))
    done = terminal.run("protect", "vm01", "--to", "s3")
    assert done.exit_code == 1
    assert "no terminal to ask at. Say --yes to confirm it. It is withdrawn." in done.stderr
    assert [each.state for each in terminal.transactions()] == [State.STOPPED]


def test_a_delete_waits_for_its_approval_and_then_goes(terminal: Terminal) -> None:
    terminal.house.restart_with(Policy(grants=GRANTS))
    point = terminal.house.protect()
    assert "no Slack is configured" in str(terminal.run("delete", "last", "--yes").exception)
    with_slack(terminal)
    terminal.while_it_waits = [terminal.bob_says(Choice.APPROVE)]
    done = terminal.run("delete", point.id, "--because", "the tenant has left", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)["transactions"][0]
    assert (told["workflow"], told["state"]) == ("delete", "succeeded")
    assert terminal.house.targets["s3"].objects == {}
    with terminal.house.db.read() as unit:
        known = unit.approvals.newest(told["id"])
    assert known is not None
    assert (known.state, known.reason) == (ApprovalState.EXECUTED, "the tenant has left")


def test_a_reason_that_the_policy_demands_is_asked_for_at_once(terminal: Terminal) -> None:
    terminal.house.restart_with(policy(operation=Operation.DELETE, need=Need.NOTHING, reason_required=True))
    terminal.house.protect()
    done = terminal.run("delete", "last")
    assert isinstance(done.exception, UsageError)
    assert "say --because" in str(done.exception)
    assert len(terminal.transactions()) == 1


def test_a_recovery_point_is_verified(terminal: Terminal) -> None:
    point = terminal.house.protect()
    done = terminal.run("verify", point.id)
    assert done.exit_code == 0, done.output
    assert "The recovery point of vm01 is good in s3" in done.stdout
    key = next(key for key in terminal.house.targets["s3"].objects if key.endswith("flat.vmdk"))
    del terminal.house.targets["s3"].objects[key]
    assert terminal.run("verify", point.id).exit_code == 1


def full(call: str) -> None:
    if call == "s3.put_part":
        raise PermanentError("no room", system="s3", operation="send part")


def held(terminal: Terminal) -> Transaction:
    terminal.house.hold = timedelta(hours=1)
    transaction = terminal.house.ask()
    terminal.house.dispatch()
    terminal.house.watch(full)
    terminal.house.engine.run_all()
    assert terminal.house.read(transaction.id).state is State.HELD
    return transaction


def test_a_retry_goes_on_with_what_is_held(terminal: Terminal) -> None:
    transaction = held(terminal)
    terminal.house.watch(lambda _call: None)
    done = terminal.run("retry", "last")
    assert done.exit_code == 0, done.output
    assert f"{transaction.id}: vm01 is protected in s3" in done.stdout


def test_a_retry_that_fails_again_ends_the_command_and_leaves_it_held(terminal: Terminal) -> None:
    held(terminal)
    done = terminal.run("retry", "last")
    assert done.exit_code == 1
    assert "Held until" in done.stdout


def test_a_retry_of_what_has_ended_asks_for_the_same_anew(terminal: Terminal) -> None:
    terminal.house.watch(full)
    failed = terminal.house.protect()
    assert failed.state is State.FAILED
    terminal.house.watch(lambda _call: None)
    done = terminal.run("retry", failed.id, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["transactions"][0]["id"] != failed.id


def test_one_that_does_not_exist_is_told(terminal: Terminal) -> None:
    terminal.house.protect()
    for command in ("verify", "delete", "retry"):
        done = terminal.run(command, "zzzzzz")
        assert "There is no transaction" in str(done.exception), command


def test_what_waits_of_somebody_else_is_followed_and_not_withdrawn(terminal: Terminal) -> None:
    terminal.house.restart_with(policy(operation=Operation.PROTECT, vmstore="vmstore", need=Need.APPROVAL))
    others = terminal.house.ask()
    terminal.house.dispatch()
    nothing: Callable[[Transaction], None] = lambda _transaction: None  # noqa: E731 - a pause
    terminal.while_it_waits = [nothing, nothing, terminal.bob_says(Choice.APPROVE)]
    done = terminal.run("protect", "vm01", "--to", "s3")
    assert done.exit_code == 0, done.output
    assert f"{others.id}: Waiting for 1 approval, until" in done.stderr
    assert terminal.house.read(others.id).state is State.SUCCEEDED


def test_a_busy_database_asks_nobody_twice(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch)
    terminal.house.restart_with(CONFIRMED)
    decide, tries = terminal.house.service.decide, list[str]()

    def busy_once(*args: Any, **named: Any) -> Any:
        tries.append("decide")
        if len(tries) == 1:
            raise BusyError
        return decide(*args, **named)

    monkeypatch.setattr(terminal.house.service, "decide", busy_once)
    done = terminal.run("protect", "vm01", "--to", "s3", typed="y\n")
    assert done.exit_code == 0, done.output
    assert done.stderr.count("Go ahead?") == 1


def test_a_name_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    consent._say("VM: old\x1b[2J\rnothing")
    assert capsys.readouterr().err == "VM: old\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}nothing\n"


@pytest.mark.parametrize("reason", ["old\x1b[2J", "x" * 501])
def test_a_reason_that_no_card_could_show_is_refused(terminal: Terminal, reason: str) -> None:
    terminal.house.protect()
    assert isinstance(terminal.run("delete", "last", "--because", reason).exception, UsageError)
    assert len(terminal.transactions()) == 1
