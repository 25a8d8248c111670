"""What a store refuses because of a lock, told with the lock's date."""

from bot.errors import DeniedError, LockedError
from bot.model import ObjectInfo


def dated(refused: DeniedError, info: ObjectInfo | None) -> DeniedError:
    """The same refusal, with the lock that made it where there is one. info: of what was to go, as far as it tells."""
    until, is_held = (info.locked_until, info.is_held) if info else (None, False)
    if not (until or is_held or isinstance(refused, LockedError)):
        return refused
    lock = f" It is locked until {until:%Y-%m-%d %H:%M} UTC." if until else ""
    hold = " A legal hold keeps it until somebody takes that away." if is_held else ""
    return LockedError(
        f"{refused.message}{lock}{hold}",
        system=refused.system,
        operation=refused.operation,
        code=refused.code,
        until=until,
        is_held=is_held,
    )
