"""Cloudy's own database: nouns in, nouns out; rows and SQL stay inside."""

from bot.store import change
from bot.store.audit import decode_audit_key, load_audit_key
from bot.store.database import Database
from bot.store.examination import integrity_of, journal_of
from bot.store.unit import Unit
from bot.store.yardstick import Yardstick

__all__ = [
    "Database",
    "Unit",
    "Yardstick",
    "change",
    "decode_audit_key",
    "integrity_of",
    "journal_of",
    "load_audit_key",
]
