"""`cloudy delete` beside a running bot, approved in Slack; `cloudy protect` confirmed at a real terminal."""

import os
import pty
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.demo import Demo, cloudy, environment
from tests.e2e.test_cli import World, world
from tests.e2e.waiting import until

pytestmark = pytest.mark.slow

CONFIRMED = '[[policy.rules]]\noperation = "protect"\nneed = "confirmation"\n'


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path / "demo", None)
    try:
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait()


def test_a_delete_of_the_command_line_is_approved_in_slack(demo: Demo, tmp_path: Path) -> None:
    demo.tell("alice> /protect vm02 to s3", "alice")
    demo.tell("wait done 120\nworld users", "users: alice", 150)
    with (tmp_path / "told").open("w") as told:
        words = ["delete", "last", "--because", "the tenant has left"]
        asked = subprocess.Popen([*cloudy(), *words], cwd=demo.data, env=environment(), stdout=told, stderr=told)
    try:
        until(lambda: "The approvers were asked in Slack" in (tmp_path / "told").read_text(), "whom it waits for")
        demo.tell("bob> home", "Waiting for my word")
        demo.tell('bob> click "Approve"', "Your approval counts")
        assert asked.wait(60) == 0, (tmp_path / "told").read_text()
    finally:
        asked.kill()
        asked.wait()
    assert "Deleted: the recovery point" in (tmp_path / "told").read_text()
    assert demo.objects() == []


def at_a_terminal(world: World, typed: str) -> tuple[int, str]:
    """Run a protect at a terminal of its own, and answer when it asks: its exit status, and what it said."""
    ours, its = pty.openpty()
    command = [*cloudy(), "protect", "web01", "--to", "s3"]
    asked = subprocess.Popen(command, cwd=world.folder, env=environment(), stdin=its, stdout=its, stderr=its)
    os.close(its)
    said = _read(ours, lambda text: "Go ahead? [y/N]" in text)
    os.write(ours, typed.encode())
    said += _read(ours, lambda _text: False)
    os.close(ours)
    return asked.wait(60), said


def _read(terminal: int, is_enough: Callable[[str], bool]) -> str:
    said = ""
    while not is_enough(said):
        try:
            said += os.read(terminal, 4096).decode(errors="replace")
        except OSError:  # the other side has closed it
            break
    return said


@pytest.mark.parametrize(("typed", "status", "end"), [("y\n", 0, "web01 is protected in s3"), ("\n", 1, "Stopped by")])
def test_a_plan_is_shown_and_confirmed_at_the_terminal(world: World, typed: str, status: int, end: str) -> None:
    with (world.folder / "cloudy.toml").open("a") as papers:
        papers.write(CONFIRMED)
    ended, said = at_a_terminal(world, typed)
    assert "Where: s3: s3://" in said
    assert (ended, end in said) == (status, True), said
    assert bool(world.objects()) == (status == 0)


__all__ = ["world"]
