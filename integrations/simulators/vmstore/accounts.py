"""Users and roles: who may log in, and what a role that only reads may not do."""

import hashlib
import hmac
import secrets
from typing import Any

from integrations.simulators.vmstore.calls import Call, Json, Reply, Route
from integrations.simulators.vmstore.errors import ApiError, not_found
from integrations.simulators.vmstore.ids import Ids, uuid_object
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.state import State
from integrations.simulators.vmstore.updates import change, object_of, truth

_BUILT_IN = f"{1:016X}"
# Names of roles, and what a login answers; only ADMIN is documented. Privileges are in words of our own.
_ROLES = {
    "ADMIN": ("AdminRole", ["READ", "WRITE", "CONFIGURE"]),
    "SYSTEM_ADMIN": ("SystemAdminRole", ["READ", "WRITE", "CONFIGURE"]),
    "READ_ONLY": ("ReadOnlyRole", ["READ"]),
    "SERVICE_ACCOUNT": ("ServiceAccountRole", ["READ", "WRITE"]),
    "DATA_PROTECTION_ADMIN": ("DataProtectionAdminRole", ["READ", "PROTECT"]),
    "DATA_PROTECTION_ESCALATION_ADMIN": ("DataProtectionEscalationAdminRole", ["READ", "PROTECT", "ESCALATE"]),
}
_READERS = frozenset({"READ_ONLY"})


class Accounts:
    """The built-in user of the options, and those that were made."""

    def __init__(self, state: State, ids: Ids, options: Options) -> None:
        self._state = state
        self._ids = ids
        self._options = options

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        base = "/api/v310/userAccount"
        return [
            Route("GET", "/api/v310/role", lambda _call: [_role_json(name) for name in _ROLES]),
            Route("GET", "/api/v310/role/external", lambda _call: []),
            Route("GET", base, lambda _call: [self._json(name) for name in self._names()]),
            Route("POST", base, self._create),
            Route("PUT", base, self._update),
            Route("PUT", f"{base}/resetPassword", self._reset),
            Route("POST", f"{base}/resetPassword", self._reset),
            Route("GET", f"{base}/{{id}}", lambda call: self._json(self._named(call.params["id"]))),
            Route("PUT", f"{base}/{{id}}", self._update),
            Route("PUT", f"{base}/{{id}}/resetPassword", self._reset),
            Route("DELETE", f"{base}/{{id}}", self._delete),
        ]

    def role_at_login(self, user: str, password: str) -> str:
        """What a login answers. ApiError 403: unknown user, wrong password, or disabled."""
        if user == self._options.user:
            right = hmac.compare_digest(password.encode(), self._options.password.encode())
        else:
            account = self._account(user)
            right = bool(account) and not account["isDisabled"] and _matches(account["secret"], password)
        if not right:
            raise ApiError(403, "ERR-API-0124", "Invalid credentials.", f"Authentication failed for user {user}.")
        return self.roles_of(user)[0]

    def roles_of(self, user: str) -> list[str]:
        """The roles of a user who exists."""
        return ["ADMIN"] if user == self._options.user else list(self._account(user).get("roleNames") or ["READ_ONLY"])

    def check(self, call: Call) -> None:
        """Refuse a change by somebody who may only read. ApiError 403."""
        if call.method != "GET" and set(self.roles_of(call.user)) <= _READERS:
            cause = f"The role of {call.user} does not allow {call.method} {call.path}."
            raise ApiError(403, "ERR-API-6010", "API enforcement failed : the role forbids it.", cause)

    def set_password(self, user: str, password: str) -> None:
        """Change a password; of the built-in user it lasts until the simulator ends."""
        if len(password) < 1:
            raise ApiError(412, "ERR-API-6003", "Invalid password.", "The password is empty.")
        if user == self._options.user:
            self._options.password = password
            return
        with self._state.change() as document:
            document.accounts[user]["secret"] = _secret(password)

    def _account(self, user: str) -> Json:
        with self._state.look() as document:
            return document.accounts.get(user, {})

    def _names(self) -> list[str]:
        with self._state.look() as document:
            return [self._options.user, *document.accounts]

    def _id(self, user: str) -> str:
        digits = _BUILT_IN if user == self._options.user else self._account(user)["hex"]
        return self._ids.text("USR", digits)

    def _named(self, user_id: str) -> str:
        """The user of an id; the name is taken too."""
        found = next((name for name in self._names() if user_id in (name, self._id(name))), None)
        if found is None:
            raise not_found("user account", user_id)
        return found

    def _create(self, call: Call) -> str:
        spec = object_of(call.body)
        name, password = spec.get("name"), spec.get("password")
        if not (isinstance(name, str) and name and isinstance(password, str) and password):
            raise ApiError(400, "ERR-API-0020", "Invalid input data.", "name and password are needed.")
        if name in self._names():
            raise ApiError(400, "ERR-API-9918", "Create user account failed.", f"The user {name} exists.")
        digits = self._state.next_hex()
        with self._state.change() as document:
            document.accounts[name] = {
                "hex": digits,
                "roleNames": _role_names(spec) or ["READ_ONLY"],
                "isDisabled": truth(spec.get("isDisabled")),
                "secret": _secret(password),
            }
        return self._id(name)

    def _update(self, call: Call) -> Reply:
        new = change(call.body)
        given = new.get("uuid")
        wanted = call.params.get("id") or (given.get("uuid") if isinstance(given, dict) else given) or new.get("name")
        name = self._named(str(wanted))
        if name == self._options.user:
            raise ApiError(400, "ERR-API-9919", "Update user account failed.", f"{name} is built in.")
        with self._state.change() as document:
            account = document.accounts[name]
            account["roleNames"] = _role_names(new) or account["roleNames"]
            if "isDisabled" in new:
                account["isDisabled"] = truth(new["isDisabled"])
        return Reply(status=204)

    def _reset(self, call: Call) -> Reply:
        spec = object_of(call.body)
        password = spec.get("newPassword") or spec.get("password")
        if not isinstance(password, str):
            raise ApiError(412, "ERR-API-6003", "Invalid password.", "newPassword is needed.")
        self.set_password(self._named(str(call.params.get("id") or spec.get("name"))), password)
        return Reply(status=204)

    def _delete(self, call: Call) -> Reply:
        name = self._named(call.params["id"])
        if name == self._options.user:
            raise ApiError(400, "ERR-API-9920", "Delete user account failed.", f"{name} is built in.")
        with self._state.change() as document:
            document.accounts.pop(name)
        return Reply(status=204)

    def _json(self, name: str) -> Json:
        roles = self.roles_of(name)
        return {
            "typeId": "com.tintri.api.rest.v310.dto.domain.UserAccount",
            "uuid": uuid_object(self._id(name), "USER_ACCOUNT"),
            "name": name,
            "roleNames": roles,
            "role": _role_json(roles[0]),
            "isDisabled": bool(self._account(name).get("isDisabled", False)),
            "isDeletable": name != self._options.user,
        }


def _role_names(spec: Json) -> list[str]:
    """Role names as they come: as a list or one, in the short form or as the class's name. ApiError 400."""
    given: Any = spec.get("roleNames") or []
    short = {long: name for name, (long, _) in _ROLES.items()}
    names = [short.get(str(name), str(name)) for name in ([given] if isinstance(given, str) else given)]
    if unknown := [name for name in names if name not in _ROLES]:
        raise ApiError(400, "ERR-API-0020", "Invalid input data.", f"There is no role {unknown[0]}.")
    return names


def _role_json(name: str) -> Json:
    long, privileges = _ROLES[name]
    return {
        "typeId": f"com.tintri.rbac.model.{long}",
        "roleName": name,
        "privileges": privileges,
        "externalGroups": [],
        "restrictedAccesses": [],
        "forbiddenAPIClients": [],
    }


def _secret(password: str) -> list[str]:
    salt = secrets.token_hex(8)
    return [salt, hashlib.sha256(f"{salt}{password}".encode()).hexdigest()]


def _matches(secret: list[str], password: str) -> bool:
    digest = hashlib.sha256(f"{secret[0]}{password}".encode()).hexdigest()
    return hmac.compare_digest(digest, secret[1])
