"""HTTP routes under /control/ for whoever drives the local Slack from another process."""

import json
from dataclasses import asdict, is_dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

Json = dict[str, Any]

# POST /control/<method of LocalSlack>, its arguments as a JSON object.
_ACTS = (
    "command", "click", "choose", "fill", "submit", "close", "open_home", "options", "shortcut", "mention", "say",
    "send_event", "fail_next", "clear_faults", "slow", "begin_outage", "end_outage", "limit_rates", "set_scopes",
    "remove_scopes", "revoke_token", "restore_tokens", "duplicate", "reorder", "refresh_connections",
    "drop_connections", "archive", "remove_bot", "invite_bot", "add_channel", "delete_channel", "add_group",
)  # fmt: skip
# GET /control/<method>, its arguments in the query.
_LOOKS = ("conversation", "modal", "home", "newest_thread", "record_since", "ready")
_SHORT = {"fail": "fail_next", "refresh": "refresh_connections", "drop": "drop_connections"}
_DEFAULTS: Json = {"channel": "ops"}
_WITH_CHANNEL = ("command",)
_NUMBERS = {"start": int, "timeout_s": float}


def routes(stage: object) -> list[BaseRoute]:
    """The routes for a LocalSlack; what cannot be done is 400 or 404 with an `error`."""
    acts = [_route(stage, name, name, "POST") for name in _ACTS]
    short = [_route(stage, path, name, "POST") for path, name in _SHORT.items()]
    looks = [_route(stage, name, name, "GET") for name in _LOOKS]
    return [*acts, *short, *looks, _route(stage, "record", "record_since", "GET")]


def _route(stage: object, path: str, name: str, verb: str) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            body = await request.body()
            given = _arguments(path, dict(request.query_params) | (json.loads(body) if body else {}))
            return JSONResponse(await run_in_threadpool(_carry_out, stage, name, given))
        except LookupError as error:
            return JSONResponse({"error": str(error)}, status_code=404)
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    return Route(f"/control/{path}", endpoint, methods=[verb])


def _arguments(path: str, given: Json) -> Json:
    if path in _WITH_CHANNEL:
        given = _DEFAULTS | given
    if path == "record":
        given = {"start": given.get("since", given.get("start", 0))}
    return {key: _NUMBERS[key](value) if key in _NUMBERS else value for key, value in given.items()}


def _carry_out(stage: object, name: str, given: Json) -> Any:
    positional = given.pop("scopes", []) if name == "remove_scopes" else []
    answer = getattr(stage, name)(*positional, **given)
    if isinstance(answer, list):
        return [_plain(one) for one in answer]
    if answer is None and name in _ACTS:
        return {"ok": True}
    return {"ok": answer} if isinstance(answer, bool) else _plain(answer)


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
