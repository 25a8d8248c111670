"""What the demo prints of a conversation, and what counts as said by Cloudy."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.simulators.demo.transcript import Transcript
from integrations.simulators.slack import Change
from tests.e2e.waiting import until


class Printed:
    """A transcript and what it printed."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.transcript = Transcript(self.lines.append)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@pytest.fixture
def printed() -> Iterator[Printed]:
    made = Printed()
    yield made
    made.transcript.close()


def change(text: str, kind: str = "posted", *, who: str = "cloudy", ts: str = "1.1", **more: Any) -> Change:
    return Change(
        kind=kind,
        who=who,
        channel="C1",
        channel_name="ops",
        ts=ts,
        thread_ts=more.pop("thread_ts", ""),
        text=text,
        **more,
    )


def test_a_post_is_printed_with_place_and_speaker(printed: Printed) -> None:
    printed.transcript.change(change("Starting\nsoon"))
    assert "#ops" in printed.lines[0]
    assert "Cloudy: Starting" in printed.lines[0]
    assert printed.lines[0].splitlines()[1].strip() == "soon"


def test_a_private_answer_says_whose_it_is(printed: Printed) -> None:
    printed.transcript.change(change("No such VM", "ephemeral", only_for="alice"))
    assert "Cloudy (only to alice): No such VM" in printed.text


def test_threads_are_numbered(printed: Printed) -> None:
    printed.transcript.change(change("a", ts="2.1", thread_ts="1.1"))
    printed.transcript.change(change("b", ts="2.2", thread_ts="1.2"))
    printed.transcript.change(change("c", ts="2.3", thread_ts="1.1"))
    assert ["#ops/1" in printed.lines[0], "#ops/2" in printed.lines[1], "#ops/1" in printed.lines[2]] == [True] * 3


def test_of_an_edit_only_the_changed_lines_are_printed(printed: Printed) -> None:
    printed.transcript.change(change("○ Connect\n○ Upload"))
    printed.transcript.change(change("✓ Connect\n○ Upload", "edited"))
    printed.transcript.flush()
    assert "edits: ✓ Connect" in printed.lines[1]
    assert "Upload" not in printed.lines[1]


def test_quick_edits_are_held_back_and_the_last_one_is_printed_by_itself(printed: Printed) -> None:
    printed.transcript.change(change("0 %"))
    for percent in range(1, 100):
        printed.transcript.change(change(f"{percent} %", "edited"))
    until(lambda: "99 %" in printed.text, "the last edit is printed")
    assert len(printed.lines) <= 3


def test_an_edit_that_takes_something_away_prints_nothing(printed: Printed) -> None:
    printed.transcript.change(change("Uploading\n[Stop]"))
    printed.transcript.change(change("Uploading", "edited"))
    printed.transcript.flush()
    assert len(printed.lines) == 1


def test_people_are_not_printed_twice_and_do_not_count_as_cloudy(printed: Printed) -> None:
    printed.transcript.typed("alice", "is vm01 protected?")
    printed.transcript.change(change("is vm01 protected?", who="alice"))
    assert len(printed.lines) == 1
    assert not printed.transcript.has_said("protected", 0)


def test_what_cloudy_said_counts_until_the_next_users_line(printed: Printed) -> None:
    printed.transcript.change(change("vm01 is\n  protected"))
    assert printed.transcript.has_said("is protected", 0)
    printed.transcript.typed("alice", "/cloudy runs")
    assert not printed.transcript.has_said("is protected", 0)


def test_what_was_edited_in_was_said(printed: Printed) -> None:
    printed.transcript.change(change("Uploading"))
    printed.transcript.change(change("vm01 is protected", "edited"))
    assert printed.transcript.has_said("is protected", 0)


def test_nothing_is_printed_after_the_last_word(printed: Printed) -> None:
    printed.transcript.change(change("Starting"))
    printed.transcript.change(change("2/10", "edited"))
    printed.transcript.end()
    assert "2/10" in printed.text
    printed.transcript.change(change("3/10", "edited"))
    printed.transcript.change(change("Done", ts="1.2"))
    printed.transcript.close()
    assert "3/10" not in printed.text
    assert "Done" not in printed.text


def test_a_form_is_printed_whole_and_again_when_it_is_drawn_anew(printed: Printed) -> None:
    def drawn(text: str, kind: str) -> None:
        printed.transcript.change(Change(kind, "cloudy", "V1", "modal", "V1", "", text, only_for="alice"))

    drawn("Protect a VM\nOne moment", "posted")
    drawn("Protect a VM\nVM [Name]", "edited")
    printed.transcript.flush()
    assert "modal   Cloudy (only to alice): Protect a VM" in printed.lines[0]
    assert [line.strip() for line in printed.lines[1].splitlines()[1:]] == ["VM [Name]"]


def test_an_app_home_is_printed_when_it_is_opened_and_from_then_on_as_it_changes(printed: Printed) -> None:
    def drawn(text: str, kind: str = "edited") -> None:
        printed.transcript.change(Change(kind, "cloudy", "V2", "home", "V2", "", text, only_for="bob"))

    drawn("Nothing runs", "posted")
    assert printed.lines == []
    before = printed.transcript.homes("bob")
    drawn("vm01 runs\nvm02 waits")
    assert printed.transcript.show_home("bob", before, 5, lambda: "vm01 runs\nvm02 waits")
    assert "home    Cloudy (only to bob): vm01 runs" in printed.text
    printed.transcript.flush()
    assert "edits" not in printed.text
    assert printed.transcript.has_said("vm02 waits", 0)
    drawn("vm01 is protected\nvm02 waits")
    printed.transcript.flush()
    assert "edits: vm01 is protected" in printed.lines[-1]


def test_an_app_home_that_never_comes_is_told(printed: Printed) -> None:
    assert not printed.transcript.show_home("bob", printed.transcript.homes("bob"), 0.05, lambda: None)


def test_what_slack_itself_says_of_a_form_counts_as_said(printed: Printed) -> None:
    printed.transcript.typed("alice", "submits the form", "modal")
    printed.transcript.told("alice", "Please complete the required fields: VM")
    assert printed.transcript.has_said("required fields: VM", 0)


def test_a_direct_message_is_printed_with_whose_it_is(printed: Printed) -> None:
    printed.transcript.change(Change("posted", "cloudy", "D0ALICE", "alice", "9.1", "", "Nothing is active"))
    assert "@alice  Cloudy: Nothing is active" in printed.text
