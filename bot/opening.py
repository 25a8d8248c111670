"""Opens what a reading command needs: the database as it is, and the service over it. Imports no adapter, no engine."""

from collections.abc import Callable

from bot.clock import SystemClock
from bot.config import Settings
from bot.service import Service
from bot.store import Database, decode_audit_key, load_audit_key


def open_database(settings: Settings) -> Database:
    """Open Cloudy's database as it is; nothing is made or migrated."""
    return Database.open(settings.database.path, audit_key=audit_key_of(settings, create=False), clock=SystemClock())


def audit_key_of(settings: Settings, *, create: bool) -> bytes | None:
    """The key of the audit chain: from the environment, else `audit.key` beside the configuration; None: lost."""
    if settings.audit_key is not None:
        return decode_audit_key(settings.audit_key.get_secret_value())
    return load_audit_key(settings.folder / "audit.key", create=create)


def service_for(settings: Settings, db: Database, wake: Callable[[], None] = lambda: None) -> Service:
    """The service over a database."""
    return Service(db, SystemClock(), vmstores=tuple(settings.vmstores), targets=tuple(settings.targets), wake=wake)
