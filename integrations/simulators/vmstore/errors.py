"""The one exception that becomes a VMstore error answer."""

from typing import Any

_TYPE_ID = "com.tintri.api.rest.v310.dto.domain.beans.TintriError"


class ApiError(Exception):
    """A refusal; clients index code, message and causeDetails unchecked, so the three are always strings."""

    def __init__(self, status: int, code: str, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.cause = cause or message

    def body(self) -> dict[str, Any]:
        """The TintriError object."""
        return {"typeId": _TYPE_ID, "code": self.code, "message": self.message, "causeDetails": self.cause}


def not_found(kind: str, name: str) -> ApiError:
    """No such thing; the wording of the cause is what clients look for."""
    return ApiError(404, "ERR-API-8001", "Resource not found.", f"Failed to lookup {kind} {name}.")


def bad_query(name: str, value: str) -> ApiError:
    """A query parameter of a known name and an impossible value."""
    return ApiError(400, "ERR-API-4003", "Invalid query parameter.", f"{name}={value} is not possible.")


def invalid(cause: str, code: str = "ERR-API-0020", message: str = "Invalid input data.") -> ApiError:
    """A body that cannot be obeyed."""
    return ApiError(400, code, message, cause)
