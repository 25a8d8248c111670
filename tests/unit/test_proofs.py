"""Where a recovery point stands by what was found of it, and whose turn it is to be drilled."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.model import Damage, Proof, ProofKind
from bot.proofs import damage_text, standing, standings
from bot.rota import AGAIN, Candidate, Rules, due

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def proof(kind: ProofKind, hours: float, *, good: bool = True, damaged: bool = False, target: str = "s3") -> Proof:
    return Proof(
        point="20261125T120000Z-7f3k9q",
        target=target,
        run=f"{kind}-{hours}",
        kind=kind,
        at=NOW - timedelta(hours=hours),
        is_good=good and not damaged,
        is_damaged=damaged,
    )


def test_of_nothing_nothing_is_known() -> None:
    found = standing([])
    assert (found.verified, found.proven, found.drilled, found.damage) == (None, None, None, None)


def test_the_newest_good_drill_is_the_proof_though_a_later_one_failed() -> None:
    good, bad = proof(ProofKind.DRILL, 3), proof(ProofKind.DRILL, 1, good=False)
    found = standing([bad, good, proof(ProofKind.DRILL, 9)])
    assert found.proven == good
    assert found.drilled == bad
    assert found.damage is None


def test_checksums_do_not_take_back_what_a_read_found_damaged_and_another_read_does() -> None:
    damage, asked = proof(ProofKind.READ_BACK, 5, damaged=True), proof(ProofKind.CHECKSUMS, 4)
    assert standing([damage, asked]).damage == damage
    assert standing([damage, asked]).verified == asked
    assert standing([damage, asked, proof(ProofKind.READ_BACK, 3)]).damage is None
    assert standing([damage, proof(ProofKind.DRILL, 3)]).damage == damage  # it fetches no zeros
    lost = proof(ProofKind.DRILL, 5, damaged=True)
    assert [standing([lost, proof(kind, 3)]).damage for kind in ProofKind] == [lost, None, None]
    assert standing([proof(ProofKind.CHECKSUMS, 5, damaged=True), asked]).damage is None


def test_each_target_stands_by_itself() -> None:
    damage = proof(ProofKind.READ_BACK, 1, damaged=True, target="azure")
    found = standings([damage, proof(ProofKind.READ_BACK, 1)])
    assert [found["20261125T120000Z-7f3k9q", name].damage for name in ("s3", "azure")] == [None, damage]


def test_damage_is_told_by_file_and_offset_the_first_of_it() -> None:
    some = [Damage(file="a.vmdk", offset=1 << 20, length=1 << 16, why="") for _ in range(5)]
    assert damage_text(some[:1]) == "a.vmdk at byte 1,048,576 (65,536 bytes)"
    assert damage_text(some).endswith("and 2 more")


ages = st.none() | st.integers(0, 2000).map(lambda hours: NOW - timedelta(hours=hours))
candidates = st.lists(
    st.builds(Candidate, vm_uuid=st.uuids().map(str), vm=st.text(max_size=3), proven_at=ages, tried_at=ages),
    max_size=12,
    unique_by=lambda each: each.vm_uuid,
)
times = st.lists(st.integers(0, 60).map(lambda hours: NOW - timedelta(hours=hours)), max_size=6)
rules = st.builds(Rules, every=st.integers(1, 60).map(lambda days: timedelta(days=days)), a_day=st.integers(1, 6))


@given(candidates, rules, times, st.data())
def test_who_was_not_drilled_for_the_longest_time_is_first_none_that_runs_is_chosen_and_a_day_has_its_end(
    some: list[Candidate], how: Rules, begun: list[datetime], data: st.DataObject
) -> None:
    running = {each.vm_uuid for each in some if data.draw(st.booleans())}
    chosen = due(some, now=NOW, rules=how, running=running, begun=begun)
    is_over = sum(NOW - at < timedelta(days=1) for at in begun) >= how.a_day
    assert not (is_over and chosen)
    assert not {each.vm_uuid for each in chosen} & running
    assert all(each.proven_at is None or NOW - each.proven_at >= how.every for each in chosen)
    assert all(each.tried_at is None or NOW - each.tried_at >= AGAIN for each in chosen)
    ages = [max([at.timestamp() for at in (each.proven_at, each.tried_at) if at], default=0.0) for each in chosen]
    assert ages == sorted(ages)
    if not is_over:
        left = [each for each in some if each not in chosen and each.vm_uuid not in running]
        fresh = [each.proven_at is not None and NOW - each.proven_at < how.every for each in left]
        tired = [each.tried_at is not None and NOW - each.tried_at < AGAIN for each in left]
        assert all(one or other for one, other in zip(fresh, tired, strict=True))  # nobody is forgotten
    assert due(list(reversed(some)), now=NOW, rules=how, running=running, begun=begun) == chosen


def test_who_was_never_drilled_goes_first_and_who_fails_each_time_takes_no_turn_of_the_others() -> None:
    never = Candidate(vm_uuid="2", vm="b", proven_at=None, tried_at=None)
    old = Candidate(vm_uuid="1", vm="a", proven_at=NOW - timedelta(days=900), tried_at=NOW - timedelta(days=900))
    assert due([old, never], now=NOW, rules=Rules(), running=(), begun=()) == (never, old)
    failed = Candidate(vm_uuid="3", vm="c", proven_at=None, tried_at=NOW - timedelta(days=2))
    assert due([failed, old, never], now=NOW, rules=Rules(), running=(), begun=()) == (never, old, failed)
