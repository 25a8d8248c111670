"""Tries things one by one, each with a time-out of its own, and tells what is bad together with the cure."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from bot.errors import CloudyError

log = logging.getLogger(__name__)

AT_ONCE = 16
TIMEOUT_S = 30.0


class Health(StrEnum):
    """What a check came to."""

    GOOD = "good"
    BAD = "bad"
    UNJUDGED = "unjudged"  # not configured, not tried, or worse than it could be without being bad


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line for a person. cure: what to do, where it is bad."""

    about: str
    title: str
    health: Health
    words: str
    cure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One small thing to try. run: gives the words for a good end; raises CloudyError: bad, Unjudged: neither.

    is_gate: when it is bad, what follows in its group is not tried.
    """

    title: str
    run: Callable[[], str]
    cure: str
    timeout_s: float = TIMEOUT_S
    is_gate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Checks of one thing, tried in order. end: called after them, whatever they came to."""

    about: str
    checks: tuple[Check, ...] = field(default_factory=tuple)
    end: Callable[[], None] = lambda: None


class Unjudged(Exception):  # noqa: N818 - not a failure
    """The check cannot say good or bad; cure may tell what would be better."""

    def __init__(self, words: str, cure: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.cure = cure


def examine(groups: Sequence[Group]) -> tuple[Finding, ...]:
    """Try all groups at once, the checks of each in order; findings in the order of the groups.

    Ends in time whatever hangs: the thread of a check that does not come back is left behind.
    """
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="doctor") as pool:
        return tuple(finding for findings in pool.map(_examined, groups) for finding in findings)


def _examined(group: Group) -> list[Finding]:
    findings: list[Finding] = []
    closed_by = ""
    for check in group.checks:
        if closed_by:
            words = f"not tried: see {closed_by}"
            findings.append(Finding(about=group.about, title=check.title, health=Health.UNJUDGED, words=words))
            continue
        finding = _tried(group.about, check)
        findings.append(finding)
        if check.is_gate and finding.health is not Health.GOOD:
            closed_by = check.title
    _tried(group.about, Check(title="end", run=partial(_end, group), cure=""))
    return findings


def _end(group: Group) -> str:
    group.end()
    return ""


def _tried(about: str, check: Check) -> Finding:
    """In a thread of its own: a mount whose server is away holds whoever asks it, for ever."""
    came: list[Finding] = []
    thread = threading.Thread(target=lambda: came.append(_run(about, check)), name=f"doctor-{check.title}", daemon=True)
    thread.start()
    thread.join(check.timeout_s)
    if came:
        return came[0]
    words = f"no answer within {check.timeout_s:.0f} s"
    return Finding(about=about, title=check.title, health=Health.BAD, words=words, cure=check.cure)


def _run(about: str, check: Check) -> Finding:
    try:
        return Finding(about=about, title=check.title, health=Health.GOOD, words=check.run())
    except Unjudged as unjudged:
        words, cure = unjudged.words, unjudged.cure
        return Finding(about=about, title=check.title, health=Health.UNJUDGED, words=words, cure=cure)
    except CloudyError as error:
        words = error.message
    except Exception as error:  # a bug in one check must not keep the others from being told
        log.exception("check failed unexpectedly", extra={"action": "bug"})
        words = f"unexpected {type(error).__name__}: {error}"
    return Finding(about=about, title=check.title, health=Health.BAD, words=words, cure=check.cure)
