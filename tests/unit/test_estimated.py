"""The words of estimates: short, never more exact than what is known, and beside what came of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot import estimated, story
from bot.codec import encode
from bot.model import (
    Actor,
    Bytes,
    Carried,
    Cost,
    Estimate,
    Guess,
    Price,
    Requests,
    State,
    Step,
    Transaction,
)
from bot.words import money_text, rough_text
from handlers import blocks

MIB, GIB = 1 << 20, 1 << 30
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


def about(value: int) -> Guess:
    return Guess(low=value, high=value, likely=value)


KNOWN = Estimate(
    rests_on="3 runs before",
    read=about(GIB),
    sent=about(16 * MIB),
    copied=about(154 * MIB),
    zero=about(854 * MIB),
    requests=about(100),
    seconds=about(62),
    once=(Cost(currency="USD", low=0.0005, high=0.0005, likely=0.0005),),
    month=(Cost(currency="USD", low=0.92, high=0.92, likely=0.92),),
    month_in_all=(Cost(currency="USD", low=6.44, high=6.44, likely=6.44),),
    prices={"s3": Price(storage=0.023, write=0.005, read=0.0004)},
)
UNKNOWN = Estimate(rests_on="nothing known", unpriced=("s3",))


def ended(estimate: Estimate | None, *, sent: int = 18 * MIB, seconds: float = 70) -> Transaction:
    carried = Carried(sent=sent, copied=154 * MIB, zero=40 * GIB)
    return Transaction(
        id="20261123T142233Z-7f3k9q",
        workflow="protect",
        vm="vm01",
        targets=("s3",),
        actor=Actor(id="U1", name="alice", source="slack"),
        state=State.SUCCEEDED,
        created_at=AT,
        request_key="r",
        plan={
            **({"estimate": encode(estimate)} if estimate else {}),
            "requests": {"s3": encode(Requests(writes=1000, reads=10))},
        },
        started_at=AT,
        ended_at=AT + timedelta(seconds=seconds),
        bytes=Bytes(read=GIB, sent=sent, targets={"s3": carried}),
    )


def test_the_first_message_has_one_short_line() -> None:
    assert estimated.line(KNOWN) == "about 16 MiB sent, about 1 min, about 0.92 USD a month (3 runs before)"
    assert estimated.line(UNKNOWN) == ""
    running = replace(ended(KNOWN), state=State.QUEUED)
    assert ["Estimate", estimated.line(KNOWN)] in story.root(running, ())["facts"]
    assert "Estimate" not in dict(story.root(ended(KNOWN), ())["facts"])  # the receipt has it


def test_the_card_tells_bytes_time_and_money_and_that_each_is_a_whole_copy() -> None:
    assert estimated.moves(KNOWN) == (
        "about 1.0 GiB read, about 16 MiB sent, about 154 MiB copied in the store, about 854 MiB zeros never sent;"
        " rests on: 3 runs before"
    )
    assert estimated.time(KNOWN) == "about 1 min"
    assert estimated.price(KNOWN) == (
        "about 0.92 USD more a month; requests less than 0.01 USD, once;"
        " each recovery point is a whole copy: with those that are there about 6.44 USD a month"
    )


def test_what_is_unknown_is_said_as_unknown() -> None:
    assert estimated.moves(UNKNOWN) == "unknown: nothing known"
    assert estimated.time(UNKNOWN) == "unknown"
    assert estimated.price(UNKNOWN) == "unknown for s3: no prices are configured"
    assert estimated.price(replace(UNKNOWN, unpriced=())) == "unknown: the size is not known"


def test_of_a_target_whose_requests_alone_have_a_price_the_rest_is_said_to_be_unknown() -> None:
    told = estimated.price(replace(KNOWN, month=(), month_in_all=(), prices={"s3": Price(write=0.005)}))
    assert told.endswith(", once; storage price unknown for s3")


def test_a_list_price_is_called_one() -> None:
    listed = replace(KNOWN, prices={"s3": Price(storage=0.023, listed="AWS, S3 Standard, us-east-1, 2026-11")})
    assert "list price (AWS, S3 Standard, us-east-1, 2026-11)" in estimated.price(listed)


def test_limits_are_told_as_limits_and_what_varies_as_a_range() -> None:
    wide = replace(KNOWN, sent=Guess(low=0, high=GIB), seconds=Guess(low=30, high=600, likely=90), month=())
    assert estimated.line(wide) == "at most 1.0 GiB sent, 30 s to 10 min (3 runs before)"
    limits = replace(wide, seconds=Guess(low=0, high=600))
    assert estimated.line(limits) == "at most 1.0 GiB sent, up to about 10 min (3 runs before)"
    assert estimated.beside_fact(ended(limits)).endswith("was 18 MiB sent, 1 min 10 s")
    near = replace(wide, sent=Guess(low=15 * MIB, high=17 * MIB, likely=16 * MIB), seconds=None)
    assert estimated.line(near) == "about 16 MiB sent (3 runs before)"


@pytest.mark.parametrize(
    ("sent", "seconds", "end"),
    [
        (16, 62, "and so it was"),
        (18, 70, "and so it was"),
        (900, 62, "was 900 MiB sent, 1 min 2 s"),
        (16, 4000, "was 16 MiB sent, 1 h 6 min"),
    ],
)
def test_the_receipt_tells_the_fact_beside_the_estimate_where_it_is_another(
    sent: int, seconds: float, end: str
) -> None:
    said = estimated.beside_fact(ended(KNOWN, sent=sent * MIB, seconds=seconds))
    assert said == f"about 16 MiB sent, about 1 min; {end}"


def test_without_an_estimate_the_receipt_says_nothing_of_one() -> None:
    for transaction in (ended(None), ended(UNKNOWN)):
        facts = dict(story.receipt(transaction, [Step(id="snapshot", title="Snapshot", position=0)])["facts"])
        assert not {"Estimated", "Costs"} & facts.keys()
    assert estimated.as_json(ended(None)) is None


def test_the_receipt_tells_what_it_really_costs() -> None:
    facts = dict(story.receipt(ended(KNOWN), [Step(id="snapshot", title="Snapshot", position=0)])["facts"])
    assert facts["Costs"] == (
        "about 0.92 USD more a month: each recovery point is a whole copy; requests less than 0.01 USD, once"
    )


def test_json_has_guesses_and_facts() -> None:
    told = estimated.as_json(ended(KNOWN)) or {}
    assert told["sent"] == {"low": 16 * MIB, "likely": 16 * MIB, "high": 16 * MIB}
    assert told["fact"]["requests"] == 1010
    assert told["fact"]["seconds"] == 70
    assert told["fact"]["month"]["USD"] == pytest.approx(0.923, abs=0.01)
    assert (estimated.as_json(ended(UNKNOWN)) or {})["sent"] is None


def test_what_an_unknown_version_kept_is_no_estimate() -> None:
    assert estimated.of(replace(ended(None), plan={"estimate": {"rests": "on nothing"}})) is None


@pytest.mark.parametrize("kept", [{"s3": {"writes": None}}, {"s3": 5}, [], None, ["s3"]])
def test_counts_that_an_unknown_version_kept_are_none(kept: object) -> None:
    assert estimated.requests_of(replace(ended(KNOWN), plan={"requests": kept})) == {}


def test_numbers_are_told_as_roughly_as_they_are_known() -> None:
    assert [rough_text(each) for each in (0, 3, 44, 58, 200, 3599, 4900, 7200)] == [
        "10 s", "10 s", "40 s", "1 min", "3 min", "1 h", "1 h 20 min", "2 h",
    ]  # fmt: skip
    assert [money_text(each, "USD") for each in (0.0, 0.004, 0.923, 99.5, 1840.4)] == [
        "0.00 USD", "less than 0.01 USD", "0.92 USD", "99.50 USD", "1,840 USD",
    ]  # fmt: skip


def test_a_card_with_many_targets_stays_within_the_limits_of_a_message() -> None:
    names = tuple(f"target-{'x' * 60}-{n}" for n in range(40))
    many = replace(
        KNOWN, rests_on="; ".join(f"{name}: first run: sizes of the disks" for name in names), unpriced=names
    )
    view = {"kind": "approval", "state": "pending", "title": "x", "facts": [
        ["Estimate", estimated.moves(many)], ["Time", estimated.time(many)], ["Price", estimated.price(many)],
    ]}  # fmt: skip
    for level in (1, 2, 3):
        drawn = blocks.render(view, level)
        assert len(drawn.text) <= 4000
        for block in drawn.blocks:
            for field in block.get("fields", ()):
                assert len(field["text"]) <= 2000
