"""The janitor's rounds: what the ledger has, each hour; what was asked for in the chat, at once and with an answer."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot import insist, orphans, sweeps
from bot.errors import CloudyError, Stopped
from bot.janitor import Findings, Janitor, Judged
from bot.model import Actor, Json, Message
from bot.orphans import Fate
from bot.ports import Clock
from bot.store import Database, Unit
from bot.words import duration_text, size_text

log = logging.getLogger(__name__)

EVERY_S = 3600.0
_MOST = 20  # of one heading; the command line has all
_HEADS = {
    Fate.OURS: "Ours, and old enough to go",
    Fate.YOUNG: "Ours or nobody's, and too young to go",
    Fate.UNKNOWN: "Not touched: a person has to look",
    Fate.FOREIGN: "Not touched: another installation's",
}


class Sweeper:
    """One thing after the other. Each answer is one message, whatever dies meanwhile."""

    def __init__(self, db: Database, clock: Clock, janitor: Janitor, *, remove_after: timedelta = timedelta()) -> None:
        """remove_after: how old an orphan of ours goes by itself; none: only a person removes it."""
        self._db = db
        self._clock = clock
        self._janitor = janitor
        self._remove_after = remove_after
        self.wake = threading.Event()  # somebody has asked for something, or it is to end

    def run(self, stop: threading.Event) -> None:
        """Clear the ledger now and every hour, and serve when woken, until told to stop and woken. Never raises."""
        due = 0.0
        while not stop.is_set():
            is_due = time.monotonic() >= due
            due = time.monotonic() + EVERY_S if is_due else due
            for work in (self._janitor.clear_ledger, self.remove_old, self.serve) if is_due else (self.serve,):
                if not _is_done(work):
                    return
            self.wake.wait(max(0.0, due - time.monotonic()))
            self.wake.clear()

    def remove_old(self) -> None:
        """Remove what is ours and old, where the configuration says that it goes by itself."""
        if self._remove_after:
            self._janitor.remove_old(self._remove_after)

    def serve(self) -> None:
        """Answer all that was asked for. Stopped passes; what was not answered is at the next start."""
        with self._db.read() as unit:
            wishes = sweeps.wanted(unit)
        for wish in wishes:
            try:
                view = self._answer(wish)
            except Stopped:
                raise
            except CloudyError as error:
                view = {"kind": "notice", "text": f"What was left behind could not be looked for: {error.message}"}
            self._tell(wish, view)

    def _answer(self, wish: Json) -> Json:
        janitor = self._janitor.in_name_of(Actor(id=wish["by"], name=wish["name"], source=wish["source"]))
        stays: list[str] = []
        gone: list[Judged] = []
        if wish["removes"]:
            stays = [line for cleared in janitor.clear_ledger() for line in cleared.left]
            for judged in janitor.look().judged:
                if judged.fate is Fate.OURS:
                    why = janitor.remove(judged.orphan)
                    stays += [f"{_name(judged)}: {why}"] if why else []
                    gone += [] if why else [judged]
        return view_of(janitor.look(), self._clock.now(), gone, stays)

    def _tell(self, wish: Json, view: Json) -> None:
        message = Message(key=f"sweep:{wish['key']}", channel=wish["channel"], thread_ts=wish["thread"], view=view)

        def write(unit: Unit) -> None:
            if message.channel and unit.outbox.get(message.key) is None:
                unit.outbox.put(message)
            sweeps.answered(unit, wish["key"])

        insist.write(self._db, write, self._clock)


def _is_done(work: Callable[[], object]) -> bool:
    """Do it; False: it is to end."""
    try:
        work()
    except Stopped:
        return False
    except Exception:  # whatever it is: the next round may fare better, and nothing else may suffer
        log.exception("the janitor's round failed", extra={"action": "janitor"})
    return True


def view_of(found: Findings, now: datetime, gone: Sequence[Judged] = (), stays: Sequence[str] = ()) -> Json:
    """What is said of it; bounded. gone: what was removed just now; stays: what could not be."""
    by_fate = {fate: [_line(each, now) for each in found.judged if each.fate is fate] for fate in _HEADS}
    promised = [f"{each.kind} {each.name} on {each.system}" for each in found.promised]
    lists = [
        ["Removed", [_line(each, now) for each in gone]],
        ["Not removed", list(stays)],
        *([head, by_fate[fate]] for fate, head in _HEADS.items()),
        ["In the ledger: the janitor removes it", promised],
        ["Not looked at", [f"{system}: {why}" for system, why in found.unseen]],
    ]
    count = len(found.judged) + len(promised)
    nothing = "Nothing is left behind" if not found.unseen else "Nothing was found where Cloudy could look"
    return {
        "kind": "sweep",
        "title": f"{count:,} {'thing is' if count == 1 else 'things are'} left behind" if count else nothing,
        "lists": [[head, _bounded(lines)] for head, lines in lists if lines],
        "buttons": ["remove-orphans"] if by_fate[Fate.OURS] else [],
    }


def _line(judged: Judged, now: datetime) -> str:
    orphan = judged.orphan
    age = orphans.age(orphan, now)
    facts = [
        f"{duration_text(age.total_seconds())} old" if age is not None else "",
        size_text(orphan.size) if orphan.size else "",
        f"of {orphan.installation}" if judged.fate is Fate.FOREIGN else "",
        f"by hand: {judged.by_hand}" if judged.fate is Fate.UNKNOWN else "",
    ]
    return " · ".join([_name(judged), *filter(None, facts)])


def _name(judged: Judged) -> str:
    return f"{judged.orphan.kind} {judged.orphan.name} on {judged.orphan.system}"


def _bounded(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _MOST
    return [*lines[:_MOST], *([f"and {more:,} more: `cloudy orphans` lists all"] if more > 0 else [])]
