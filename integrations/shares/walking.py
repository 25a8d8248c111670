"""All files below a directory, for every share that can list one."""

from collections.abc import Callable

from bot.errors import MissingError
from bot.model import Entry


def walk(list_directory: Callable[[str], tuple[Entry, ...]], directory: str) -> tuple[Entry, ...]:
    """All files below it, sorted; what vanishes meanwhile is left out. MissingError: it is not there itself."""
    waiting, files = [*list_directory(directory)], []
    while waiting:
        entry = waiting.pop()
        if not entry.is_dir:
            files.append(entry)
            continue
        try:
            waiting += list_directory(entry.path)
        except MissingError:
            continue
    return tuple(sorted(files, key=lambda entry: entry.path))
