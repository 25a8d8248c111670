"""Times as a VMstore writes them."""

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def text(ms: int) -> str:
    """The API's DateTime: `YYYY-MM-DDThh:mm:ss.mmm-hh:mm`."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def now_text() -> str:
    """The time as a DateTime."""
    return text(now_ms())


def task_stamp(ms: int) -> str:
    """The time inside a task's id: `MM-dd-HH:mm:ss.SSS`."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%m-%d-%H:%M:%S.") + f"{ms % 1000:03d}"
