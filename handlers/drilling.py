"""What follows `/drill`, as that of `/restore` without what a drill never does, and how deep `/verify` looks. Pure."""

import re
from collections.abc import Sequence

from bot.model import DrillRequest, RestoreRequest
from handlers import restoring
from handlers.clauses import Word

NEXT = "next"
# Slack's clients make one dash of two.
_DEEP = re.compile(r"(?:^|(?<= ))(?:--|[—–])?deep$", re.IGNORECASE)


def read(words: Sequence[Word]) -> DrillRequest:
    """Read it; nothing is looked up. ValueError says what is not understood."""
    is_next = bool(words) and words[0].says(NEXT)
    asked = restoring.read(words)
    if is_next and asked.what.casefold() != NEXT:
        raise ValueError("“next” takes only “to” and “from” behind it. Put a VM that is called so into quotes.")
    if asked != RestoreRequest(what=asked.what, vmstore=asked.vmstore, target=asked.target):
        raise ValueError("Of a drill nothing stays: it takes only “to” and “from”.")
    return DrillRequest(what="" if is_next else asked.what, vmstore=asked.vmstore, target=asked.target)


def deep(rest: str) -> tuple[str, bool]:
    """What is to be verified, and whether all of it is to be read."""
    return _DEEP.sub("", rest).strip(), _DEEP.search(rest) is not None
