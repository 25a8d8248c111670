"""Replication paths and file shares of the datastore: lists of named things that are made, changed and removed."""

from dataclasses import dataclass, replace
from typing import Any

from integrations.simulators.vmstore.calls import Call, Handler, Json, Reply, Route
from integrations.simulators.vmstore.errors import invalid, not_found
from integrations.simulators.vmstore.ids import Ids, check_datastore
from integrations.simulators.vmstore.settings import Settings
from integrations.simulators.vmstore.state import State
from integrations.simulators.vmstore.updates import changes, object_of
from integrations.simulators.vmstore.vm_json import DOMAIN

_BASE = "/api/v310/datastore/{store}"


@dataclass(frozen=True, slots=True)
class _Kind:
    setting: str
    key: str  # what a thing is called by
    needs: str  # the member that must be there
    word: str
    secret: str = ""  # taken in, and never shown


_PATHS = _Kind("replicationPaths", "id", "destinationIp", "replication path", "destinationPassphrase")
_SHARES = _Kind("fileShares", "name", "name", "file share")
_MANAGERS = _Kind("managers", "hypervisorManagerId", "host", "hypervisor manager", "password")


class Replication:
    """Paths to other VMstores, and beside them SMB shares and hypervisor managers."""

    def __init__(self, state: State, settings: Settings, ids: Ids) -> None:
        self._state = state
        self._settings = settings
        self._ids = ids

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        return [replace(row, handler=self._checked(row.handler)) for row in self._rows()]

    def _checked(self, act: Handler) -> Handler:
        """Only for the datastore that there is."""

        def checked(call: Call) -> Any:
            check_datastore(self._ids, call.params["store"])
            return act(call)

        return checked

    def _rows(self) -> list[Route]:
        paths, shares = f"{_BASE}/replicationPath", f"{_BASE}/fileShare"
        return [
            Route("GET", paths, lambda _call: self._settings.get("replicationPaths")),
            Route("POST", paths, lambda call: self._add(_PATHS, self._path(object_of(call.body)))),
            Route("PUT", paths, lambda call: self._change(_PATHS, changes(call.body))),
            Route("DELETE", f"{paths}/{{id}}", self._delete_path),
            Route("POST", f"{paths}/testReplicationPath", self._test),
            Route("POST", f"{_BASE}/testReplicationPath", self._test),
            Route("POST", f"{_BASE}/pauseAsyncSyncReplication", lambda _call: self._pause("isAsyncPaused")),
            Route("POST", f"{_BASE}/pauseCloudReplication", lambda _call: self._pause("isCloudPaused")),
            Route("DELETE", f"{_BASE}/deleteAllReplication", self._delete_all),
            Route("DELETE", f"{_BASE}/deleteAllCloudReplication", lambda _call: Reply(status=204)),
            Route("GET", shares, lambda _call: self._settings.get("fileShares")),
            Route("POST", shares, lambda call: self._add(_SHARES, self._share(object_of(call.body)))),
            Route("GET", f"{shares}/{{id}}", lambda call: self._named(_SHARES, call.params["id"])),
            Route("PUT", f"{shares}/{{id}}", self._change_share),
            Route("DELETE", f"{shares}/{{id}}", lambda call: self._drop(_SHARES, call.params["id"])),
            Route("POST", f"{_BASE}/hypervisorManagerConfig", self._add_manager),
        ]

    def _path(self, spec: Json) -> Json:
        number = self._state.next_hex()
        return {
            "typeId": f"{DOMAIN}.DatastoreReplicationPath",
            "displayName": f"{spec.get('destinationIp')}",
            "destinationPort": 5696,
            "sourceIp": "",
            "throttle": None,
            "cloudReplDestination": None,
            **spec,
            "id": self._ids.text("RPL", number),
            "internalId": int(number, 16),
        }

    def _share(self, spec: Json) -> Json:
        return {
            "typeId": f"{DOMAIN}.FileShare",
            "path": rf"\\vmstore\{spec.get('name')}",
            "comment": "",
            "encryptData": False,
            "fileShareType": "REALSTORE",
            "quotaBytes": 0,
            "nominalConsumedBytes": 0,
            **spec,
        }

    def _add_manager(self, call: Call) -> Json:
        spec = object_of(call.body)
        number = f"manager-{int(self._state.next_hex(), 16)}"
        return self._add(_MANAGERS, {**spec, "hypervisorManagerId": number, "isCurrentlyConfigured": True})

    def _add(self, kind: _Kind, thing: Json) -> Json:
        if not thing.get(kind.needs):
            raise invalid(f"{kind.needs} is needed.")
        there: list[Json] = self._settings.get(kind.setting)
        if any(one[kind.key] == thing[kind.key] for one in there):
            raise invalid(f"The {kind.word} {thing[kind.key]} exists.")
        shown = {name: value for name, value in thing.items() if name != kind.secret}
        self._settings.put(kind.setting, [*there, shown])
        return shown

    def _named(self, kind: _Kind, name: Any) -> Json:
        found = next((one for one in self._settings.get(kind.setting) if one[kind.key] == name), None)
        if found is None:
            raise not_found(kind.word, str(name))
        return dict(found)

    def _change(self, kind: _Kind, new: list[Json]) -> Reply:
        for thing in new:
            changed = {**self._named(kind, thing.get(kind.key)), **thing}
            changed.pop(kind.secret, None)
            there = self._settings.get(kind.setting)
            self._settings.put(kind.setting, [changed if one[kind.key] == changed[kind.key] else one for one in there])
        return Reply(status=204)

    def _change_share(self, call: Call) -> Reply:
        name = call.params["id"]
        return self._change(_SHARES, [{**thing, "name": name} for thing in changes(call.body)])

    def _drop(self, kind: _Kind, name: str) -> Reply:
        self._named(kind, name)
        self._settings.put(kind.setting, [one for one in self._settings.get(kind.setting) if one[kind.key] != name])
        return Reply(status=204)

    def _delete_path(self, call: Call) -> Reply:
        """Remove a path, and with it what VMs replicate over it."""
        name = call.params["id"]
        self._drop(_PATHS, name)
        with self._state.change() as document:
            for config in document.configs.values():
                rows = config.get("replication") or []
                config["replication"] = [row for row in rows if row["path"]["id"] != name]
        return Reply(status=204)

    def _test(self, call: Call) -> Reply:
        if not object_of(call.body).get("destinationIp"):
            raise invalid("destinationIp is needed.")
        return Reply(status=204)

    def _pause(self, name: str) -> Reply:
        self._settings.merge("replicationInfo", {name: True})
        return Reply(status=204)

    def _delete_all(self, _call: Call) -> Reply:
        with self._state.change() as document:
            for config in document.configs.values():
                config.pop("replication", None)
        return Reply(status=204)
