"""What one fire of many asks for is decided together: one card for each fifty of its plans, with each of them on it.

Each plan has an approval of its own, bound to its hash. A card's button is a word on those that it showed when it was
drawn, no more, and counts for each by itself; a plan that has changed by then is asked for again, alone.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot import firetold, petitions, story
from bot.errors import NotFound, RequesterError
from bot.model import Approval, ApprovalState, Fire, Json, Message, Schedule, Transaction
from bot.store import Unit
from bot.words import size_text

MOST = 50  # plans of one card: as many as can be named on it, and decided while a click waits for its answer
_LONGEST, _EACH = 40, 25  # characters of a VM's name; names of one list
_TOKEN = re.compile(r"joint/(schedule:[^:/]+:[0-9TZ.]+:)/([1-9]\d{0,3})/([0-9a-f]{1,13})/[0-9a-f]{32}")
_OF_EACH = ("operation", "vm", "vm_uuid")  # of what is decided: told with each plan, or said already
_SIZE = "bytes_to_send"  # of the estimates
_REPLY = "~"  # in the key of what is said beside a card


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one card shows."""

    fire: str  # how the request keys of all that the fire has started begin
    number: int  # of the card, from 1
    places: tuple[Approval | None, ...]  # the first approval of each transaction that has its place here

    @property
    def key(self) -> str:
        """Of its message in the channel."""
        return f"{self.fire}approvals:{self.number:04}"

    @property
    def token(self) -> str:
        """Names these plans, each with its hash, and no others."""
        taken = sum(1 << place for place, each in enumerate(self.places) if each)
        return f"joint/{self.fire}/{self.number}/{taken:x}/{_digest(self.approvals)}"

    @property
    def approvals(self) -> tuple[Approval, ...]:
        """What is planned of it."""
        return tuple(each for each in self.places if each)

    @property
    def pending(self) -> tuple[Approval, ...]:
        """Those that wait for a word."""
        return tuple(each for each in self.approvals if each.state is ApprovalState.PENDING)


def fire_of(unit: Unit, transaction: Transaction) -> Fire | None:
    """The fire that has started it, if those of it are told in one message; None: it has a thread of its own."""
    parts = transaction.request_key.split(":", 3)
    if not transaction.schedule or transaction.place.channel or len(parts) < 4:
        return None
    form = "%Y%m%dT%H%M%S.%fZ" if "." in parts[2] else "%Y%m%dT%H%M%SZ"
    fire = unit.fires.get(parts[1], datetime.strptime(parts[2], form).replace(tzinfo=UTC))
    return fire if fire and fire.is_wide else None


def is_joint(token: str) -> bool:
    """Whether a button is one of such a card."""
    return token.startswith("joint/")


def shown(unit: Unit, token: str) -> Sheet:
    """What the card showed whose button this is. NotFound; RequesterError: its plans are others by now."""
    known = _TOKEN.fullmatch(token)
    if known is None:
        raise NotFound("This button belongs to no approval that Cloudy knows of. Ask again for what you need.")
    whole, taken = _sheet(unit, known[1], int(known[2])), int(known[3], 16)
    sheet = replace(whole, places=tuple(each if taken >> at & 1 else None for at, each in enumerate(whole.places)))
    if not sheet.approvals or sheet.token != token:
        raise RequesterError("These are not the plans that the card showed any more. Look at it as it is now.")
    return sheet


def sheet_of(unit: Unit, transaction: Transaction, approval: Approval) -> Sheet | None:
    """The card that it stands on; None: it has one of its own."""
    if approval.number > 1 or fire_of(unit, transaction) is None:
        return None
    fire = ":".join((*transaction.request_key.split(":")[:3], ""))
    return _sheet(unit, fire, unit.approvals.rank_under(fire, transaction.id) // MOST + 1)


def tell(unit: Unit, sheet: Sheet, transaction: Transaction, approvers: Iterable[str] = ()) -> None:
    """Bring the card and its copies up to what the database says. approvers: who gets a copy, if there is none yet."""
    schedule = unit.schedules.get(transaction.schedule)
    fire = fire_of(unit, transaction)
    if fire is None:
        return
    drawn = view(schedule, fire, sheet)
    places = {_copy_key(sheet, who): who for who in (*_readers(unit, sheet), *approvers)}
    if schedule.place.channel:
        places[sheet.key] = schedule.place.channel
    for key, channel in places.items():
        before = unit.outbox.get(key)
        unit.outbox.put(Message(key=key, channel=channel, view=drawn))
        if before and drawn["buttons"] and not before.view.get("buttons"):  # an edit of it would wake nobody
            _reply(unit, key, channel, f"more:{len(sheet.approvals)}", _still(schedule, sheet, "More has come"))


def retell(unit: Unit, transaction: Transaction, approval: Approval) -> None:
    """The same after one of its plans has changed; nothing where it stands on no such card."""
    if sheet := sheet_of(unit, transaction, approval):
        tell(unit, sheet, transaction)


def remind(unit: Unit, sheet: Sheet, transaction: Transaction, now: datetime) -> None:
    """Say beside the card and its copies what still waits; once an hour at most, for all of it together."""
    text = _still(unit.schedules.get(transaction.schedule), sheet, "Still waiting")
    for key in (sheet.key, *(_copy_key(sheet, who) for who in _readers(unit, sheet))):
        if card := unit.outbox.get(key):
            _reply(unit, key, card.channel, f"{now:%m%d%H}", text)


def cards(unit: Unit, waiting: Sequence[tuple[Approval, Transaction]]) -> tuple[Json, ...]:
    """What waits, as cards: those of one fire on one."""
    found: dict[str, Json] = {}
    for approval, transaction in waiting:
        if approval.id in found:
            continue
        sheet = sheet_of(unit, transaction, approval)
        fire = fire_of(unit, transaction) if sheet else None
        if sheet and fire:
            found[sheet.key] = view(unit.schedules.get(transaction.schedule), fire, sheet)
            found |= {each.id: {} for each in sheet.approvals}
        else:
            found[approval.id] = petitions.card(story.title(transaction), approval)
    return tuple(each for each in found.values() if each)


# --- drawn ---


def view(schedule: Schedule, fire: Fire, sheet: Sheet) -> Json:
    """The card: what the plans have in common, each of them, and what they come to."""
    plans, first = sheet.approvals, sheet.approvals[0]
    line = _line(sheet)
    title = f"{firetold.asked(schedule)}: {_number(len(plans))}"
    return {
        "kind": "approval",
        "transaction": "",
        "title": title,
        "state": "pending" if sheet.pending else first.state.value,
        "line": line,
        "text": f"{title}: {line}",
        "facts": _facts(schedule, fire, sheet),
        "lists": _lists(plans),
        "by": first.requester.id,
        "buttons": _buttons(sheet),
        "token": sheet.token,
    }


def _facts(schedule: Schedule, fire: Fire, sheet: Sheet) -> list[list[str]]:
    plans, first = sheet.approvals, sheet.approvals[0]
    part = f", card {sheet.number}" if fire.started > MOST else ""
    of_all = f"{_number(len(plans))} of the {fire.started} that the fire of {fire.at:%Y-%m-%d %H:%M} UTC has started"
    alike = {name: it for name, it in first.decided.items() if all(each.decided.get(name) == it for each in plans)}
    names = dict.fromkeys(name for each in plans for name in each.decided if name not in (*alike, *_OF_EACH))
    own = [[petitions.label(name), "each has its own: /cloudy show <its id> tells"] for name in names]
    sizes = [(int(each.estimates[_SIZE]), _name(each)) for each in plans if _SIZE in each.estimates]
    largest = max(sizes, default=None)
    facts = [
        ["Plans", f"{of_all}{part}"],
        *petitions.told({name: it for name, it in alike.items() if name not in _OF_EACH}),
        *own,
        ["Bytes to send at most", size_text(sum(size for size, _ in sizes)) if sizes else ""],
        ["The largest", f"{largest[1]}: {size_text(largest[0])}" if largest else ""],
        ["Asked by", f"{first.requester.name}, by schedule {schedule.id}"],
        ["Because", first.reason],
        ["What is approved", f"exactly these {_number(len(plans))}, together {_digest(plans)[:12]}"],
    ]
    return [fact for fact in facts if fact[1]]


def _lists(plans: Sequence[Approval]) -> list[list[object]]:
    lists: list[list[object]] = []
    for start in range(0, len(plans), _EACH):
        some = plans[start : start + _EACH]
        lists.append([f"Plans {start + 1} to {start + len(some)}", [_item(each) for each in some]])
    return lists


def _item(approval: Approval) -> str:
    size = approval.estimates.get(_SIZE)
    said = [size_text(size)] if isinstance(size, int) else []
    state = [] if approval.state is ApprovalState.PENDING else [approval.state.value]
    return (
        f"{_name(approval)}: {', '.join([*said, f'plan {approval.plan_hash[:12]}', *state])}, {approval.transaction_id}"
    )


def _name(approval: Approval) -> str:
    name = str(approval.decided.get("vm") or approval.transaction_id)
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _line(sheet: Sheet) -> str:
    counted = Counter(each.state.value for each in sheet.approvals if each.state is not ApprovalState.PENDING)
    others = ", ".join(f"{number} {state}" for state, number in counted.items())
    if not sheet.pending:
        return others[:1].upper() + others[1:]
    soonest = min(sheet.pending, key=lambda each: each.expires_at)
    words = petitions.line(soonest)
    return f"{len(sheet.pending)} of {len(sheet.approvals)}: {words}" + (f"; {others}" if others else "")


def _buttons(sheet: Sheet) -> list[str]:
    if not sheet.pending:
        return []
    return ["confirm_all"] if all(each.is_confirmation for each in sheet.pending) else ["approve_all", "veto_all"]


def _still(schedule: Schedule, sheet: Sheet, head: str) -> str:
    soonest = min((each.expires_at for each in sheet.pending), default=None)
    until = f", until {soonest:%Y-%m-%d %H:%M} UTC" if soonest else ""
    wait = "plan waits" if len(sheet.pending) == 1 else "plans wait"
    return f"{head}: {len(sheet.pending)} {wait} for a decision{until}. {firetold.named(schedule)}."


def _number(count: int) -> str:
    return f"{count} plan" if count == 1 else f"{count} plans"


# --- small things ---


def _sheet(unit: Unit, fire: str, number: int) -> Sheet:
    return Sheet(fire, number, unit.approvals.first_under(fire, (number - 1) * MOST, MOST))


def _copy_key(sheet: Sheet, user: str) -> str:
    return f"{sheet.key}:to:{user}"


def _readers(unit: Unit, sheet: Sheet) -> list[str]:
    """Who has a copy."""
    keys = unit.outbox.keys_under(_copy_key(sheet, ""))
    return [key.removeprefix(_copy_key(sheet, "")) for key in keys if _REPLY not in key]


def _reply(unit: Unit, card: str, channel: str, name: str, text: str) -> None:
    key = f"{card}{_REPLY}{name}"
    if unit.outbox.get(key) is None:
        unit.outbox.put(Message(key=key, channel=channel, thread_key=card, view=story.notice(text)))


def _digest(approvals: Sequence[Approval]) -> str:
    told = "\n".join(f"{each.id} {each.plan_hash}" for each in approvals)
    return hashlib.sha256(told.encode()).hexdigest()[:32]
