"""The App Home, drawn from what is known of one person's work. Pure.

At most 100 blocks (Slack's reference of views); the parts are bounded, so that it is far fewer.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot import durations
from bot.model import Fared, Json, Protection, Tier, VmKind, VmLine
from bot.overview import MOST_RUNNING, ROWS, Kept, Running, Shared, View
from bot.story import asked, buttons_of
from handlers import blocks, ids
from handlers.cards import STATE_MARKS, WAITING, Card, one_line, visible
from handlers.views import plain

_KINDS = {
    VmKind.ALL: "All VMs",
    VmKind.PROTECTED: "Protected",
    VmKind.LATE: "Late",
    VmKind.UNPROTECTED: "Never protected",
    VmKind.BIG: "The largest first",
}
_MARKS = {Protection.PROTECTED: "✅", Protection.LATE: "⚠️", Protection.NEVER: "⛔", Protection.EXEMPT: "⚪"}
_WELL = {True: "✅", False: "❌", None: "⚪"}
_BUTTONS = {  # of a transaction: label, action and style by name
    "retry": ("Retry", ids.RETRY, "primary"),
    "cleanup": ("Clean up now", ids.STOP, ""),
    "stop": ("Stop", ids.STOP, "danger"),
    "details": ("Details", ids.DETAILS, ""),
}
_LINE, _SECTION, _OPTION = 200, 2900, 75
_MOST_WAITING, _CARD = 5, 10  # cards, blocks of one
_FARTHEST = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """What one person's App Home tells."""

    running: tuple[Running, ...]
    shared: Shared
    waiting: tuple[Card, ...] = ()  # the approvals that wait for this person's word
    may_restore: bool = False


def draw(home: Home) -> Json:
    """The view as Slack takes it."""
    drawn = [
        *_top(home),
        *_running([one for one in home.running if one.awaits is None]),
        *_coming([one for one in home.running if one.awaits]),
        *_waiting(home.waiting),
        *_vms(home),
        _heading("VMstores and targets"),
        _lines([_system(fared) for fared in (*home.shared.vmstores, *home.shared.targets)]),
        _heading("Ended lately"),
        _lines([f"{STATE_MARKS[t.state]} {t.id} {asked(t)}: {t.state} · {t.actor.name}" for t in home.shared.last]),
    ]
    kind = home.shared.view.kind.value or "all"  # in the ids: in a block of the same id a choice of before would stay
    numbered = [block | {"block_id": f"cloudy-home-{kind}-{i}"} for i, block in enumerate(drawn)]
    return {"type": "home", "private_metadata": memo(home.shared.view), "blocks": numbered}


def refused(words: str) -> Json:
    """In place of it, for who may not read."""
    return {"type": "home", "blocks": [_section(words)]}


def memo(view: View) -> str:
    """What of the list is looked at, as the view carries it."""
    return json.dumps({"kind": view.kind.value, "offset": view.offset})


def view_of(text: str) -> View:
    """Read it back; anything else means the list's beginning."""
    try:
        told = json.loads(text)
        kind, offset = VmKind(told.get("kind", "")), told.get("offset", 0)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return View()
    is_offset = type(offset) is int and 0 <= offset <= _FARTHEST
    return View(kind=kind, offset=offset if is_offset else 0)


def _top(home: Home) -> Iterator[Json]:
    protect = _button("Protect a VM", ids.HOME_PROTECT, "form") | {"style": "primary"}
    restore = [_button("Restore a VM", ids.HOME_RESTORE, "form")] if home.may_restore else []
    yield {"type": "actions", "elements": [protect, *restore]}


def _running(running: Sequence[Running]) -> Iterator[Json]:
    yield _heading("My running transactions")
    if not running:
        yield _lines([])
    for one in running[:MOST_RUNNING]:
        transaction = one.transaction
        yield _lines([f"{STATE_MARKS[transaction.state]} {asked(transaction)}", one.line, transaction.id])
        names = [name for name in _BUTTONS if name in buttons_of(transaction)]
        yield {"type": "actions", "elements": [_of_transaction(name, transaction.id) for name in names]}
    if len(running) > MOST_RUNNING:
        yield _lines([f"… and {len(running) - MOST_RUNNING} more: /cloudy status"])


def _coming(waiting: Sequence[Running]) -> Iterator[Json]:
    """What waits for its moment."""
    if not waiting:
        return
    yield _heading("My transactions that wait for their moment")
    rows = [f"{WAITING} {asked(one.transaction)}: {one.line} · {one.transaction.id}" for one in waiting[:_MOST_WAITING]]
    more = len(waiting) - _MOST_WAITING
    yield _lines([*rows, *([f"… and {more} more wait: /cloudy status"] if more > 0 else [])])


def _waiting(cards: Sequence[Card]) -> Iterator[Json]:
    if cards:
        yield _heading("Waiting for my word")
    for card in cards[:_MOST_WAITING]:
        yield from blocks.render_card(card, blocks.SECTIONS).blocks[:_CARD]
    if len(cards) > _MOST_WAITING:
        yield _lines([f"… and {len(cards) - _MOST_WAITING} more; they come up when these are decided"])


def _vms(home: Home) -> Iterator[Json]:
    shared, tally = home.shared, home.shared.tally
    yield _heading(f"{tally.total} VMs")
    counts = (
        f"{_MARKS[Protection.PROTECTED]} {tally.protected} protected within {_rpo(shared.rpo)}",
        f"{_MARKS[Protection.LATE]} {tally.late} late",
        f"{_MARKS[Protection.NEVER]} {tally.never} never protected",
        *([f"{_MARKS[Protection.EXEMPT]} {tally.exempt} exempt"] if tally.exempt else []),
    )
    yield {"type": "section", "fields": [plain(count) for count in counts]}
    yield {"type": "actions", "elements": [_filter(shared.view), *_turns(shared)]}
    yield from (_vm(line, shared.kept.get(line.vm.uuid), home.may_restore) for line in shared.page.rows)
    if not shared.page.rows:
        yield _lines([])
    if shared.page.total:
        yield _context(f"{shared.page.offset + 1} to {shared.page.end} of {shared.page.total}")


def _rpo(rpo: timedelta | None) -> str:
    return durations.said(rpo) if rpo else "the RPO of their SLA"


def _filter(view: View) -> Json:
    options = {kind: {"text": plain(label, _OPTION), "value": kind.value or "all"} for kind, label in _KINDS.items()}
    return {
        "type": "static_select",
        "action_id": ids.HOME_FILTER,
        "placeholder": plain("Which VMs"),
        "options": list(options.values()),
        "initial_option": options[view.kind],
    }


def kind_chosen(value: str) -> VmKind:
    """What an entry of the filter stands for; one that is not known: all."""
    return VmKind(value) if value in {kind.value for kind in _KINDS} else VmKind.ALL


def _turns(shared: Shared) -> Iterator[Json]:
    page, kind = shared.page, shared.view.kind
    if page.offset:
        yield _button("Previous", ids.HOME_PREVIOUS, memo(View(kind=kind, offset=max(0, page.offset - ROWS))))
    if page.end < page.total:
        yield _button("Next", ids.HOME_NEXT, memo(View(kind=kind, offset=page.end)))


def _vm(line: VmLine, kept: Kept | None, may_restore: bool) -> Json:
    newest = f"{_at(line.newest)} to {', '.join(line.targets)}" if line.newest else "never protected"
    said = [f"{_MARKS[line.protection]} {line.vm.name} on {line.vm.vmstore}: {newest}"]
    block = _lines([*said, *([_kept(kept)] if kept else [])])
    if not kept or not may_restore:
        return block
    label = blocks.cut(one_line(f"Restore {line.vm.name}"), _OPTION)
    return block | {"accessory": _button("Restore…", ids.RESTORE_OF, line.vm.uuid) | {"accessibility_label": label}}


def _kept(kept: Kept) -> str:
    count = "1 recovery point" if kept.points == 1 else f"{kept.points} recovery points"
    verified = f"verified {_at(kept.verified_at)}" if kept.verified_at else "not verified since"
    proven = f"proven by a drill {_at(kept.proven_at)}" if kept.proven_at else "never proven by a drill"
    tiers = ", ".join(f"{kept.tiers[tier]} {tier}" for tier in Tier if kept.tiers.get(tier))
    return f"{count}{f' ({tiers})' if tiers else ''}, {verified}, {proven}"


def _system(fared: Fared) -> str:
    well = f"well {_at(fared.well_at)}" if fared.well_at else "not used yet"
    failed = f"; failed {_at(fared.failed_at)}: {fared.why}" if fared.failed_at else ""
    return f"{_WELL[fared.is_well]} {fared.name}: {well}{failed}"


def _at(time: datetime) -> str:
    """As it stands for good: an age would change, and the view with it, all the time."""
    return f"{time:%d %b %H:%M} UTC"


def _heading(text: str) -> Json:
    return {"type": "header", "text": plain(text, 150)}


def _lines(lines: Iterable[str]) -> Json:
    kept = [blocks.cut(one_line(line), _LINE) for line in lines]
    return _section("\n".join(kept) or "Nothing")


def _section(text: str) -> Json:
    text = blocks.cut(visible(text), _SECTION)
    return {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}


def _context(text: str) -> Json:
    return {"type": "context", "elements": [plain(text)]}


def _of_transaction(name: str, transaction_id: str) -> Json:
    label, action_id, style = _BUTTONS[name]
    return _button(label, action_id, transaction_id) | ({"style": style} if style else {})


def _button(label: str, action_id: str, value: str) -> Json:
    return {"type": "button", "action_id": action_id, "text": plain(label, 75), "value": value}
