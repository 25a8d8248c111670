"""An error becomes what the thread says: what happened, and what to do next."""

from bot.errors import (
    CloudyError,
    DeniedError,
    IntegrityError,
    MissingError,
    NotRestorable,
    RemoteError,
    RequesterError,
    TransientError,
)
from bot.model import Failure, Transaction
from bot.purposes import purpose_of
from bot.workflow import StepSpec


def failure_of(error: CloudyError, spec: StepSpec, transaction: Transaction) -> Failure:
    """The failure of a step, with the next thing to do by who must act."""
    system, code = (error.system, error.code) if isinstance(error, RemoteError) else ("", "")
    return Failure(
        what=error.message,
        step=spec.title,
        kind=type(error).__name__,
        system=system,
        code=code,
        next=_next(error, transaction),
    )


def refusal_of(error: CloudyError, transaction: Transaction) -> Failure:
    """Why a request could not be planned: nothing of it was begun. What the requester can mend says how itself."""
    system, code = (error.system, error.code) if isinstance(error, RemoteError) else ("", "")
    is_named = transaction.vm in error.message
    return Failure(
        what=error.message if is_named else f"{transaction.vm}: {error.message}",
        step="Plan",
        kind=type(error).__name__,
        system=system,
        code=code,
        next="" if isinstance(error, RequesterError) else _next(error, transaction),
    )


def _next(error: CloudyError, transaction: Transaction) -> str:
    again = purpose_of(transaction).again(transaction, transaction.targets)
    system = error.system if isinstance(error, RemoteError) and error.system else "the other system"
    if system == "share":
        system = f"the share of {transaction.vmstore}"
    if isinstance(error, TransientError):
        return f"Check that {system} is up and reachable, then ask again: {again}"
    if isinstance(error, DeniedError):
        return f"Have the user or rights that Cloudy uses on {system} corrected, then ask again: {again}"
    if isinstance(error, NotRestorable):
        return f"Nothing was uploaded. Have the VM's files put right as said above, then ask again: {again}"
    if isinstance(error, IntegrityError):
        return after_damage(transaction)
    if isinstance(error, MissingError) and system in transaction.targets:
        return f"Mend what is named above, or look whether somebody removes things in {system}; then ask again: {again}"
    if isinstance(error, MissingError):
        return f"Check whether the VM or its files were moved or removed meanwhile, then ask again: {again}"
    return f"Mend the cause named above, then ask again: {again}"


def after_damage(transaction: Transaction) -> str:
    """What to do when bytes were not what they should be."""
    purpose = purpose_of(transaction)
    if purpose.after_damage:
        return purpose.after_damage(transaction)
    return (
        "Trust nothing of this run. Check the disks and memory of what is named above and the network to it, "
        f"then ask again: {purpose.again(transaction, transaction.targets)}"
    )
