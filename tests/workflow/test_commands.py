"""The command line and the process around it, where a whole world is not needed."""

import os
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot import main
from bot.cli import follow
from bot.config import InventorySettings
from bot.errors import BusyError, NotFound, OperatorError
from bot.lock import WorkerLock
from bot.model import Failure, State
from tests.workflow.house import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_ctrl_c_after_the_manifest_lets_the_run_come_to_its_end(house: House) -> None:
    transaction = house.ask()
    house.dispatch()
    pressed: list[str] = []

    def press(call: str) -> None:
        if call.endswith("delete_snapshot") and not pressed:
            pressed.append(call)
            follow.stop_all(SimpleNamespace(db=house.db, service=house.service), [transaction.id])  # type: ignore[arg-type]

    house.watch(press)
    house.engine.run_all()
    assert pressed
    assert house.read(transaction.id).state is State.SUCCEEDED


def test_ctrl_c_while_the_database_is_busy_is_heard_a_little_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = house.ask()
    stop, tries = house.service.stop, list[str]()

    def busy_once(*args: Any, **named: Any) -> Any:
        tries.append("stop")
        if len(tries) == 1:
            raise BusyError
        return stop(*args, **named)

    monkeypatch.setattr(house.service, "stop", busy_once)
    follow.stop_all(SimpleNamespace(db=house.db, service=house.service), [transaction.id])  # type: ignore[arg-type]
    assert house.read(transaction.id).stop_asked_by


def test_why_a_run_failed_is_printed_also_where_nothing_can_be_advised(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    transaction = house.ask()
    with house.db.unit() as unit:
        why = Failure(what="the disk is on fire", step="Upload")
        ended = unit.transactions.update(transaction.id, state=State.FAILED, failure=why)
    follow.tell([ended])
    assert "the disk is on fire" in capsys.readouterr().out


class _Worker:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def start(self, *, look_every: timedelta | None = None, accounts: object = None) -> None:
        self.asked.append("start")

    def wake(self) -> None:
        self.asked.append("wake")

    def drain(self) -> None:
        self.asked.append("drain")


class _Connection:
    """A Slack that refuses, or one that hangs when it is left."""

    def __init__(self, *, refuses: bool) -> None:
        self._refuses = refuses

    def start(self, on_ready: Any) -> None:
        if self._refuses:
            raise OperatorError("Slack refuses the app token.")
        os.kill(os.getpid(), signal.SIGTERM)

    def close(self) -> None:
        threading.Event().wait(30)


def _service() -> SimpleNamespace:
    return SimpleNamespace(schedules=SimpleNamespace(accounts=None), retaining=SimpleNamespace(adopt=lambda: None))


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Settings and worker of a `serve` in which everything but the order of things is left out."""

    def leave(status: int) -> None:
        raise SystemExit(status)

    worker = _Worker()
    former = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for name, value in {
        "set_up_logs": lambda *_: None, "_prepare": lambda _settings: SimpleNamespace(warm=lambda: None),
        "_worker": lambda *_: worker,
        "service_for": lambda *_: _service(), "_watch": lambda *_: None, "leave": leave,
    }.items():  # fmt: skip
        monkeypatch.setattr(main, name, value)
    settings = SimpleNamespace(
        secrets=list,
        require_secrets=lambda **_: None,
        database=SimpleNamespace(path=tmp_path / "cloudy.db"),
        inventory=InventorySettings(),
    )
    yield SimpleNamespace(settings=settings, worker=worker)
    for number, handler in former.items():
        signal.signal(number, handler)


def test_a_slack_that_refuses_the_tokens_ends_the_bot_without_ending_a_run(
    served: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "_connection", lambda *_: _Connection(refuses=True))
    with pytest.raises(SystemExit) as left:
        main.serve(served.settings)
    assert left.value.code == 1
    assert served.worker.asked[-1] == "drain"
    assert "Slack refuses the app token" in capsys.readouterr().err


def test_a_mistake_on_the_command_line_ends_it_without_ending_a_run(
    served: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left, main.hand(served.settings):
        raise NotFound("There is no target called azure.")
    assert left.value.code == 1
    assert served.worker.asked == ["start", "drain"]
    assert "There is no target called azure" in capsys.readouterr().err


def test_a_drain_that_hangs_is_cut_short(served: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[tuple[float, int]] = []

    class Timer:
        daemon = False

        def __init__(self, seconds: float, _end: Any, args: tuple[int, ...]) -> None:
            ends.append((seconds, args[0]))

        def start(self) -> None:
            assert self.daemon

    connection = _Connection(refuses=False)
    monkeypatch.setattr(connection, "close", lambda: None)
    monkeypatch.setattr(main, "_connection", lambda *_: connection)
    monkeypatch.setattr(threading, "Timer", Timer)
    with pytest.raises(SystemExit) as left:
        main.serve(served.settings)
    assert left.value.code == 0
    assert ends[0][0] < 10


def test_the_lock_may_be_waited_for(tmp_path: Path) -> None:
    first, second = WorkerLock(tmp_path / "lock"), WorkerLock(tmp_path / "lock")
    assert first.acquire()
    assert not second.acquire()
    threading.Timer(0.1, first.release).start()
    assert second.acquire(wait_s=30)
