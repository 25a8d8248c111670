"""Words for people: bytes, seconds, what was moved, names as they are typed. Pure."""

import re

from bot.model import Bytes, Carried


def size_text(size: int) -> str:
    """Bytes for people: "412 MiB", "1.0 GiB"."""
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    digits = 1 if value < 10 and unit not in ("B", "KiB", "MiB") else 0
    return f"{value:.{digits}f} {unit}"


def files_text(count: int) -> str:
    """ "1 file", "7 files"."""
    return "1 file" if count == 1 else f"{count} files"


def duration_text(seconds: float) -> str:
    """Seconds for people: "48 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def rough_text(seconds: float) -> str:
    """Seconds that are only about so: "30 s", "4 min", "1 h 20 min"."""
    if seconds < 55:
        return f"{max(10, round(seconds, -1)):.0f} s"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(round(minutes / 10) * 10, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def money_text(amount: float, currency: str) -> str:
    """Money for people, never with more digits than matter: "0.92 USD", "1,840 USD", "less than 0.01 USD"."""
    if 0 < amount < 0.01:
        return f"less than 0.01 {currency}"
    return f"{amount:,.0f} {currency}" if amount >= 100 else f"{amount:.2f} {currency}"


def typed(name: str) -> str:
    """A name as it is typed in a command: in quotes where it would be read as several words otherwise."""
    return f'"{name}"' if re.search(r"[\s,]", name) else name


def moved_text(moved: Bytes) -> str:
    """ "1.0 GiB read, 412 MiB sent", and what was copied or never sent; of several targets, each."""
    read = f"{size_text(moved.read)} read"
    if len(moved.targets) > 1:
        return "; ".join([read, *(f"{name}: {_carried_text(each)}" for name, each in moved.targets.items())])
    return f"{read}, {_carried_text(Carried(sent=moved.sent, copied=moved.copied, zero=moved.zero))}"


def _carried_text(carried: Carried) -> str:
    parts = [f"{size_text(carried.sent)} sent"]
    if carried.copied:
        parts.append(f"{size_text(carried.copied)} copied in the store")
    if carried.zero:
        parts.append(f"{size_text(carried.zero)} zeros never sent")
    return ", ".join(parts)
