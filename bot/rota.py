"""Whose turn it is to be drilled: every VM at least every so many days, the longest not drilled first. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

AGAIN = timedelta(hours=20)  # one that was drilled without success is not tried again sooner: the others come first


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How often, and what is waited for."""

    every: timedelta = timedelta(days=30)  # how old a VM's newest proof may be
    a_day: int = 4  # drills begun by this choice in 24 hours, at most
    alive_s: int = 300  # how long a VM may take from its start to a sign of life
    pattern: str = ""  # what its console must show; "": what runs in the guest must answer
    patterns: Mapping[str, str] = field(default_factory=dict)  # the same for VMs of such names, the first that fits

    def pattern_for(self, vm: str) -> str:
        """What the console of that VM must show."""
        fits = (said for name, said in self.patterns.items() if fnmatchcase(vm.casefold(), name.casefold()))
        return next(fits, self.pattern)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A VM that has a recovery point which may be restored from."""

    vm_uuid: str
    vm: str
    proven_at: datetime | None  # when one of its recovery points was proven last; None: never
    tried_at: datetime | None  # when a drill of it was asked for last, or ended, whatever came of it
    every: timedelta | None = None  # how old its newest proof may be; None: as the rules say


def due(
    candidates: Iterable[Candidate],
    *,
    now: datetime,
    rules: Rules,
    running: Collection[str],
    begun: Iterable[datetime],
) -> tuple[Candidate, ...]:
    """Those whose turn it is, in order: none, where as many were begun as a day may have.

    Those that cannot be proven are tried no more often than the others: else a few of them would take every turn.
    running: uuids of VMs that are being drilled now; begun: when drills were begun.
    """
    if sum(now - timedelta(days=1) < at for at in begun) >= rules.a_day:
        return ()
    wanted = [
        each for each in candidates if each.vm_uuid not in running and _is_due(each, now, each.every or rules.every)
    ]
    return tuple(sorted(wanted, key=_age))


def _is_due(candidate: Candidate, now: datetime, every: timedelta) -> bool:
    is_old = candidate.proven_at is None or now - candidate.proven_at >= every
    rests = candidate.tried_at is not None and now - candidate.tried_at < AGAIN
    return is_old and not rests


def _age(candidate: Candidate) -> tuple[bool, float, str, str]:
    """Who was never drilled before who was, then who was not for the longest time; the choice is the same each time."""
    known = [at.timestamp() for at in (candidate.proven_at, candidate.tried_at) if at is not None]
    return bool(known), max(known, default=0.0), candidate.vm, candidate.vm_uuid
