"""The recovery points of a VM, as a table for a person and as a sheet: where they lie, what was found of them since."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bot.model import PointsOf, Proof, RecoveryPoint, SeenVm
from bot.proofs import Standing, damage_text, standings
from bot.words import duration_text, size_text
from handlers import ids
from handlers.tables import Menu, Table, Turn

_NOTHING = Standing()
_DAMAGED, _PROVEN, _FAILED = "❌", "✅", "⚠️"
_TIER, _LOCK, _VM = "Tier", "Locked until", "VM"  # columns
_MOST_TOLD = 5  # recovery points whose troubles are told under the table
Places = Mapping[tuple[str, str], Standing]


def table(found: PointsOf, now: datetime, *, title: str, turns: tuple[Turn, ...]) -> Table:
    """One page; a column that says nothing of any row is left out."""
    says = {
        _TIER: any(point.tier for point in found.page.rows),
        _LOCK: any(point.locked_until and point.locked_until > now for point in found.page.rows),
        _VM: len(found.uuids) > 1,
    }
    also = tuple(name for name, is_said in says.items() if is_said)
    known = standings(found.proofs)
    return Table(
        kind="points",
        title=title,
        columns=("Taken", "In", "Transaction", "Size", "Consistency", "Verified", "Proven", *also),
        rows=tuple(_row(point, known, now, also) for point in found.page.rows),
        right=frozenset({3}),
        total=found.page.total,
        lines=_whose(found),
        closing=tuple(_troubles(found, known))[:_MOST_TOLD],
        menu=_restores(found.page.rows, now),
        turns=turns,
    )


def _restores(points: Sequence[RecoveryPoint], now: datetime) -> Menu | None:
    """The form of a restore, from one of the rows; a point that is in several targets is there once."""
    once = {point.transaction_id: point for point in points}
    options = tuple((f"{at(point.taken_at)}, {ago(now, point.taken_at)} · {key}", key) for key, point in once.items())
    return Menu(label="Restore…", action_id=ids.RESTORE_ROW, options=options) if options else None


def sheet(found: PointsOf) -> tuple[tuple[object, ...], ...]:
    """The header, then all rows."""
    header = (
        "taken_at", "target", "transaction", "vm", "uuid", "bytes", "consistency", "manifest", "verified_at",
        "verified_how", "proven_at", "rto_s", "damage", "locked_until", "tier",
    )  # fmt: skip
    known = standings(found.proofs)
    return (header, *(_cells(point, known.get(_place(point), _NOTHING)) for point in found.page.rows))


def at(time: datetime) -> str:
    """ "2026-11-25 14:22 UTC"."""
    return f"{time:%Y-%m-%d %H:%M} UTC"


def ago(now: datetime, then: datetime) -> str:
    """The largest unit is enough, since the time itself stands beside it."""
    minutes = int((now - then).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"


def verified_text(standing: Standing, now: datetime) -> str:
    """When its bytes were looked at last, and how; damage goes before all that came after it."""
    if standing.damage:
        return f"{_DAMAGED} damaged, found {ago(now, standing.damage.at)}"
    if standing.verified:
        return f"{ago(now, standing.verified.at)}, {standing.verified.kind}"
    return "when it was made"


def proven_text(standing: Standing, now: datetime) -> str:
    """When it lived last, and how soon; a later drill that failed is told beside it."""
    proven, drilled = standing.proven, standing.drilled
    good = f"{_PROVEN} {ago(now, proven.at)}{_rto(proven)}" if proven else ""
    if drilled and not drilled.is_good:
        return f"{_FAILED} failed {ago(now, drilled.at)}{f'; {good}' if good else ''}"
    return good or "never"


def _rto(proof: Proof) -> str:
    return f", RTO {duration_text(proof.rto.seconds)}" if proof.rto else ""


def _place(point: RecoveryPoint) -> tuple[str, str]:
    return point.transaction_id, point.target


def _row(point: RecoveryPoint, known: Places, now: datetime, also: Sequence[str]) -> tuple[str, ...]:
    standing = known.get(_place(point), _NOTHING)
    lock = point.locked_until if point.locked_until and point.locked_until > now else None
    cells = {_TIER: point.tier or "–", _LOCK: at(lock) if lock else "–", _VM: f"{point.vm_name} {point.vm_uuid}"}
    return (
        f"{at(point.taken_at)}, {ago(now, point.taken_at)}",
        point.target,
        point.transaction_id,
        size_text(point.size),
        point.consistency,
        verified_text(standing, now),
        proven_text(standing, now),
        *(cells[name] for name in also),
    )


def _troubles(found: PointsOf, known: Places) -> Iterator[str]:
    """What is wrong with those on the page, and who found it."""
    for point in found.page.rows:
        standing = known.get(_place(point), _NOTHING)
        name = f"{point.transaction_id} in {point.target}"
        if standing.damage:
            what = damage_text(standing.damage.damage) or standing.damage.why
            yield f"{name} is damaged, as {standing.damage.run} found: {what}"
        elif standing.drilled and not standing.drilled.is_good:
            yield f"{name} did not come to life in {standing.drilled.run}: {standing.drilled.why.splitlines()[0]}"


def _whose(found: PointsOf) -> tuple[str, ...]:
    if len(found.uuids) > 1:
        words = f"{len(found.uuids)} VMs are or were called so; the last column tells them apart by uuid."
        return (words, *(f"{vm.uuid}: {_where(vm)}" for vm in found.vms[:5]))
    return tuple(f"{vm.name}: {_where(vm)}" for vm in found.vms[:5])


def _where(vm: SeenVm) -> str:
    gone = f", gone since {at(vm.gone_at)}" if vm.gone_at else ""
    return f"on {vm.vmstore}, {size_text(vm.used_bytes)} used{gone}"


def _cells(point: RecoveryPoint, standing: Standing) -> tuple[object, ...]:
    verified, proven, damage = standing.verified, standing.proven, standing.damage
    return (
        point.taken_at.isoformat(),
        point.target,
        point.transaction_id,
        point.vm_name,
        point.vm_uuid,
        point.size,
        point.consistency,
        point.manifest_key,
        verified.at.isoformat() if verified else "",
        verified.kind.value if verified else "",
        proven.at.isoformat() if proven else "",
        round(proven.rto.seconds, 1) if proven and proven.rto else "",
        (damage_text(damage.damage) or damage.why) if damage else "",
        point.locked_until.isoformat() if point.locked_until else "",
        point.tier or "",
    )
