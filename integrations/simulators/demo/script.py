"""The script's language: one line of text is one act of a person, of the world, or a wait or check. Pure."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from integrations.simulators.demo.lines import (
    RUN_BYTES,
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

_UNITS = {"B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "KB": 10**3, "MB": 10**6, "GB": 10**9}


class ScriptError(Exception):
    """A line cannot be read or did not come true; the message is one line that says why, more is what helps."""

    def __init__(self, why: str, more: str = "") -> None:
        super().__init__(why)
        self.more = more


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of line: how it looks, what it does, and how it is read."""

    shape: str
    meaning: str
    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], Line]


def _form(shape: str, meaning: str, pattern: str, read: Callable[[re.Match[str]], Line]) -> Form:
    return Form(shape, meaning, re.compile(pattern, re.DOTALL), read)


def size(text: str) -> float:
    """Read "20MiB" as bytes. ScriptError: not a size."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", text.strip())
    if not found or found[2].upper() not in _UNITS:
        raise ScriptError(f'"{text}" is not a size; write it like 512KiB or 20MiB')
    return float(found[1]) * _UNITS[found[2].upper()]


def _touch(found: re.Match[str]) -> Line:
    return Touch(found[1], float(found[2]), int(size(found[3])) if found[3] else RUN_BYTES)


def _slow(found: re.Match[str]) -> Line:
    if found[2] == "off":
        return Slow(None, found[1])
    if not (rate := size(found[2].removesuffix("/s"))):
        raise ScriptError('0 bytes a second is no speed; write "off" to take the limit away')
    return Slow(rate, found[1])


_USER = r"([\w.-]+)>\s*"
_ALMOST = r"""(?:fill|menu|click)\s+["'“„]"""  # begun like another line: a slip, not a message
_SECONDS = r"(\d+(?:\.\d+)?)"
FORMS = (
    _form("alice> /protect vm01 to s3", "type a command as a user", rf"{_USER}(/.+)", lambda m: Command(m[1], m[2])),
    _form('bob> click "Stop"', "click the newest button", rf'{_USER}click\s+"(.+)"', lambda m: Click(m[1], m[2])),
    _form(
        "alice> mention stop",
        '"@cloudy stop" in the newest thread',
        rf"{_USER}mention\s+(.+)",
        lambda m: Mention(m[1], m[2]),
    ),
    _form("alice> home", "open the App Home and print it", rf"{_USER}home", lambda m: Home(m[1])),
    _form(
        'alice> fill "VM" = "vm01"',
        "fill in a field of the open form; several values are parted by commas",
        rf'{_USER}fill\s+"([^"]+)"\s*=\s*"(.*)"',
        lambda m: Fill(m[1], m[2], m[3]),
    ),
    _form("alice> submit", "send the open form off", rf"{_USER}submit", lambda m: Submit(m[1])),
    _form("alice> dm status", "write to the bot alone", rf"{_USER}dm\s+(.+)", lambda m: Dm(m[1], m[2])),
    _form(
        'alice> menu "Protect a VM"',
        "a shortcut of the app: anywhere, or on the bot's newest message",
        rf'{_USER}menu\s+"(.+)"',
        lambda m: Menu(m[1], m[2]),
    ),
    _form(
        "alice> good morning",
        "write a plain message",
        rf"{_USER}(?!{_ALMOST})([^/\s].*)",
        lambda m: Say(m[1], m[2]),
    ),
    _form("wait done 60", "until all is done and said", rf"wait\s+done\s+{_SECONDS}", lambda m: WaitDone(float(m[1]))),
    _form(
        "wait step upload 60",
        "until that step of the newest transaction has begun",
        rf"wait\s+step\s+([\w-]+)\s+{_SECONDS}",
        lambda m: WaitStep(m[1], float(m[2])),
    ),
    _form(
        "wait approval 30",
        "until the newest transaction waits for a decision",
        rf"wait\s+approval\s+{_SECONDS}",
        lambda m: WaitApproval(float(m[1])),
    ),
    _form(
        'expect "is protected"',
        "fail unless Cloudy has said this since the last user's line",
        r'expect\s+"(.+)"',
        lambda m: Expect(m[1]),
    ),
    _form(
        "restart kill",
        'SIGKILL the bot and start it again; "restart term" asks it to end first',
        r"restart\s+(kill|term)",
        lambda m: Restart(m[1]),
    ),
    _form(
        "world touch vm01 2%",
        'change that share of the VM\'s disk; "in 1MiB runs" sets the size of the pieces',
        r"world\s+touch\s+(\S.*?)\s+(\d+(?:\.\d+)?)\s*%(?:\s+in\s+(\S+)\s+runs)?",
        _touch,
    ),
    _form(
        "world clone vm01 as web02",
        "make a VM of another one, as its VMstore does",
        r"world\s+clone\s+(\S.*?)\s+as\s+(\S.*)",
        lambda m: Clone(m[1], m[2]),
    ),
    _form(
        "world destroy kvm01",
        "delete a VM: its host forgets it, its files go from the export",
        r"world\s+destroy\s+(\S.*)",
        lambda m: Destroy(m[1].strip('"')),
    ),
    _form(
        "world slow s3 20MiB/s",
        'throttle the wire; "world slow s3 off" ends it',
        r"world\s+slow\s+(s3|azure)\s+(\S+)",
        _slow,
    ),
    _form(
        "world fail s3 503 2",
        'it fails the next two times; also "world fail vmstore snapshot 2" and "world fail slack chat.update"',
        r"world\s+fail\s+([\w-]+)\s+(\S+)(?:\s+(\d+))?",
        lambda m: Fail(m[1], m[2], int(m[3] or 1)),
    ),
    _form("world slack archive #ops", "Slack's bad days", r"world\s+slack\s+(\S.*)", lambda m: Slack(m[1])),
    _form("world users", "who there is", r"world\s+users", lambda _: Users()),
    _form("world help", "this list", r"world\s+help", lambda _: Help()),
)


def parse(text: str) -> Line | None:
    """Read one line; None for an empty one or a comment. ScriptError lists what can be written."""
    stripped = text.strip()
    if not stripped or stripped.startswith("#"):
        return None
    for form in FORMS:
        if found := form.pattern.fullmatch(stripped):
            return form.read(found)
    raise ScriptError(f'"{stripped}" is not a line of the script', f"There is:\n{listing()}")


def listing() -> str:
    """Every kind of line with what it does."""
    width = max(len(form.shape) for form in FORMS)
    return "\n".join(f"  {form.shape:<{width}}  {form.meaning}" for form in FORMS)


@dataclass(frozen=True, slots=True)
class Numbered:
    """A line with its place in the script."""

    number: int  # from 1
    text: str
    line: Line


def parse_all(lines: Iterable[str]) -> list[Numbered]:
    """Read a whole script. ScriptError names the first line that cannot be read, as "line N: why"."""
    read: list[Numbered] = []
    for number, text in enumerate(lines, start=1):
        try:
            line = parse(text)
        except ScriptError as error:
            raise ScriptError(f"line {number}: {error}", error.more) from error
        if line is not None:
            read.append(Numbered(number, text.strip(), line))
    return read
