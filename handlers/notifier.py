"""The outbox's sender: brings Slack to what the database says should stand there.

It may be killed at any moment: before a first send it writes down that it is about to, and one who finds that note
looks in Slack for the message before sending it again. Nothing that Slack does stops a transaction.
"""

import logging
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from slack_sdk import WebClient

from bot.errors import CloudyError
from bot.model import Message
from bot.ports import Clock
from bot.store import Database, Unit
from handlers import blocks, undelivered
from handlers.cards import is_final
from handlers.pace import Pace, waits
from handlers.webapi import Kind, Mark, Outcome, WebApi

_log = logging.getLogger(__name__)

_IDLE_S = 0.25
_LONGEST_BACKOFF_S = 30.0
_AFTER_OTHERS_S = 0.5
_SIMPLER_FOR = timedelta(hours=6)
_ASIDE_FOR = timedelta(minutes=5)
_MOST_MISTAKES = 3
_SKEW_S = 600  # how far Slack's clock and ours may be apart


@dataclass(frozen=True, slots=True)
class _Turn:
    """What is to be sent now, and in which thread."""

    message: Message
    thread_ts: str = ""

    @property
    def way(self) -> str:
        """ "edit", "whisper" or "post"; a private answer cannot be edited and is said anew."""
        if self.message.only_for:
            return "whisper"
        return "edit" if self.message.ts else "post"


class Sender:
    """One for each database and workspace; `tick` and `run` belong to one thread.

    The client must have no retry handlers (an own retry of a post can double it) and a time-out of about 10 s.
    """

    def __init__(
        self,
        db: Database,
        client: WebClient,
        *,
        clock: Clock,
        installation: str,
        admin_channel: str = "",
        on_sent: Callable[[Unit, Message], None] = lambda _unit, _message: None,
    ) -> None:
        """admin_channel: where what cannot be delivered anywhere else is told; empty: nowhere but in the log.

        on_sent: what else is done in the unit that notes a message as sent.
        """
        self._db = db
        self._api = WebApi(client)
        self._clock = clock
        self._installation = installation
        self._admin_channel = admin_channel
        self._on_sent = on_sent
        self._pace = Pace()
        self._has_looked_back = False
        self._levels: dict[str, tuple[int, datetime]] = {}  # kind of view -> level that Slack takes, until when
        self._unsent: set[str] = set()  # keys whose begun send surely did not happen, so that nobody need look
        self._aside: dict[str, datetime] = {}
        self._mistakes: Counter[str] = Counter()  # how often a message could not be sent by a fault of ours
        self._root_ts: dict[str, str] = {}  # where threads stand; a root never moves
        self._outages = 0
        self._silent_until: datetime | None = None

    def run(self, stop: threading.Event) -> None:
        """Send until asked to stop; a send under way is finished."""
        while not stop.is_set():
            if not self.tick():
                stop.wait(_IDLE_S)

    def tick(self) -> bool:
        """Send at most one message; False when there was nothing that could be sent now. Never raises."""
        turn: _Turn | None = None
        try:
            turn = self._next()
            if turn is not None:
                self._deliver(turn)
        except CloudyError as error:
            _log.warning("the outbox could not be worked", extra={"action": "outbox", "error": error.message})
            return False
        except Exception:  # noqa: BLE001 - a mistake of ours in one message must not silence all the others
            _log.exception("a message could not be sent", extra=_facts(turn))
            if turn is not None:
                self._mistakes[turn.message.key] += 1
                self._aside[turn.message.key] = self._clock.now() + _ASIDE_FOR
        return turn is not None

    # --- whose turn it is ---

    def _next(self) -> _Turn | None:
        now = self._clock.now()
        if waits(self._silent_until, now):
            return None
        with self._db.read() as unit:
            if not self._has_looked_back:  # what was sent before a restart counts
                self._pace.resume(unit.outbox.last_sent())
                self._has_looked_back = True
            pending = unit.outbox.pending()
            lost = self._find_roots(unit, pending)
        for message in pending:
            if message.thread_key in lost:
                self._give_up(message, "the root message of its thread could not be sent")
        turns = [_Turn(m, self._root_ts.get(m.thread_key, m.thread_ts)) for m in pending if m.thread_key not in lost]
        return self._choose(turns, now)

    def _find_roots(self, unit: Unit, pending: tuple[Message, ...]) -> set[str]:
        """Learn where the threads of these messages stand; returns keys of roots that will never stand anywhere."""
        waiting = {message.key: message for message in pending}
        lost: set[str] = set()
        for key in {message.thread_key for message in pending} - {"", *self._root_ts}:
            root = waiting.get(key) or unit.outbox.get(key)
            if root is not None and root.ts:
                self._root_ts[key] = root.ts
            elif root is not None and key not in waiting:
                lost.add(key)
        return lost

    def _choose(self, turns: list[_Turn], now: datetime) -> _Turn | None:
        """Last edits first, then new messages, then the edit that has waited longest.

        New messages go in their order, but what begins a thread before what goes on in another: its buttons are
        wanted sooner than another's milestones, and with many transactions a channel is busy for minutes.
        """
        posts: list[_Turn] = []
        edits: list[_Turn] = []
        held: set[str] = set()  # threads in which an earlier message still waits: none may overtake it
        for turn in turns:
            message = turn.message
            if turn.way == "edit":
                edits += [turn] if self._may_edit(message, now) else []
            elif self._may_send(turn, now) and _thread(message) not in held:
                posts.append(turn)
            if turn.way != "edit":
                held.add(_thread(message))
        posts.sort(key=lambda turn: bool(turn.message.thread_key))
        edits.sort(key=lambda turn: (not is_final(turn.message.view), turn.message.last_sent_at or now))
        last = [turn for turn in edits if is_final(turn.message.view)]
        return next(iter([*last, *posts, *edits]), None)

    def _may_edit(self, message: Message, now: datetime) -> bool:
        final = is_final(message.view)
        return self._is_due(message, now) and self._pace.may_edit(message.last_sent_at, now, final=final)

    def _may_send(self, turn: _Turn, now: datetime) -> bool:
        message = turn.message
        if not self._is_due(message, now) or (message.thread_key and not turn.thread_ts):
            return False
        return self._pace.may_whisper(now) if turn.way == "whisper" else self._pace.may_post(message.channel, now)

    def _is_due(self, message: Message, now: datetime) -> bool:
        return not (waits(self._aside.get(message.key), now) or waits(message.not_before, now))

    # --- sending ---

    def _deliver(self, turn: _Turn) -> None:
        if self._mistakes[turn.message.key] >= _MOST_MISTAKES:
            self._give_up(turn.message, "it cannot be drawn or sent; the log says why")  # its thread waits for it
            return
        if turn.way == "post" and turn.message.intent and turn.message.key not in self._unsent:
            found = self._look(turn)
            if found is None:
                return
            if found.kind is Kind.DONE:
                self._note_sent(turn.message, min(found.version, turn.message.version), found.ts)
                return
        level = self._level(turn.message)
        self._settle(turn, level, self._send(turn, level))

    def _send(self, turn: _Turn, level: int) -> Outcome:
        message, channel = turn.message, turn.message.channel
        drawn = blocks.render(message.view, level, version=message.version)
        self._pace.spend(turn.way, channel)
        if turn.way == "edit":
            return self._api.edit(channel, message.ts, drawn, self._mark(message))
        if turn.way == "whisper":
            return self._api.whisper(channel, turn.thread_ts, message.only_for, drawn)
        if not message.intent:
            with self._db.unit() as unit:
                unit.outbox.intend(message.key, f"{self._clock.now().timestamp():.0f}.{secrets.token_hex(6)}")
        return self._api.post(channel, turn.thread_ts, drawn, self._mark(message))

    def _look(self, turn: _Turn) -> Outcome | None:
        """Whether a message that was begun to be sent stands in Slack; None: not known yet, try later."""
        begun = turn.message.intent.partition(".")[0]
        oldest = str(max(0, int(begun) - _SKEW_S)) if begun.isdigit() else "0"
        found = self._api.find(turn.message.channel, turn.thread_ts, self._mark(turn.message), oldest)
        if found.kind is Kind.LIMITED:
            self._defer(turn, self._clock.now() + timedelta(seconds=found.wait_s), found)
            return None
        if found.kind is Kind.UNKNOWN:
            self._postpone(turn, found)
            return None
        if found.kind is Kind.REFUSED:
            _log.warning(
                "cannot look whether a message was sent, it may stand there twice; a history scope is missing",
                extra={**_facts(turn), "error": found.why},
            )
        return found

    def _settle(self, turn: _Turn, level: int, outcome: Outcome) -> None:
        message = turn.message
        surely_not = outcome.kind in (Kind.LIMITED, Kind.BAD_BLOCKS, Kind.REFUSED)
        (self._unsent.add if surely_not else self._unsent.discard)(message.key)
        if outcome.kind is Kind.DONE:
            self._note_sent(message, message.version, outcome.ts or message.ts, outcome.channel)
        elif outcome.kind is Kind.BAD_BLOCKS and level > blocks.TEXT:
            self._simplify(turn, level, outcome)
        elif outcome.kind is Kind.LIMITED:
            _log.warning("Slack takes none now", extra={**_facts(turn), "error": outcome.why, "wait_s": outcome.wait_s})
            self._pace.close(turn.way, self._clock.now() + timedelta(seconds=outcome.wait_s))
        elif outcome.kind is Kind.UNKNOWN:
            self._postpone(turn, outcome)
        else:
            self._give_up(message, outcome.why)

    def _note_sent(self, message: Message, version: int, ts: str, channel: str = "") -> None:
        with self._db.unit() as unit:
            unit.outbox.sent(message.key, version, ts, channel)
            self._on_sent(unit, message)
        self._outages = 0
        self._unsent.discard(message.key)

    def _postpone(self, turn: _Turn, outcome: Outcome) -> None:
        """Nothing goes out for a while, since the next call would meet the same; this message lets others try first."""
        silence_s = _backoff_s(self._outages)
        self._outages += 1
        now = self._clock.now()
        self._silent_until = now + timedelta(seconds=silence_s)
        _log.warning("Slack did not answer well", extra={**_facts(turn), "error": outcome.why, "wait_s": silence_s})
        own_s = max(silence_s, _backoff_s(turn.message.attempts)) + _AFTER_OTHERS_S
        self._defer(turn, now + timedelta(seconds=own_s), outcome)

    def _defer(self, turn: _Turn, until: datetime, outcome: Outcome) -> None:
        with self._db.unit() as unit:
            unit.outbox.defer(turn.message.key, until, outcome.why)

    def _give_up(self, message: Message, why: str) -> None:
        _log.error("a message is given up", extra={"action": "outbox", "key": message.key, "error": why})
        with self._db.unit() as unit:
            unit.outbox.give_up(message.key, why)
            undelivered.reroute(unit, message, why, self._admin_channel)

    # --- how it is drawn ---

    def _level(self, message: Message) -> int:
        level, until = self._levels.get(str(message.view.get("kind")), (blocks.PLAN, self._clock.now()))
        return level if self._clock.now() < until else blocks.PLAN

    def _simplify(self, turn: _Turn, level: int, outcome: Outcome) -> None:
        kind = str(turn.message.view.get("kind"))
        self._levels[kind] = (level - 1, self._clock.now() + _SIMPLER_FOR)
        _log.warning(
            "Slack refused the blocks; this kind of message is drawn simpler for some hours",
            extra={**_facts(turn), "error": outcome.why, "kind": kind, "level": level - 1},
        )

    def _mark(self, message: Message) -> Mark:
        return Mark(key=message.key, installation=self._installation, version=message.version)


def _backoff_s(failures: int) -> float:
    return min(_LONGEST_BACKOFF_S, 2.0 ** min(failures, 10))


def _thread(message: Message) -> str:
    return message.thread_key or message.thread_ts or message.key


def _facts(turn: _Turn | None) -> dict[str, str]:
    return {"action": "outbox", "key": turn.message.key if turn else ""}
