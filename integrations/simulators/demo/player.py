"""Carries out the lines of a script in a world."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from integrations.simulators.demo import slackorders
from integrations.simulators.demo.bot import View
from integrations.simulators.demo.script import ScriptError, listing
from integrations.simulators.demo.transcript import Transcript
from integrations.simulators.demo.world import CHANNEL, World
from integrations.simulators.slack import Ack
from integrations.simulators.slack.people import default_users
from integrations.simulators.vmstore import orders

T = TypeVar("T")

_HOME, _BOT = "home", "@cloudy"  # places as the local Slack names them
_ANSWER_S = 10.0  # what is said without being asked for again may still be on its way
_REDRAWN_S = 3.0  # an App Home that nothing has changed is not drawn again
_LOOK_S = 0.05
_BEFORE = ("pending", "skipped")  # states of a step that has not begun
_WAITS = "awaiting approval"
_FINAL = ("succeeded", "partial", "failed", "stopped", "refused")


class Player:
    """The stage that lines play on."""

    def __init__(self, world: World, transcript: Transcript) -> None:
        self._world = world
        self._transcript = transcript
        self._at: dict[str, str] = {}  # where each person looks, after another place than #ops

    def command(self, user: str, text: str) -> None:
        """See Stage."""
        self._known(user)
        self._transcript.typed(user, text)
        self._at.pop(user, None)
        self._acknowledged(_ordered(lambda: self._world.slack.command(user, CHANNEL, text)))

    def say(self, user: str, text: str) -> None:
        """See Stage."""
        self._known(user)
        self._transcript.typed(user, text)
        self._at.pop(user, None)
        self._acknowledged(_ordered(lambda: self._world.slack.say(user, text, CHANNEL)))

    def click(self, user: str, label: str) -> None:
        """See Stage."""
        self._known(user)
        self._transcript.typed(user, f"clicks [{label}]", self._at.get(user, f"#{CHANNEL}").replace(_BOT, f"@{user}"))
        self._acknowledged(_found(lambda: self._clicked(user, label)))

    def mention(self, user: str, text: str) -> None:
        """See Stage."""
        self._known(user)
        self._transcript.typed(user, f"@cloudy {text}")
        thread = _found(lambda: self._world.slack.newest_thread(CHANNEL))
        self._acknowledged(self._world.slack.mention(user, text, CHANNEL, thread))

    def home(self, user: str) -> None:
        """See Stage."""
        self._known(user)
        self._transcript.typed(user, "opens the App Home", _HOME)
        before = self._transcript.homes(user)
        self._acknowledged(self._world.slack.open_home(user))
        self._at[user] = _HOME
        drawn_s = _ANSWER_S if self._world.slack.home(user) is None else _REDRAWN_S
        if not self._transcript.show_home(user, before, drawn_s, lambda: self._world.slack.home(user)):
            raise ScriptError("the bot has drawn no App Home")

    def fill(self, user: str, name: str, value: str) -> None:
        """See Stage."""
        self._known(user)
        self._transcript.typed(user, f"{name}: {value}", "modal")
        self._acknowledged(_found(lambda: self._world.slack.fill(user, name, value)))

    def submit(self, user: str) -> None:
        """See Stage."""
        self._known(user)
        self._transcript.typed(user, "submits the form", "modal")
        ack = _found(lambda: self._world.slack.submit(user))
        if ack.error == "incomplete":  # Slack's own word: it sends no form off that lacks something
            self._transcript.told(user, ack.text or "")
        else:
            self._acknowledged(ack)

    def dm(self, user: str, text: str) -> None:
        """See Stage."""
        self._known(user)
        self._transcript.typed(user, text, f"@{user}")
        self._at[user] = _BOT
        self._acknowledged(_ordered(lambda: self._world.slack.say(user, text, _BOT)))

    def menu(self, user: str, label: str) -> None:
        """See Stage."""
        self._known(user)
        self._transcript.typed(user, f"uses the shortcut [{label}]")
        self._acknowledged(_found(lambda: self._world.slack.menu(user, label, CHANNEL)))

    def wait_done(self, seconds: float) -> None:
        """See Stage."""
        if self._wait(lambda view: not view.active and not view.outbox, seconds) is None:
            raise ScriptError(f"not done after {seconds:g} s: {self._where()}")
        self._transcript.flush()

    def wait_step(self, step: str, seconds: float) -> None:
        """See Stage."""

        def has_begun_or_never_will(view: View) -> bool:
            return view.steps.get(step, "pending") not in _BEFORE or view.state in _FINAL

        view = self._wait(has_begun_or_never_will, seconds)
        if view is None:
            raise ScriptError(f"step {step} has not begun after {seconds:g} s: {self._where()}")
        if view.steps.get(step, "pending") in _BEFORE:
            there = f"; its steps are {', '.join(view.steps)}" if view.steps and step not in view.steps else ""
            raise ScriptError(f"step {step} never began: transaction {view.newest} is {view.state}{there}")

    def wait_approval(self, seconds: float) -> None:
        """See Stage."""
        view = self._wait(lambda view: view.state == _WAITS or view.state in _FINAL, seconds)
        if view is None or view.state != _WAITS:
            raise ScriptError(f"nothing waits for a decision after {seconds:g} s: {self._where()}")
        self._wait(lambda view: not view.outbox, seconds)

    def expect(self, text: str) -> None:
        """See Stage."""
        if not self._transcript.has_said(text, _ANSWER_S):
            raise ScriptError(f'Cloudy has not said "{text}" since the last user\'s line')

    def restart(self, how: str) -> None:
        """See Stage."""
        self._transcript.note("the bot is killed and started again" if how == "kill" else "the bot is asked to restart")
        try:
            self._world.restart(how)
        except (RuntimeError, OSError) as error:
            raise ScriptError(_first(error), str(error)) from error
        self._transcript.note("the bot is ready again")

    def touch(self, vm: str, percent: float, run_bytes: int) -> None:
        """See Stage."""
        try:
            changed = self._world.touch(vm.strip('"'), percent, run_bytes)
        except LookupError as error:
            raise ScriptError(_words(error)) from error
        self._transcript.note(f"{changed / (1 << 20):.1f} MiB of {vm}'s disk are new")

    def clone(self, vm: str, name: str) -> None:
        """See Stage."""
        try:
            self._world.clone(vm, name)
        except LookupError as error:
            raise ScriptError(_words(error)) from error
        self._transcript.note(f"{name} is there, a clone of {vm}")

    def destroy(self, vm: str) -> None:
        """See Stage."""
        try:
            self._world.destroy(vm)
        except LookupError as error:
            raise ScriptError(_words(error)) from error
        except OSError as error:
            raise ScriptError(_first(error), str(error)) from error
        self._transcript.note(f"{vm} is deleted, with its files")

    def slow(self, target: str, bytes_per_s: float | None) -> None:
        """See Stage."""
        proxy = self._world.wires.get(target)
        if proxy is None:
            raise ScriptError("there is no target azure in this world: Azurite is not installed")
        proxy.slow(bytes_per_s)
        speed = "as fast as it can" if bytes_per_s is None else f"at {bytes_per_s / (1 << 20):g} MiB/s"
        self._transcript.note(f"the wire to {'the S3 server' if target == 's3' else 'Azurite'} works {speed}")

    def fail(self, system: str, what: str, count: int) -> None:
        """See Stage. For s3 what is a status, for slack a method, for a VMstore a name in its own listing."""
        if system in self._world.wires and what.isdecimal() and 400 <= int(what) <= 599:
            self._world.wires[system].fail(int(what), count)
        elif system == "slack":
            _ordered(lambda: slackorders.fail(self._world.slack, what, count))
        elif system in self._world.vmstores:
            _ordered(lambda: self._world.vmstores[system].order(what, count))
        else:
            raise ScriptError(
                f"nothing fails like that: write s3 and a status (503), or slack and a method (chat.update), or "
                f"{' or '.join(self._world.vmstores)} and what (snapshot; world help lists them)"
            )
        self._transcript.note(f"{system} is to fail: {what}" + (f", {count} times" if count > 1 else ""))

    def slack(self, order: str) -> None:
        """See Stage."""
        _ordered(lambda: slackorders.give(self._world.slack, order))
        self._transcript.note(f"Slack: {order}")

    def users(self) -> None:
        """See Stage."""
        self._transcript.note(f"users: {people()}")

    def help(self) -> None:
        """See Stage."""
        faults = "\n".join(f"  {name}: {meaning}" for name, meaning in orders.listing().items())
        slack = slackorders.listing()
        self._transcript.note(f"what can be written:\n{listing()}\nfaults of a VMstore:\n{faults}\nof Slack:\n{slack}")

    def _clicked(self, user: str, label: str) -> Ack:
        """Where the user looks, else in #ops."""
        slack, place = self._world.slack, self._at.get(user, CHANNEL)
        if place != CHANNEL:
            with suppress(LookupError):
                return slack.click(user, label, place)
        return slack.click(user, label, CHANNEL)

    def _known(self, user: str) -> None:
        try:
            self._world.slack.user_id(user)
        except LookupError as error:
            raise ScriptError(f"there is no user {user}; there are {people()}") from error

    def _acknowledged(self, ack: Ack) -> None:
        if not ack.ok:
            raise ScriptError(f"the bot did not take it: {ack.error}")

    def _wait(self, is_enough: Callable[[View], bool], seconds: float) -> View | None:
        def is_enough_of_a_living_bot(view: View) -> bool:
            if not self._world.bot.is_alive:
                raise ScriptError("the bot has ended by itself")
            return is_enough(view)

        return self._world.watcher.wait(is_enough_of_a_living_bot, time.time(), seconds)

    def _where(self) -> str:
        view = self._wait(lambda _: True, 5)
        if view is None:
            return "the bot's database tells nothing"
        running = [step for step, state in view.steps.items() if state == "running"]
        at = f" in step {', '.join(running)}" if running else ""
        newest = f"{view.newest} is {view.state}{at}" if view.newest else "there is no transaction"
        return f"{newest}, {view.active} active, {view.outbox} messages to send"


def people() -> str:
    """Who there is, with what each may do."""
    return ", ".join(f"{user.name} ({user.title})" for user in default_users() if user.title)


def _found(look: Callable[[], T]) -> T:
    """What is there now, or comes in a moment: a message follows its command by some tenths of a second."""
    deadline = time.monotonic() + _ANSWER_S
    while True:
        try:
            return look()
        except LookupError as error:
            if time.monotonic() >= deadline:
                raise ScriptError(_words(error)) from error
        time.sleep(_LOOK_S)


def _ordered(order: Callable[[], T]) -> T:
    try:
        return order()
    except (LookupError, ValueError) as error:
        raise ScriptError(_words(error)) from error


def _words(error: Exception) -> str:
    return str(error.args[0]) if error.args else "not found"


def _first(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(":")
