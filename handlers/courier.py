"""Delivers files that people were promised, to their conversation with the bot: one at a time, as Slack lets it."""

import logging
import threading
from datetime import timedelta

from slack_sdk import WebClient

from bot import spreadsheet
from bot.errors import CloudyError, RequesterError
from bot.model import Actor, Handout
from bot.ports import Clock
from bot.service import Service
from handlers import asked, charts, digestcharts, lists, pictures, receiptcharts, retentions
from handlers.asked import Inquiry
from handlers.blocks import quiet
from handlers.keepingwords import RETENTION
from handlers.pace import waits
from handlers.webapi import File, Kind, Outcome, WebApi, waiting

_log = logging.getLogger(__name__)

_IDLE_S = 1.0
_TIMEOUT_S = 60
_BETWEEN_S = 1.0  # files are of tier 4, 100 a minute
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 2.0, 600.0
_MOST_TRIES = 60  # some 9 hours
_SKEW_S = 600  # how far Slack's clock and ours may be apart


class Courier:
    """One for each workspace; `tick` and `run` belong to one thread. The client must have no retry handlers."""

    def __init__(self, service: Service, client: WebClient, clock: Clock) -> None:
        self._service = service
        self._handouts = service.handouts
        self._questions = service.questions
        self._api = WebApi(waiting(client, _TIMEOUT_S))
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        """Deliver until asked to stop; what is under way is finished."""
        while not stop.is_set():
            stop.wait(_BETWEEN_S if self.tick() else _IDLE_S)

    def tick(self) -> bool:
        """Deliver at most one file; False when there was none whose time it was. Never raises."""
        try:
            now = self._clock.now()
            due = (each for each in self._handouts.pending() if not waits(each.not_before, now))
            handout = next(due, None)
            if handout is not None:
                self._handouts.begin(handout.key)
                self._settle(handout, self._delivered(handout))
        except CloudyError as error:
            _log.warning("files could not be looked for", extra={"action": "handout", "error": error.message})
            return False
        return handout is not None

    def _delivered(self, handout: Handout) -> Outcome:
        try:
            return self._deliver(handout)
        except RequesterError as error:
            return Outcome(kind=Kind.REFUSED, why=error.message)
        except CloudyError:
            raise
        except Exception as error:  # noqa: BLE001 - a mistake of ours in one file must not keep the others waiting
            _log.exception("a file could not be made or sent", extra={"action": "handout", "key": handout.key})
            return Outcome(kind=Kind.UNKNOWN, why=type(error).__name__)

    def _deliver(self, handout: Handout) -> Outcome:
        file = self._file(handout)
        outcome, channel, thread = self._place(handout)
        if outcome.kind is not Kind.DONE:
            return outcome
        if handout.attempts:  # a try that was begun may have delivered it
            found = self._api.find_file(channel, thread, file.name, _oldest(handout))
            if found.kind in (Kind.DONE, Kind.LIMITED, Kind.UNKNOWN):
                return found
        return self._api.send_file(channel, thread, file)

    def _place(self, handout: Handout) -> tuple[Outcome, str, str]:
        """Channel and thread."""
        if "channel" in handout.asked:
            return Outcome(kind=Kind.DONE), str(handout.asked["channel"]), str(handout.asked["thread"])
        return (*self._api.open_direct(handout.person), "")

    def _file(self, handout: Handout) -> File:
        """Whenever it is made, its name stays the same. NotAllowed: who was promised it may not read that any more."""
        if handout.asked.get("verb") == receiptcharts.VERB:
            return receiptcharts.drawn(self._questions, handout.asked)
        now = self._clock.now()
        if handout.asked.get("verb") == digestcharts.VERB:
            return digestcharts.drawn(self._questions, f"{handout.at or now:%Y%m%d-%H%M%S}")
        person = Actor(id=handout.person, name=handout.person, source="slack")
        stamp = f"{handout.at or now:%Y%m%d-%H%M%S}"
        if handout.asked.get("verb") == RETENTION:
            self._service.demand_reading(RETENTION, person, "")
            return retentions.sheet(self._service, dict(handout.asked), stamp)
        inquiry = asked.of_json(dict(handout.asked))
        self._service.demand_reading(inquiry.verb, person, "")
        if inquiry.verb == asked.CHART:
            chart = pictures.chart(self._questions, inquiry, now)
            name, comment = f"{inquiry.text}-{stamp}.png", quiet(asked.written(inquiry))
            return File(name=name, content=charts.png(chart), comment=comment, alt=chart.alt)
        return _sheet(lists.sheet(self._questions, inquiry, now), inquiry, stamp)

    def _settle(self, handout: Handout, outcome: Outcome) -> None:
        facts = {"action": "handout", "key": handout.key, "error": outcome.why}
        if outcome.kind is Kind.DONE:
            self._handouts.delivered(handout.key)
        elif outcome.kind in (Kind.LIMITED, Kind.UNKNOWN) and handout.attempts < _MOST_TRIES:
            wait_s = max(outcome.wait_s, min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** min(handout.attempts, 10)))
            _log.info("a file has to wait", extra=facts)
            self._handouts.defer(handout.key, self._clock.now() + timedelta(seconds=wait_s), outcome.why)
        else:
            _log.warning("a file was not delivered", extra=facts)
            self._handouts.give_up(handout.key, outcome.why)


def _oldest(handout: Handout) -> str:
    return f"{handout.at.timestamp() - _SKEW_S:.0f}" if handout.at else "0"


def _sheet(sheet: lists.Sheet, inquiry: Inquiry, stamp: str) -> File:
    rows = len(sheet.rows) - 1
    size = f"{rows:,} rows" if rows == sheet.total else f"the first {rows:,} of {sheet.total:,} rows"
    content = spreadsheet.text(sheet.rows).encode("utf-8-sig")  # the mark by which spreadsheets know UTF-8
    return File(name=f"{sheet.name}-{stamp}.csv", content=content, comment=f"{quiet(asked.written(inquiry))}: {size}")
