"""[policy] of cloudy.toml: its sections, the mistakes that only show when they are seen together, and the policy."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from bot.policy import COMMANDS, DEFAULTS, Freeze, Need, Operation, Policy, Role, Rule, is_group
from bot.sections import Duration, Section

# Source: Slack's ids; users begin with U or W, user groups with S, channels with C, D or G.
_MEMBER = re.compile("[UWS][A-Z0-9]{2,40}")
_CHANNEL = re.compile(r"[CDG][A-Z0-9]{2,40}|\*")
_ROLES = ("viewer", "operator", "approver", "admin")
_NEVER_HELD_UP = (Operation.READ, Operation.STOP, Operation.STOP_OTHER)  # a Stop that waits is none
_TERMS_OF_APPROVAL = ("approvers", "requester_counts", "lives", "good_for")


def _known_command(name: str) -> str:
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, n=1)
        raise ValueError(f"there is no command {name}" + (f", did you mean {near[0]}?" if near else ""))
    return name


def _member(name: str) -> str:
    if not _MEMBER.fullmatch(name):
        raise ValueError(f"{name} is not the id of a user or user group; Slack shows it in the profile's menu")
    return name


def _passing(name: str) -> str:
    return name if name in _ROLES else _member(name)


def _channel(name: str) -> str:
    if not _CHANNEL.fullmatch(name):
        raise ValueError(f"{name} is not the id of a channel; Slack shows it at the end of the channel's details")
    return name


Member = Annotated[str, AfterValidator(_member)]
Passing = Annotated[str, AfterValidator(_passing)]
ChannelKey = Annotated[str, AfterValidator(_channel)]
Command = Annotated[str, BeforeValidator(lambda name: str(name).removeprefix("/")), AfterValidator(_known_command)]
_MEMBERS = 'ids of Slack users and user groups, like {} = ["U0123456789", "S0123456789"]'
_SPAN = 'a duration, like {} = "{}"'


class RolesSettings(Section):
    """Who is what; somebody who stands in several has the highest of them."""

    viewer: tuple[Member, ...] = Field(default=(), description=_MEMBERS.format("viewer"))
    operator: tuple[Member, ...] = Field(default=(), description=_MEMBERS.format("operator"))
    approver: tuple[Member, ...] = Field(default=(), description=_MEMBERS.format("approver"))
    admin: tuple[Member, ...] = Field(default=(), description=_MEMBERS.format("admin"))


class ChannelSettings(Section):
    """What can be asked for in one channel."""

    commands: tuple[Command, ...] = Field(
        description=f'commands, like commands = ["protect", "status"]; there are {", ".join(COMMANDS)}'
    )


class RuleSettings(Section):
    """Terms of one operation on some VMs; what is left out is as by default."""

    operation: Operation = Field(description='an operation, like operation = "delete"')
    vm: str = Field(default="*", min_length=1, description='a pattern of names of VMs, like vm = "prod-*"')
    vmstore: str = Field(default="*", min_length=1, description='a pattern of VMstores, like vmstore = "vmstore"')
    target: str = Field(default="*", min_length=1, description='a pattern of targets, like target = "s3"')
    role: Literal["viewer", "operator", "approver", "admin"] | None = Field(
        default=None, description='the lowest role that may ask, like role = "admin"'
    )
    need: Need | None = Field(default=None, description='need = "nothing", "confirmation" or "approval"')
    approvers: int | None = Field(default=None, ge=1, le=20, description="a number of persons, like approvers = 2")
    requester_counts: bool | None = Field(
        default=None, description="whether whoever asks may be one of the approvers: true or false"
    )
    lives: Duration | None = Field(default=None, description=_SPAN.format("lives", "24h"))
    good_for: Duration | None = Field(default=None, description=_SPAN.format("good_for", "1h"))
    reason_required: bool | None = Field(default=None, description="whether a reason must be given: true or false")


class FreezeSettings(Section):
    """A window in which some operations rest."""

    name: str = Field(min_length=1, max_length=100, description='a name, like name = "year end"')
    begins: AwareDatetime = Field(alias="from", description="a time with its offset, like from = 2026-12-24T00:00:00Z")
    ends: AwareDatetime = Field(alias="until", description="a time with its offset, like until = 2027-01-02T00:00:00Z")
    operations: tuple[Operation, ...] = Field(min_length=1, description='operations, like operations = ["delete"]')
    vm: str = Field(default="*", min_length=1, description='a pattern of names of VMs, like vm = "prod-*"')
    override: tuple[Passing, ...] = Field(
        default=(), description='who may go on: ids of users and user groups, and roles, like override = ["admin"]'
    )


class PolicySettings(Section):
    """Who may do what; without it the default policy."""

    default_role: Literal["none", "viewer", "operator"] | None = Field(
        default=None, description='the role of whoever is not named: default_role = "none", "viewer" or "operator"'
    )
    refresh: Duration = Field(
        default=timedelta(minutes=5),
        ge=timedelta(seconds=10),
        description='how old the members of user groups may be, like refresh = "5m"',
    )
    roles: RolesSettings = Field(default=RolesSettings(), description="a section [policy.roles]")
    channels: dict[ChannelKey, ChannelSettings] = Field(
        default_factory=dict, description='sections like [policy.channels.C0123456789], or "*" for all others'
    )
    rules: tuple[RuleSettings, ...] = Field(default=(), description="sections [[policy.rules]]")
    freezes: tuple[FreezeSettings, ...] = Field(default=(), description="sections [[policy.freezes]]")


@dataclass(frozen=True, slots=True)
class _Names:
    """What is configured beside the policy."""

    vmstores: Sequence[str]
    targets: Sequence[str]


def entry(section: str, position: int) -> str:
    """Name one of several sections of the same name; counted from 1, as people do."""
    return f"policy.{section}, entry {position + 1}"


def flaws(policy: PolicySettings, file: str, *, vmstores: Sequence[str], targets: Sequence[str]) -> list[str]:
    """Tell what no single key shows: each mistake with its place and cure."""
    named = _Names(vmstores, targets)
    problems = [
        f"{file}: {entry('rules', position)}: {flaw}"
        for position, rule in enumerate(policy.rules)
        for flaw in (*_of_rule(rule), *_of_patterns(rule, named), *_of_number(rule, policy.roles))
    ]
    names = [freeze.name for freeze in policy.freezes]
    for position, freeze in enumerate(policy.freezes):
        where = f"{file}: {entry('freezes', position)}"
        if freeze.ends <= freeze.begins:
            problems.append(f"{where}: until: the window ends before it begins; set it after from")
        if freeze.name in names[:position]:
            problems.append(
                f"{where}: name: there is a freeze “{freeze.name}” already; the audit needs a name of its own"
            )
    return problems


def policy_of(settings: PolicySettings) -> Policy:
    """The policy as a value."""
    grants: dict[str, Role] = {}
    for role in Role:  # the lowest first, so that the highest stays
        grants |= dict.fromkeys(getattr(settings.roles, role, ()), role)
    return Policy(
        grants=grants,
        default_role=Role(settings.default_role) if settings.default_role else None,
        channels={name: frozenset(channel.commands) for name, channel in settings.channels.items()},
        rules=tuple(_rule(position, rule) for position, rule in enumerate(settings.rules)),
        freezes=tuple(_freeze(freeze) for freeze in settings.freezes),
    )


def _of_rule(rule: RuleSettings) -> Iterator[str]:
    need = rule.need or DEFAULTS[rule.operation][1].need
    if rule.operation in _NEVER_HELD_UP and need is not Need.NOTHING:
        yield f"need: “{rule.operation}” is never held up; take need out"
        return
    if need is not Need.APPROVAL:
        for key in _TERMS_OF_APPROVAL:
            if getattr(rule, key) is not None:
                yield f'{key}: only an approval has it; add need = "approval" or take it out'


def _of_patterns(rule: RuleSettings, named: _Names) -> Iterator[str]:
    for key, pattern, names in (
        ("vmstore", rule.vmstore, named.vmstores),
        ("target", rule.target, named.targets),
    ):
        if not any(fnmatchcase(name.casefold(), pattern.casefold()) for name in names) and pattern != "*":
            yield f"{key}: {pattern!r} fits none of the {key}s, so the rule never does anything; there are: " + (
                ", ".join(names) or "none"
            )


def _of_number(rule: RuleSettings, roles: RolesSettings) -> Iterator[str]:
    named = {*roles.approver, *roles.admin}
    if rule.approvers and named and not any(map(is_group, named)) and rule.approvers > len(named):
        yield (
            f"approvers: {rule.approvers} are asked for, but policy.roles names {len(named)};"
            " name more or ask for fewer"
        )


def _rule(position: int, rule: RuleSettings) -> Rule:
    return Rule(
        name=entry("rules", position),
        operation=rule.operation,
        vm=rule.vm,
        vmstore=rule.vmstore,
        target=rule.target,
        role=Role(rule.role) if rule.role else None,
        need=rule.need,
        approvers=rule.approvers,
        requester_counts=rule.requester_counts,
        lives=rule.lives,
        good_for=rule.good_for,
        reason_required=rule.reason_required,
    )


def _freeze(freeze: FreezeSettings) -> Freeze:
    return Freeze(
        name=freeze.name,
        begins=freeze.begins,
        ends=freeze.ends,
        operations=frozenset(freeze.operations),
        vm=freeze.vm,
        override=freeze.override,
    )
