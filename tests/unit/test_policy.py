"""Who may do what: the default policy, rules in order, channels, freeze windows, and what holds whatever they say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model import Actor
from bot.policy import COMMANDS, About, Freeze, Need, Operation, Policy, Role, Rule, Terms, Verdict

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALICE, BOB, CAROL, DAVE = (
    Actor(id=id_, name=name, source="slack")
    for id_, name in (("U1", "alice"), ("U2", "bob"), ("U3", "carol"), ("U4", "dave"))
)
HOUSE = Policy(grants={"U1": Role.OPERATOR, "U2": Role.APPROVER, "U4": Role.ADMIN, "S9": Role.OPERATOR})
NOBODYS: frozenset[str] = frozenset()
PROD = About(vm="prod-db", targets=("s3",), command="delete")


def judged(policy: Policy, actor: Actor, operation: Operation, about: About = PROD) -> Verdict:
    return policy.judge(actor, NOBODYS, operation, about, NOW)


def rule(operation: Operation = Operation.DELETE, **keys: object) -> Rule:
    return replace(Rule(name="rule 1 of policy.rules", operation=operation), **keys)  # type: ignore[arg-type]


def frozen(*override: str) -> Policy:
    window = Freeze(
        name="year end",
        begins=NOW,
        ends=NOW + timedelta(hours=1),
        operations=frozenset({Operation.DELETE}),
        override=override,
    )
    return replace(HOUSE, freezes=(window,))


@pytest.mark.parametrize(
    ("operation", "may"),
    [
        (Operation.READ, "carol alice bob dave"),
        (Operation.PROTECT, "alice bob dave"),
        (Operation.STOP, "alice bob dave"),
        (Operation.STOP_OTHER, "dave"),
        (Operation.DELETE, "alice bob dave"),
        (Operation.RESTORE, "alice bob dave"),
        (Operation.RESTORE_OVER, "alice bob dave"),
        (Operation.SHORTEN_RETENTION, "alice bob dave"),
        (Operation.CHANGE_SCHEDULE, "dave"),
        (Operation.CHANGE_POLICY, "dave"),
    ],
)
def test_the_default_policy_gives_each_role_its_operations(operation: Operation, may: str) -> None:
    allowed = [actor.name for actor in (CAROL, ALICE, BOB, DAVE) if judged(HOUSE, actor, operation).allowed]
    assert allowed == may.split()


def test_by_default_dangerous_operations_need_one_other_person_and_the_rest_start_at_once() -> None:
    by_approval = {each for each in Operation if judged(HOUSE, DAVE, each).terms.need is Need.APPROVAL}

    assert by_approval == {
        Operation.DELETE, Operation.RESTORE_OVER, Operation.SHORTEN_RETENTION, Operation.CHANGE_POLICY,
    }  # fmt: skip
    assert judged(HOUSE, DAVE, Operation.DELETE).terms == Terms(
        need=Need.APPROVAL, approvers=1, requester_counts=False, lives=timedelta(hours=24), good_for=timedelta(hours=1)
    )
    assert judged(HOUSE, DAVE, Operation.PROTECT).terms == Terms()


def test_while_nobody_has_a_role_everyone_is_operator_may_stop_everything_and_nobody_approves() -> None:
    policy = Policy()

    assert policy.role_of(CAROL, NOBODYS) is Role.OPERATOR
    assert judged(policy, CAROL, Operation.PROTECT).allowed
    assert judged(policy, CAROL, Operation.STOP_OTHER).allowed
    assert not judged(policy, CAROL, Operation.CHANGE_POLICY).allowed
    assert not policy.may_approve(BOB, NOBODYS, Operation.DELETE, PROD, requester=CAROL).allowed
    assert policy.approvers() == policy.approver_groups == ()
    assert "nobody is approver" in " ".join(judged(policy, CAROL, Operation.DELETE).why)


def test_once_roles_are_given_who_is_not_listed_has_the_default_role() -> None:
    assert HOUSE.role_of(CAROL, NOBODYS) is Role.VIEWER
    assert replace(HOUSE, default_role=Role.NONE).role_of(CAROL, NOBODYS) is Role.NONE
    assert not judged(replace(HOUSE, default_role=Role.NONE), CAROL, Operation.READ).allowed


def test_a_group_gives_its_role_and_the_highest_of_several_counts() -> None:
    assert HOUSE.role_of(CAROL, frozenset({"S9"})) is Role.OPERATOR
    assert HOUSE.role_of(BOB, frozenset({"S9"})) is Role.APPROVER
    assert HOUSE.role_of(CAROL, frozenset({"S404"})) is Role.VIEWER


def test_the_command_line_is_admin() -> None:
    assert HOUSE.role_of(Actor(id="root", name="root", source="cli"), NOBODYS) is Role.ADMIN


def test_a_refusal_says_first_what_it_takes_and_then_what_the_actor_is() -> None:
    verdict = judged(HOUSE, CAROL, Operation.PROTECT)

    assert verdict.why == (
        "“protect” takes the role operator or a higher one (the default policy).",
        "carol is viewer: not named in policy.roles, so the default role.",
    )
    assert HOUSE.who_may(Role.OPERATOR) == ("U1", "U2", "U4", "S9")


def test_the_first_rule_that_fits_decides_and_what_it_leaves_out_is_as_by_default() -> None:
    policy = replace(
        HOUSE,
        rules=(
            rule(Operation.RESTORE, vm="prod-*"),
            rule(vm="PROD-*", approvers=2, reason_required=True),
            rule(vm="*", need=Need.NOTHING),
        ),
    )

    assert judged(policy, ALICE, Operation.DELETE).terms == Terms(need=Need.APPROVAL, approvers=2, reason_required=True)
    assert judged(policy, ALICE, Operation.DELETE, About(vm="lab")).terms == Terms()


def test_a_rule_can_ask_for_a_higher_role_and_is_named_for_it() -> None:
    policy = replace(HOUSE, rules=(rule(Operation.PROTECT, vmstore="vault", role=Role.ADMIN),))

    verdict = judged(policy, ALICE, Operation.PROTECT, About(vm="a", vmstore="vault"))
    assert not verdict.allowed
    assert verdict.why[0] == "“protect” takes the role admin or a higher one (rule 1 of policy.rules)."
    assert judged(policy, ALICE, Operation.PROTECT, About(vm="a", vmstore="other")).allowed
    assert judged(policy, ALICE, Operation.PROTECT, About(vm="a")).allowed, "not known yet: judged again at the start"


def test_of_several_targets_the_strictest_counts() -> None:
    policy = replace(HOUSE, rules=(rule(target="test", need=Need.NOTHING), rule(target="vault", approvers=3)))

    terms = judged(policy, ALICE, Operation.DELETE, About(vm="a", targets=("test", "vault"))).terms
    assert (terms.need, terms.approvers) == (Need.APPROVAL, 3)
    assert judged(policy, ALICE, Operation.DELETE, About(vm="a", targets=("test",))).terms.need is Need.NOTHING


def test_of_a_vm_with_another_name_by_now_the_strictest_counts_and_a_freeze_of_either_holds() -> None:
    policy = replace(HOUSE, rules=(rule(vm="prod*", approvers=3), rule(vm="old*", need=Need.NOTHING)))
    assert judged(policy, ALICE, Operation.DELETE, About(vm="old1")).terms.need is Need.NOTHING
    assert judged(policy, ALICE, Operation.DELETE, About(vm="old1", names=("prod1",))).terms.approvers == 3
    held = replace(HOUSE, freezes=(replace(frozen().freezes[0], vm="prod*"),))
    assert judged(held, DAVE, Operation.DELETE, About(vm="old1")).allowed
    assert not judged(held, DAVE, Operation.DELETE, About(vm="old1", names=("prod1",))).allowed


def test_a_channel_allows_its_commands_only_and_help_everywhere() -> None:
    policy = replace(HOUSE, channels={"C1": frozenset({"status", "show"}), "*": frozenset({"protect"})})

    def may(command: str, channel: str) -> bool:
        return judged(policy, DAVE, Operation.READ, About(command=command, channel=channel)).allowed

    assert may("show", "C1")
    assert not may("protect", "C1")
    assert may("protect", "C2")
    assert not may("show", "C2")
    assert may("help", "C1")
    assert may("may-i", "C2")
    assert may("protect", ""), "the command line and a start are in no channel"
    refused = judged(policy, DAVE, Operation.PROTECT, About(command="protect", channel="C1"))
    assert refused.why[0] == ("“protect” cannot be used in this channel; only show, status can: policy.channels.C1.")


def test_a_freeze_refuses_until_its_end_and_only_what_it_names() -> None:
    policy = frozen()

    verdict = judged(policy, DAVE, Operation.DELETE)
    assert not verdict.allowed
    assert verdict.why[0] == "The freeze “year end” holds “delete” until 2026-11-23 13:00 UTC: policy.freezes."
    assert judged(policy, DAVE, Operation.PROTECT).allowed
    assert policy.judge(DAVE, NOBODYS, Operation.DELETE, PROD, NOW + timedelta(hours=1)).allowed
    assert policy.judge(DAVE, NOBODYS, Operation.DELETE, PROD, NOW - timedelta(seconds=1)).allowed


@pytest.mark.parametrize(
    ("override", "passes"), [("U2", "bob"), ("approver", "bob dave"), ("admin", "dave"), ("S9", "")]
)
def test_an_override_lets_a_user_or_a_role_pass_and_names_the_freeze(override: str, passes: str) -> None:
    verdicts = {actor.name: judged(frozen(override), actor, Operation.DELETE) for actor in (CAROL, ALICE, BOB, DAVE)}

    assert [name for name, verdict in verdicts.items() if verdict.allowed] == passes.split()
    assert all(verdict.overrides == (("year end",) if verdict.allowed else ()) for verdict in verdicts.values())
    assert frozen("S9").judge(ALICE, frozenset({"S9"}), Operation.DELETE, PROD, NOW).overrides == ("year end",)


def test_an_override_gives_no_role() -> None:
    assert not judged(frozen("U3"), CAROL, Operation.DELETE).allowed


def test_an_approver_approves_others_and_not_oneself() -> None:
    def may(actor: Actor, policy: Policy = HOUSE) -> Verdict:
        return policy.may_approve(actor, NOBODYS, Operation.DELETE, PROD, requester=BOB)

    assert may(DAVE).allowed
    assert not may(BOB).allowed
    assert may(BOB).why[0] == "You cannot approve your own request."
    assert may(ALICE).why[0] == "Approving takes the role approver or admin."
    assert may(BOB, replace(HOUSE, rules=(rule(requester_counts=True),))).allowed


def test_the_groups_that_must_be_known_are_those_of_roles_and_overrides() -> None:
    policy = replace(frozen("S7", "U8"), grants={**HOUSE.grants, "S3": Role.APPROVER})

    assert policy.groups == {"S3", "S7", "S9"}
    assert policy.approvers() == ("U2", "U4")
    assert policy.approver_groups == ("S3",)


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (Terms(), "It starts at once."),
        (
            Terms(need=Need.CONFIRMATION, reason_required=True),
            "The one who asks must confirm it. A reason must be given.",
        ),
        (
            Terms(need=Need.APPROVAL, approvers=2, good_for=timedelta(minutes=90)),
            "It needs the approval of 2 persons (the requester does not count); the request lives 24 h,"
            " an approval is good for 90 min.",
        ),
    ],
)
def test_terms_are_said_in_words(terms: Terms, said: str) -> None:
    assert str(terms) == said


roles = st.sampled_from(Role)
operations = st.sampled_from(Operation)
ids = st.sampled_from(("U1", "U2", "U3", "S1", "S2"))
names = st.sampled_from(("a", "b", "prod-1", "*", "prod-*", "?"))
spans = st.integers(1, 10_000).map(lambda minutes: timedelta(minutes=minutes))
actors = st.builds(
    lambda id_, source: Actor(id=id_, name=id_, source=source),
    st.sampled_from(("U1", "U2", "U3")),
    st.sampled_from(("slack", "cli", "schedule")),
)
memberships = st.frozensets(st.sampled_from(("S1", "S2")))
rules = st.builds(
    Rule,
    name=st.just("rule"),
    operation=operations,
    vm=names,
    vmstore=names,
    target=names,
    role=st.none() | roles,
    need=st.none() | st.sampled_from(Need),
    approvers=st.none() | st.integers(1, 5),
    requester_counts=st.none() | st.booleans(),
    lives=st.none() | spans,
    good_for=st.none() | spans,
    reason_required=st.none() | st.booleans(),
)
freezes = st.builds(
    Freeze,
    name=st.just("freeze"),
    begins=st.just(NOW),
    ends=spans.map(lambda span: NOW + span),
    operations=st.frozensets(operations),
    vm=names,
    override=st.lists(ids | roles.map(str), max_size=2).map(tuple),
)
policies = st.builds(
    Policy,
    grants=st.dictionaries(ids, roles, max_size=4),
    default_role=st.none() | roles,
    channels=st.dictionaries(st.sampled_from(("C1", "*")), st.frozensets(st.sampled_from(("show", "delete")))),
    rules=st.lists(rules, max_size=4).map(tuple),
    freezes=st.lists(freezes, max_size=2).map(tuple),
)
abouts = st.builds(
    About,
    vm=names,
    vmstore=names,
    targets=st.lists(st.sampled_from(("a", "b", "prod-1")), max_size=3).map(tuple),
    channel=st.sampled_from(("", "C1", "C2")),
    command=st.sampled_from(("", "show", "delete")),
)


@given(policies, operations, abouts, roles, roles)
def test_a_higher_role_never_may_less(policy: Policy, operation: Operation, about: About, one: Role, two: Role) -> None:
    lower, higher = sorted((one, two), key=list(Role).index)

    def may(role: Role) -> bool:
        given = replace(policy, grants={**policy.grants, "U1": role})
        return given.judge(ALICE, NOBODYS, operation, about, NOW).allowed

    assert may(higher) or not may(lower)


@given(policies, actors, memberships, operations, abouts)
def test_whoever_is_refused_is_told_why_and_passes_no_freeze(
    policy: Policy, actor: Actor, groups: frozenset[str], operation: Operation, about: About
) -> None:
    verdict = policy.judge(actor, groups, operation, about, NOW)

    assert verdict.why
    assert verdict.role is policy.role_of(actor, groups)
    assert verdict.allowed or not verdict.overrides


@given(policies, actors, memberships, st.sampled_from(sorted(COMMANDS)), abouts)
def test_help_leaves_out_nothing_that_is_allowed(
    policy: Policy, actor: Actor, groups: frozenset[str], command: str, about: About
) -> None:
    asked = replace(about, command=command)

    if policy.judge(actor, groups, COMMANDS[command], asked, NOW).allowed:
        assert policy.could(actor, groups, command, about.channel)


def test_help_has_a_command_that_a_rule_gives_for_some_vms_and_not_one_that_no_rule_can() -> None:
    lab = replace(HOUSE, rules=(rule(Operation.PROTECT, vm="lab-*", role=Role.VIEWER),))
    closed = replace(HOUSE, rules=(rule(Operation.PROTECT, role=Role.ADMIN), rule(Operation.PROTECT, vm="a")))

    assert lab.could(CAROL, NOBODYS, "protect", "C1")
    assert not HOUSE.could(CAROL, NOBODYS, "protect", "C1")
    assert not closed.could(BOB, NOBODYS, "protect", "C1")
    assert closed.could(DAVE, NOBODYS, "protect", "C1")
    assert not HOUSE.could(DAVE, NOBODYS, "dance", "C1")


@given(policies, actors, operations, abouts)
def test_one_more_target_is_never_on_looser_terms(
    policy: Policy, actor: Actor, operation: Operation, about: About
) -> None:
    whole = policy.judge(actor, NOBODYS, operation, about, NOW)
    for target in about.targets:
        alone = policy.judge(actor, NOBODYS, operation, replace(about, targets=(target,)), NOW)
        assert alone.allowed or not whole.allowed
        assert list(Need).index(whole.terms.need) >= list(Need).index(alone.terms.need)
        assert whole.terms.approvers >= alone.terms.approvers
        assert whole.terms.lives <= alone.terms.lives
        assert whole.terms.reason_required or not alone.terms.reason_required
        assert alone.terms.requester_counts or not whole.terms.requester_counts


@given(policies, rules, actors, operations, abouts)
def test_a_rule_after_one_that_fits_everything_changes_nothing(
    policy: Policy, later: Rule, actor: Actor, operation: Operation, about: About
) -> None:
    catches_all = (*policy.rules, *(Rule(name="all", operation=each) for each in Operation))
    before = replace(policy, rules=catches_all)
    after = replace(policy, rules=(*catches_all, later))

    assert before.judge(actor, NOBODYS, operation, about, NOW) == after.judge(actor, NOBODYS, operation, about, NOW)


@given(policies, actors, actors, memberships, operations, abouts)
def test_nobody_approves_alone_what_they_asked_for_and_nobody_below_approver_approves(
    policy: Policy, actor: Actor, requester: Actor, groups: frozenset[str], operation: Operation, about: About
) -> None:
    verdict = policy.may_approve(actor, groups, operation, about, requester=requester)

    if verdict.allowed:
        assert verdict.role.reaches(Role.APPROVER)
        assert actor.id != requester.id or verdict.terms.requester_counts


@given(policies, actors, memberships, memberships)
def test_one_more_group_never_lowers_a_role(
    policy: Policy, actor: Actor, groups: frozenset[str], more: frozenset[str]
) -> None:
    with_roles = replace(policy, default_role=Role.NONE)
    assert with_roles.role_of(actor, groups | more).reaches(with_roles.role_of(actor, groups))
