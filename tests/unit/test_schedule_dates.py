"""What a click on a schedule did, told in Slack by the clock of whoever reads."""

import pytest

from handlers.schedulelists import Listing, card, draw

DATE = "<!date^1764122400^{date_short} {time}|2025-11-26 02:00 UTC>"


def test_the_times_in_what_was_done_are_dates_with_utc_for_clients_that_know_none() -> None:
    listing = Listing(title="Schedule 7f3k9q skips 2025-11-26 02:00 UTC", said=("2025-11-26 02:00 UTC: started",))
    drawn = draw(listing)
    assert drawn.text == f"Schedule 7f3k9q skips {DATE}\n{DATE}: started"
    assert drawn.blocks[0]["text"]["text"] == f"*Schedule 7f3k9q skips {DATE}*\n{DATE}: started"


def test_where_there_are_no_dates_it_stays_utc() -> None:
    assert card(Listing(title="Schedule x skips 2025-11-26 02:00 UTC")).title.endswith("skips 2025-11-26 02:00 UTC")


@pytest.mark.parametrize("text", ["2025-13-26 02:00 UTC", "1025-1-1 02:00 UTC", "<!date^1^{time}|x>", "<!channel>"])
def test_what_is_no_time_and_what_somebody_typed_stays_text(text: str) -> None:
    assert "<!" not in draw(Listing(title=text, said=(text,))).text


def test_no_date_is_cut_through_in_a_long_answer() -> None:
    listing = Listing(title="Schedule 7f3k9q", said=tuple(f"2025-11-26 02:00 UTC: {'x' * 300}" for _ in range(30)))
    said = draw(listing).blocks[0]["text"]["text"]
    assert len(said) < 3000
    assert said.count("<!date") == said.count(" UTC>")
