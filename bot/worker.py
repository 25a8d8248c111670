"""The part of a process that does the work: engine, dispatcher and their threads. Needs the worker lock."""

import secrets
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path

from bot.accounting import Accounts
from bot.actions import ACTIONS
from bot.dispatcher import Dispatcher
from bot.engine import Engine
from bot.givingback import GivingBack, share_pools
from bot.inventory import Refresher
from bot.janitor import Janitor
from bot.limits import Limits
from bot.model import Json
from bot.ownschedules import OWN
from bot.planner import Planner
from bot.policy import Policy
from bot.ports import Clock, Systems
from bot.runner import Runner
from bot.store import Database
from bot.sweeper import Sweeper
from bot.timekeeper import Timekeeper
from bot.workflow import load, read


def shipped_workflow(name: str) -> Json:
    """A workflow that Cloudy ships, checked and frozen. ConfigError lists its mistakes."""
    return read(load(name), ACTIONS, where=f"{name}.toml").freeze()


def installation_id(db: Database) -> str:
    """This installation's id, made at its first start; snapshots and objects carry it."""
    with db.unit() as unit:
        known = unit.settings.get("installation")
        if known is None:
            known = secrets.token_hex(4)
            unit.settings.put("installation", known)
        return known


class Worker:
    """Plans, enqueues and runs until it is drained."""

    def __init__(
        self,
        db: Database,
        systems: Systems,
        clock: Clock,
        *,
        engine_path: Path,
        limits: Limits,
        version: str,
        policy: Policy,
    ) -> None:
        installation, memory = installation_id(db), GivingBack()
        self._stop = threading.Event()
        self._runner = Runner(
            db, systems, clock, limits, installation=installation, version=version, on_end=memory.used
        )
        self._engine = Engine(engine_path, self._runner, parallel=limits.parallel)
        planner = Planner(db, systems, shipped_workflow, clock.sleep, limits.prices, limits.slas)
        self._dispatcher = Dispatcher(db, planner, self._engine, clock, policy)
        self._thread = threading.Thread(target=self._dispatcher.run, args=(self._stop,), name="dispatcher", daemon=True)
        janitor = Janitor(db, systems, clock, installation=installation, stop=self._stop)
        self._sweeper = Sweeper(db, clock, janitor, remove_after=limits.remove_after)
        self._janitor = threading.Thread(target=self._sweeper.run, args=(self._stop,), name="janitor", daemon=True)
        self._memory = threading.Thread(target=memory.run, args=(self._stop,), name="memory", daemon=True)
        self._refresher = Refresher(db, systems, clock)
        self._looker: threading.Thread | None = None
        self._db, self._clock = db, clock
        self._timekeeper: Timekeeper | None = None
        self._ticker: threading.Thread | None = None

    def start(self, *, look_every: timedelta | None = None, accounts: Accounts | None = None) -> None:
        """Begin; runs that a dead process left go on at once.

        look_every: how often all VMs are listed; accounts: of the schedules. None: never, for a worker that ends soon.
        """
        share_pools()
        self._engine.launch()
        self._thread.start()
        self._janitor.start()
        self._memory.start()
        if look_every is not None:
            look = partial(self._refresher.run, self._stop, look_every)
            self._looker = threading.Thread(target=look, name="inventory", daemon=True)
            self._looker.start()
        if accounts is not None:
            wake = self._dispatcher.wake.set
            self._timekeeper = Timekeeper(self._db, self._clock, accounts, own=OWN, wake_dispatcher=wake)
            self._ticker = threading.Thread(
                target=self._timekeeper.run, args=(self._stop,), name="timekeeper", daemon=True
            )
            self._ticker.start()

    @property
    def is_well(self) -> bool:
        """Whether it works: not on its way out, and looking at what is to be done."""
        return self._thread.is_alive() and not self._stop.is_set()

    def wake(self) -> None:
        """Something was recorded: look now."""
        self._dispatcher.wake.set()
        self._sweeper.wake.set()
        if self._timekeeper is not None:
            self._timekeeper.wake.set()

    def drain(self) -> None:
        """Begin nothing new; steps under way stand still and go on at the next start. The caller then ends the process.

        No outcome is changed. Returns within a second or two.
        """
        self._runner.draining.set()
        self._stop.set()
        self.wake()
        if self._thread.is_alive():  # not where the engine could not be launched
            self._thread.join(timeout=2.0)

    def close(self) -> None:
        """End in an orderly way when nothing runs (command line, tests)."""
        self._stop.set()
        self.wake()
        self._thread.join(timeout=5.0)
        for thread in (self._janitor, self._memory, self._looker, self._ticker):
            if thread is not None and thread.is_alive():
                thread.join(timeout=5.0)
        self._engine.close()
