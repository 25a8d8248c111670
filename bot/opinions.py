"""What may be done and why, asked before it is done: one opinion for each VM of a question. Judges, records nothing."""

from dataclasses import dataclass

from bot.model import Actor, Transaction
from bot.policy import COMMANDS, About, Operation, Verdict
from bot.rights import Rights, about_transaction, stop_of
from bot.store import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A command that somebody may want to give. A command of COMMANDS."""

    command: str
    vms: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    id: str = ""  # of the transaction that it is about
    channel: str = ""  # where it would be typed
    is_over_original: bool = False  # of a restore


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """The answer for one thing."""

    asked: str  # in words: "protect vm01 to s3"
    verdict: Verdict


def opinions(
    unit: Unit, rights: Rights, actor: Actor, question: Question, meant: Transaction | None
) -> tuple[Opinion, ...]:
    """One for each VM; one for a command that is about a transaction or about nothing. meant: that transaction."""
    operation = COMMANDS.get(question.command, Operation.READ)
    if operation is Operation.RESTORE and question.is_over_original:
        operation = Operation.RESTORE_OVER
    if meant is not None:
        about = about_transaction(meant, channel=question.channel, command=question.command)
        if operation is Operation.STOP:
            operation = stop_of(meant, actor)
        verdict = rights.judge(unit, actor, operation, about)
        return (Opinion(asked=f"{question.command} {meant.id}, {meant.vm}", verdict=verdict),)
    word = "from" if question.command == "restore" else "to"
    to = f" {word} {' and '.join(question.targets)}" if question.targets else ""
    to += " over the original" if question.is_over_original else ""
    return tuple(
        Opinion(
            asked=f"{question.command} {vm}{to}".rstrip(),
            verdict=rights.judge(
                unit,
                actor,
                operation,
                About(vm=vm, targets=question.targets, channel=question.channel, command=question.command),
            ),
        )
        for vm in question.vms or ("",)
    )
