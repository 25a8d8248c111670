"""Files of the export as a host names them, and back: `\\\\vmstore\\share\\vm01\\vm01.vhdx`. Pure.

Windows takes upper and lower case for the same.
"""

from bot.errors import ConfigError


class Paths:
    """Of one export. datastore: how the host calls it."""

    def __init__(self, datastore: str) -> None:
        """ConfigError: it is no share."""
        plain = datastore.replace("/", "\\").rstrip("\\")
        parts = plain.removeprefix("\\\\").split("\\")
        if plain and (not plain.startswith("\\\\") or len(parts) < 2 or {"", ".", ".."} & set(parts)):
            raise ConfigError(
                [f"vmstores: datastore is {datastore!r}; for hyperv it is a share, like \\\\vmstore\\share"]
            )
        self.datastore = plain

    def full(self, path: str) -> str:
        """What the host calls a path of the export."""
        return f"{self.datastore}\\{path.replace('/', chr(92))}"

    def inside(self, full: str) -> str:
        """The path on the export; "": it is elsewhere."""
        plain, start = full.replace("/", "\\"), f"{self.datastore}\\"
        below = plain[len(start) :].replace("\\", "/")
        is_here = bool(self.datastore) and plain.lower().startswith(start.lower())
        return below if is_here and not {"", ".", ".."} & set(below.split("/")) else ""


def leaf(path: str) -> str:
    """The last part of a path of either kind."""
    return path.replace("\\", "/").rpartition("/")[2]


def same(one: str, other: str) -> bool:
    """Whether Windows takes them for the same."""
    return one.replace("/", "\\").lower() == other.replace("/", "\\").lower()


def place_of(file: str, directory: str, files: tuple[str, ...]) -> str:
    """Which of the restored files a definition means: that of the same name, in the same folder if there are several.

    "": none, or it cannot be told.
    """
    wanted = file.replace("\\", "/").lower().split("/")
    found = [each for each in files if leaf(each).lower() == wanted[-1]]
    best = [(_common(each.removeprefix(f"{directory}/").lower().split("/"), wanted), each) for each in found]
    top = max((length for length, _ in best), default=0)
    chosen = [each for length, each in best if length == top]
    return chosen[0] if len(chosen) == 1 else ""


def _common(one: list[str], other: list[str]) -> int:
    length = 0
    while length < min(len(one), len(other)) and one[-1 - length] == other[-1 - length]:
        length += 1
    return length
