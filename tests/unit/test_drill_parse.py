"""The grammar of `/drill` and of `/verify ... deep`."""

import pytest

from bot.errors import UsageError
from bot.model import DrillRequest
from handlers import parse, usages
from handlers.parse import Command, Verb


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("vm01", DrillRequest(what="vm01")),
        ("7f3k9q to vmstore2 from s3", DrillRequest(what="7f3k9q", vmstore="vmstore2", target="s3")),
        ('"app server 03" from azure', DrillRequest(what="app server 03", target="azure")),
        ("next", DrillRequest()),
        ("NEXT to vmstore2", DrillRequest(vmstore="vmstore2")),
        ('"next"', DrillRequest(what="next")),
    ],
)
def test_what_is_to_be_drilled_and_where(text: str, asked: DrillRequest) -> None:
    assert parse.drill(text) == asked
    assert parse.cloudy(f"drill {text}") == Command(verb=Verb.DRILL, drilling=asked)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Say which VM"),
        ("vm01 as other", "takes only “to” and “from”"),
        ("vm01 power on", "takes only “to” and “from”"),
        ("vm01 at 7d", "takes only “to” and “from”"),
        ("next vm01", "“next” takes only"),
        ("vm01, vm02", "One at a time"),
        ("vm01 to", "missing behind “to”"),
    ],
)
def test_what_a_drill_never_does_is_refused_with_its_usage(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as refusal:
        parse.drill(text)
    assert refusal.value.usage == usages.DRILL_USAGE


@pytest.mark.parametrize("word", ["deep", "--deep", "—deep", "–deep", "Deep"])
def test_a_verification_may_be_deep(word: str) -> None:
    assert parse.cloudy(f"verify 7f3k9q {word}") == Command(verb=Verb.VERIFY, id="7f3k9q", is_deep=True)
    assert parse.mention(f"<@U123> verify {word}") == Command(verb=Verb.VERIFY, is_deep=True)


def test_without_the_word_it_is_not_and_other_words_are_not_understood() -> None:
    assert parse.cloudy("verify 7f3k9q") == Command(verb=Verb.VERIFY, id="7f3k9q")
    assert parse.mention("<@U123> verify") == Command(verb=Verb.VERIFY)
    for text in ("verify 7f3k9q deeply", "verify deep", "verify", "show 7f3k9q deep"):
        with pytest.raises(UsageError):
            parse.cloudy(text)
