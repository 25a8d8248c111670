"""One cmdlet of a pipeline: what it was given, by name, as the documentation of the cmdlet types it."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.simulators.hyperv.host import Host, Refused

COMMON = frozenset({"erroraction", "confirm", "warningaction"})
_MISSING = object()


@dataclass
class Session:
    """One runspace: what it remembers."""

    variables: dict[str, Any] = field(default_factory=dict)


@dataclass
class Call:
    """The parameters by name in lower case, and what came through the pipe."""

    host: Host
    session: Session
    name: str
    given: dict[str, Any]
    piped: Sequence[Any]

    def text(self, name: str, default: str = "") -> str:
        """A string; null is an empty one."""
        value = self.given.get(name.lower(), default)
        return "" if value is None else str(value)

    def number(self, name: str, default: int = 0) -> int:
        """A whole number."""
        value = self.given.get(name.lower(), default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.unbound(name, value)
        return int(value)

    def flag(self, name: str) -> bool:
        """A switch: there without a value is on."""
        value = self.given.get(name.lower(), False)
        return True if value is None else bool(value)

    def many(self, name: str) -> list[Any]:
        """An array; one thing is an array of one."""
        value = self.given.get(name.lower(), [])
        return list(value) if isinstance(value, list | tuple) else [value]

    def guid(self, name: str) -> uuid.UUID:
        """A GUID, or its text."""
        value = self.given.get(name.lower())
        try:
            return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
        except ValueError:
            raise self.unbound(name, value) from None

    def has(self, name: str) -> bool:
        """Whether it was given at all."""
        return name.lower() in self.given

    def all_of(self, kind: type[Any]) -> Iterator[Any]:
        """What was piped; each must be of the kind."""
        for each in self.piped:
            if not isinstance(each, kind):
                raise Refused(
                    f"The input object cannot be bound to any parameters for the command {self.name}.",
                    "InputObjectNotBound",
                    "ParameterBindingException",
                )
            yield each

    def unbound(self, name: str, value: Any) -> Refused:
        """An error about one parameter."""
        return Refused(
            f"Cannot bind parameter '{name}'. Cannot convert value \"{value}\".",
            "CannotConvertArgumentNoMessage",
            "ParameterBindingException",
        )

    def refused(self, message: str, error_id: str = "OperationFailed") -> Refused:
        """An error of Hyper-V's own."""
        class_name = self.name.replace("-", "")
        return Refused(message, f"{error_id},Microsoft.HyperV.PowerShell.Commands.{class_name}")


@dataclass(frozen=True)
class Cmdlet:
    """What runs it, and which parameters it has beside those that all have."""

    run: Callable[[Call], list[Any]]
    parameters: frozenset[str]


def cmdlet(run: Callable[[Call], list[Any]], parameters: str = "") -> Cmdlet:
    """parameters: their names, with spaces between."""
    return Cmdlet(run, frozenset(parameters.lower().split()))
