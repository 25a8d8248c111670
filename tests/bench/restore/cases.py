"""The cases: a disk that Cloudy has protected comes back, by each client in turn, and is compared with what it was."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.bench.restore.peers import Fetchers, Way
from tests.bench.transfer import data
from tests.bench.transfer.cloudy import Cloudy, Target, sizes
from tests.bench.transfer.job import EXPORT, Job
from tests.bench.transfer.measuring import ClientError, Figures
from tests.bench.transfer.places import Places
from tests.bench.transfer.servers import Place, Sink
from tests.bench.transfer.verdicts import CLOUDY, GIB, MIB, Record

_DISK, _S3 = "disk", "s3"
_RUN = 4 * MIB  # bytes of a stretch of data
_SEED = 20261126
_PIECE = 4 * MIB


class Bench:
    """One run of the benchmark: its files, counterparts, clients and what they needed."""

    def __init__(
        self,
        folder: Path,
        into: Path,
        peers: Fetchers,
        *,
        places: Places,
        times: int,
        scale: float,
        is_profiled: bool,
    ) -> None:
        """into: where files are restored to."""
        self.records: list[Record] = []
        self.places = places
        self._folder = folder
        self._into = into
        self._peers = peers
        self._times = times
        self._scale = scale
        self._is_profiled = is_profiled
        self._count = 0
        self._share = folder / "share"
        self._disk = self._share / _DISK
        self._share.mkdir()
        (folder / "home").mkdir()
        self.starts = {name: peers.start_up(name, folder / "home", max(3, times)) for name in peers.names}

    def sparse(self) -> None:
        """4 GiB with 10 % data."""
        size = self._scaled(4 * GIB)
        begins = data.places(size, 0.1, _RUN, _SEED)
        data.make_sparse(self._disk, size, begins, _RUN)
        self._everywhere("sparse", len(begins) * _RUN)

    def full(self) -> None:
        """4 GiB random."""
        size = self._scaled(4 * GIB)
        data.make_random(self._disk, size)
        self._everywhere("full", size)

    def _scaled(self, size: int) -> int:
        return max(16, round(size * self._scale / MIB)) * MIB

    def _fresh(self) -> str:
        self._count += 1
        return f"run-{self._count:05}"

    def _everywhere(self, case: str, wanted: int) -> None:
        for place in self.places.s3:
            self._at(place, case, wanted)

    def _at(self, place: Place, case: str, wanted: int) -> None:
        bucket, point = self._fresh(), self._fresh()
        key = f"{point}{EXPORT}/{_DISK}"
        place.make_bucket(bucket)
        cloudy = Cloudy(
            self._folder / self._fresh(),
            self._share,
            {_S3: Target(place, bucket)},
            is_profiled=self._is_profiled,
            restored=self._into,
        )
        if isinstance(place, Sink):
            place.teach(bucket, key, data.prefixes(self._disk))
            place.show(bucket, key, self._disk)
        cloudy.run(Job(transaction=point, targets=(_S3,), files=sizes(self._share, [_DISK]), commit=True))
        data.warm(self._disk)
        for _ in range(self._times):
            for name in (CLOUDY, *self._peers.names):
                figures = (
                    self._ours(cloudy, point)
                    if name == CLOUDY
                    else self._theirs(name, Way(place, bucket, key, self._into / _DISK))
                )
                self._note(Record(case=case, place=place.name, client=name, size=0, wanted=wanted, figures=figures))
        place.remove_bucket(bucket)

    def _ours(self, cloudy: Cloudy, point: str) -> Figures:
        transaction = self._fresh()
        found = cloudy.restore(Job(transaction=transaction, targets=(_S3,), files={}, bases={_S3: point}))
        folder = self._into / f".cloudy-{transaction}"
        return self._judged(found, folder / _DISK, folder.rmdir)

    def _theirs(self, name: str, way: Way) -> Figures:
        found = self._peers.fetch(name, way, self._folder / "home", self.starts[name])
        return self._judged(found, way.into, lambda: None)

    def _judged(self, found: Figures, restored: Path, tidy: Callable[[], None]) -> Figures:
        """What it takes on the disk; it must be what was protected, and goes away."""
        allocated = restored.stat().st_blocks * 512
        if not _is_same(self._disk, restored):
            raise ClientError(f"{restored} is not what was protected")
        restored.unlink()
        tidy()
        return replace(found, told={**found.told, "allocated": allocated})

    def _note(self, record: Record) -> None:
        record = replace(record, size=self._disk.stat().st_size)
        self.records.append(record)
        f = record.figures
        said = f"{record.case:8} {record.place:6} {record.client:8} {f.wall:7.2f} s  CPU {f.cpu:6.2f} s"
        print(f"{said}  fetched {f.wire / MIB:8.1f} MiB  foreign {f.foreign:.1f}", file=sys.stderr, flush=True)


CASES: dict[str, Callable[[Bench], None]] = {"sparse": Bench.sparse, "full": Bench.full}


def _is_same(one: Path, other: Path) -> bool:
    with one.open("rb") as mine, other.open("rb") as theirs:
        while True:
            left, right = mine.read(_PIECE), theirs.read(_PIECE)
            if left != right:
                return False
            if not left:
                return True
