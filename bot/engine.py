"""Runs transactions durably on DBOS, the only module that knows it.

One durable function runs any workflow file: it walks (bot/walk.py) the steps of the frozen workflow that is its
argument, each through the engine. A process that dies goes on at its next start with the step
that it was in; what that step must do not to make things twice is told in bot/actions.
"""

import json
import logging
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID

from bot import crossings
from bot.model import Json
from bot.walk import StepRunner, walk

log = logging.getLogger(__name__)

# Raised only with a drained system: runs of another version are never continued (docs/adr/0002).
RUN_FORMAT = "cloudy-1"
EXECUTOR = "cloudy"
POLL_S = 0.2


_GIVEN_UP = ("ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "CANCELLED")


class Standing(StrEnum):
    """What the engine has of a transaction."""

    UNKNOWN = "unknown"  # it was never handed over
    KEPT = "kept"  # it waits, runs or is over
    GIVEN_UP = "given up"  # it will not go on, though it never came to its end


class Engine:
    """One per process, and one process per engine database (the caller holds the worker lock)."""

    def __init__(self, path: Path, runner: StepRunner, *, parallel: Mapping[str, int]) -> None:
        """parallel: how many transactions may run at once, by VMstore."""
        self._path = path
        self._runner = runner
        self._parallel = parallel
        self._walk: Any = None

    def launch(self) -> None:
        """Start, and go on with every run that a dead process left."""
        config: DBOSConfig = {
            "name": "cloudy",
            "application_version": RUN_FORMAT,
            "executor_id": EXECUTOR,
            "serializer": DBOSPortableJSONSerializer(),
            "system_database_url": f"sqlite:///{self._path}",
            "system_database_engine": _sqlite(self._path),
            "log_level": "WARNING",
            "notification_listener_polling_interval_sec": 1.0,
        }
        DBOS(config=config)

        def transaction(argument: Json) -> str:  # DBOS registers functions, not methods
            return walk(argument, self._runner, _keep)

        self._walk = DBOS.workflow(name="transaction")(transaction)
        DBOS.launch()
        for vmstore, limit in self._parallel.items():
            DBOS.register_queue(
                queue_name(vmstore),
                global_concurrency=limit,
                polling_interval_sec=POLL_S,
                on_conflict="always_update",
            )

    def enqueue(self, transaction_id: str, vmstore: str, frozen: Json, request: Json) -> None:
        """Hand a transaction over; its id is the run's id, so that doing it twice runs it once."""
        crossings.cross("engine.enqueue:before")
        with SetWorkflowID(transaction_id):
            DBOS.enqueue_workflow(
                queue_name(vmstore), self._walk, {"id": transaction_id, "workflow": frozen, "request": request}
            )
        crossings.cross("engine.enqueue:after")

    def standing(self, transaction_id: str) -> Standing:
        """What the engine has of a transaction."""
        status = DBOS.get_workflow_status(transaction_id)
        if status is None:
            return Standing.UNKNOWN
        return Standing.GIVEN_UP if status.status in _GIVEN_UP else Standing.KEPT

    def close(self) -> None:
        """Stop. Steps under way are abandoned, not ended: the caller sets `draining` first."""
        DBOS.destroy(destroy_registry=True)


def _keep(name: str, work: Callable[[], Json]) -> Json:
    """A step of the engine. What it gives the first time is what a replay reads: JSON, so both see the same."""
    crossings.cross("engine.keep:before")
    result = cast(Json, json.loads(json.dumps(DBOS.run_step({"name": name}, work))))
    crossings.cross("engine.keep:after")
    return result


def queue_name(vmstore: str) -> str:
    """One queue a VMstore, so that each has a limit of its own (docs/adr/0002)."""
    return f"vmstore-{vmstore}"


def _sqlite(path: Path) -> sa.Engine:
    """DBOS on a WAL file; as it comes it would lose writes of ours under load (its default is a rollback journal)."""
    engine = sa.create_engine(f"sqlite:///{path}", pool_size=20, max_overflow=0)

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine
