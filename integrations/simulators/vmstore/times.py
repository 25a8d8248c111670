"""Times as a VMstore writes them."""

import time
from datetime import UTC, datetime
from functools import lru_cache


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@lru_cache(maxsize=4096)
def text(ms: int) -> str:
    """The API's DateTime: `YYYY-MM-DDThh:mm:ss.mmm-hh:mm`."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def now_text() -> str:
    """The time as a DateTime."""
    return text(now_ms())


def task_stamp(ms: int) -> str:
    """The time inside a task's id: `MM-dd-HH:mm:ss.SSS`."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%m-%d-%H:%M:%S.") + f"{ms % 1000:03d}"


def read(text_or_ms: str) -> int | None:
    """Milliseconds since 1970 of a time as clients write it: ISO 8601, with or without a zone (UTC then), or a number.

    None: it is no time.
    """
    if text_or_ms.isascii() and text_or_ms.isdigit():
        return int(text_or_ms)
    try:
        moment = datetime.fromisoformat(text_or_ms.strip().replace(" ", "+"))  # a plus that was not encoded
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
