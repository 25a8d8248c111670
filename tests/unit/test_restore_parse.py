"""The grammar of `/restore`."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.errors import UsageError
from bot.model import RestoreRequest
from bot.opinions import Question
from handlers import parse, restoring, usages
from handlers.orders import question_of
from handlers.parse import Verb


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("vm01", RestoreRequest(what="vm01")),
        ("7f3k9q to vmstore2 as vm01-2", RestoreRequest(what="7f3k9q", vmstore="vmstore2", name="vm01-2")),
        ("vm01 POWER on", RestoreRequest(what="vm01", is_on=True)),
        ("vm01 at 2026-11-01 14:30 from s3", RestoreRequest(what="vm01", at="2026-11-01 14:30", target="s3")),
        ("app server 03 as app 4 at 7d power on to x", RestoreRequest(
            what="app server 03", name="app 4", at="7d", is_on=True, vmstore="x")),
        ('"road to nowhere" as "as"', RestoreRequest(what="road to nowhere", name="as")),
        ('"power on" power on', RestoreRequest(what="power on", is_on=True)),
        ("power", RestoreRequest(what="power")),
        ("vm01 at 7d because Ann, of sales, needs it back at noon", RestoreRequest(
            what="vm01", at="7d", reason="Ann, of sales, needs it back at noon")),
        ("vm01 via Snapshot", RestoreRequest(what="vm01", via="snapshot")),
        ("via station via target", RestoreRequest(what="via station", via="target")),
        ("all over original", RestoreRequest(what="all", is_over_original=True)),
        ("vm 1 over original confirm vm 1 power off power on", RestoreRequest(
            what="vm 1", is_over_original=True, confirmed="vm 1", is_off_allowed=True, is_on=True)),
        ("vm01 as copy of vm01 in test", RestoreRequest(what="vm01", name="copy of vm01 in test")),
        ('vm01 as "new power no"', RestoreRequest(what="vm01", name="new power no")),
        ("over the moon at 7d", RestoreRequest(what="over the moon", at="7d")),
        ("&lt;!channel&gt;", RestoreRequest(what="<!channel>")),
    ],
)  # fmt: skip
def test_it_is_read_in_any_order(text: str, request_: RestoreRequest) -> None:
    assert parse.restore(text) == request_
    assert parse.cloudy(f"restore {text}").restoring == request_


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Say which VM"),
        ("to vmstore2", "Say which VM"),
        ("vm01 to", "missing behind “to”"),
        ("vm01 to a b", "not one VMstore"),
        ("vm01 from a b", "not one target"),
        ("vm01 as a as b", "more than once"),
        ("vm01, vm02", "One at a time"),
        ("vm01 power on now", "not understood behind"),
        ("vm01 because", "missing behind “because”"),
        ("vm01 via snapshot now", "not understood behind “via snapshot”"),
        ("vm01 via snapshot via target", "“via” stands there more than once"),
        ("vm01 over original over original", "“over original” stands there more than once"),
        ("vm01 over original confirm", "missing behind “confirm”"),
        ("vm01 to vmstore2 form s3", "“vmstore2 form s3” is not understood behind “to”. Did you mean “from”"),
        ("vm01 at 7d on vmstore2", "Did you mean “to”, where “on” stands"),
        ("vm01 as new powr on", "Did you mean “power”, where “powr” stands"),
        ("vm01 as new power no", "Did you mean “power on”, where “power” stands.* put that into quotes"),
        ("vm01 as new ot vmstore2", "Did you mean “to”, where “ot” stands"),
        ('"vm01', "never closed"),
        ("vm01\nto x", "one line"),
    ],
)
def test_what_is_not_understood_is_told_with_the_usage(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        parse.restore(text)
    assert error.value.usage == usages.RESTORE_USAGE


def test_may_i_knows_that_it_is_over_the_original() -> None:
    assert question_of(parse.cloudy("may-i restore vm01 over original confirm vm01")).is_over_original
    assert not question_of(parse.cloudy("may-i restore vm01")).is_over_original


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        (["vm01", "--via", "snapshot"], RestoreRequest(what="vm01", via="snapshot")),
        (
            ["vm01", "--over-original", "--confirm", "vm01", "--power-off"],
            RestoreRequest(what="vm01", is_over_original=True, confirmed="vm01", is_off_allowed=True),
        ),
    ],
)
def test_the_command_line_asks_for_the_same(
    monkeypatch: pytest.MonkeyPatch, words: list[str], request_: RestoreRequest
) -> None:
    asked: list[RestoreRequest] = []
    questions: list[Question] = []

    def carry_out(_config: object, question: Question, ask: Callable[[Any], object], **_more: object) -> None:
        questions.append(question)
        ask(SimpleNamespace(restores=SimpleNamespace(restore=lambda request, _actor, **_more: asked.append(request))))

    monkeypatch.setattr("bot.cli.restore.carry_out", carry_out)
    assert CliRunner().invoke(app, ["restore", *words]).exit_code == 0
    assert asked == [request_]
    assert questions[0].is_over_original == request_.is_over_original


def test_may_i_knows_it() -> None:
    meant = parse.cloudy("may-i restore vm01 to vmstore2").meant
    assert meant is not None
    assert meant.verb is Verb.RESTORE


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("vm01 on vmstore2", "Did you mean “to”, where “on” stands?"),
        ("vm01 too vmstore2", "Did you mean “to”, where “too” stands?"),
        ("vm01 Over", "Did you mean “over original”, where “Over” stands?"),
        ("from", ""),
        ("app server 03", ""),
        ("vm01", ""),
    ],
)
def test_a_name_that_nobody_knows_may_hold_a_word_of_the_grammar(text: str, hint: str) -> None:
    assert restoring.slip(text) == hint


@pytest.mark.parametrize(("typed", "near"), [("restoer", "restore"), ("Restor vm01", "restore"), ("stauts", "status")])
def test_the_nearest_command_is_said(typed: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"here. Did you mean {near}?"):
        parse.cloudy(typed)
