"""The grammar of questions, and what stands in a page's button."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UsageError
from bot.model import VmKind
from handlers import asked, parse, tables
from handlers.asked import AUDIT, CHART, POINTS, VMS, Inquiry
from handlers.tables import Table, Turn

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vms", Inquiry(verb=VMS)),
        ("vms late", Inquiry(verb=VMS, kind=VmKind.LATE)),
        ("VMs web* Late", Inquiry(verb=VMS, text="web*", kind=VmKind.LATE)),
        ('vms "late"', Inquiry(verb=VMS, text="late")),
        ("vms late late", Inquiry(verb=VMS, text="late", kind=VmKind.LATE)),
        ("vms app server", Inquiry(verb=VMS, text="app server")),
        ("vms “app server” big", Inquiry(verb=VMS, text="app server", kind=VmKind.BIG)),
        ("vms a****b", Inquiry(verb=VMS, text="a*b")),
        ("points vm01", Inquiry(verb=POINTS, text="vm01")),
        ('recovery-points "app server 03"', Inquiry(verb=POINTS, text="app server 03")),
        ("chart RPO", Inquiry(verb=CHART, text="rpo")),
        ("audit", Inquiry(verb=AUDIT)),
        ("audit since 7d", Inquiry(verb=AUDIT, since="7d")),
        ("audit vm01 SINCE 2026-11-01", Inquiry(verb=AUDIT, text="vm01", since="2026-11-01")),
        ('audit "ever since" since 1h', Inquiry(verb=AUDIT, text="ever since", since="1h")),
        ("audit &lt;!channel&gt;", Inquiry(verb=AUDIT, text="<!channel>")),
        ("audit <@U0BOB|bob> since 1w", Inquiry(verb=AUDIT, text="U0BOB", since="1w")),
    ],
)
def test_questions_are_read(text: str, expected: Inquiry) -> None:
    order = parse.cloudy(text)
    assert (order.verb, order.inquiry) == (expected.verb, expected)
    assert parse.cloudy(asked.written(expected).removeprefix("/cloudy ")).inquiry == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("points", "Say which VM"),
        ("audit since", "Say since when"),
        ("chart", "Say which chart"),
        ("chart vms", "Say which chart"),
        ("audit vm01 since yesterday", "is no time"),
        ("audit since 2026-13-01", "is no time"),
        ("vms *a*b*c*d*e*f*", "At most 5 stars"),
        (f"vms {'x' * 256}", "longer than 255"),
    ],
)
def test_what_is_not_understood_is_said_with_the_usage(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        parse.cloudy(text)
    assert caught.value.usage


def test_since_counts_back_from_now_or_is_a_day() -> None:
    assert Inquiry(verb=AUDIT).begins(NOW) is None
    assert Inquiry(verb=AUDIT, since="7d").begins(NOW) == NOW - timedelta(days=7)
    assert Inquiry(verb=AUDIT, since="2026-11-01").begins(NOW) == datetime(2026, 11, 1, tzinfo=UTC)


@given(st.sampled_from([VMS, POINTS, AUDIT]), st.text(max_size=300), st.integers(0, 10_000_000))
def test_any_text_is_a_question_or_a_usage_error_and_a_button_gives_it_back(verb: str, text: str, offset: int) -> None:
    try:
        inquiry = asked.inquiry(verb, text)
    except UsageError:
        return
    value = asked.button_value(inquiry)
    with suppress(UnicodeEncodeError):  # half a character, which no JSON from Slack has
        assert len(value.encode("utf-16-le")) // 2 <= 2000
    assert asked.of_button(value) == inquiry
    assert asked.of_json(asked.to_json(inquiry) | {"offset": offset}).offset == offset


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda of: st.lists(of) | st.dictionaries(st.text(), of)
)


@given(
    _JSON
    | st.fixed_dictionaries({"verb": st.sampled_from([VMS, "x"]), "offset": st.integers()}, optional={"text": _JSON})
)
def test_whatever_a_button_says_is_a_question_or_a_usage_error(told: Any) -> None:
    with suppress(UsageError):
        assert asked.of_json(told).verb in (VMS, POINTS, AUDIT)


@given(st.text())
def test_any_text_in_a_button_is_a_question_or_a_usage_error(value: str) -> None:
    with suppress(UsageError):
        asked.of_button(value)


@given(
    st.lists(st.tuples(st.text(max_size=400), st.text(max_size=400)), max_size=120),
    st.lists(st.text(max_size=300), max_size=3),
)
def test_a_table_stays_within_slacks_limits_at_every_level(rows: list[tuple[str, str]], lines: list[str]) -> None:
    turns = (Turn(label="Next", action_id="cloudy.page.next", value="x"),)
    table = Table(kind="vms", title="VMs", columns=("A", "B"), rows=tuple(rows), lines=tuple(lines), turns=turns)
    for level in (1, 2, 3):
        drawn = tables.draw(table, level)
        assert 0 < len(drawn.text.encode("utf-16-le", "replace")) // 2 <= 4000
        assert len(drawn.blocks) <= 50
        kinds = [block["type"] for block in drawn.blocks]
        assert kinds.count("table") == (level == 3 and bool(rows))
        assert ("actions" in kinds) == (level > 1)
        for block in drawn.blocks:
            if block["type"] == "section":
                assert 0 < len(block["text"]["text"]) <= 3000
            if block["type"] == "table":
                cells = [cell["text"] for row in block["rows"] for cell in row]
                assert len(block["rows"]) <= 100
                assert sum(map(len, cells)) <= 10_000
                assert all(cells)
    assert len({block["block_id"] for block in tables.draw(table).blocks}) == len(tables.draw(table).blocks)
