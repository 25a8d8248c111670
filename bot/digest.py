"""A digest put together and said in words, whoever reads it: Slack, a terminal. Pure; all text is raw.

However many VMs there are, it names a few of them and counts the others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from bot.codec import decode, encode
from bot.model import Chapter, Digest, DigestLine, Json, Ran, Stored, Topic
from bot.words import duration_text, money_text, size_text

KIND = "digest"  # of the view
EACH = 3  # lines of one topic; more, where others leave room
MOST_LINES = 10
MOST_TARGETS = 5
AHEAD = timedelta(days=30)  # what a forecast looks ahead, and at most back
FEWEST_DAYS = 7  # that measures must span for a forecast
MOST_TROUBLES = 5
LONGEST = 200  # characters of a name, or of what is said of it

_URGENT = {topic: place for place, topic in enumerate(Topic)}
_TITLES = {  # of one, of several
    Topic.APPROVAL: ("request waits for a decision", "requests wait for a decision"),
    Topic.HELD: ("failed run is held for a Retry", "failed runs are held for a Retry"),
    Topic.FAILED: ("run failed", "runs failed"),
    Topic.FAILING: ("VM fails again and again", "VMs fail again and again"),
    Topic.LATE: ("VM is late", "VMs are late"),
    Topic.SOON: ("VM will be late", "VMs will be late"),
    Topic.UNPROTECTED: ("VM has no recovery point", "VMs have no recovery point"),
    Topic.SCHEDULE: ("schedule is suspended", "schedules are suspended"),
    Topic.EXPIRY: ("certificate or credential ends soon", "certificates or credentials end soon"),
    Topic.SYSTEM: ("system did not work last", "systems did not work last"),
    Topic.UNPROVEN: ("VM was not proven in time by a drill", "VMs were not proven in time by a drill"),
    Topic.GROWTH: ("VM sent much more than usual", "VMs sent much more than usual"),
    Topic.UNSCHEDULED: ("VM has no schedule", "VMs have no schedule"),
    Topic.ORPHANS: ("thing was left behind", "things were left behind"),
}
_PATIENT = frozenset({Topic.UNPROVEN, Topic.GROWTH, Topic.UNSCHEDULED, Topic.ORPHANS})
_COUNTED = {  # what has no past of its own: of one, of several
    "expire": ("round of expire", "rounds of expire"),
    "retention": ("change of retention", "changes of retention"),
    "tier": ("round of tiers", "rounds of tiers"),
}
_PAST = {"protect": "protected", "verify": "verified", "restore": "restored", "drill": "drilled", "delete": "deleted"}


# --- putting together ---


def bounded(chapters: Iterable[Chapter]) -> tuple[Chapter, ...]:
    """Those with anything to tell, the most urgent first, with as many lines as one message takes.

    Each gets EACH lines, as long as there is room; what is left then goes to the most urgent.
    """
    told = sorted((each for each in chapters if each.total or each.snoozed), key=lambda each: _URGENT[each.topic])
    room = MOST_LINES
    given: dict[Topic, int] = {}
    for most in (EACH, MOST_LINES):
        for chapter in told:
            had = given.get(chapter.topic, 0)
            more = min(most, len(chapter.lines)) - had
            given[chapter.topic] = had + max(0, min(more, room))
            room -= given[chapter.topic] - had
    return tuple(replace(each, lines=each.lines[: given[each.topic]]) for each in told)


def is_pressing(digest: Digest) -> bool:
    """Whether there is anything that should not wait for the week's digest."""
    return any(chapter.total and chapter.topic not in _PATIENT for chapter in digest.chapters)


def line_of(line: DigestLine) -> DigestLine:
    """With texts no longer than anybody reads."""
    return replace(line, title=_cut(line.title), words=_cut(line.words), assigned=_cut(line.assigned))


def forecast(measures: Sequence[tuple[date, int]], until: date) -> tuple[int, int | None]:
    """Over how many days it was measured, and what it will be AHEAD of the last day if it goes on in a straight line.

    The line is the one of least squares through the measures; None: they span fewer than FEWEST_DAYS days. Never
    below zero.
    """
    known = [(day, value) for day, value in measures if until - AHEAD <= day <= until]
    days = (known[-1][0] - known[0][0]).days if known else 0
    if days < FEWEST_DAYS:
        return days, None
    places = [(day - until).days for day, _ in known]
    values = [value for _, value in known]
    middle, mean = sum(places) / len(places), sum(values) / len(values)
    spread = sum((place - middle) ** 2 for place in places)
    slope = sum((place - middle) * (value - mean) for place, value in zip(places, values, strict=True)) / spread
    return days, max(0, round(mean + slope * (AHEAD.days - middle)))


def answered(digest: Digest, concern: str, answer: str) -> Digest:
    """What was done about one thing, said on its lines, which have no buttons any more."""

    def told(line: DigestLine) -> DigestLine:
        return replace(line, answer=_cut(answer)) if line.concern == concern else line

    return replace(
        digest, chapters=tuple(replace(each, lines=tuple(map(told, each.lines))) for each in digest.chapters)
    )


def is_open(digest: Digest, concern: str) -> bool:
    """Whether it has a line on this thing that says of nothing done."""
    lines = (line for chapter in digest.chapters for line in chapter.lines)
    return any(line.concern == concern and not line.answer for line in lines)


# --- as the outbox keeps it ---


def view(digest: Digest) -> Json:
    """For the outbox; `text` says it where a reader does not know this kind."""
    return {"kind": KIND, "digest": encode(digest), "text": text(digest)}


def of_view(told: Mapping[str, object]) -> Digest | None:
    """Read it back; None: it is none, or of another version."""
    try:
        return decode(Digest, told["digest"]) if told.get("kind") == KIND else None
    except (KeyError, ValueError):
        return None


# --- in words ---


def text(digest: Digest) -> str:
    """All of it, as lines."""
    lines = [headline(digest), *facts(digest)]
    for chapter in digest.chapters:
        if chapter.total:
            lines.append(f"{heading(chapter)}:")
            lines += [f"• {spoken(line)}" for line in chapter.lines]
    return "\n".join([*lines, *closing(digest)])


def title(digest: Digest) -> str:
    """What it is, and of when."""
    whose = "Your VMs" if digest.owner else "All VMs"
    day = f"{digest.until:%a %d %b %H:%M} UTC"
    return f"{whose}: the last {'24 hours' if digest.span == 'day' else '7 days'}, {day}"


def headline(digest: Digest) -> str:
    """The one sentence that is enough when all is well."""
    tally = digest.tally
    if not tally.total:
        return "No VM of yours is known yet." if digest.owner else "No VM is known yet: the VMstores were not listed."
    rpo = f"within RPO ({digest.rpo})" if digest.rpo else "within RPO"
    if tally.protected == tally.total == 1:
        return f"The one VM is {rpo}; {_proof(digest)}."
    if tally.protected == tally.total:
        return f"All {_number(tally.total, 'VM')} {rpo}; {_proof(digest)}."
    unwell = [f"{count:,} {what}" for count, what in ((tally.late, "late"), (tally.never, "unprotected")) if count]
    return "; ".join([f"{tally.protected:,} of {_number(tally.total, 'VM')} {rpo}", *unwell, _proof(digest)]) + "."


def facts(digest: Digest) -> tuple[str, ...]:
    """What was done, what lies where and costs what; a sentence each, none for what there was not."""
    more = len(digest.stored) - MOST_TARGETS
    rest = f"… and {_number(more, 'target')} more." if more > 0 else ""
    stored = map(_stored, digest.stored[:MOST_TARGETS])
    return tuple(filter(None, (_ran(digest), _drills(digest), _moved(digest), *stored, rest)))


def heading(chapter: Chapter) -> str:
    """ "1,204 VMs are late"."""
    one, several = _TITLES[chapter.topic]
    return f"{chapter.total:,} {one if chapter.total == 1 else several}"


def spoken(line: DigestLine) -> str:
    """A line without its buttons."""
    said = f"{line.title}: {line.words}" if line.words else line.title
    return f"{said} → {line.answer}" if line.answer else said


def rest(chapter: Chapter) -> str:
    """How many are not shown, and how to see them; "": all are."""
    unshown = chapter.total - len(chapter.lines)
    if unshown <= 0:
        return ""
    return f"… and {unshown:,} more" + (f": {chapter.more}" if chapter.more else "")


def closing(digest: Digest) -> tuple[str, ...]:
    """What is not told, and why it may not know all."""
    snoozed = (f"{digest.snoozed:,} snoozed",) if digest.snoozed else ()
    troubles = [_cut(each) for each in digest.troubles]
    more = len(troubles) - MOST_TROUBLES
    return (*snoozed, *troubles[:MOST_TROUBLES], *((f"… and {more} more of that kind",) if more > 0 else ()))


def age(span: timedelta) -> str:
    """ "6 days", "20 h", "5 min"."""
    if span >= timedelta(days=2):
        return f"{span.days:,} days"
    hours = span // timedelta(hours=1)
    return f"{hours} h" if hours else f"{max(0, span // timedelta(minutes=1))} min"


def when(time: datetime) -> str:
    """A time, for people."""
    return f"{time:%d %b %H:%M} UTC"


def _proof(digest: Digest) -> str:
    if digest.oldest_proof is None:
        return "none proven by a drill yet"
    never = f", {digest.unproven:,} never proven" if digest.unproven else ""
    return f"oldest proof {age(digest.oldest_proof)}{never}"


def _ran(digest: Digest) -> str:
    in_order = sorted(digest.ran, key=lambda ran: ran.workflow in _COUNTED)  # what was done for VMs first
    parts = [part for ran in in_order for part in _ended(ran)]
    return f"Ran: {', '.join(parts)}." if parts else "Ran: nothing."


def _ended(ran: Ran) -> Iterator[str]:
    if ran.well:
        yield _past(ran, ran.well)
    if ran.partly:
        yield f"{_past(ran, ran.partly)} in part"
    if ran.failed:
        yield f"{_past(ran, ran.failed) if ran.workflow in _COUNTED else f'{ran.failed:,} {ran.workflow}'} failed"
    if ran.stopped:
        yield f"{_past(ran, ran.stopped) if ran.workflow in _COUNTED else f'{ran.stopped:,} {ran.workflow}'} stopped"


def _past(ran: Ran, count: int) -> str:
    """ "3 protected", "1 round of expire"."""
    if ran.workflow in _COUNTED:
        return f"{count:,} {_COUNTED[ran.workflow][count != 1]}"
    return f"{count:,} {_PAST.get(ran.workflow, ran.workflow)}"


def _drills(digest: Digest) -> str:
    drilled = digest.drilled
    if not drilled.well + drilled.failed:
        return ""
    failed = f", {drilled.failed:,} failed" if drilled.failed else ""
    if drilled.median_s is None or drilled.slowest_s is None:
        return f"Drills: {drilled.well:,} came to life{failed}."
    rto = f"RTO {duration_text(drilled.median_s)} in the middle, {duration_text(drilled.slowest_s)} at most"
    return f"Drills: {drilled.well:,} came to life{failed}; {rto}."


def _moved(digest: Digest) -> str:
    if not digest.read:
        return ""
    return (
        f"Sent {size_text(digest.sent)} to protect {size_text(digest.read)} ({digest.sent * 100 / digest.read:.0f} %)."
    )


def _stored(stored: Stored) -> str:
    month = f", {money_text(stored.month, stored.currency)} a month" if stored.month is not None else ""
    now = f"{_cut(stored.target)}: {size_text(stored.size)} in {_number(stored.points, 'recovery point')}{month}"
    if stored.foreseen is None:
        return f"{now}; a forecast takes {FEWEST_DAYS} days of measures, there are {stored.days}."
    then = (
        f", {money_text(stored.foreseen_month, stored.currency)} a month" if stored.foreseen_month is not None else ""
    )
    days = f"the last {stored.days} days in a straight line"
    return f"{now}; in {AHEAD.days} days {size_text(stored.foreseen)}{then} ({days})."


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
