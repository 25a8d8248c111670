"""What is promised for VMs, and how one VM stands by it, as tables."""

from collections.abc import Iterator
from datetime import datetime

from bot import sla_words
from bot.model import SlaTally, Standing
from bot.questions import Questions
from bot.words import duration_text
from handlers.asked import Inquiry
from handlers.tables import Table

_MOST = 95  # rows; Slack takes a few more
_PATTERNS = 60  # characters


def table(questions: Questions, inquiry: Inquiry, _now: datetime) -> Table:
    """Of one VM, or of all SLAs. NotFound: there is no such VM."""
    return _of_vm(inquiry.text, questions.standings(inquiry.text)) if inquiry.text else _of_all(questions)


def _of_all(questions: Questions) -> Table:
    tallies = questions.tallies()
    return Table(
        kind="slas",
        title="What is promised for which VMs",
        columns=("SLA", "VMs", "Promise", "Protected", "Late", "Never"),
        rows=tuple(map(_row, tallies))[:_MOST],
        right=frozenset({3, 4, 5}),
        wide=frozenset({2}),
        total=min(len(tallies), _MOST),
        closing=("The first that fits a VM is its own; /cloudy sla <vm> says which.",),
    )


def _row(each: SlaTally) -> tuple[str, ...]:
    sla, tally = each.sla, each.tally
    patterns = ", ".join(sla.vms) or "all others"
    shown = patterns if len(patterns) <= _PATTERNS else f"{patterns[:_PATTERNS]}…"
    counts = ("", "", "") if sla.is_exempt else (f"{tally.protected:,}", f"{tally.late:,}", f"{tally.never:,}")
    return sla.name, f"{tally.total:,}: {shown}", sla_words.promise(sla), *counts


def _of_vm(named: str, standings: tuple[Standing, ...]) -> Table:
    rows = [row for each in standings for row in _rows(each)][:_MOST]
    return Table(
        kind="sla",
        title=f"How {named} stands",
        columns=("What", "How"),
        rows=tuple(rows),
        wide=frozenset({1}),
        total=len(rows),
    )


def _rows(standing: Standing) -> Iterator[tuple[str, str]]:
    vm, sla = standing.vm, standing.sla
    yield "VM", f"{vm.name} on {vm.vmstore}"
    yield "SLA", f"{sla.name} ({sla_words.why(standing)}): {sla_words.promise(sla)}"
    yield "State", sla_words.state(standing)
    for each in standing.targets:
        yield "Newest recovery point", sla_words.place(each)
    if sla.is_exempt:
        return
    yield "Next run", sla_words.next_text(standing)
    if standing.takes is not None:
        yield "Takes mostly", f"up to {duration_text(standing.takes.total_seconds())}"
    yield "Proven by a drill", sla_words.at(standing.proven_at) if standing.proven_at else "never"
    for trouble in standing.troubles:
        yield "Needs a look", sla_words.trouble(trouble, standing)
