"""Results as Markdown and JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tests.bench.transfer.verdicts import GIB, MIB, Record, Results, Verdict, size_text


def measured(results: Results) -> str:
    """All medians."""
    head = "| case | to | client | size | wall s | CPU s | CPU s/GiB | memory MiB | sent MiB | foreign cores |"
    return table(head, [_row(record) for record in results.all.values()])


def aims(verdicts: Sequence[Verdict]) -> str:
    """What was to be reached."""
    head = "| case | to | what | is | aim | reached |"
    rows = [[v.case, v.place, v.what, v.value, v.aim, "yes" if v.is_reached else "**no**"] for v in verdicts]
    return table(head, rows)


def starts(by: Mapping[str, tuple[float, float]]) -> str:
    """What starting each program costs, which is in no other figure."""
    rows = [[name, f"{wall:.2f}", f"{cpu:.2f}"] for name, (wall, cpu) in by.items()]
    return table("| client | start s | CPU s |", rows)


def profiles(results: Results) -> str:
    """Where Cloudy worked."""
    parts = []
    for found in results.all.values():
        lines = [f"{seconds:8.2f} s  {place}" for place, seconds in found.figures.profile]
        if lines:
            parts.append("\n".join([f"\n{found.case}, {found.place}, {found.client}:", *lines]))
    return "\n".join(parts)


def document(facts: Mapping[str, Any], records: Sequence[Record], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """All runs, and what was made of them."""
    return {
        **facts,
        "runs": [asdict(record) for record in records],
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }


def _row(record: Record) -> list[str]:
    figures = record.figures
    each = figures.cpu / (record.size / GIB)
    return [
        record.case,
        record.place,
        record.client,
        size_text(record.size),
        f"{figures.wall:.2f}",
        f"{figures.cpu:.2f}",
        f"{each:.2f}" if record.size >= 64 * MIB and record.case != "memory" else "",
        f"{figures.peak / MIB:.0f}",
        f"{figures.wire / MIB:.1f}",
        f"{figures.foreign:.1f}",
    ]


def table(head: str, rows: Sequence[Sequence[str]]) -> str:
    """In Markdown."""
    line = "|" + "---|" * (head.count("|") - 1)
    return "\n".join([head, line, *(f"| {' | '.join(row)} |" for row in rows)])
