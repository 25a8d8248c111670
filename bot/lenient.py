"""Calls to a target that may come to nothing without the target's being ill."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from bot.desk import CopyFailed
from bot.errors import CloudyError, MissingError, Stopped
from bot.model import ObjectInfo, PartSource, Upload
from bot.ports import ObjectStore
from bot.undoing import erase

T = TypeVar("T")


def or_lost(call: Callable[[], T], source: PartSource, key: str) -> T:
    """Whatever is wrong with a copy of that object: sending will tell whether the target itself is well."""
    try:
        return call()
    except Stopped:
        raise
    except CloudyError as error:
        raise CopyFailed(f"{key} cannot be copied from: {error.message}", source, key) from error


def was_put(put: Callable[[], ObjectInfo], target: ObjectStore, key: str, value: int) -> bool:
    """Put digests; a recovery point is whole without them. Those from before a crash may be locked, and are as good."""
    try:
        put()
    except Stopped:
        raise
    except CloudyError:
        try:
            return target.head(key).crc64 == value
        except CloudyError:
            return False
    return True


def was_erased(target: ObjectStore, key: str) -> bool:
    """Remove what was made for a while; what stays, or could only be hidden, is left to the clean-up."""
    try:
        return erase(target, key)
    except Stopped:
        raise
    except CloudyError:
        return False


def found(target: ObjectStore, key: str) -> ObjectInfo | None:
    """The facts of an object; None: there is no such object."""
    try:
        return target.head(key)
    except MissingError:
        return None


def is_there(target: ObjectStore, key: str) -> bool:
    """Whether there is such an object."""
    return found(target, key) is not None


def listed(target: ObjectStore, upload: Upload) -> Mapping[int, tuple[str, int]] | None:
    """The parts that the store has; None: no such upload any more."""
    try:
        return target.list_parts(upload)
    except MissingError:  # completed, given up or expired
        return None
