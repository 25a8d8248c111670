"""Fixtures of the bad days, and the page that is made from them.

`CLOUDY_WRITE_FAILURES=1 python -m pytest tests/bad_days` writes docs/failures.md anew; without it a test whose row the
page tells in other words fails.
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
WRITE = bool(os.environ.get("CLOUDY_WRITE_FAILURES"))
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
        told = Row(message=_same(message), left=_same(left), cure=_same(cure))
        ROWS[(area, day)] = told
        if not WRITE:
            assert _line(day, told) == _on_the_page(area, day), f"write {PAGE.name} anew: see {__name__}"


def _on_the_page(area: str, day: str) -> str:
    """The line of that day as the page has it; empty where it has none."""
    section = PAGE.read_text().partition(f"## {area}\n")[2].partition("\n## ")[0]
    return next((line for line in section.splitlines() if line.startswith(f"| {day} |")), "")


def _same(text: str) -> str:
    text = re.sub(r"\d{8}T\d{6}Z-[0-9a-z]{6}", "<id>", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "<address>", text)
    text = re.sub(r"bucket-[0-9a-f]{32}", "<bucket>", text)
    text = re.sub(r"/[\w./-]*/(?=(export|cloudy|secrets|audit|engine))", "<folder>/", text)
    text = re.sub(r"/\S*?/pytest-of-\S*?/test_[^/\s]*", "<folder>", text)
    text = re.sub(r"cloneVM@[\d:.-]*\d", "<task>", text)
    text = re.sub(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", "<fs>", text)
    text = re.sub(r"probe-[0-9a-f]{16}", "probe-<n>", text)
    text = re.sub(r"send part \d+", "send part <n>", text)
    text = re.sub(r"Took: \d+ s", "Took: <n> s", text)
    text = re.sub(r"Estimated: [^\n]*", "", text)  # how long it takes differs from machine to machine
    text = re.sub(r"list uploads of \S+", "list uploads of <object>", text)  # two files go up at once: either is first
    text = re.sub(r"multipart upload [\w.-]{20,}", "multipart upload <upload>", text)
    text = re.sub(r"\b[0-9a-f]{16}\b", "<crc>", text)
    text = re.sub(r"\d\d:\d\d UTC on \d\d \w{3}", "<time>", text)
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


def pytest_sessionfinish() -> None:
    if WRITE and ROWS:
        PAGE.write_text(page())
