"""The script's language: what each line means, and what is refused."""

import pytest

from integrations.simulators.demo.lines import (
    Click,
    Clone,
    Command,
    Destroy,
    Dm,
    Expect,
    Fail,
    Fill,
    Help,
    Home,
    Line,
    Mention,
    Menu,
    Restart,
    Say,
    Slack,
    Slow,
    Submit,
    Touch,
    Users,
    WaitApproval,
    WaitDone,
    WaitStep,
)
from integrations.simulators.demo.script import FORMS, ScriptError, listing, parse, parse_all, size

MIB = 1 << 20


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("alice> /protect vm01 to s3", Command("alice", "/protect vm01 to s3")),
        ("  alice>/cloudy runs  ", Command("alice", "/cloudy runs")),
        ('alice> /protect "app server 03" to s3', Command("alice", '/protect "app server 03" to s3')),
        ("alice> good morning", Say("alice", "good morning")),
        ("alice> homework is done", Say("alice", "homework is done")),
        ('bob> click "Stop"', Click("bob", "Stop")),
        ('bob> click "Say "yes""', Click("bob", 'Say "yes"')),
        ("alice> mention stop", Mention("alice", "stop")),
        ("alice> home", Home("alice")),
        ('alice> fill "Name" = "vm01-restored"', Fill("alice", "Name", "vm01-restored")),
        ('alice> fill "Note"=""', Fill("alice", "Note", "")),
        ('alice> fill "Note" = "a = "b" & c"', Fill("alice", "Note", 'a = "b" & c')),
        ("alice> submit", Submit("alice")),
        ("alice> submit it, please", Say("alice", "submit it, please")),
        ("alice> dm stop 7f3k", Dm("alice", "stop 7f3k")),
        ('bob> menu "Protect a VM"', Menu("bob", "Protect a VM")),
        ("wait done 120", WaitDone(120)),
        ("wait  done  0.5", WaitDone(0.5)),
        ("wait step upload 60", WaitStep("upload", 60)),
        ("wait approval 30", WaitApproval(30)),
        ('expect "is protected"', Expect("is protected")),
        ("restart kill", Restart("kill")),
        ("restart term", Restart("term")),
        ("world touch vm01 2%", Touch("vm01", 2, 16 * MIB)),
        ("world touch vm01 0.5% in 1MiB runs", Touch("vm01", 0.5, MIB)),
        ("world touch app server 03 2 %", Touch("app server 03", 2, 16 * MIB)),
        ("world clone vm01 as web02", Clone("vm01", "web02")),
        ("world clone app server 03 as app server 04", Clone("app server 03", "app server 04")),
        ("world destroy kvm01", Destroy("kvm01")),
        ('world destroy "app server 03"', Destroy("app server 03")),
        ("world slow s3 20MiB/s", Slow(20 * MIB)),
        ("world slow s3 512KiB/s", Slow(512 * 1024)),
        ("world slow s3 off", Slow(None)),
        ("world slow azure 1MiB/s", Slow(MIB, "azure")),
        ("world fail vmstore2 snapshot 2", Fail("vmstore2", "snapshot", 2)),
        ("world fail vmstore clone=503/ERR-API-9013", Fail("vmstore", "clone=503/ERR-API-9013", 1)),
        ("world fail slack chat.update 3", Fail("slack", "chat.update", 3)),
        ("world fail slack chat.postMessage:lost", Fail("slack", "chat.postMessage:lost", 1)),
        ("world slack archive #ops", Slack("archive #ops")),
        ("world slack restore", Slack("restore")),
        ("world users", Users()),
        ("world help", Help()),
    ],
)
def test_a_line_is_read(text: str, line: Line) -> None:
    assert parse(text) == line


@pytest.mark.parametrize("text", ["", "   ", "# a comment", "  # another"])
def test_empty_lines_and_comments_are_nothing(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "protect vm01 to s3",
        "alice>",
        "wait approval",
        "wait done",
        "wait done 1.2.3",
        "wait step upload .",
        'alice> fill "Name" "vm01-restored"',
        'alice> fill "Name" = vm01',
        "alice> menu 'Protect a VM'",
        "expect is protected",
        "restart",
        "restart now",
        "world",
        "world touch vm01",
        "world slow s3",
    ],
)
def test_what_is_not_known_is_refused_with_a_list_of_what_is(text: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse(text)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert 'expect "is protected"' in caught.value.more


@pytest.mark.parametrize("text", ["world slow s3 fast", "world slow s3 0MiB/s", "world touch vm01 2% in big runs"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ScriptError):
        parse(text)


def test_sizes_have_units() -> None:
    assert [size("1B"), size("1.5 KiB"), size("2MB"), size("1GiB")] == [1, 1536, 2_000_000, 1 << 30]


def test_the_list_of_lines_can_itself_be_read() -> None:
    for form in FORMS:
        assert parse(form.shape) is not None, form.shape
        assert form.shape in listing()


def test_a_whole_script_keeps_the_numbers_of_its_lines() -> None:
    read = parse_all(["# first", "", "alice> hello", "wait done 1"])
    assert [(one.number, one.line) for one in read] == [(3, Say("alice", "hello")), (4, WaitDone(1))]


def test_a_mistake_in_a_script_is_told_with_its_line() -> None:
    with pytest.raises(ScriptError, match=r"^line 2: .*nonsense"):
        parse_all(["wait done 1", "nonsense"])
