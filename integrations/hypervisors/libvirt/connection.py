"""A line to libvirt whose calls end in time.

A call of libvirt has no time-out, so each runs in a thread of its own. One that takes too long is given up, and seen to
its end by another thread: keep-alive messages end it once nothing came for SILENCE_S; after that its way is cut, and
at once where it was still dialling. So neither threads nor lines pile up behind a host that hangs.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import libvirt

from bot.errors import TransientError
from integrations.hypervisors.libvirt import loop
from integrations.hypervisors.libvirt.failures import in_words
from integrations.hypervisors.libvirt.ways import Way

T = TypeVar("T")
KEEPALIVE_S, MISSED = 5, 3
SILENCE_S = KEEPALIVE_S * (MISSED + 1)
CLOSING_S = 3.0  # for goodbyes; whoever says nothing by then is cut off
_FIRST_LOOK_S, _LOOKS = 0.05, 12  # at a call that is to end, twice as long each time


@dataclass(slots=True)
class _Line:
    handle: Any
    way: Way


@dataclass(slots=True)
class _Call:
    """One that is under way, in a thread of its own."""

    ended: threading.Event = field(default_factory=threading.Event)
    given_up: threading.Event = field(default_factory=threading.Event)
    dialling: Way | None = None
    line: _Line | None = None


class Connection:
    """One line, opened when it is first needed and again when it broke. Its calls may come from several threads."""

    def __init__(self, name: str, url: str, login: tuple[str, str], timeout_s: float) -> None:
        self._name = name
        self._url = url
        self._login = login
        self.timeout_s = timeout_s  # of a call
        self._line: _Line | None = None
        self._dialler: _Call | None = None
        self._lock = threading.Lock()
        self._dialling = threading.Lock()  # one at a time: who hangs is given up, and lets the next one try

    def ask(self, operation: str, work: Callable[[Any], T], *, timeout_s: float | None = None) -> T:
        """Give what the work makes of the line. Errors of bot.errors; TransientError too when it takes longer."""
        future: Future[T] = Future()
        wait_s = self.timeout_s if timeout_s is None else timeout_s
        call = _Call()

        def run() -> None:
            try:
                future.set_result(work(self._opened(call)))
            except BaseException as error:  # noqa: BLE001 - whoever waits gets it
                future.set_exception(error)
            finally:
                call.ended.set()

        self._thread(run)
        try:
            return future.result(wait_s)
        except TimeoutError as error:
            self._give_up(call)
            raise TransientError(
                f"{self._name} did not answer within {wait_s:.0f} s ({operation}).",
                system=self._name,
                operation=operation,
            ) from error
        except libvirt.libvirtError as error:
            failure = in_words(error, self._name, operation)
            if isinstance(failure, TransientError):
                self._drop(call.line)
            raise failure from error

    def close(self, goodbye: Callable[[], None] = lambda: None) -> None:
        """Hang up, within CLOSING_S; the next call opens it again. goodbye: what is to be said before."""
        with self._lock:
            line, self._line = self._line, None
            dialler = self._dialler
        if dialler is not None:
            self._give_up(dialler)

        def end() -> None:
            goodbye()
            if line is not None:
                _hang_up(line)

        ending = self._thread(end)
        ending.join(CLOSING_S)
        if ending.is_alive() and line is not None:
            line.way.cut()

    def _opened(self, call: _Call) -> Any:
        """TimeoutError: nobody waits for it any more."""
        loop.begin()
        with self._dialling:
            if call.given_up.is_set():
                raise TimeoutError
            with self._lock:
                found = self._line
            if found is None or not found.handle.isAlive():
                found = self._dialled(call)
        with self._lock:
            call.line = found
        return found.handle

    def _dialled(self, call: _Call) -> _Line:
        """A new line, which all calls use from now on. TimeoutError likewise."""
        way = Way(self._url)
        with self._lock:
            if call.given_up.is_set():
                raise TimeoutError
            self._dialler, call.dialling = call, way
        try:
            line = _Line(self._answered(), way)
            way.settle()
        finally:
            with self._lock:
                self._dialler = call.dialling = None
        with suppress(libvirt.libvirtError):  # a driver inside of this process has no line to be kept alive
            line.handle.setKeepAlive(KEEPALIVE_S, MISSED)
        with self._lock:
            if not call.given_up.is_set():
                self._line = line
                return line
        _hang_up(line)
        raise TimeoutError

    def _answered(self) -> Any:
        user, password = self._login

        def answer(asked: list[list[Any]], _: object) -> int:
            for each in asked:
                each[4] = user if each[0] in (libvirt.VIR_CRED_AUTHNAME, libvirt.VIR_CRED_USERNAME) else password
            return 0

        kinds = [libvirt.VIR_CRED_AUTHNAME, libvirt.VIR_CRED_USERNAME, libvirt.VIR_CRED_PASSPHRASE]
        return libvirt.openAuth(self._url, [kinds, answer, None], 0) if password else libvirt.open(self._url)

    def _give_up(self, call: _Call) -> None:
        with self._lock:
            call.given_up.set()
        self._drop(call.line)
        self._thread(lambda: _see_to_its_end(call))

    def _drop(self, line: _Line | None) -> None:
        """Forget a line, and hang up in another thread, since that may hang itself."""
        if line is None:
            return
        with self._lock:
            self._line = None if self._line is line else self._line
        self._thread(lambda: _hang_up(line))

    def _thread(self, work: Callable[[], None]) -> threading.Thread:
        made = threading.Thread(target=work, name=f"libvirt-{self._name}", daemon=True)
        made.start()
        return made


def _see_to_its_end(call: _Call) -> None:
    waited_s, pause_s = 0.0, _FIRST_LOOK_S
    for _ in range(_LOOKS):
        if call.ended.wait(pause_s):
            return
        waited_s, pause_s = waited_s + pause_s, min(2 * pause_s, SILENCE_S)
        line = call.line if waited_s > SILENCE_S else None
        way = call.dialling or (line.way if line is not None else None)
        if way is not None:
            way.cut()


def _hang_up(line: _Line) -> None:
    with suppress(libvirt.libvirtError):
        line.handle.close()
