"""Which SLA a VM has, and how it stands by it: tables of what is known, and what follows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from bot import sla_words
from bot.model import Growth, NextFire, Protection, RunOfVm, SeenVm, Sla, Slas, Standing, State, Trouble, VmFacts
from bot.sla import fit, grown, stand, usual

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GIB = 1 << 30
VM = SeenVm(uuid="1", name="db1", vmstore="vmstore", seen_at=NOW)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def run(
    hours: float, state: State = State.SUCCEEDED, took: float = 1, to: Sequence[str] = ("s3",), sent: int = 0
) -> RunOfVm:
    ended = None if not state.is_final else ago(hours) + timedelta(hours=took)
    began = None if state is State.QUEUED else ago(hours)
    return RunOfVm(id=f"{hours}", state=state, targets=tuple(to), started_at=began, ended_at=ended, sent=sent)


def standing(
    *runs: RunOfVm,
    newest: dict[str, float] | None = None,
    sla: Sla | None = None,
    fires: Sequence[NextFire] | None = None,
    proven: float | None = 1,
) -> Standing:
    facts = VmFacts(
        vm=VM,
        newest={name: ago(hours) for name, hours in (newest or {}).items()},
        runs=runs,
        proven_at=None if proven is None else NOW - timedelta(days=proven),
    )
    promised = sla or Sla(name="gold", vms=("*",), rpo=4 * HOUR)
    return stand(Slas(listed=(promised,)), facts, NOW, fires)


def fire(hours: float, *targets: str) -> NextFire:
    return NextFire(at=NOW + timedelta(hours=hours), schedule="abc123", targets=targets)


# --- which SLA ---


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("db1", ("gold", "db1", "")),
        ("DB1", ("gold", "db1", "")),
        ("db2", ("silver", "db*", "prod")),
        ("tmp-db", ("none", "tmp*", "")),
        ("x", ("default", "", "")),
    ],
)
def test_the_first_sla_that_fits_decides_and_says_by_which_pattern(name: str, found: tuple[str, str, str]) -> None:
    slas = Slas(
        listed=(
            Sla(name="gold", vms=("db1", "erp")),
            Sla(name="none", vms=("tmp*",), is_exempt=True),
            Sla(name="silver", vms=("@prod",)),
        ),
        groups={"prod": ("web*", "db*")},
    )
    fits = fit(slas, SeenVm(uuid="1", name=name, vmstore="vmstore", seen_at=NOW))
    assert (fits.sla.name, fits.pattern, fits.group) == found


# --- protected, late, never, exempt ---

BOTH = Sla(name="gold", vms=("*",), rpo=4 * HOUR, targets=("s3", "azure"))


@pytest.mark.parametrize(
    ("sla", "newest", "protection", "late_by"),
    [
        (None, {"s3": 1}, Protection.PROTECTED, None),
        (None, {"s3": 4}, Protection.PROTECTED, None),
        (None, {"s3": 5}, Protection.LATE, HOUR),
        (None, {"s3": 50, "azure": 1}, Protection.PROTECTED, None),
        (None, {}, Protection.NEVER, None),
        (BOTH, {"s3": 1, "azure": 2}, Protection.PROTECTED, None),
        (BOTH, {"s3": 1, "azure": 6}, Protection.LATE, 2 * HOUR),
        (BOTH, {"s3": 1}, Protection.LATE, None),
        (BOTH, {"old": 1}, Protection.LATE, None),
        (BOTH, {}, Protection.NEVER, None),
        (Sla(name="none", vms=("*",), is_exempt=True), {}, Protection.EXEMPT, None),
        (Sla(name="none", vms=("*",), is_exempt=True), {"s3": 99}, Protection.EXEMPT, None),
    ],
)
def test_a_vm_stands_by_the_targets_that_it_is_promised(
    sla: Sla | None, newest: dict[str, float], protection: Protection, late_by: timedelta | None
) -> None:
    found = standing(newest=newest, sla=sla)
    assert (found.protection, found.late_by) == (protection, late_by)


def test_an_exempt_vm_has_no_troubles() -> None:
    found = standing(
        run(2, State.FAILED), run(3, State.FAILED), sla=Sla(name="n", vms=("*",), is_exempt=True), fires=()
    )
    assert found.troubles == ()


# --- failing ---

F, S, P = State.FAILED, State.SUCCEEDED, State.PARTIAL


@pytest.mark.parametrize(
    ("runs", "newest", "is_failing"),
    [
        ([(1, F), (2, F)], {"s3": 3.0}, True),
        ([(1, F), (2, F)], {}, True),
        ([(1, F), (2, S), (3, F)], {"s3": 2.0}, False),
        ([(1, F)], {}, False),
        ([(1, F), (2, State.STOPPED), (3, F)], {}, True),
        ([(1, F), (2, State.REFUSED)], {}, True),
        ([(0.5, State.RUNNING), (1, F), (2, F)], {}, True),
        ([(1, F), (2, P)], {"s3": 2.0}, False),  # the partial one brought it to s3
        ([(1, F), (2, P)], {"s3": 5.0}, True),  # it did not
        ([(1, F), (2, F)], {"s3": 1.0}, False),  # it failed behind the manifest: the recovery point is there
    ],
)
def test_two_runs_in_a_row_without_a_recovery_point_are_failing(
    runs: list[tuple[float, State]], newest: dict[str, float], is_failing: bool
) -> None:
    found = standing(*(run(hours, state, took=0.1) for hours, state in runs), newest=newest)
    assert (Trouble.FAILING in found.troubles) is is_failing


def test_each_target_is_judged_by_the_runs_that_went_to_it() -> None:
    runs = [run(1, S), run(2, F, to=["azure"]), run(3, S), run(4, F, to=["azure"])]
    found = standing(*runs, newest={"s3": 1, "azure": 9})
    assert Trouble.FAILING in found.troubles
    assert Trouble.FAILING in standing(*runs, newest={"s3": 1, "azure": 9}, sla=BOTH).troubles
    only_s3 = Sla(name="gold", vms=("*",), targets=("s3",))
    assert Trouble.FAILING not in standing(*runs, newest={"s3": 1, "azure": 9}, sla=only_s3).troubles


# --- what is coming ---


@pytest.mark.parametrize(
    ("fires", "runs", "troubles"),
    [
        ([fire(1)], [run(3, took=0.5)], ()),  # ready after 1.5 h; late after 2 h
        ([fire(1)], [run(3, took=1.5)], (Trouble.WILL_BE_LATE,)),
        ([fire(2)], [], ()),  # nobody knows how long it takes
        ([fire(2.1)], [], ()),  # an RPO of 4 h, and a run each 4 h that takes some minutes
        ([fire(2.2)], [], (Trouble.WILL_BE_LATE,)),
        ([fire(30)], [run(0.5, State.RUNNING), run(3, took=1)], ()),
        ([fire(30)], [run(0.5, State.RUNNING), run(3, took=3)], (Trouble.WILL_BE_LATE,)),
        ([fire(30)], [run(0, State.QUEUED), run(3, took=1)], ()),
        ([], [], (Trouble.UNSCHEDULED,)),
        (None, [], ()),  # nobody knows which schedules there are
    ],
)
def test_who_will_be_late_is_known_before(
    fires: list[NextFire] | None, runs: list[RunOfVm], troubles: tuple[Trouble, ...]
) -> None:
    assert standing(*runs, newest={"s3": 2}, fires=fires).troubles == troubles


def test_a_vm_that_is_late_already_is_not_going_to_be() -> None:
    assert standing(newest={"s3": 9}, fires=[fire(9)]).troubles == (Trouble.LATE,)


def test_each_promised_target_needs_a_schedule_of_its_own() -> None:
    newest: dict[str, float] = {"s3": 1, "azure": 1}
    assert standing(newest=newest, sla=BOTH, fires=[fire(1, "s3")]).troubles == (Trouble.UNSCHEDULED,)
    assert standing(newest=newest, sla=BOTH, fires=[fire(1, "s3"), fire(1, "azure")]).troubles == ()
    late = standing(newest=newest, sla=BOTH, fires=[fire(1, "s3"), fire(9, "azure")])
    assert late.troubles == (Trouble.WILL_BE_LATE,)
    assert sla_words.trouble(Trouble.WILL_BE_LATE, late) == (
        "db1: late in azure from 23 Nov 15:00 UTC, since the next run ends about 23 Nov 21:00 UTC"
    )


@pytest.mark.parametrize(
    ("hours", "takes"),
    [([], None), ([3], 3), ([1, 2], 2), ([1] * 9 + [50], 1), ([1] * 8 + [40, 50], 40), ([*range(1, 21)], 18)],
)
def test_the_usual_is_what_nine_of_ten_runs_took_at_most(hours: list[float], takes: float | None) -> None:
    assert usual([run(100, took=each) for each in hours]) == (None if takes is None else takes * HOUR)


def test_the_first_protection_of_a_vm_does_not_say_how_long_one_takes() -> None:
    assert standing(run(9, took=1), run(99, took=50)).takes == HOUR
    assert standing(run(99, took=50)).takes == 50 * HOUR
    assert standing(*(run(9, took=1) for _ in range(10)), run(99, took=50), run(99, took=50)).takes == 50 * HOUR


def test_runs_that_failed_do_not_say_how_long_one_takes() -> None:
    assert usual([run(9, State.FAILED), run(9, State.STOPPED), run(1, State.RUNNING)]) is None


# --- growth ---


@pytest.mark.parametrize(
    ("sent", "growth"),
    [
        ([9, 2, 2, 2, 2, 2], Growth(sent=9 * GIB, usual=2 * GIB)),
        ([6, 2, 2, 2, 2, 2], Growth(sent=6 * GIB, usual=2 * GIB)),
        ([5.9, 2, 2, 2, 2, 2], None),
        ([9, 2, 2, 2, 2], None),  # too few to call anything usual
        ([0.9, 0.1, 0.1, 0.1, 0.1, 0.1], None),  # nine times, but little
        ([9, 2, 2, 500, 2, 2], Growth(sent=9 * GIB, usual=2 * GIB)),  # one outlier makes no habit
        ([1, 0, 0, 0, 0, 0], Growth(sent=GIB, usual=0)),
    ],
)
def test_growth_is_far_more_than_the_median_and_no_noise(sent: list[float], growth: Growth | None) -> None:
    runs = [run(i, sent=int(each * GIB)) for i, each in enumerate(sent)]
    assert grown(runs) == growth
    assert grown([run(0.5, State.FAILED, sent=999 * GIB), *runs]) == growth


# --- proofs ---


@pytest.mark.parametrize(
    ("every", "proven", "troubles"),
    [
        (7, 6, ()),
        (7, 7, (Trouble.PROOF_OLD,)),
        (7, None, (Trouble.NEVER_PROVEN,)),
        (None, None, ()),
        (None, 900, ()),
    ],
)
def test_proofs_are_as_old_as_the_sla_lets_them(
    every: int | None, proven: float | None, troubles: tuple[Trouble, ...]
) -> None:
    asked = Sla(name="gold", vms=("*",), drill_every=None if every is None else timedelta(days=every))
    assert standing(newest={"s3": 1}, sla=asked, proven=proven).troubles == troubles


def test_a_vm_without_a_recovery_point_has_nothing_to_prove() -> None:
    assert standing(proven=None).troubles == (Trouble.UNPROTECTED,)
