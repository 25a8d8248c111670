"""What follows `/schedule`, read and written, and how schedules are drawn."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UsageError
from bot.model import (
    Actor,
    CatchUp,
    Fire,
    FireState,
    Schedule,
    ScheduleLine,
    ScheduleRequest,
    ScheduleState,
    State,
)
from bot.recurrence import EXAMPLES, parse
from handlers import blocks, scheduleforms, schedulelists, scheduleviews, scheduling
from handlers.parse import cloudy, schedule
from handlers.schedulelists import Asked, Listing
from handlers.scheduling import Act
from integrations.simulators.slack.blocks import problems_of, view_problems

NOW = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)


def asked(text: str) -> ScheduleRequest:
    found = schedule(text).asked
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "protect vm01 to s3 every day at 02:00",
            ScheduleRequest(workflow="protect", vms=("vm01",), targets=("s3",), recurrence="every day at 02:00"),
        ),
        (
            "protect @web, db* and VMstore1/vm01 to s3 and azure every 4 hours",
            ScheduleRequest(
                workflow="protect",
                vms=("@web", "db*", "VMstore1/vm01"),
                targets=("s3", "azure"),
                recurrence="every 4 hours",
            ),
        ),
        (
            'protect "app server 03", "every" to s3, keep for 30d weekdays at 22:30 Europe/Berlin within 2h',
            ScheduleRequest(
                workflow="protect",
                vms=("app server 03", "every"),
                targets=("s3",),
                recurrence="weekdays at 22:30 Europe/Berlin within 2h",
                options={"keep_for": "P30D"},
            ),
        ),
        (
            'protect vm01 to s3 vm-consistent every monday, friday at 01:00 note "a, b" catch up all grace 6h',
            ScheduleRequest(
                workflow="protect",
                vms=("vm01",),
                targets=("s3",),
                recurrence="every monday, friday at 01:00",
                options={"consistency": "vm", "note": "a, b"},
                catch_up=CatchUp.ALL,
                grace=timedelta(hours=6),
            ),
        ),
        (
            "verify vm01, vm02 from s3 deep on the last friday",
            ScheduleRequest(
                workflow="verify",
                vms=("vm01", "vm02"),
                targets=("s3",),
                recurrence="on the last friday",
                options={"deep": True},
            ),
        ),
        (
            "verify vm01 from 2026-12-01 daily",
            ScheduleRequest(workflow="verify", vms=("vm01",), recurrence="from 2026-12-01 daily"),
        ),
        ("drill next daily at 03:00", ScheduleRequest(workflow="drill", recurrence="daily at 03:00")),
        (
            "drill vm01 to vmstore2 from s3 monthly",
            ScheduleRequest(
                workflow="drill", vms=("vm01",), targets=("s3",), recurrence="monthly", options={"vmstore": "vmstore2"}
            ),
        ),
        ("summary weekdays at 08:00", ScheduleRequest(workflow="summary", recurrence="weekdays at 08:00")),
        (
            "summary week weekly on monday at 8am",
            ScheduleRequest(workflow="summary", recurrence="weekly on monday at 8am", options={"period": "week"}),
        ),
        ("expire daily at 04:00", ScheduleRequest(workflow="expire", recurrence="daily at 04:00")),
    ],
)
def test_what_starts_and_when_is_read_and_written_again(text: str, expected: ScheduleRequest) -> None:
    found = asked(text)
    assert found == expected
    assert asked(scheduling.written(found)) == found
    assert cloudy(f"schedule {text}").scheduling == schedule(text)


_NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12).filter(
    lambda name: not set(name) & set('"“”„‟') and "<" not in name and ">" not in name and "&" not in name
)


@given(
    st.lists(_NAMES, min_size=1, max_size=3, unique=True),
    st.lists(_NAMES, min_size=1, max_size=3, unique=True),
    st.sampled_from(EXAMPLES),
    st.sampled_from(({}, {"keep_for": "P7D"}, {"consistency": "vm", "note": "why not"})),
)
def test_any_names_are_written_so_that_they_are_read_again(
    vms: list[str], targets: list[str], phrase: str, options: dict[str, str]
) -> None:
    request = ScheduleRequest(
        workflow="protect", vms=tuple(vms), targets=tuple(targets), recurrence=phrase, options=options
    )
    assert asked(scheduling.written(request)) == request


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_phrase_that_is_understood_is_so_behind_a_protect(example: str) -> None:
    found = schedule(f"protect vm01 to s3 and azure {example}")
    assert found.request("Europe/Berlin").recurrence == str(parse(example, "Europe/Berlin"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Say what is to start"),
        ("protct vm01 to s3 daily", "Did you mean protect?"),
        ("backup vm01 to s3 daily", "There are: protect, verify, drill, summary, expire"),
        ("protect vm01 daily", "the word “to” is missing"),
        ("protect to s3 daily", "Say which VM"),
        ("protect vm01 to daily", "Say which target"),
        ("protect vm01 to s3 every dya", "The nearest that I understand: every day"),
        ("protect vm01 to s3 keep for ever and ever daily", ""),
        ('protect vm01 to s3 "every day"', "in quotes"),
        ("protect vm01 to s3 daily catch up some", "all, latest, none"),
        ("protect vm01 to s3 daily grace long", "grace 6h"),
        ("drill vm01 to a, b daily", "goes to one VMstore"),
        ("pause", "Say which schedule to pause"),
        ("pause abc tomorrow", "until 2026-12-24"),
        ("resume abc now", "takes nothing after it"),
        ("edit abc", "/schedule edit abc every day at 03:00"),
        ("edit abc every dya", "The nearest that I understand: every day"),
        ("every day at 02:00 protect vm01 to s3", "Say what first, and then when"),
        ("2am protect vm01", "Say what first, and then when"),
        ("protect vm01 to s3 daily from 9999-12-31", "“from 9999-12-31” is not understood"),
        ("protect vm01 to s3 daily from 0001-01-01", "“from 0001-01-01” is not understood"),
        ("pause abc until 9999-12-31", "until 2026-12-24"),
        ("protect vm01 to s3 daily at 02:00 localtime", "“localtime” is not understood"),
    ],
)
def test_what_is_not_understood_is_told(text: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        schedule(text)
    assert words in raised.value.message


def test_an_edit_may_say_only_when() -> None:
    order = schedule("edit abc weekdays at 22:30 Europe/Berlin")
    before = asked("protect vm01 to s3 daily keep for 30d grace 6h")
    assert order.changed(before).asked == replace(before, recurrence="weekdays at 22:30 Europe/Berlin")
    whole = schedule("edit abc verify vm02 weekly")
    assert whole.changed(before) == whole


def test_catch_up_may_be_one_word() -> None:
    for said in ("catch up all", "catch-up all", "catchup all"):
        assert asked(f"protect vm01 to s3 daily {said}").catch_up is CatchUp.ALL


def test_a_weekly_summary_is_of_the_week() -> None:
    assert asked("summary weekly on monday at 07:00").options == {"period": "week"}
    assert asked("summary day weekly on monday").options == {"period": "day"}
    assert asked("summary daily at 07:00").options == {}


def test_a_pause_may_say_its_days_in_words() -> None:
    assert schedule("pause abc for 3 days because of a move").ends(NOW, "UTC") == NOW + timedelta(days=3)


def test_a_pause_ends_when_it_says() -> None:
    until = schedule("pause abc until 2026-12-24 06:30 because of a move, say")
    assert (until.act, until.id, until.why) == (Act.PAUSE, "abc", "of a move, say")
    assert until.ends(NOW, "Europe/Berlin") == datetime(2026, 12, 24, 5, 30, tzinfo=UTC)
    assert schedule("pause abc for 3d").ends(NOW, "UTC") == NOW + timedelta(days=3)
    assert schedule("pause abc").ends(NOW, "UTC") is None


# --- drawn ---


def line(number: int = 1, **changes: object) -> ScheduleLine:
    made = Schedule(
        id=f"7f3k{number:02}",
        asked=ScheduleRequest(
            workflow="protect", vms=("<!here> *web*",), targets=("s3",), recurrence="every day at 02:00 Europe/Berlin"
        ),
        owner=Actor(id="U1", name="_alice_", source="slack"),
        created_at=NOW,
        looked_until=NOW,
        request_key=f"k{number}",
    )
    fire = Fire(schedule=made.id, at=NOW - timedelta(hours=8), state=FireState.STARTED, decided_at=NOW, started=3)
    return ScheduleLine(
        schedule=replace(made, **changes),  # type: ignore[arg-type]
        next=(NOW + timedelta(hours=15), NOW + timedelta(hours=39)),
        last=fire,
        results={State.SUCCEEDED: 2, State.FAILED: 1},
    )


def test_times_are_told_by_the_readers_clock_and_names_format_nothing() -> None:
    drawn = schedulelists.draw(Listing(title="Schedules: 1", lines=(line(),), changeable=frozenset({"7f3k01"})))
    said = drawn.blocks[2]["text"]["text"]
    assert (
        f"Next <!date^{int((NOW + timedelta(hours=15)).timestamp())}^{{date_short}} {{time}}|2026-11-27 01:00 UTC>"
        in said
    )
    assert "3 started; 2 succeeded, 1 failed" in said
    assert "<!here>" not in said + drawn.text
    assert "*web*" not in said + drawn.text
    assert "_alice_" not in said + drawn.text


def test_delete_asks_first_and_of_cloudys_own_there_is_none() -> None:
    (delete,) = [each for each in _buttons(line()) if each["text"]["text"] == "Delete"]
    assert delete["confirm"]["title"]["text"] == "Delete it?"
    own = line(owner=Actor(id="cloudy", name="cloudy", source="schedule"))
    assert [each["text"]["text"] for each in _buttons(own)] == ["Pause", "Run now", "Skip next", "Edit"]
    suspended = line(state=ScheduleState.SUSPENDED, why="bob lost the right")
    assert [each["text"]["text"] for each in _buttons(suspended)] == ["Resume", "Skip next", "Edit", "Delete"]


def _buttons(one: ScheduleLine) -> list[dict[str, Any]]:
    listing = Listing(title="x", lines=(one,), changeable=frozenset({one.schedule.id}))
    return [
        each for block in schedulelists.draw(listing).blocks if block["type"] == "actions" for each in block["elements"]
    ]


@pytest.mark.parametrize("level", [blocks.PLAN, blocks.SECTIONS, blocks.TEXT])
def test_a_page_of_the_longest_schedules_is_within_slacks_limits(level: int) -> None:
    long = ScheduleRequest(
        workflow="protect", vms=tuple(f"a very long name of a VM *{n}* <x>" for n in range(100)), targets=("s3",) * 50,
        recurrence="every day at 02:00 Europe/Berlin",
    )  # fmt: skip
    lines = tuple(
        replace(line(n, asked=long, state=ScheduleState.PAUSED, why="x" * 3000), skips=(NOW,) * 60)
        for n in range(schedulelists.PAGE)
    )
    listing = Listing(
        title="t" * 500, said=("s" * 5000,) * 3, lines=lines, changeable=frozenset(each.schedule.id for each in lines),
        asked=Asked(text="x" * 100, offset=8), total=100,
    )  # fmt: skip
    drawn = schedulelists.draw(listing, level)
    assert len(drawn.text) <= 4000
    assert len(drawn.blocks) <= 50
    assert problems_of(list(drawn.blocks)) == []
    for block in drawn.blocks:
        said = (block.get("text") or {}).get("text", "")
        assert said.count("<!date^") == said.count("UTC>")  # none is cut in two


def test_a_button_says_again_what_it_says_and_a_made_up_one_is_refused() -> None:
    value = Asked(id="7f3k9q", text="web “1”", offset=16)
    for each in (value, replace(value, at=datetime(2026, 11, 26, 2, tzinfo=UTC))):
        assert schedulelists.of_button(schedulelists.button_value(each)) == each
    for bad in (
        "",
        "{}",
        '{"id": 1, "text": "", "offset": 0}',
        '{"id": "", "text": "", "offset": -1}',
        '{"id": "", "text": "", "offset": 0, "at": "x"}',
        "[" * 3000,
    ):
        with pytest.raises(UsageError, match="not understood any more"):
            schedulelists.of_button(bad)


def test_the_form_and_its_preview_are_what_slack_takes() -> None:
    form = scheduleviews.ScheduleForm(
        targets=tuple(f"target{n}" for n in range(120)), memo=json.dumps({"channel": "C1", "schedule": "7f3k9q"}),
        where="Its progress comes here.", zone="Europe/Berlin", id="7f3k9q", asked=line().schedule.asked,
        preview=scheduleviews.preview("every day at 02:30", "Europe/Berlin", datetime(2026, 10, 23, 12, tzinfo=UTC)),
    )  # fmt: skip
    view = scheduleviews.draw(form)
    assert view_problems(view) == []
    shown = next(block for block in view["blocks"] if block["block_id"] == scheduleviews.PREVIEW)["elements"][0]["text"]
    assert "Sun 2026-10-25 02:30 in Europe/Berlin" in shown
    assert shown.count("<!date^") == scheduleviews.NEXT_TIMES
    other = scheduleviews.preview("evry day", "Europe/Berlin", NOW)
    assert "The nearest that I understand: every day" in other[0]
    again = scheduleviews.previewed(view, other)
    assert view_problems(again) == []
    assert [block for block in again["blocks"] if block.get("block_id") != scheduleviews.PREVIEW] == [
        block for block in view["blocks"] if block.get("block_id") != scheduleviews.PREVIEW
    ]


def filled(**fields: Any) -> dict[str, Any]:
    """What Slack gives of a form: texts, one choice, several."""
    held = {"what": "protect", "zone": "UTC", "catch_up": "configured"} | fields
    menus = {name: {"selected_option": {"value": held.pop(name)}} for name in ("what", "catch_up")}
    targets = [{"value": each} for each in held.pop("targets", ())]
    texts = {name: {"value": value} for name, value in held.items()}
    values = menus | texts | {"targets": {"selected_options": targets}}
    return {name: {"field": value} for name, value in values.items()}


def test_a_form_says_what_a_command_says() -> None:
    request, wrong = scheduleforms.read(
        filled(vms="vm01, @web", targets=["s3"], when="daily", also="keep for 30d", catch_up="all")
    )
    assert wrong == {}
    assert request == replace(
        asked("protect vm01, @web to s3 daily keep for 30d catch up all"), recurrence="every day at 00:00 UTC"
    )
    drill, _ = scheduleforms.read(filled(what="drill", targets=["s3"], when="monthly", also="to vmstore2"))
    assert drill is not None
    assert (drill.vms, drill.targets, drill.options) == ((), ("s3",), {"vmstore": "vmstore2"})
    summary, _ = scheduleforms.read(filled(what="summary", targets=["s3"], when="weekdays at 08:00", also="week"))
    assert summary is not None
    assert (summary.targets, summary.options) == ((), {"period": "week"})


def test_what_is_wrong_in_a_form_is_told_at_its_field() -> None:
    for fields, block in (
        ({"when": "evry day", "what": "drill"}, "when"),
        ({"when": "daily", "what": "drill", "zone": "Europe/Berln"}, "zone"),
        ({"when": "daily", "vms": "vm01 vm02", "targets": ["s3"]}, "vms"),
        ({"when": "daily", "targets": ["s3"]}, "vms"),
        ({"when": "daily", "vms": "vm01"}, "targets"),
        ({"when": "daily", "vms": "vm01", "targets": ["s3"], "also": "keep for long"}, "also"),
    ):
        request, wrong = scheduleforms.read(filled(**fields))
        assert request is None
        assert list(wrong) == [block], (fields, wrong)
