"""The filters of the VM list, as VirtualMachineFilterSpec and VirtualEntityFilterSpec name them."""

from collections.abc import Callable, Sequence

from integrations.simulators.vmstore.calls import Call
from integrations.simulators.vmstore.filters import Filter, chosen, flag, not_before, prefix, span, value_of, words
from integrations.simulators.vmstore.vm_json import Seen, VmViews, is_high_frequency, schedules_of, subdir

# Ranges of numbers: the filter's name and that of the property.
_OWN_NAMES = """
    minNormalizedIops maxNormalizedIops changeMBPerDay numPods numContainers numberCpu memoryProvisionedMB
    spaceUsedGiB spaceUsedLiveGiB spaceUsedPhysicalGiB spaceProvisionedGiB spaceUsedSnapshotsTintriGiB
    latencyTotalMs latencyHostMs latencyNetworkMs latencyStorageMs latencyDiskMs latencyFlashMs latencyThrottleMs
    latencyContentionMs flashHitPercent performanceReserveUsed normalizedTotalIops throughputTotalMBps
    throughputReadMBps throughputWriteMBps operationsTotalIops operationsReadIops operationsWriteIops cpuPercent
    memoryUsagePercent
"""
_RANGES = {name: name for name in _OWN_NAMES.split()}
_RANGES |= {"totalIops": "operationsTotalIops", "readIops": "operationsReadIops", "writeIops": "operationsWriteIops"}


def select(call: Call, vms: Sequence[Seen], views: VmViews) -> list[Seen]:
    """The VMs that the call's filters let through."""
    return chosen(call, vms, {**_identity(views), **_place(views), **_protection(), **_numbers()})


def _identity(views: VmViews) -> dict[str, Filter[Seen]]:
    ids, options = views.ids, views.options

    def by_name(call: Call, name: str, one: Seen) -> bool:
        asked, has = call.query[name], one.vm.definition.name
        return asked == has if options.name_match == "exact" else asked.casefold() in has.casefold()

    def origins(one: Seen) -> list[str]:
        """A clone's snapshot, by its id and by its VM's name."""
        found = one.json["snapshot"]["cloneFromSnapshots"]
        return [value for origin in found for value in (origin["snapshotTintriUUID"], origin["vmName"])]

    return {
        "name": by_name,
        "uuid": words(lambda one: ids.text("VIM", one.vm.hex)),
        "instanceUuid": words(lambda one: one.vm.definition.instance_uuid),
        "live": flag(lambda one: one.vm.live),
        "deleted": flag(lambda one: not one.vm.live and one.latest is None),
        "types": words(lambda one: "LIVE" if one.vm.live else "HISTORICAL"),
        "powered": flag(lambda one: views.is_on(one.vm)),
        "template": flag(lambda _: False),
        "hasSnapshots": flag(lambda _: False),  # the hypervisor's, not ours
        "cloneFrom": words(origins),
        "provisionedType": words(lambda one: str(one.json["provisionedType"])),
    }


def _place(views: VmViews) -> dict[str, Filter[Seen]]:
    ids, options = views.ids, views.options
    host, manager = _managed("esxi01.example"), _managed(options.manager)
    path, store = f"{options.manager} > Datacenter/vm", _always(options.name)
    groups: Filter[Seen] = words(lambda one: _group(one, lambda digits: ids.text("SGP", digits)))
    return {
        "host": host,
        "hosts": host,
        "vcenterName": manager,
        "vcenterNames": manager,
        "hypervisorManagerDisplayName": manager,
        "hypervisorType": words(lambda one: one.vm.definition.kind),
        "hypervisorPath": _managed(path),
        "hypervisorPathPrefixes": prefix(lambda one: path if one.vm.definition.is_managed else ""),
        "storageContainer": store,
        "storageContainerId": _managed("datastore-11"),
        "datastores": store,
        "subdir": words(lambda one: subdir(one.vm)),
        "serviceGroupId": groups,
        "serviceGroupIds": groups,
        "serviceGroupName": words(lambda one: [str((one.json["serviceGroup"] or {}).get("name", ""))]),
        "tagIds": words(lambda one: _tags(one, "id")),
        "tagName": words(lambda one: _tags(one, "name")),
        "categoryName": words(lambda one: _tags(one, "categoryName")),
    }


def _protection() -> dict[str, Filter[Seen]]:
    links = words(_links)
    return {
        "protections": words(_protections),
        "snapshotScheduleType": words(
            lambda one: [str(row.get("type")) for row in schedules_of(one.config, one.context.document)]
        ),
        "useDefaultSchedule": flag(lambda one: "schedules" not in one.config),
        "highFrequencySnapshotEnabled": flag(lambda one: is_high_frequency(one.config)),
        "locked": flag(lambda one: one.vm.hex in one.context.locked),
        "lastSnapshotDate": not_before(lambda one: one.latest.created_ms if one.latest else 0),
        "lastReplicatedSnapshotDate": not_before(lambda _: 0),
        "replLinkId": links,
        "replLinkIds": links,
        "replSource": flag(lambda one: bool(_replications(one))),
        "replDestination": flag(lambda _: False),
        "replState": words(lambda one: [str(row.get("replicationState")) for row in _replications(one)]),
        "replicationHasIssue": flag(lambda _: False),
        "bytesRemainingMB": span(lambda _: 0.0),
    }


def _numbers() -> dict[str, Filter[Seen]]:
    def number(prop: str) -> Callable[[Seen], float]:
        return lambda one: float(value_of(one.json, prop) or 0)

    return {name: span(number(prop)) for name, prop in _RANGES.items()}


def _always(value: str) -> Filter[Seen]:
    """What is the same for every VM here."""
    return words(lambda _: value)


def _managed(value: str) -> Filter[Seen]:
    """What is the same for every VM that a manager knows."""
    return words(lambda one: value if one.vm.definition.is_managed else "")


def _group(one: Seen, show: Callable[[str], str]) -> list[str]:
    digits = one.context.groups.get(one.vm.hex)
    return [show(digits)] if digits else []


def _tags(one: Seen, name: str) -> list[str]:
    tags = one.config.get("tagCollections") or []
    return [str(tag.get(name)) for tag in tags if isinstance(tag, dict)]


def _replications(one: Seen) -> list[dict[str, object]]:
    found: list[dict[str, object]] = one.config.get("replication") or []
    return found


def _protections(one: Seen) -> list[str]:
    """Words of our own: the documents name the filter and not its values."""
    local = schedules_of(one.config, one.context.document)
    return (["SNAPSHOT"] if local else []) + (["REPLICATION"] if _replications(one) else []) or ["NONE"]


def _links(one: Seen) -> list[str]:
    paths = [row.get("path") for row in _replications(one)]
    return [str(path.get("id")) if isinstance(path, dict) else str(path) for path in paths]
