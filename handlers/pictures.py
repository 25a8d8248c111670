"""What charts show: numbers by day and by VM, as a table for everybody and as a chart for who can see one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot import durations
from bot.model import DayMoved, Protection, VmKind, VmLine
from bot.questions import Questions
from bot.words import size_text
from handlers import asked
from handlers.asked import Inquiry
from handlers.charts import Chart, Series
from handlers.tables import Table

DAYS, VMS = 30, 20
FEWEST = 2  # points of a curve
_GIB = 1 << 30
_HOUR = timedelta(hours=1)


def table(questions: Questions, inquiry: Inquiry, now: datetime) -> Table:
    """The numbers."""
    return _sent_table(questions) if inquiry.text == asked.SENT else _age_table(questions, now)


def chart(questions: Questions, inquiry: Inquiry, now: datetime) -> Chart:
    """The same, to be drawn."""
    return moved(questions) if inquiry.text == asked.SENT else _age_chart(questions, now)


# --- bytes by day ---


def _sent_table(questions: Questions) -> Table:
    days = questions.moved_by_day(DAYS)
    read, sent = sum(day.read for day in days), sum(day.sent for day in days)
    said = (f"{size_text(read)} protected by sending {size_text(sent)}{_share(sent, read)}.",) if days else ()
    return Table(
        kind="chart",
        title=f"Bytes sent by day, last {DAYS} days",
        columns=("Day (UTC)", "Size", "Sent", "Share", "Transactions"),
        rows=tuple(_day_row(day) for day in days),
        right=frozenset({1, 2, 3, 4}),
        total=len(days),
        lines=said or ("Nothing was protected in that time.",),
    )


def _day_row(day: DayMoved) -> tuple[str, ...]:
    share = f"{day.sent * 100 / day.read:.0f} %"
    return f"{day.day}", size_text(day.read), size_text(day.sent), share, str(day.transactions)


def _share(sent: int, read: int) -> str:
    return f", {sent * 100 / read:.0f} % of it" if read else ""


def of_vm(questions: Questions, uuid: str, name: str) -> Chart:
    """The bytes that one VM took, by day."""
    return _moved_chart(questions.moved_by_day(DAYS, uuid), f"{name}: bytes sent by day, against size")


def moved(questions: Questions) -> Chart:
    """The bytes of all VMs by day, and what lies in the targets, where that was measured on two of these days."""
    days, stored = questions.moved_by_day(DAYS), questions.stored_by_day(DAYS)
    chart = _moved_chart(days, "Bytes sent by day, against size")
    line = tuple(stored[day.day] / _GIB if day.day in stored else None for day in days)
    if sum(value is not None for value in line) < FEWEST:
        return chart
    newest = size_text(stored[max(day.day for day in days if day.day in stored)])
    return replace(
        chart,
        title="Bytes sent by day, against size; stored",
        line=line,
        line_label="stored, all targets (right)",
        line_unit="GiB stored",
        alt=f"{chart.alt} A curve shows what lies in all targets: {newest} at last.",
    )


def _moved_chart(days: Sequence[DayMoved], title: str) -> Chart:
    read, sent = sum(day.read for day in days), sum(day.sent for day in days)
    return Chart(
        title=title,
        unit="GiB",
        names=tuple(f"{day.day:%d %b}" for day in days),
        series=(
            Series(label="size", values=tuple(day.read / _GIB for day in days)),
            Series(label="sent", values=tuple(day.sent / _GIB for day in days)),
        ),
        alt=f"Bars by day: in {DAYS} days {size_text(sent)} were sent for {size_text(read)}.",
    )


# --- age by VM ---


def _oldest(questions: Questions) -> tuple[VmLine, ...]:
    """Those with a recovery point, the oldest first: late ones, then as many others as there is room for."""
    late = questions.vms(kind=VmKind.LATE, limit=VMS).rows
    others = questions.vms(kind=VmKind.PROTECTED, limit=10_000).rows if len(late) < VMS else ()
    dated = sorted(((line.newest, line) for line in others if line.newest), key=lambda pair: pair[0])
    return (*late, *(line for _, line in dated[: VMS - len(late)]))


def _age_h(line: VmLine, now: datetime) -> float:
    return max(0.0, (now - line.newest) / _HOUR) if line.newest else 0.0


def _age_table(questions: Questions, now: datetime) -> Table:
    lines, rpo = _oldest(questions), questions.rpo
    tally = questions.tally()
    return Table(
        kind="chart",
        title=f"Age of the newest recovery point by VM, the oldest {len(lines)}",
        columns=("VM", "VMstore", "Age", f"Times the RPO ({durations.said(rpo)})" if rpo else "Times its RPO"),
        rows=tuple(
            (
                line.vm.name,
                line.vm.vmstore,
                f"{_age_h(line, now):.1f} h",
                f"{_age_h(line, now) / (line.rpo / _HOUR):.1f}",
            )
            for line in lines
        ),
        right=frozenset({2, 3}),
        total=len(lines),
        lines=(f"{tally.protected:,} VMs protected, {tally.late:,} late, {tally.never:,} without a recovery point.",),
    )


def _age_chart(questions: Questions, now: datetime) -> Chart:
    lines, rpo = _oldest(questions), questions.rpo
    late = sum(line.protection is Protection.LATE for line in lines)
    limit = rpo or max((line.rpo for line in lines), default=questions.slas.last.rpo)
    return Chart(
        title="Age of the newest recovery point",
        unit="hours",
        names=tuple(line.vm.name for line in lines),
        series=(Series(label="age", values=tuple(_age_h(line, now) for line in lines)),),
        limit=limit / _HOUR,
        limit_label=f"{'RPO' if rpo else 'longest RPO'} {durations.said(limit)}",
        is_lying=True,
        alt=f"Bars by VM: of the {len(lines)} with the oldest recovery points {late} are older than the RPO.",
    )
