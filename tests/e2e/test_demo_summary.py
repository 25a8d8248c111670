"""A summary in the demo: posted by a schedule, its buttons used as people would; what was snoozed is counted."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.demo import Demo

# The short sibling of this, which always runs, is tests/slack/test_summaries.py.
pytestmark = pytest.mark.long
SCRIPT = """
alice> /schedule summary day every day at 07:00
expect "Scheduled as"
alice> /schedules alice
alice> click "Run now"
wait done 60
expect "VMs have no recovery point"
carol> click "Snooze…"
expect "takes the role operator"
alice> click "Snooze…"
alice> fill "Reason" = "it is being rebuilt"
alice> submit
expect "No summary tells of it until"
wait done 30
expect "snoozed until"
alice> click "Assign…"
alice> fill "Who" = "bob"
alice> submit
expect "takes care of it"
wait done 30
alice> click "Protect…"
alice> fill "Targets" = "s3"
alice> submit
wait done 180
expect "is protected in s3"
alice> /cloudy summary week
expect "1 snoozed"
expect "1 of 6 VMs within RPO"
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("told") / "demo", SCRIPT)
    try:
        demo.wait(400)
        yield demo
    finally:
        demo.end()


def test_the_command_line_tells_the_same(told: Demo) -> None:
    summary = told.cli("summary", "week", "--json")
    assert (summary["tally"]["protected"], summary["tally"]["never"]) == (1, 5)
    assert sum(chapter["snoozed"] for chapter in summary["chapters"]) == 1
    assert [ran["well"] for ran in summary["ran"] if ran["workflow"] == "protect"] == [1]
    assert "1 snoozed" in told.ask("summary")


def test_what_was_decided_is_in_the_audit_with_who_and_why_and_what_was_refused(told: Demo) -> None:
    rows = [json.loads(line) for line in told.ask("audit", "export", "--format", "jsonl").splitlines()]
    acts = [(row["action"], row["actor"]) for row in rows if row["action"] in ("concern", "refused")]
    assert [who for what, who in acts if what == "concern"] == ["alice", "alice"]
