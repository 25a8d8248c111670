"""Rights as they stand now: the policy over what the database knows of people and VMs."""

from dataclasses import dataclass, replace

from bot.errors import NotAllowed
from bot.model import Actor, AuditEvent, Failure, Transaction
from bot.policy import COMMANDS, About, Operation, Policy, Verdict
from bot.ports import Clock
from bot.store import Unit

_BY_WORKFLOW = {
    "retention": Operation.SHORTEN_RETENTION,
    "expire": Operation.EXPIRE,
    "tier": Operation.EXPIRE,
}
_NEXT = "Ask whoever may, or whoever runs Cloudy for the role (policy.roles in cloudy.toml)."


@dataclass(frozen=True, slots=True)
class Rights:
    """Judges inside the unit of work that it is asked in; nothing remote is called."""

    policy: Policy
    clock: Clock

    def judge(self, unit: Unit, actor: Actor, operation: Operation, about: About) -> Verdict:
        """Whether the actor may, and on which terms. A VM that the inventory knows is judged with its VMstore."""
        about = _located(unit, about)
        return self.policy.judge(actor, self.groups_of(unit, actor), operation, about, self.clock.now())

    def demand(
        self, unit: Unit, actor: Actor, operation: Operation, about: About, *, key: str, transaction_id: str = ""
    ) -> Verdict:
        """Go on only if the actor may: NotAllowed says why not and who may. A freeze that is passed is audited.

        key: of the request; the same one again is audited once.
        """
        verdict = self.judge(unit, actor, operation, about)
        if not verdict.allowed:
            raise NotAllowed(" ".join(verdict.why), verdict.who)
        for freeze in verdict.overrides:
            unit.audit.append(
                AuditEvent(
                    key=f"{key}:override:{freeze}",
                    action="override",
                    actor=actor,
                    transaction_id=transaction_id,
                    body={"freeze": freeze, "operation": operation.value, "vm": about.vm},
                )
            )
        return verdict

    def lost(self, unit: Unit, transaction: Transaction) -> Failure | None:
        """Why a transaction that was allowed may not go on now; None: it may. Where it was asked is no matter any more.

        A freeze that is passed is audited, so this needs a unit that writes.
        """
        about, operation = about_transaction(transaction), operation_of(transaction)
        key = f"{transaction.id}:start"
        try:
            self.demand(unit, transaction.actor, operation, about, key=key, transaction_id=transaction.id)
        except NotAllowed as refusal:
            return Failure(what=refusal.message, step="Rights", kind=type(refusal).__name__, next=_NEXT)
        return None

    def commands_of(self, unit: Unit, actor: Actor, channel: str) -> frozenset[str]:
        """The commands that the actor may use there, at least for some VM."""
        groups = self.groups_of(unit, actor)
        return frozenset(name for name in COMMANDS if self.policy.could(actor, groups, name, channel))

    def groups_of(self, unit: Unit, actor: Actor) -> frozenset[str]:
        """The user groups of the actor that the policy speaks of."""
        if not self.policy.groups or actor.source == "cli":
            return frozenset()
        return unit.members.groups_of(actor.id) & self.policy.groups


def about_transaction(transaction: Transaction, *, channel: str = "", command: str = "") -> About:
    """A transaction, as rules see it."""
    vm, targets = transaction.vm, transaction.targets
    vmstore = transaction.vmstore or str(transaction.plan.get("made_on", ""))  # of what is about a recovery point
    source = str(transaction.plan.get("source", ""))  # of a restore: where the VM was; of others nothing
    also = (source,) if source else ()
    typed = str(transaction.request.get("confirmed", ""))  # the plan refuses all but the name that the VM has now
    names = (typed,) if typed else ()
    return About(vm=vm, names=names, vmstore=vmstore, also=also, targets=targets, channel=channel, command=command)


def operation_of(transaction: Transaction) -> Operation:
    """What a transaction does; one of an unknown workflow is judged like a protect."""
    if transaction.workflow == "restore" and transaction.request.get("is_over"):
        return Operation.RESTORE_OVER
    return _BY_WORKFLOW.get(transaction.workflow) or COMMANDS.get(transaction.workflow, Operation.PROTECT)


def stop_of(transaction: Transaction, actor: Actor) -> Operation:
    """What a Stop is: of one's own, or of another's."""
    return Operation.STOP if transaction.actor.id == actor.id else Operation.STOP_OTHER


def _located(unit: Unit, about: About) -> About:
    """With name and VMstore as the inventory has them, where it knows one live VM of what was typed."""
    if not about.vm or about.vmstore:
        return about
    live = [vm for vm in unit.inventory.named(about.vm) if vm.gone_at is None]
    return replace(about, vm=live[0].name, vmstore=live[0].vmstore) if len(live) == 1 else about
