"""Recovery points in a target of memory, and restores of them, for tests of the way back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot import digests
from bot.arena import Arena
from bot.checksum import crc64
from bot.fetch import Arrived, Fetched, FetchSettings, fetch
from bot.model import StoredFile
from bot.ports import Share
from tests.memory import MemoryJournal, MemoryShare, MemoryStore, Watch
from tests.unit.test_digests import made

TID, GRAIN, WINDOW = "20261123T142233Z-7f3k9q", 64, 512
FOLDER = ".cloudy-20261201T080000Z-9z8y7x"


def stored(store: MemoryStore, contents: Mapping[str, bytes], *, grain: int = GRAIN) -> tuple[StoredFile, ...]:
    """Have files in a target as a protection leaves them; grain 0: without digests."""
    files = []
    for number, (name, content) in enumerate(contents.items()):
        key, blocks = f"{TID}/tintri/{TID}/{name}", digests.key(TID, number) if grain else ""
        store.put(key, content, crc64=crc64(content), metadata={})
        if blocks:
            body = digests.encode(made(content, grain, key))
            store.put(blocks, body, crc64=crc64(body), metadata={})
        files.append(
            StoredFile(
                path=f"/tintri/{TID}/{name}",
                name=name,
                key=key,
                size=len(content),
                crc64=crc64(content),
                etag=store.etags[key],
                digests=blocks,
            )
        )
    return tuple(files)


@dataclass
class Restore:
    """A target with files, a share, a journal; fetched as often as a test wants."""

    files: Sequence[StoredFile]
    store: MemoryStore
    share: Share = field(default_factory=lambda: MemoryShare({}))
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    check: Callable[[], None] = lambda: None
    settings: FetchSettings = field(
        default_factory=lambda: FetchSettings(threads=3, window=WINDOW, gap=GRAIN, arena=Arena(6, WINDOW))
    )
    told: list[Arrived] = field(default_factory=list)

    def run(self, directory: str = FOLDER, **changed: object) -> Fetched:
        """Fetch."""
        return fetch(
            self.files,
            source=self.store,
            share=self.share,
            directory=directory,
            journal=self.journal,
            settings=replace(self.settings, **changed),  # type: ignore[arg-type] # by name
            check=self.check,
            on_progress=self.told.append,
        )

    def watch(self, watch: Watch) -> None:
        """Of all that is called."""
        self.store.watch = self.journal.watch = watch
        if isinstance(self.share, MemoryShare):
            self.share.watch = watch
