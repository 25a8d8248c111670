"""`cloudy vms | points`: what there is and how it stands, from the local database alone."""

import sys
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bot.cli.common import ConfigOption, JsonOption, console, print_json, reading
from bot.model import Page, RecoveryPoint, VmKind, VmLine
from bot.opening import service_for
from bot.words import size_text

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
    """What a VM can be restored from, newest first."""
    with reading(config) as (settings, db):
        found = service_for(settings, db).questions.recovery_points(vm, offset=offset, limit=limit)
    if as_json:
        rows = [_point(point) for point in found.page.rows]
        print_json({"total": found.page.total, "uuids": list(found.uuids), "recovery_points": rows})
        return
    if len(found.uuids) > 1:
        print(f"{len(found.uuids)} VMs are or were called so; the uuid tells them apart", file=sys.stderr)
    table = Table("taken", "target", "transaction", "size", "consistency", "VM", "uuid")
    for point in found.page.rows:
        taken, size = f"{point.taken_at:%Y-%m-%d %H:%M:%S}Z", size_text(point.size)
        row = (taken, point.target, point.transaction_id, size, point.consistency, point.vm_name, point.vm_uuid)
        table.add_row(*_plain(*row))
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
        "newest": line.newest.isoformat() if line.newest else None,
        "targets": list(line.targets),
        "seen": line.vm.seen_at.isoformat(),
    }


def _point(point: RecoveryPoint) -> dict[str, Any]:
    return {
        "taken": point.taken_at.isoformat(),
        "target": point.target,
        "transaction": point.transaction_id,
        "vm": point.vm_name,
        "uuid": point.vm_uuid,
        "bytes": point.size,
        "consistency": point.consistency,
        "manifest": point.manifest_key,
    }


def _plain(*cells: str) -> tuple[Text, ...]:
    """A name with brackets in it is no markup."""
    return tuple(map(Text, cells))


def _tell_rest(page: Page[VmLine] | Page[RecoveryPoint]) -> None:
    if page.end < page.total:
        print(f"{len(page.rows)} of {page.total} rows; --offset {page.end} goes on", file=sys.stderr)
