"""What each workflow is for: one module and one registry line per workflow. Pure.

A workflow that is not here is judged by what its steps came to and told in plain words.
"""

from collections.abc import Mapping

from bot.model import Transaction
from bot.purposes import delete, drill, expire, plain, protect, restore, retention, tier, verify
from bot.purposes.purpose import Purpose

__all__ = ["PURPOSES", "Purpose", "purpose_of"]

PURPOSES: Mapping[str, Purpose] = {
    "delete": delete.PURPOSE,
    "drill": drill.PURPOSE,
    "expire": expire.PURPOSE,
    "protect": protect.PURPOSE,
    "restore": restore.PURPOSE,
    "retention": retention.PURPOSE,
    "tier": tier.PURPOSE,
    "verify": verify.PURPOSE,
}


def purpose_of(transaction: Transaction) -> Purpose:
    """What this transaction is for."""
    return PURPOSES.get(transaction.workflow, plain.PURPOSE)
