"""What the policy asks for between asking and starting, at a terminal: a yes typed there, or approvers in Slack."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from bot import petitions, story
from bot.cli.common import me
from bot.config import Settings
from bot.errors import BusyError, RequesterError, UsageError
from bot.model import Approval, Choice, State, Transaction
from bot.opinions import Question
from bot.policy import Need

if TYPE_CHECKING:
    from bot.main import Hand

_NOTHING = "Nothing was started."
_REASONED = ("delete", "restore")  # commands that take a reason


def is_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


class Consent:
    """For one command. Whoever is to consent is looked for before anything is recorded, and asked once it is planned.

    Only the plan tells all: a rule may speak of a VMstore that is not known before.
    """

    def __init__(self, house: "Hand", settings: Settings, *, yes: bool) -> None:
        """yes: it was given on the command line."""
        self._house = house
        self._has_slack = settings.slack.bot_token is not None
        self._yes = yes
        self._told: set[str] = set()  # approvals

    def demand(self, question: Question, reason: str = "") -> None:
        """Go on only if somebody could consent. RequesterError says who is missing, UsageError what.

        What the actor may not do at all is left to the service, which keeps the refusal.
        """
        if question.command == "retry" and self._house.service.show(question.id)[0].state is State.HELD:
            return  # it goes on with what was consented to
        for opinion in self._house.service.opinions_on(question, me()):
            terms = opinion.verdict.terms
            if opinion.verdict.allowed and terms.reason_required and question.command in _REASONED and not reason:
                raise UsageError(f"The policy wants to know why: say --because. {_NOTHING}")
            if opinion.verdict.allowed and (missing := self._missing(terms.need)):
                raise RequesterError(f"{opinion.asked}: {missing} {_NOTHING}")

    def is_new(self, approval: Approval) -> bool:
        """Whether it was not heeded yet."""
        return approval.id not in self._told

    def heed(self, transaction: Transaction, approval: Approval) -> None:
        """It waits: ask here, or say whom it waits for. What nobody could decide is withdrawn, with words.

        Of a request that joined another's only the state is told: that is not ours to confirm or to withdraw.
        """
        if (approval.requester.id, approval.requester.source) != (me().id, me().source):
            _say(f"{transaction.id}: {petitions.line(approval)}.")
        elif missing := self._missing(Need.CONFIRMATION if approval.is_confirmation else Need.APPROVAL):
            _say(f"{transaction.id}: {missing} It is withdrawn.")
            self._withdraw(transaction)
        elif not approval.is_confirmation:
            _say(
                f"{transaction.id}: {petitions.line(approval)}. The approvers were asked in Slack; Ctrl-C withdraws it."
            )
        elif self._yes or _is_confirmed(transaction, approval):
            self._confirm(approval)
        else:
            self._withdraw(transaction)
        self._told.add(approval.id)

    def _missing(self, need: Need) -> str:
        """Who could not be asked; "": there is somebody, or nobody is needed."""
        if need is Need.CONFIRMATION and not (self._yes or is_terminal()):
            return "the policy wants it confirmed, and there is no terminal to ask at. Say --yes to confirm it."
        if need is Need.APPROVAL and not self._has_slack:
            return (
                "it needs an approval, which is given in Slack, and no Slack is configured (CLOUDY_SLACK__BOT_TOKEN)."
            )
        if need is Need.APPROVAL and self._house.is_worker:
            return (
                "it needs an approval, which is given in Slack, and no bot is running that asks there."
                " Start `cloudy serve`, then ask again."
            )
        return ""

    def _confirm(self, approval: Approval) -> None:
        key = f"cli:confirm:{time.time_ns()}"
        _insist(lambda: self._house.service.decide(approval.token, Choice.APPROVE, me(), request_key=key))

    def _withdraw(self, transaction: Transaction) -> None:
        key = f"cli:stop:{time.time_ns()}"
        _insist(lambda: self._house.service.stop(transaction.id, me(), request_key=key))


def _insist(say: Callable[[], object]) -> None:
    """What was typed once counts, though the database is busy."""
    while True:
        try:
            say()
        except BusyError:
            continue  # it has waited for the database already
        except RequesterError as error:  # it took too long, or somebody stopped it: the end of it is followed
            _say(error.message)
        return


def _is_confirmed(transaction: Transaction, approval: Approval) -> bool:
    _say(story.title(transaction))
    for label, value in petitions.facts(approval):
        _say(f"  {label}: {value}")
    try:
        return typer.confirm("Go ahead?", default=False, err=True)
    except typer.Abort:  # Ctrl-C, or the end of what is typed
        return False


def _say(text: str) -> None:
    """Names come from outside: none of them steers the terminal."""
    typer.echo("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text), err=True)
