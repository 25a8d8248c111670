"""What all files of a transfer share: the journal, and one way to ask a target."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bot.meter import Meter
from bot.model import Carried, CopySource, ObjectInfo, PartDone, SourceFile, StoredFile, Upload
from bot.ports import ObjectStore

T = TypeVar("T")


class Journal(Protocol):
    """What must survive a crash, so that nothing is sent twice and nothing is left behind. Targets by name.

    Called from several threads. What it raises ends the whole transfer.
    """

    def opening(self, target: str, key: str, url: str) -> None:
        """An upload of that key is about to be opened. url: where the target is."""

    def opened(self, target: str, key: str, upload: Upload) -> None:
        """It is open."""

    def temporary(self, target: str, key: str, url: str) -> None:
        """An object of that key is about to be made that is to be removed again, whatever happens."""

    def removed(self, target: str, key: str) -> None:
        """What was temporary is gone, and so is its upload."""

    def may_be_open(self, target: str, key: str) -> bool:
        """Whether an upload of that key was promised, and nothing tells of its end."""

    def forget(self, target: str, key: str) -> None:
        """The parts recorded so far are not there any more."""

    def upload(self, target: str, key: str) -> Upload | None:
        """The upload that was opened last, if any."""

    def parts(self, target: str, key: str) -> Mapping[int, PartDone]:
        """Parts recorded so far, by number."""

    def arrived(self, target: str) -> Carried:
        """The bytes of all parts recorded so far, of whatever object."""

    def record(self, target: str, key: str, part: PartDone) -> None:
        """The target has this part."""

    def sampled(self, target: str, key: str, grain: int, samples: Sequence[tuple[int, int]]) -> None:
        """Grains by which the object of that key is to be recognised (bot/samples.py), before it is stored."""

    def stored(self, target: str, file: StoredFile) -> None:
        """The target has the whole object."""

    def settled(self, target: str, key: str) -> None:
        """An upload that belongs to no file of the transaction has become an object: nothing is to be cleaned up."""

    def is_stored(self, target: str, key: str) -> StoredFile | None:
        """What `stored` was told of that key, if anything."""


class GivenUp(Exception):  # noqa: N818 - no error of the transfer's
    """This target is out, the others go on."""


class Ask(Protocol):
    """Makes one call to a target; its errors are the target's own."""

    def __call__(self, target: ObjectStore, call: Callable[[], T]) -> T:
        """Call, and give what it gave. GivenUp: it failed, now or before."""


class BaseLost(Exception):  # noqa: N818 - no error: the file is sent in full instead
    """What was to be copied from is not what it was recorded as: gone, archived, changed, or of other bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all lanes of a transfer share."""

    export: str  # the share's: the prefix of every full path
    journal: Journal
    ask: Ask
    metadata: Mapping[str, str]
    zeros: Callable[[ObjectStore, int], CopySource]  # so many of them at least, where they can be copied from
    meter: Meter

    def note(
        self, target: ObjectStore, file: SourceFile, info: ObjectInfo, crc64: int, digests: str = ""
    ) -> StoredFile:
        """A file is whole in a target, and its digests at that key: keep it."""
        stored = StoredFile(
            path=f"{self.export}/{file.path}",
            name=file.name,
            key=file.key,
            size=file.size,
            crc64=crc64,
            etag=info.etag,
            digests=digests,
        )
        self.journal.stored(target.name, stored)
        return stored
