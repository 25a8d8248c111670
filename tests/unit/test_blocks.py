"""What is drawn for Slack: every message at every level, within the limits, whatever the names are."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block, RichTextBlock, TaskCardBlock

from bot import story
from bot.errors import NotFound, UsageError
from bot.model import Actor, Failure, State, Step, StepState, StoredFile, Transaction
from bot.status import Status
from handlers import answers, blocks, ids
from handlers.cards import Card, is_final, of_view
from handlers.usages import USAGES

ID = "20261123T142233Z-7f3k9q"
NOW = datetime(2026, 11, 23, 14, 22, 33, tzinfo=UTC)
LEVELS = (blocks.PLAN, blocks.SECTIONS, blocks.TEXT)
HOSTILE = (
    "<!channel>", "*x*", "_x_", "~x~", "`x`", "```x```", "<@U0BOT>", "<#C1|x>", "&amp;", ":boom:", "> x", "a\nb",
    "\u202eabc", "http://evil.example", "\ud800", "\x00\x07", "ä😀" * 3000, "", "<https://evil.example|vm01>",
)  # fmt: skip

ROOT = {
    "kind": "root", "transaction": ID, "title": "Protect vm01 to s3", "state": "running", "line": "7/10 Upload, 41 %",
    "facts": [["VM", "vm01 on vmstore"], ["Target", "s3"], ["Asked by", "alice"]], "by": "U_ALICE",
    "buttons": ["stop", "details"],
}  # fmt: skip
STATES = ["complete", "complete", "in_progress", "error", "pending"]
PLAN = {
    "kind": "plan", "transaction": ID, "title": "Protect vm01 to s3", "line": "3/5 Upload, 41 %",
    "tasks": [
        {"id": f"t{i}", "title": f"Step {i}", "state": state, "note": "41 % · 412 MiB of 1.0 GiB" if i == 2 else ""}
        for i, state in enumerate(STATES)
    ],
}  # fmt: skip
MILESTONE = {"kind": "milestone", "transaction": ID, "step": "snapshot", "level": "ok", "text": "Snapshot taken"}
RECEIPT = {
    "kind": "receipt", "transaction": ID, "state": "failed", "headline": "vm01 is not protected: Upload failed",
    "facts": [[f"Fact {i}", f"value {i}"] for i in range(12)], "why": "Upload: the bucket is gone (NoSuchBucket)",
    "undone": ["snapshot"], "left_behind": ["/tintri/x: rm -r"], "next": "Make the bucket, then ask again.",
}  # fmt: skip
NOTICE = {"kind": "notice", "text": "There is no VM called vm1. Did you mean vm01, vm02?"}
VIEWS: list[dict[str, Any]] = [ROOT, PLAN, MILESTONE, RECEIPT, NOTICE]


def transaction(**changes: Any) -> Transaction:
    given = {
        "id": ID, "workflow": "protect", "vm": "vm01", "targets": ("s3",), "state": State.RUNNING, "created_at": NOW,
        "actor": Actor(id="U_ALICE", name="alice", source="slack"), "request_key": "k", "vmstore": "vmstore",
    }  # fmt: skip
    return Transaction(**{**given, **changes})


def cards(name: str = "vm01") -> list[Card]:
    """Every private answer, with a name in every place that can hold one."""
    tx = transaction(vm=name, failure=Failure(what=name, step=name, next=name), left_behind=(name,))
    steps = tuple(Step(id=s.value, title=name, position=i, state=s, done=1, total=2) for i, s in enumerate(StepState))
    file = StoredFile(path=name, name=name, key=f"{ID}/{name}", size=5, crc64=7, etag="e")
    status = Status(at=NOW, active=(tx,), waiting=(tx,), recent=(tx,) * 3, vmstores=(name,), targets=(name, "s3"))
    return [
        answers.help_card(tuple(USAGES)), answers.accepted([tx]), answers.accepted([tx, tx]), answers.stopping(tx),
        answers.stopping(transaction(state=State.STOPPED)), answers.status(status), answers.runs([tx] * 100, NOW),
        answers.runs([], NOW), answers.show(tx, steps, [file] * 40),
        answers.refused(UsageError(name or "?", "/protect ...")),
        answers.refused(NotFound("No such thing.", [name] * 3)), answers.broken("4f2a"),
    ]  # fmt: skip


def sdk_problems(drawn: tuple[dict[str, Any], ...]) -> list[str]:
    """What the SDK's own classes say: unknown types, limits (their checks run inside to_dict), fields that get lost."""
    problems = []
    for block in drawn:
        parsed = Block.parse(block)
        back = parsed.to_dict() if parsed else None
        if json.dumps(back, sort_keys=True) != json.dumps(block, sort_keys=True):
            problems.append(f"{block['type']}: {back}")
        for task in block.get("tasks", ()):
            assert TaskCardBlock(**task).to_dict() == task
            if "details" in task:
                assert RichTextBlock(**task["details"]).to_dict() == task["details"]
    return problems


def strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a block with the type of its text object."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from strings(part, str(value.get("type", "")) if name == "text" else name)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part, key)
    elif isinstance(value, str):
        yield key, value


def check(drawn: blocks.Rendered) -> None:
    assert 0 < len(drawn.text) < 4000
    assert not sdk_problems(drawn.blocks)
    assert len(drawn.blocks) <= 50
    assert sum(len(text) for _, text in strings(list(drawn.blocks))) < 13_200
    assert len({block["block_id"] for block in drawn.blocks}) == len(drawn.blocks)
    json.dumps(drawn.blocks, ensure_ascii=False).encode()
    assert all(text for _, text in strings(list(drawn.blocks)))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view["kind"])
def test_every_view_is_drawn_at_every_level(view: dict[str, Any], level: int) -> None:
    check(blocks.render(view, level))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("index", range(len(cards())))
def test_every_answer_is_drawn_at_every_level(index: int, level: int) -> None:
    check(blocks.render_card(cards()[index], level))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("view", VIEWS[:4], ids=lambda view: view["kind"])
def test_everything_states_the_transaction_id(view: dict[str, Any], level: int) -> None:
    drawn = blocks.render(view, level)
    assert ID in drawn.text
    assert level == blocks.TEXT or ID in json.dumps(drawn.blocks[-2:])


@pytest.mark.parametrize("level", LEVELS)
def test_the_text_says_all_that_the_blocks_say(level: int) -> None:
    text = blocks.render(RECEIPT, level).text
    for said in ("vm01 is not protected", "NoSuchBucket", "value 11", "snapshot", "rm -r", "ask again"):
        assert said in text
    assert "Step 4" in blocks.render(PLAN, level).text


def test_a_plan_is_one_plan_block_with_a_task_for_each_step() -> None:
    plan = blocks.render(PLAN, blocks.PLAN).blocks[0]
    assert plan["type"] == "plan"
    assert [task["status"] for task in plan["tasks"]] == STATES
    assert plan["tasks"][2]["details"]["elements"][0]["elements"][0]["text"] == "41 % · 412 MiB of 1.0 GiB"


def test_below_the_plan_level_only_old_blocks_are_used_and_below_that_none() -> None:
    for view in VIEWS:
        assert {b["type"] for b in blocks.render(view, blocks.SECTIONS).blocks} <= {"section", "context", "actions"}
        assert blocks.render(view, blocks.TEXT).blocks == ()


def test_facts_are_fields_at_most_ten_in_a_section() -> None:
    sections = [b for b in blocks.render(RECEIPT, blocks.PLAN).blocks if "fields" in b]
    assert [len(section["fields"]) for section in sections] == [10, 2]


def test_the_stop_button_carries_the_transaction_and_its_ids_change_with_the_version_but_the_action_does_not() -> None:
    first, second = (blocks.render(ROOT, blocks.PLAN, version=version).blocks for version in (1, 2))
    button = second[-1]["elements"][0]
    assert (button["action_id"], button["value"], button["text"]["text"]) == (ids.STOP, ID, "Stop")
    assert not {b["block_id"] for b in first} & {b["block_id"] for b in second}
    assert all(b["type"] != "actions" for b in blocks.render({**ROOT, "buttons": []}).blocks)


def test_the_details_button_carries_the_transaction_and_stays_when_there_is_nothing_to_stop() -> None:
    (row,) = [b for b in blocks.render({**ROOT, "buttons": ["details"]}).blocks if b["type"] == "actions"]
    (button,) = row["elements"]
    assert (button["action_id"], button["value"], button["text"]["text"]) == (ids.DETAILS, ID, "Details")
    assert "style" not in button


def test_only_the_asker_is_mentioned_and_only_by_a_slack_id() -> None:
    assert "<@U_ALICE>" in blocks.render(ROOT).text
    assert "<@" not in json.dumps(blocks.render({**ROOT, "by": "root> <!channel"}).blocks)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_stays_within_limits_and_is_neither_a_ping_nor_a_format(name: str, level: int) -> None:
    everywhere = [hostile(view, name) for view in VIEWS]
    drawings = [blocks.render(view, level) for view in everywhere]
    drawings += [blocks.render_card(card, level) for card in cards(name)]
    for drawn in drawings:
        check(drawn)
        parsed = [drawn.text, *(text for kind, text in strings(list(drawn.blocks)) if kind == "mrkdwn")]
        for text in parsed:
            assert not re.search(r"<(?!@U_ALICE>)", text)
            assert not re.search(r"[*_~]x[*_~]|:boom:|```|`x`|^>", text, re.MULTILINE)


def hostile(view: dict[str, Any], name: str) -> dict[str, Any]:
    """The view with the name in place of every text."""
    kept = ("kind", "state", "transaction", "by", "buttons", "level")
    return {key: value if key in kept else swapped(value, name) for key, value in view.items()}


def swapped(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [swapped(part, name) for part in value]
    if isinstance(value, dict):
        return {key: part if key in ("state", "id") else name for key, part in value.items()}
    return name


def test_blocks_hold_outside_text_as_it_is_in_texts_that_are_never_parsed() -> None:
    for level in (blocks.PLAN, blocks.SECTIONS):
        drawn = blocks.render({**ROOT, "title": "Protect <!channel> & *x*"}, level).blocks
        kinds = {kind for kind, text in strings(list(drawn)) if "<!channel> & *x*" in text}
        assert kinds
        assert kinds <= {"plain_text", "text"}


@pytest.mark.parametrize("name", ["app_server_03", "vm01-flat.vmdk", "10:30:00", "3*4", "a~b", "Büro"])
def test_a_harmless_name_is_left_as_it_is(name: str) -> None:
    assert blocks.quiet(name) == name


def test_a_long_list_says_how_much_more_there_is() -> None:
    view = {**RECEIPT, "left_behind": [f"thing {i} " + "x" * 280 for i in range(100)]}
    for level in (blocks.PLAN, blocks.SECTIONS):
        drawn = blocks.render(view, level)
        check(drawn)
        assert "more" in json.dumps(drawn.blocks)
    assert drawn.text.endswith(f"…\nTransaction `{ID}`")


@given(st.text(max_size=60))
def test_quiet_text_opens_no_tag_and_cutting_breaks_no_entity(text: str) -> None:
    quiet = blocks.quiet(text)
    assert not {"<", ">"} & set(quiet)
    for most in (1, 2, 5, 9):
        short = blocks.cut(quiet, most)
        assert len(short) <= most
        assert re.fullmatch(r"([^&]|&(amp|lt|gt);)*", short)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=3)))
@settings(max_examples=50)
def test_a_view_of_an_unknown_kind_or_shape_is_still_a_message(value: Any) -> None:
    for view in ({"kind": value, "text": value}, {"kind": "root", "title": value, "line": value, "by": value}):
        check(blocks.render(view))


def test_the_views_of_the_core_are_drawn() -> None:
    tx = transaction(state=State.SUCCEEDED, frozen={"title": "Protect {vm} to {targets}"}, ended_at=NOW, started_at=NOW)
    steps = [Step(id=n, title=n, position=i, state=StepState.COMPLETE) for i, n in enumerate(("check", "upload"))]
    for view in (story.root(tx, steps), story.plan(tx, steps), story.receipt(tx, steps), story.stopping(tx)):
        for level in LEVELS:
            check(blocks.render(view, level))
    assert "vm01 is protected in s3" in blocks.render(story.receipt(tx, steps)).text


def test_a_view_is_final_when_nothing_in_it_can_move() -> None:
    done = [{"id": "a", "title": "A", "state": "complete", "note": ""}]
    skipped = [{"id": "b", "title": "B", "state": "pending", "note": "skipped"}]
    waiting = [{"id": "b", "title": "B", "state": "pending", "note": ""}]
    assert is_final({**PLAN, "tasks": done + skipped})
    assert not is_final({**PLAN, "tasks": done + waiting})
    assert is_final({**ROOT, "state": "stopped"})
    assert not is_final(ROOT)
    assert of_view({"kind": "receipt", "headline": "x"}).closing == ("Nothing is left behind.",)


def test_what_a_console_printed_stands_line_by_line_and_pings_nobody() -> None:
    text = "It lives, by its console.\nlogin: <!channel>\n  *bold*\x1b[2J"
    view: dict[str, Any] = {"kind": "milestone", "transaction": "t", "step": "prove", "level": "ok", "text": text}
    rich = blocks.render(view, blocks.PLAN)
    (shown,) = [block for block in rich.blocks if "preformatted" in str(block)]
    assert shown["elements"][0]["elements"][0]["text"] == "login: <!channel>\n  *bold* [2J"
    assert "login: &lt;!channel&gt;" in rich.text
    plain = blocks.render(view, blocks.SECTIONS)
    assert any(block.get("text", {}).get("text", "").startswith("login: <!channel>\n") for block in plain.blocks)
