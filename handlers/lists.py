"""The answers to questions, as tables for a person and as sheets for a spreadsheet."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bot import durations
from bot.model import AuditRow, Page, Protection, RecoveryPoint, Subject, VmKind, VmLine
from bot.questions import PAGE, Questions
from bot.words import size_text
from handlers import asked, ids, pictures, pointtables, slatables
from handlers.asked import Inquiry
from handlers.pointtables import ago, at
from handlers.tables import Table, Turn

SHEET_FROM = 100  # a list with more rows is sent as a file too
MOST_ROWS = 20_000  # of one sheet

_MARKS = {Protection.PROTECTED: "✅", Protection.LATE: "⚠️", Protection.NEVER: "❌", Protection.EXEMPT: "⚪"}
_NONE = "none"
_KINDS = {
    VmKind.ALL: "VMs",
    VmKind.PROTECTED: "Protected VMs",
    VmKind.LATE: "Late VMs",
    VmKind.UNPROTECTED: "VMs without a recovery point",
    VmKind.BIG: "VMs, the largest first",
}
Row = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A list whole, for a spreadsheet."""

    name: str  # of what it lists
    rows: tuple[Row, ...]  # the header first
    total: int  # rows of the whole list, which may be more


def table(questions: Questions, inquiry: Inquiry, now: datetime) -> Table:
    """One page of the answer. Raises what Questions raises."""
    page = _TABLES[inquiry.verb](questions, inquiry, now)
    return replace(page, version=inquiry.offset + 1)


def sheet(questions: Questions, inquiry: Inquiry, now: datetime) -> Sheet:
    """The answer from its first row on, MOST_ROWS at most. Raises what Questions raises."""
    rows, total = _SHEETS[inquiry.verb](questions, inquiry, now)
    kind = f"-{inquiry.kind}" if inquiry.kind else ""
    return Sheet(name=f"{inquiry.verb}{kind}", rows=rows, total=total)


# --- VMs ---


def _vms(questions: Questions, inquiry: Inquiry, now: datetime) -> Table:
    page = questions.vms(inquiry.text, inquiry.kind, offset=inquiry.offset)
    name = _KINDS[inquiry.kind] + (f" called {inquiry.text}" if inquiry.text else "")
    return Table(
        kind="vms",
        title=_title(name, page),
        columns=("VM", "VMstore", "Used", "State", "Newest recovery point", "Targets"),
        rows=tuple(_vm_row(line, now) for line in page.rows),
        right=frozenset({2}),
        total=page.total,
        lines=(_standing(questions),),
        closing=_troubles(questions),
        turns=_turns(inquiry, page),
    )


def _vm_row(line: VmLine, now: datetime) -> tuple[str, ...]:
    newest = f"{at(line.newest)}, {ago(now, line.newest)}" if line.newest else _NONE
    state = f"{_MARKS[line.protection]} {line.protection}"
    return line.vm.name, line.vm.vmstore, size_text(line.vm.used_bytes), state, newest, ", ".join(line.targets)


def _standing(questions: Questions) -> str:
    tally, rpo = questions.tally(), questions.rpo
    exempt = f", {tally.exempt:,} exempt" if tally.exempt else ""
    return (
        f"All {tally.total:,} VMs: {tally.protected:,} protected, {tally.late:,} late (older than"
        f" {durations.said(rpo) if rpo else 'the RPO of their SLA'}), {tally.never:,} without a recovery point{exempt}."
    )


def _troubles(questions: Questions) -> tuple[str, ...]:
    """Why the list may be old."""
    looks = questions.looks()
    if not looks:
        return ("The VMstores were not looked at yet; ask again in a minute.",)
    return tuple(
        f"{look.vmstore} could not be asked since {at(look.well_at) if look.well_at else 'the start'}: {look.error}"
        for look in looks
        if look.error
    )


def _vm_sheet(questions: Questions, inquiry: Inquiry, _now: datetime) -> tuple[tuple[Row, ...], int]:
    page = questions.vms(inquiry.text, inquiry.kind, limit=MOST_ROWS)
    header = (
        "vm", "vmstore", "uuid", "used_bytes", "provisioned_bytes", "hypervisor", "powered", "state",
        "newest_recovery_point", "targets", "seen_at",
    )  # fmt: skip
    rows = (
        (
            line.vm.name, line.vm.vmstore, line.vm.uuid, line.vm.used_bytes, line.vm.provisioned_bytes,
            line.vm.hypervisor, line.vm.powered, line.protection.value, _iso(line.newest), ", ".join(line.targets),
            _iso(line.vm.seen_at),
        )
        for line in page.rows
    )  # fmt: skip
    return (header, *rows), page.total


# --- recovery points ---


def _points(questions: Questions, inquiry: Inquiry, now: datetime) -> Table:
    found = questions.recovery_points(inquiry.text, offset=inquiry.offset)
    title = _title(f"Recovery points of {inquiry.text}", found.page)
    return pointtables.table(found, now, title=title, turns=_turns(inquiry, found.page))


def _point_sheet(questions: Questions, inquiry: Inquiry, _now: datetime) -> tuple[tuple[Row, ...], int]:
    found = questions.recovery_points(inquiry.text, limit=MOST_ROWS)
    return pointtables.sheet(found), found.page.total


# --- audit ---


def _audit(questions: Questions, inquiry: Inquiry, now: datetime) -> Table:
    since = inquiry.begins(now)
    subject, name, page = questions.audit(inquiry.text, since, offset=inquiry.offset)
    about = "" if subject is Subject.ALL else f" of the {subject} {name}"
    of_one = subject is Subject.TRANSACTION  # its id is in the title
    columns = ("No.", "At (UTC)", "Who", "What", *(() if of_one else ("Transaction",)), "Details")
    return Table(
        kind="audit",
        title=_title(f"Audit{about}{f' since {at(since)}' if since else ''}, newest first", page),
        columns=columns,
        rows=tuple(_audit_row(row, of_one=of_one) for row in page.rows),
        right=frozenset({0}),
        wide=frozenset({len(columns) - 1}),
        total=page.total,
        turns=_turns(inquiry, page),
    )


def _audit_row(row: AuditRow, *, of_one: bool) -> tuple[str, ...]:
    who = row.actor_name if row.source == "slack" else f"{row.actor_name} ({row.source})"
    about = () if of_one else (row.transaction_id,)
    return str(row.seq), f"{row.at:%Y-%m-%d %H:%M:%S}", who, row.action, *about, _details(row)


def _details(row: AuditRow) -> str:
    return ", ".join(f"{name}: {_word(value)}" for name, value in row.body.items())


def _word(value: object) -> str:
    if isinstance(value, list):
        return " and ".join(map(_word, value)) or _NONE
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _audit_sheet(questions: Questions, inquiry: Inquiry, now: datetime) -> tuple[tuple[Row, ...], int]:
    _subject, _name, page = questions.audit(inquiry.text, inquiry.begins(now), limit=MOST_ROWS)
    header = ("seq", "at", "actor", "actor_id", "source", "action", "transaction", "details")
    rows = (
        (
            row.seq, _iso(row.at), row.actor_name, row.actor_id, row.source, row.action, row.transaction_id,
            _details(row),
        )
        for row in page.rows
    )  # fmt: skip
    return (header, *rows), page.total


# --- small things ---


def _title(name: str, page: Page[VmLine] | Page[RecoveryPoint] | Page[AuditRow]) -> str:
    if not page.total:
        return f"{name}: {_NONE}"
    if not page.rows:
        return f"{name}: {page.total:,}, and none from number {page.offset + 1:,} on"
    shown = "" if len(page.rows) == page.total else f"{page.offset + 1:,} to {page.end:,} of "
    return f"{name}: {shown}{page.total:,}"


def _turns(inquiry: Inquiry, page: Page[VmLine] | Page[RecoveryPoint] | Page[AuditRow]) -> tuple[Turn, ...]:
    behind = -(-page.total // PAGE) * PAGE  # the list may be shorter by now
    before = replace(inquiry, offset=max(0, min(page.offset, behind) - PAGE))
    after = replace(inquiry, offset=page.end)
    back = Turn(label="Previous", action_id=ids.PREVIOUS_PAGE, value=asked.button_value(before))
    on = Turn(label="Next", action_id=ids.NEXT_PAGE, value=asked.button_value(after))
    return (*((back,) if page.offset else ()), *((on,) if page.rows and page.end < page.total else ()))


def _iso(time: datetime | None) -> str:
    return time.isoformat() if time else ""


_TABLES: Mapping[str, Callable[[Questions, Inquiry, datetime], Table]] = {
    asked.VMS: _vms,
    asked.POINTS: _points,
    asked.AUDIT: _audit,
    asked.CHART: pictures.table,
    asked.SLA: slatables.table,
}
_SHEETS: Mapping[str, Callable[[Questions, Inquiry, datetime], tuple[tuple[Row, ...], int]]] = {
    asked.VMS: _vm_sheet,
    asked.POINTS: _point_sheet,
    asked.AUDIT: _audit_sheet,
}
