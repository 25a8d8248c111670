"""What may follow the targets of a protect: consistency, note, how long to keep. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from bot import keeping

CONSISTENCIES = {"vm-consistent": "vm", "crash-consistent": "crash"}
NOTE, KEEP, FOR = "note", "keep", "for"
_TIMES = ("d", "day", "days", "w", "week", "weeks", "y", "year", "years")


class Word(Protocol):
    """A word, a quoted text or a comma, as the parser has it."""

    @property
    def text(self) -> str:
        """What stands there, without quotes."""

    @property
    def kind(self) -> str:
        """ "word", "quoted" or "comma"."""

    def says(self, *words: str) -> bool:
        """Whether it is one of these words, unquoted."""


W = TypeVar("W", bound=Word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for beside VMs and targets; None: not said."""

    consistency: str | None = None
    note: str | None = None
    keep_for: str | None = None


def split(words: Sequence[W]) -> tuple[list[W], Wishes]:
    """Part the targets from the wishes behind them. ValueError says what is not understood."""
    start = next((at for at in range(len(words)) if _length(words, at)), len(words))
    wishes, at = Wishes(), start
    while at < len(words):
        length = _length(words, at)
        if not length:
            raise ValueError(f"“{_short(words[at].text)}” is not understood after the targets.")
        wishes = _with(wishes, words[at : at + length])
        at += length
    return list(words[:start]), wishes


def pick(words: Sequence[W]) -> tuple[list[W], Wishes]:
    """Part the wishes, wherever they stand, from all other words. ValueError says what is not understood."""
    others, wishes, at = list[W](), Wishes(), 0
    while at < len(words):
        length = _length(words, at)
        if length:
            wishes = _with(wishes, words[at : at + length])
        else:
            others.append(words[at])
        at += length or 1
    return others, wishes


def escaped(text: str) -> str:
    """As Slack hands typed text over."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _length(words: Sequence[Word], at: int) -> int:
    """How many words the wish that begins here has; 0: none begins here."""
    after = words[at + 1 :]
    if words[at].says(*CONSISTENCIES):
        return 1
    if words[at].says(NOTE) and after and after[0].kind == "quoted":
        return 2
    if words[at].says(KEEP) and len(after) > 1 and after[0].says(FOR):
        return 4 if after[1].text.isdigit() and len(after) > 2 and after[2].says(*_TIMES) else 3
    return 0


def _with(wishes: Wishes, words: Sequence[Word]) -> Wishes:
    if words[0].says(NOTE):
        _once("The note", wishes.note)
        return replace(wishes, note=keeping.note(words[1].text))
    if words[0].says(KEEP):
        _once("How long to keep it", wishes.keep_for)
        return replace(wishes, keep_for=keeping.parse(" ".join(word.text for word in words[2:])))
    _once("The consistency", wishes.consistency)
    return replace(wishes, consistency=CONSISTENCIES[words[0].text.casefold()])


def _once(what: str, said: str | None) -> None:
    if said is not None:
        raise ValueError(f"{what} is said more than once.")


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
