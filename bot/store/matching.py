"""Patterns of names as conditions on the inventory; they mean what bot/groups.py says that they mean."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, false, func, or_
from sqlmodel import col

from bot import groups
from bot.store.rows import InventoryRow

PATH = func.lower(InventoryRow.vmstore) + "/" + col(InventoryRow.folded)


def means(patterns: Iterable[str]) -> ColumnElement[bool]:
    """Whether one of the patterns (no groups) means the VM of a row."""
    named: dict[bool, list[str]] = {True: [], False: []}  # by whether the VMstore is said too
    conditions: list[ColumnElement[bool]] = []
    uuids = list(dict.fromkeys(patterns))
    for pattern in uuids:
        has_vmstore = "/" in pattern
        if groups.is_pattern(pattern):
            column = PATH if has_vmstore else col(InventoryRow.folded)
            conditions.append(column.like(like(pattern.casefold()), escape="\\"))
        else:
            named[has_vmstore].append(pattern.casefold())
    # As one list each: some hundred names, compared one by one for each VM, would take their time.
    conditions += [col(InventoryRow.folded).in_(named[False])] if named[False] else []
    conditions += [PATH.in_(named[True])] if named[True] else []
    conditions += [col(InventoryRow.vm_uuid).in_(uuids)] if uuids else []
    return or_(*conditions) if conditions else false()


def like(pattern: str) -> str:
    """A pattern of * and ? as SQL has it."""
    escaped = "".join(f"\\{char}" if char in "\\%_" else char for char in pattern)
    return escaped.replace("*", "%").replace("?", "_")
