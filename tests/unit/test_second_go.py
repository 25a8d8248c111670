"""`python -m tests --second-go`: a few that failed run again alone; what is broken does not pass by it."""

from pathlib import Path

import pytest

from tests import __main__ as house

SHAKY = """
from pathlib import Path

def test_once():
    seen = Path("seen")
    if not seen.exists():
        seen.touch()
        raise AssertionError
"""
BROKEN = "def test_never(): raise AssertionError\n"
MANY = "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_of_six(n): raise AssertionError\n"


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> "Go":
    monkeypatch.setattr(house, "HERE", tmp_path)
    monkeypatch.setattr(house, "CHECKS", ())
    return Go(tmp_path, capfd)


class Go:
    """Runs of a house with one file of tests."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capture = capture

    def __call__(self, tests: str, *arguments: str) -> tuple[int, list[str]]:
        (self._folder / "test_it.py").write_text(tests)
        status = house.main([*arguments, "--timeout=120"])
        return status, self._capture.readouterr().out.splitlines()


def test_one_that_failed_beside_others_passes_alone_and_is_named_at_the_end(go: Go) -> None:
    status, said = go(SHAKY + "def test_good(): pass\n", "--second-go", "-n", "1")
    assert status == 0
    assert said[-1] == "SHAKY: test_it.py::test_once failed, and passed when it ran again alone: mend it"
    assert sum("= 1 passed in" in line for line in said) == 1  # the second go has that one alone


def test_one_that_fails_again_fails_the_run(go: Go) -> None:
    status, said = go(SHAKY + BROKEN, "--second-go", "-n", "0")
    assert status == 1
    assert "second go, of 2 alone:" in said
    assert not [line for line in said if line.startswith("SHAKY")]


def test_many_that_failed_have_no_second_go(go: Go) -> None:
    status, said = go(MANY, "--second-go", "-n", "0")
    assert status == 1
    assert said[-1] == "no second go: 6 tests failed, and it is for 5 at most"


def test_there_is_none_without_the_word(go: Go) -> None:
    status, said = go(SHAKY, "-n", "0")
    assert status == 1
    assert not [line for line in said if "second go" in line]


def test_a_check_that_fails_counts_whatever_the_tests_do(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "CHECKS", (("true", ["false"]),))
    assert go(SHAKY, "--second-go", "-n", "0")[0] == 1
    status, said = go(SHAKY, "--second-go", "-n", "0")
    assert status == 1
    assert said[-1] == "NOT true"
