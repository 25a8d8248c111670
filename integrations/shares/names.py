"""Paths inside an export, what is said of them, and the addresses of shares that speak to a server themselves."""

from pathlib import PurePosixPath
from urllib.parse import SplitResult, unquote, urlsplit

from bot.errors import ConfigError, PermanentError, TransientError


def parts_of(path: str, export: str, forbidden: str = "") -> tuple[str, ...]:
    """The names from the export down. PermanentError: it would leave the export, or has what no name there has."""
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise refused(path, export, "it would leave the export")
    bad = sorted({character for character in path if character in forbidden})
    if bad:
        raise refused(path, export, f"no name on such a share has {' '.join(bad)}")
    return parts


def refused(path: str, export: str, why: str) -> PermanentError:
    """A path that is not even asked for."""
    return PermanentError(f"{path!r} on {export} is refused: {why}.", system="share", operation="check path")


def wrong_kind(thing: str, wanted: str, operation: str) -> PermanentError:
    """Something else lies there than the file or directory that is wanted."""
    return PermanentError(f"{thing} is not a {wanted}.", system="share", operation=operation)


def taken(thing: str) -> PermanentError:
    """Something is where a thing was to get its name."""
    return PermanentError(f"{thing} is there already, and nothing is replaced.", system="share", operation="rename")


def lost(path: str, why: str) -> TransientError:
    """Nobody can say of a file what of it was kept."""
    return TransientError(
        f"What was written to {path} since it was last flushed may be lost ({why}): it must be written again.",
        system="share",
        operation="write",
    )


def full(path: str, export: str) -> str:
    """As people see it."""
    return f"{export.rstrip('/')}/{path}"


def address(url: str, scheme: str, example: str) -> SplitResult:
    """Read a share's URL. ConfigError: it is none, or holds a password. The URL is never shown, it may hold one."""
    try:
        found = urlsplit(url)
        port = found.port
    except ValueError:
        raise ConfigError([f"share {scheme}://...: must be like {example}"]) from None
    if found.password is not None:
        raise ConfigError([f"share {scheme}://...: a password does not belong into a URL; see `share_password`"])
    if found.scheme != scheme or not found.hostname or port == 0 or not unquote(found.path).strip("/"):
        raise ConfigError([f"share {scheme}://...: must be like {example}"])  # half a password looks like a path
    if ".." in PurePosixPath(unquote(found.path)).parts:
        raise ConfigError([f"share {scheme}://...: must be without `..`"])
    return found
