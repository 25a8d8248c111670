"""Metadata of blobs: names that Azure takes, and values as HTTP headers carry them.

Source: "Naming and referencing containers, blobs, and metadata": names must be C# identifiers, values ASCII.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

_PRINTABLE = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"  # may stand in a header as it is: ASCII without % and space
_ODD = re.compile(r"--+|[^a-z0-9-]|^[0-9-]")  # of a name; a single `-` becomes `_`
_WRITTEN = re.compile(r"__([0-9a-f]{2})|_")


def encode_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Make names and values fit for Azure; nothing of what is different becomes the same."""
    return {_name(name.lower()): _value(value) for name, value in metadata.items()}


def decode_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Read what `encode_metadata` wrote."""
    return {_plain(name.lower()): unquote(value) for name, value in metadata.items()}


def _name(name: str) -> str:
    return _ODD.sub(lambda odd: "".join(f"__{byte:02x}" for byte in odd[0].encode()), name).replace("-", "_")


def _plain(name: str) -> str:
    text = _WRITTEN.sub(lambda found: f"%{found[1]}" if found[1] else "-", name)
    return unquote(text)


def _value(value: str) -> str:
    """Spaces stay where the signature's rules (no double ones, none at the ends) leave them alone."""
    return quote(value, safe=_PRINTABLE + (" " if value == " ".join(value.split()) else ""))
