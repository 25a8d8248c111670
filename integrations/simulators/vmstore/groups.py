"""Service groups: named sets of VMs, with QoS and schedules that are put on their members."""

from typing import Any

from integrations.simulators.vmstore.calls import Call, Json, Reply, Route
from integrations.simulators.vmstore.errors import invalid, not_found
from integrations.simulators.vmstore.filters import Filter, chosen, words
from integrations.simulators.vmstore.pages import Counts, ordered, page
from integrations.simulators.vmstore.protection import Protection, checked_schedule
from integrations.simulators.vmstore.state import State
from integrations.simulators.vmstore.times import now_text
from integrations.simulators.vmstore.updates import change, ids, object_of
from integrations.simulators.vmstore.vm_json import DOMAIN
from integrations.simulators.vmstore.vms import Vms

# Members that are kept as they come: path's last word, and the ServiceGroup's member.
_KEPT = {"rules": "rules", "qosConfig": "qosConfig", "policyConfig": "protectionPolicy", "replConfig": "replConfig"}
_KEPT |= {"quotaPolicy": "quotaPolicy"}


class Groups:
    """Makes, shows and applies service groups; members are static, rules are kept but not evaluated."""

    def __init__(self, state: State, vms: Vms, protection: Protection) -> None:
        self._state = state
        self._vms = vms
        self._protection = protection
        self._ids = vms.views.ids

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        base, one = "/api/v310/servicegroup", "/api/v310/servicegroup/{id}"
        kept = [row for path, member in _KEPT.items() for row in self._member_routes(f"{one}/{path}", member)]
        return [
            Route("GET", base, self._list),
            Route("POST", base, self._create),
            Route("PUT", base, self._update),
            Route("GET", one, lambda call: self._json(self._found(call))),
            Route("DELETE", one, self._delete),
            Route("GET", f"{one}/members", self._members),
            Route("GET", f"{one}/members/static", self._members),
            Route("PUT", f"{one}/members/static", self._change_members),
            Route("GET", f"{one}/snapshotSchedules", lambda call: self._group(call).get("snapshotSchedules", [])),
            Route("PUT", f"{one}/snapshotSchedules", self._set_schedules),
            Route("POST", f"{one}/qos", self._apply_qos),
            Route("POST", f"{one}/policy", self._apply_policy),
            *kept,
        ]

    def _member_routes(self, path: str, member: str) -> list[Route]:
        def put(call: Call) -> Any:
            with self._state.change():
                self._group(call)[member] = change(call.body)
            return self._group(call)[member]

        return [Route("GET", path, lambda call: self._group(call).get(member)), Route("PUT", path, put)]

    def _found(self, call: Call) -> str:
        digits = self._ids.hex_of("SGP", call.params["id"])
        with self._state.look() as document:
            if digits not in document.groups:
                raise not_found("service group", call.params["id"])
        return digits

    def _group(self, call: Call) -> Json:
        digits = self._found(call)
        with self._state.look() as document:
            return document.groups[digits]

    def _list(self, call: Call) -> Json:
        with self._state.look() as document:
            everything = [self._json(digits) for digits in document.groups]
        filters: dict[str, Filter[Json]] = {
            "name": words(lambda one: str(one["name"])),
            "uuid": words(lambda one: str(one["uuid"]["uuid"])),
        }
        found = ordered(call, chosen(call, everything, filters), lambda one: one)
        return page(call, found, Counts(len(everything), len(everything)), lambda one: one, lambda one: one["name"])

    def _create(self, call: Call) -> str:
        spec = object_of(call.body)
        name = spec.get("name")
        with self._state.look() as document:
            is_taken = any(group["name"] == name for group in document.groups.values())
        if not isinstance(name, str) or not name or is_taken:
            raise invalid(f"A service group cannot be called {name!r}, or is so already.")
        digits = self._state.next_hex()
        with self._state.change() as document:
            kept = {member: spec[member] for member in _KEPT.values() if member in spec}
            document.groups[digits] = {
                **kept,
                "name": name,
                "description": str(spec.get("description") or ""),
                "members": [],
            }
        return self._ids.text("SGP", digits)

    def _update(self, call: Call) -> Reply:
        new = change(call.body)
        (group_id,) = ids(new.get("uuid")) or [""]
        digits = self._ids.hex_of("SGP", group_id)
        with self._state.change() as document:
            if digits not in document.groups:
                raise not_found("service group", group_id)
            names = ("name", "description", *_KEPT.values())
            document.groups[digits].update({name: new[name] for name in names if name in new})
        return Reply(status=204)

    def _delete(self, call: Call) -> Reply:
        digits = self._found(call)
        with self._state.change() as document:
            document.groups.pop(digits)
        return Reply(status=204)

    def _members(self, call: Call) -> Json:
        wanted = set(self._group(call)["members"])
        context = self._vms.views.context()
        found = [vm for vm in self._vms.existing() if vm.hex in wanted]
        return page(call, found, Counts(len(found), len(found)), lambda vm: self._vms.views.json(vm, context))

    def _change_members(self, call: Call) -> Reply:
        """A CollectionChangeRequest; a VM is a member of one group at most."""
        spec, digits = object_of(call.body), self._found(call)
        added = [self._vms.named(vm_id).hex for vm_id in ids(spec.get("objectIdsAdded"))]
        removed = {self._ids.hex_of("VIM", vm_id) for vm_id in ids(spec.get("objectIdsRemoved"))}
        with self._state.change() as document:
            for other in document.groups.values():
                other["members"] = [vm for vm in other["members"] if vm not in added]
            members = document.groups[digits]["members"]
            document.groups[digits]["members"] = [vm for vm in [*members, *added] if vm not in removed]
        return Reply(status=204)

    def _set_schedules(self, call: Call) -> list[Json]:
        body = call.body if isinstance(call.body, list) else [change(call.body)]
        schedules = [checked_schedule(object_of(one)) for one in body]
        with self._state.change():
            self._group(call)["snapshotSchedules"] = schedules
        return schedules

    def _apply_qos(self, call: Call) -> Reply:
        """Put the group's QoS, or the one that comes, on all members."""
        group = self._group(call)
        new = change(call.body) if isinstance(call.body, dict) else group.get("qosConfig") or {}
        for vm in self._vms.existing():
            if vm.hex in group["members"]:
                self._protection.set_qos(vm, new)
        return Reply(status=204)

    def _apply_policy(self, call: Call) -> Reply:
        """Put the group's schedules on all members."""
        group = self._group(call)
        for vm in self._vms.existing():
            if vm.hex in group["members"]:
                self._protection.set_schedules(vm, group.get("snapshotSchedules", []))
        return Reply(status=204)

    def _json(self, digits: str) -> Json:
        with self._state.look() as document:
            group = dict(document.groups[digits])
        members = group.pop("members")
        return {
            "typeId": f"{DOMAIN}.ServiceGroup",
            "uuid": self._ids.object("SGP", digits),
            "memberCount": len(members),
            "staticMemberCount": len(members),
            "capabilities": ["SNAPSHOT", "QOS"],
            "snapshotSchedules": [],
            "syncReplPolicy": None,
            "lastUpdatedTime": now_text(),
            **{member: None for member in _KEPT.values()},
            **group,
        }
