"""Retention as people write it: read, and said again."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model import Keep, Reason, Retention
from bot.retention_text import parse, said, why

_COUNTS = st.integers(0, 9999)
_RETENTIONS = st.builds(
    Retention,
    last=_COUNTS,
    daily=_COUNTS,
    weekly=_COUNTS,
    monthly=_COUNTS,
    yearly=_COUNTS,
    minimum_age=st.integers(0, 99_999).map(lambda seconds: timedelta(seconds=seconds)),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]),
)


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        (
            "keep 7 last, 14 daily, 8 weekly, 12 monthly, 3 yearly, at least 2 days",
            "keep 7 last, 14 daily, 8 weekly, 12 monthly, 3 yearly, at least 2 days",
        ),
        ("14 DAILY and 7 last", "keep 7 last, 14 daily"),
        ("  keep   3 last ,at least 2w", "keep 3 last, at least 14 days"),
        ("keep 1 daily, in Europe/Berlin", "keep 1 daily, in Europe/Berlin"),
        ("keep 1 last, in Europe/Berlin", "keep 1 last"),
        ("at least 36h", "keep at least 36 hours"),
        ("at least 90 minutes", "keep at least 90 minutes"),
        ("at least 1 day", "keep at least 1 day"),
        ("Keep Everything", "keep everything"),
        ("everything", "keep everything"),
    ],
)
def test_rules_are_read_in_any_order_and_said_in_one(typed: str, canonical: str) -> None:
    assert said(parse(typed)) == canonical
    assert said(parse(canonical)) == canonical


@given(_RETENTIONS)
def test_whatever_is_said_is_read_as_the_same(retention: Retention) -> None:
    read = parse(said(retention))
    assert read.covers(retention)
    assert retention.covers(read)
    assert said(read) == said(retention)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rule"),
        ("keep", "no rule"),
        ("7 lasts", "no rule"),
        ("keep 0 last", "keeps nothing"),
        ("7 last, 8 last", "a second time"),
        ("7 last, in Europe/Atlantis", "no time zone Europe/Atlantis"),
        ("7 last, in ../etc/passwd", "no rule"),
        ("-7 last", "no rule"),
        ("9999999 last", "no rule"),
        ("²0 last", "no rule"),
        ("everything, 7 last", "no rule"),
    ],
)
def test_what_is_no_rule_is_refused_with_what_can_be_written(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(text)


@given(st.text(max_size=40))
def test_any_text_is_a_retention_or_refused(text: str) -> None:
    try:
        retention = parse(text)
    except ValueError:
        return
    assert said(parse(said(retention))) == said(retention)


def test_reasons_are_said_in_words() -> None:
    assert why(Keep(reason=Reason.LAST, detail="2 of 7")) == "last (2 of 7)"
    assert why(Keep(reason=Reason.DAILY, detail="2026-11-25")) == "daily 2026-11-25"
    assert why(Keep(reason=Reason.NEWEST)) == "the newest good one"
