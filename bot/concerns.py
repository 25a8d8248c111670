"""What people decide about a thing that a digest tells of: not to hear of it for a while, and who takes care of it.

Each method is one local unit of work, with a row in the audit.
"""

import re
from dataclasses import replace
from datetime import datetime, timedelta

from bot import digest, durations, story
from bot.errors import AmbiguousName, NotFound, RequesterError, UsageError
from bot.model import Actor, AuditEvent, Concern, ConcernKind, Json, Message, Place
from bot.policy import About, Operation
from bot.recorder import WAIT_S, Recorder
from bot.store import Unit

LONGEST_REASON = 500
MOST_SHOWN = 10  # summaries of one channel whose lines say what was done
LONGEST = timedelta(days=366)  # a snooze
OF_VMS = frozenset({ConcernKind.RPO, ConcernKind.COVER, ConcernKind.PROOF, ConcernKind.GROWTH})
_USER = re.compile("[UW][A-Z0-9_]{2,40}")


class Concerns(Recorder):
    """The part of the service that snoozes and assigns."""

    def snooze(
        self, name: str, until: str, reason: str, actor: Actor, *, request_key: str, place: Place | None = None
    ) -> Concern:
        """Tell nothing of it until then; the same request key again: the same.

        name: see `meant`. until: a day, which begins in UTC, or a duration from now. place: where it was asked, and
        which message of ours is to show it. NotFound, AmbiguousName, UsageError, NotAllowed; RequesterError: it
        approves or waits for a person, which nothing can put off.
        """
        with self._recording(actor, f"snooze {name}", request_key) as (unit, _):
            known = meant(unit, name)
            self._demand(unit, known, actor, "snooze", request_key, place)
            ends, why = _ends(until, self._clock.now()), _reason(reason)
            snoozed = replace(known, until=ends, reason=why, by=actor)
            self._keep(unit, snoozed, actor, "snooze", request_key, {"until": ends.isoformat(), "why": why})
            _show(unit, place, snoozed, f"snoozed until {digest.when(ends)} by {actor.name}: {why}")
        return snoozed

    def wake(self, name: str, actor: Actor, *, request_key: str, place: Place | None = None) -> Concern:
        """Tell of it again from now on; errors as of `snooze`."""
        with self._recording(actor, f"wake {name}", request_key) as (unit, _):
            known = meant(unit, name)
            self._demand(unit, known, actor, "snooze", request_key, place)
            awake = replace(known, until=None, reason="", by=None)
            self._keep(unit, awake, actor, "snooze ended", request_key, {})
        return awake

    def assign(self, name: str, user: str, actor: Actor, *, request_key: str, place: Place | None = None) -> Concern:
        """Note who takes care of it, and tell that person; errors as of `snooze`.

        user: a Slack user id. The same request key again: the same.
        """
        with self._recording(actor, f"assign {name}", request_key) as (unit, _):
            known = meant(unit, name)
            self._demand(unit, known, actor, "assign", request_key, place)
            if not _USER.fullmatch(user):
                raise UsageError("Say to whom, by a mention.", "/cloudy assign <vm, or transaction id> to <@person>")
            assigned = replace(known, assigned=user, assigned_by=actor.name)
            self._keep(unit, assigned, actor, "assign", request_key, {"to": user})
            if user != actor.id:
                words = f"{actor.name} asks you to take care of {said(unit, known)}."
                unit.outbox.put(Message(key=f"{request_key}:assigned", channel=user, view=story.notice(words)))
            person = unit.audit.person(user)
            _show(unit, place, assigned, f"assigned to {person[1] if person else user} by {actor.name}")
        return assigned

    def answered(self, place: Place, name: str, words: str) -> None:
        """Show on a digest's message what was done about a thing; nothing where the message is none."""
        with self._db.unit(wait_s=WAIT_S) as unit:
            _show(unit, place, _named(name), words)

    def said(self, name: str) -> str:
        """What it is, for people. NotFound, AmbiguousName, UsageError."""
        with self._db.read() as unit:
            return said(unit, meant(unit, name))

    def _demand(self, unit: Unit, known: Concern, actor: Actor, command: str, key: str, place: Place | None) -> None:
        vm = ""
        if known.kind in OF_VMS:
            vm = known.id
        elif known.kind is ConcernKind.RUN and (transaction := unit.transactions.find(known.id)):
            vm = transaction.vm
        about = About(vm=vm, channel=place.channel if place else "", command=command)
        self._rights.demand(unit, actor, Operation.PROTECT, about, key=key)

    def _keep(self, unit: Unit, concern: Concern, actor: Actor, action: str, key: str, body: Json) -> None:
        unit.concerns.put(concern)
        of_run = concern.id if concern.kind is ConcernKind.RUN else ""
        told: Json = {"event": action, "what": f"{concern.kind}:{concern.id}"}
        event = AuditEvent(key=f"{key}:concern", action="concern", actor=actor, transaction_id=of_run, body=told | body)
        unit.audit.append(event)


def meant(unit: Unit, text: str) -> Concern:
    """What a button carries ("rpo:<uuid>"), or a person types: a VM by name or uuid, or a transaction by its id.

    NotFound, AmbiguousName, UsageError.
    """
    try:
        known = _named(text)
    except UsageError:
        known = _typed(unit, text)
    return unit.concerns.get(known.kind, known.id)


def said(unit: Unit, concern: Concern) -> str:
    """What it is, for people."""
    if concern.kind in OF_VMS:
        vm = unit.inventory.of([concern.id]).get(concern.id)
        return f"{vm.name} on {vm.vmstore}" if vm else concern.id
    if concern.kind is ConcernKind.RUN and (transaction := unit.transactions.find(concern.id)):
        return f"{story.asked(transaction)} ({transaction.id})"
    return "what was left behind" if concern.kind is ConcernKind.ORPHANS else concern.id


def _named(text: str) -> Concern:
    kind, _, id = text.partition(":")
    if kind not in set(ConcernKind) or not id:
        raise UsageError("That button is not understood any more. Ask for a new summary.")
    return Concern(kind=ConcernKind(kind), id=id)


def _typed(unit: Unit, text: str) -> Concern:
    vmstore, _, name = text.rpartition("/")
    live = [vm for vm in unit.inventory.named(name) if vm.gone_at is None and vmstore in ("", vm.vmstore)]
    if len(live) > 1:
        raise AmbiguousName(f"There are {len(live)} VMs called {text}.", [f"{vm.vmstore}/{vm.name}" for vm in live])
    if live:
        return Concern(kind=ConcernKind.RPO, id=live[0].uuid)
    try:
        return Concern(kind=ConcernKind.RUN, id=unit.transactions.resolve(text).id)
    except (NotFound, UsageError):
        raise NotFound(f"“{text}” is no VM and no transaction.", unit.inventory.near(text)) from None


def _ends(until: str, now: datetime) -> datetime:
    try:
        ends = durations.until(until, now)
    except (ValueError, OverflowError):
        raise UsageError(f"“{until[:40]}” is no time: say 3d, 2w or 2026-12-01.") from None
    if not now < ends <= now + LONGEST:
        day = f"{ends:%Y-%m-%d %H:%M} UTC"
        raise RequesterError(f"It can be snoozed from now on, for a year at most; {day} is not in that.")
    return ends


def _reason(reason: str) -> str:
    said = " ".join(reason.split())
    if not said:
        raise UsageError("Say why: whoever asks later will want to know.")
    if len(said) > LONGEST_REASON:
        raise UsageError(f"The reason is longer than {LONGEST_REASON} characters.")
    return said


def _show(unit: Unit, place: Place | None, concern: Concern, words: str) -> None:
    """On the digest's message that was clicked, where it was one: its line says it, and has no buttons any more.

    So do the lines on the same thing of the other digests there that have buttons still: it is done once for all.
    """
    clicked = unit.outbox.by_ts(place.channel, place.thread) if place and place.thread else None
    if clicked is None or digest.of_view(clicked.view) is None:
        return
    others = (each for each in unit.outbox.summaries(clicked.channel, MOST_SHOWN) if each.key != clicked.key)
    for message in (clicked, *others):
        found, name = digest.of_view(message.view), f"{concern.kind}:{concern.id}"
        if found and (message is clicked or digest.is_open(found, name)):
            unit.outbox.put(replace(message, view=digest.view(digest.answered(found, name, words))))
