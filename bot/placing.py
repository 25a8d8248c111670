"""Where restored files may lie: names come from a manifest, which others may have written. Pure.

What is refused would lie outside of the directory, or would be another file there: on any share one that differs by
upper and lower case only, and where Windows reads the files what has another meaning for it.
"""

import re
import unicodedata
from collections.abc import Sequence

from bot.errors import IntegrityError

PART = ".part"  # ends the name of a file that is not whole yet
OURS = ".cloudy-"  # begins the names of directories that Cloudy removes again
_LONGEST_NAME = 255 - len(PART)  # bytes; what the shares allow
_LONGEST = 1024  # bytes: no key is longer
# Source: "Naming Files, Paths, and Namespaces", Microsoft; they are reserved with any extension, too.
_NOT_IN_NAMES = frozenset('<>:"|?*')
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE | re.DOTALL)


def safe_place(name: str, *, is_for_windows: bool = True) -> str:
    """Give the name, which is safe below any directory. IntegrityError: it is not, with the reason.

    is_for_windows: it is written or read by SMB, or the hypervisor runs on Windows (bot/vacancy.py).
    """
    if len(_bytes(name)) > _LONGEST:
        raise _refused(name, f"it is longer than {_LONGEST:,} bytes")
    if "\\" in name:
        raise _refused(name, "there is a backslash in it")
    for part in name.split("/"):
        if why := _why_not(part) or (_why_not_on_windows(part) if is_for_windows else ""):
            raise _refused(name, why)
    return name


def safe_places(names: Sequence[str], *, is_for_windows: bool = True) -> tuple[str, ...]:
    """The names of all files of one restore. IntegrityError: one is not safe, or two would be the same place."""
    taken: dict[str, str] = {}
    for name in (safe_place(each, is_for_windows=is_for_windows) for each in names):
        for place in (_alike(name), _alike(name + PART)):
            if place in taken:
                raise _refused(name, f"it would be the same place as {taken[place]!r}")
            taken[place] = name
    for name in names:
        parts = _alike(name).split("/")
        for end in range(1, len(parts)):
            if (above := "/".join(parts[:end])) in taken:
                raise _refused(name, f"{taken[above]!r} is a file, and this would lie in it")
    return tuple(names)


def directories(names: Sequence[str]) -> tuple[str, ...]:
    """Those that the files lie in, each after the one that it lies in."""
    found: dict[str, None] = {}
    for name in names:
        parts = name.split("/")[:-1]
        found.update(dict.fromkeys("/".join(parts[:end]) for end in range(1, len(parts) + 1)))
    return tuple(found)


def _why_not(part: str) -> str:
    if part in ("", ".", ".."):
        return "it would leave its directory"
    if any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") for each in part):
        return "there is a control character in it"
    if len(_bytes(part)) > _LONGEST_NAME:
        return f"a part of it is longer than {_LONGEST_NAME} bytes"
    return "names that begin so are Cloudy's own" if _alike(part).startswith(OURS) else ""


def _why_not_on_windows(part: str) -> str:
    if part[-1] in ". ":
        return "a part of it ends with a dot or a space, which Windows would drop"
    if _RESERVED.fullmatch(part):
        return f"{part!r} is reserved on Windows"
    if bad := sorted(_NOT_IN_NAMES & set(part)):
        return f"no name on Windows has {' '.join(bad)}"
    return ""


def _alike(name: str) -> str:
    """The same for names that are one on some share."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogatepass")


def _refused(name: str, why: str) -> IntegrityError:
    shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
    return IntegrityError(f"The recovery point names a file {shown!r}, and {why}. Nothing is written.")
