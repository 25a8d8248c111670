"""Which lock the recovery points of a VM get, by its SLA, and the lock that a planned protection carries. Pure."""

from collections.abc import Mapping
from datetime import datetime

from bot.codec import decode
from bot.errors import DeniedError, PermanentError
from bot.groups import first
from bot.model import Json, ObjectLock, SeenVm, Sla, Slas, Transaction, Vm
from bot.model.locks import LockMode
from bot.ports import ObjectStore

KEY = "lock"  # of a plan


def lock_of(vm: Vm, slas: Slas, at: datetime) -> ObjectLock | None:
    """The lock that the VM's SLA promises at that time; None: none. NotFound: the SLA names an unknown group."""
    seen = SeenVm(uuid=vm.uuid, name=vm.name, vmstore=vm.vmstore, seen_at=at)
    return promised(next((each for each in slas.listed if first(each.vms, slas.groups, seen)), slas.last))


def promised(sla: Sla) -> ObjectLock | None:
    """The lock that an SLA promises; None: none."""
    return ObjectLock(lasts=sla.lock, mode=LockMode(sla.lock_mode or LockMode.GOVERNANCE)) if sla.lock else None


def check(locking: ObjectStore, lock: ObjectLock) -> None:
    """PermanentError: this target cannot lock, so what is promised could not be kept. Nothing is written for it."""
    try:
        locking.lock_rule()
    except DeniedError:  # it does not tell us: the first object that is written will
        return
    except PermanentError as error:
        raise PermanentError(
            f"{error.message} The VM's SLA says that its recovery points are locked ({lock}).",
            system=error.system,
            operation="plan",
            code=error.code,
        ) from error


def planned(transaction: Transaction) -> ObjectLock | None:
    """What is written for it is to be locked so; None: as the target has it by itself."""
    told: Json | None = transaction.plan.get(KEY)
    return decode(ObjectLock, told) if told else None


def said(plan: Mapping[str, object]) -> str:
    """Of a plan, for people; "": nothing is locked."""
    told = plan.get(KEY)
    return str(decode(ObjectLock, told)) if told else ""
