"""What lines of a script do: one class a kind of line, each played on a stage. Pure."""

from dataclasses import dataclass
from typing import Protocol

RUN_BYTES = 16 << 20


class Stage(Protocol):
    """What lines can do. Every method raises script.ScriptError when it does not come true."""

    def command(self, user: str, text: str) -> None:
        """Type a slash command; returns when it is acknowledged and recorded."""

    def say(self, user: str, text: str) -> None:
        """Write a plain message."""

    def click(self, user: str, label: str) -> None:
        """Click the newest button of that label."""

    def mention(self, user: str, text: str) -> None:
        """Write "@cloudy <text>" in the newest thread."""

    def home(self, user: str) -> None:
        """Open the App Home and print it."""

    def fill(self, user: str, name: str, value: str) -> None:
        """Fill in a field of the open modal."""

    def submit(self, user: str) -> None:
        """Submit the open modal; one that stays open, with what is wrong in it, is no failure."""

    def dm(self, user: str, text: str) -> None:
        """Write to the bot alone."""

    def menu(self, user: str, label: str) -> None:
        """Use a shortcut of the app: anywhere, or on the bot's newest message."""

    def wait_done(self, seconds: float) -> None:
        """Wait until no transaction is active and all is said."""

    def wait_step(self, step: str, seconds: float) -> None:
        """Wait until that step of the newest transaction has begun."""

    def wait_approval(self, seconds: float) -> None:
        """Wait until the newest transaction waits for a decision, and its card is there."""

    def expect(self, text: str) -> None:
        """Check that Cloudy has said this since the last user's line."""

    def restart(self, how: str) -> None:
        """End the bot by "kill" or "term" and start it again."""

    def touch(self, vm: str, percent: float, run_bytes: int) -> None:
        """Change a share of a VM's disk."""

    def clone(self, vm: str, name: str) -> None:
        """Make a VM of another one."""

    def destroy(self, vm: str) -> None:
        """Delete a VM and its files."""

    def slow(self, target: str, bytes_per_s: float | None) -> None:
        """Throttle the wire to the S3 server."""

    def fail(self, system: str, what: str, count: int) -> None:
        """Let the next calls of a stand-in fail."""

    def slack(self, order: str) -> None:
        """Do something to Slack."""

    def users(self) -> None:
        """Show the people."""

    def help(self) -> None:
        """Show what can be written."""


class Line(Protocol):
    """One line that was understood."""

    def play(self, stage: Stage) -> None:
        """Do it. Raises ScriptError."""


@dataclass(frozen=True, slots=True)
class Command:
    """`alice> /protect vm01 to s3`"""

    user: str
    text: str

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.command(self.user, self.text)


@dataclass(frozen=True, slots=True)
class Say:
    """`alice> good morning`"""

    user: str
    text: str

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.say(self.user, self.text)


@dataclass(frozen=True, slots=True)
class Click:
    """`bob> click "Stop"`"""

    user: str
    label: str

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.click(self.user, self.label)


@dataclass(frozen=True, slots=True)
class Mention:
    """`alice> mention stop`"""

    user: str
    text: str

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.mention(self.user, self.text)


@dataclass(frozen=True, slots=True)
class Home:
    """`alice> home`"""

    user: str

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.home(self.user)


@dataclass(frozen=True, slots=True)
class Fill:
    """`alice> fill "Name" = "vm01-restored"`"""

    user: str
    name: str
    value: str

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.fill(self.user, self.name, self.value)


@dataclass(frozen=True, slots=True)
class Submit:
    """`alice> submit`"""

    user: str

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.submit(self.user)


@dataclass(frozen=True, slots=True)
class Dm:
    """`alice> dm status`"""

    user: str
    text: str

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.dm(self.user, self.text)


@dataclass(frozen=True, slots=True)
class Menu:
    """`alice> menu "Protect a VM"`"""

    user: str
    label: str

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.menu(self.user, self.label)


@dataclass(frozen=True, slots=True)
class WaitDone:
    """`wait done 60`"""

    seconds: float

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.wait_done(self.seconds)


@dataclass(frozen=True, slots=True)
class WaitStep:
    """`wait step upload 60`"""

    step: str
    seconds: float

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.wait_step(self.step, self.seconds)


@dataclass(frozen=True, slots=True)
class WaitApproval:
    """`wait approval 30`"""

    seconds: float

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.wait_approval(self.seconds)


@dataclass(frozen=True, slots=True)
class Expect:
    """`expect "is protected"`"""

    text: str

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.expect(self.text)


@dataclass(frozen=True, slots=True)
class Restart:
    """`restart kill`"""

    how: str

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.restart(self.how)


@dataclass(frozen=True, slots=True)
class Touch:
    """`world touch vm01 2% in 1MiB runs`"""

    vm: str
    percent: float
    run_bytes: int = RUN_BYTES

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.touch(self.vm, self.percent, self.run_bytes)


@dataclass(frozen=True, slots=True)
class Clone:
    """`world clone vm01 as web02`"""

    vm: str
    name: str

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.clone(self.vm, self.name)


@dataclass(frozen=True, slots=True)
class Destroy:
    """`world destroy kvm01`"""

    vm: str

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.destroy(self.vm)


@dataclass(frozen=True, slots=True)
class Slow:
    """`world slow s3 20MiB/s`"""

    bytes_per_s: float | None
    target: str = "s3"

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.slow(self.target, self.bytes_per_s)


@dataclass(frozen=True, slots=True)
class Fail:
    """`world fail vmstore snapshot 2`"""

    system: str
    what: str
    count: int

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.fail(self.system, self.what, self.count)


@dataclass(frozen=True, slots=True)
class Slack:
    """`world slack archive #ops`"""

    order: str

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.slack(self.order)


@dataclass(frozen=True, slots=True)
class Users:
    """`world users`"""

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.users()


@dataclass(frozen=True, slots=True)
class Help:
    """`world help`"""

    def play(self, stage: Stage) -> None:
        """Do it."""
        stage.help()
