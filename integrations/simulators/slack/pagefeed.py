"""The page's WebSocket: what there is when it opens, then every change, in order, as one person sees it.

The page asks for a part of a conversation on the same line, so that no change falls between an answer and what follows.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from . import pageshapes
from .pageshapes import Offered, Troubles
from .people import User
from .views import Views
from .workspace import Change, Message, Workspace

Json = dict[str, Any]

_TICK_S = 0.5
_MOST = 200


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """One open page: who looks through it, and the way to tell it something, from any thread."""

    user: User
    tell: Callable[[Json], None]


class Feed:
    """All open pages. is_reachable: whether the bot is connected, None where nobody can know."""

    def __init__(
        self, workspace: Workspace, views: Views, offered: Offered, troubles: Troubles, is_reachable: Callable[[], Any]
    ) -> None:
        self._workspace = workspace
        self._views = views
        self._offered = offered
        self._troubles = troubles
        self._is_reachable = is_reachable
        self._lines: list[_Line] = []
        workspace.subscribe(self._change)
        views.watch(self._views_changed)

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one page until it leaves."""
        user = self._workspace.find_user(websocket.query_params.get("user", ""))
        if user is None or not user.title:
            await websocket.close(code=1008, reason="There is no such person.")
            return
        await websocket.accept()
        outbox: asyncio.Queue[str] = asyncio.Queue()
        line = _Line(user, _teller(asyncio.get_running_loop(), outbox))
        await run_in_threadpool(self._join, line)
        sender = asyncio.create_task(self._send_all(line, outbox, websocket))
        try:
            while True:
                asked = json.loads(await websocket.receive_text())
                await run_in_threadpool(self._look, line, asked)
        except (WebSocketDisconnect, RuntimeError, ValueError, TypeError, AttributeError):
            pass  # it left, we did (Starlette's RuntimeError), or what it asked was nonsense
        finally:
            sender.cancel()
            with self._workspace.lock:
                self._lines.remove(line)

    def tell_switches(self) -> None:
        """Let every page know how the switches stand."""
        for line in list(self._lines):
            line.tell({"kind": "switches", **self._troubles.to_page()})

    async def _send_all(self, line: _Line, outbox: "asyncio.Queue[str]", websocket: WebSocket) -> None:
        told: dict[str, str] = {}
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                with contextlib.suppress(TimeoutError):
                    await websocket.send_text(await asyncio.wait_for(outbox.get(), _TICK_S))
                for kind, text in self._standing(line.user).items() if outbox.empty() else ():
                    if told.get(kind) != text:
                        told[kind] = text
                        await websocket.send_text(text)

    def _standing(self, user: User) -> dict[str, str]:
        """What nobody tells the page of when it changes: it is looked at again and again."""
        bot = {"kind": "bot", "is_connected": self._is_reachable()}
        with self._workspace.lock:
            channels = {"kind": "channels", "channels": pageshapes.channels(self._workspace, user)}
        return {"bot": json.dumps(bot), "channels": json.dumps(channels)}

    # --- in any thread, with the workspace standing still ---

    def _join(self, line: _Line) -> None:
        with self._workspace.lock:
            self._lines.append(line)
            hello = pageshapes.greeting(self._workspace, line.user)
            line.tell({"kind": "hello", **hello, **self._offered.to_page()})
            line.tell({"kind": "switches", **self._troubles.to_page()})
            line.tell({"kind": "views", **pageshapes.views(self._views, line.user)})

    def _look(self, line: _Line, asked: Json) -> None:
        """Tell a part of a conversation: the roots before a ts, or a thread."""
        with self._workspace.lock:
            channel = self._workspace.channels.get(str(asked.get("channel")))
            if channel is None or not pageshapes.can_see(line.user, channel):
                return
            seen = self._workspace.visible(channel.id, line.user.id)
            if root := str(asked.get("thread") or ""):
                found = [one for one in seen if root in (one.ts, one.thread_ts)]
                line.tell({"kind": "thread", "channel": channel.id, "root": root, "messages": self._shapes(found)})
                return
            before = str(asked.get("before") or "")
            roots = [one for one in seen if not one.thread_ts and (not before or one.ts < before)]
            most = min(int(asked.get("most") or _MOST), _MOST)
            messages = self._shapes(roots[-most:])
            line.tell(
                {"kind": "history", "channel": channel.id, "messages": messages, "has_more": len(roots) > len(messages)}
            )

    def _shapes(self, messages: list[Message]) -> list[Json]:
        return [pageshapes.message(self._workspace, one) for one in messages]

    def _change(self, change: Change) -> None:
        channel = self._workspace.channels.get(change.channel)
        if channel is None or not self._lines:
            return  # a view: see _views_changed
        message = self._workspace.find_message(channel.id, change.ts)
        message = message or self._workspace.find_ephemeral(channel.id, change.ts)
        event: Json = {"kind": "gone", "channel": channel.id, "ts": change.ts}
        if message is not None:
            event = {"kind": "message", "how": change.kind, "message": pageshapes.message(self._workspace, message)}
        if change.thread_ts:
            event["root"] = {
                "ts": change.thread_ts,
                **pageshapes.figures(self._workspace, channel.id, change.thread_ts),
            }
        for line in self._lines:
            if pageshapes.can_see(line.user, channel) and change.only_for in ("", line.user.name):
                line.tell(event)
            elif change.kind != "deleted" and (name := change.only_for or self._owner(channel.user)):
                line.tell({"kind": "elsewhere", "user": name})

    def _owner(self, user_id: str) -> str:
        return self._workspace.name_of(user_id) if user_id else ""

    def _views_changed(self, user_id: str) -> None:
        for line in self._lines:
            if line.user.id == user_id:
                line.tell({"kind": "views", **pageshapes.views(self._views, line.user)})


def _teller(loop: asyncio.AbstractEventLoop, outbox: "asyncio.Queue[str]") -> Callable[[Json], None]:
    def tell(event: Json) -> None:
        text = json.dumps(event)  # now: what it is made of may change in the next moment
        with contextlib.suppress(RuntimeError):  # the server has ended
            loop.call_soon_threadsafe(outbox.put_nowait, text)

    return tell
