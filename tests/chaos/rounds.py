"""Rounds: the bot is killed again and again in a world of its own, then everything is looked at."""

import re
import shutil
import sqlite3
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bot.errors import CloudyError
from tests.chaos.facts import engine_of, gather, open_sessions
from tests.chaos.invariants import CHECKS
from tests.chaos.life import Process, processes_of
from tests.chaos.plan import Life, Order, Round
from tests.chaos.world import World
from tests.peers import S3Peer

_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-hjkmnp-tv-z]{6}")
_UNREACHED_S = 20.0  # a point that is not reached by then will not be
_QUIET_S = 240.0
_END_S = 40.0  # SIGTERM's promise is 10, and the machine may be busy
_ALWAYS = 3  # invariants that are not in CHECKS: quiet in the end, a good end, what was acknowledged exists


@dataclass(slots=True)
class Verdict:
    """What came of a round."""

    round: Round
    folder: Path
    deaths: list[str] = field(default_factory=list)
    kills: int = 0
    checked: int = 0
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """For people."""
        state = "BROKEN" if self.broken else "whole"
        head = f"round {self.round.name}: {state}, {self.kills} kills, {self.seconds:.0f} s: {'; '.join(self.deaths)}"
        kept = [f"  kept: {self.folder}"] if self.broken else []
        return [head, *(f"  BROKEN {why}" for why in self.broken), *kept]


def play(chosen: Round, folder: Path, s3: S3Peer, tls: tuple[Path, Path, Path], blind: str = "") -> Verdict:
    """Play a round. The folder is removed unless something is broken. Belongs to one thread."""
    verdict = Verdict(chosen, folder)
    began = time.monotonic()
    folder.mkdir(parents=True)
    world = World(folder, s3, tls, chosen)
    try:
        world.start()
        _Player(world, verdict, blind).play()
    except Exception:  # noqa: BLE001 - a round that cannot be played is a broken one, and the others go on
        verdict.broken.append(traceback.format_exc(chain=False))
    finally:
        world.stop()
    verdict.seconds = time.monotonic() - began
    if not verdict.broken:
        _empty(world)
        shutil.rmtree(folder, ignore_errors=True)
    return verdict


def _empty(world: World) -> None:
    """The shared server's disk is needed by the rounds after this one."""
    for prefix in world.prefixes.values():
        pages = world.s3.client.get_paginator("list_objects_v2").paginate(Bucket=world.s3.bucket, Prefix=f"{prefix}/")
        for page in pages:
            for each in page.get("Contents", ()):
                world.s3.client.delete_object(Bucket=world.s3.bucket, Key=each["Key"])


class _Player:
    """Plays the lives of one round."""

    def __init__(self, world: World, verdict: Verdict, blind: str) -> None:
        self._world = world
        self._verdict = verdict
        self._blind = blind
        self._asked: list[str] = []  # ids that were told to those who asked
        self._count = 0

    def play(self) -> None:
        """All lives, then one in peace, then the look."""
        for life, lost in zip(self._verdict.round.lives, self._verdict.round.lost, strict=True):
            if lost:
                self._world.slack.fail_next(lost, lose_answer=True)
            self._live(life)
        self._world.slack.clear_faults()
        sessions = self._live_in_peace()
        facts = gather(self._world, sessions)
        for check in CHECKS:
            self._verdict.broken += [f"{check.__name__}: {why}" for why in check(facts)]
        known = {each.id for each in facts.transactions}
        self._verdict.broken += [
            f"{each} was acknowledged and is not known" for each in self._asked if each not in known
        ]
        self._verdict.checked = len(CHECKS) + _ALWAYS

    def _start(self, crossings: str = "") -> Process:
        self._count += 1
        return Process(self._world.folder, self._count, crossings=crossings, blind=self._blind)

    def _live(self, life: Life) -> None:
        bot = self._start(life.crossings)
        try:
            if life.touched:
                self._world.touch(life.touched)
            if life.how == "start":
                bot.wait(life.after_s)
            elif bot.wait_ready() and self._world.slack.ready(60):
                self._disturb(bot, life)
        finally:
            self._bury(bot, life)

    def _disturb(self, bot: Process, life: Life) -> None:
        timer = threading.Timer(life.after_s, _end_of(bot, life))
        timer.daemon = True
        if life.how != "crossing":
            timer.start()
        for order in life.orders:
            if bot.wait(order.after_s):
                break
            self._do(order)
        if life.how == "crossing":
            self._until_dead_or_quiet(bot)
        else:
            timer.join()

    def _do(self, order: Order) -> None:
        slack = self._world.slack
        try:
            if order.text.startswith("/"):
                ack = slack.command(order.user, order.channel, order.text)
                if ack.ok and order.text.startswith("/protect"):
                    self._asked += _ID.findall(ack.text or "")
            else:
                slack.click(order.user, order.text.removeprefix("click "), order.channel)
        except LookupError:
            return  # nothing there to click

    def _until_dead_or_quiet(self, bot: Process) -> None:
        deadline, quiet = time.monotonic() + _UNREACHED_S, 0
        while time.monotonic() < deadline and quiet < 5:
            if bot.wait(0.2):
                return
            quiet = quiet + 1 if not self._unrest() else 0

    def _bury(self, bot: Process, life: Life) -> None:
        """End it, if it still lives, and note where it died."""
        if life.how == "term" and bot.is_alive:
            status = bot.end(_END_S)
            self._verdict.deaths.append(f"SIGTERM -> {status}")
            if status != 0:
                self._verdict.broken.append(f"SIGTERM ended the bot with {status}: {bot.log}")
            return
        own = "" if bot.is_alive else bot.died_at
        early = not bot.is_alive and not own and life.how == "crossing"
        if early or bot.status not in (None, -9):
            self._verdict.broken.append(f"the bot ended by itself with status {bot.status}: {bot.log}")
            return
        bot.kill()
        self._verdict.kills += 1
        self._verdict.deaths.append(own or _moment(life))

    def _live_in_peace(self) -> int:
        """Until nothing is left to do; gives the sessions that are open after a good end."""
        self._let_the_vmstore_finish()
        self._world.vmstore.expire_sessions()  # those of killed processes, which are left to expire
        bot = self._start()
        try:
            if not bot.wait_ready():
                self._verdict.broken.append(f"the bot does not start: {bot.log}")
            self._until_quiet(bot)
            status = bot.end(_END_S)
            if status != 0:
                self._verdict.broken.append(f"SIGTERM ended the idle bot with {status}: {bot.log}")
            self._verdict.broken += [f"still runs: {line}" for line in processes_of(self._world.folder)]
        finally:
            bot.kill()
        return open_sessions(self._world)

    def _let_the_vmstore_finish(self) -> None:
        """What the dead have asked for is still carried out: a log-in, too."""
        self._world.vmstore.options.latency_seconds = 0.0
        deadline = time.monotonic() + _UNREACHED_S
        while any(not row["status"] for row in self._world.vmstore.requests) and time.monotonic() < deadline:
            time.sleep(0.05)

    def _until_quiet(self, bot: Process) -> None:
        deadline = time.monotonic() + _QUIET_S
        while unrest := self._unrest():
            if not bot.is_alive:
                self._verdict.broken.append(f"the undisturbed bot ended with {bot.status}: {bot.log}")
                return
            if time.monotonic() > deadline:
                self._verdict.broken.append(f"not quiet after {_QUIET_S:.0f} s: {unrest}")
                return
            time.sleep(0.2)

    def _unrest(self) -> str:
        """What is not at its end, "" where all is."""
        db = self._world.database()
        try:
            with db.read() as unit:
                active = [f"{each.id} {each.state}" for each in unit.transactions.active()]
                waiting = [message.key for message in unit.outbox.pending()]
            runs = engine_of(self._world.folder / "engine.db")
            under_way = [f"{run} {status}" for run, (status, _) in runs.items() if status in ("PENDING", "ENQUEUED")]
        except (CloudyError, sqlite3.Error) as error:
            return f"{error}"
        finally:
            db.close()
        return ", ".join([*active, *waiting, *under_way])


def _moment(life: Life) -> str:
    if life.how == "crossing":
        return "when it had nothing left to do"
    return f"{life.after_s:.1f} s after its start" if life.how == "start" else f"{life.after_s:.1f} s after ready"


def _end_of(bot: Process, life: Life) -> Callable[[], None]:
    return (lambda: None) if life.how == "term" else bot.kill
