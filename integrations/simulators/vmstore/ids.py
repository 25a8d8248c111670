"""Ids: `<file-system UUID, upper case>-<kind>-<16 hex>`, and the Uuid object that carries one."""

from integrations.simulators.vmstore.calls import Json
from integrations.simulators.vmstore.errors import ApiError

_TYPE_ID = "com.tintri.api.rest.vcommon.dto.Uuid"
_ENTITY = {"VIM": "VIRTUAL_MACHINE", "SST": "SNAPSHOT", "VDK": "VIRTUAL_DISK", "DST": "DATA_STORE", "PLT": "VMSTORE"}
_ENTITY |= {"USR": "USER_ACCOUNT", "ALT": "ALERTS", "SGP": "SERVICE_GROUP", "RPL": "REPL_LINK", "LIC": "LICENSE"}


class Ids:
    """Makes and reads the ids of one file system."""

    def __init__(self, fs_uuid: str) -> None:
        self.fs_uuid = fs_uuid

    def text(self, kind: str, hex_digits: str) -> str:
        """The id of a thing."""
        return f"{self.fs_uuid}-{kind}-{hex_digits}"

    def hex_of(self, kind: str, text: str) -> str:
        """The thing's own part of an id; "" when it is an id of something else."""
        prefix = f"{self.fs_uuid}-{kind}-"
        return text[len(prefix) :] if text.startswith(prefix) else ""

    def object(self, kind: str, hex_digits: str) -> Json:
        """The Uuid object."""
        return uuid_object(self.text(kind, hex_digits), _ENTITY[kind])


def check_datastore(ids: Ids, name: str) -> None:
    """Only the datastore that there is, under its id or as `default`. ApiError 501."""
    if name not in ("default", ids.text("DST", f"{0:016X}")):
        message = 'Datastores other than "default" are not supported.'
        raise ApiError(501, "ERR-API-2001", message, f"Not {name}.")


def uuid_object(text: str, entity: str) -> Json:
    """A Uuid object of any id."""
    return {"typeId": _TYPE_ID, "uuid": text, "entityTC": entity}
