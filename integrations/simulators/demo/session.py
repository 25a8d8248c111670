"""One demo from greeting to good-bye: a script, or a person at the terminal."""

import fcntl
import json
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from integrations.simulators.demo.player import Player, people
from integrations.simulators.demo.script import Numbered, ScriptError, parse, parse_all
from integrations.simulators.demo.terminal import Terminal
from integrations.simulators.demo.transcript import Transcript
from integrations.simulators.demo.world import World
from integrations.simulators.slack import Shortcut

_THINGS_TO_TRY = """Three things to try:
  /protect vm01 to s3         lift a VM into the bucket, and watch its ten steps
  restart kill                while it uploads: kill the bot, and see it go on by itself
  alice> click "Stop"         end it half-way, and see that nothing is left behind
"world help" lists all that can be written, "quit" ends the demo."""

_NOT_STARTED = "line 0: the demo's world did not start"


class _Ended(BaseException):
    """The demo was asked to end."""


def run(
    *,
    script: str | None,
    json_file: Path | None,
    data: Path | None,
    keep: bool,
    http: bool = False,
    shortcuts: Sequence[Shortcut] = (),
    usages: Sequence[str] = (),
) -> int:
    """Start a world and play a script ("-": standard input) or obey the terminal; gives the exit status.

    data: keep the world's folder there, else it is a temporary one and removed. keep: go on after the script until
    SIGINT or SIGTERM. json_file gets every recorded Slack call and event. http: Slack comes by signed HTTP.
    shortcuts, usages of commands: those of the app, as its manifest tells a real Slack.
    """
    try:
        lines = None if script in (None, "-") else _read(Path(str(script)))
        _check_writable(json_file)
        with _ended_by_signals(), _folder(data) as folder, _held(folder):
            session = _Session(World(folder, http=http, shortcuts=shortcuts, usages=usages), json_file)
            return session.play(script is not None, lines, keep=keep)
    except ScriptError as error:
        print(f"{error.more}\nscript: {error}")
        return 1


def _read(script: Path) -> list[Numbered]:
    """Read a file whole first: better a mistake now than after minutes."""
    try:
        return parse_all(script.read_text().splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ScriptError(_NOT_STARTED, f"{script} cannot be read: {error}") from error


def _check_writable(json_file: Path | None) -> None:
    try:
        if json_file is not None:
            json_file.write_text("[]\n")
    except OSError as error:
        raise ScriptError(_NOT_STARTED, f"{json_file} cannot be written: {error}") from error


class _Session:
    def __init__(self, world: World, json_file: Path | None) -> None:
        self._json_file = json_file
        self._world = world
        self._terminal = Terminal()
        self._transcript = Transcript(self._terminal.show)
        self._player = Player(self._world, self._transcript)
        self._line = 0  # of the script, that was begun last
        self._is_told = False  # how the script ended

    def play(self, has_script: bool, lines: list[Numbered] | None, *, keep: bool) -> int:
        status = 1
        try:
            if not self._start():
                return 1
            status = self._play_script(lines, keep) if has_script else self._obey()
            if keep:
                threading.Event().wait()
        except (_Ended, KeyboardInterrupt):
            status = status if keep else 1
            if not has_script:
                self._terminal.show("The demo ends.")
            elif not self._is_told:
                self._tell(ScriptError(f"line {self._line}: the demo was asked to end"))
        finally:
            self._end()
        return status

    def _start(self) -> bool:
        began = time.monotonic()
        self._world.slack.subscribe(self._transcript.change)
        try:
            self._world.start()
        except (RuntimeError, OSError) as error:
            self._terminal.show(f"{error}\nscript: {_NOT_STARTED}")
            return False
        self._terminal.show(self._greeting(time.monotonic() - began))
        return True

    def _play_script(self, lines: list[Numbered] | None, keep: bool) -> int:
        problem = self._first_problem(lines if lines is not None else _from_stdin())
        self._transcript.end()
        self._write_record()
        if problem is not None:
            more = f"{problem.more}\n" if problem.more else ""
            self._terminal.show(f"{more}--- the end of {self._world.folder / 'bot.log'}\n{self._world.bot.tail()}\n---")
        if keep:
            self._terminal.show(f"The world in {self._world.folder} goes on; Ctrl-C ends it.")
        self._tell(problem)
        return 0 if problem is None else 1

    def _tell(self, problem: ScriptError | None) -> None:
        """The last line that is printed."""
        self._transcript.end()
        self._is_told = True
        self._terminal.show(f"script: {problem or 'ok'}")

    def _first_problem(self, lines: Iterable[Numbered]) -> ScriptError | None:
        try:
            for numbered in lines:
                self._line = numbered.number
                numbered.line.play(self._player)
        except ScriptError as error:
            text = str(error) if str(error).startswith("line ") else f"line {self._line}: {error}"
            return ScriptError(text, error.more)
        return None

    def _obey(self) -> int:
        self._terminal.show(_THINGS_TO_TRY)
        for typed in self._terminal.lines():
            text = f"alice> {typed}" if typed.startswith("/") else typed
            try:
                line = parse(text)
                if line is not None:
                    line.play(self._player)
            except ScriptError as error:
                self._terminal.show(f"{error}\n{error.more}".rstrip())
        return 0

    def _greeting(self, took_s: float) -> str:
        world = self._world
        stores = "\n".join(
            f"  {f'VMstore {name}':<17}{store.url}, with {', '.join(world.vms[name])}"
            for name, store in world.vmstores.items()
        )
        return (
            f"Cloudy's demo is ready after {took_s:.1f} s. All of it is on this machine; nothing leaves it.\n"
            f"\n  Open it in a browser:  {world.slack.page_url}\n\n"
            f"  {'folder':<17}{world.folder}\n"
            f"  {'Slack':<17}{world.slack.url}, with {people()}\n"
            f"{stores}\n"
            f"  {'S3 target s3':<17}{world.proxy.url}, bucket {world.account.bucket}, by {world.s3.name}\n"
            f"{_azure_line(world)}{_kvm_line(world)}"
        )

    def _write_record(self) -> None:
        if self._json_file is not None:
            draft = self._json_file.with_name(self._json_file.name + ".tmp")
            draft.write_text(json.dumps(self._world.slack.record, indent=1) + "\n")
            draft.replace(self._json_file)

    def _end(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # the ending is not to be interrupted half-way
        self._transcript.close()
        self._world.stop()
        self._write_record()


def _azure_line(world: World) -> str:
    if world.azure is None:
        return ""
    where = f"{world.azure.proxy.url}, container {world.azure.account.container}"
    return f"  {'Target azure':<17}{where}, by Azurite\n"


def _kvm_line(world: World) -> str:
    kvm = world.kvm
    if kvm.host is None:
        can = "kvm01 can be protected and its files restored, but not be started here"
        return f"  {'KVM host':<17}none: {can}. Missing: {', '.join(kvm.missing)}.\n  {'':<17}Cure: {kvm.cure}\n"
    return (
        f"  {'KVM host kvm':<17}libvirt and QEMU, when they are asked for; kvm01 boots and says MARKER {kvm.marker}\n"
    )


def _from_stdin() -> Iterator[Numbered]:
    """Read as it comes, so that somebody may write line after line."""
    for number, text in enumerate(sys.stdin, start=1):
        try:
            line = parse(text)
        except ScriptError as error:
            raise ScriptError(f"line {number}: {error}", error.more) from error
        if line is not None:
            yield Numbered(number, text.strip(), line)


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is not None:
        yield data.absolute()
        return
    made = Path(tempfile.mkdtemp(prefix="cloudy-demo-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Let nobody else have a world there: it would write over this one's papers and bucket. ScriptError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "demo.lock").open("w")
    except OSError as error:
        raise ScriptError(_NOT_STARTED, f"{folder} cannot be the world's folder: {error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            more = f"Another demo runs in {folder}: end it first, or name another folder."
            raise ScriptError(_NOT_STARTED, more) from error
        yield


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    def end(number: int, _frame: FrameType | None) -> None:
        raise _Ended(number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
