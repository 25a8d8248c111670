"""What every adapter of a hypervisor asks of what it is given, and of what carries a label. Pure."""

from collections.abc import Sequence

from bot.errors import PermanentError
from bot.model import Registered, RegisterSpec


def mistake_of(spec: RegisterSpec, refused: str = "") -> str:
    """What leads out of a spec's directory or is no path, in words; "": nothing. Names are each adapter's own.

    refused: letters that mean something else than a name to the hypervisor's host.
    """
    for path in (spec.directory, *spec.files):
        if {"", ".", ".."} & set(path.split("/")) or any(ord(letter) < 32 or letter in refused for letter in path):
            return f"{path!r} is no path on the export" + (" that its host can use" if refused else "")
    for path in spec.files:
        if not path.startswith(f"{spec.directory}/"):
            return f"{path!r} is outside of {spec.directory!r}"
    return ""


def only(found: Sequence[Registered], label: str, system: str, cure: str) -> Registered | None:
    """The one VM that a label has registered. PermanentError: several say so; cure: how a person puts that right."""
    if len(found) > 1:
        named = " and ".join(sorted(f"{each.name} ({each.id})" for each in found))
        raise PermanentError(
            f"{system}: {named} each say that transaction {label} registered them, so none of them is touched. {cure}",
            system=system,
            operation="finding what was registered",
        )
    return found[0] if found else None
