"""[policy] of cloudy.toml becomes a policy, or mistakes in words."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import config
from bot.errors import ConfigError
from bot.model import Actor
from bot.policy import COMMANDS, DEFAULTS, Need, Operation, Policy, Role
from bot.policy_settings import (
    ChannelSettings,
    FreezeSettings,
    PolicySettings,
    RolesSettings,
    RuleSettings,
    policy_of,
)

HOUSE = """
[vmstores.vmstore]
url = "https://vmstore.example.com"
user = "cloudy"
share = "path:x"
cleanup = "manual"
[targets.s3]
url = "s3://bucket"
"""
NOBODYS: frozenset[str] = frozenset()


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDY_POLICY__DEFAULT_ROLE", raising=False)


def policy(folder: Path, text: str) -> Policy:
    file = folder / "cloudy.toml"
    file.write_text(HOUSE + text)
    return policy_of(config.load(file).policy)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        policy(folder, text)
    return list(caught.value.problems)


def test_without_the_section_the_default_policy_holds(tmp_path: Path) -> None:
    assert policy(tmp_path, "") == Policy()


def test_every_key_gets_into_the_policy(tmp_path: Path) -> None:
    made = policy(
        tmp_path,
        """
[policy]
default_role = "none"
[policy.roles]
viewer = ["U1AA"]
operator = ["U1AA", "S9AA"]
approver = ["U2AA"]
admin = ["W4AA", "U2AA"]
[policy.channels.C123]
commands = ["/protect", "status"]
[policy.channels."*"]
commands = []
[[policy.rules]]
operation = "delete"
vm = "prod-*"
vmstore = "vm*"
target = "S3"
role = "approver"
need = "approval"
approvers = 2
requester_counts = true
lives = "2d"
good_for = "30m"
reason_required = true
[[policy.freezes]]
name = "year end"
from = 2026-12-24T00:00:00Z
until = 2027-01-02T00:00:00+01:00
operations = ["delete", "restore-over"]
vm = "prod-*"
override = ["admin", "U1AA"]
""",
    )

    assert dict(made.grants) == {
        "U1AA": Role.OPERATOR, "S9AA": Role.OPERATOR, "U2AA": Role.ADMIN, "W4AA": Role.ADMIN,
    }  # fmt: skip
    assert made.default_role is Role.NONE
    assert dict(made.channels) == {"C123": frozenset({"protect", "status"}), "*": frozenset()}
    (rule,) = made.rules
    assert (rule.name, rule.operation, rule.role) == ("policy.rules, entry 1", Operation.DELETE, Role.APPROVER)
    assert (rule.vm, rule.vmstore, rule.target) == ("prod-*", "vm*", "S3")
    terms = rule.terms(DEFAULTS[Operation.DELETE][1])
    assert (terms.need, terms.approvers, terms.requester_counts) == (Need.APPROVAL, 2, True)
    assert (terms.lives, terms.good_for, terms.reason_required) == (timedelta(days=2), timedelta(minutes=30), True)
    (freeze,) = made.freezes
    assert (freeze.name, freeze.vm, freeze.override) == ("year end", "prod-*", ("admin", "U1AA"))
    assert freeze.operations == {Operation.DELETE, Operation.RESTORE_OVER}
    assert (freeze.begins, freeze.ends) == (datetime(2026, 12, 24, tzinfo=UTC), datetime(2027, 1, 1, 23, tzinfo=UTC))


def test_mistakes_of_single_keys_are_told_at_once_each_with_place_and_cure(tmp_path: Path) -> None:
    text = """
[policy]
default_role = "admin"
rols = 3
[policy.roles]
operator = ["@alice", "U0ALICE001"]
boss = ["U0ALICE001"]
[policy.channels."#ops"]
commands = ["protect"]
[policy.channels.C123]
commands = ["protcet"]
[[policy.rules]]
operation = "delete"
lives = "5 parsec"
[[policy.rules]]
opration = "delete"
[[policy.freezes]]
name = "x"
from = 2026-12-24T00:00:00
until = 2026-12-25T00:00:00Z
operations = ["delete"]
override = ["bob"]
"""
    told = problems(tmp_path, text)

    assert told == [
        "cloudy.toml: policy.default_role: input should be 'none', 'viewer' or 'operator'; it should be the role of"
        ' whoever is not named: default_role = "none", "viewer" or "operator"',
        "cloudy.toml: policy.roles.operator, entry 1: value error, @alice is not the id of a user or user group; Slack"
        " shows it in the profile's menu; it should be ids of Slack users and user groups, like operator ="
        ' ["U0123456789", "S0123456789"]',
        "cloudy.toml: policy.roles.boss: unknown key; known are admin, approver, operator, viewer",
        'cloudy.toml: policy.channels."#ops": value error, #ops is not the id of a channel; Slack shows it at the end'
        ' of the channel\'s details; it should be sections like [policy.channels.C0123456789], or "*" for all others',
        "cloudy.toml: policy.channels.C123.commands, entry 1: value error, there is no command protcet, did you mean"
        ' protect?; it should be commands, like commands = ["protect", "status"]; there are ' + ", ".join(COMMANDS),
        "cloudy.toml: policy.rules, entry 1: lives: value error, '5 parsec' is not a duration like 30m, 24h or 7d; it"
        ' should be a duration, like lives = "24h"',
        'cloudy.toml: policy.rules, entry 2: operation: missing; add an operation, like operation = "delete"',
        "cloudy.toml: policy.rules, entry 2: opration: unknown key; did you mean operation?",
        "cloudy.toml: policy.freezes, entry 1: from: input should have timezone info; it should be a time with its"
        " offset, like from = 2026-12-24T00:00:00Z",
        "cloudy.toml: policy.freezes, entry 1: override, entry 1: value error, bob is not the id of a user or user"
        " group; Slack shows it in the profile's menu; it should be who may go on: ids of users and user groups, and"
        ' roles, like override = ["admin"]',
        "cloudy.toml: policy.rols: unknown key; did you mean roles?",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'operation = "stop"\nneed = "approval"',
            "policy.rules, entry 1: need: “stop” is never held up; take need out",
        ),
        (
            'operation = "protect"\nlives = "5h"',
            'policy.rules, entry 1: lives: only an approval has it; add need = "approval" or take it out',
        ),
        (
            'operation = "delete"\ntarget = "s33"',
            "policy.rules, entry 1: target: 's33' fits none of the targets, so the rule never does anything; there"
            " are: s3",
        ),
        (
            'operation = "delete"\nvmstore = "x"',
            "policy.rules, entry 1: vmstore: 'x' fits none of the vmstores, so the rule never does anything; there"
            " are: vmstore",
        ),
        (
            'operation = "delete"\napprovers = 2\n[policy.roles]\napprover = ["U2AA"]',
            "policy.rules, entry 1: approvers: 2 are asked for, but policy.roles names 1; name more or ask for fewer",
        ),
    ],
)
def test_a_rule_that_cannot_work_is_told(tmp_path: Path, text: str, told: str) -> None:
    assert problems(tmp_path, f"[[policy.rules]]\n{text}") == [f"cloudy.toml: {told}"]


def test_a_freeze_ends_after_it_begins_and_has_a_name_of_its_own(tmp_path: Path) -> None:
    window = """
[[policy.freezes]]
name = "x"
from = 2026-12-24T00:00:00Z
until = 2026-12-23T00:00:00Z
operations = ["delete"]
"""
    assert problems(tmp_path, window + window.replace("12-23", "12-25")) == [
        "cloudy.toml: policy.freezes, entry 1: until: the window ends before it begins; set it after from",
        "cloudy.toml: policy.freezes, entry 2: name: there is a freeze “x” already; the audit needs a name of its own",
    ]


def test_a_group_of_approvers_may_be_as_large_as_it_likes(tmp_path: Path) -> None:
    made = policy(tmp_path, '[policy.roles]\nadmin = ["S1AA"]\n[[policy.rules]]\noperation = "delete"\napprovers = 9\n')

    assert made.groups == {"S1AA"}
    assert made.role_of(Actor(id="U1AA", name="a", source="slack"), frozenset({"S1AA"})) is Role.ADMIN


def test_every_key_is_in_the_documentation() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "policy.md").read_text()
    sections = (PolicySettings, RolesSettings, ChannelSettings, RuleSettings, FreezeSettings)
    keys = {field.alias or name for section in sections for name, field in section.model_fields.items()}
    written = re.compile(r"`(\w+)`|^(\w+) = |policy\.(\w+)|^\| (\w+) \|", re.MULTILINE)
    told = {word for found in written.findall(page) for word in found}

    assert sorted(keys - told) == []
    assert sorted(word for word in (*Operation, *Need, *Role) if word not in page) == []
