"""CSV that no spreadsheet takes for formulas, as RFC 4180 has it."""

import csv
import json
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import TextIO

# What makes a cell a formula in a spreadsheet. Source: OWASP, "CSV Injection"; the wide forms count too.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def write(rows: Iterable[Sequence[object]], sink: TextIO) -> None:
    """Write rows one by one, so that any number fits."""
    table = csv.writer(sink, lineterminator="\r\n")  # csv quotes only what is in it
    table.writerows([cell(value) for value in row] for row in rows)


def text(rows: Iterable[Sequence[object]]) -> str:
    """Give all rows as one text."""
    sink = StringIO(newline="")
    write(rows, sink)
    return sink.getvalue()


def cell(value: object) -> object:
    """A value as it may stand in a cell: what would be a formula begins with a quote."""
    if isinstance(value, int | float) or value is None:
        return value
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{said}" if said.startswith(_FORMULA) else said
