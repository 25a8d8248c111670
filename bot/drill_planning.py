"""Plans a drill by reading only: as a restore is planned, under a name of ours, where a hypervisor can start it."""

from dataclasses import replace

from bot.actions.points import read_manifest
from bot.errors import RequesterError
from bot.ids import drill_name
from bot.model import Json, Transaction
from bot.ports import Systems
from bot.registrable import can_register
from bot.restoration import Restoration, Restorations


def plan_drill(transaction: Transaction, restorations: Restorations, systems: Systems, addresses: Json) -> Restoration:
    """What Restorations.plan raises; RequesterError: there is no hypervisor that could start it."""
    name, asked = drill_name(transaction.id), transaction.request
    as_restore = {"point": asked["point"], "to": asked["to"], "from": asked["from"], "as": name}
    found = restorations.plan(replace(transaction, plan=transaction.plan | {"request": as_restore}), addresses)
    host = systems.hypervisor_of(found.vmstore)
    if host is None:
        raise RequesterError(
            f"{found.vmstore} has no hypervisor in the configuration, so nobody could start {found.vm} there."
            f" Say another VMstore behind “to”, or have a hypervisor configured."
        )
    source = str(found.facts["settled"]["target"])
    written = read_manifest(systems.target(source), str(asked["point"]))[0]
    if not can_register(host.kind, written.vm.shape, [file.name for file in written.files]):
        raise RequesterError(
            f"{host.name} cannot start {found.vm}: the recovery point has no definition of it in the words of"
            f" {host.kind}. Drill a newer one, or say another VMstore behind “to”."
        )
    pattern = str(asked["pattern"])
    decided = found.decided | {"operation": "drill", "power": "on, then removed"}
    decided |= {"sign of life": f"“{pattern}” on its console"} if pattern else {}
    facts = found.facts | {"vm_uuid": written.vm.uuid}
    return replace(found, facts=facts, decided=decided)
