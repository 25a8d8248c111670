"""Which VMs are meant by patterns of names and by groups of patterns. Pure.

A pattern is a whole name with * and ? in it, in any case; with a / it is VMstore/name; a VM's uuid means that VM.
"@web" means the patterns of the group "web".
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache

from bot.errors import NotFound
from bot.model import SeenVm

MARK = "@"  # before the name of a group
_WILD = frozenset("*?")


def fits(pattern: str, vm: SeenVm) -> bool:
    """Whether a pattern (not a group) means this VM."""
    if pattern == vm.uuid:
        return True
    name = vm.name.casefold()
    return bool(_expression(pattern).fullmatch(f"{vm.vmstore.lower()}/{name}" if "/" in pattern else name))


def spread(words: Iterable[str], groups: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Give each pattern with the group that it is of; "": it stands by itself.

    NotFound: there is no such group, with the groups there are.
    """
    for word in words:
        if not word.startswith(MARK):
            yield word, ""
            continue
        name = word.removeprefix(MARK)
        if name not in groups:
            raise unknown(name, groups)
        yield from ((pattern, name) for pattern in groups[name])


def first(words: Iterable[str], groups: Mapping[str, Sequence[str]], vm: SeenVm) -> tuple[str, str] | None:
    """The first pattern that means the VM, with its group; None: none does. NotFound: an unknown group."""
    return next((found for found in spread(words, groups) if fits(found[0], vm)), None)


class Directory:
    """Many VMs, of which many words are to be looked up: a whole name is found at once."""

    def __init__(self, vms: Sequence[SeenVm]) -> None:
        self._vms = vms
        self._known: dict[str, list[int]] = {}
        for place, vm in enumerate(vms):
            name = vm.name.casefold()
            for key in {f"n{name}" if "/" not in name else "", f"n{vm.vmstore.lower()}/{name}", f"u{vm.uuid}"}:
                self._known.setdefault(key, []).append(place)

    def chosen(self, words: Iterable[str], groups: Mapping[str, Sequence[str]]) -> tuple[SeenVm, ...]:
        """The same as the function of this name, of these VMs."""
        found: set[int] = set()
        for pattern, _ in spread(words, groups):
            if is_pattern(pattern):
                found.update(place for place, vm in enumerate(self._vms) if place not in found and fits(pattern, vm))
            else:
                found.update(self._known.get(f"n{pattern.casefold()}", ()), self._known.get(f"u{pattern}", ()))
        return tuple(self._vms[place] for place in sorted(found))


def chosen(vms: Iterable[SeenVm], words: Iterable[str], groups: Mapping[str, Sequence[str]]) -> tuple[SeenVm, ...]:
    """Those of the VMs that are meant, in their order. NotFound: an unknown group."""
    patterns = tuple(dict.fromkeys(pattern for pattern, _ in spread(words, groups)))
    return tuple(vm for vm in vms if any(fits(pattern, vm) for pattern in patterns))


def is_pattern(word: str) -> bool:
    """Whether it can mean several VMs."""
    return word.startswith(MARK) or not _WILD.isdisjoint(word)


def unknown(name: str, groups: Mapping[str, object]) -> NotFound:
    """There is no such group."""
    near = get_close_matches(name, groups, n=1)
    hint = f" Did you mean {MARK}{near[0]}?" if near else ""
    known = ", ".join(f"{MARK}{each}" for each in groups) or "none"
    return NotFound(f"There is no group {MARK}{name} in cloudy.toml.{hint} The groups are: {known}.", tuple(groups))


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    spelled = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern.casefold())
    return re.compile("".join(spelled), re.DOTALL)
