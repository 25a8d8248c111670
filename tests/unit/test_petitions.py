"""How an approval stands, in words for everybody, and for whoever clicks once more."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot import approving, petitions
from bot.model import Approval, ApprovalState, Choice
from tests.unit.test_approving import NOW, clicked, pending, person


def ended(state: ApprovalState, why: str) -> Approval:
    return replace(pending(), state=state, why=why)


def test_a_veto_is_told_as_news_and_as_old_news_to_who_clicks_after_it() -> None:
    vetoed = clicked(pending(), person(2), Choice.VETO, NOW)
    assert petitions.line(vetoed) == "Vetoed by person2; nothing was done"
    assert "was vetoed by person2 already" in approving.refusal(vetoed, "U3", Choice.APPROVE, NOW)


def test_what_ended_by_itself_says_how() -> None:
    expired = ended(ApprovalState.EXPIRED, "nobody decided until 12:00 UTC")
    assert petitions.line(expired) == "Expired: nobody decided until 12:00 UTC; nothing was done"
    cancelled = ended(ApprovalState.CANCELLED, "it was withdrawn by alice")
    assert petitions.line(cancelled) == "Not waiting any more: it was withdrawn by alice; nothing was done"


def test_a_short_list_is_told_whole_and_of_a_long_one_the_first_few_their_number_and_how_many_more() -> None:
    assert petitions.listed(["s3", "other"]) == "s3, other"
    told = petitions.listed([f"s3://bucket-{n:02d}/a/long/prefix/20261123T142233Z-7f3k9q/" for n in range(30)])
    assert told.startswith("30 in all: s3://bucket-00/a/long/prefix/20261123T142233Z-7f3k9q/, s3://bucket-01/")
    assert told.endswith("/ and 25 more (Details has all)")


@given(st.lists(st.integers(1, 600).map(lambda length: "x" * length), max_size=40))
def test_no_list_is_longer_than_what_a_card_shows(items: list[str]) -> None:
    assert len(petitions.listed(items)) <= 400


def test_one_that_is_too_long_by_itself_shows_its_beginning_and_its_end() -> None:
    told = petitions.listed([f"s3://{'b' * 63}/{'p' * 900}/20261123T142233Z-7f3k9q/"])
    assert told.startswith("s3://bbb")
    assert told.endswith("/20261123T142233Z-7f3k9q/")
