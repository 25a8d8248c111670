"""What was seen of a file so far: digest and CRC of each grain, for the digest object and for the CRC of any part."""

from collections.abc import Mapping, Sequence

from bot import digests
from bot.digests import Digests
from bot.errors import IntegrityError
from bot.grains import Changes, Grain


class Seen:
    """Grows in file order by one thread; others may ask for what is there already."""

    def __init__(self, size: int, grain: int) -> None:
        self.size = size
        self.grain = grain
        self.length = 0  # bytes seen
        self._body = bytearray()

    def add(self, grains: Sequence[Grain]) -> None:
        """The next ones."""
        self._body += digests.packed(grains)
        self.length += sum(each.length for each in grains)

    def crc64(self, offset: int, length: int) -> int:
        """The CRC of a stretch that begins at a grain and ends at one, or at the file's end."""
        if offset % self.grain or ((offset + length) % self.grain and offset + length != self.size):
            raise IntegrityError(f"{length} bytes from {offset} are no whole grains of {self.grain} bytes.")
        so_far = Digests(key="", size=self.size, grain=self.grain, body=self._body)
        return so_far.crc64(offset // self.grain, -(-length // self.grain))

    def digests(self, key: str, changes: Changes | None = None) -> Digests:
        """All of it, as kept for the object of that key; its own memory, for nothing is added any more."""
        return digests.of_body(key, self.size, self.grain, self._body, changes)


Sights = Mapping[int, Seen]  # one file, by the size of the grain
