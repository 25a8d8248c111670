"""One request as handlers see it, and one answer as they give it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from integrations.simulators.vmstore.errors import bad_query

Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Call:
    """A request, decoded; repeated query parameters are joined by a comma, which means the same to a VMstore."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    cookie: str = ""  # JSESSIONID
    client: str = ""  # name that the client gave itself
    address: str = ""
    params: dict[str, str] = field(default_factory=dict)  # from the path's template
    user: str = ""

    def number(self, name: str, default: int) -> int:
        """A query parameter as a whole number of 0 or more."""
        text = self.query.get(name, "").removeprefix("position:")
        if not text:
            return default
        if not text.isascii() or not text.isdigit():
            raise bad_query(name, text)
        return int(text)

    def words(self, name: str) -> set[str]:
        """A multi-valued query parameter."""
        return {word for word in self.query.get(name, "").split(",") if word}


@dataclass(slots=True, kw_only=True)
class Reply:
    """An answer that is more than 200 with a body."""

    status: int = 200
    body: Any = None
    cookie: str = ""  # a new session's id


Handler = Callable[[Call], Any]  # gives a Reply, or the body of a 200


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the API: `{name}` in the path is one segment, `{name:rest}` all that is left."""

    method: str
    path: str
    handler: Handler
    public: bool = False  # answers without a session
    since: int = 0  # minor version of the API that brought it
