"""How lines are played where the world needs a moment."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from integrations.simulators.demo.player import Player
from integrations.simulators.demo.script import ScriptError
from integrations.simulators.demo.transcript import Transcript
from integrations.simulators.slack import Ack
from integrations.simulators.vmstore import VmstoreSimulator


@dataclass
class Stage:
    """A Slack in which everything is there only after some looks."""

    looks: int
    done: list[str] = field(default_factory=list)
    submitted: Ack = field(default_factory=lambda: Ack(ok=True))
    shown: str | None = None

    def user_id(self, name: str) -> str:
        return name

    def click(self, user: str, label: str, channel: str) -> Ack:
        self._look()
        self.done.append(f"{user} {label}")
        return Ack(ok=True)

    def command(self, user: str, channel: str, text: str) -> Ack:
        raise LookupError(f"#{channel} is archived")

    def newest_thread(self, channel: str) -> str:
        self._look()
        return "1.1"

    def mention(self, user: str, text: str, channel: str, thread: str) -> Ack:
        self.done.append(f"{user} {text} {thread}")
        return Ack(ok=True)

    def fill(self, user: str, name: str, value: str) -> Ack:
        self._look()
        self.done.append(f"{user} fills {name} with {value}")
        return Ack(ok=True)

    def submit(self, user: str) -> Ack:
        return self.submitted

    def say(self, user: str, text: str, place: str) -> Ack:
        self.done.append(f"{user} says {text} in {place}")
        return Ack(ok=True)

    def open_home(self, user: str) -> Ack:
        return Ack(ok=True)

    def home(self, user: str) -> str | None:
        return self.shown

    def menu(self, user: str, label: str, channel: str) -> Ack:
        raise LookupError(f'The app has no shortcut "{label}"')

    def fail_next(self, method: str, count: int, *, status: int) -> None:
        raise LookupError(f"Slack has no method {method}")

    def _look(self) -> None:
        self.looks -= 1
        if self.looks >= 0:
            raise LookupError("not there")


def player(slack: Stage) -> Player:
    return Player(cast(Any, SimpleNamespace(slack=slack, wires={})), Transcript(lambda _: None))


def test_a_button_or_thread_that_is_on_its_way_is_waited_for() -> None:
    slack = Stage(looks=3)
    player(slack).click("alice", "Stop")
    slack.looks = 3
    player(slack).mention("bob", "stop")
    assert slack.done == ["alice Stop", "bob stop 1.1"]


def test_what_does_not_come_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.simulators.demo.player._ANSWER_S", 0.1)
    with pytest.raises(ScriptError, match="not there"):
        player(Stage(looks=10_000)).click("alice", "Stop")
    with pytest.raises(ScriptError, match="not there"):
        player(Stage(looks=10_000)).mention("alice", "stop")


def test_a_fault_that_could_never_happen_is_refused() -> None:
    with pytest.raises(ScriptError, match=r"no method chat\.updat"):
        player(Stage(looks=0)).fail("slack", "chat.updat", 2)


def test_a_vmstores_faults_are_its_own_to_name(tmp_path: Path) -> None:
    simulator, said = VmstoreSimulator(tmp_path / "export", http=True), list[str]()
    world = cast(Any, SimpleNamespace(vmstores={"vmstore": simulator}, wires={}))
    stage = Player(world, Transcript(said.append))
    stage.fail("vmstore", "snapshot-limit", 2)
    stage.fail("vmstore", "layout", 1)
    assert simulator.options.layout == "direct"
    with pytest.raises(ScriptError, match=r"no fault nonsense; there are: .*snapshot-limit"):
        stage.fail("vmstore", "nonsense", 1)
    with pytest.raises(ScriptError, match="nothing fails like that"):
        stage.fail("vmstore9", "snapshot", 1)
    stage.help()
    assert "snapshot-limit" in "".join(said)


def test_a_command_where_nobody_can_write_is_told_as_the_scripts_mistake() -> None:
    with pytest.raises(ScriptError, match="#ops is archived"):
        player(Stage(looks=0)).command("alice", "/cloudy runs")


def test_a_field_of_a_form_that_is_on_its_way_is_waited_for() -> None:
    slack = Stage(looks=3)
    player(slack).fill("alice", "VM", "vm01")
    assert slack.done == ["alice fills VM with vm01"]


def test_a_form_that_stays_open_is_no_failure_of_the_script_and_an_answer_that_never_came_is() -> None:
    slack = Stage(looks=0)
    refused, incomplete = Ack(ok=True, text="VM: no such VM"), Ack(ok=False, error="incomplete", text="VM is missing")
    for stays in (refused, incomplete):
        slack.submitted = stays
        player(slack).submit("alice")
    slack.submitted = Ack(ok=False, error="operation_timeout")
    with pytest.raises(ScriptError, match="operation_timeout"):
        player(slack).submit("alice")


def test_a_direct_message_goes_to_the_bot_alone() -> None:
    slack = Stage(looks=0)
    player(slack).dm("alice", "status")
    assert slack.done == ["alice says status in @cloudy"]


def test_an_app_home_that_the_bot_never_draws_fails_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.simulators.demo.player._ANSWER_S", 0.05)
    with pytest.raises(ScriptError, match="drawn no App Home"):
        player(Stage(looks=0)).home("alice")
    player(Stage(looks=0, shown="Nothing runs")).home("alice")


def test_a_shortcut_that_the_app_has_not_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.simulators.demo.player._ANSWER_S", 0.05)
    with pytest.raises(ScriptError, match="no shortcut"):
        player(Stage(looks=0)).menu("alice", "Dance")
