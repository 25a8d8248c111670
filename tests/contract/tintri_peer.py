"""A server that says exactly what a test wants, and the pieces of what a VMstore says."""

import json
import ssl
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from integrations.vmstores.tintri import TintriVMstore

PASSWORD = "correct horse"
INFO = {"productName": "Tintri VMstore", "preferredVersion": "v310.191", "supportedVersionSet": ["v310.21", "v310.191"]}
Reply = tuple[int, Any] | tuple[int, Any, dict[str, str]]
Route = Callable[["Call"], Reply]


class Call:
    """One request as it came."""

    def __init__(self, method: str, target: str, headers: dict[str, str], body: Any) -> None:
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.path, self.query = urlsplit(target).path, urlsplit(target).query
        self.cookie = headers.get("cookie", "")


def error(code: str, message: str = "No.", cause: str = "") -> dict[str, Any]:
    return {"code": code, "message": message, "causeDetails": cause}


def _not_there(_call: "Call") -> Reply:
    return 404, error("ERR-API-8001", "Not there.")


def expired() -> Reply:
    return 401, error("ERR-API-0104", "Invalid session")


class Peer:
    """A server with one reply a path; each login gives the next session."""

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self.calls: list[Call] = []
        self.logins = 0
        self.routes: dict[tuple[str, str], Route] = {
            ("GET", "/api/info"): lambda _: (200, INFO),
            ("POST", "/api/v310/session/login"): self._login,
        }
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def on(self, method: str, path: str, *replies: Any) -> None:
        """Answer with the replies in turn, the last one for ever; a reply may be a function of the call."""
        waiting = list(replies)

        def reply(call: Call) -> Reply:
            one = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            made: Reply = one(call) if callable(one) else one
            return made

        self.routes[(method, "/api/v310" + path)] = reply

    def asked(self) -> list[str]:
        return [f"{call.method} {call.path.removeprefix('/api/v310')}" for call in self.calls]

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _login(self, call: Call) -> Reply:
        if call.body["password"] != PASSWORD:
            return 403, error("ERR-API-0124", "Authentication failed", f"for {call.body}")
        self.logins += 1
        return 200, "ADMIN", {"Set-Cookie": f"JSESSIONID=S{self.logins}; Path=/api; HttpOnly"}

    def _handler(peer) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - two selves in one place
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = Call(self.command, self.path, headers, json.loads(body) if body else None)
                peer.calls.append(call)
                route = peer.routes.get((call.method, call.path), _not_there)
                status, answer, *rest = route(call)
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in (rest[0] if rest else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_DELETE = do_GET  # noqa: N815

            def log_message(self, *args: Any) -> None:
                """Silence."""

        return Handler


def client(peer: Peer, **changes: Any) -> TintriVMstore:
    settings = {"url": peer.url, "user": "admin", "password": PASSWORD, "timeout_s": 10.0, **changes}
    return TintriVMstore("vmstore", **settings)


def page(items: list[Any], following: str = "") -> Reply:
    body: dict[str, Any] = {"typeId": "com.tintri.api.rest.v310.dto.Page", "items": items, "total": len(items)}
    return 200, body | ({"next": following} if following else {})


def vm(uuid: str, name: str, **more: Any) -> dict[str, Any]:
    return {"uuid": {"uuid": uuid}, "vmware": {"name": name, "host": f"esx-{uuid}"}, "isLive": True, **more}


def snapshot(uuid: str, description: str, vm_uuid: str = "V1", **more: Any) -> dict[str, Any]:
    return {
        "uuid": {"uuid": uuid},
        "vmUuid": {"uuid": vm_uuid},
        "vmName": "vm01",
        "description": description,
        "consistency": "CRASH_CONSISTENT",
        "createTime": 1_800_000_000_000,
        **more,
    }


def everything(failure: BaseException) -> str:
    return "".join([*traceback.format_exception(failure), str(failure), repr(failure), repr(vars(failure))])
