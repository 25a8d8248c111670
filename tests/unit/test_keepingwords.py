"""`/retention ...`, as people type it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import UsageError
from bot.model import Retention
from handlers import parse
from handlers.keepingwords import Act, Keeping, read, written

NOW = datetime(2026, 11, 26, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("", Keeping()),
        ("preview", Keeping(act=Act.PREVIEW)),
        ("Preview gold", Keeping(act=Act.PREVIEW, what="gold")),
        ("preview for web*", Keeping(act=Act.PREVIEW, what="web*")),
        ("preview 7 last", Keeping(act=Act.PREVIEW, rules=Retention(last=7))),
        ("preview everything for vm01", Keeping(act=Act.PREVIEW, rules=Retention(), what="vm01")),
        (
            "preview keep 7 last, 14 daily for gold",
            Keeping(act=Act.PREVIEW, rules=Retention(last=7, daily=14), what="gold"),
        ),
        (
            "set keep 7 last and at least 2 days for gold because disks are full",
            Keeping(
                act=Act.SET,
                rules=Retention(last=7, minimum_age=timedelta(days=2)),
                what="gold",
                reason="disks are full",
            ),
        ),
        ("set 3 last", Keeping(act=Act.SET, rules=Retention(last=3))),
        (
            'hold "app server 03" until 2027-01-31 because "audit of 2026"',
            Keeping(act=Act.HOLD, what="app server 03", until="2027-01-31", reason="audit of 2026"),
        ),
        ("hold vm01 for 90d because x", Keeping(act=Act.HOLD, what="vm01", until="90d", reason="x")),
        ("hold vm01", Keeping(act=Act.HOLD, what="vm01")),
        ("release vm01 because it is over", Keeping(act=Act.RELEASE, what="vm01", reason="it is over")),
    ],
)
def test_what_is_typed_is_understood(typed: str, meant: Keeping) -> None:
    assert read(typed) == meant
    assert parse.cloudy(f"retention {typed}").keeping == meant


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("forget", "nothing that one can do"),
        ("set for gold", "Say which rules"),
        ("set 7 lasts for gold", "no rule"),
        ("preview keep 7 lasts for gold", "no rule"),
        ("set 7 last for gold because", "reason is missing"),
        ("hold because x", "Say which one"),
        ("release", "Say which one"),
        (f"hold {'v' * 300} because x", "longer than 255"),
        (f"hold vm01 because {'x' * 600}", "longer than 500"),
    ],
)
def test_what_is_not_understood_says_how_it_is_typed(typed: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(typed)


def test_a_day_is_held_to_its_end_and_a_time_from_now() -> None:
    assert Keeping(until="2027-01-31").ends(NOW) == datetime(2027, 2, 1, tzinfo=UTC)
    assert Keeping(until="90d").ends(NOW) == NOW + timedelta(days=90)
    assert Keeping().ends(NOW) is None
    for text in ("tomorrow", "2027-02-31", "99999w99", "9999-12-31"):
        with pytest.raises(UsageError, match="no day like"):
            Keeping(until=text).ends(NOW)


def test_a_preview_is_written_as_it_would_be_typed() -> None:
    asked = read("preview keep 14 daily, 7 last for web*")
    assert written(asked) == "/retention preview keep 7 last, 14 daily for web*"
    assert read(written(asked).removeprefix("/retention ")) == asked


@settings(max_examples=60)
@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused_in_words(text: str) -> None:
    try:
        read(text)
    except UsageError:
        return
