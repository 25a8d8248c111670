"""Nouns to JSON values and back, for step results, plans and `--json`."""

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

T = TypeVar("T")


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(type[Any], kind))


def encode(noun: Any) -> Any:
    """A JSON value of a noun; of a sequence of nouns, the list of theirs."""
    if isinstance(noun, list | tuple):
        return [encode(item) for item in noun]
    return _adapter(cast(Hashable, type(noun))).dump_python(noun, mode="json")


def decode(kind: type[T], value: Any) -> T:
    """The noun again. pydantic.ValidationError: the value is not one."""
    decoded: T = _adapter(cast(Hashable, kind)).validate_python(value)
    return decoded
