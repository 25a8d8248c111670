"""Retention in the chat: `/retention` and what follows it, its buttons, and the file with every recovery point."""

from collections.abc import Iterator, Sequence
from functools import partial

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot import spreadsheet
from bot.errors import BusyError, TooMany, UsageError
from bot.model import Handout, Hold, InForce, Json, Preview, PreviewRequest, RetentionLine, RetentionTable, Verdict
from bot.previewing import points_text, summary
from bot.retention_text import parse, said, why
from bot.service import Service
from bot.words import size_text
from handlers import answers, ids
from handlers.blocks import quiet
from handlers.cards import Card, Entry, Key, Matter
from handlers.keepingwords import RETENTION, Act, Keeping, written
from handlers.origin import Origin, of_click
from handlers.webapi import File
from handlers.whisper import after_ack_safe, tell_once

MOST = 5_000  # recovery points that are looked at while somebody waits for the answer
_SHOWN = 10
_BUTTON = "\n"  # between the SLA and the rules in a button


def register(app: App, service: Service) -> None:
    """Listen."""
    app.action(ids.RETENTION_SET)(after_ack_safe(partial(clicked, service)))
    app.action(ids.RETENTION_RELEASE)(after_ack_safe(partial(clicked, service)))


def answer(service: Service, asked: Keeping, origin: Origin) -> Card:
    """Whatever it asks for. Raises what the service raises."""
    return _ORDERS[asked.act](service, asked, origin)


def clicked(service: Service, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """Bring what was previewed into force, or release a hold; both may wait for an approval."""
    origin, value = of_click(body), str(action.get("value") or "")
    if action["action_id"] == ids.RETENTION_RELEASE:
        card = _release(service, Keeping(act=Act.RELEASE, what=value), origin)
    else:
        card = _set(service, _of_button(value), origin)
    ack()
    tell_once(service, client, origin, card)


def sheet(service: Service, asked: Json, stamp: str) -> File:
    """Every recovery point of a preview, as a file."""
    keeping = Keeping(
        act=Act.PREVIEW, rules=parse(str(asked["rules"])) if asked.get("rules") else None, what=str(asked["what"])
    )
    found = service.retaining.preview(PreviewRequest(rules=keeping.rules, subject=keeping.what))
    content = spreadsheet.text(_rows(found)).encode("utf-8-sig")  # the mark by which spreadsheets know UTF-8
    comment = f"{quiet(written(keeping))}: {found.total:,} rows, {len(found.goes):,} would go"
    return File(name=f"retention-{stamp}.csv", content=content, comment=comment)


def _show(service: Service, _asked: Keeping, _origin: Origin) -> Card:
    return table_card(service.retaining.table())


def _preview(service: Service, asked: Keeping, origin: Origin) -> Card:
    request = PreviewRequest(rules=asked.rules, subject=asked.what)
    try:
        found = service.retaining.preview(request, most=MOST)
    except TooMany as error:
        return Card(kind=RETENTION, title=f"{error.message} {_promised(service, asked, origin)}")
    more = _promised(service, asked, origin) if len(found.goes) > _SHOWN else ""
    return preview_card(found, more)


def _set(service: Service, asked: Keeping, origin: Origin) -> Card:
    assert asked.rules is not None  # noqa: S101 - parse gives rules with this word
    key, place = origin.key, origin.place
    found = service.retaining.set(
        asked.what, asked.rules, origin.actor, request_key=key, place=place, reason=asked.reason
    )
    if isinstance(found, InForce):
        return Card(kind=RETENTION, mark="✅", title=f"In force for {found.sla}: {said(found.retention)}")
    return answers.accepted([found])


def _hold(service: Service, asked: Keeping, origin: Origin) -> Card:
    until = asked.ends(service.now())
    held = service.retaining.hold(
        asked.what,
        asked.reason,
        origin.actor,
        request_key=origin.key,
        until=until,
        channel=origin.channel,
    )
    return Card(kind=RETENTION, mark="🔒", title=f"Held: {_of(held)}", lines=(_told(held),))


def _release(service: Service, asked: Keeping, origin: Origin) -> Card:
    key, place = origin.key, origin.place
    found = service.retaining.release(asked.what, origin.actor, request_key=key, place=place, reason=asked.reason)
    return answers.accepted([found])


def _promised(service: Service, asked: Keeping, origin: Origin) -> str:
    wanted = {"verb": RETENTION, "rules": said(asked.rules) if asked.rules else "", "what": asked.what}
    try:
        service.handouts.promise(Handout(key=origin.key, person=origin.actor.id, asked=wanted))
    except BusyError:
        return "Cloudy is busy, so it does not come as a file; ask again for one."
    return "All of them come as a CSV file to your conversation with Cloudy."


# --- drawn ---


def table_card(table: RetentionTable) -> Card:
    """What is in force, and what is held, with a button to release each."""
    holds = tuple(Entry(text=f"{_of(hold)}: {_told(hold)}", keys=(_key(hold),)) for hold in table.holds[:_SHOWN])
    more = len(table.holds) - len(holds)
    return Card(
        kind=RETENTION,
        title="Retention",
        lists=(("In force", tuple(map(_line, table.lines))),),
        matters=(Matter(heading="Holds", entries=holds, rest=f"{more} more" if more else ""),) if holds else (),
        closing=("What a change would remove: /retention preview keep 7 last, 14 daily for <sla>",),
    )


def _line(line: RetentionLine) -> str:
    force = line.force
    parts = [f"{force.sla}: {said(force.retention)}", f"{_vms(line.vms)} with recovery points"]
    parts += [f"since {force.since:%Y-%m-%d} by {force.by}"] if force.by else ["not in force yet"]
    if line.behind:
        more = "1 more is kept by what it" if line.behind == 1 else f"{line.behind} more are kept by what they"
        parts.append(f"{more} had before, until that is approved")
    parts += [f"{line.waits} waits for an approval"] if line.waits else []
    return " · ".join(parts)


def _vms(count: int) -> str:
    return "1 VM" if count == 1 else f"{count:,} VMs"


def _of(hold: Hold) -> str:
    return f"recovery point {hold.point} of {hold.vm}" if hold.point else f"all recovery points of {hold.vm}"


def _told(hold: Hold) -> str:
    until = f"until {hold.until:%Y-%m-%d %H:%M} UTC" if hold.until else "until it is released"
    return f"{until}, by {hold.by} on {hold.at:%Y-%m-%d}: {hold.reason} ({hold.id})"


def _key(hold: Hold) -> Key:
    typed = f"/retention release {hold.id}"
    return Key(label="Release", action_id=ids.RETENTION_RELEASE, value=hold.id, typed=typed)


def preview_card(found: Preview, more: str = "") -> Card:
    """What would go and what it saves; the first few by name, the rest counted."""
    request = found.request
    rules = said(request.rules) if request.rules else "what is in force"
    lists = [("Would go, oldest first", tuple(map(_point, found.goes[:_SHOWN])))] if found.goes else []
    if found.by_vm:
        lists.append(("Cost most", tuple(_costs(found))))
    rest = len(found.goes) - _SHOWN
    counted = (f"and {rest:,} more.",) if rest > 0 else ()
    return Card(
        kind=RETENTION,
        title=f"Preview of retention{f' for {request.subject}' if request.subject else ''}: {rules}",
        lines=tuple(summary(found)),
        lists=tuple(lists),
        matters=_offer(found),
        closing=(*counted, *((more,) if more else ())),
    )


def _point(verdict: Verdict) -> str:
    point = verdict.point
    return (
        f"{point.transaction_id} · {point.vm_name} in {point.target} · {point.taken_at:%Y-%m-%d %H:%M} UTC"
        f" · {size_text(point.size)}"
    )


def _costs(found: Preview) -> Iterator[str]:
    for line in found.by_vm:
        money = f" · {line.a_month}" if line.a_month else ""
        less = f", {line.less} less by then" if line.less else ""
        yield f"{line.vm}: {points_text(line.points)}, {size_text(line.size)}{money}{less}"


def _offer(found: Preview) -> tuple[Matter, ...]:
    """A button where these rules can be brought into force for an SLA."""
    if not (found.sla and found.request.rules):
        return ()
    text = said(found.request.rules)
    says = "It could keep less: one other person must approve it" if found.is_shorter else "It keeps no less: at once"
    key = Key(
        label="Bring into force",
        action_id=ids.RETENTION_SET,
        value=f"{found.sla}{_BUTTON}{text}",
        style="danger" if found.is_shorter else "primary",
        typed=f"/retention set {text} for {found.sla}",
    )
    return (Matter(heading=f"For {found.sla}", entries=(Entry(text=says, keys=(key,)),)),)


def _of_button(value: str) -> Keeping:
    sla, _, rules = value.partition(_BUTTON)
    try:
        return Keeping(act=Act.SET, rules=parse(rules), what=sla)
    except ValueError:
        raise UsageError("That button is not understood any more. Ask for a new preview.") from None


def _rows(found: Preview) -> Iterator[Sequence[object]]:
    yield "recovery point", "target", "VM", "VM's uuid", "taken at", "bytes", "would", "why"
    for verdict in (*found.goes, *found.stays):
        point = verdict.point
        reasons = "; ".join(why(keep) for keep in verdict.keeps)
        yield (
            point.transaction_id, point.target, point.vm_name, point.vm_uuid, point.taken_at.isoformat(), point.size,
            "stay" if verdict.is_kept else "go", reasons,
        )  # fmt: skip


_ORDERS = {Act.SHOW: _show, Act.PREVIEW: _preview, Act.SET: _set, Act.HOLD: _hold, Act.RELEASE: _release}
