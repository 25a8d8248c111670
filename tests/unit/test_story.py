"""What a person is told: numbers in words, states, endings."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot import story
from bot.model import Actor, Bytes, Carried, Failure, State, Step, StepState, Transaction

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ASKED = Transaction(
    id="20261125T120000Z-7f3k9q",
    workflow="protect",
    vm="vm01",
    targets=("s3",),
    actor=Actor(id="U1", name="alice", source="slack"),
    state=State.RUNNING,
    created_at=NOW,
    request_key="r",
    vmstore="vmstore",
    frozen={"title": "Protect {vm} to {targets}"},
)
STEPS = (
    Step(id="snapshot", title="Snapshot", position=0, state=StepState.COMPLETE),
    Step(id="upload", title="Upload", position=1, state=StepState.RUNNING, done=41 << 20, total=100 << 20),
    Step(id="verify", title="Verify", position=2),
)


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (5 << 20, "5 MiB"),
        (412 << 20, "412 MiB"),
        (1 << 30, "1.0 GiB"),
        (3 << 50, "3072 TiB"),
    ],
)
def test_sizes_are_told_in_words(size: int, told: str) -> None:
    assert story.size_text(size) == told


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "0 s"), (48, "48 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_durations_are_told_in_words(seconds: float, told: str) -> None:
    assert story.duration_text(seconds) == told


def test_the_root_says_which_step_runs_and_offers_stop() -> None:
    view = story.root(ASKED, STEPS)
    assert view["title"] == "Protect vm01 to s3"
    assert view["line"] == "2/3 Upload"
    assert view["buttons"] == ["stop", "details"]


def test_what_a_schedule_started_says_so() -> None:
    started = replace(ASKED, request_key="schedule:jkwn07:2026-11-26T02:00:00+00:00:vm01")
    assert ["Asked by", f"{ASKED.actor.name}, by schedule jkwn07"] in story.root(started, STEPS)["facts"]
    assert ["Asked by", ASKED.actor.name] in story.root(ASKED, STEPS)["facts"]


def test_between_two_steps_the_line_names_the_one_that_ended() -> None:
    ended = (STEPS[0], replace(STEPS[1], state=StepState.STOPPED), STEPS[2])
    assert story.line(replace(ASKED, stop_asked_by="bob"), ended, percent=False) == "Stopping: 2/3 Upload"


def test_before_the_first_step_it_waits_for_its_turn() -> None:
    assert story.line(ASKED, (STEPS[2],)) == "Waiting for its turn"


def test_a_stop_that_was_asked_for_is_shown_and_offered_no_more() -> None:
    view = story.root(replace(ASKED, stop_asked_by="bob"), STEPS)
    assert view["line"].startswith("Stopping")
    assert view["buttons"] == ["details"]


def test_the_plan_shows_each_step_with_its_state_and_progress() -> None:
    tasks = story.plan(ASKED, STEPS)["tasks"]
    assert [task["state"] for task in tasks] == ["complete", "in_progress", "pending"]
    assert tasks[1]["note"] == "41 % · 41 MiB of 100 MiB"


def test_a_skipped_step_is_pending_with_the_word() -> None:
    task = story.plan(ASKED, (replace(STEPS[2], state=StepState.SKIPPED),))["tasks"][0]
    assert (task["state"], task["note"]) == ("pending", "skipped")


def test_a_failure_is_told_with_step_cause_next_and_what_is_left() -> None:
    failed = replace(
        ASKED,
        state=State.FAILED,
        failure=Failure(what="AccessDenied", step="Upload", next="Mend the policy."),
        left_behind=("clone x",),
    )
    receipt = story.receipt(failed, STEPS)
    assert receipt["headline"] == "vm01 is not protected: Upload failed"
    assert receipt["why"] == "Upload: AccessDenied"
    assert receipt["next"] == "Mend the policy."
    assert receipt["left_behind"] == ["clone x"]


def test_a_partial_success_names_the_targets_that_have_it() -> None:
    partial = replace(ASKED, state=State.PARTIAL, targets=("s3", "azure"), plan={"protected_in": ["s3"]})
    assert story.receipt(partial, STEPS)["headline"].startswith("vm01 is protected in s3 only")


def test_a_receipt_tells_how_long_it_is_to_be_kept_where_that_was_asked() -> None:
    asked = replace(ASKED, state=State.SUCCEEDED, keep_for="P30D")
    assert ["Keep for", "30 days"] in story.receipt(asked, STEPS)["facts"]
    assert "Keep for" not in dict(story.receipt(replace(asked, keep_for=""), STEPS)["facts"])


def test_bytes_that_were_copied_or_never_sent_are_told_where_there_are_any() -> None:
    assert story.moved_text(Bytes(read=1 << 30, sent=1 << 20)) == "1.0 GiB read, 1 MiB sent"
    assert "zeros never sent" in story.moved_text(Bytes(zero=5))
    each = {"azure": Carried(sent=1 << 20, copied=1 << 30), "s3": Carried(sent=5 << 20, zero=1 << 20)}
    assert story.moved_text(Bytes(read=1 << 30, sent=6 << 20, targets=each)) == (
        "1.0 GiB read; azure: 1 MiB sent, 1.0 GiB copied in the store; s3: 5 MiB sent, 1 MiB zeros never sent"
    )


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_line(state: State) -> None:
    assert story.line(replace(ASKED, state=state), STEPS)
