"""Which ranges of which objects were found to be there."""

from bot.model import CopySource


class Sources:
    """Sizes of objects that parts were copied from; an etag never comes again with another size."""

    _MOST = 1000

    def __init__(self) -> None:
        self._sizes: dict[tuple[str, str, str], int] = {}

    def __contains__(self, source: object) -> bool:
        """Whether that object is known to have that range."""
        if not isinstance(source, CopySource):
            return False
        return source.offset + source.length <= self._sizes.get((source.key, source.version_id, source.etag), -1)

    def note(self, source: CopySource, size: int) -> None:
        """Keep a size; from time to time all are forgotten."""
        if len(self._sizes) >= self._MOST:
            self._sizes = {}
        self._sizes[source.key, source.version_id, source.etag] = size
