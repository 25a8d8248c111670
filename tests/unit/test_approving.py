"""What an approval binds, and that whatever is clicked, it is decided once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot import approving
from bot.model import Actor, Approval, ApprovalState, Choice, Decision, Json

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALICE = Actor(id="U1", name="alice", source="slack")
DECIDED: Json = {"operation": "delete", "point": "20261123T142233Z-7f3k9q", "targets": ["s3"]}
ESTIMATES: Json = {"bytes": 1000, "minutes": 0, "price": "0.02 USD"}


def person(number: int) -> Actor:
    return Actor(id=f"U{number}", name=f"person{number}", source="slack")


def pending(needed: int = 1) -> Approval:
    return Approval(
        id="a1",
        transaction_id="20261124T000000Z-000000",
        number=1,
        operation="delete",
        state=ApprovalState.PENDING,
        token="opaque",
        decided=DECIDED,
        estimates=ESTIMATES,
        plan_hash=approving.plan_hash(DECIDED),
        requester=ALICE,
        reason="",
        needed=needed,
        created_at=NOW,
        expires_at=NOW + timedelta(hours=24),
        good_for_s=3600,
    )


def clicked(approval: Approval, actor: Actor, choice: Choice, at: datetime) -> Approval:
    if approving.refusal(approval, actor.id, choice, at):
        return approval
    return approving.decided(approval, Decision(actor=actor, choice=choice, at=at))


clicks = st.lists(st.tuples(st.integers(2, 6), st.sampled_from(Choice), st.integers(0, 30)), max_size=20)


@given(needed=st.integers(1, 4), what=clicks)
def test_whatever_is_clicked_it_is_decided_once_by_enough_people_in_time(
    needed: int, what: list[tuple[int, Choice, int]]
) -> None:
    approval, ends = pending(needed), 0
    for number, choice, hour in sorted(what, key=lambda click: click[2]):
        at = NOW + timedelta(hours=hour)
        after = clicked(approval, person(number), choice, at)
        if after.state is not approval.state:
            ends += 1
            assert at < approval.expires_at
        approval = after
    assert ends <= 1
    people = {actor.id for actor in approval.approvers}
    assert len(people) == len(approval.approvers) <= needed
    assert (approval.state is ApprovalState.APPROVED) == (len(people) == needed)
    assert (approval.state is ApprovalState.VETOED) == any(d.choice is Choice.VETO for d in approval.decisions)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.text()), max_size=6))
def test_the_hash_is_of_what_is_decided_whatever_the_order(decided: Json) -> None:
    assert approving.plan_hash(decided) == approving.plan_hash(dict(reversed(decided.items())))
    assert approving.plan_hash(decided) != approving.plan_hash(decided | {"more": "x" * 20})


def test_a_decided_fact_that_changed_voids_it_and_is_named() -> None:
    assert approving.changed(pending(), DECIDED, ESTIMATES) == ""
    assert "targets" in approving.changed(pending(), DECIDED | {"targets": ["s3", "azure"]}, ESTIMATES)


def test_an_estimate_may_move_a_little() -> None:
    assert approving.changed(pending(), DECIDED, ESTIMATES | {"bytes": 1250, "price": "0.03 USD"}) == ""
    assert "bytes from 1000 to 1251" in approving.changed(pending(), DECIDED, ESTIMATES | {"bytes": 1251})
    assert "minutes from 0 to 1" in approving.changed(pending(), DECIDED, ESTIMATES | {"minutes": 1})


def test_who_comes_too_late_is_told_how_it_ended() -> None:
    one = clicked(pending(), person(2), Choice.APPROVE, NOW)
    assert "approved by person2" in approving.refusal(one, "U3", Choice.VETO, NOW)
    executed = replace(one, state=ApprovalState.EXECUTED)
    assert "already executed" in approving.refusal(executed, "U2", Choice.APPROVE, NOW)
    vetoed = clicked(pending(2), person(2), Choice.VETO, NOW)
    assert "vetoed by person2" in approving.refusal(vetoed, "U3", Choice.APPROVE, NOW)
    late = NOW + timedelta(hours=24)
    assert "expired" in approving.refusal(pending(), "U2", Choice.APPROVE, late)
    cancelled = replace(pending(), state=ApprovalState.CANCELLED, why="alice withdrew it")
    assert "alice withdrew it" in approving.refusal(cancelled, "U2", Choice.APPROVE, NOW)


def test_the_same_person_counts_once_and_may_still_veto() -> None:
    one = clicked(pending(2), person(2), Choice.APPROVE, NOW)
    assert "waits for 1 more" in approving.refusal(one, "U2", Choice.APPROVE, NOW)
    assert clicked(one, person(2), Choice.VETO, NOW).state is ApprovalState.VETOED
