"""What the commands share: the configuration option, the reader's view of the database, JSON of nouns."""

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bot import durations, estimated
from bot.clock import SystemClock
from bot.config import Settings, load
from bot.errors import OperatorError, UsageError
from bot.model import Actor, Transaction
from bot.opening import open_database
from bot.store import Database

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="cloudy.toml (default: CLOUDY_CONFIG, else ./cloudy.toml)", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def settings_of(config: Path | None) -> Settings:
    """Read the configuration. ConfigError lists its mistakes."""
    return load(config)


@contextmanager
def reading(config: Path | None) -> Iterator[tuple[Settings, Database]]:
    """The database for a reading command: no lock is taken, nothing is migrated."""
    settings = settings_of(config)
    db = open_database(settings)
    try:
        why = db.ready()
        if why is not None:
            raise OperatorError(why)
        yield settings, db
    finally:
        db.close()


def console() -> Console:
    """Standard output; wide enough for whole ids where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 160)


def moment(since: str) -> datetime | None:
    """The time that --since says; None: it says none. UsageError."""
    try:
        return durations.since(since, SystemClock().now()) if since else None
    except (ValueError, OverflowError):
        raise UsageError(f"--since {since} is no time: say 7d, 24h or 2026-11-01.") from None


def me() -> Actor:
    """Whoever is at the terminal."""
    name = getpass.getuser()
    return Actor(id=name, name=name, source="cli")


def summary(transaction: Transaction) -> dict[str, Any]:
    """One transaction as `--json` gives it."""
    return {
        "id": transaction.id,
        "workflow": transaction.workflow,
        "vm": transaction.vm,
        "vmstore": transaction.vmstore,
        "targets": list(transaction.targets),
        "state": transaction.state.value,
        "not_before": transaction.not_before.isoformat() if transaction.not_before else None,
        "started": transaction.started_at.isoformat() if transaction.started_at else None,
        "ended": transaction.ended_at.isoformat() if transaction.ended_at else None,
        "bytes": {
            "read": transaction.bytes.read,
            "sent": transaction.bytes.sent,
            "copied": transaction.bytes.copied,
            "zero": transaction.bytes.zero,
            "targets": {name: asdict(each) for name, each in transaction.bytes.targets.items()},
        },
        "estimate": estimated.as_json(transaction),
        "why": transaction.failure.what if transaction.failure else None,
        "left_behind": list(transaction.left_behind),
    }


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False), flush=True)
