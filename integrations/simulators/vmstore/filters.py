"""What a list's filters are made of; one that is not documented for a list is no filter and lets everything through."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from integrations.simulators.vmstore.calls import Call, Json
from integrations.simulators.vmstore.errors import bad_query
from integrations.simulators.vmstore.times import read

T = TypeVar("T")
Filter = Callable[[Call, str, T], bool]  # (call, the parameter's name, item): whether it lets the item through


def chosen(call: Call, items: Sequence[T], filters: Mapping[str, Filter[T]]) -> list[T]:
    """The items that all filters of the call let through."""
    active = [(name, filters[name]) for name in call.query if name in filters and call.query[name]]
    return [item for item in items if all(lets_through(call, name, item) for name, lets_through in active)]


def flag(get: Callable[[T], bool]) -> Filter[T]:
    """A two- or three-way filter: true|false|both, yes|no|both."""

    def lets_through(call: Call, name: str, item: T) -> bool:
        text = call.query[name].lower()
        if text == "both":
            return True
        if text not in ("true", "yes", "false", "no"):
            raise bad_query(name, text)
        return (text in ("true", "yes")) == get(item)

    return lets_through


def words(get: Callable[[T], str | Iterable[str]]) -> Filter[T]:
    """A multi-valued filter; an item that has several values needs one of them."""

    def lets_through(call: Call, name: str, item: T) -> bool:
        has = get(item)
        return not call.words(name).isdisjoint({has} if isinstance(has, str) else has)

    return lets_through


def exact(get: Callable[[T], str]) -> Filter[T]:
    """One value that may hold a comma."""
    return lambda call, name, item: call.query[name] == get(item)


def part(get: Callable[[T], Iterable[str]]) -> Filter[T]:
    """A text that one of the item's texts contains, in any case."""
    return lambda call, name, item: any(call.query[name].casefold() in text.casefold() for text in get(item))


def prefix(get: Callable[[T], str]) -> Filter[T]:
    """One of several beginnings."""
    return lambda call, name, item: get(item).startswith(tuple(call.words(name)))


def span(get: Callable[[T], float]) -> Filter[T]:
    """A range of numbers, MIN:MAX; either may be left out, a number alone is the least."""

    def lets_through(call: Call, name: str, item: T) -> bool:
        low, _, high = call.query[name].partition(":")
        try:
            return (float(low) if low else float("-inf")) <= get(item) <= (float(high) if high else float("inf"))
        except ValueError:
            raise bad_query(name, call.query[name]) from None

    return lets_through


def not_before(get: Callable[[T], int]) -> Filter[T]:
    """A time, from which on; get gives ms since 1970."""
    return lambda call, name, item: moment(call, name) <= get(item)


def not_after(get: Callable[[T], int]) -> Filter[T]:
    """A time, up to which."""
    return lambda call, name, item: moment(call, name) >= get(item)


def moment(call: Call, name: str) -> int:
    """A time in a query, as ms since 1970."""
    found = read(call.query[name])
    if found is None:
        raise bad_query(name, call.query[name])
    return found


def value_of(shown: Json, name: str) -> Any:
    """A property of a rendered object by its name, at the top or in one of its members; None without it.

    A list of statistics is looked into at its newest sample.
    """
    for key in name.split(".")[:-1]:
        inner = shown.get(key)
        shown = inner if isinstance(inner, dict) else {}
    name = name.rpartition(".")[2]
    if name in shown:
        return shown[name]
    for inner in shown.values():
        if isinstance(inner, dict) and name in inner:
            return inner[name]
        stats = inner.get("sortedStats") if isinstance(inner, dict) else None
        if stats and name in stats[0]:
            return stats[0][name]
    return None
