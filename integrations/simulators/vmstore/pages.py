"""Collections: filtered lists cut into pages, as PageFilterSpec and Page describe them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from integrations.simulators.vmstore.calls import Call, Json
from integrations.simulators.vmstore.filters import value_of
from integrations.simulators.vmstore.times import now_text

T = TypeVar("T")
_TYPE_ID = "com.tintri.api.rest.v310.dto.Page"
_DEFAULT_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are without any filter: that are active, and at all."""

    active: int
    absolute: int


def page(
    call: Call, items: Sequence[T], counts: Counts, render: Callable[[T], Json], name_of: Callable[[T], str] = repr
) -> Json:
    """Cut the page asked for out of the filtered items; only what is on the page is rendered.

    `name_of` is for an offset of the form `name:<value>`: the first item of that name or a later one.
    """
    limit = call.number("limit", _DEFAULT_LIMIT) or _DEFAULT_LIMIT
    sought, is_match = call.query.get("offset", ""), False
    if sought.startswith("name:"):
        names = [name_of(item).casefold() for item in items]
        wanted = sought.removeprefix("name:").casefold()
        offset = next((place for place, name in enumerate(names) if name >= wanted), len(items))
        is_match = wanted in names[offset : offset + 1]
    else:
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
        "offsetMatchFound": is_match,
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


def ordered(call: Call, items: list[T], render: Callable[[T], Json]) -> list[T]:
    """Sort by the property asked for, of the object as it is shown; unknown ones leave the order as it is.

    The order of a list that is asked for nothing is that of time, oldest first: clients ask for TOP_DOCS_BY_TIME and
    one item, and take it for the oldest.
    """
    name = call.query.get("sortedBy", "")
    is_descending = call.query.get("sortOrder", "").upper() == "DESC"
    if not name:
        is_newest_first = call.query.get("queryType") == "TOP_DOCS_BY_LATEST_TIME"
        return items[::-1] if is_newest_first or (is_descending and "queryType" in call.query) else items
    return sorted(items, key=lambda item: _sort_key(value_of(render(item), name)), reverse=is_descending)


def _sort_key(value: Any) -> tuple[int, Any]:
    """What can be compared whatever it is: nothing, then numbers, then text."""
    if isinstance(value, dict):
        value = value.get("uuid")
    if value is None:
        return 0, 0
    return (1, value) if isinstance(value, (int, float)) else (2, str(value).casefold())
