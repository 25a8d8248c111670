"""What is wished of a recovery point: how consistent it is, how long it is wanted, and why it was made. Pure.

How long is kept as an ISO 8601 duration in whole days ("P30D"), as "forever", or as "" where nobody said anything.
"""

import re
import unicodedata

from bot.errors import RequesterError

CONSISTENCIES = ("crash", "vm")
FOREVER = "forever"
LONGEST_NOTE = 300
_DAYS = {"d": 1, "w": 7, "y": 365}
_TYPED = re.compile(r"([0-9]{1,5}) ?(d|w|y)(?:ays?|eeks?|ears?)?", re.IGNORECASE | re.ASCII)
_KEPT = re.compile(r"P([1-9][0-9]{0,4})D", re.ASCII)
_MOST_DAYS = 36_500
_QUOTES = re.compile('["“”„‟]')


def check(*, consistency: str, keep_for: str, note: str) -> None:
    """RequesterError: what is wrong with these wishes."""
    if consistency not in CONSISTENCIES:
        raise RequesterError(f"consistency is {consistency!r}; it can be {' or '.join(CONSISTENCIES)}.")
    if not is_kept(keep_for):
        raise RequesterError(f"{keep_for!r} is no time to keep something.")
    if len(note) > LONGEST_NOTE:
        raise RequesterError("The note is too long.")


def parse(text: str) -> str:
    """Read "30d", "12 w", "1y" or "forever"; what `said` writes is read too. ValueError says what is wrong."""
    wanted = text.strip()
    if wanted.casefold() == FOREVER:
        return FOREVER
    found = _TYPED.fullmatch(wanted)
    if found is None:
        raise ValueError(f"“{_short(wanted)}” is no time to keep something: write 30d, 12w, 1y or {FOREVER}.")
    whole = int(found[1]) * _DAYS[found[2].casefold()]
    if not 1 <= whole <= _MOST_DAYS:
        raise ValueError(f"“{_short(wanted)}” is not from 1 day to 100 years; or write {FOREVER}.")
    return f"P{whole}D"


def typed(kept: str) -> str:
    """As somebody would type it: "30d", "2y", "forever"."""
    whole = days(kept)
    if not whole:
        return kept
    return f"{whole // _DAYS['y']}y" if whole % _DAYS["y"] == 0 else f"{whole}d"


def said(kept: str) -> str:
    """For people: "30 days", "1 year", "forever"; "" where nothing is kept."""
    whole = days(kept)
    if not whole:
        return kept
    count, word = (whole // _DAYS["y"], "year") if whole % _DAYS["y"] == 0 else (whole, "day")
    return f"{count} {word}{'' if count == 1 else 's'}"


def days(kept: str) -> int:
    """In days; 0: nothing was said, or it is for ever."""
    found = _KEPT.fullmatch(kept)
    return int(found[1]) if found else 0


def is_kept(text: str) -> bool:
    """Whether it is one of the values that are kept."""
    return text in ("", FOREVER) or 1 <= days(text) <= _MOST_DAYS


def note(text: str) -> str:
    """A note as it is kept: one line, with ' for any double quote, so that a command can say the same. ValueError."""
    line = _QUOTES.sub("'", " ".join(text.split(" "))).strip()
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in line):
        raise ValueError("There is a line break or another control character in the note. Write it on one line.")
    if len(line) > LONGEST_NOTE:
        raise ValueError(f"The note is longer than {LONGEST_NOTE} characters.")
    return line


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
