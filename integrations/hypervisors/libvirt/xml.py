"""Reads XML that nobody vouches for: no document type, so no entities, no deep nesting, no long text. Pure."""

from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.parsers import expat

from bot.model import LARGEST_DEFINITION

_DEEPEST = 32
_MOST = 20_000  # elements


class NotXml(ValueError):  # noqa: N818 - reads as what it says
    """The text is not XML that is read here."""


def read(text: str) -> Element:
    """The root; names with a namespace are "{namespace}name". NotXml says why not."""
    if len(text) > LARGEST_DEFINITION:
        raise NotXml(f"it is longer than {LARGEST_DEFINITION:,} characters")
    builder = _Builder()
    try:
        builder.parser.Parse(text, True)
        return builder.tree.close()
    except (expat.ExpatError, ParseError, AssertionError, UnicodeEncodeError) as error:
        raise NotXml(f"it is not XML ({error})") from error


class _Builder:
    def __init__(self) -> None:
        self.tree = TreeBuilder()
        self._depth = self._count = 0
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self.tree.data
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._count += 1
        if self._depth > _DEEPEST or self._count > _MOST:
            raise NotXml("it is too deep or too long")
        self.tree.start(_named(name), {_named(key): value for key, value in attributes.items()})

    def _end(self, name: str) -> None:
        self._depth -= 1
        self.tree.end(_named(name))

    def _refuse(self, *_: object) -> None:
        raise NotXml("it declares a document type")


def _named(name: str) -> str:
    return "{" + name if "}" in name else name
