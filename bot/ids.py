"""Transaction ids: made, recognised, read aloud."""

import re
from datetime import UTC, datetime

# Crockford's base32, lower case: no i, l, o, u, so that an id can be read aloud.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
SEGMENTS = ".cloudy/segment/"
_ID = re.compile(rf"\d{{8}}T\d{{6}}Z-[{ALPHABET}]{{6}}")


def transaction_id(at: datetime, entropy: int) -> str:
    """`20261123T142233Z-7f3k9q`: start in UTC, then the low 30 bits of entropy. Sorts by time in a bucket."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{short_id(entropy)}"


def short_id(entropy: int) -> str:
    """`7f3k9q`: the low 30 bits of entropy; of things that nobody sorts by time."""
    return "".join(ALPHABET[(entropy >> shift) & 31] for shift in range(25, -1, -5))


def is_transaction_id(text: str) -> bool:
    """Whether it is exactly one of ours."""
    return _ID.fullmatch(text) is not None


def begun_at(transaction: str) -> datetime | None:
    """When that transaction was asked for; None: this is no transaction id, or one of no day that there is."""
    if not is_transaction_id(transaction):
        return None
    try:
        return datetime.strptime(transaction[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def clone_directory(transaction: str, attempt: int) -> str:
    """Name of the attempt's clone directory (from 1): the transaction id, then `<id>.2`, `<id>.3`, ..."""
    return transaction if attempt == 1 else f"{transaction}.{attempt}"


def is_clone_directory(directory: str, transaction: str) -> bool:
    """Whether a directory name is one that `clone_directory` gives for this transaction."""
    head, _, tail = directory.partition(".")
    return is_transaction_id(transaction) and head == transaction and (directory == head or tail.isdigit())


def drill_name(transaction: str) -> str:
    """What the VM of a drill is called while it lasts."""
    return f"cloudy-drill-{transaction}"


def segment_key(transaction: str, file: str, number: int) -> str:
    """Where the temporary object of a segment lies, relative to the target's prefix (bot/segments.py)."""
    return f"{SEGMENTS}{transaction}/{file}/{number}"
