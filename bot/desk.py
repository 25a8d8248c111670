"""What all files of a transfer share: the journal, and one way to ask a target."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bot.losses import Loss, Losses
from bot.meter import Meter
from bot.model import Carried, CopySource, ObjectInfo, PartDone, PartSource, SourceFile, StoredFile, Upload
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

    def lost(self, target: str, key: str, loss: Loss) -> None:
        """What was to be copied for the object of that key is no good; known also to a run that goes on later."""

    def turned(self, target: str, key: str, turn: int) -> None:
        """What was begun of it in the turns before that one is given up, and the parts are not there any more."""

    def losses(self, target: str) -> Mapping[str, Losses]:
        """What `lost` and `turned` were told, by key."""


class GivenUp(Exception):  # noqa: N818 - no error of the transfer's
    """This target is out, the others go on."""


class Ask(Protocol):
    """Makes one call to a target; its errors are the target's own."""

    def __call__(self, target: ObjectStore, call: Callable[[], T]) -> T:
        """Call, and give what it gave. GivenUp: it failed, now or before."""


class CopyFailed(Exception):  # noqa: N818 - no error: the file is sent once more, and copied from something else
    """What was to be copied is gone, archived, changed, refused or of other bytes.

    It is an object of a recovery point, the zeros, or what the file itself had there, such as a temporary object.
    """

    def __init__(self, words: str, source: PartSource, key: str, *, is_damaged: bool = False) -> None:
        """source: COPY, ZERO or SEGMENT, in that order. is_damaged: it was copied, as other bytes."""
        super().__init__(words)
        self.source = source
        self.key = key
        self.is_damaged = is_damaged


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all lanes of a transfer share."""

    export: str  # the share's: the prefix of every full path
    journal: Journal
    ask: Ask
    metadata: Mapping[str, str]
    zeros: Callable[[ObjectStore, int, Callable[[CopySource], None]], None]  # has so many of them copied
    meter: Meter
    agree: Callable[[SourceFile, int], None]  # IntegrityError: another pass over that file gave another CRC

    def note(
        self, target: ObjectStore, file: SourceFile, info: ObjectInfo, crc64: int, digests: str = ""
    ) -> StoredFile:
        """A file is whole in a target, its digests at that key: keep it. IntegrityError: another target has others."""
        self.agree(file, crc64)
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
