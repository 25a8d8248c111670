"""Every error that is raised on purpose, split by who must act.

CloudyError
  RequesterError        the person who asked can fix it; shown as it stands
    UsageError          the text was not understood; carries the usage line
    NotFound            no such VM, target, transaction; carries near names
    AmbiguousName       several things have that name; carries them
    TooMany             more than can be looked at while somebody waits
    NotAllowed
  OperatorError         whoever runs Cloudy must act
    ConfigError         cloudy.toml or the environment; lists every problem at once
    BusyError           our own database is held by another process; nothing was started
    DatabaseError       our own database cannot be used: full, read-only, damaged; nothing was kept
    RemoteError         an outside system said no: system, operation, its own code
      TransientError    nobody must act yet: may pass by itself; may carry the wait that was asked for
      PermanentError    will not pass by itself
        MissingError    a thing that we know by id, path or key is not there
        DeniedError     login or right refused
          LockedError   a lock or a hold keeps it; carries until when
        ArchivedError   an object must be brought back from an archive before it can be read or copied
  IntegrityError        bytes, size or checksum differ; never retried, always loud
    ChangedError        an object that is to be copied from is not the one that was recorded
    NotRestorable       a file that the VM needs is not in the clone
  Stopped               a person asked for it; not a failure
Paused                  no error at all: not the hour for it, it goes on later by itself
"""

from collections.abc import Mapping, Sequence
from datetime import datetime


class CloudyError(Exception):
    """Cloudy could not do what was asked."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def message(self) -> str:
        """The sentence for a person: what happened and, where known, what to do."""
        return str(self.args[0])


class RequesterError(CloudyError):
    """The request cannot be carried out as it stands."""


class UsageError(RequesterError):
    """The text was not understood."""

    def __init__(self, message: str, usage: str = "") -> None:
        super().__init__(message)
        self.usage = usage


class NotFound(RequesterError):  # noqa: N818 - reads as the thing that it says
    """There is nothing of that name."""

    def __init__(self, message: str, suggestions: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.suggestions = tuple(suggestions)


class AmbiguousName(RequesterError):  # noqa: N818
    """Several things have that name."""

    def __init__(self, message: str, candidates: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class TooMany(RequesterError):  # noqa: N818
    """It is about more than can be looked at while somebody waits."""


class NotAllowed(RequesterError):  # noqa: N818
    """You may not do that; who: Slack ids of users and user groups that may."""

    def __init__(self, message: str, who: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.who = tuple(who)


class OperatorError(CloudyError):
    """Whoever runs Cloudy must act."""


class ConfigError(OperatorError):
    """The configuration has mistakes."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("The configuration has mistakes:\n" + "\n".join(f"- {p}" for p in problems))
        self.problems = tuple(problems)


class BusyError(OperatorError):
    """Cloudy's database is busy; nothing was started. Try again in a moment."""


class DatabaseError(OperatorError):
    """Cloudy's database cannot be used; nothing was kept of what was being done."""


class RemoteError(OperatorError):
    """An outside system refused or failed.

    system: our name for it ("vmstore", "s3"); operation: what we asked ("create snapshot");
    code: its own code where it gave one ("ERR-API-3106", "AccessDenied").
    """

    def __init__(self, message: str, *, system: str = "", operation: str = "", code: str = "") -> None:
        super().__init__(message)
        self.system = system
        self.operation = operation
        self.code = code


class TransientError(RemoteError):
    """The outside system did not answer well; it may pass by itself."""

    def __init__(
        self, message: str, *, system: str = "", operation: str = "", code: str = "", wait_s: float | None = None
    ) -> None:
        super().__init__(message, system=system, operation=operation, code=code)
        self.wait_s = wait_s


class PermanentError(RemoteError):
    """The outside system refused; asking again will not help."""


class MissingError(PermanentError):
    """A thing that Cloudy knew is not there any more."""


class DeniedError(PermanentError):
    """The outside system refused the login or the right."""


class LockedError(DeniedError):
    """A lock or a hold keeps the object, whoever asks.

    until: when the lock ends; None: nothing tells, or it has no end. is_held: by a legal hold, which has none.
    """

    def __init__(
        self,
        message: str,
        *,
        system: str = "",
        operation: str = "",
        code: str = "",
        until: datetime | None = None,
        is_held: bool = False,
    ) -> None:
        super().__init__(message, system=system, operation=operation, code=code)
        self.until = until
        self.is_held = is_held


class ArchivedError(PermanentError):
    """The object lies in an archive; it must be brought back before it can be read or copied."""


class IntegrityError(CloudyError):
    """Bytes, size or checksum differ from what they must be."""


class ChangedError(IntegrityError):
    """The object is not the one that was recorded: it was overwritten, cut or replaced."""


class NotRestorable(IntegrityError):  # noqa: N818
    """A file that the VM needs is missing, so this would not be restorable."""


class Paused(Exception):  # noqa: N818 - nothing that looks for errors is to take it for one
    """It is not the hour for it. kept: JSON that the step finds again when its turn comes anew (Context.before)."""

    def __init__(self, kept: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self.kept = dict(kept or {})


class Stopped(CloudyError):  # noqa: N818
    """Stopped on request."""
