"""Cookie sessions: any number at once, each expiring when it is not used."""

import secrets
import threading
from dataclasses import dataclass
from typing import Any

from integrations.simulators.vmstore.accounts import Accounts
from integrations.simulators.vmstore.calls import Call, Json, Reply, Route
from integrations.simulators.vmstore.errors import ApiError, not_found
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.times import now_ms, text

_TYPE_ID = "com.tintri.api.rest.v310.dto.UserSession"


@dataclass(slots=True)
class _Session:
    id: str  # shown in the API; cannot be used to authenticate
    user: str
    client: str
    address: str
    login_ms: int
    used_ms: int


class Sessions:
    """Who is logged in."""

    def __init__(self, options: Options, accounts: Accounts) -> None:
        self.options = options
        self._accounts = accounts
        self._lock = threading.Lock()
        self._open: dict[str, _Session] = {}

    @property
    def routes(self) -> list[Route]:
        """The session part of the API."""
        base = "/api/v310/session"
        return [
            Route("POST", f"{base}/login", self._login, public=True),
            Route("POST", f"{base}/logout", self._logout, public=True),
            Route("GET", f"{base}/logout", self._logout, public=True),
            Route("GET", f"{base}/ssoauth", self._sso, public=True),
            Route("GET", f"{base}/current", self._current, since=51),
            Route("GET", f"{base}/active", self._active, since=51),
            Route("GET", f"{base}/active/tintricenter", lambda _call: [], since=111),
            Route("POST", f"{base}/{{id}}/invalidate", self._invalidate, since=71),
        ]

    def admit(self, call: Call) -> None:
        """Let a call in whose session lives and whose user may do it. ApiError 401, 403."""
        call.user = self.user_of(call.cookie)
        self._accounts.check(call)

    def user_of(self, cookie: str) -> str:
        """The user of a living session, whose life is thereby prolonged. ApiError 401."""
        with self._lock:
            session = self._open.get(cookie)
            if session is None or self._end_ms(session) <= now_ms():
                self._open.pop(cookie, None)
                raise ApiError(401, "ERR-API-0104", "Invalid session.", "The session does not exist or has expired.")
            session.used_ms = now_ms()
            return session.user

    def expire_all(self) -> None:
        """Let every session end now."""
        with self._lock:
            self._open.clear()

    def _end_ms(self, session: _Session) -> int:
        return session.used_ms + int(self.options.session_seconds * 1000)

    def _login(self, call: Call) -> Reply:
        body = call.body if isinstance(call.body, dict) else {}
        user, password = body.get("username"), body.get("password")
        if not isinstance(user, str) or not isinstance(password, str):
            raise ApiError(400, "ERR-API-0020", "Invalid input data.", "username and password are needed.")
        role = self._accounts.role_at_login(user, password)
        if isinstance(body.get("newPassword"), str):
            self._accounts.set_password(user, body["newPassword"])
        cookie = secrets.token_hex(16).upper()
        with self._lock:
            self._open[cookie] = _Session(
                secrets.token_hex(8), user, call.client, call.address, login_ms=now_ms(), used_ms=now_ms()
            )
        return Reply(body=role, cookie=cookie)

    def _logout(self, call: Call) -> Reply:
        with self._lock:
            self._open.pop(call.cookie, None)
        return Reply(status=204)

    def _sso(self, _call: Call) -> Reply:
        raise ApiError(403, "ERR-API-0124", "Invalid credentials.", "Authentication failed: there is no Kerberos here.")

    def _invalidate(self, call: Call) -> Reply:
        with self._lock:
            cookie = next((key for key, one in self._open.items() if one.id == call.params["id"]), None)
            if cookie is None:
                raise not_found("session", call.params["id"])
            self._open.pop(cookie)
        return Reply(status=204)

    def _current(self, call: Call) -> Json:
        with self._lock:
            return self._json(self._open[call.cookie])

    def _active(self, _call: Call) -> list[Any]:
        with self._lock:
            return [self._json(session) for session in self._open.values() if self._end_ms(session) > now_ms()]

    def _json(self, session: _Session) -> Json:
        return {
            "typeId": _TYPE_ID,
            "id": session.id,
            "userName": session.user,
            "roles": self._accounts.roles_of(session.user),
            "authType": "LOCAL",
            "clientId": session.client,
            "clientIp": session.address,
            "clientType": "REST",
            "loginTime": text(session.login_ms),
            "lastAccessedTime": text(session.used_ms),
            "expirationTime": text(self._end_ms(session)),
        }
