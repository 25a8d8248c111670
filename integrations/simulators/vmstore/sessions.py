"""Cookie sessions: any number at once, each expiring when it is not used."""

import hmac
import secrets
import threading
from dataclasses import dataclass
from typing import Any

from integrations.simulators.vmstore.calls import Call, Json, Reply, Route
from integrations.simulators.vmstore.errors import ApiError
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

    def __init__(self, options: Options) -> None:
        self._options = options
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
            Route("GET", f"{base}/current", self._current),
            Route("GET", f"{base}/active", self._active),
        ]

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
        return session.used_ms + int(self._options.session_seconds * 1000)

    def _login(self, call: Call) -> Reply:
        body = call.body if isinstance(call.body, dict) else {}
        user, password = body.get("username"), body.get("password")
        if not isinstance(user, str) or not isinstance(password, str):
            raise ApiError(400, "ERR-API-0020", "Invalid input data.", "username and password are needed.")
        right = hmac.compare_digest(password.encode(), self._options.password.encode())
        if user != self._options.user or not right:
            raise ApiError(403, "ERR-API-0124", "Invalid credentials.", f"Authentication failed for user {user}.")
        if isinstance(body.get("newPassword"), str):
            self._options.password = body["newPassword"]
        cookie = secrets.token_hex(16).upper()
        with self._lock:
            self._open[cookie] = _Session(
                secrets.token_hex(8), user, call.client, call.address, login_ms=now_ms(), used_ms=now_ms()
            )
        return Reply(body="ADMIN", cookie=cookie)

    def _logout(self, call: Call) -> Reply:
        with self._lock:
            self._open.pop(call.cookie, None)
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
            "roles": ["ADMIN"],
            "authType": "LOCAL",
            "clientId": session.client,
            "clientIp": session.address,
            "clientType": "REST",
            "loginTime": text(session.login_ms),
            "lastAccessedTime": text(session.used_ms),
            "expirationTime": text(self._end_ms(session)),
        }
