"""Durations as people write them."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import durations


@given(st.integers(1, 99_999), st.sampled_from("smhdw"))
def test_what_is_written_is_read_again(number: int, unit: str) -> None:
    span = durations.parse(f"{number}{unit}")
    assert span > timedelta(0)
    assert len(durations.said(span)) > 6 or durations.parse(durations.said(span)) == span


@given(st.text())
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert durations.parse(text) > timedelta(0)


@pytest.mark.parametrize("text", ["", "0h", "24", "h", "1.5h", "-3d", "3 dayss", "3 months", "999999d", "٣d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        durations.parse(text)


def test_units_are_understood_as_words_too() -> None:
    said = ("1 second", "90 minutes", "24 hours", "3 Days", "2weeks")
    assert [durations.said(durations.parse(text)) for text in said] == ["1s", "90m", "1d", "3d", "2w"]


def test_the_largest_unit_that_divides_it_is_said() -> None:
    assert [durations.said(durations.parse(text)) for text in ("24h", "90m", "168h", "61s")] == [
        "1d", "90m", "1w", "61s",
    ]  # fmt: skip
