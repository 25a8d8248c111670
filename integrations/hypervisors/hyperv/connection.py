"""Runspaces on a host: opened when one is needed, kept for the next call, given back at the end.

Each request ends when nothing came for the time-out, and each call when its whole time is over. A runspace that nobody
ended, since Cloudy was killed, is ended by the host after some minutes.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from pypsrp.complex_objects import GenericComplexObject, PSInvocationState
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from bot.errors import TransientError
from integrations.hypervisors.hyperv.cmdlets import Cmdlet
from integrations.hypervisors.hyperv.definition import NoDefinition
from integrations.hypervisors.hyperv.failures import RAISED, SHELL_GONE, CmdletError, Wire
from integrations.hypervisors.hyperv.settings import Way

T = TypeVar("T")
_KEPT_S = 180  # the host ends a runspace that was not used for so long
_LONGEST_WAIT_S = 20  # of one request for what a pipeline says
_LAST_WORDS_S = 2.0  # for ending something that did not answer well


class Session:
    """One runspace. Of one thread at a time."""

    def __init__(self, way: Way, wire: Wire, operation: str, deadline: float) -> None:
        self._wire = wire
        self.operation = operation
        self.deadline = deadline
        self.is_broken = False  # whether it cannot be asked again
        wait_s = max(1, min(_LONGEST_WAIT_S, int(way.timeout_s / 2)))
        self._client: Any = WSMan(
            **way.options(),
            operation_timeout=wait_s,
            connection_timeout=max(1, int(way.timeout_s)),
            read_timeout=max(wait_s + 1, int(way.timeout_s)),
        )
        self._pool: Any = RunspacePool(self._client, idle_timeout=_KEPT_S)
        self._library(self._pool.open)

    def run(self, *pipeline: Cmdlet) -> list[Any]:
        """What a pipeline gives: properties as dictionaries, enumerations as their names. CmdletError; RemoteError."""
        shell: Any = PowerShell(self._pool)
        for each in pipeline:
            shell.add_script(each.name) if each.is_script else shell.add_cmdlet(each.name)
            shell.add_parameters(dict(each.parameters))
        self._library(shell.begin_invoke)
        while shell.state == PSInvocationState.RUNNING:
            if time.monotonic() > self.deadline:
                self._give_up(shell)
            self._library(shell.poll_invoke)
        with suppress(*RAISED):  # what was asked for is here
            shell.close()
        if shell.streams.error or shell.state != PSInvocationState.COMPLETED:
            raise _error_of(shell)
        return [_plain(each) for each in shell.output]

    def end(self, within_s: float | None = None) -> None:
        """Give the runspace back; within_s: no longer than that."""
        if within_s is not None:
            self._client.transport.read_timeout = self._client.transport.connection_timeout = within_s
        with suppress(*RAISED):  # whoever is gone has no runspace either
            self._pool.close()
        self.drop()

    def drop(self) -> None:
        """Let go of the connection alone."""
        with suppress(*RAISED):
            self._client.close()

    def _give_up(self, shell: Any) -> None:
        transport = self._client.transport
        transport.read_timeout = transport.connection_timeout = _LAST_WORDS_S
        with suppress(*RAISED):
            shell.stop()
        self.end()
        self.is_broken = True
        raise self._wire.failure(TimeoutError(), self.operation)

    def _library(self, call: Callable[[], T]) -> T:
        self.is_broken = True
        try:
            result = call()
            self.is_broken = False
            return result
        except RAISED as error:
            failure = self._wire.failure(error, self.operation)
        # Raised out here: the library's error carries the request, and with it a password.
        raise failure


class Connection:
    """All runspaces on one host. Its calls may come from several threads: each has a runspace of its own meanwhile."""

    def __init__(self, name: str, way: Way) -> None:
        """It asks nothing yet."""
        self._way = way
        self._wire = Wire(name, way.ca)
        self._idle: list[Session] = []
        self._closings = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Connection({self._wire.system!r}, {self._way.server!r})"

    def ask(self, operation: str, work: Callable[[Session], T], factor: float = 1) -> T:
        """Give what the work makes of a session; it is done once more from its beginning where the host had ended it.

        factor: how many times the time-out it may take as a whole. Errors of bot.errors only, but for the work's own.
        """
        deadline = time.monotonic() + factor * max(self._way.timeout_s, 1.0)
        with self._lock:
            session, closings = self._idle.pop() if self._idle else None, self._closings
        if session is not None:
            session.operation, session.deadline = operation, deadline
            try:
                return self._done(session, work, closings)
            except TransientError as error:
                if error.code != SHELL_GONE:
                    raise
        return self._done(Session(self._way, self._wire, operation, deadline), work, closings)

    def close(self) -> None:
        """Give all runspaces back; the next call opens one again."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._closings += 1
        for session in idle:
            session.end()

    def _done(self, session: Session, work: Callable[[Session], T], closings: int) -> T:
        try:
            return work(session)
        except CmdletError as error:
            failure = self._wire.of_cmdlet(error, session.operation)
        except NoDefinition:
            raise
        except (LookupError, TypeError, ValueError) as error:  # of what a host of another kind tells
            raise self._wire.of_answer(error, session.operation) from error
        finally:
            if session.is_broken:
                session.drop()
            else:
                self._back(session, closings)
        raise failure

    def _back(self, session: Session, closings: int) -> None:
        with self._lock:
            is_kept = closings == self._closings
            if is_kept:
                self._idle.append(session)
        if not is_kept:
            session.end(_LAST_WORDS_S)


def _error_of(shell: Any) -> CmdletError:
    for each in shell.streams.error:
        return CmdletError(str(each), str(each.fq_error or ""), int(each.category or 0))
    return CmdletError("the pipeline was stopped", "", 0)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, GenericComplexObject):
        return value
    if "System.Enum" in value.types:
        return str(value)
    found = {**value.adapted_properties, **value.extended_properties}
    return {key: _plain(each) for key, each in found.items()} if found else str(value)
