"""`cloudy audit export`: every row, one by one, and no cell that a spreadsheet would take for a formula."""

import csv
import io
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.cli.export import Format, write
from bot.model import Actor, AuditEvent
from bot.store import Database

HOSTILE = ["=cmd|'/c calc'!A1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1"]
ROWS = 1200  # more than are read at once


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("audit")
    (tmp_path / "cloudy.toml").write_text("")
    Database.migrate(tmp_path / "cloudy.db")
    db = Database.open(tmp_path / "cloudy.db", audit_key=b"k" * 32)
    with db.unit() as unit:
        for number in range(ROWS):
            actor = Actor(id="U1", name=HOSTILE[number % len(HOSTILE)], source="slack")
            body = {"text": 'a "quoted", line\nand ü', "n": number}
            unit.audit.append(AuditEvent(key=f"k{number}", action="command", actor=actor, body=body))
    db.close()
    return tmp_path


def exported(folder: Path, *options: str) -> str:
    done = CliRunner().invoke(app, ["audit", "export", "-c", str(folder / "cloudy.toml"), *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_json_lines_hold_every_row_as_it_is_in_order(folder: Path) -> None:
    rows = [json.loads(line) for line in exported(folder).splitlines()]
    assert [row["seq"] for row in rows] == list(range(1, ROWS + 1))
    assert rows[0]["actor"] == HOSTILE[0]
    assert rows[7]["body"] == {"text": 'a "quoted", line\nand ü', "n": 7}
    assert all(later["prev"] == earlier["hash"] for earlier, later in pairwise(rows))


def test_csv_holds_every_row_and_no_formula(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(folder, "--format", "csv"), newline="")))
    assert [int(row["seq"]) for row in rows] == list(range(1, ROWS + 1))
    assert [row["actor"] for row in rows[:8]] == [f"'{name}" for name in HOSTILE]
    assert json.loads(rows[7]["body"])["n"] == 7
    assert not [cell for row in rows for cell in row.values() if cell.startswith(tuple("=+-@\t\r\n"))]


def test_numbers_stay_numbers() -> None:
    sink = io.StringIO()
    write([{"n": -1, "text": "-1", "nothing": None}], Format.CSV, sink)
    assert sink.getvalue() == "n,text,nothing\r\n-1,'-1,\r\n"


def test_rows_are_written_as_they_come() -> None:
    sink = io.StringIO()

    def rows() -> Iterator[dict[str, Any]]:
        yield {"n": 1}
        assert "1" in sink.getvalue()
        yield {"n": 2}

    write(rows(), Format.JSONL, sink)
    write(rows(), Format.CSV, sink)


def test_memory_is_that_of_some_rows_not_of_all(folder: Path) -> None:
    db = Database.open(folder / "cloudy.db", audit_key=None)
    with db.read() as unit:
        every = unit.audit.every()
        held = [next(every) for _ in range(ROWS)]
        kept = len(list(unit.audit._session.identity_map.values()))
    db.close()
    assert len(held) == ROWS
    assert kept <= 1000
