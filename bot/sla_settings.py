"""[groups] and [[sla]] of cloudy.toml: what is promised for which VMs, and the mistakes that only show together."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from bot.errors import NotFound
from bot.groups import MARK, unknown
from bot.model import Retention, Sla, Slas, Tiering
from bot.model.sla import DEFAULT
from bot.rate_settings import TimeZone
from bot.sections import Duration, DurationOrNone, Section

MOST_STARS = 5  # each one more makes a search slower by a factor
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
_CHANNEL = re.compile("[CDG][A-Z0-9]{2,40}")
_RULES = ("rpo", "targets", "drill_every", "channel", "lock", "lock_mode")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no name: letters, digits, - . and _, and it begins with a letter or digit")
    return text


def _words(text: str) -> str:
    if not text.strip() or text != text.strip() or len(text) > 255:
        raise ValueError(f"{text[:40]!r} is no pattern of names: it is empty, too long, or has blanks around it")
    if text.count("*") > MOST_STARS:
        raise ValueError(f"{text!r} has more than {MOST_STARS} stars")
    return re.sub(r"\*+", "*", text)


def _pattern(text: str) -> str:
    if text.startswith(MARK):
        raise ValueError(f"{text!r} is a group, and a group has patterns of names only")
    return _words(text)


def _channel(text: str) -> str:
    if not _CHANNEL.fullmatch(text):
        raise ValueError(f"{text!r} is not the id of a channel; Slack shows it at the end of the channel's details")
    return text


Name = Annotated[str, AfterValidator(_name)]
Words = Annotated[str, AfterValidator(_words)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Channel = Annotated[str, AfterValidator(_channel)]
LockMode = Annotated[Literal["GOVERNANCE", "COMPLIANCE"], BeforeValidator(lambda text: str(text).upper())]
Groups = dict[Name, tuple[Pattern, ...]]


class RetentionSettings(Section):
    """Which recovery points of each VM are kept in each target; without any of these all are."""

    last: int = Field(default=0, ge=0, le=100_000, description="so many of the newest, like last = 3")
    daily: int = Field(default=0, ge=0, le=100_000, description="the newest of so many days, like daily = 14")
    weekly: int = Field(default=0, ge=0, le=100_000, description="the newest of so many weeks, like weekly = 8")
    monthly: int = Field(default=0, ge=0, le=100_000, description="the newest of so many months, like monthly = 12")
    yearly: int = Field(default=0, ge=0, le=1_000, description="the newest of so many years, like yearly = 3")
    minimum_age: DurationOrNone = Field(
        default=timedelta(), description='nothing younger is removed, like minimum_age = "7d"'
    )


class SlaSettings(Section):
    """What is promised for some VMs; what is left out is as for all others."""

    name: Name = Field(description='a name, like name = "gold"')
    vms: tuple[Words, ...] = Field(description='patterns of names of VMs, or groups, like vms = ["db*", "@production"]')
    rpo: Duration | None = Field(default=None, description='a duration, like rpo = "4h"')
    targets: tuple[str, ...] = Field(
        default=(), description='targets that each must have a recovery point, like targets = ["s3", "azure"]'
    )
    drill_every: DurationOrNone | None = Field(
        default=None, description='how old the newest proof of a VM may be, like drill_every = "7d"; "0": any age'
    )
    retention: RetentionSettings = Field(
        default=RetentionSettings(), description="a section [sla.retention] with last, daily, weekly, monthly, yearly"
    )
    time_zone: TimeZone = Field(default="UTC", description='a time zone, like time_zone = "Europe/Berlin"')
    lock: Duration | None = Field(default=None, description='how long each recovery point is locked, like lock = "30d"')
    lock_mode: LockMode | None = Field(default=None, description='lock_mode = "GOVERNANCE" or "COMPLIANCE", with lock')
    cold_after: Duration | None = Field(
        default=None, description='from which age on a recovery point is moved to a cold class, like cold_after = "30d"'
    )
    archive_after: Duration | None = Field(
        default=None, description='from which age on one is moved to an archive, like archive_after = "180d"'
    )
    exempt: bool = Field(default=False, description="true or false: these VMs need no protection")
    channel: Channel | None = Field(default=None, description='a channel id, like channel = "C0123456789"')


def flaws(slas: Sequence[SlaSettings], groups: Groups, file: str, *, targets: Sequence[str]) -> list[str]:
    """Tell what no single key shows: each mistake with its place and cure."""
    found = [
        f"{file}: sla, entry {position + 1}: {flaw}"
        for position, sla in enumerate(slas)
        for flaw in (
            *_of_names(slas, position),
            *_of_groups(sla, groups),
            *_of_targets(sla, targets),
            *_of_exempt(sla),
            *_of_locks(sla),
            *_of_tiers(sla),
        )
    ]
    return found + [f"{file}: {flaw}" for flaw in _of_order(slas, groups)]


def slas_of(slas: Sequence[SlaSettings], groups: Groups, *, rpo: timedelta, drill_every: timedelta) -> Slas:
    """The same as values. rpo, drill_every: where an SLA says nothing, and of the last resort."""
    return Slas(
        listed=tuple(_sla(each, rpo, drill_every) for each in slas),
        last=Sla(name=DEFAULT, rpo=rpo, drill_every=drill_every),
        groups=dict(groups),
    )


def _sla(settings: SlaSettings, rpo: timedelta, drill_every: timedelta) -> Sla:
    every = drill_every if settings.drill_every is None else settings.drill_every
    kept = {name: getattr(settings.retention, name) for name in RetentionSettings.model_fields}
    return Sla(
        name=settings.name,
        vms=settings.vms,
        rpo=settings.rpo or rpo,
        targets=tuple(dict.fromkeys(settings.targets)),
        drill_every=every or None,
        retention=Retention(zone=settings.time_zone, **kept),
        is_exempt=settings.exempt,
        channel=settings.channel or "",
        lock=settings.lock,
        lock_mode=(settings.lock_mode or "GOVERNANCE") if settings.lock else "",
        tiering=Tiering(cold_after=settings.cold_after, archive_after=settings.archive_after),
    )


def _of_names(slas: Sequence[SlaSettings], position: int) -> Iterator[str]:
    name = slas[position].name
    if name == DEFAULT:
        yield f"name: {DEFAULT!r} is what holds where no SLA fits; give it another name"
    elif Counter(each.name for each in slas[:position])[name]:
        yield f"name: there is an SLA {name!r} already; rename one"


def _of_groups(sla: SlaSettings, groups: Mapping[str, object]) -> Iterator[str]:
    if not sla.vms:
        yield 'vms: it names no VM; add patterns of names, like vms = ["db*"]'
    for word in sla.vms:
        name = word.removeprefix(MARK)
        if word.startswith(MARK) and name not in groups:
            error: NotFound = unknown(name, groups)
            yield f"vms: {error.message[0].lower()}{error.message[1:]} Correct it, or add it to [groups]"


def _of_targets(sla: SlaSettings, targets: Sequence[str]) -> Iterator[str]:
    for name in sla.targets:
        if name not in targets:
            near = get_close_matches(name, targets, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(targets) or 'none'}"
            yield f"targets: there is no target {name!r}{hint}"


def _of_exempt(sla: SlaSettings) -> Iterator[str]:
    told = [key for key in _RULES if key in sla.model_fields_set]
    if sla.exempt and told:
        yield f"{told[0]}: an exempt VM is promised nothing; take it or exempt out"


def _of_locks(sla: SlaSettings) -> Iterator[str]:
    if sla.lock_mode is not None and sla.lock is None:
        yield "lock_mode: it means nothing without lock; add lock, or take it out"


def _of_tiers(sla: SlaSettings) -> Iterator[str]:
    cold, archive = sla.cold_after, sla.archive_after
    if cold is not None and archive is not None and archive <= cold:
        yield "archive_after: it is not later than cold_after, so nothing would be cold; make it later, or take one out"


def _of_order(slas: Sequence[SlaSettings], groups: Groups) -> Iterator[str]:
    """An SLA behind one that fits every VM never decides anything."""
    for position, sla in enumerate(slas[:-1]):
        patterns = [each for word in sla.vms for each in groups.get(word.removeprefix(MARK), (word,))]
        if "*" in patterns or "*/*" in patterns:
            yield (
                f'sla, entry {position + 2}: it never decides, since {sla.name!r} before it fits every VM ("*");'
                " put that one last"
            )
            return
