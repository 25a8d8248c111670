"""`cloudy verify | delete`: what is asked for about a recovery point, and `cloudy retry`, about one that failed."""

import time
from typing import Annotated

import typer

from bot.cli.common import ConfigOption, JsonOption, me
from bot.cli.follow import YesOption, carry_out
from bot.errors import UsageError
from bot.model import Place
from bot.opinions import Question

LONGEST_REASON = 500

PointArgument = Annotated[
    str, typer.Argument(help="Its transaction id, a part of it of 4 characters or more, or last.")
]
RunArgument = Annotated[str, typer.Argument(help="Transaction id, a part of it of 4 characters or more, or last.")]


def verify(
    point: PointArgument,
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte of it, and compare each block.")] = False,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the targets anew whether a recovery point is good; exit status 0 only if it is, everywhere."""
    carry_out(
        config,
        Question(command="verify", id=point),
        lambda service: (service.verify(point, me(), request_key=f"cli:{time.time_ns()}", deep=deep),),
        yes=yes,
        as_json=as_json,
    )


def delete(
    point: PointArgument,
    because: Annotated[str, typer.Option(help="Why; the policy may demand it, and approvers see it.")] = "",
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove a recovery point for good, by approval where the policy says so; exit status 0 only if it is gone.

    Ctrl-C withdraws it while it waits for a decision.
    """
    reason = " ".join(because.split())
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        raise UsageError(f"The reason is longer than {LONGEST_REASON} characters, or has control characters in it.")
    carry_out(
        config,
        Question(command="delete", id=point),
        lambda service: (service.delete(point, me(), request_key=f"cli:{time.time_ns()}", reason=reason),),
        reason=reason,
        yes=yes,
        as_json=as_json,
    )


def retry(
    transaction: RunArgument, yes: YesOption = False, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Go on with one that is held from the step that failed, or ask anew for what has ended without success."""
    carry_out(
        config,
        Question(command="retry", id=transaction),
        lambda service: (service.again.retry(transaction, me(), request_key=f"cli:{time.time_ns()}", place=Place()),),
        yes=yes,
        as_json=as_json,
    )
