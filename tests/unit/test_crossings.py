"""The points where a test may let the process die: off they are nothing, armed they kill at the crossing asked for."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import crossings
from bot.errors import ConfigError

HOUSE = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    crossings.arm("")


class Port:
    name = "a port"

    def call(self, number: int) -> int:
        return number + 1


def dies(text: str, crossed: str) -> bool:
    code = f"from bot import crossings\ncrossings.arm({text!r})\n{crossed}\nprint('alive')\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, check=False)
    if done.returncode == -signal.SIGKILL:
        assert f"crossing: {text}" in done.stderr.decode()
        return True
    assert (done.returncode, done.stdout) == (0, b"alive\n"), done.stderr
    return False


def test_a_port_is_handed_on_as_it_is_when_nothing_is_armed() -> None:
    port = Port()
    assert crossings.watched("port", port) is port
    crossings.cross("port.call:before")


def test_a_watched_port_does_what_the_port_does() -> None:
    crossings.arm("port.other:before=1")
    port = crossings.watched("port", Port())
    assert port is not None
    assert (port.name, port.call(1)) == ("a port", 2)


def test_the_process_dies_at_the_crossing_asked_for_and_not_before() -> None:
    assert not dies("a:before=3", "for _ in range(2): crossings.cross('a:before')")
    assert dies("a:before=3", "for _ in range(3): crossings.cross('a:before')")


def test_the_process_dies_before_or_after_the_call_itself() -> None:
    make = "import io; port = crossings.watched('io', io.StringIO())"
    assert dies("io.write:before=1", f"{make}; port.write('x')")
    assert dies("io.write:after=1", f"{make}; port.write('x')")
    assert not dies("io.write:after=2", f"{make}; port.write('x')")


@pytest.mark.parametrize("text", ["a", "a=", "a=0", "a=x", "a=1,b"])
def test_a_plan_that_cannot_be_read_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match="CLOUDY_CROSSINGS"):
        crossings.arm(text)
