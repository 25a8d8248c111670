"""The wrappers in which changes come: Request, MultipleSelectionRequest, CollectionChangeRequest."""

import math
from typing import Any

from integrations.simulators.vmstore.calls import Json
from integrations.simulators.vmstore.errors import ApiError


def object_of(body: Any) -> Json:
    """The one object of a body, which may come as itself or as a list of one. ApiError 400."""
    one = body[0] if isinstance(body, list) and body else body
    if not isinstance(one, dict):
        raise ApiError(400, "ERR-API-0020", "Invalid input data.", "An object is needed.")
    return one


def changes(body: Any) -> list[Json]:
    """New values of a Request, cut down to its propertiesToBeUpdated; a bare object counts as one new value."""
    request = object_of(body)
    if "objectsWithNewValues" not in request:
        return [request]
    values = request["objectsWithNewValues"]
    names = request.get("propertiesToBeUpdated") or []
    names = [names] if isinstance(names, str) else names
    found = values if isinstance(values, list) else [values]
    if not all(isinstance(value, dict) for value in found) or not found:
        raise ApiError(400, "ERR-API-0020", "Invalid input data.", "objectsWithNewValues holds no object.")
    kept = {"uuid", "id", "name"}  # what tells which object is meant
    return [{key: value[key] for key in value if not names or key in names or key in kept} for value in found]


def change(body: Any) -> Json:
    """The first of them."""
    return changes(body)[0]


def selection(body: Any) -> tuple[list[str], Json]:
    """Ids and the new value of a MultipleSelectionRequest, cut down to its propertyNames."""
    request = object_of(body)
    value, names = request.get("newValue"), request.get("propertyNames")
    if not isinstance(value, dict):
        raise ApiError(400, "ERR-API-0020", "Invalid input data.", "newValue must be an object.")
    return ids(request.get("ids")), {key: value[key] for key in value if not names or key in names}


def ids(value: Any) -> list[str]:
    """Ids that come as a list or as a single one, each as text or as a Uuid object."""
    if isinstance(value, dict) and "ids" in value:
        value = value["ids"]
    found = value if isinstance(value, list) else [] if value is None else [value]
    return [str(one.get("uuid")) if isinstance(one, dict) else str(one) for one in found]


def number(value: Any, name: str, *, least: float = 0) -> float:
    """A number, which may come as text. ApiError 400."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = least - 1
    if not (found >= least and math.isfinite(found)):
        raise ApiError(400, "ERR-API-0020", "Invalid input data.", f"{name} cannot be {value!r}.")
    return int(found) if found.is_integer() else found


def truth(value: Any) -> bool:
    """A boolean, which may come as text."""
    return value.lower() in ("true", "yes") if isinstance(value, str) else bool(value)
