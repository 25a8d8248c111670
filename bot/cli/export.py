"""The audit as a file for other tools: JSON Lines as it is, CSV that no spreadsheet takes for formulas."""

import csv
import json
import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, TextIO

# What makes a cell a formula in a spreadsheet. Source: OWASP, "CSV Injection"; the wide forms count too.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


class Format(StrEnum):
    """What `cloudy audit export` can write."""

    CSV = "csv"
    JSONL = "jsonl"


def write(rows: Iterable[Mapping[str, Any]], form: Format, sink: TextIO) -> None:
    """Write rows one by one, so that any number fits; all have the same fields."""
    if form is Format.JSONL:
        sink.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return
    table: csv.DictWriter[str] | None = None
    for row in rows:
        if table is None:
            table = csv.DictWriter(sink, list(row), lineterminator="\r\n")  # RFC 4180; csv quotes only what is in it
            table.writeheader()
        table.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: object) -> object:
    if isinstance(value, int | float) or value is None:
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text


def to_stdout(rows: Iterable[Mapping[str, Any]], form: Format) -> None:
    """Write to standard output, in UTF-8 whatever the terminal's language is."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    write(rows, form, sys.stdout)
