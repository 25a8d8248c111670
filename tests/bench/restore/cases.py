"""The cases: a disk that Cloudy has protected comes back, by each client in turn, and is compared with what it was."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench import sidebyside
from tests.bench.restore.peers import Errand, Fetchers
from tests.bench.transfer import data
from tests.bench.transfer.cloudy import Cloudy, Target, sizes
from tests.bench.transfer.job import EXPORT, Job
from tests.bench.transfer.measuring import ClientError, Figures
from tests.bench.transfer.servers import Place, Sink
from tests.bench.transfer.verdicts import CLOUDY, GIB, MIB, Record

_DISK, _S3 = "disk", "s3"
_RUN = 4 * MIB  # bytes of a stretch of data
_SEED = 20261126
_PIECE = 4 * MIB


class Bench(sidebyside.Bench):
    """One run of the benchmark."""

    said = "{case:8} {place:6} {client:8}"
    moved = "fetched"

    def __init__(self, folder: Path, into: Path, peers: Fetchers, **more: Any) -> None:
        """into: where files are restored to. more: as any benchmark has it."""
        super().__init__(folder, peers, **more)
        self._into = into
        self._fetchers = peers

    def sparse(self) -> None:
        """4 GiB with 10 % data."""
        size = self.scaled(4 * GIB)
        begins = data.places(size, 0.1, _RUN, _SEED)
        data.make_sparse(self.disk, size, begins, _RUN)
        self._everywhere("sparse", len(begins) * _RUN)

    def full(self) -> None:
        """4 GiB random."""
        size = self.scaled(4 * GIB)
        data.make_random(self.disk, size)
        self._everywhere("full", size)

    def _everywhere(self, case: str, wanted: int) -> None:
        for place in self.places.s3:
            self._at(place, case, wanted)

    def _at(self, place: Place, case: str, wanted: int) -> None:
        with self.bucket(place) as bucket:
            point = self.fresh()
            cloudy = self._protected(Target(place, bucket), point)
            data.warm(self.disk)
            errand = Errand(place, bucket, _key(point), self._into / _DISK)
            size = self.disk.stat().st_size
            for _ in range(self.times):
                for name in (CLOUDY, *self.peers.names):
                    found = self._ours(cloudy, point) if name == CLOUDY else self._theirs(name, errand)
                    self.note(Record(case=case, place=place.name, client=name, size=size, wanted=wanted, figures=found))

    def _protected(self, target: Target, point: str) -> Cloudy:
        """An installation with that recovery point."""
        place, key = target.place, _key(point)
        cloudy = Cloudy(
            self.folder / self.fresh(), self.share, {_S3: target}, is_profiled=self.is_profiled, restored=self._into
        )
        if isinstance(place, Sink):
            place.teach(target.bucket, key, data.prefixes(self.disk))
            place.show(target.bucket, key, self.disk)
        cloudy.run(Job(transaction=point, targets=(_S3,), files=sizes(self.share, [_DISK]), commit=True))
        return cloudy

    def _ours(self, cloudy: Cloudy, point: str) -> Figures:
        transaction = self.fresh()
        found = cloudy.restore(Job(transaction=transaction, targets=(_S3,), files={}, bases={_S3: point}))
        folder = self._into / f".cloudy-{transaction}"
        return self._judged(found, folder / _DISK, folder.rmdir)

    def _theirs(self, name: str, errand: Errand) -> Figures:
        found = self._fetchers.fetch(name, errand, self.home, self.starts[name])
        return self._judged(found, errand.into, lambda: None)

    def _judged(self, found: Figures, restored: Path, tidy: Callable[[], None]) -> Figures:
        """What it takes on the disk; it must be what was protected, and goes away."""
        allocated = restored.stat().st_blocks * 512
        if not _is_same(self.disk, restored):
            raise ClientError(f"{restored} is not what was protected")
        restored.unlink()
        tidy()
        return replace(found, told={**found.told, "allocated": allocated})


CASES: dict[str, Callable[[Bench], None]] = {"sparse": Bench.sparse, "full": Bench.full}


def _key(point: str) -> str:
    return f"{point}{EXPORT}/{_DISK}"


def _is_same(one: Path, other: Path) -> bool:
    with one.open("rb") as mine, other.open("rb") as theirs:
        while True:
            left, right = mine.read(_PIECE), theirs.read(_PIECE)
            if left != right:
                return False
            if not left:
                return True
