"""The control endpoint: HTTP and JSON on a port of its own, to order faults and turn switches from outside."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from typing import Any, get_type_hints

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from integrations.simulators.vmstore.faults import Fault, Faults
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.orders import Orders, listing
from integrations.simulators.vmstore.record import Record
from integrations.simulators.vmstore.sessions import Sessions

_FIXED = frozenset({"host", "port", "http", "tls", "fs_uuid", "vms", "control_port"})  # read once, at start
_HIDDEN = frozenset({"password", "tls"})
_KINDS: dict[str, Any] = {"int": int, "float": (int, float), "bool": bool, "str": str}
Handler = Callable[[Request], Awaitable[JSONResponse]]


class Control:
    """What can be done to a running simulator; arguments that make no sense are answered 400 with an `error`."""

    def __init__(self, faults: Faults, orders: Orders, options: Options, sessions: Sessions, record: Record) -> None:
        self._faults = faults
        self._orders = orders
        self._options = options
        self._sessions = sessions
        self._record = record

    @property
    def app(self) -> Starlette:
        """The ASGI application."""
        table: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
            ("GET", "/", lambda _: {"faults": listing(), "options": self._shown()}),
            ("GET", "/faults", lambda _: self._faults.waiting()),
            ("POST", "/faults", self._order),
            ("DELETE", "/faults", self._clear),
            ("GET", "/options", lambda _: self._shown()),
            ("PATCH", "/options", self._change),
            ("POST", "/sessions/expire", self._expire),
            ("GET", "/requests", lambda _: self._record.rows()),
        )
        return Starlette(routes=[Route(path, _answer(act), methods=[method]) for method, path, act in table])

    def _order(self, body: Any) -> Any:
        if "name" in body:
            times = body.get("times", 1)
            if not isinstance(times, int) or times < 1:
                raise ValueError("times must be a whole number of 1 or more")
            self._orders.order(str(body["name"]), times)
        else:
            self._faults.order(_fault(body))
        return self._faults.waiting()

    def _clear(self, _body: Any) -> Any:
        self._orders.order("nothing")
        return self._faults.waiting()

    def _expire(self, _body: Any) -> Any:
        self._sessions.expire_all()
        return {}

    def _change(self, body: Any) -> Any:
        for name, value in body.items():
            _check(Options, name, value)
            if name in _FIXED:
                raise ValueError(f"{name} is read at start only")
        for name, value in body.items():
            setattr(self._options, name, tuple(value) if isinstance(value, list) else value)
        return self._shown()

    def _shown(self) -> dict[str, Any]:
        return {row.name: getattr(self._options, row.name) for row in fields(Options) if row.name not in _HIDDEN}


def _fault(body: dict[str, Any]) -> Fault:
    for name, value in body.items():
        _check(Fault, name, value)
    return replace(Fault(method="*", path="*"), **body)


def _check(kind: type[Any], name: str, value: object) -> None:
    """Refuse an unknown name and a value of another type. ValueError."""
    hints = get_type_hints(kind)
    if name not in hints:
        raise ValueError(f"there is no {name}; there are: {', '.join(hints)}")
    allowed = getattr(hints[name], "__args__", ())
    is_literal = bool(allowed) and all(isinstance(one, str) for one in allowed)
    expected = _KINDS.get(getattr(hints[name], "__name__", ""))
    if (is_literal and value not in allowed) or (expected and not isinstance(value, expected)):
        raise ValueError(f"{name} cannot be {value!r}")


def _answer(act: Callable[[Any], Any]) -> Handler:
    async def handle(request: Request) -> JSONResponse:
        raw = await request.body()
        try:
            body = json.loads(raw) if raw.strip() else {}
            if not isinstance(body, dict):
                raise ValueError("a JSON object is needed")
            return JSONResponse(act(body))
        except (ValueError, LookupError) as error:
            return JSONResponse({"error": str(error.args[0])}, 400)

    return handle
