"""How long a recovery point is wanted: what is typed, what is kept, what is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import keeping


@pytest.mark.parametrize(
    ("typed", "kept", "said"),
    [
        ("30d", "P30D", "30 days"),
        ("1 d", "P1D", "1 day"),
        ("12w", "P84D", "84 days"),
        ("1y", "P365D", "1 year"),
        ("2 Years", "P730D", "2 years"),
        ("Forever", "forever", "forever"),
    ],
)
def test_a_time_is_kept_in_days_and_said_for_people(typed: str, kept: str, said: str) -> None:
    assert keeping.parse(typed) == kept
    assert keeping.said(kept) == said
    assert keeping.parse(said) == keeping.parse(keeping.typed(kept)) == kept


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "101y", "99999y", "30m", "-1d", "1.5d", "²d", "for ever"])
def test_what_is_no_time_is_refused_with_what_can_be_written(text: str) -> None:
    with pytest.raises(ValueError, match="forever"):
        keeping.parse(text)


@given(st.text(max_size=20))
def test_any_text_is_a_time_that_is_kept_or_refused(text: str) -> None:
    try:
        kept = keeping.parse(text)
    except ValueError:
        return
    assert keeping.is_kept(kept)
    assert keeping.parse(keeping.typed(kept)) == kept


def test_only_what_is_kept_is_kept() -> None:
    good, bad = ("", "forever", "P1D", "P36500D"), ("P0D", "P40000D", "30d", "x")
    assert [text for text in (*good, *bad) if keeping.is_kept(text)] == list(good)


def test_a_note_has_no_double_quotes_so_that_a_command_can_say_the_same() -> None:
    assert keeping.note('  before the “big”  "upgrade" ') == "before the 'big'  'upgrade'"


@pytest.mark.parametrize("text", ["a\nb", "a\x00", "a\u202eb", "n" * 301])
def test_a_note_of_several_lines_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="note"):
        keeping.note(text)
