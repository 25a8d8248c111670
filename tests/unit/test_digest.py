"""A digest: what is named and what is counted, the forecast, the words, and that it fits what Slack takes."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import digest, digest_vms
from bot.digest_vms import House
from bot.model import (
    Act,
    Chapter,
    ConcernKind,
    Digest,
    DigestLine,
    Drilled,
    Fit,
    InTarget,
    Protection,
    Ran,
    SeenVm,
    Sla,
    Span,
    Standing,
    Stored,
    Tally,
    Topic,
    Trouble,
)
from handlers import blocks, digestcards
from integrations.simulators.slack.blocks import problems_of

NOW = datetime(2026, 11, 26, 7, 0, tzinfo=UTC)
HOSTILE = (
    "<!channel>",
    "*bold* _it_ `x`",
    "<@U0ALICE> & co",
    "a\u202eb",
    "\U0001f4a3" * 130,
    "x" * 300,
    "",
    "\n\n-\x00",
)


def standing(
    name: str,
    *troubles: Trouble,
    protection: Protection = Protection.PROTECTED,
    late_h: int = 0,
    targets: tuple[str, ...] = (),
) -> Standing:
    late = timedelta(hours=late_h) if late_h else None
    return Standing(
        vm=SeenVm(uuid=f"u-{name}", name=name, vmstore="vmstore", seen_at=NOW),
        fit=Fit(sla=Sla(name="default", targets=targets)),
        protection=protection,
        newest=None if protection is Protection.NEVER else NOW - timedelta(hours=24 + late_h),
        targets=tuple(InTarget(target=t, late_by=late, is_late=bool(late)) for t in targets or ("",)),
        troubles=troubles,
        proven_at=NOW - timedelta(days=6),
    )


def late(name: str, hours: int) -> Standing:
    return standing(name, Trouble.LATE, protection=Protection.LATE, late_h=hours)


def made(*standings: Standing, **more: object) -> Digest:
    house = House(now=NOW, targets=("s3", "azure"), **more)  # type: ignore[arg-type]
    found = digest_vms.of_vms(standings, house)
    return Digest(
        span=Span.DAY,
        since=NOW - timedelta(days=1),
        until=NOW,
        tally=found.tally,
        rpo=found.rpo,
        oldest_proof=found.oldest_proof,
        unproven=found.unproven,
        chapters=digest.bounded(found.chapters),
    )


# --- what is said ---


def test_when_all_is_well_one_sentence_says_it() -> None:
    told = made(*(standing(f"vm{i}") for i in range(214)))
    assert digest.headline(told) == "All 214 VMs within RPO (1d); oldest proof 6 days."
    assert told.is_well
    card = digestcards.card(told)
    assert (card.mark, card.matters, len(card.lines)) == ("✅", (), 2)


def test_the_worst_are_named_and_all_are_counted() -> None:
    told = made(*(late(f"vm{i}", i + 1) for i in range(40)), standing("well"))
    (chapter,) = told.chapters
    assert (chapter.topic, chapter.total, len(chapter.lines)) == (Topic.LATE, 40, digest.MOST_LINES)
    assert chapter.lines[0].title == "vm39 on vmstore"
    assert chapter.lines[0].words.startswith("late by 40 h; newest recovery point")
    assert digest.rest(chapter) == "… and 30 more: /cloudy vms late"
    assert digest.headline(told).startswith("1 of 41 VMs within RPO (1d); 40 late; oldest proof 6 days")


def test_what_was_snoozed_is_not_named_and_is_counted() -> None:
    told = made(late("vm1", 3), late("vm2", 2), snoozed=frozenset({(ConcernKind.RPO, "u-vm1")}))
    (chapter,) = told.chapters
    assert [line.title for line in chapter.lines] == ["vm2 on vmstore"]
    assert (chapter.total, chapter.snoozed) == (1, 1)
    assert digest.closing(told) == ("1 snoozed",)


def test_a_snooze_of_one_trouble_does_not_hide_another_kind_of_it() -> None:
    both = standing("vm1", Trouble.LATE, Trouble.NEVER_PROVEN, protection=Protection.LATE, late_h=2)
    told = made(both, snoozed=frozenset({(ConcernKind.PROOF, "u-vm1")}))
    assert [(each.topic, each.total, each.snoozed) for each in told.chapters] == [
        (Topic.LATE, 1, 0), (Topic.UNPROVEN, 0, 1),
    ]  # fmt: skip


def test_a_snoozed_missing_schedule_does_not_hide_that_the_vm_is_late() -> None:
    snoozed = frozenset({(ConcernKind.COVER, "u-vm1")})
    alone = made(standing("vm1", Trouble.UNSCHEDULED), snoozed=snoozed)
    assert [(each.topic, each.total, each.snoozed) for each in alone.chapters] == [(Topic.UNSCHEDULED, 0, 1)]
    both = standing("vm1", Trouble.LATE, Trouble.UNSCHEDULED, protection=Protection.LATE, late_h=2)
    assert [(each.topic, each.total) for each in made(both, snoozed=snoozed).chapters] == [(Topic.LATE, 1)]


def test_a_vm_is_told_of_once_for_each_kind_of_concern() -> None:
    told = made(
        standing("vm1", Trouble.LATE, Trouble.FAILING, Trouble.UNSCHEDULED, protection=Protection.LATE, late_h=1)
    )
    assert [chapter.topic for chapter in told.chapters] == [Topic.FAILING]


def test_exempt_vms_are_no_part_of_it() -> None:
    exempt = Standing(
        vm=SeenVm(uuid="u", name="scratch", vmstore="vmstore", seen_at=NOW),
        fit=Fit(sla=Sla(name="none", is_exempt=True)),
        protection=Protection.NEVER,
    )
    assert made(exempt).tally.total == 0


def test_a_promised_target_is_protected_to_at_once_and_without_one_a_form_asks() -> None:
    promised = standing("a", Trouble.LATE, protection=Protection.LATE, late_h=1, targets=("s3", "gone"))
    asked = made(promised, late("b", 1)).chapters[0].lines
    assert [(line.act, line.targets) for line in asked] == [(Act.PROTECT, ("s3",)), (Act.CHOOSE, ())]


def test_a_drill_is_offered_only_where_something_can_start_vms() -> None:
    one = standing("a", Trouble.NEVER_PROVEN)
    assert made(one).chapters[0].lines[0].act is None
    assert made(one, drillable=frozenset({"vmstore"})).chapters[0].lines[0].act is Act.DRILL


def test_each_topic_gets_some_lines_before_the_most_urgent_gets_the_rest() -> None:
    def chapter(topic: Topic, number: int) -> Chapter:
        lines = tuple(DigestLine(kind=ConcernKind.RPO, id=f"{i}", title="") for i in range(number))
        return Chapter(topic=topic, total=number, lines=lines)

    told = digest.bounded([chapter(Topic.GROWTH, 9), chapter(Topic.LATE, 9), chapter(Topic.FAILED, 1)])
    assert [(each.topic, len(each.lines)) for each in told] == [
        (Topic.FAILED, 1), (Topic.LATE, 6), (Topic.GROWTH, 3),
    ]  # fmt: skip


def test_what_was_done_stands_on_its_line_in_place_of_the_buttons() -> None:
    told = digest.answered(made(late("vm1", 1), late("vm2", 2)), "rpo:u-vm1", "snoozed by bob")
    entries = digestcards.card(told).matters[0].entries
    assert [(entry.text.rpartition(" → ")[2], bool(entry.keys)) for entry in entries if "→" in entry.text] == [
        ("snoozed by bob", False)
    ]


def test_a_view_is_read_back_as_it_was_and_one_of_another_version_says_its_text() -> None:
    told = made(late("vm1", 1))
    view = json.loads(json.dumps(digest.view(told)))
    assert digest.of_view(view) == told
    strange = view | {"digest": {"from": "the future"}}
    assert "1 VM is late" in blocks.render(strange).text


# --- the forecast ---


def days(values: list[int]) -> list[tuple[date, int]]:
    return [(NOW.date() - timedelta(days=len(values) - 1 - i), value) for i, value in enumerate(values)]


def test_a_straight_line_goes_on() -> None:
    assert digest.forecast(days([100 + 10 * i for i in range(31)]), NOW.date()) == (30, 100 + 10 * 60)


def test_a_week_of_measures_is_needed() -> None:
    assert digest.forecast(days([1] * 7), NOW.date()) == (6, None)
    assert digest.forecast(days([1] * 8), NOW.date()) == (7, 1)
    assert digest.forecast([], NOW.date()) == (0, None)


def test_what_shrinks_is_never_foreseen_below_nothing_and_older_measures_do_not_count() -> None:
    assert digest.forecast(days([1000 - 100 * i for i in range(10)]), NOW.date())[1] == 0
    assert digest.forecast(days([10**9] * 60 + [5] * 31), NOW.date()) == (30, 5)


@given(st.lists(st.integers(0, 1 << 50), max_size=60))
def test_a_forecast_is_a_number_whatever_was_measured(values: list[int]) -> None:
    _, foreseen = digest.forecast(days(values), NOW.date())
    assert foreseen is None or foreseen >= 0


# --- the limits ---

NAMES = st.sampled_from(HOSTILE) | st.text(max_size=260)
LINES = st.builds(
    DigestLine,
    kind=st.sampled_from(ConcernKind),
    id=st.text(min_size=1, max_size=60),
    title=NAMES,
    words=NAMES,
    act=st.none() | st.sampled_from(Act),
    vm=NAMES,
    targets=st.lists(NAMES, max_size=9).map(tuple),
    assigned=st.just("") | NAMES,
    may_snooze=st.booleans(),
    answer=st.just("") | NAMES,
).map(digest.line_of)
CHAPTERS = st.builds(
    Chapter,
    topic=st.sampled_from(Topic),
    total=st.integers(0, 5000),
    lines=st.lists(LINES, max_size=14).map(tuple),
    snoozed=st.integers(0, 5000),
    more=st.sampled_from(["", "/cloudy vms late"]),
)
AMOUNTS = st.none() | st.floats(0, 1e9)
STORED = st.builds(
    Stored,
    target=NAMES,
    size=st.integers(0, 1 << 60),
    points=st.integers(0, 10**7),
    days=st.integers(0, 30),
    foreseen=st.none() | st.integers(0, 1 << 60),
    month=AMOUNTS,
    foreseen_month=AMOUNTS,
    currency=st.just("USD"),
)
DIGESTS = st.builds(
    Digest,
    span=st.sampled_from(Span),
    since=st.just(NOW),
    until=st.just(NOW),
    tally=st.builds(Tally, protected=st.integers(0, 5000), late=st.integers(0, 5000), never=st.integers(0, 5000)),
    owner=st.sampled_from(["", "U0BOB"]),
    rpo=st.sampled_from(["", "24h"]),
    oldest_proof=st.none() | st.timedeltas(timedelta(0), timedelta(days=4000)),
    unproven=st.integers(0, 5000),
    ran=st.lists(
        st.builds(Ran, workflow=NAMES, well=st.integers(0, 10**6), failed=st.integers(0, 10**6)), max_size=9
    ).map(tuple),
    read=st.integers(0, 1 << 60),
    sent=st.integers(0, 1 << 60),
    drilled=st.builds(
        Drilled, well=st.integers(0, 999), failed=st.integers(0, 999), median_s=AMOUNTS, slowest_s=AMOUNTS
    ),
    stored=st.lists(STORED, max_size=40).map(tuple),
    chapters=st.lists(CHAPTERS, max_size=14, unique_by=lambda each: each.topic).map(digest.bounded),
    troubles=st.lists(NAMES, max_size=20).map(tuple),
)


@settings(deadline=None, max_examples=40)
@given(DIGESTS)
def test_whatever_it_tells_fits_and_nothing_of_it_is_cut_off_by_the_message(told: Digest) -> None:
    for level in (blocks.PLAN, blocks.SECTIONS, blocks.TEXT):
        drawn = blocks.render(digest.view(told), level)
        assert 0 < len(drawn.text.encode("utf-16-le")) // 2 < 4000
        assert len(drawn.blocks) <= 50
        assert "more than one message can show" not in json.dumps(drawn.blocks)
        assert problems_of(list(drawn.blocks)) == []
        for block in drawn.blocks:
            assert len(block.get("text", {}).get("text", "")) <= 3000


@settings(deadline=None, max_examples=20)
@given(DIGESTS)
def test_every_line_without_an_answer_has_a_button_and_no_button_more_than_slack_takes(told: Digest) -> None:
    for matter, chapter in zip(
        digestcards.card(told).matters, [each for each in told.chapters if each.total], strict=True
    ):
        for entry, line in zip(matter.entries, chapter.lines, strict=True):
            assert bool(entry.keys) != bool(line.answer)
            assert all(0 < len(key.value) <= 2000 for key in entry.keys)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_pings_nobody_and_formats_nothing(name: str) -> None:
    text = blocks.render(digest.view(made(late(name, 1)))).text
    assert "<!" not in text
    assert "<@" not in text


@settings(deadline=None, max_examples=12)
@given(st.lists(NAMES, min_size=1, max_size=30), st.integers(1, 5000), st.data())
def test_any_number_of_vms_of_any_names_is_one_message(names: list[str], number: int, data: st.DataObject) -> None:
    troubles = data.draw(st.lists(st.sampled_from(Trouble), unique=True))
    kinds = [standing(name, *troubles, protection=data.draw(st.sampled_from(Protection))) for name in names]
    drawn = blocks.render(digest.view(made(*(kinds[i % len(kinds)] for i in range(number)))))
    assert len(drawn.blocks) <= 50
    assert len(drawn.text) < 4000
    assert problems_of(list(drawn.blocks)) == []


def test_five_thousand_late_vms_are_one_message() -> None:
    told = made(*(late(f"{HOSTILE[i % len(HOSTILE)]}{i}", i % 90 + 1) for i in range(5000)))
    drawn = blocks.render(digest.view(told))
    assert "5,000 VMs are late" in drawn.text
    assert len(drawn.blocks) <= 50
