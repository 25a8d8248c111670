"""The chaos part of `python -m tests`: rounds of a fixed seed. `-m long`: more, and that they find something."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.__main__ import run
from tests.chaos.blind import CALLS
from tests.chaos.life import HOUSE
from tests.chaos.plan import plan

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]
SEED = 1
CREATING = ("vmstore.create_snapshot", "vmstore.clone_files")


def test_a_seed_decides_the_same_again() -> None:
    assert [plan(SEED, number) for number in range(20)] == [plan(SEED, number) for number in range(20)]
    assert plan(SEED, 0) != plan(SEED + 1, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("rounds", "deaths"), [(3, 12), pytest.param(8, 40, marks=pytest.mark.long)])
def test_deaths_break_nothing(tmp_path: Path, rounds: int, deaths: int) -> None:
    told: list[str] = []
    tally = run(range(rounds), SEED, told.append, folder=tmp_path / "chaos")
    assert tally.broken == 0, "\n".join(told)
    assert tally.worlds == rounds
    assert tally.kills >= deaths
    assert tally.checked > 10 * rounds


@pytest.mark.long
def test_without_looking_before_creating_it_fails(tmp_path: Path) -> None:
    told: list[str] = []
    folder = tmp_path / "chaos"
    tally = run(range(2), SEED, told.append, folder=folder, blind=",".join(CALLS), points=CREATING)
    assert tally.broken > 0, "\n".join(told)


@pytest.mark.long
def test_the_same_deaths_break_nothing_when_it_looks(tmp_path: Path) -> None:
    told: list[str] = []
    tally = run(range(1), SEED, told.append, folder=tmp_path / "chaos", points=CREATING)
    assert tally.broken == 0, "\n".join(told)


def test_the_last_line_and_the_exit_status_tell_the_verdict() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--rounds", "0"], cwd=HOUSE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "worlds 0, kills 0, invariants checked 0, broken 0"
