"""How an approval stands, in words for everybody, and for whoever clicks once more."""

from dataclasses import replace

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
