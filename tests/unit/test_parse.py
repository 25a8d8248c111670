"""The grammar of what people type."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import keeping
from bot.errors import UsageError
from bot.model import ProtectRequest
from handlers import clauses, parse, usages
from handlers.parse import Command, Verb


def asks(*vms: str, to: tuple[str, ...] = ("s3",), consistency: str = "crash", **wishes: str) -> ProtectRequest:
    return ProtectRequest(vms=vms, targets=to, consistency=consistency, **wishes)


def written(request: ProtectRequest) -> str:
    """As somebody would type it."""
    said = f"{', '.join(map(quoted, request.vms))} to {', '.join(map(quoted, request.targets))}"
    said += " vm-consistent" if request.consistency == "vm" else ""
    said += f" keep for {keeping.typed(request.keep_for)}" if request.keep_for else ""
    return f'{said} note "{clauses.escaped(request.note)}"' if request.note else said


_WORDS = ("to", "and", *clauses.CONSISTENCIES, clauses.NOTE, clauses.KEEP, clauses.FOR)


def quoted(name: str) -> str:
    is_plain = not set(' ,"“”„‟') & set(name) and name.casefold() not in _WORDS
    return clauses.escaped(name) if is_plain else f'"{clauses.escaped(name)}"'


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("vm01 to s3", asks("vm01")),
        ("  vm01   TO   s3  ", asks("vm01")),
        ("vm01,vm02 , vm03 to s3", asks("vm01", "vm02", "vm03")),
        ("vm01 to s3, azure", asks("vm01", to=("s3", "azure"))),
        ("vm01 to s3 and azure", asks("vm01", to=("s3", "azure"))),
        ("vm01 to s3, azure and far", asks("vm01", to=("s3", "azure", "far"))),
        ("vm01 to s3 vm-consistent", asks("vm01", consistency="vm")),
        ("vm01 to s3 Crash-Consistent", asks("vm01")),
        ('"app server 03" to s3', asks("app server 03")),
        ("“app server 03” to s3", asks("app server 03")),
        ("„app server 03“, vm01 to s3", asks("app server 03", "vm01")),
        ("app server 03 to s3", asks("app server 03")),
        ("app server 03, vm01 to s3", asks("app server 03", "vm01")),
        ('"road to nowhere" to s3', asks("road to nowhere")),
        ('"to" to "to"', asks("to", to=("to",))),
        ('"db and web", x to s3', asks("db and web", "x")),
        ('"a, b" to s3', asks("a, b")),
        ("vm01, vm01 to s3 and s3", asks("vm01")),
        ("a&amp;b to s3", asks("a&b")),
        ("&lt;!channel&gt; to s3", asks("<!channel>")),
        ("&amp;lt; to s3", asks("&lt;")),
        ("<http://vm01.example.com|vm01.example.com> to s3", asks("vm01.example.com")),
        ("vm\u200b01 to s3", asks("vm01")),
        ("vm01\u00a0to\u00a0s3", asks("vm01")),
        ("and to s3", asks("and")),
        ("bob's vm to s3", asks("bob's vm")),
        ("vm01 to s3 keep for 30d", asks("vm01", keep_for="P30D")),
        ("vm01 to s3 Keep For 12 weeks", asks("vm01", keep_for="P84D")),
        ("vm01 to s3 keep for forever", asks("vm01", keep_for="forever")),
        ('vm01 to s3 note "before the upgrade, at last"', asks("vm01", note="before the upgrade, at last")),
        (
            "vm01 to s3 and azure note “why to” vm-consistent keep for 1y",
            asks("vm01", to=("s3", "azure"), consistency="vm", note="why to", keep_for="P365D"),
        ),
        ("keep for 3d to s3", asks("keep for 3d")),
        ("vm01 to note, keep", asks("vm01", to=("note", "keep"))),
        ('vm01 to "note" note "x"', asks("vm01", to=("note",), note="x")),
        ('vm01 to s3 note ""', asks("vm01")),
    ],
)
def test_a_protect_is_understood(text: str, request_: ProtectRequest) -> None:
    assert parse.protect(text) == request_


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vm01",
        "to s3",
        "vm01 to",
        "vm01 to s3,",
        ", vm01 to s3",
        "vm01,, vm02 to s3",
        "vm01 to s3 azure",
        "road to nowhere to s3",
        "vm01 and vm02 to s3",
        '"vm01 to s3',
        '"" to s3',
        'vm"01" to s3',
        '"a" b to s3',
        "vm01 to vm-consistent",
        "vm01\nto s3",
        "vm\x0001 to s3",
        "vm\u202e01 to s3",
        "v" * 256 + " to s3",
        "vm01 to " + "s" * 256,
        "v, " * 2000 + "v to s3",
        "vm01 to keep for 30d",
        "vm01 to s3 keep for",
        "vm01 to s3 keep for a while",
        "vm01 to s3 keep for 0d",
        "vm01 to s3 keep for 3d keep for 4d",
        "vm01 to s3 note why",
        'vm01 to s3 note "a" note "b"',
        'vm01 to s3 note "a" azure',
        'vm01 to s3, note "a"',
        "vm01 to s3 vm-consistent crash-consistent",
        'vm01 to s3 note "' + "n" * 301 + '"',
    ],
)
def test_what_is_not_clear_is_refused_with_the_usage_line(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse.protect(text)
    assert refused.value.usage == usages.PROTECT_USAGE
    assert len(refused.value.message) < 200


def test_a_name_of_255_characters_is_taken() -> None:
    assert parse.protect("v" * 255 + " to s3").vms == ("v" * 255,)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("", Command(verb=Verb.HELP)),
        ("help", Command(verb=Verb.HELP)),
        (" STATUS ", Command(verb=Verb.STATUS)),
        ("runs", Command(verb=Verb.RUNS, limit=20)),
        ("runs 5", Command(verb=Verb.RUNS, limit=5)),
        ("show last", Command(verb=Verb.SHOW, id="last")),
        ("stop 7f3k", Command(verb=Verb.STOP, id="7f3k")),
        ("stop 20261123T142233Z-7f3k9q", Command(verb=Verb.STOP, id="20261123T142233Z-7f3k9q")),
        ("protect vm01 to s3", Command(verb=Verb.PROTECT, request=asks("vm01"))),
        ("may-i stop 7f3k", Command(verb=Verb.MAY_I, meant=Command(verb=Verb.STOP, id="7f3k"))),
        ("may-i /cloudy status", Command(verb=Verb.MAY_I, meant=Command(verb=Verb.STATUS))),
        ("may-i /cloudy", Command(verb=Verb.MAY_I, meant=Command(verb=Verb.HELP))),
        (
            "may-i /protect vm01 to s3",
            Command(verb=Verb.MAY_I, meant=Command(verb=Verb.PROTECT, request=asks("vm01"))),
        ),
    ],
)
def test_a_cloudy_command_is_understood(text: str, command: Command) -> None:
    assert parse.cloudy(text) == command


@pytest.mark.parametrize(
    "text",
    ["dance", "help me", "status now", "runs 0", "runs 101", "runs x", "runs ²", "runs -1", "show", "show a b",
     "stop", "stop `x`", "stop " + "a" * 65, "protect", "protect vm01", "/protect vm01 to s3",
     "may-i", "may-i /", "may-i dance", "may-i may-i", "may-i " * 600, "may-i stop"],
)  # fmt: skip
def test_any_other_cloudy_command_is_refused_with_a_usage_line(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse.cloudy(text)
    assert refused.value.usage


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("<@U0BOT> stop", Command(verb=Verb.STOP)),
        ("please <@U0BOT|cloudy> Stop ", Command(verb=Verb.STOP)),
        ("<@U0BOT> stop 7f3k", Command(verb=Verb.STOP, id="7f3k")),
        ("<@U0BOT>", Command(verb=Verb.HELP)),
        ("<@U0BOT> status", Command(verb=Verb.STATUS)),
    ],
)
def test_a_mention_is_a_command_whose_stop_needs_no_id(text: str, command: Command) -> None:
    assert parse.mention(text) == command


_TYPED = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(["vm01", "to", "and", ",", '"', "“", "”", " ", "s3", "vm-consistent", "&lt;", "&amp;", "<", "&",
                         "a b", "\n", "protect", "runs", "stop", "7f3k", "note", "keep", "for", "30d", "2", "w",
                         "forever", "keep for 30d", 'note "why"', "vm01 to s3"]),
        max_size=14,
    ).map(" ".join),
)  # fmt: skip


@given(_TYPED)
def test_any_text_is_a_request_or_a_usage_error_and_is_written_so_that_it_reads_the_same(text: str) -> None:
    try:
        request = parse.protect(text)
    except UsageError:
        return
    assert parse.protect(written(request)) == request
    assert request.vms
    assert request.targets


@given(_TYPED)
def test_any_text_after_cloudy_or_a_mention_is_a_command_or_a_usage_error(text: str) -> None:
    for read in (parse.cloudy, parse.mention):
        with suppress(UsageError):
            assert isinstance(read(text), Command)


_NAME = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='"“”„‟'), min_size=1, max_size=40)


@given(st.lists(_NAME, min_size=1, max_size=4, unique=True), st.lists(_NAME, min_size=1, max_size=3, unique=True))
def test_names_of_any_visible_characters_survive_being_written_and_read(vms: list[str], targets: list[str]) -> None:
    request = asks(*vms, to=tuple(targets))
    assert parse.protect(written(request)) == request
