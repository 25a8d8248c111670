"""Metadata of objects, as HTTP headers carry it."""

from collections.abc import Mapping
from urllib.parse import quote, unquote

_PRINTABLE = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"  # may stand in a header as it is: ASCII without % and space


def encode_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Make names and values fit for HTTP headers: what is not plain ASCII is percent-encoded, as in a URL.

    Spaces stay where the signature's rules (no double ones, none at the ends) leave them alone.
    """
    return {
        quote(name.lower(), safe=""): quote(value, safe=_PRINTABLE + (" " if value == " ".join(value.split()) else ""))
        for name, value in metadata.items()
    }


def decode_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Read what `encode_metadata` wrote."""
    return {unquote(name): unquote(value) for name, value in metadata.items()}
