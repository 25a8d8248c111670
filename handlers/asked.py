"""Questions about VMs, recovery points and the audit: what was typed, or stands in a button, as a value. Pure."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot import durations
from bot.errors import UsageError
from bot.model import Json, VmKind

VMS_USAGE = (
    "/cloudy vms [a part of the name, or a pattern like web*] [protected|late|unprotected|big]"
    "   e.g. /cloudy vms web* late"
)
POINTS_USAGE = "/cloudy recovery-points <vm>   by its name, VMstore/name or uuid"
AUDIT_USAGE = (
    "/cloudy audit [<transaction id>|<vm>|<user>] [since <7d, 24h or 2026-11-01>]   e.g. /cloudy audit vm01 since 7d"
)

CHART_USAGE = "/cloudy chart sent|rpo   bytes sent by day against size, or the age of the newest recovery point by VM"

SLA_USAGE = "/cloudy sla [vm]   what is promised for the VMs, or for one and how it stands"

VMS, POINTS, AUDIT, CHART, SLA = "vms", "recovery-points", "audit", "chart", "sla"
SENT, RPO = "sent", "rpo"  # the charts
ALIASES = {"points": POINTS}
USAGES = {VMS: VMS_USAGE, POINTS: POINTS_USAGE, AUDIT: AUDIT_USAGE, CHART: CHART_USAGE, SLA: SLA_USAGE}

LONGEST = 255
MOST_STARS = 5  # each one more makes a search slower by a factor
_FARTHEST = 10_000_000
_KINDS = {kind.value: kind for kind in VmKind if kind.value}
_QUOTED = re.compile('["“”„‟]([^"“”„‟]*)["“”„‟]')
_SINCE = re.compile(r"(?:^|(?<=\s))since(?:\s+(?P<when>.*))?$", re.IGNORECASE)
_USER = re.compile(r"<@([UW][A-Z0-9]{1,40})(?:\|[^<>]*)?>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What is asked; nothing looked up yet."""

    verb: str
    text: str = ""  # a pattern, a VM, or what the audit is to be about
    kind: VmKind = VmKind.ALL  # vms
    since: str = ""  # audit: a duration or a date
    offset: int = 0  # of the first row that is shown

    def begins(self, now: datetime) -> datetime | None:
        """The time of the first row that is asked for; None: the first one ever."""
        if not self.since:
            return None
        return durations.since(self.since, now)


def inquiry(verb: str, rest: str) -> Inquiry:
    """Read what follows `vms`, `recovery-points`, `audit`, `chart` or `sla`. UsageError says what is not understood."""
    if verb == VMS:
        return _vms(rest.strip())
    if verb == POINTS:
        if not rest.strip():
            raise UsageError("Say which VM.", POINTS_USAGE)
        return _checked(Inquiry(verb=POINTS, text=_unquoted(rest)))
    if verb == SLA:
        return _checked(Inquiry(verb=SLA, text=_unquoted(rest)))
    if verb == CHART:
        return _checked(Inquiry(verb=CHART, text=rest.strip().casefold()))
    return _audit(rest.strip())


def written(asked: Inquiry) -> str:
    """What one would type, for people."""
    name = f'"{asked.text}"' if " " in asked.text or asked.text.casefold() in (*_KINDS, "since") else asked.text
    since = f"since {asked.since}" if asked.since else ""
    return " ".join(filter(None, ("/cloudy", asked.verb, name, asked.kind.value, since)))


def to_json(asked: Inquiry) -> Json:
    """As it stands in a database, and in a button's value."""
    told = {"verb": asked.verb, "text": asked.text, "kind": asked.kind.value, "since": asked.since}
    return {name: value for name, value in told.items() if value} | {"offset": asked.offset}


def button_value(asked: Inquiry) -> str:
    """As a button carries it: well below the 2,000 characters that Slack takes."""
    return json.dumps(to_json(asked), ensure_ascii=False, separators=(",", ":"))


def of_button(value: str) -> Inquiry:
    """Read it back; whoever clicked may have sent anything. UsageError: it is none of ours."""
    try:
        told = json.loads(value) if len(value) <= 2000 else None
    except (ValueError, RecursionError):
        told = None
    return of_json(told)


def of_json(told: Any) -> Inquiry:
    """Read what `to_json` gave. UsageError: it is none of ours."""
    if not isinstance(told, dict) or told.keys() - {"verb", "text", "kind", "since", "offset"}:
        raise _foreign()
    offset = told.get("offset", 0)
    words = {name: told.get(name, "") for name in ("verb", "text", "kind", "since")}
    if not all(isinstance(word, str) for word in words.values()) or type(offset) is not int:
        raise _foreign()
    if words["verb"] not in USAGES or words["kind"] not in (*_KINDS, "") or not 0 <= offset <= _FARTHEST:
        raise _foreign()
    kind = VmKind(words["kind"])
    return _checked(Inquiry(verb=words["verb"], text=words["text"], kind=kind, since=words["since"], offset=offset))


def _vms(rest: str) -> Inquiry:
    words = rest.split(" ")
    kind = _KINDS.get(words[-1].casefold())
    if kind is not None:
        words = words[:-1]
    pattern = re.sub(r"\*+", "*", _unquoted(" ".join(words)))
    return _checked(Inquiry(verb=VMS, text=pattern, kind=kind or VmKind.ALL))


def _audit(rest: str) -> Inquiry:
    since, what = "", rest
    if found := _SINCE.search(rest):
        since, what = (found["when"] or "").strip(), rest[: found.start()]
        if not since:
            raise UsageError("Say since when.", AUDIT_USAGE)
    if user := _USER.fullmatch(what.strip()):
        what = user[1]
    return _checked(Inquiry(verb=AUDIT, text=_unquoted(what), since=since.casefold()))


def _checked(asked: Inquiry) -> Inquiry:
    usage = USAGES[asked.verb]
    if asked.verb == CHART and asked.text not in (SENT, RPO):
        raise UsageError("Say which chart.", usage)
    if len(asked.text) > LONGEST:
        raise UsageError(f"That is longer than {LONGEST} characters.", usage)
    if asked.verb == VMS and asked.text.count("*") > MOST_STARS:
        raise UsageError(f"At most {MOST_STARS} stars in a pattern.", usage)
    try:
        asked.begins(datetime(2026, 1, 1, tzinfo=UTC))
    except (ValueError, OverflowError):
        raise UsageError(f"“{asked.since[:40]}” is no time: say 7d, 24h or 2026-11-01.", usage) from None
    return asked


def _unquoted(text: str) -> str:
    said = text.strip()
    found = _QUOTED.fullmatch(said)
    return (found[1] if found else said).strip()


def _foreign() -> UsageError:
    return UsageError("That button is not understood any more. Ask again.")
