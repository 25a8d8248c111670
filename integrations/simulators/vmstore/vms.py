"""The VM part of the API: lists, filters, statistics, and the settings that need no more than being kept."""

from typing import Any

from integrations.simulators.vmstore import load
from integrations.simulators.vmstore.calls import Call, Json, Reply, Route
from integrations.simulators.vmstore.disks import snapshot_disk_json
from integrations.simulators.vmstore.errors import ApiError, bad_query, invalid, not_found
from integrations.simulators.vmstore.filters import moment
from integrations.simulators.vmstore.inventory import Inventory
from integrations.simulators.vmstore.pages import Counts, ordered, page
from integrations.simulators.vmstore.state import SnapshotEntry, State, VmEntry
from integrations.simulators.vmstore.times import now_ms
from integrations.simulators.vmstore.updates import change, ids, truth
from integrations.simulators.vmstore.vm_filters import select
from integrations.simulators.vmstore.vm_json import DOMAIN, Context, Seen, VmViews
from integrations.simulators.vmstore.vmx import VMWARE, Disk

_REALTIME = load.STEP_MS, 3_600_000  # between samples, and how far back
_HISTORIC = load.HISTORIC_STEP_MS, 7 * 86_400_000
_KEPT = ("affinityRule", "tagCollections")


class Vms:
    """Lists and shows VMs; only what the export holds now is live."""

    def __init__(self, state: State, inventory: Inventory, views: VmViews) -> None:
        self.inventory = inventory
        self.views = views
        self._state = state

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        base = "/api/v310/vm"
        return [
            Route("GET", base, self._list),
            Route("GET", f"{base}/filter", self._filter),
            Route("GET", f"{base}/{{id}}", lambda call: self._shown(self.found(call))),
            Route("PUT", f"{base}/{{id}}", self._update),
            Route("GET", f"{base}/{{id}}/customizationScripts", self._scripts),
            Route("GET", f"{base}/{{id}}/statsRealtime", lambda call: self._stats(call, *_REALTIME)),
            Route("GET", f"{base}/{{id}}/statsHistoric", lambda call: self._stats(call, *_HISTORIC)),
            Route("PUT", f"{base}/{{id}}/pin", lambda call: self._pin(call, "PINNED")),
            Route("PUT", f"{base}/{{id}}/unpin", lambda call: self._pin(call, "NOT_PINNED")),
            Route("PUT", f"{base}/{{id}}/relocate", self._relocate),
            Route("PUT", f"{base}/thinProvision", self._thin_provision),
        ]

    def find(self, vm_id: str) -> VmEntry | None:
        """The VM of an id, if there is one now."""
        digits = self.views.ids.hex_of("VIM", vm_id)
        return next((vm for vm in self.existing() if vm.hex == digits), None)

    def found(self, call: Call) -> VmEntry:
        """The VM that the call's path names. ApiError 404."""
        return self.named(call.params["id"])

    def named(self, vm_id: str) -> VmEntry:
        """The VM of an id. ApiError 404."""
        vm = self.find(vm_id)
        if vm is None:
            raise not_found("virtual machine", vm_id)
        return vm

    def existing(self) -> list[VmEntry]:
        """VMs that are live, or history with snapshots."""
        vms, latest = self.inventory.refresh(), self.views.context().latest
        return [vm for vm in vms if vm.live or vm.hex in latest]

    def forget_removed_clones(self) -> None:
        """See Inventory."""
        self.inventory.forget_removed_clones()

    def snapshot_disk_json(self, entry: SnapshotEntry, disk: Disk) -> Json:
        """A disk of a snapshot."""
        return snapshot_disk_json(self.views, entry, disk)

    def set_config(self, vm: VmEntry, **values: Any) -> None:
        """Keep what a client set; None takes it away, so that the default is valid again."""
        with self._state.change() as document:
            kept = {**document.configs.get(vm.hex, {}), **values}
            document.configs[vm.hex] = {name: value for name, value in kept.items() if value is not None}

    def _list(self, call: Call) -> Json:
        vms, context = self.inventory.refresh(), self.views.context()
        everything = [Seen(vm, context, self.views) for vm in vms]
        active = [one for one in everything if one.vm.live or one.latest]
        asks_deleted = call.query.get("deleted", "").lower() in ("true", "both")
        found = select(call, everything if asks_deleted else active, self.views)
        found = ordered(call, found, lambda one: one.json)
        if wanted_name := call.query.get("name"):
            found.sort(key=lambda one: one.vm.definition.name != wanted_name)
        counts = Counts(active=len(active), absolute=len(everything))
        return page(call, found, counts, lambda one: one.json, lambda one: one.vm.definition.name)

    def _filter(self, _call: Call) -> Json:
        """What the list can be narrowed by, as it is just now."""
        live = [vm for vm in self.existing() if vm.live]
        return {
            "typeId": f"{DOMAIN}.VirtualMachineFilter",
            "vcenterNames": [self.views.options.manager],
            "hypervisorTypes": sorted({vm.definition.kind for vm in live}) or [VMWARE],
            "datastores": [self.views.options.name],
            "vmNames": [vm.definition.name for vm in live],
        }

    def _shown(self, vm: VmEntry) -> Json:
        return self.views.json(vm, self.views.context())

    def _scripts(self, call: Call) -> list[str]:
        self.found(call)
        return []

    def _update(self, call: Call) -> Json:
        vm, new = self.found(call), change(call.body)
        self.set_config(vm, **{name: new[name] for name in _KEPT if name in new})
        return self._shown(vm)

    def _pin(self, call: Call, kind: str) -> Reply:
        self.set_config(self._live(self.found(call)), pinnedType=kind)
        return Reply(status=204)

    def _thin_provision(self, call: Call) -> Reply:
        for vm_id in ids(call.body):
            self.set_config(self._live(self.named(vm_id)), provisionedType="THIN")
        return Reply(status=204)

    def _live(self, vm: VmEntry) -> VmEntry:
        if not vm.live:
            raise invalid(f"VM {vm.definition.name} is not live.")
        return vm

    def _relocate(self, call: Call) -> Reply:
        self.found(call)
        raise ApiError(400, "ERR-API-9016", "Operation not supported.", "There is no other store to relocate to.")

    def _stats(self, call: Call, step_ms: int, back_ms: int) -> Json:
        """A page of one Stats, whose sortedStats begin with the newest sample."""
        vm, context = self.found(call), self.views.context()
        return stats_page(call, lambda at_ms: self.views.stat(vm, context, at_ms, step_ms), step_ms, back_ms)

    def live_limits(self, context: Context) -> dict[str, float]:
        """The QoS limit (0: none) of each live VM, by its hex."""
        configs = context.document.configs
        return {
            vm.hex: configs.get(vm.hex, {}).get("maxNormalizedIops", 0) for vm in self.inventory.refresh() if vm.live
        }


def stats_page(call: Call, sample: Any, step_ms: int, back_ms: int) -> Json:
    """Samples between `since` and `until` in one Stats on a page; sample(at_ms) makes one."""
    end = moment(call, "until") if call.query.get("until") else now_ms()
    start = moment(call, "since") if call.query.get("since") else end - back_ms
    if start > end:
        raise bad_query("since", call.query["since"])
    samples = [sample(at_ms) for at_ms in load.moments(end, start, step_ms)]
    stats = {"typeId": f"{DOMAIN}.Stats", "sortedStats": samples}
    if truth(call.query.get("allStats", "")):
        stats["allStats"] = samples
    return page(call, [stats], Counts(1, 1), lambda one: one)
