"""The audit as a file for other tools: JSON Lines as it is, CSV that no spreadsheet takes for formulas."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, TextIO

from bot import spreadsheet


class Format(StrEnum):
    """What `cloudy audit export` can write."""

    CSV = "csv"
    JSONL = "jsonl"


def write(rows: Iterable[Mapping[str, Any]], form: Format, sink: TextIO) -> None:
    """Write rows one by one, so that any number fits; all have the same fields."""
    if form is Format.JSONL:
        sink.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return
    spreadsheet.write(_table(rows), sink)


def _table(rows: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[object]]:
    header: list[str] = []
    for row in rows:
        if not header:
            header = list(row)
            yield header
        yield [row[name] for name in header]


def to_stdout(rows: Iterable[Mapping[str, Any]], form: Format) -> None:
    """Write to standard output, in UTF-8 whatever the terminal's language is."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    write(rows, form, sys.stdout)
