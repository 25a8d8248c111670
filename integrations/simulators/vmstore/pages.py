"""Collections: filtered lists cut into pages, as PageFilterSpec and Page describe them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from integrations.simulators.vmstore.calls import Call, Json
from integrations.simulators.vmstore.errors import bad_query
from integrations.simulators.vmstore.times import now_text

T = TypeVar("T")
_TYPE_ID = "com.tintri.api.rest.v310.dto.Page"
_DEFAULT_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are without any filter: that are active, and at all."""

    active: int
    absolute: int


def page(call: Call, items: Sequence[T], counts: Counts, render: Callable[[T], Json]) -> Json:
    """Cut the page asked for out of the filtered items; only what is on the page is rendered."""
    limit = call.number("limit", _DEFAULT_LIMIT) or _DEFAULT_LIMIT
    offset = call.number("offset", max(call.number("page", 1) - 1, 0) * limit)
    shown = items[offset : offset + limit]
    answer: Json = {
        "typeId": _TYPE_ID,
        "items": [render(item) for item in shown],
        "limit": limit,
        "offset": offset,
        "page": offset // limit + 1,
        "pageTotal": -(-len(items) // limit),
        "total": counts.active,
        "filteredTotal": len(items),
        "absoluteTotal": counts.absolute,
        "overflow": False,
        "offsetMatchFound": False,
        "completedIn": 1,
        "lastUpdatedTime": now_text(),
    }
    if offset + limit < len(items):  # clients loop while the key is there, so it is left out on the last page
        answer["next"] = _link(call, offset + limit, limit)
    if offset > 0:
        answer["prev"] = _link(call, max(offset - limit, 0), limit)
    return answer


def _link(call: Call, offset: int, limit: int) -> str:
    """Plain `k=v` pairs with the original filters: clients split them and encode them again."""
    rest = {name: value for name, value in call.query.items() if name not in ("offset", "limit", "page")}
    return "&".join(f"{name}={value}" for name, value in {"offset": offset, "limit": limit, **rest}.items())


def wanted(call: Call, name: str, value: bool) -> bool:
    """Whether a two- or three-way filter (true|false|both, yes|no|both) lets the value through."""
    text = call.query.get(name, "").lower()
    if text in ("", "both"):
        return True
    if text not in ("true", "yes", "false", "no"):
        raise bad_query(name, text)
    return (text in ("true", "yes")) == value


def one_of(call: Call, name: str, value: str) -> bool:
    """Whether a multi-valued filter names the value, or is not there."""
    words = call.words(name)
    return not words or value in words


def ordered(call: Call, items: list[T], keys: dict[str, Callable[[T], Any]]) -> list[T]:
    """Sort by the property asked for; one that cannot be sorted by leaves the order as it is."""
    key = keys.get(call.query.get("sortedBy", ""))
    if key is None:
        return items
    return sorted(items, key=key, reverse=call.query.get("sortOrder", "").upper() == "DESC")
