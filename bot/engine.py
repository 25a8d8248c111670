"""Runs transactions durably on DBOS, the only module that knows it.

One durable function runs any workflow file: it walks (bot/walk.py) the steps of the frozen workflow that is its
argument, each through the engine. A process that dies goes on at its next start with the step
that it was in; what that step must do not to make things twice is told in bot/actions.
"""

import json
import logging
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID

from bot import crossings
from bot.errors import DatabaseError
from bot.model import Json
from bot.walk import StepRunner, walk

log = logging.getLogger(__name__)

# Raised only with a drained system: runs of another version are never continued (docs/adr/0002).
RUN_FORMAT = "cloudy-1"
EXECUTOR = "cloudy"
CONNECTIONS, KEPT = 20, 8  # to its file: at once, and when they are idle
POLL_S = 0.2
AT_TARGETS = "targets"  # the queue of runs that no VMstore takes part in
MOST_AT_TARGETS = 4  # of them at once

_GIVEN_UP = ("ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "CANCELLED")
_PRUNED_AT_ONCE = 100
_WAL = ("journal_mode=WAL", "synchronous=FULL")
_UNUSABLE = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


class Standing(StrEnum):
    """What the engine has of a transaction."""

    UNKNOWN = "unknown"  # it was never handed over
    KEPT = "kept"  # it waits or runs
    OVER = "over"  # it came to its end
    GIVEN_UP = "given up"  # it will not go on, though it never came to its end


class Engine:
    """One per process, and one process per engine database (the caller holds the worker lock)."""

    def __init__(self, path: Path, runner: StepRunner, *, parallel: Mapping[str, int]) -> None:
        """parallel: how many transactions may run at once, by VMstore."""
        self._path = path
        self._runner = runner
        self._parallel = parallel
        self._walk: Any = None
        self._database = _sqlite(path)

    def launch(self) -> None:
        """Start, and go on with every run that a dead process left. DatabaseError: its file cannot be used."""
        try:
            with ExitStack() as opened:  # all that are kept at rest, so that their number grows no more
                connections = [opened.enter_context(self._database.connect()) for _ in range(KEPT)]
                # DBOS would log a traceback besides
                connections[0].exec_driver_sql("SELECT name FROM sqlite_master LIMIT 1")
            self._launch()
        except sa.exc.DBAPIError as error:
            raise DatabaseError(_in_words(self._path, error)) from error
        _wait_for_the_disk(self._database)

    def _launch(self) -> None:
        config: DBOSConfig = {
            "name": "cloudy",
            "application_version": RUN_FORMAT,
            "executor_id": EXECUTOR,
            "serializer": DBOSPortableJSONSerializer(),
            "system_database_url": f"sqlite:///{self._path}",
            "system_database_engine": self._database,
            "log_level": "WARNING",
            "notification_listener_polling_interval_sec": 1.0,
        }
        DBOS(config=config)

        def transaction(argument: Json) -> str:  # DBOS registers functions, not methods
            return walk(argument, self._runner, _keep)

        self._walk = DBOS.workflow(name="transaction")(transaction)
        DBOS.launch()
        limits = {queue_name(vmstore): limit for vmstore, limit in self._parallel.items()}
        for queue, limit in (limits | {AT_TARGETS: MOST_AT_TARGETS}).items():
            DBOS.register_queue(
                queue,
                global_concurrency=limit,
                polling_interval_sec=POLL_S,
                on_conflict="always_update",
            )

    def enqueue(
        self, transaction_id: str, vmstore: str, frozen: Json, request: Json, resume: Json | None = None
    ) -> None:
        """Hand a transaction over; the run's id is fixed, so that doing it twice runs it once.

        vmstore: whose limit counts; empty: it takes part in nothing. resume: of a further run, see bot/walk.py.
        """
        crossings.cross("engine.enqueue:before")
        argument: Json = {"id": transaction_id, "workflow": frozen, "request": request}
        with SetWorkflowID(run_id(transaction_id, str((resume or {}).get("run", "")))):
            DBOS.enqueue_workflow(queue_name(vmstore), self._walk, argument | ({"resume": resume} if resume else {}))
        crossings.cross("engine.enqueue:after")

    def standing(self, transaction_id: str, run: str = "") -> Standing:
        """What the engine has of a transaction's run."""
        status = DBOS.get_workflow_status(run_id(transaction_id, run))
        if status is None:
            return Standing.UNKNOWN
        if status.status == "SUCCESS":
            return Standing.OVER
        return Standing.GIVEN_UP if status.status in _GIVEN_UP else Standing.KEPT

    def forget(self, before: datetime) -> int:
        """Remove runs that came to an end before then, a hundred at most; gives how many. Repeating is safe.

        DBOS keeps them for ever by itself; what a person may ask for stands in Cloudy's own database.
        """
        old = DBOS.list_workflows(
            completed_before=before.isoformat(), limit=_PRUNED_AT_ONCE, load_input=False, load_output=False
        )
        if old:
            DBOS.delete_workflows([run.workflow_id for run in old])
        return len(old)

    def close(self) -> None:
        """Stop. Steps under way are abandoned, not ended: the caller sets `draining` first."""
        DBOS.destroy(destroy_registry=True)


def _keep(name: str, work: Callable[[], Json]) -> Json:
    """A step of the engine. What it gives the first time is what a replay reads: JSON, so both see the same."""
    crossings.cross("engine.keep:before")
    result = cast(Json, json.loads(json.dumps(DBOS.run_step({"name": name}, work))))
    crossings.cross("engine.keep:after")
    return result


def run_id(transaction_id: str, run: str = "") -> str:
    """The engine's name for a run: the transaction's id for the first one, "<id>:retry1" and the like for the next."""
    return f"{transaction_id}:{run}" if run else transaction_id


def queue_name(vmstore: str) -> str:
    """One queue a VMstore, so that each has a limit of its own (docs/adr/0002); one for what needs none."""
    return f"vmstore-{vmstore}" if vmstore else AT_TARGETS


def _sqlite(path: Path) -> sa.Engine:
    """DBOS on a WAL file; as it comes it would lose writes of ours under load (its default is a rollback journal)."""
    # Last in, first out: a few connections do nearly all the work, and only theirs grow a page cache.
    engine = sa.create_engine(f"sqlite:///{path}", pool_size=KEPT, max_overflow=CONNECTIONS - KEPT, pool_use_lifo=True)

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in (*_WAL, "busy_timeout=30000", "foreign_keys=ON", "cache_size=-256"):  # KiB for each connection
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _wait_for_the_disk(engine: sa.Engine) -> None:
    """Let DBOS wait while its file cannot be written, as it waits while it is locked; else the run would be lost.

    DBOS 3.4 tries again, for ever, what fails with "database is locked" (dbos/_utils.py); nothing else on SQLite.
    """

    @sa.event.listens_for(engine, "handle_error")
    def _as_locked(context: sa.engine.ExceptionContext) -> None:
        name = getattr(context.original_exception, "sqlite_errorname", "")
        if name.startswith(_UNUSABLE):
            words = f"database is locked, as it were: {context.original_exception}"
            raise sa.exc.OperationalError(context.statement, None, sqlite3.OperationalError(words))


def _in_words(path: Path, error: sa.exc.DBAPIError) -> str:
    text = f"The engine's database {path} cannot be used: {error.orig}. "
    if getattr(error.orig, "sqlite_errorname", "").startswith(_DAMAGED):
        return text + (
            "Move it and the files beside it that begin with its name away, then start Cloudy again: it makes a new"
            " one, and runs under way begin again with what they have made."
        )
    return text + "Look at its disk (room, writable?), its folder, its owner and its mode."
