"""Opens what a reading command needs: the database as it is, and the service over it. Imports no adapter, no engine."""

import logging
from collections.abc import Callable

from bot.clock import SystemClock
from bot.config import Settings
from bot.configured import Configured
from bot.drill_settings import rules_of
from bot.model import Slas
from bot.policy_settings import policy_of
from bot.price_settings import classes_of, prices_of
from bot.schedule_settings import rules_of as schedule_rules_of
from bot.service import Service
from bot.sla_settings import slas_of
from bot.store import Database, decode_audit_key, load_audit_key

log = logging.getLogger(__name__)


def open_database(settings: Settings) -> Database:
    """Open Cloudy's database as it is; nothing is made or migrated."""
    return Database.open(settings.database.path, audit_key=audit_key_of(settings, create=False), clock=SystemClock())


def audit_key_of(settings: Settings, *, create: bool) -> bytes | None:
    """The key of the audit chain: from the environment, else `audit.key` beside the configuration; None: lost.

    create: make one, where the audit has none yet. Rows that another key signed would be taken for changed ones.
    """
    if settings.audit_key is not None:
        return decode_audit_key(settings.audit_key.get_secret_value())
    file = settings.folder / "audit.key"
    key = load_audit_key(file, create=False)
    if key is None and create and not _is_signed(settings):
        key = load_audit_key(file, create=True)
    if key is None and create:
        log.error(
            "the audit's key is lost; put audit.key back, or set CLOUDY_AUDIT_KEY: rows are written unsigned meanwhile",
            extra={"action": "audit_key", "file": str(file)},
        )
    return key


def awaits_key(settings: Settings) -> bool:
    """Whether the audit's key is still to be made, by whoever makes the database right now."""
    return audit_key_of(settings, create=False) is None and not _is_signed(settings)


def _is_signed(settings: Settings) -> bool:
    db = Database.open(settings.database.path, audit_key=None, clock=SystemClock())
    try:
        with db.read() as unit:
            return unit.audit.is_signed()
    finally:
        db.close()


def configured_slas(settings: Settings) -> Slas:
    """What is promised for which VMs."""
    return slas_of(settings.sla, settings.groups, rpo=settings.protection.rpo, drill_every=settings.drills.every)


def service_for(settings: Settings, db: Database, wake: Callable[[], None] = lambda: None) -> Service:
    """The service over a database."""
    return Service(
        db,
        SystemClock(),
        vmstores=tuple(settings.vmstores),
        targets=tuple(settings.targets),
        policy=policy_of(settings.policy),
        configured=_configured(settings),
        wake=wake,
    )


def _configured(settings: Settings) -> Configured:
    return Configured(
        slas=configured_slas(settings),
        drills=rules_of(settings.drills),
        schedules=schedule_rules_of(settings.schedules, settings.groups, settings.slack.admin_channel),
        prices=prices_of(settings),
        classes=classes_of(settings),
        drillable=frozenset(name for name, each in settings.vmstores.items() if each.hypervisor),
    )
