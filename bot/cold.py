"""What of a recovery point lies in an archive, and what bringing it back takes. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.model import ObjectInfo, StoredFile
from bot.words import size_text

KEPT_DAYS = 7  # how long what was brought back can be read at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Cold:
    """Objects of one target."""

    objects: int
    size: int  # bytes
    classes: tuple[str, ...]  # the store's words
    hours: int  # until all are back, at most

    def __str__(self) -> str:
        """ "3 objects, 1.2 GiB (GLACIER)"."""
        number = "1 object" if self.objects == 1 else f"{self.objects} objects"
        return f"{number}, {size_text(self.size)} ({', '.join(self.classes)})"


def cold(infos: Iterable[ObjectInfo]) -> Cold | None:
    """None: nothing of it is archived."""
    found = [info for info in infos if info.is_archived]
    if not found:
        return None
    return Cold(
        objects=len(found),
        size=sum(info.size for info in found),
        classes=tuple(sorted({info.storage_class for info in found})),
        hours=max(info.thaw_hours for info in found),
    )


def keys_of(files: Iterable[StoredFile]) -> tuple[str, ...]:
    """The objects that a restore reads, without the manifest: files, and what is known of their grains."""
    return tuple(key for file in files for key in (file.key, file.digests) if key)


def any_file(files: Iterable[StoredFile], infos: Iterable[ObjectInfo]) -> bool:
    """Whether one of these objects is a file, and not only what is known of its grains."""
    keys = {file.key for file in files}
    return any(info.key in keys for info in infos)
