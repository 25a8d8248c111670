"""`cloudy vms | points`: what there is and how it stands, from the local database alone."""

import sys
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bot.cli.common import ConfigOption, JsonOption, console, print_json, reading
from bot.model import Page, Proof, RecoveryPoint, VmKind, VmLine
from bot.opening import service_for
from bot.proofs import Standing, damage_text, standings
from bot.words import duration_text, size_text

Limit = Annotated[int, typer.Option(min=1, help="How many rows.")]
Offset = Annotated[int, typer.Option(min=0, help="From which row on; the first is 0.")]


def vms(
    pattern: Annotated[str, typer.Argument(help="A part of the name, or a pattern with * and ?.")] = "",
    kind: Annotated[
        VmKind, typer.Option(help="Which ones; big: all, the largest first.", show_default=False)
    ] = VmKind.ALL,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    limit: Limit = 100,
    offset: Offset = 0,
) -> None:
    """VMs and how they are protected, as the bot listed them last."""
    with reading(config) as (settings, db):
        page = service_for(settings, db).questions.vms(pattern, kind, offset=offset, limit=limit)
    if as_json:
        print_json({"total": page.total, "vms": [_vm(line) for line in page.rows]})
        return
    table = Table("VM", "VMstore", "used", "state", "newest recovery point", "targets", "uuid")
    for line in page.rows:
        newest = f"{line.newest:%Y-%m-%d %H:%M:%S}Z" if line.newest else ""
        used, state = size_text(line.vm.used_bytes), line.protection.value
        table.add_row(
            *_plain(line.vm.name, line.vm.vmstore, used, state, newest, ", ".join(line.targets), line.vm.uuid)
        )
    console().print(table)
    _tell_rest(page)


def points(
    vm: Annotated[str, typer.Argument(help="Its name, VMstore/name or uuid.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
    limit: Limit = 100,
    offset: Offset = 0,
) -> None:
    """What a VM can be restored from, newest first; when it was verified and proven, until when it is locked."""
    with reading(config) as (settings, db):
        found = service_for(settings, db).questions.recovery_points(vm, offset=offset, limit=limit)
    known = standings(found.proofs)
    if as_json:
        rows = [_point(point, known.get((point.transaction_id, point.target), Standing())) for point in found.page.rows]
        print_json({"total": found.page.total, "uuids": list(found.uuids), "recovery_points": rows})
        return
    if len(found.uuids) > 1:
        print(f"{len(found.uuids)} VMs are or were called so; the uuid tells them apart", file=sys.stderr)
    table = Table("taken", "target", "transaction", "size", "consistency", "verified", "proven", "locked until", "VM")
    for point in found.page.rows:
        standing = known.get((point.transaction_id, point.target), Standing())
        vm = f"{point.vm_name} {point.vm_uuid}" if len(found.uuids) > 1 else point.vm_name
        where = f"{point.target} ({point.tier})" if point.tier else point.target
        row = (where, point.transaction_id, size_text(point.size), point.consistency)
        table.add_row(
            *_plain(_time(point.taken_at), *row, _verified(standing), _proven(standing), _time(point.locked_until), vm)
        )
    console().print(table)
    _tell_rest(found.page)


def _vm(line: VmLine) -> dict[str, Any]:
    return {
        "vm": line.vm.name,
        "vmstore": line.vm.vmstore,
        "uuid": line.vm.uuid,
        "used_bytes": line.vm.used_bytes,
        "provisioned_bytes": line.vm.provisioned_bytes,
        "hypervisor": line.vm.hypervisor,
        "powered": line.vm.powered,
        "state": line.protection.value,
        "sla": line.sla,
        "newest": line.newest.isoformat() if line.newest else None,
        "targets": list(line.targets),
        "seen": line.vm.seen_at.isoformat(),
    }


def _time(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}Z" if time else ""


def _verified(standing: Standing) -> str:
    if standing.damage:
        return f"damaged: {damage_text(standing.damage.damage) or standing.damage.why}"
    return f"{_time(standing.verified.at)} {standing.verified.kind}" if standing.verified else "when made"


def _proven(standing: Standing) -> str:
    proven, drilled = standing.proven, standing.drilled
    rto = f", RTO {duration_text(proven.rto.seconds)}" if proven and proven.rto else ""
    good = f"{_time(proven.at)}{rto}" if proven else "never"
    return f"{good}; failed {_time(drilled.at)}" if drilled and not drilled.is_good else good


def _proof(proof: Proof | None) -> dict[str, Any] | None:
    return (
        None
        if proof is None
        else {
            "at": proof.at.isoformat(),
            "how": proof.kind.value,
            "good": proof.is_good,
            "why": proof.why,
            "transaction": proof.run,
            "rto_s": round(proof.rto.seconds, 1) if proof.rto else None,
            "sign": proof.sign,
        }
    )


def _point(point: RecoveryPoint, standing: Standing) -> dict[str, Any]:
    return {
        "taken": point.taken_at.isoformat(),
        "target": point.target,
        "transaction": point.transaction_id,
        "vm": point.vm_name,
        "uuid": point.vm_uuid,
        "bytes": point.size,
        "consistency": point.consistency,
        "manifest": point.manifest_key,
        "verified": _proof(standing.verified),
        "damaged": _proof(standing.damage),
        "proven": _proof(standing.proven),
        "drilled": _proof(standing.drilled),
        "tier": point.tier,
        "locked_until": point.locked_until.isoformat() if point.locked_until else None,
    }


def _plain(*cells: str) -> tuple[Text, ...]:
    """A name with brackets in it is no markup."""
    return tuple(map(Text, cells))


def _tell_rest(page: Page[VmLine] | Page[RecoveryPoint]) -> None:
    if page.end < page.total:
        print(f"{len(page.rows)} of {page.total} rows; --offset {page.end} goes on", file=sys.stderr)
