"""Who may do what, where and under which terms: roles, rules, channels and freeze windows, as values. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import product
from typing import TypeVar

from bot.model import Actor
from bot.operations import ANYWHERE as ANYWHERE
from bot.operations import COMMANDS as COMMANDS
from bot.operations import Operation as Operation


class Role(StrEnum):
    """What a person is to Cloudy; each may all that the one before may."""

    NONE = "none"
    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"

    def reaches(self, role: "Role") -> bool:
        """Whether this is that role or a higher one."""
        return _RANKS[self] >= _RANKS[role]


_T = TypeVar("_T")
_RANKS = {role: rank for rank, role in enumerate(Role)}


class Need(StrEnum):
    """What must come between asking and starting, the strictest last."""

    NOTHING = "nothing"
    CONFIRMATION = "confirmation"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Under which an operation goes ahead."""

    need: Need = Need.NOTHING
    approvers: int = 1  # distinct ones
    requester_counts: bool = False
    lives: timedelta = timedelta(hours=24)  # how long a decision is waited for
    good_for: timedelta = timedelta(hours=1)  # how long after the decision it may start
    reason_required: bool = False

    def __str__(self) -> str:
        """The terms as one sentence."""
        reason = " A reason must be given." if self.reason_required else ""
        if self.need is Need.NOTHING:
            return f"It starts at once.{reason}"
        if self.need is Need.CONFIRMATION:
            return f"The one who asks must confirm it.{reason}"
        people = "one person" if self.approvers == 1 else f"{self.approvers} persons"
        who = "the requester may be among them" if self.requester_counts else "the requester does not count"
        return (
            f"It needs the approval of {people} ({who}); the request lives {_span(self.lives)},"
            f" an approval is good for {_span(self.good_for)}.{reason}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is asked for, and where; empty: not known, or not of this request."""

    vm: str = ""
    names: tuple[str, ...] = ()  # others that the VM has: of one that is overwritten the one of today
    vmstore: str = ""
    also: tuple[str, ...] = ()  # other VMstores that it has to do with: of a restore the one that the VM was on
    targets: tuple[str, ...] = ()
    channel: str = ""  # Slack id
    command: str = ""  # the verb: "protect", "stop", ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the policy says; `why` names the rules that decided, the deciding sentence of a refusal first."""

    allowed: bool
    terms: Terms
    why: tuple[str, ...]
    role: Role
    overrides: tuple[str, ...] = ()  # freeze windows that are on, and that the actor may pass; to be audited
    who: tuple[str, ...] = ()  # of a refusal: Slack ids of users and user groups that may, where another could


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One [[policy.rules]]; None: as the default policy has it."""

    name: str  # for people: "rule 1 of policy.rules"
    operation: Operation
    vm: str = "*"  # patterns with * ? [...]; upper and lower case are the same
    vmstore: str = "*"
    target: str = "*"
    role: Role | None = None  # the lowest that may ask
    need: Need | None = None
    approvers: int | None = None
    requester_counts: bool | None = None
    lives: timedelta | None = None
    good_for: timedelta | None = None
    reason_required: bool | None = None

    def speaks_of(self, operation: Operation, vm: str, vmstore: str, target: str) -> bool:
        """Whether this rule is meant; what is not known only fits `*`."""
        fits = _fits(self.vm, vm) and _fits(self.vmstore, vmstore) and _fits(self.target, target)
        return fits and operation is self.operation

    def terms(self, default: Terms) -> Terms:
        """The default's, changed by what this rule says."""
        return Terms(
            need=_first(self.need, default.need),
            approvers=_first(self.approvers, default.approvers),
            requester_counts=_first(self.requester_counts, default.requester_counts),
            lives=_first(self.lives, default.lives),
            good_for=_first(self.good_for, default.good_for),
            reason_required=_first(self.reason_required, default.reason_required),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A window in which some operations rest; times are aware, the end is not part of it."""

    name: str
    begins: datetime
    ends: datetime
    operations: frozenset[Operation]
    vm: str = "*"
    override: tuple[str, ...] = ()  # users, groups, and roles (that one or a higher): may go on

    def is_on(self, operation: Operation, vm: str, now: datetime) -> bool:
        """Whether it holds this up now."""
        return operation in self.operations and self.begins <= now < self.ends and _fits(self.vm, vm)

    def lets_pass(self, actor: Actor, groups: frozenset[str], role: Role) -> bool:
        """Whether the override names the actor."""
        return any(self.names(name, role) for name in (actor.id, *groups))

    def names(self, name: str, role: Role) -> bool:
        """Whether the override has this id, or a role that this one reaches."""
        return name in self.override or any(each in _ROLE_NAMES and role.reaches(Role(each)) for each in self.override)


_ROLE_NAMES = frozenset(Role)
_OTHERS = (Operation.STOP_OTHER, Operation.CHANGE_SCHEDULE)  # of another's things
_ADMINS = {"cli": "whoever can run the command line holds the secrets", "schedule": "Cloudy's own schedules"}
_BY_ONE_OTHER = Terms(need=Need.APPROVAL)

DEFAULTS: Mapping[Operation, tuple[Role, Terms]] = {
    Operation.READ: (Role.VIEWER, Terms()),
    Operation.PROTECT: (Role.OPERATOR, Terms()),
    Operation.STOP: (Role.OPERATOR, Terms()),
    Operation.STOP_OTHER: (Role.ADMIN, Terms()),
    Operation.DELETE: (Role.OPERATOR, _BY_ONE_OTHER),
    Operation.DRILL: (Role.OPERATOR, Terms()),
    Operation.RESTORE: (Role.OPERATOR, Terms()),
    Operation.RESTORE_OVER: (Role.OPERATOR, _BY_ONE_OTHER),
    Operation.SHORTEN_RETENTION: (Role.OPERATOR, _BY_ONE_OTHER),
    Operation.EXPIRE: (Role.OPERATOR, Terms()),
    Operation.SCHEDULE: (Role.OPERATOR, Terms()),
    Operation.CHANGE_SCHEDULE: (Role.ADMIN, Terms()),
    Operation.CLEAN_UP: (Role.ADMIN, Terms()),
    Operation.CHANGE_POLICY: (Role.ADMIN, _BY_ONE_OTHER),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ruling:
    """What rules say of one target: who may ask, on which terms, and which rule that was."""

    asks: Role
    terms: Terms
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything that [policy] of cloudy.toml says; made without arguments it is the default policy."""

    grants: Mapping[str, Role] = field(default_factory=dict)  # Slack id of a user or user group -> its highest role
    default_role: Role | None = None  # None: operator while nobody has a role, else viewer
    channels: Mapping[str, frozenset[str]] = field(default_factory=dict)  # Slack id or "*" -> commands
    rules: tuple[Rule, ...] = ()  # the first that fits decides
    freezes: tuple[Freeze, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether nobody was given a role: then everyone is operator and nobody is approver."""
        return not self.grants

    @property
    def groups(self) -> frozenset[str]:
        """The user groups whose members must be known."""
        names = (*self.grants, *(name for freeze in self.freezes for name in freeze.override))
        return frozenset(name for name in names if is_group(name))

    def approvers(self) -> tuple[str, ...]:
        """Slack users who are named approver or admin themselves."""
        return tuple(sorted(name for name in self._who_approve() if not is_group(name)))

    @property
    def approver_groups(self) -> tuple[str, ...]:
        """Slack user groups that are named approver or admin."""
        return tuple(sorted(name for name in self._who_approve() if is_group(name)))

    def role_of(self, actor: Actor, groups: frozenset[str]) -> Role:
        """The highest role that the actor or one of the actor's groups was given."""
        return self._role(actor, groups)[0]

    def who_may(self, role: Role) -> tuple[str, ...]:
        """Slack ids, users first, that have this role or a higher one."""
        names = [name for name, given in self.grants.items() if given.reaches(role)]
        return tuple(sorted(names, key=lambda name: (is_group(name), name)))

    def judge(self, actor: Actor, groups: frozenset[str], operation: Operation, about: About, now: datetime) -> Verdict:
        """Whether the actor may ask for it now, and on which terms it goes ahead."""
        role, given = self._role(actor, groups)
        ruling = self._ruling(operation, about)
        misplaced = self._channel_refusals(about)
        refusals = list(misplaced)
        if not role.reaches(ruling.asks):
            refusals.append(f"“{operation}” takes the role {ruling.asks} or a higher one ({ruling.by}).")
        passed, held = [], []
        for freeze in self.freezes:
            if any(freeze.is_on(operation, vm, now) for vm in (about.vm, *about.names)):
                until = f"The freeze “{freeze.name}” holds “{operation}” until {freeze.ends:%Y-%m-%d %H:%M %Z}"
                if freeze.lets_pass(actor, groups, role):
                    passed.append((freeze.name, f"{until}; its override lets {actor.name} pass."))
                else:
                    refusals.append(f"{until}: policy.freezes.")
                    held.append(freeze)
        who = f"{actor.name} is {role}: {given}."
        if refusals:
            others = () if misplaced else self._others(ruling.asks, held, {actor.id, *groups})
            return Verdict(allowed=False, terms=ruling.terms, why=(*refusals, who), role=role, who=others)
        may = f"“{operation}” takes the role {ruling.asks} or a higher one ({ruling.by})."
        return Verdict(
            allowed=True,
            terms=ruling.terms,
            why=(who, may, *(sentence for _, sentence in passed), str(ruling.terms)),
            role=role,
            overrides=tuple(name for name, _ in passed),
        )

    def may_approve(
        self,
        actor: Actor,
        groups: frozenset[str],
        operation: Operation,
        about: About,
        *,
        requester: Actor,
    ) -> Verdict:
        """Whether the actor's decision on the requester's wish counts; a freeze holds the start, not the decision."""
        role, given = self._role(actor, groups)
        ruling = self._ruling(operation, about)
        refusals = []
        if actor.id == requester.id and not ruling.terms.requester_counts:
            refusals.append("You cannot approve your own request.")
        if not role.reaches(Role.APPROVER):
            refusals.append("Approving takes the role approver or admin.")
        who = f"{actor.name} is {role}: {given}."
        return Verdict(allowed=not refusals, terms=ruling.terms, why=(*refusals, who, str(ruling.terms)), role=role)

    def could(self, actor: Actor, groups: frozenset[str], command: str, channel: str) -> bool:
        """Whether there is anything that the actor may use the command on in that channel, freezes aside."""
        operation = COMMANDS.get(command)
        if operation is None or self._channel_refusals(About(command=command, channel=channel)):
            return False
        role = self.role_of(actor, groups)
        return any(role.reaches(asks) for asks in self._ever_asked(operation))

    def _ever_asked(self, operation: Operation) -> Iterator[Role]:
        for rule in self.rules:
            if rule.operation is operation:
                yield _first(rule.role, DEFAULTS[operation][0])
                if (rule.vm, rule.vmstore, rule.target) == ("*", "*", "*"):
                    return  # no later one ever decides
        yield DEFAULTS[operation][0]

    def _others(self, asks: Role, held: Sequence[Freeze], own: set[str]) -> tuple[str, ...]:
        """Who has the role, and passes these freezes."""
        named = (name for name in self.who_may(asks) if name not in own)
        return tuple(name for name in named if all(freeze.names(name, self.grants[name]) for freeze in held))

    def _who_approve(self) -> tuple[str, ...]:
        return self.who_may(Role.APPROVER)

    def _role(self, actor: Actor, groups: frozenset[str]) -> tuple[Role, str]:
        """The role, and where it comes from."""
        if actor.source in _ADMINS:
            return Role.ADMIN, _ADMINS[actor.source]
        names = [name for name in (actor.id, *sorted(groups)) if name in self.grants]
        if names:
            best = max(names, key=lambda name: _RANKS[self.grants[name]])  # of equals the user's own
            by = f"as a member of the user group {best}" if best in groups else "by name"
            return self.grants[best], f"{by}, in policy.roles.{self.grants[best]}"
        if self.default_role is not None:
            return self.default_role, "policy.default_role"
        if self.is_open:
            return Role.OPERATOR, "policy.roles is empty, so everyone is operator and nobody is approver"
        return Role.VIEWER, "not named in policy.roles, so the default role"

    def _ruling(self, operation: Operation, about: About) -> _Ruling:
        """The strictest over all targets, VMstores and names: a second one never loosens what the first asks for."""
        vms, vmstores = dict.fromkeys((about.vm, *about.names)), dict.fromkeys((about.vmstore, *about.also))
        asked = product(vms, vmstores, about.targets or ("",))
        rulings = [self._ruling_on(operation, vm, vmstore, target) for vm, vmstore, target in asked]
        terms = [ruling.terms for ruling in rulings]
        return _Ruling(
            asks=max((ruling.asks for ruling in rulings), key=lambda role: _RANKS[role]),
            terms=Terms(
                need=max((each.need for each in terms), key=list(Need).index),
                approvers=max(each.approvers for each in terms),
                requester_counts=all(each.requester_counts for each in terms),
                lives=min(each.lives for each in terms),
                good_for=min(each.good_for for each in terms),
                reason_required=any(each.reason_required for each in terms),
            ),
            by=" and ".join(dict.fromkeys(ruling.by for ruling in rulings)),
        )

    def _ruling_on(self, operation: Operation, vm: str, vmstore: str, target: str) -> _Ruling:
        asks, terms = DEFAULTS[operation]
        if self.is_open and operation in _OTHERS:
            asks = Role.OPERATOR  # there is nobody else who could
        for rule in self.rules:
            if rule.speaks_of(operation, vm, vmstore, target):
                return _Ruling(asks=_first(rule.role, asks), terms=rule.terms(terms), by=rule.name)
        return _Ruling(asks=asks, terms=terms, by="the default policy")

    def _channel_refusals(self, about: About) -> tuple[str, ...]:
        if not about.channel or not about.command or about.command in ANYWHERE:
            return ()
        key = about.channel if about.channel in self.channels else "*"
        allowed = self.channels.get(key)
        if allowed is None or about.command in allowed:
            return ()
        can = f"only {', '.join(sorted(allowed))} can" if allowed else "no command can"
        return (f"“{about.command}” cannot be used in this channel; {can}: policy.channels.{key}.",)


def is_group(name: str) -> bool:
    """Whether a Slack id is a user group's. Source: Slack's user group object, ids begin with S."""
    return name.startswith("S")


def _fits(pattern: str, name: str) -> bool:
    return fnmatchcase(name.casefold(), pattern.casefold())


def _first(said: _T | None, default: _T) -> _T:
    return default if said is None else said


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
