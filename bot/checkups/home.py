"""What the doctor tries at home: configuration, databases, audit, disk space."""

import os
import shutil
import stat
from datetime import timedelta
from functools import partial
from pathlib import Path

from bot import story
from bot.clock import SystemClock
from bot.config import Settings
from bot.doctor import Check, Group, Unjudged
from bot.errors import CloudyError, OperatorError, PermanentError
from bot.opening import audit_key_of
from bot.sockets import sockets
from bot.store import Database, integrity_of, journal_of

LEAST_FREE = 1 << 30  # bytes; the databases are small, and a full disk stops every run
_WAIT_S = 5.0
_SAID_WITHIN = timedelta(minutes=3)  # the bot says it every minute
_LONG_S = 300.0  # a large file is read whole


def of_configuration(settings: Settings) -> Group:
    """The file is fine, or nobody would be here; are all secrets there, and kept from others?"""
    return Group(
        about="configuration",
        checks=(
            Check(
                title="cloudy.toml",
                run=lambda: f"{len(settings.vmstores)} VMstores, {len(settings.targets)} targets",
                cure="",
            ),
            Check(
                title="secrets",
                run=lambda: _secrets(settings),
                cure="Put them into the environment, or into secrets.env beside cloudy.toml.",
            ),
            Check(
                title="their files",
                run=lambda: _private(settings.folder / "secrets.env", settings.folder / "audit.key"),
                cure="chmod 600 them.",
            ),
        ),
    )


def _secrets(settings: Settings) -> str:
    settings.require_secrets(vmstores=True, targets=True)
    return "all set"


def _private(*paths: Path) -> str:
    there = [path for path in paths if path.exists()]
    for path in there:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise OperatorError(f"{path} has mode {mode:04o}: others may read it.")
    return f"{len(there)} files, readable by their owner alone"


def of_database(settings: Settings) -> Group:
    """Cloudy's own database: there, of this version, whole, in WAL mode, writable."""
    path = settings.database.path
    db = Database.open(path, audit_key=audit_key_of(settings, create=False), clock=SystemClock())
    return Group(
        about="database",
        checks=(
            Check(title="version", run=lambda: _ready(db), cure=f"See {path}.", is_gate=True),
            Check(
                title="integrity",
                run=lambda: _whole(path),
                cure=f"Stop Cloudy, keep {path} aside and put back the newest copy.",
                timeout_s=_LONG_S,
            ),
            Check(title="journal", run=lambda: _in_wal(path), cure="Is the file on NFS? It must be on a local disk."),
            Check(
                title="writing",
                run=lambda: _write(db),
                cure=f"Look at owner, mode and free space of {path.parent}; does another process hold the file?",
            ),
            Check(
                title="audit",
                run=lambda: _audit(db),
                cure="Put the first audit.key back beside the configuration; if rows were changed, find out who did.",
                timeout_s=_LONG_S,
            ),
        ),
        end=db.close,
    )


def of_sockets(settings: Settings) -> Group:
    """The connections of the running bot to Slack, as it told them last."""
    db = Database.open(settings.database.path, audit_key=None, clock=SystemClock())
    cure = "Look at the bot's log for “slack_connect”; can this machine reach wss-primary.slack.com?"
    check = Check(title="sockets", run=lambda: _sockets(db), cure=cure)
    return Group(about="connections to Slack", checks=(check,), end=db.close)


def _sockets(db: Database) -> str:
    if not db.path.exists() or db.ready() is not None:
        raise Unjudged("there is no database to ask yet")
    told = sockets(db)
    if told is None:
        raise Unjudged("the bot has told nothing: it was not started yet, or Slack comes by HTTP")
    words = f"{told.standing} of {told.of} at {told.at:%Y-%m-%d %H:%M:%S} UTC"
    if SystemClock().now() - told.at > _SAID_WITHIN:
        raise Unjudged(f"{words}; the bot does not run, or not by Socket Mode")
    if not told.standing:
        raise OperatorError(f"{words}: nothing that people type reaches Cloudy.")
    if told.standing < told.of:
        raise Unjudged(words, "The missing one is tried again by itself.")
    return words


def _ready(db: Database) -> str:
    if not db.path.exists():
        raise Unjudged("there is none yet: the first `cloudy serve` makes it")
    why = db.ready()
    if why is not None:
        raise OperatorError(why)
    return f"{db.path} is of this version"


def _whole(path: Path) -> str:
    found = integrity_of(path)
    if found != "ok":
        raise OperatorError(f"SQLite finds in {path}: {found}")
    return "SQLite finds nothing wrong"


def _in_wal(path: Path) -> str:
    mode = journal_of(path)
    if mode != "wal":
        raise OperatorError(f"{path} is in journal mode {mode}, not wal.")
    return "write-ahead log"


def _write(db: Database) -> str:
    with db.unit(wait_s=_WAIT_S) as unit:
        unit.settings.put("doctor", SystemClock().now().isoformat())
    return "a row was written"


def _audit(db: Database) -> str:
    with db.read() as unit:
        verdict = unit.audit.verify()
    if not verdict.judged or verdict.broken_at is not None:
        raise OperatorError(verdict.why)
    return f"{verdict.rows} rows, each as it was written"


def of_engine(settings: Settings) -> Group:
    """The engine's database."""
    path = settings.database.engine

    def integrity() -> str:
        if not path.exists():
            raise Unjudged("there is none yet: the first `cloudy serve` makes it")
        return _whole(path)

    return Group(
        about="engine database",
        checks=(
            Check(
                title="integrity",
                run=integrity,
                cure=f"Stop Cloudy and put back the copy of {path} that belongs to the database's.",
                timeout_s=_LONG_S,
            ),
        ),
    )


def of_disk(settings: Settings) -> Group:
    """Room for the databases."""
    folders = dict.fromkeys([settings.database.path.parent, settings.database.engine.parent])
    checks = tuple(
        Check(title=str(folder), run=partial(_room, folder), cure="Make room: a full disk stops every run.")
        for folder in folders
    )
    return Group(about="disk space", checks=checks)


def _room(folder: Path) -> str:
    if not folder.is_dir():
        raise PermanentError(f"There is no folder {folder}.")
    if not os.access(folder, os.W_OK):
        raise PermanentError(f"Cloudy (uid {os.geteuid()}) may not write there.")
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE:
        raise PermanentError(f"only {story.size_text(free)} free")
    return f"{story.size_text(free)} free"


def every(settings: Settings) -> tuple[Group, ...]:
    """All groups at home, in the order in which they are told."""
    return (of_configuration(settings), _opened(settings), of_engine(settings), of_disk(settings), of_sockets(settings))


def _opened(settings: Settings) -> Group:
    try:
        return of_database(settings)
    except CloudyError as error:  # the audit's key is there and none
        raised = error
    return Group(
        about="database",
        checks=(Check(title="audit key", run=lambda: _raise(raised), cure="Put the first audit.key back."),),
    )


def _raise(error: CloudyError) -> str:
    raise error
