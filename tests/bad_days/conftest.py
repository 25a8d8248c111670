"""Fixtures of the bad days, and the page that is made from them.

`CLOUDY_WRITE_FAILURES=1 python -m pytest tests/bad_days` writes docs/failures.md anew; without it a row that the page
does not have fails the session.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bad_days.world import World
from tests.peers import S3Peer, moto

PAGE = Path(__file__).resolve().parents[2] / "docs" / "failures.md"
ROWS: dict[tuple[str, str], "Row"] = {}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One bad day as the page tells it."""

    message: str
    left: str
    cure: str


class BadDay:
    """Collects rows; what differs from run to run is replaced by words in angle brackets."""

    def row(self, *, area: str, day: str, message: str, left: str = "nothing", cure: str = "") -> None:
        """area: a heading ("VMstore"); day: what goes wrong; message, left, cure: as the product really told them."""
        ROWS[(area, day)] = Row(message=_same(message), left=_same(left), cure=_same(cure))


def _same(text: str) -> str:
    text = re.sub(r"\d{8}T\d{6}Z-[0-9a-z]{6}", "<id>", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "<address>", text)
    text = re.sub(r"bucket-[0-9a-f]{32}", "<bucket>", text)
    text = re.sub(r"/[\w./-]*/(?=(export|cloudy|secrets|audit|engine))", "<folder>/", text)
    text = re.sub(r"/\S*?pytest-of-[^/\s]*/[^/\s]*/test_[^/\s]*", "<folder>", text)
    text = re.sub(r"cloneVM@[\d:.-]*\d", "<task>", text)
    text = re.sub(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", "<fs>", text)
    text = re.sub(r"probe-[0-9a-f]{16}", "probe-<n>", text)
    text = re.sub(r"send part \d+", "send part <n>", text)
    text = re.sub(r"multipart upload [\w.-]{20,}", "multipart upload <upload>", text)
    return " ".join(text.split()).replace("|", "\\|")


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[S3Peer]:
    with moto() as peer:
        yield peer


@pytest.fixture
def world(tmp_path: Path, bucket_server: S3Peer) -> Iterator[World]:
    made = World(tmp_path, bucket_server)
    yield made
    made.close()


@pytest.fixture
def bad_day() -> BadDay:
    return BadDay()


HEAD = "# Bad days\n\nMade from the tests in `tests/bad_days`: each row is what the product really says.\n"
TABLE = "| what goes wrong | what is said | left behind | what to do |\n|---|---|---|---|"


def page() -> str:
    """The rows as Markdown, a table for each area."""
    areas = sorted({area for area, _ in ROWS})
    return "\n".join([HEAD, *(_section(area) for area in areas)])


def _section(area: str) -> str:
    rows = [_line(day, row) for (of, day), row in sorted(ROWS.items()) if of == area]
    return "\n".join([f"## {area}", "", TABLE, *rows, ""])


def _line(day: str, row: Row) -> str:
    return f"| {day} | {row.message} | {row.left} | {row.cure} |"


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("CLOUDY_WRITE_FAILURES"):
        PAGE.write_text(page())
        return
    known = PAGE.read_text() if PAGE.exists() else ""
    untold = [day for (_, day), row in ROWS.items() if _line(day, row) not in known]
    if untold and session.exitstatus == 0:
        print(f"\ndocs/failures.md does not tell as it is: {untold}")
        print("Write it anew: CLOUDY_WRITE_FAILURES=1 python -m pytest tests/bad_days")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
